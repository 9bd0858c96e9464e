"""Which series a folder holds: never mixed, each with its reason for being left out."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pydicom.uid import generate_uid

from SarcopeniaAssessLib import dicom_pixels
from SarcopeniaAssessLib.ct_io import list_ct, open_ct
from SarcopeniaAssessLib.errors import GeometryError, InputError, IntensityError, Severity
from Testing.library.ct_files import affine, anatomy, dicom_image, rotation, save, store, write_dicom

NATIVE, RAS_FROM_IJK = store(anatomy(), affine(), (0, 1, 2), (True, True, False))
LATER = (NATIVE + np.where(NATIVE > 0, 30, 0)).astype(np.int16)
UID = "1.2.826.0.1.1.4"


def write(folder, hu=NATIVE, **attributes):
    return write_dicom(folder, hu, RAS_FROM_IJK, **attributes)


def message_of(volume, code):
    return next(finding.message for finding in volume.findings if finding.code == code)


def test_several_series_are_listed_by_uid_and_one_is_opened_by_it(tmp_path):
    """Same number, same description, one folder: only the UIDs tell two studies apart."""
    write(tmp_path, LATER, SeriesInstanceUID="1.2.9", names=[f"b{k}" for k in range(9)])
    write(tmp_path, SeriesInstanceUID="1.2.3", names=[f"a{k}" for k in range(9)])
    listed = list_ct(tmp_path)
    assert [(s.number, s.uid, s.description, s.slices) for s in listed] == [
        (4, "1.2.3", "Abdomen", 9),
        (4, "1.2.9", "Abdomen", 9),
    ]
    np.testing.assert_array_equal(listed[1].open().slab(0, 9), np.flip(LATER, (0, 1)))
    np.testing.assert_array_equal(open_ct(tmp_path, series="1.2.3").slab(0, 9), anatomy())
    with pytest.raises(
        InputError, match=r"2 axial.*number 4, UID 1\.2\.3, Abdomen, 9 slices.*1\.2\.9.*--series"
    ):
        open_ct(tmp_path)
    with pytest.raises(InputError, match=r"UID asked for.*1\.2\.3"):
        open_ct(tmp_path, series="7.7")


def test_a_folder_is_searched_recursively_and_other_files_ignored(tmp_path):
    files = write(tmp_path / "PAT" / "ST0")
    for n, file in enumerate(files):
        (tmp_path / "PAT" / f"SE{n}").mkdir()
        file.rename(tmp_path / "PAT" / f"SE{n}" / "IM0")
    (tmp_path / "DICOMDIR").write_bytes((tmp_path / "PAT" / "SE0" / "IM0").read_bytes())
    (tmp_path / "readme.txt").write_text("x" * 500)
    (tmp_path / "empty").touch()
    assert open_ct(tmp_path).slice_count == 9


def test_files_without_preamble_are_found(tmp_path):
    for file in write(tmp_path):
        file.write_bytes(file.read_bytes()[132:])
    np.testing.assert_array_equal(open_ct(tmp_path).slab(0, 9), anatomy())


LEFT_OUT = {
    "localizer": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "MR": {"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"},
    "PET": {"Modality": "PT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.128"},
    "segmentation": {"Modality": "SEG", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"},
    "structure set": {"Modality": "RTSTRUCT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.3"},
    "secondary capture": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    "projection or rendering": {"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "MIP"]},
    "reformat": {"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]},
    "CT without rescale slope and intercept": {"RescaleSlope": None, "RescaleIntercept": None},
    "CT whose values are not Hounsfield units": {"RescaleType": "EDW"},
    "CT images without position, orientation or pixel spacing": {"ImagePositionPatient": None},
    "another modality": {"Modality": "PLANTED"},
}


@pytest.mark.parametrize("reason", LEFT_OUT)
def test_what_is_no_ct_is_named_and_left_out(tmp_path, reason):
    write(tmp_path / "ct")
    write(tmp_path / "other", SeriesInstanceUID="1.2.77", SeriesDescription="Planted", **LEFT_OUT[reason])
    volume = open_ct(tmp_path)
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())
    assert message_of(volume, "left_out") == f"Left out of the folder: {reason} (9 images)."
    assert [f.severity for f in volume.findings] == [Severity.INFO]


@pytest.mark.parametrize("reason", [r for r in LEFT_OUT if r != "reformat"])
def test_alone_it_is_refused_with_what_was_found(tmp_path, reason):
    write(tmp_path, **LEFT_OUT[reason])
    kinds = {"CT without rescale slope and intercept": IntensityError}
    kinds["CT images without position, orientation or pixel spacing"] = GeometryError
    with pytest.raises(kinds.get(reason, InputError)) as caught:
        open_ct(tmp_path)
    if reason not in kinds:
        assert reason in str(caught.value)
    assert "planted" not in str(caught.value).lower()
    with pytest.raises(type(caught.value)):
        open_ct(next(tmp_path.iterdir()))


@pytest.mark.parametrize(
    ("turn", "reason"), [((0, 90, 0), "coronal or sagittal"), ((45, 0, 0), "tilted by more than 30°")]
)
def test_reformats_are_told_by_their_geometry_not_their_image_type(tmp_path, turn, reason):
    write(tmp_path / "ct")
    write_dicom(tmp_path / "mpr", NATIVE, affine(rotation(*turn)), SeriesInstanceUID=UID)
    volume = open_ct(tmp_path)
    assert volume.slice_count == 9
    assert reason in message_of(volume, "left_out")


def test_an_axial_reformat_serves_where_there_is_nothing_better_or_it_is_asked_for(tmp_path):
    write(tmp_path / "mpr", SeriesInstanceUID="1.2.77", **LEFT_OUT["reformat"])
    assert [f.code for f in open_ct(tmp_path).findings] == ["reformat"]
    write(tmp_path / "ct")
    assert [s.uid for s in list_ct(tmp_path)] == [UID]
    assert "reformat" in [f.code for f in open_ct(tmp_path, series="1.2.77").findings]


@pytest.mark.parametrize(("low", "high", "intercept"), [(0, 1, 0), (0, 255, 0), (0, 1, -1024)])
def test_masks_stored_as_ct_are_left_out(tmp_path, low, high, intercept):
    mask = np.where(NATIVE > 20, high, low) + intercept
    write(tmp_path / "mask", mask, SeriesInstanceUID="1.2.77", RescaleIntercept=intercept)
    write(tmp_path / "ct")
    volume = open_ct(tmp_path)
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())
    assert message_of(volume, "left_out") == "Left out of the folder: mask stored as CT (9 images)."


def test_a_ct_of_few_grey_values_is_no_mask(tmp_path):
    """Of 8 bits and less, its steps are in the slope; a mask's labels need none."""
    coarse = np.round((NATIVE + 1024.0) / 32) * 32 - 1024
    write(tmp_path / "coarse", coarse, SeriesInstanceUID="1.2.77", RescaleSlope=32)
    write(tmp_path / "ct")
    assert [one.uid for one in list_ct(tmp_path)] == ["1.2.77", UID]


