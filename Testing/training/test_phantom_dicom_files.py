"""DICOM phantoms: valid by an independent checker, read back equal by the library, marked as synthetic."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from SarcopeniaAssessLib.ct_io import open_ct, read_label_map
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaTraining.phantom.cohort import CohortPlan, write_cohort
from SarcopeniaTraining.phantom.dicom_files import SeriesFacts, write_series
from SarcopeniaTraining.phantom.generate import Grid
from SarcopeniaTraining.phantom.patients import ScanPlan

pydicom = pytest.importorskip("pydicom")

NUMBERS = {"patients": 1, "sarcopenic": 0, "men": 1, "seed": 4}
SCANS = {
    "axial": ScanPlan(spacing_mm=(2.7, 3.1, 5.0), coverage_mm=20, phase="portal"),
    "oblique": ScanPlan(spacing_mm=(2.7, 3.1, 5.0), coverage_mm=20, oblique_deg=9.0, phase="none"),
    "tilted": ScanPlan(spacing_mm=(2.7, 3.1, 5.0), coverage_mm=20, tilt_deg=-14.0),
}
FACTS = SeriesFacts(
    name="test", case="P001", patient=PatientFacts(), phase="none", kvp=120, kernel="SOFT", slice_mm=2.0
)


@pytest.fixture(scope="module", params=list(SCANS))
def pair(request, tmp_path_factory):
    """The same patient as NIfTI and as DICOM."""
    folder = tmp_path_factory.mktemp(request.param)
    rows = {}
    for kind in ("nifti", "dicom"):
        plan = CohortPlan(**NUMBERS, format=kind, scan=SCANS[request.param])
        (rows[kind],) = write_cohort(plan, folder / kind)
    return request.param, folder, rows


def images(folder):
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


def test_the_library_reads_the_same_ct_from_both(pair):
    _, folder, rows = pair
    nifti, dicom = (open_ct(folder / kind / rows[kind]["ct"]) for kind in ("nifti", "dicom"))
    assert dicom.shape == nifti.shape
    assert np.allclose(dicom.ras_from_ijk, nifti.ras_from_ijk, atol=1e-4)
    slices = nifti.slice_count
    assert np.array_equal(dicom.slab(0, slices), nifti.slab(0, slices))
    mask = read_label_map(folder / "dicom" / rows["dicom"]["muscle"])
    assert np.allclose(mask.ras_from_ijk, dicom.ras_from_ijk, atol=1e-4)
    k = int(rows["dicom"]["l3_slice_from_feet"])
    assert dicom.slice_superior_mm(k) == pytest.approx(rows["dicom"]["l3_superior_mm"], abs=1e-3)
    area = dicom.canonical_slice_mask(mask.labels, k).sum() * dicom.pixel_area_cm2
    assert area == pytest.approx(rows["dicom"]["sma_cm2"], abs=1e-4)


def test_headers_tell_what_the_manifest_tells(pair):
    name, folder, rows = pair
    row = rows["dicom"]
    volume = open_ct(folder / "dicom" / row["ct"])
    assert volume.patient.sex is Sex.MALE
    assert volume.patient.age_years == row["age_years"]
    assert volume.patient.height_m == row["height_m"]
    assert volume.patient.weight_kg == row["weight_kg"]
    assert volume.input.kvp == row["kvp"]
    assert volume.input.contrast is (row["phase"] != "none")
    assert volume.input.patient_position == "HFS"
    assert volume.tilt_deg == pytest.approx({"axial": 0, "oblique": 9, "tilted": 14}[name], abs=1e-3)


def test_dciodvfy_finds_no_error(pair):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")
    _, folder, _ = pair
    for path in (folder / "dicom").rglob("*.dcm"):
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert "CTImage" in said, "it must have been recognised to be checked"
        assert not re.search(r"^Error", said, re.MULTILINE), said


def test_every_file_says_that_it_is_synthetic(pair):
    _, folder, _ = pair
    for image in images(folder / "dicom"):
        assert image.SOPClassUID == pydicom.uid.CTImageStorage
        assert "SYNTHETIC" in image.ImageComments
        assert "synthetic" in image.Manufacturer
        assert image.PatientName == "PHANTOM^P001"
        assert image.PatientID == "PHANTOM-P001"
        assert image.StudyDate == image.PatientBirthDate == ""


def test_uids_are_valid_one_an_image_and_one_a_series(pair):
    _, folder, _ = pair
    found = images(folder / "dicom")
    assert len({image.SOPInstanceUID for image in found}) == len(found) == 4
    assert len({image.SeriesInstanceUID for image in found}) == 1
    for image in found:
        assert image.SOPInstanceUID == image.file_meta.MediaStorageSOPInstanceUID
        for uid in (image.SOPInstanceUID, image.SeriesInstanceUID, image.StudyInstanceUID):
            assert uid.is_valid
            assert uid.startswith("2.25.")


def test_other_files_have_other_uids():
    other = SeriesFacts(**{**vars(FACTS), "name": "other"})
    assert FACTS.uid("series") == FACTS.uid("series")
    assert len({facts.uid(part) for facts in (FACTS, other) for part in ("series", "image 1")}) == 4


def test_pixels_rows_and_positions_are_where_dicom_wants_them(tmp_path):
    hu = np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3) * 69 - 1024
    grid = Grid.oblique((5, 4, 3), (0.7, 0.9, 2.0), axes="LPS", centre_mm=(10, 20, 30))
    write_series(tmp_path / "ct", hu, grid.ras_from_ijk, FACTS)
    last = pydicom.dcmread(tmp_path / "ct" / "IM0003.dcm")  # numbered from the head: the lowest slice
    assert (last.Rows, last.Columns) == (4, 5)
    assert [float(value) for value in last.PixelSpacing] == [0.9, 0.7]  # rows first
    assert [float(value) for value in last.ImageOrientationPatient] == [1, 0, 0, 0, 1, 0]
    # The first voxel lies 2 pixels right, 1.5 in front and 1 slice below the centre; LPS flips two signs.
    assert [float(value) for value in last.ImagePositionPatient] == pytest.approx([-11.4, -21.35, 28])
    assert np.array_equal(last.pixel_array.T.astype(int) - 1024, hu[:, :, 0])
    first = pydicom.dcmread(tmp_path / "ct" / "IM0001.dcm")
    assert first.InstanceNumber == 1
    assert np.array_equal(first.pixel_array.T.astype(int) - 1024, hu[:, :, 2])


def test_the_whole_range_of_hu_is_kept(tmp_path):
    hu = np.full((4, 4, 2), -1024, np.int16)
    hu[1, 2, 0] = 3071
    write_series(tmp_path / "ct", hu, Grid.axial((4, 4, 2), (1, 1, 2)).ras_from_ijk, FACTS)
    stored = pydicom.dcmread(tmp_path / "ct" / "IM0002.dcm")
    assert stored.pixel_array[2, 1] == 4095
    assert stored.pixel_array[0, 0] == 0
    assert stored.RescaleSlope * stored.pixel_array.max() + stored.RescaleIntercept == 3071


@pytest.mark.parametrize("outside", [-1025, 3072])
def test_hu_that_twelve_bits_cannot_hold_are_refused(tmp_path, outside):
    hu = np.full((4, 4, 2), outside, np.int16)
    with pytest.raises(ValueError, match="−1024…3071"):
        write_series(tmp_path / "ct", hu, Grid.axial((4, 4, 2), (1, 1, 2)).ras_from_ijk, FACTS)
    assert not (tmp_path / "ct").exists()
