"""A step as a child process, so that memory, torch and TensorFlow stay apart; it ends with its parent.

The child holds a lock in the reproduction's folder: what a killed reproduction left running is waited for.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import SarcopeniaAssessLib
from SarcopeniaAssessLib.console import PROGRAM
from SarcopeniaAssessLib.errors import OutputError, SarcopeniaError
from SarcopeniaAssessLib.output_lock import lock_file
from SarcopeniaAssessLib.worker_process import end_with_parent
from SarcopeniaTraining.reproduction_records import FOLDER, LOGS

LOCK = ".running"
_AGAIN = "when that is put right, the same command goes on from there"
_WAIT_S = 20.0


class StepFailedError(SarcopeniaError):
    """A step's command that did not end well; what is finished is whole."""


def run_step(
    name: str, words: Sequence[str], out: Path, tell: Callable[[str], None] = lambda _: None
) -> None:
    """Run `python -m WORDS` in the folder `out`, and keep what it says in `out/logs/NAME.log`.

    Parameters
    ----------
    tell:
        Called with each line that the command writes to standard error.

    Raises
    ------
    StepFailedError
        It ended with another status than 0, or was killed; its last complaint is the message.
    OutputError
        The log cannot be written.
    """
    command = [sys.executable, "-m", "SarcopeniaTraining.reproduction_child", *words]
    try:
        (out / LOGS).mkdir(exist_ok=True)
        with (out / LOGS / f"{name}.log").open("a", encoding="utf-8") as log:
            status, complaint = _followed(command, out, log, tell)
    except OSError as error:
        raise OutputError(
            f"what the step says cannot be written ({error.strerror})",
            "make room; the same command goes on from there",
        ) from None
    if status != 0:
        raise StepFailedError(_why(status, complaint, name), _AGAIN)


def _followed(command: Sequence[str], out: Path, log: TextIO, tell: Callable[[str], None]) -> tuple[int, str]:
    """Status and last complaint of a command; whatever goes wrong here ends it."""
    complaint = ""
    with subprocess.Popen(
        command,
        cwd=out,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as child:
        try:
            for line in filter(None, map(str.rstrip, child.stderr or ())):
                print(line, file=log, flush=True)
                if line.startswith(f"{PROGRAM}: "):
                    complaint = line.removeprefix(f"{PROGRAM}: ")
                tell(line)
        except BaseException:
            child.kill()
            raise
    return child.returncode, complaint


def _why(status: int, complaint: str, name: str) -> str:
    if status < 0:
        return f"the step was killed (signal {-status}), perhaps for want of memory"
    return complaint or f"the step ended with status {status}; {LOGS}/{name}.log tells more"


def _environment() -> dict[str, str]:
    """That of this process, where the packages are found from any folder."""
    roots = [Path(SarcopeniaAssessLib.__file__).parents[1], Path(__file__).parents[1]]
    path = os.pathsep.join([*map(str, roots), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def main(words: Sequence[str]) -> None:
    """Run a module with its arguments as `python -m` does, as long as the parent lives."""
    end_with_parent()
    with lock_file(Path(FOLDER) / LOCK, _WAIT_S):
        sys.argv = list(words)
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
