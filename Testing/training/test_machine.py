"""Worker processes of trainings: no more than tasks, and none outlives a killed parent."""

from SarcopeniaTraining.machine import workers
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
