"""Processes for thousands of tasks: one that dies is replaced, and no other task is lost."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from SarcopeniaAssessLib.worker_pool import ProcessEndedError, run_all


def nothing():
    """No preparation."""


def remember(path):
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")


def double(task):
    return 2 * task


def fail(task):
    if task == 1:
        raise ValueError("one")
    return os.getpid()


def die(task):
    if task == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def die_once(path):
    """Dies over a file that is not there yet, as a process does for want of memory that another had taken."""
    if not Path(path).exists():
        Path(path).write_text("")
        os._exit(9)
    return path


def test_every_task_has_its_result():
    assert dict(run_all(double, range(7), 2, nothing)) == {n: 2 * n for n in range(7)}


def unready():
    raise ValueError("no room")


def test_a_process_that_cannot_begin_says_why(tmp_path):
    found = dict(run_all(double, [1, 2], 1, unready))
    assert [str(error) for error in found.values()] == ["no room", "no room"]


def test_no_task_no_process():
    assert list(run_all(double, [], 2, nothing)) == []


def test_processes_stay_and_are_prepared_once(tmp_path):
    begun = tmp_path / "begun"
    found = [pid for _, pid in run_all(fail, [0, 2, 3, 4, 5], 2, partial(remember, begun))]
    assert sorted(map(int, begun.read_text().split())) == sorted(set(found))
    assert len(set(found)) <= 2


def test_an_exception_is_a_result():
    found = dict(run_all(fail, [0, 1, 2], 1, nothing))
    assert isinstance(found[1], ValueError)
    assert found[0] == found[2]  # the same process went on


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_that_kills_its_process_takes_no_other_with_it(workers):
    found = dict(run_all(die, ["a", "bad", "b", "c", "d"], workers, nothing))
    assert isinstance(found.pop("bad"), ProcessEndedError)
    assert found == {name: name for name in "abcd"}


def test_a_process_that_dies_once_costs_no_task(tmp_path):
    place = str(tmp_path / "there")
    assert list(run_all(die_once, [place], 1, nothing)) == [(place, place)]


def test_tasks_are_taken_when_they_are_wanted():
    """A thousand tasks wait where they are, not in the processes."""
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield number

    work = run_all(double, tasks(), 2, nothing)
    next(work)
    assert len(taken) <= 5
    work.close()


def test_closing_ends_the_processes(tmp_path):
    begun = tmp_path / "begun"
    work = run_all(double, range(100), 2, partial(remember, begun))
    next(work)
    work.close()
    for pid in map(int, begun.read_text().split()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
