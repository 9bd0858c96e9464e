"""Processes of their own for whatever is timed, with their wall time and peak memory.

The parent stays small on purpose: on Linux a child's peak includes its parent's at the moment of the fork.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_KIB = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Ran:
    """A finished process: seconds, peak resident bytes, exit status, what it printed."""

    wall_s: float
    peak_bytes: int
    status: int
    out: str
    err: str


class NotMeasuredError(Exception):
    """Why a figure cannot be taken here and now, in a sentence."""


def run_python(*arguments: str) -> Ran:
    """Run this interpreter in the tree's root and wait for it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        env = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # as the command itself does
        child = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=out, stderr=err, env=env)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ran(wall, usage.ru_maxrss * _KIB, child.returncode, *texts)


def made_ct(kind: str, slices: int) -> Path:
    """A made CT; drawn by a child, so that this process stays small."""
    ran = run_python("-m", "Testing.benchmarks.made_cts", kind, str(slices))
    if ran.status != 0:
        raise NotMeasuredError(f"the CT to measure on cannot be made: {ran.err.strip().splitlines()[-1]}")
    return Path(ran.out.strip())


def require_default_model() -> None:
    """Raise `NotMeasuredError` where the tree has no default model yet."""
    ran = run_python("-c", "from SarcopeniaAssessLib.models import load_model; load_model(None)")
    if ran.status != 0:
        raise NotMeasuredError(f"there is no default model to measure: {ran.err.strip().splitlines()[-1]}")


def forget(path: Path) -> None:
    """Drop a file from the system's cache, where the system lets us."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
