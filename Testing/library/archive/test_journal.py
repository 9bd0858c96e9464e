"""The journal: what stands in it after a kill, and in which order things are due."""

import signal
import subprocess
import sys

import pytest

from SarcopeniaAssessLib.archive.journal import FILE, Arrival, Job, Journal, Parcel
from SarcopeniaAssessLib.errors import OutputError
from Testing.library.archive.archive_kit import ROOT, environment


@pytest.fixture
def journal(tmp_path):
    one = Journal(tmp_path / FILE)
    yield one
    one.close()


def arrival(key="a", name="1", sha256="x", patient="p", size=10):
    return Arrival(key, name, sha256, patient, size)


def test_a_study_is_quiet_when_nothing_came_for_so_long(journal):
    journal.received(arrival("a"), at=100.0)
    journal.received(arrival("b"), at=105.0)
    assert journal.quiet_studies(109.9, 10.0) == []
    assert journal.quiet_studies(110.0, 10.0) == [("a", 1, 0)]
    journal.received(arrival("a", "2"), at=111.0)
    assert [key for key, _, _ in journal.quiet_studies(116.0, 10.0)] == ["b"]


def test_a_clock_set_back_holds_nothing_up(journal):
    journal.received(arrival(), at=5000.0)
    assert journal.quiet_studies(100.0, 10.0) == []
    assert journal.quiet_studies(110.0, 10.0) == [("a", 1, 0)]


def test_what_comes_after_a_job_began_makes_another_one(journal):
    journal.received(arrival(), at=0.0)
    journal.begin(Job("a", 1), changes=1)
    assert journal.quiet_studies(99.0, 1.0) == []
    journal.received(arrival(name="2"), at=50.0)
    assert journal.quiet_studies(99.0, 1.0) == []  # as long as the first is being assessed
    assert journal.jobs() == [Job("a", 1)]
    assert journal.waiting() == 2
    journal.finish(Job("a", 1), [], None)
    assert journal.quiet_studies(99.0, 1.0) == [("a", 2, 1)]


def test_what_went_wrong_before_the_rest_came_is_no_problem_any_more(journal):
    for key in ("a", "b"):
        journal.received(arrival(key), at=0.0)
        journal.begin(Job(key, 1), changes=1)
        journal.finish(Job(key, 1), [], "too few slices")
    journal.received(arrival("a", "2"), at=50.0)
    assert journal.problems() == {"too few slices": 2}
    journal.begin(Job("a", 2), changes=2)
    journal.finish(Job("a", 2), [], None)
    assert journal.problems() == {"too few slices": 1}
    assert journal.counts()["job"] == {"done": 1, "failed": 1}


def test_jobs_come_in_the_order_of_their_studies(journal):
    for key, at in (("c", 1.0), ("a", 3.0), ("b", 2.0)):
        journal.received(arrival(key), at)
        journal.begin(Job(key, 1), 1)
    assert [job.key for job in journal.jobs()] == ["c", "b", "a"]
    assert Job("a", 1).case == "a"
    assert Job("a", 3).case == "a.3"


def test_what_was_sent_is_never_due_again(journal):
    journal.received(arrival(), 0.0)
    journal.begin(Job("a", 1), 1)
    parcels = [Parcel("1.1", "a/seg"), Parcel("1.2", "a/sr")]
    journal.finish(Job("a", 1), parcels, None)
    assert journal.jobs() == []
    assert journal.due(0.0, 9) == parcels
    journal.sent("1.1")
    # A kill after the results appeared and before this line was written makes the job anew.
    journal.finish(Job("a", 1), parcels, None)
    assert [parcel.uid for parcel in journal.due(1e9, 9)] == ["1.2"]


