"""Worker processes of `assess --jobs` end with the command, even where it is killed."""

from Testing.killed_parent import workers_left

PARENT = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from SarcopeniaAssessLib.batch import Request, _start_worker

def main():
    pool = ProcessPoolExecutor(2, get_context("spawn"), _start_worker, (Request(), 2))
    print(*{pool.submit(os.getpid).result() for _ in range(9)}, flush=True)
    pool.submit(time.sleep, 60).result()

if __name__ == "__main__":
    main()
"""


def test_the_workers_of_a_batch_do_not_outlive_a_killed_command(tmp_path):
    assert workers_left(tmp_path / "parent.py", PARENT) == []
