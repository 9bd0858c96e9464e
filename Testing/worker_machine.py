"""What tests of the worker's process need of the machine: other Pythons, and a look into /proc."""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python_with(
    folder: Path, files: dict[str, str] | None = None, before: str = "", arguments: str = ""
) -> Path:
    """An interpreter that is this one in other circumstances, as an executable file.

    Parameters
    ----------
    files:
        Modules that it finds before all others, by name.
    before, arguments:
        Shell commands before it starts, and what it is given before its own arguments and redirections.
    """
    shadows = folder / "shadows"
    for name, text in (files or {}).items():
        path = shadows / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shown = f'export PYTHONPATH="{shadows}:$PYTHONPATH"' if files else ""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\n{shown}\n{before}\nexec "{sys.executable}" {arguments} "$@"\n')
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


def parent(pid: int) -> int:
    """Number of the process that started one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def gone(pid: int, guard_s: float = 20.0) -> bool:
    """Whether every process of a session ends; waits for it."""
    deadline = time.monotonic() + guard_s
    while family(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not family(pid)
