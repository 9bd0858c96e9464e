"""DICOM files held against a record: what test_verification plants, seen from near."""

import pytest

from SarcopeniaAssessLib.dicom_verification import check_dicom
from SarcopeniaAssessLib.mask_verification import read_mask
from Testing.library.ct_files import rotation
from Testing.library.dicom_cases import accepted, assessed, reviewed, write, write_ct


def told(folder, record):
    return [finding.message for finding in check_dicom(folder, record, read_mask(folder)[0])]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True), (False, True, True)])
@pytest.mark.parametrize("enhanced", [False, True])
def test_results_of_any_storage_agree_with_their_mask(tmp_path, order, flips, enhanced):
    folder = write_ct(tmp_path / "ct", order, flips, turned=rotation(7, 4, -11), enhanced=enhanced)
    made = assessed(folder)
    assert told(write(tmp_path / "one", made), made.record) == []


def test_every_state_of_review_agrees_and_no_two_are_one(tmp_path):
    made = assessed(write_ct(tmp_path / "ct"))
    states = [made, accepted(made), accepted(made, None), reviewed(accepted(made), state="rejected")]
    folders = [write(tmp_path / str(n), state) for n, state in enumerate(states)]
    for n, folder in enumerate(folders):
        for m, state in enumerate(states):
            assert (told(folder, state.record) == []) == (n == m)


def test_a_message_names_the_file_and_both_values(tmp_path):
    made = assessed(write_ct(tmp_path / "ct"))
    folder = write(tmp_path / "one", made)
    record = {**made.record, "muscle": {**made.record["muscle"], "mean_hu": 12.5}}
    assert told(folder, record) == ["report.sr.dcm: 112031 is 50.0, the record has 12.5."]


def test_files_that_are_no_results_are_told(tmp_path):
    made = assessed(write_ct(tmp_path / "ct"))
    folder = write(tmp_path / "one", made)
    seg, sr = folder / "muscle.seg.dcm", folder / "report.sr.dcm"
    whole = seg.read_bytes()
    seg.write_bytes(sr.read_bytes())
    assert told(folder, made.record)[0].startswith(
        "muscle.seg.dcm: It is a damaged DICOM file, or no segment"
    )
    seg.write_bytes(whole)
    sr.write_bytes(whole)
    assert told(folder, made.record)[0].startswith("report.sr.dcm: It is a damaged DICOM file, or no report")


def test_of_another_format_none_are_expected(tmp_path):
    made = assessed(write_ct(tmp_path / "ct"))
    folder = write(tmp_path / "one", made)
    for name in ("muscle.seg.dcm", "report.sr.dcm"):
        (folder / name).unlink()
    assert len(told(folder, made.record)) == 2
    nifti = {**made.record, "input": {**made.record["input"], "format": "nifti"}}
    assert told(folder, nifti) == []
    why = {"code": "dicom_results_missing", "severity": "warning", "message": "No UIDs."}
    assert told(folder, {**made.record, "quality": [why]}) == []
