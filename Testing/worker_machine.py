"""What tests of the worker's process need of the machine: other Pythons, and a look into /proc."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python_with(folder: Path, name: str, before: str = "", preamble: str = "") -> Path:
    """An interpreter that is this one in other circumstances, as an executable file.

    Parameters
    ----------
    before:
        Shell commands before it starts.
    preamble:
        Python code that it runs before anything else.
    """
    script = folder / name
    run = ""
    if preamble:
        site = folder / f"{name}-site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(preamble)
        run = f'export PYTHONPATH="{site}:$PYTHONPATH"\n'
    script.write_text(f'#!/bin/sh\n{before}\n{run}exec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return script


def family(pid: int) -> set[int]:
    """Numbers of the processes that run in a process's session, itself among them."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, session = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:4]
            except OSError:
                continue
            if int(session) == pid and state not in "ZX":
                found.add(int(entry.name))
    return found


def gone(pid: int, guard_s: float = 20.0) -> bool:
    """Whether every process of a session ends; waits for it."""
    deadline = time.monotonic() + guard_s
    while family(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not family(pid)


def workers() -> set[int]:
    """Numbers of the workers that this process has started and that run."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == os.getpid() and b"SarcopeniaAssessLib\0worker" in command:
                found.add(int(entry.name))
    return found
