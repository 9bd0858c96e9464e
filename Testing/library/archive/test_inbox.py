"""PACS → inbox → assessed → SEG and SR back in the PACS, by real processes on loopback."""

import csv
import json
import threading
from pathlib import Path

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")

from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.archive import inbox as inbox_module
from SarcopeniaAssessLib.archive.inbox import Inbox, again, check, standing
from SarcopeniaAssessLib.archive.journal import Job
from SarcopeniaAssessLib.archive.settings import read_settings
from SarcopeniaAssessLib.errors import InputError, OutputError
from Testing.library.archive.archive_kit import (
    SEG_CLASS,
    SLICES,
    SR_CLASS,
    Running,
    running,
    send,
    send_section,
    start_peer,
    study,
    wait_for,
    write_settings,
)
from Testing.library.small_case import MUSCLE_CM2, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "everything.safetensors")


class Hospital:
    """A PACS and an inbox that stay for several tests, each with studies of its own."""

    def __init__(self, folder: Path, model: Path):
        self.folder = folder
        self.pacs = start_peer(folder / "pacs")
        self.settings = write_settings(folder, model, send_section(self.pacs.port))
        self.inbox = Running(self.settings)

    @property
    def said(self) -> str:
        return self.inbox.log.read_text()

    def results_of(self, number: int) -> list:
        wanted = f"1.2.826.0.1.7.{number}"
        found = [one for one in self.pacs.objects() if one.StudyInstanceUID == wanted]
        return sorted(found, key=lambda one: one.Modality)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory, model):
    one = Hospital(tmp_path_factory.mktemp("hospital"), model)
    yield one
    one.inbox.kill()
    one.pacs.kill()


def test_a_study_goes_there_and_its_results_come_back(hospital):
    assert send(hospital.inbox.port, study(1)) == [0] * SLICES
    segmentation, report = wait_for(lambda: len(found := hospital.results_of(1)) == 2 and found)
    assert (segmentation.SOPClassUID, report.SOPClassUID) == (SEG_CLASS, SR_CLASS)
    assert {one.PatientID for one in (segmentation, report)} == {"PLANTED-1"}
    # 4 mm × 5 mm a pixel
    assert segmentation.pixel_array.sum() * 0.2 == pytest.approx(MUSCLE_CM2)
    assert "1 series assessed; 2 objects to send" in hospital.said
    assert run_group(cli, ["verify", str(hospital.folder / "results")]) == 0


def test_what_is_said_names_nobody(hospital):
    send(hospital.inbox.port, study(2, PatientID=""))
    wait_for(lambda: len(hospital.results_of(2)) == 2)
    for planted in ("Planted", "PLANTED", "1.2.826", str(hospital.folder), "127.0.0.1"):
        assert planted not in hospital.said
    for path in (hospital.folder / "results").rglob("*"):
        assert "1.2.826" not in path.name
        if path.suffix in (".json", ".csv"):
            assert "PLANTED" not in path.read_text()


def test_the_same_study_again_changes_nothing_and_a_late_series_is_added(hospital):
    images = study(3)
    send(hospital.inbox.port, images)
    first = wait_for(lambda: len(found := hospital.results_of(3)) == 2 and found)
    send(hospital.inbox.port, images)  # the archive was unsure, and sends all of it once more
    late = study(3, SeriesInstanceUID="1.2.826.0.1.7.3.9", SeriesNumber=9, SeriesDescription="late")
    send(hospital.inbox.port, late)
    wait_for(lambda: len(hospital.results_of(3)) == 4)
    references = [
        str(one.ReferencedSeriesSequence[0].SeriesInstanceUID)
        for one in hospital.results_of(3)
        if one.Modality == "SEG"
    ]
    assert sorted(references) == ["1.2.826.0.1.7.3.1", "1.2.826.0.1.7.3.9"]
    assert {str(one.SOPInstanceUID) for one in first} <= set(hospital.pacs.taken)
    assert set(hospital.pacs.taken.values()) == {1}


def test_a_corrected_patient_gets_results_of_the_correction(hospital):
    send(hospital.inbox.port, study(4))
    wait_for(lambda: len(hospital.results_of(4)) == 2)
    corrected = study(4)
    for image in corrected:
        image.PatientID = "RIGHT-ONE"
    send(hospital.inbox.port, corrected)
    wait_for(lambda: len(hospital.results_of(4)) == 4)
    assert sorted(one.PatientID for one in hospital.results_of(4)) == [*["PLANTED-4"] * 2, *["RIGHT-ONE"] * 2]