def test_a_mask_alone_is_refused_where_it_is_decoded(tmp_path):
    write(tmp_path, (NATIVE > 20).astype(np.int16), RescaleIntercept=0)
    with pytest.raises(IntensityError, match="label map"):
        open_ct(tmp_path).slab(3, 6)


def test_finding_a_lone_series_decodes_nothing(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr(dicom_pixels, "_pixel_array", lambda *_: pytest.fail("decoded"))
    assert open_ct(tmp_path).slice_count == 9


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
        ({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}),
        ({"NominalPercentageOfCardiacPhase": 40}, {"NominalPercentageOfCardiacPhase": 75}),
        ({"AcquisitionTime": "101500"}, {"AcquisitionTime": "101540"}),
        ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "VMI"]}, {}),
    ],
)
def test_phases_under_one_uid_are_separate_series(tmp_path, first, second):
    write(tmp_path / "a", **first)
    write(tmp_path / "b", LATER, **second)
    listed = list_ct(tmp_path)
    assert [s.uid for s in listed] == [f"{UID}#1", f"{UID}#2"]
    slabs = [s.open().slab(0, 9) for s in listed]
    assert {slab[14, 11, 4] for slab in slabs} == {anatomy()[14, 11, 4], anatomy()[14, 11, 4] + 30}
    for slab in slabs:
        assert np.array_equal(slab, anatomy()) or np.array_equal(slab, np.flip(LATER, (0, 1)))
    with pytest.raises(InputError, match="2 axial"):
        open_ct(tmp_path)
    np.testing.assert_array_equal(open_ct(tmp_path, series=f"{UID}#2").slab(0, 9), slabs[1])


def test_phases_that_only_instance_numbers_tell_apart(tmp_path):
    for k in range(9):
        save(dicom_image(NATIVE[:, :, k], RAS_FROM_IJK, k, InstanceNumber=k + 1), tmp_path / f"a{k}")
        save(dicom_image(LATER[:, :, k], RAS_FROM_IJK, k, InstanceNumber=k + 10), tmp_path / f"b{k}")
    assert [s.slices for s in list_ct(tmp_path)] == [9, 9]


def test_phases_that_nothing_tells_apart_are_refused(tmp_path):
    for k in range(9):
        for n, hu in enumerate((NATIVE, LATER)):
            image = dicom_image(hu[:, :, k], RAS_FROM_IJK, k, InstanceNumber=2 * k + n)
            save(image, tmp_path / f"{n}{k}")
    with pytest.raises(InputError, match="nothing tells apart"):
        open_ct(tmp_path)


