"""Every file of a case, and that they tell the same."""

import json
import re
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from SarcopeniaAssessLib.assessment import Assessment, GivenFacts
from SarcopeniaAssessLib.case_files import write_case
from SarcopeniaAssessLib.checksums import check_checksums
from SarcopeniaAssessLib.errors import RecordError
from SarcopeniaAssessLib.given_mask import measure_mask
from SarcopeniaAssessLib.overlay import DOUBT
from SarcopeniaAssessLib.record import read_record
from Testing.library.dicom_cases import assessed, write, write_ct
from Testing.library.small_case import PIXEL_CM2, affine, area_cm2, ct, muscle, write_nifti


@pytest.fixture
def assessment(tmp_path):
    mask = muscle()
    mask[:, :, [0, 1, 2, 4, 5, 6]] = 0
    paths = [
        write_nifti(tmp_path / f"{name}.nii.gz", array) for name, array in (("mask", mask), ("ct", ct()))
    ]
    return measure_mask(paths[0], GivenFacts("female", 60.0), ct=paths[1])


def test_four_files_that_tell_the_same_and_their_hashes(assessment, tmp_path):
    folder = tmp_path / "case"
    folder.mkdir()
    returned = write_case(folder, assessment)
    assert sorted(path.name for path in folder.iterdir()) == [
        "SHA256SUMS",
        "assessment.json",
        "muscle.nii.gz",
        "overlay.png",
        "report.pdf",
    ]
    assert check_checksums(folder) == []
    written = read_record(folder / "assessment.json")
    assert written == returned
    mask = nib.load(folder / "muscle.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), assessment.mask)
    np.testing.assert_allclose(mask.affine, affine())
    assert np.count_nonzero(mask.dataobj) * PIXEL_CM2 == pytest.approx(written["muscle"]["sma_cm2"])
    assert written["muscle"]["sma_cm2"] == pytest.approx(area_cm2(3))
    assert Image.open(folder / "overlay.png").width >= 900
    assert len(re.findall(rb"/Type /Page\b(?!s)", (folder / "report.pdf").read_bytes())) == 1


def test_what_the_network_doubts_is_drawn(assessment, tmp_path):
    doubtful = np.zeros_like(assessment.slice_mask)
    doubtful[25:40, 12:32] = True
    blue = []
    for name, made in (("sure", assessment), ("doubted", replace(assessment, slice_doubtful=doubtful))):
        (tmp_path / name).mkdir()
        write_case(tmp_path / name, made)
        picture = np.asarray(Image.open(tmp_path / name / "overlay.png").convert("RGB")).tolist()
        blue.append(sum(tuple(pixel) == DOUBT for row in picture for pixel in row))
    assert blue[0] == 0
    assert blue[1] > 100


def test_of_dicom_two_files_more(tmp_path):
    folder = write(tmp_path / "case", assessed(write_ct(tmp_path / "ct")))
    there = {path.name for path in folder.iterdir()}
    assert there == {
        "SHA256SUMS",
        "assessment.json",
        "muscle.nii.gz",
        "muscle.seg.dcm",
        "overlay.png",
        "report.pdf",
        "report.sr.dcm",
    }
    assert check_checksums(folder) == []


def test_the_time_of_writing_is_told(assessment, tmp_path):
    before = assessment.record["timing_s"]["total"]
    timing = write_case(tmp_path, assessment)["timing_s"]
    assert timing["write"] > 0
    assert timing["total"] == pytest.approx(before + timing["write"])
    assert assessment.record["timing_s"]["write"] is None


def test_a_record_that_is_not_valid_is_not_written(assessment, tmp_path):
    broken = {**assessment.record, "muscle": {**assessment.record["muscle"], "sma_cm2": -1.0}}
    parts = (assessment.volume, assessment.level, assessment.slice_hu, assessment.slice_mask)
    folder = tmp_path / "case"
    folder.mkdir()
    with pytest.raises(RecordError):
        write_case(folder, Assessment(broken, *parts))
    assert not (folder / "assessment.json").exists()


def test_the_record_is_readable_by_people_too(assessment, tmp_path):
    write_case(tmp_path, assessment)
    text = (tmp_path / "assessment.json").read_text(encoding="utf-8")
    assert text.startswith("{\n  ")
    assert text.endswith("}\n")
    assert "cm²" in text
    json.loads(text)
