"""The section Export: records, pages, tables, SEG and SR, folders of cases, each whole or not at all."""

import csv
import json
import shutil
import subprocess

import pytest
import slicer
from pydicom import dcmread

from SarcopeniaAssessLib.audit import read_audit, verify_audit
from SarcopeniaAssessLib.record_rules import validate_record
from SarcopeniaAssessLib.slicer_bridge import dependencies
from SarcopeniaAssessLib.verification import verify_folder
from SarcopeniaAssessLib.worker_client import LocalWorker
from Testing.library.small_case import MUSCLE_CM2
from Testing.slicer.host.dicom_database import load_from_database
from Testing.slicer.mrml_cases import add_volume
from Testing.slicer.panel_clicks import LEVEL_MM
from Testing.slicer.test_sources import dicom_folder


def test_the_record_is_saved(assessed, tmp_path):
    assessed.person.path = tmp_path / "record"
    assessed.ui.exportRecordButton.click()
    written = json.loads((tmp_path / "record.json").read_text())
    validate_record(written)
    assert written["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)
    assert assessed.ui.exportLabel.text == "Saved: record.json."
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
def test_a_page_that_nobody_has_reviewed_says_so(assessed, tmp_path):
    assessed.person.path = tmp_path / "page.pdf"

    def words():
        assessed.ui.exportReportButton.click()
        assert not assessed.ui.messageLabel.text
        done = subprocess.run(
            ["pdftotext", str(assessed.person.path), "-"], capture_output=True, text=True, check=True
        )
        return " ".join(done.stdout.split())

    assert "not reviewed by a person" in words()
    assessed.review("A. Reader")
    assert "not reviewed by a person" not in words()


def test_lines_are_added_to_a_table_and_no_other_table_is_touched(assessed, tmp_path):
    assessed.person.path = tmp_path / "all.csv"
    assessed.ui.exportTableButton.click()
    assessed.review("A. Reader")
    assessed.ui.exportTableButton.click()
    with assessed.person.path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["review"] for row in rows] == ["unreviewed", "accepted"]
    other = tmp_path / "other.csv"
    other.write_text("name,weight\nsomebody,70\n")
    assessed.person.path = other
    assessed.ui.exportTableButton.click()
    assert "another table" in assessed.ui.messageLabel.text
    assert other.read_text() == "name,weight\nsomebody,70\n"


def test_a_folder_that_cannot_be_written_is_one_sentence(assessed, tmp_path):
    assessed.person.path = tmp_path / "nowhere" / "record.json"
    assessed.ui.exportRecordButton.click()
    assert assessed.ui.messageLabel.text.startswith("The file cannot be written")


def test_decisions_are_logged_in_the_chosen_folder(assessed, tmp_path):
    assessed.person.path = tmp_path
    assessed.ui.auditFolderButton.click()
    assessed.ui.oedemaCheckBox.setChecked(True)
    assessed.ui.commentLineEdit.setText("seen on two screens")
    assessed.review("A. Reader")
    (line,) = read_audit(tmp_path / "audit.jsonl")
    assert verify_audit(tmp_path / "audit.jsonl") == []
    assert line["event"] == "accepted"
    assert line["record"]["review"]["comment"] == "seen on two screens"
    assert line["record"]["review"]["oedema_or_fluid"] is True
    assert "oedema" in assessed.ui.qualityLabel.text


@pytest.fixture
def from_archive(clicks, model, tmp_path):
    """A series from the DICOM database, chosen and assessed; the person will name the folder `out`."""
    clicks.choose(load_from_database(dicom_folder(tmp_path / "study", PatientSex="M")))
    clicks.go_to(LEVEL_MM)
    clicks.widget.panel.run.worker = LocalWorker()
    clicks.person.path = model
    clicks.ui.modelFileButton.click()
    clicks.assess()
    assert clicks.sma_cm2 == MUSCLE_CM2, clicks.ui.messageLabel.text
    clicks.person.path = tmp_path / "out"
    clicks.person.path.mkdir()
    yield clicks
    del slicer.dicomDatabase


def said(clicks):
    """What stands below the buttons, and the message of an error."""
    return clicks.ui.exportLabel.text, clicks.ui.messageLabel.text


def report_of(clicks):
    return dcmread(clicks.person.path / "study-report.sr.dcm")


def test_a_ct_that_is_no_dicom_has_no_seg_and_sr_and_says_so(assessed):
    assert assessed.ui.exportCaseButton.enabled
    assert not assessed.ui.exportDicomButton.enabled
    assert not assessed.ui.keepIdentityCheckBox.enabled
    assert assessed.ui.dicomLabel.text.startswith("No SEG and SR: the CT was not assessed from DICOM files")


def test_nothing_can_be_saved_of_no_result(chosen):
    for name in ("exportDicomButton", "exportCaseButton", "keepIdentityCheckBox"):
        assert not getattr(chosen.ui, name).enabled
    assert not chosen.ui.dicomLabel.visible


