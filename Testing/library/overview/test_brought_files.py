"""Decisions are found in files, folders and logs; what is none is told or passed over."""

import errno
import os

import pytest

from SarcopeniaAssessLib import audit
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.overview.brought_files import read_decisions
from SarcopeniaAssessLib.overview.decisions import Brought
from Testing.library.overview.made_decisions import automatic, decided, write


def read(*paths):
    brought = Brought()
    return list(read_decisions(paths, brought)), brought


def test_a_folder_is_searched_for_records_under_any_name(tmp_path):
    write(tmp_path / "one" / "assessment.json", decided())
    write(tmp_path / "deeper" / "still" / "dr-q.json", decided("rejected"))
    write(tmp_path / "two" / "assessment.json", automatic())
    write(tmp_path / ".hidden" / "assessment.json", decided())
    (tmp_path / "settings.json").write_text('{"colour": "blue"}')
    (tmp_path / "notes.json").write_text("not JSON")
    found, brought = read(tmp_path)
    assert [(each.label, each.record["review"]["state"]) for each in found] == [
        ("dr-q", "rejected"),
        ("one", "accepted"),
    ]
    assert (brought.undecided, brought.refused) == (1, [])


def test_a_damaged_record_is_told_by_its_folder(tmp_path):
    broken = decided()
    broken["status"]["value"] = "not sarcopenic"
    write(tmp_path / "one" / "assessment.json", broken)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "assessment.json").write_text("{")
    found, brought = read(tmp_path)
    assert found == []
    assert [each.label for each in brought.refused] == ["one", "two"]
    assert "contradicts" in brought.refused[0].reason


def test_a_log_gives_its_decisions_and_withdrawals(tmp_path):
    log = tmp_path / audit.LOG_FILE
    audit.append(log, "accepted", decided())
    audit.append(log, "withdrawn", decided())
    found, _ = read(log)
    assert [each.withdrawn for each in found] == [False, True]


@pytest.mark.parametrize("event", [5, ["withdrawn"], "looked at"])
def test_a_line_that_is_no_decision_gives_none(tmp_path, event):
    log = tmp_path / audit.LOG_FILE
    audit.append(log, event, decided())
    assert read(log)[0] == []


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "shut").mkdir()
    scandir = os.scandir

    def refusing(place):
        if os.fspath(place).endswith("shut"):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)
    _, brought = read(tmp_path)
    assert [(each.label, each.reason) for each in brought.refused] == [
        ("shut", "the folder cannot be read (Permission denied)")
    ]


def test_a_log_that_is_not_whole_gives_none(tmp_path):
    log = tmp_path / audit.LOG_FILE
    audit.append(log, "accepted", decided())
    audit.append(log, "withdrawn", decided())
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:1]))
    found, brought = read(tmp_path)
    assert found == []
    assert [each.reason for each in brought.refused] == ["The audit log is not whole"]


def test_what_is_named_must_be_there_and_be_a_record(tmp_path):
    with pytest.raises(InputError, match="not there"):
        read(tmp_path / "nothing")
    (tmp_path / "page.json").write_text("{}")
    with pytest.raises(InputError, match="no record"):
        read(tmp_path / "page.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_links_to_folders_are_passed_over(tmp_path):
    os.mkfifo(tmp_path / "assessment.json")
    (tmp_path / "around").symlink_to(tmp_path)
    assert read(tmp_path)[0] == []


def test_a_uid_in_a_name_does_not_reach_a_message(tmp_path):
    uid = "1.2.840.113619.2.55.3.604688119"
    (tmp_path / uid).mkdir()
    (tmp_path / uid / "assessment.json").write_text("{")
    assert uid not in read(tmp_path)[1].refused[0].label


def test_a_record_that_is_too_large_is_told_or_passed_over_as_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("SarcopeniaAssessLib.overview.brought_files._LARGEST_BYTES", 100)
    write(tmp_path / "one" / "page.json", decided())
    assert read(tmp_path)[0] == []
    write(tmp_path / "two" / "assessment.json", decided())
    assert [each.label for each in read(tmp_path)[0]] == ["two"]