def doubled(folder, hu, **attributes):
    write(folder)
    for k in (2, 3):
        image = dicom_image(hu[:, :, k], RAS_FROM_IJK, k, **{"InstanceNumber": 50 + k, **attributes})
        image.SOPInstanceUID = generate_uid()
        save(image, folder / f"again{k}")
    return open_ct(folder)


@pytest.mark.parametrize("attributes", [{}, {"ContentTime": "120000"}, {"InstanceNumber": 3}])
def test_doubled_positions_count_once(tmp_path, attributes):
    volume = doubled(tmp_path, NATIVE, **attributes)
    assert volume.slice_count == 9
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())
    assert [(f.code, f.severity) for f in volume.findings] == [("doubled_positions", Severity.INFO)]


def test_a_few_positions_with_two_pictures_are_flagged(tmp_path):
    volume = doubled(tmp_path, LATER)
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())
    assert [(f.code, f.severity) for f in volume.findings] == [("doubled_positions", Severity.WARNING)]


def test_a_whole_copy_in_another_folder_changes_nothing(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b")
    volume = open_ct(tmp_path)
    assert volume.slice_count == 9
    assert volume.findings == ()


def test_one_uid_on_every_slice_does_not_lose_slices(tmp_path):
    write(tmp_path, SOPInstanceUID="1.2.3.4")
    assert open_ct(tmp_path).slice_count == 9


def test_acquisitions_one_above_the_other_are_one_series(tmp_path):
    for k in range(9):
        save(dicom_image(NATIVE[:, :, k], RAS_FROM_IJK, k, AcquisitionNumber=1 + k // 3), tmp_path / str(k))
    assert open_ct(tmp_path).slice_count == 9


def test_overlapping_acquisitions_are_not_interleaved(tmp_path):
    """Two passes offset by half a slice: together they would look like one of thin slices."""
    for k in range(9):
        save(dicom_image(NATIVE[:, :, k], RAS_FROM_IJK, k, AcquisitionNumber=1), tmp_path / f"a{k}")
        image = dicom_image(LATER[:, :, k], RAS_FROM_IJK, k + 0.5, AcquisitionNumber=2, InstanceNumber=20 + k)
        save(image, tmp_path / f"b{k}")
    assert [s.slices for s in list_ct(tmp_path)] == [9, 9]


def test_bolus_tracking_slices_are_left_out(tmp_path):
    write(tmp_path / "ct")
    for n in range(12):
        image = dicom_image(
            LATER[:, :, 4], RAS_FROM_IJK, 4, SeriesInstanceUID="1.2.77", InstanceNumber=n + 1,
            AcquisitionNumber=n + 1, AcquisitionTime=f"1010{n:02d}",
        )  # fmt: skip
        save(image, tmp_path / "bolus" / str(n))
    volume = open_ct(tmp_path)
    assert volume.slice_count == 9
    assert "12 images" in message_of(volume, "left_out")


def test_series_without_a_uid_are_opened(tmp_path):
    write(tmp_path, SeriesInstanceUID="")
    assert open_ct(tmp_path).slice_count == 9


def test_a_damaged_header_is_left_out(tmp_path):
    files = write(tmp_path)
    files[8].write_bytes(files[8].read_bytes()[:140])
    volume = open_ct(tmp_path)
    assert volume.slice_count == 8
    assert "damaged DICOM file (1 image)" in message_of(volume, "left_out")


def test_no_result_of_a_volume_holds_the_patients_identity(tmp_path):
    write(tmp_path / "ct", SeriesDescription="Planted^Name", PatientComments="PLANTED")
    write(tmp_path / "mr", SeriesInstanceUID="1.2.77", **LEFT_OUT["MR"])
    volume = open_ct(tmp_path)
    text = repr((volume.findings, volume.input, volume.patient)).lower()
    for planted in ("planted", "1.2.826", "1.2.77", "1948", str(tmp_path).lower()):
        assert planted not in text


def test_two_studies_under_one_series_uid_are_not_mixed(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b", LATER, StudyInstanceUID="1.2.8")
    assert [s.slices for s in list_ct(tmp_path)] == [9, 9]


def test_a_directory_file_is_no_ct(tmp_path):
    dataset = dicom_image(NATIVE[:, :, 0], RAS_FROM_IJK, 0, SOPClassUID="1.2.840.10008.1.3.10", Modality=None)
    del dataset.SOPClassUID
    dataset.save_as(tmp_path / "DICOMDIR")
    with pytest.raises(InputError, match="no CT image"):
        open_ct(tmp_path / "DICOMDIR")
    with pytest.raises(InputError, match="no DICOM files"):
        open_ct(tmp_path)


def test_without_pydicom_the_extra_is_named(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InputError, match=r"sarcopenia-assess\[dicom\]"):
        open_ct(tmp_path)
