"""What results take over from a header, and what they do not."""

import numpy as np
import pytest
from pydicom import dcmread

from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.dicom_source import is_dicom, source_slice
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.volume import CtVolume
from Testing.library.ct_files import rotation
from Testing.library.dicom_cases import PLANTED, write_ct
from Testing.library.small_case import LEVEL, affine, ct

KEPT = {
    "PatientName": "Planted^Name",
    "PatientID": "PLANTED-ID",
    "PatientBirthDate": "19480615",
    "PatientSex": "F",
    "AccessionNumber": "A-77",
    "StudyDate": "20240102",
    "StudyTime": "101500",
    "ReferringPhysicianName": "Ref^Doc",
}


def slice_of(folder, k=LEVEL, **options):
    return source_slice(open_ct(folder), k, **options)


def test_patient_and_study_are_blank_and_said_to_be(tmp_path):
    given = {name: value for name, value in KEPT.items() if name not in ("PatientName", "PatientID")}
    image = slice_of(write_ct(tmp_path / "ct", **given, StationName="PLANTED-ID", PatientAge="076Y")).image
    assert {name: image.get(name) for name in KEPT} == dict.fromkeys(KEPT, "")
    assert image.PatientIdentityRemoved == "YES"
    assert len(image.DeidentificationMethod) <= 64
    text = str(image)
    assert not any(word in text for word in (*PLANTED, "A-77", "Ref^Doc", "076Y", "20240102"))


def test_the_identity_is_kept_as_the_source_says_it(tmp_path):
    more = {"PatientAge": "076Y", "TimezoneOffsetFromUTC": "+0100", "StudyDescription": "CT abdomen"}
    image = slice_of(write_ct(tmp_path / "ct", **KEPT, **more), keep_identity=True).image
    assert {name: str(image.get(name)) for name in (*KEPT, *more)} == KEPT | more
    assert "PatientIdentityRemoved" not in image


def test_a_name_in_another_character_set_is_the_same_name_in_utf_8(tmp_path):
    folder = write_ct(
        tmp_path / "ct", SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎"
    )
    image = slice_of(folder, keep_identity=True).image
    assert image.SpecificCharacterSet == "ISO_IR 192"
    assert image.PatientName == "Yamada^Tarou=山田^太郎"


def test_malformed_values_are_left_blank(tmp_path):
    given = {"PatientBirthDate": "15.6.1948", "StudyTime": "noon", "PatientSex": "X", "StudyID": "x" * 30}
    folder = write_ct(tmp_path / "ct", **given)
    image = slice_of(folder, keep_identity=True).image
    assert {name: image.get(name) for name in given} == dict.fromkeys(given, "")


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("TimezoneOffsetFromUTC", "+9900", None),
        ("TimezoneOffsetFromUTC", "+0560", None),
        ("TimezoneOffsetFromUTC", "-0330", "-0330"),
        ("PatientSize", "1.82", "1.82"),
    ],
)
def test_an_offset_or_a_number_that_is_none_is_left_out(tmp_path, name, value, kept):
    image = slice_of(write_ct(tmp_path / "ct", **{name: value}), keep_identity=True).image
    assert (str(image[name].value) if name in image else None) == kept


def test_a_size_of_two_points_is_left_out(tmp_path):
    """As a file may hold it; pydicom itself writes no such number."""
    folder = write_ct(tmp_path / "ct", PatientSize="1.823")
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"1.823", b"1.8.3"))
    assert "PatientSize" not in slice_of(folder, keep_identity=True).image


@pytest.mark.parametrize("name", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_ct_that_cannot_be_referred_to_is_refused_by_name(tmp_path, name):
    folder = write_ct(tmp_path / "ct")
    for path in folder.iterdir():
        header = dcmread(path)
        del header[name]
        header.save_as(path)
    with pytest.raises(InputError, match=f"has no {name}"):
        slice_of(folder)


def test_a_missing_frame_of_reference_follows_from_the_series(tmp_path):
    one, other = (write_ct(tmp_path / name, SeriesInstanceUID=f"1.2.3.{name}") for name in "45")
    ours = [slice_of(one, k).image.FrameOfReferenceUID for k in (2, 3)]
    assert ours[0] == ours[1]
    assert ours[0].startswith("2.25.")
    assert slice_of(other).image.FrameOfReferenceUID != ours[0]
    with_one = write_ct(tmp_path / "with", FrameOfReferenceUID="1.2.3.99")
    assert slice_of(with_one).image.FrameOfReferenceUID == "1.2.3.99"


def test_the_slice_is_the_one_that_was_measured(tmp_path):
    for name, flips in (("up", (False,) * 3), ("down", (False, False, True))):
        folder = write_ct(tmp_path / name, flips=flips, turned=rotation(8, -5, 12))
        for k in (1, 5):
            image = slice_of(folder, k).image
            files = [dcmread(path) for path in folder.iterdir()]
            (same,) = [each for each in files if each.SOPInstanceUID == image.SOPInstanceUID]
            assert np.allclose(image.ImagePositionPatient, same.ImagePositionPatient, atol=1e-6)
            ranks = sorted(float(each.ImagePositionPatient[2]) for each in files)
            assert ranks.index(float(same.ImagePositionPatient[2])) == k
            assert np.allclose(image.PixelSpacing, (5.0, 4.0))


def test_a_slice_of_a_multi_frame_file_is_named_by_its_frame(tmp_path):
    folder = write_ct(tmp_path / "ct", enhanced=True)  # frames in the order 4 2 0 6 1 5 3
    source = slice_of(folder, 6)
    assert source.frame_number == 4
    assert source.sop_class_uid == "1.2.840.10008.5.1.4.1.1.2.1"
    assert slice_of(write_ct(tmp_path / "classic")).frame_number is None


def test_a_ct_in_memory_has_no_files_to_refer_to(tmp_path):
    volume = CtVolume.from_array(ct(), affine())
    assert not is_dicom(volume)
    assert is_dicom(open_ct(write_ct(tmp_path / "ct")))
    with pytest.raises(InputError, match="not read from DICOM"):
        source_slice(volume, 3)


def test_a_file_that_went_away_is_refused(tmp_path):
    folder = write_ct(tmp_path / "ct")
    volume = open_ct(folder)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(InputError, match="cannot be read any more"):
        source_slice(volume, 3)