def test_the_panel_says_what_the_report_will_and_it_does(from_archive):
    ui = from_archive.ui

    def told_and_written():
        ui.exportDicomButton.click()
        assert said(from_archive)[1] == ""
        return ui.dicomLabel.text, report_of(from_archive).VerificationFlag

    unverified = "SEG and SR: the report stays unverified, because "
    assert told_and_written() == (unverified + "nobody has reviewed it.", "UNVERIFIED")
    from_archive.review("A. Reader", "rejectButton")
    assert told_and_written() == (unverified + "it was rejected.", "UNVERIFIED")
    from_archive.review("A. Reader")
    without = unverified + "it was accepted without an organization."
    assert told_and_written() == (without, "UNVERIFIED")
    ui.organizationLineEdit.text = "A Hospital"
    from_archive.settle()
    assert ui.dicomLabel.text == without, "what is typed after the acceptance is not part of it"
    ui.heightSpinBox.value = 174.0
    from_archive.settle()
    from_archive.review("A. Reader")
    verified = "SEG and SR: the report is verified by A. Reader, A Hospital."
    assert told_and_written() == (verified, "VERIFIED")


def test_the_patient_is_named_only_after_a_tick_that_another_ct_takes_away(from_archive):
    ui = from_archive.ui
    assert not ui.keepIdentityCheckBox.checked
    ui.exportDicomButton.click()
    assert said(from_archive)[0] == (
        "Saved: study-muscle.seg.dcm, study-report.sr.dcm. Patient and study are blank in SEG and SR."
    )
    assert str(report_of(from_archive).PatientName) == ""
    ui.keepIdentityCheckBox.setChecked(True)
    ui.exportDicomButton.click()
    assert said(from_archive)[0].endswith("SEG and SR name the patient, as the CT does.")
    assert str(report_of(from_archive).PatientName) == "Planted^Name"
    from_archive.widget.panel.restore()
    assert not ui.keepIdentityCheckBox.checked, "a scene that is loaded asks anew"
    ui.keepIdentityCheckBox.setChecked(True)
    from_archive.choose(add_volume(name="another"))
    assert not ui.keepIdentityCheckBox.checked
    assert ui.exportLabel.text == ""


def test_files_that_are_there_are_replaced_only_after_a_yes(from_archive):
    from_archive.ui.exportDicomButton.click()
    before = report_of(from_archive).SOPInstanceUID
    from_archive.review("A. Reader")
    from_archive.person.yes = False
    from_archive.ui.exportDicomButton.click()
    (question,) = from_archive.person.asked
    assert "study-muscle.seg.dcm, study-report.sr.dcm is there already" in question
    assert report_of(from_archive).SOPInstanceUID == before
    assert said(from_archive) == ("", "")
    from_archive.person.yes = True
    from_archive.ui.exportDicomButton.click()
    assert report_of(from_archive).SOPInstanceUID != before


def test_a_case_is_saved_replaced_after_a_yes_and_never_once_accepted(from_archive):
    out, ui = from_archive.person.path, from_archive.ui
    ui.exportCaseButton.click()
    assert said(from_archive) == ("Saved: study. Patient and study are blank in SEG and SR.", "")
    from_archive.review("A. Reader")
    from_archive.person.yes = False
    ui.exportCaseButton.click()
    assert said(from_archive) == ("", "")
    assert json.loads((out / "study" / "assessment.json").read_text())["review"]["state"] == "unreviewed"
    from_archive.person.yes = True
    ui.exportCaseButton.click()
    assert json.loads((out / "study" / "assessment.json").read_text())["review"]["state"] == "accepted"
    asked = len(from_archive.person.asked)
    ui.exportCaseButton.click()
    assert said(from_archive)[0].startswith("Saved: study-2.")
    assert len(from_archive.person.asked) == asked
    assert all(each.findings == () for each in verify_folder(out))


def test_a_case_whose_files_went_is_saved_and_says_what_it_lacks(from_archive, tmp_path):
    shutil.rmtree(tmp_path / "study")
    from_archive.widget.logic.openCts.forget()
    from_archive.ui.exportDicomButton.click()
    assert said(from_archive) == (
        "", "The DICOM files of the CT are not where they were. Load its series again, and assess it."
    )  # fmt: skip
    from_archive.ui.exportCaseButton.click()
    assert said(from_archive) == (
        "Saved: study. No DICOM results were written: the DICOM files of the CT are not where they were.", ""
    )  # fmt: skip


@pytest.mark.parametrize("button", ["exportDicomButton", "exportCaseButton"])
def test_packages_that_are_lacking_are_asked_for_and_a_no_changes_nothing(from_archive, monkeypatch, button):
    absent = dependencies.Lacking((dependencies.Requirement("highdicom", "0.25"),))
    monkeypatch.setattr(dependencies, "lacking_for_dicom", lambda: absent)
    from_archive.person.yes = False
    getattr(from_archive.ui, button).click()
    (question,) = from_archive.person.asked
    assert "highdicom" in question
    assert "3 GB" not in question
    assert from_archive.ui.messageLabel.text == "Nothing was installed."
    assert list(from_archive.person.path.iterdir()) == []
    installed = []
    monkeypatch.setattr(dependencies, "install", lambda wanted, wheels: installed.append(wanted.names))
    from_archive.person.yes = True
    getattr(from_archive.ui, button).click()
    assert installed == [("highdicom",)]
    assert from_archive.ui.exportLabel.text.startswith("Saved: study"), from_archive.ui.messageLabel.text


def test_a_case_of_another_format_asks_for_no_packages(assessed, monkeypatch, tmp_path):
    absent = dependencies.Lacking((dependencies.Requirement("highdicom", "0.25"),))
    monkeypatch.setattr(dependencies, "lacking_for_dicom", lambda: absent)
    assessed.person.path = tmp_path / "out"
    assessed.ui.exportCaseButton.click()
    assert assessed.person.asked == []
    assert [path.name for path in (tmp_path / "out").glob("*/assessment.json")] == ["assessment.json"]
