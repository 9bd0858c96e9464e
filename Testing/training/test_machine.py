"""Worker processes of trainings: no more than tasks, and none outlives a killed parent."""

import os
import time
from functools import partial
from multiprocessing import active_children

import pytest

from SarcopeniaTraining.machine import as_done, one_thread, workers
from Testing.killed_parent import workers_left

PARENT = """
import os, time
from SarcopeniaTraining.machine import workers

def main():
    with workers(2, 9) as pool:
        print(*{pool.submit(os.getpid).result() for _ in range(9)}, flush=True)
        pool.submit(time.sleep, 60).result()

if __name__ == "__main__":
    main()
"""


def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    assert workers_left(tmp_path / "parent.py", PARENT) == []


def test_there_are_no_more_processes_than_tasks():
    for jobs, tasks, expected in ((4, 2, 2), (2, 9, 2), (3, 0, 1)):
        with workers(jobs, tasks) as pool:
            assert pool._max_workers == expected


def at(folder, number):
    """Leave a mark of a task in a folder; task 2 fails."""
    import torch

    if number == 2:
        raise ValueError("the second")
    time.sleep(0.1)
    (folder / str(number)).touch()
    return number, os.getpid(), torch.get_num_threads()


def test_tasks_are_shared_out_to_prepared_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # what an unprepared process would take
    found = list(as_done(partial(at, tmp_path), [1, 3, 4], 2, one_thread))
    assert {number for number, _, _ in found} == {1, 3, 4}
    assert os.getpid() not in {process for _, process, _ in found}
    assert {threads for _, _, threads in found} == {1}


@pytest.mark.parametrize(("tasks", "jobs"), [([1], 2), ([1, 3], 1)])
def test_where_one_process_is_enough_it_is_this_one_and_a_task_is_done_when_asked_for(tmp_path, tasks, jobs):
    results = as_done(partial(at, tmp_path), tasks, jobs)
    assert next(results)[:2] == (1, os.getpid())
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_after_a_failure_nothing_more_is_begun(tmp_path):
    with pytest.raises(ValueError, match="the second"):
        list(as_done(partial(at, tmp_path), [2, *range(3, 60)], 2))
    for process in active_children():
        process.join(60)
    assert len(list(tmp_path.iterdir())) < 57
