"""Worker processes end with the process that started them, even where it is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]

PARENT = """
import os, sys, time
from SarcopeniaTraining.machine import workers

def main():
    with workers(2, 9) as pool:
        print(*{pool.submit(os.getpid).result() for _ in range(9)}, flush=True)
        pool.submit(time.sleep, 60).result()

if __name__ == "__main__":
    main()
"""


def alive(pid):
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    path = os.pathsep.join([str(ROOT / "SarcopeniaAssess"), str(ROOT)])
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    found = [int(pid) for pid in parent.stdout.readline().split()]
    assert found
    assert all(alive(pid) for pid in found)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in found) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(alive(pid) for pid in found)


def test_there_are_no_more_processes_than_tasks():
    from SarcopeniaTraining.machine import workers

    for jobs, tasks, expected in ((4, 2, 2), (2, 9, 2), (3, 0, 1)):
        with workers(jobs, tasks) as pool:
            assert pool._max_workers == expected