def test_what_was_refused_waits_and_is_given_up(journal):
    journal.finish(Job("a", 1), [Parcel("1.1", "a/seg"), Parcel("1.2", "a/sr")], None)
    journal.refused("1.1", "no", next_at=100.0)
    assert [parcel.uid for parcel in journal.due(99.0, 9)] == ["1.2"]
    assert [(parcel.uid, parcel.tries) for parcel in journal.due(100.0, 9)] == [("1.2", 0), ("1.1", 1)]
    journal.refused("1.1", "no", next_at=None)
    assert [parcel.uid for parcel in journal.due(1e9, 9)] == ["1.2"]
    assert journal.counts()["parcel"] == {"waiting": 1, "failed": 1}
    assert journal.problems() == {"no": 1}
    assert journal.send_again() == 1
    assert [(parcel.uid, parcel.tries) for parcel in journal.due(0.0, 9)] == [("1.1", 0), ("1.2", 0)]


def test_two_patients_in_one_study_are_seen(journal):
    journal.received(arrival(name="1", patient="p"), 0.0)
    journal.received(arrival(name="2", patient="q"), 0.0)
    assert journal.patients("a") == 2
    journal.received(arrival(name="2", patient="p", sha256="corrected"), 0.0)
    assert journal.patients("a") == 1
    assert journal.study_size("a") == (2, True)
    assert journal.spooled_bytes() == 20


def test_images_are_forgotten_only_when_their_study_is_done(journal):
    journal.received(arrival(), at=10.0)
    assert journal.forgettable(99.0) == []
    journal.begin(Job("a", 1), 1)
    assert journal.forgettable(99.0) == []
    journal.finish(Job("a", 1), [], None)
    assert journal.forgettable(10.0) == []
    assert journal.forgettable(99.0) == ["a"]
    journal.forget("a")
    assert journal.forgettable(99.0) == []
    assert journal.known("a", "1") is None
    # A study that comes again is another generation of the same.
    journal.received(arrival(), at=200.0)
    assert journal.quiet_studies(300.0, 1.0) == [("a", 2, 1)]


def test_a_study_that_failed_is_assessed_again_where_its_images_are(journal):
    for key in ("a", "b", "c"):
        journal.received(arrival(key), 0.0)
        journal.begin(Job(key, 1), 1)
        journal.finish(Job(key, 1), [], None if key == "c" else "no L3")
    journal.forget("b")
    assert journal.assess_again() == 1
    assert journal.quiet_studies(99.0, 1.0) == [("a", 2, 1)]
    assert journal.problems() == {"no L3": 1}


def test_what_a_method_wrote_is_there_after_a_kill(tmp_path):
    code = f"""
import os, signal
from SarcopeniaAssessLib.archive.journal import *
journal = Journal(__import__('pathlib').Path({str(tmp_path / FILE)!r}))
journal.received(Arrival('a', '1', 'x', 'p', 10), 0.0)
journal.begin(Job('a', 1), 1)
journal.finish(Job('a', 1), [Parcel('1.1', 'a/seg')], None)
with journal._writing() as base:
    base.execute("UPDATE parcel SET state='done'")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    journal = Journal(tmp_path / FILE)
    assert journal.due(0.0, 9) == [Parcel("1.1", "a/seg")]  # the half of a transaction is not there
    assert journal.counts()["job"] == {"done": 1}
    journal.close()


def test_a_transaction_is_on_the_disk_before_its_method_returns(journal):
    """A loss of power cannot be tried here; SQLite's words for it: 2 is FULL."""
    assert journal._base.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._base.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_journal_of_another_version_or_none_at_all_is_refused(tmp_path):
    import sqlite3

    base = sqlite3.connect(tmp_path / "later")
    base.execute("PRAGMA user_version=7")
    base.close()
    with pytest.raises(OutputError, match="another version"):
        Journal(tmp_path / "later")
    (tmp_path / "text").write_text("this is no data base, but a text that is long enough" * 20)
    with pytest.raises(OutputError, match="cannot be read or written"):
        Journal(tmp_path / "text")


def test_a_disk_that_is_full_is_told_in_words(journal):
    journal._base.execute("PRAGMA max_page_count=8")

    def fill():
        for n in range(10_000):
            journal.received(arrival(name=f"{n}" * 50), 0.0)

    with pytest.raises(OutputError, match="free some space"):
        fill()
    assert not journal._base.in_transaction
    assert journal.quiet_studies(99.0, 1.0)[0][0] == "a"
