"""The verb: what it says and its exit status."""

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")

from SarcopeniaAssessLib.__main__ import cli, run_group
from Testing.library.archive.archive_kit import write_settings


def run(*words):
    return run_group(cli, ["inbox", *map(str, words)])


def test_nothing_is_done_without_settings(tmp_path, capsys):
    assert run() == 2
    assert run(tmp_path / "none.toml") == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("sarcopenia: The settings file cannot be read; ")
    assert list(tmp_path.iterdir()) == []


def test_one_question_at_a_time(tmp_path, capsys):
    assert run(tmp_path / "x", "--check", "--status") == 2
    assert "one at a time" in capsys.readouterr().err


def test_status_of_an_inbox_that_never_ran(tmp_path, capsys):
    assert run(write_settings(tmp_path, tmp_path / "model"), "--status") == 2
    assert "There is no inbox in the spool yet" in capsys.readouterr().err


def test_status_and_again_of_one_with_a_problem(tmp_path, capsys):
    from SarcopeniaAssessLib.archive.journal import FILE, Job, Journal, Parcel

    settings = write_settings(tmp_path, tmp_path / "model")
    (tmp_path / "spool").mkdir()
    journal = Journal(tmp_path / "spool" / FILE)
    journal.finish(Job("study-a", 1), [Parcel("1.1", "a/b"), Parcel("1.2", "a/c")], None)
    journal.sent("1.2")
    journal.refused("1.1", "the archive refused it (status A700)", None)
    assert run(settings, "--status") == 1
    assert capsys.readouterr().out.splitlines() == [
        "studies: 0 coming in, 0 being assessed or waiting, 0 assessed, 0 with problems",
        "objects: 0 to be sent, 1 sent, 1 given up",
        "1 times: the archive refused it (status A700)",
    ]
    assert run(settings, "--again") == 0
    assert capsys.readouterr().out == "0 studies are assessed again, 1 objects are sent again\n"
    assert run(settings, "--status") == 1  # its last refusal still stands there
    journal.close()


def test_without_pynetdicom_the_remedy_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pynetdicom", None)
    assert run(write_settings(tmp_path, tmp_path / "model"), "--check") == 2
    said = capsys.readouterr().err
    assert "needs pynetdicom, which is not installed" in said
    assert "pip install 'sarcopenia-assess[archive]'" in said


def test_a_wrong_model_is_told_by_check(tmp_path, capsys):
    assert run(write_settings(tmp_path, tmp_path / "none.safetensors"), "--check") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