def test_a_study_without_a_result_is_told_and_stays_to_be_tried_again(hospital):
    few = study(5)[:2]
    send(hospital.inbox.port, few)
    settings = read_settings(hospital.settings)
    found = wait_for(lambda: (now := standing(settings)).studies["failed"] and now)
    (line,) = [each for each in hospital.said.splitlines() if "outside" in each or "slice" in each.lower()]
    assert line.startswith("sarcopenia: study-")
    assert found.problems.total() == 1
    with (hospital.folder / "results" / "failures.csv").open() as table:
        assert len(list(csv.DictReader(table))) == 1
    assert hospital.results_of(5) == []
    # The missing slices come: the study is whole now.
    send(hospital.inbox.port, study(5))
    wait_for(lambda: len(hospital.results_of(5)) == 2)


def test_a_second_inbox_is_kept_out(hospital):
    with pytest.raises(OutputError, match="Another run"), Inbox(read_settings(hospital.settings), print):
        pass


def test_a_folder_of_something_else_is_never_a_spool(tmp_path, model):
    settings = read_settings(write_settings(tmp_path, model))
    kept = settings.spool / "studies" / "one" / "thesis.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("years of work")
    settings.spool.chmod(0o755)
    with pytest.raises(InputError, match="holds something else"), Inbox(settings, print):
        pass
    with pytest.raises(InputError, match="holds something else"):
        list(check(settings))
    assert kept.read_text() == "years of work"
    assert settings.spool.stat().st_mode & 0o777 == 0o755
    kept.unlink()


def test_what_nobody_foresaw_ends_no_thread_and_loses_no_study(tmp_path, model, monkeypatch):
    said: list[str] = []
    with Inbox(read_settings(write_settings(tmp_path, model)), said.append) as one:
        monkeypatch.setattr(one, "_publish", {}.__getitem__)  # raises TypeError
        one._done(Job("study-a", 1), [])
        assert said == ["study-a: not finished (TypeError); tried again in a minute"]
        assert one._unfinished.get_nowait() == Job("study-a", 1)


def test_a_full_disk_hinders_nobody_from_making_room(tmp_path, model, monkeypatch):
    monkeypatch.setattr(inbox_module, "_TIDY_EVERY_S", 0.01)
    stopped, looked, tidied = threading.Event(), [], []

    def full(now):
        looked.append(now)
        if len(looked) == 2:
            stopped.set()
        raise OSError(28, "No space left on device")

    said: list[str] = []
    with Inbox(read_settings(write_settings(tmp_path, model)), said.append) as one:
        monkeypatch.setattr(one._spool, "begin_quiet", full)
        monkeypatch.setattr(one._spool, "forget_old", tidied.append)
        one.run(stopped)
    assert len(tidied) == 2
    assert said[0] == "the spool cannot be worked on (No space left on device); tried again in a minute"


def test_killed_at_any_moment_it_goes_on(tmp_path, model):
    pacs = start_peer(tmp_path / "pacs")
    settings = write_settings(tmp_path, model, send_section(pacs.port))
    with running(settings) as inbox:
        for number in (1, 2):
            assert send(inbox.port, study(number)) == [0] * SLICES
        pacs.kill()
        wait_for(lambda: list((tmp_path / "results").glob("study-*/assessment.json")))
        inbox.kill()
    with running(settings) as inbox:
        pacs = start_peer(tmp_path / "pacs", port=pacs.port)
        wait_for(lambda: len(pacs.objects()) == 4)
        assert inbox.end() == 0
    pacs.kill()
    assert set(pacs.taken.values()) == {1}
    assert len(list((tmp_path / "results").glob("study-*"))) == 2
    assert standing(read_settings(settings)).lines().__next__() == (
        "studies: 0 coming in, 0 being assessed or waiting, 2 assessed, 0 with problems"
    )
    assert list((tmp_path / "spool" / "incoming").iterdir()) == []
    assert list((tmp_path / "spool" / "jobs").iterdir()) == []


def test_check_tries_everything_that_can_be_tried(tmp_path, model):
    pacs = start_peer(tmp_path / "pacs")
    settings = read_settings(write_settings(tmp_path, model, send_section(pacs.port)))
    told = list(check(settings))
    assert told[0] == "both folders can be written to"
    assert told[-1] == "the archive answers"
    pacs.kill()
    with pytest.raises(OutputError, match="cannot be reached"):
        list(check(settings))


def test_what_failed_is_done_again_where_somebody_asks(tmp_path, model):
    from SarcopeniaAssessLib.archive.journal import FILE, Arrival, Journal, Parcel

    settings = read_settings(write_settings(tmp_path, model))
    settings.spool.mkdir()
    journal = Journal(settings.spool / FILE)
    journal.received(Arrival("study-a", "1", "x", "p", 1), 0.0)
    journal.begin(Job("study-a", 1), 1)
    journal.finish(Job("study-a", 1), [Parcel("1.1", "a/b")], "no L3")
    journal.refused("1.1", "no", None)
    journal.close()
    assert standing(settings).problems == {"no L3": 1, "no": 1}
    assert again(settings) == (1, 1)
    assert json.dumps(standing(settings).problems) == '{"no": 1}'
