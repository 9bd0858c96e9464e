"""Worker processes of `assess --jobs` end with the command, even where it is killed."""

from Testing.killed_parent import workers_left

PARENT = """
import os, time
from functools import partial
from SarcopeniaAssessLib.batch import Request, start_worker
from SarcopeniaAssessLib.worker_pool import run_all

def work(task):
    time.sleep(60 if task == "long" else 1)
    return os.getpid()

def main():
    tasks = ["short", "short", "long", "long"]
    found = run_all(work, tasks, 2, partial(start_worker, Request(), 2))
    print(next(found)[1], next(found)[1], flush=True)
    next(found)

if __name__ == "__main__":
    main()
"""


def test_the_workers_of_a_batch_do_not_outlive_a_killed_command(tmp_path):
    assert workers_left(tmp_path / "parent.py", PARENT) == []
