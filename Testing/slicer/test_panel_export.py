"""The section Export: records, pages, tables and the audit log, each whole or not at all."""

import csv
import json
import shutil
import subprocess

import pytest

from SarcopeniaAssessLib.audit import read_audit, verify_audit
from SarcopeniaAssessLib.record_rules import validate_record
from Testing.library.small_case import MUSCLE_CM2


def test_the_record_is_saved(assessed, tmp_path):
    assessed.person.path = tmp_path / "record"
    assessed.ui.exportRecordButton.click()
    written = json.loads((tmp_path / "record.json").read_text())
    validate_record(written)
    assert written["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)
    assert assessed.ui.exportLabel.text == "Saved: record.json"
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
