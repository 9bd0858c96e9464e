"""Both files together: the same bytes each time, nobody's name in them, and why there may be none."""

import sys

import pytest
from pydicom import dcmread

from SarcopeniaAssessLib.dicom_results import dicom_results
from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.record import read_record
from Testing.library.dicom_cases import PLANTED, accepted, assessed, tool, write, write_ct

FILES = ("muscle.seg.dcm", "report.sr.dcm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    private = {"PatientComments": "Planted", "InstitutionName": "Planted", "OperatorsName": "Planted"}
    return write_ct(tmp_path_factory.mktemp("results") / "Planted^Name", **private)


@pytest.fixture(scope="module")
def made(folder):
    return assessed(folder)


def test_one_record_gives_one_file_to_the_byte(made, folder):
    again = assessed(folder)
    again.record.update(made.record)
    first, second = (dicom_results(each.record, each.mask, each.volume) for each in (made, again))
    assert first == second


def test_no_two_contents_share_a_uid(made):
    uids = [set(), set()]
    variants = [made, accepted(made), accepted(made, None)]
    for each in variants:
        for keep in (False, True):
            results = dicom_results(each.record, each.mask, each.volume, keep_identity=keep)
            for kind, content in enumerate((results.segmentation, results.report)):
                uids[kind].add((content, content[content.index(b"2.25.") :][:44]))
    for kind, different in enumerate((2, 6)):  # a review changes the report alone
        assert len(uids[kind]) == different
        assert len({content for content, _ in uids[kind]}) == len({uid for _, uid in uids[kind]}) == different


def test_no_file_of_a_case_says_who_the_patient_is(made, tmp_path):
    out = write(tmp_path / "one", made)
    for path in out.iterdir():
        content = path.read_bytes()
        assert not [word for word in PLANTED if word.encode() in content], path.name
    for name in FILES:
        read = dcmread(out / name)
        assert read.PatientName == ""
        assert read.PatientID == ""
        assert read.PatientBirthDate in ("", None)
        assert read.PatientIdentityRemoved == "YES"


def test_with_the_identity_kept_the_dicom_files_alone_say_it(made, tmp_path):
    out = write(tmp_path / "one", made, keep_identity=True)
    for path in out.iterdir():
        found = [word for word in PLANTED if word.encode() in path.read_bytes()]
        assert found == (list(PLANTED) if path.name in FILES else []), path.name
    assert {str(dcmread(out / name).PatientName) for name in FILES} == {"Planted^Name"}


def test_all_carry_one_provenance_id_study_and_frame_of_reference(made, tmp_path):
    out = write(tmp_path / "one", made)
    record = read_record(out / "assessment.json")
    seg, sr = (dcmread(out / name) for name in FILES)
    for name in (*FILES, "report.pdf", "assessment.json"):
        assert record["id"].encode() in (out / name).read_bytes()
    assert seg.StudyInstanceUID == sr.StudyInstanceUID
    assert len({seg.SeriesInstanceUID, sr.SeriesInstanceUID, seg.SOPInstanceUID, sr.SOPInstanceUID}) == 4
    day = record["assessed_at"][:10].replace("-", "")
    assert {seg.ContentDate, seg.SeriesDate, seg.InstanceCreationDate, sr.ContentDate} == {day}


def test_dcentvfy_finds_them_consistent_with_the_ct(made, folder, tmp_path):
    out = write(tmp_path / "one", made, keep_identity=True)
    told = tool("dcentvfy", *(str(path) for path in (*sorted(folder.iterdir()), *(out / n for n in FILES))))
    assert "Error" not in told


def test_a_ct_that_cannot_be_referred_to_is_measured_and_says_why(tmp_path):
    folder = write_ct(tmp_path / "ct")
    for path in folder.iterdir():
        header = dcmread(path)
        del header.StudyInstanceUID
        header.save_as(path)
    out = write(tmp_path / "one", assessed(folder))
    assert not any((out / name).exists() for name in FILES)
    quality = read_record(out / "assessment.json")["quality"]
    (told,) = [entry for entry in quality if entry["code"] == "dicom_results_missing"]
    assert told["severity"] == "warning"
    assert "no StudyInstanceUID" in told["message"]


def test_without_highdicom_it_is_one_sentence_with_its_remedy(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(OutputError, match="needs highdicom") as told:
        dicom_results(made.record, made.mask, made.volume)
    assert "sarcopenia-assess[dicom]" in told.value.remedy


def test_nothing_is_printed_not_even_of_an_odd_name(tmp_path, capfd):
    folder = write_ct(tmp_path / "ct", PatientName="OnlyOnePart", PatientID="x" * 80)
    made = assessed(folder)
    capfd.readouterr()
    dicom_results(made.record, made.mask, made.volume, keep_identity=True)
    assert capfd.readouterr() == ("", "")
