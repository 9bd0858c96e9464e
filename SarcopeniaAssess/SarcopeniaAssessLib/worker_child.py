"""A child process that runs `python -m SarcopeniaAssessLib.worker`, and its pipes, none of which blocks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib import worker_lines
from SarcopeniaAssessLib.worker_process import end_tree, own_group

_LIBRARY = Path(__file__).resolve().parents[1]
_LOG = "worker.log"
_LOG_BYTES = 4000
_PIECE = 1 << 16


class WorkerChild:
    """A worker's process, started at once.

    Parameters
    ----------
    python:
        The interpreter, or a launcher of one.
    environment:
        Its variables, as `child_environment` makes them.
    folder:
        The exchange folder; what it writes on standard error lies there.
    idle_s:
        Seconds without a request after which it ends by itself.

    Raises
    ------
    OSError
        It cannot be started.
    """

    def __init__(self, python: str, environment: Mapping[str, str], folder: Path, idle_s: float) -> None:
        self._log = folder / _LOG
        command = [python, "-m", "SarcopeniaAssessLib.worker"]
        command += ["--folder", str(folder), "--idle", f"{idle_s:g}"]
        with self._log.open("ab") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                **own_group(),
            )
        assert self.process.stdout is not None
        if sys.platform != "win32":
            os.set_blocking(self.process.stdout.fileno(), False)
        self._begun = b""
        self.ready: dict[str, Any] | None = None

    @property
    def status(self) -> int | None:
        """Its exit status; `None` while it runs."""
        return self.process.poll()

    @property
    def log(self) -> str:
        """The end of what it wrote on standard error."""
        with contextlib.suppress(OSError):
            return self._log.read_bytes()[-_LOG_BYTES:].decode("utf-8", "replace")
        return ""

    def say(self, words: Mapping[str, Any]) -> None:
        """Send one line; one that has ended hears nothing, which `status` tells."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(worker_lines.line(words))
            self.process.stdin.flush()

    def hear(self) -> list[dict[str, Any]]:
        """The lines that have come since the last time; returns at once."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while piece := _read_what_is_there(descriptor):
            self._begun += piece
        *lines, self._begun = self._begun.split(b"\n")
        heard = []
        for raw in lines:
            with contextlib.suppress(ValueError):  # a launcher's own words
                heard.append(worker_lines.message(raw))
        for words in heard:
            if words.get("is") == "ready":
                self.ready = words
        return heard

    def end(self) -> None:
        """End it and all that it has started, within 2 s."""
        end_tree(self.process)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        with contextlib.suppress(OSError):
            self._log.unlink(missing_ok=True)


def child_environment(base: Mapping[str, str]) -> dict[str, str]:
    """The variables of a child: it finds the library, but neither a user's own packages nor its folder's."""
    path = [str(_LIBRARY), *filter(None, [base.get("PYTHONPATH")])]
    # torch's threads spin while they wait for each other unless told otherwise (docs/benchmarks.md).
    own = {
        "OMP_WAIT_POLICY": base.get("OMP_WAIT_POLICY", "PASSIVE"),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONUTF8": "1",
    }
    return {name: value for name, value in base.items() if name != "PYTHONINSPECT"} | own


def _read_what_is_there(descriptor: int) -> bytes:
    """Bytes that wait in a pipe; none where it is empty or has ended."""
    try:
        if sys.platform == "win32":
            import ctypes
            import msvcrt

            waiting = ctypes.c_ulong()
            handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
            peeked = ctypes.windll.kernel32.PeekNamedPipe(handle, None, 0, None, ctypes.byref(waiting), None)
            return os.read(descriptor, waiting.value) if peeked and waiting.value else b""
        return os.read(descriptor, _PIECE)
    except OSError:  # nothing waits, or nobody is there
        return b""
