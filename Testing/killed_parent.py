"""A process that starts workers and is killed: what becomes of them."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def workers_left(script: Path, code: str) -> list[int]:
    """Run code that prints its workers' numbers, kill it, and return those that run 20 s later."""
    script.write_text(code)
    path = os.pathsep.join([str(ROOT / "SarcopeniaAssess"), str(ROOT)])
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    found = [int(number) for number in parent.stdout.readline().split()]
    assert found
    assert left(found) == found
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while left(found) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left(found)


def left(numbers: list[int]) -> list[int]:
    """Those that run; one that has ended and waits to be collected does not."""
    return [number for number in numbers if state(number) not in "ZX"]


def state(number: int) -> str:
    """As the kernel tells it; X: gone."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X"
