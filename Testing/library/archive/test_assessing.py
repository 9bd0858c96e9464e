"""A study that hangs or ends its process is tried twice, and takes no other with it."""

import os
import time
from functools import partial

import pytest

from SarcopeniaAssessLib.archive.assessing import in_time
from SarcopeniaAssessLib.batch import Outcome, Task
from SarcopeniaAssessLib.worker_pool import ProcessEndedError, run_all
from Testing.library.archive.archive_kit import wait_for


def work(task: Task) -> list[Outcome]:
    """Of a child: notes that it was called, then does what the case's name says."""
    with open(task.path, "a") as log:
        log.write(task.case)
    if task.case == "hangs":
        time.sleep(60)
    if task.case == "dies":
        os._exit(1)
    return [Outcome(task.case, problem="none")]


def nothing() -> None:
    """Needs no preparation."""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no alarm")
def test_who_hangs_or_dies_is_tried_twice_and_the_next_is_done(tmp_path):
    tasks = [None, *(Task(case, str(tmp_path / case)) for case in ("hangs", "dies", "well")), None]
    found = dict(run_all(partial(in_time, 1, work), tasks, 1, nothing))
    assert found.pop(None) == []
    told = {task.case: result for task, result in found.items()}
    assert isinstance(told["hangs"], ProcessEndedError)
    assert isinstance(told["dies"], ProcessEndedError)
    assert [outcome.case for outcome in told["well"]] == ["well"]
    assert (tmp_path / "hangs").read_text() == "hangs" * 2
    assert (tmp_path / "well").read_text() == "well"


def test_when_no_process_can_begin_the_study_keeps_waiting(monkeypatch):
    """And whoever waits behind it; `stop` ends them at once."""
    from SarcopeniaAssessLib.archive import assessing
    from SarcopeniaAssessLib.archive.journal import Job
    from SarcopeniaAssessLib.batch import Request

    real, begun, done = assessing.run_all, [], []

    def no_process_at_first(work, tasks, *given):
        begun.append(1)
        if len(begun) < 3:
            next(tasks)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real(in_parts, tasks, 1, nothing)

    monkeypatch.setattr(assessing, "run_all", no_process_at_first)
    monkeypatch.setattr(assessing, "_RETRY_S", 0.01)
    assessors = assessing.Assessors(Request(), 1, 1.0, lambda job, found: done.append((job, found[0].case)))
    for name in ("a", "b", "c"):
        assessors.give(Job(name, 1), Task(name, name))
    try:
        wait_for(lambda: len(done) == 3, 60)
    finally:
        assessors.stop()
    assert {(job.key, case) for job, case in done} == {("a", "a"), ("b", "b"), ("c", "c")}


def in_parts(task):
    """Of a child: one outcome for a study, none for the pause after it."""
    return [] if task is None else [Outcome(task.case, problem="none")]


def test_a_task_in_time_is_not_ended_later(tmp_path):
    task = Task("well", str(tmp_path / "log"))
    assert in_time(1, work, task)[0].case == "well"
    time.sleep(1.2)  # an alarm that is still set would end this process
