"""A worker process ends with the one that started it, and with it all that it has started itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

_WATCH_EVERY_S = 0.25
_END_WITHIN_S = 2.0


def end_with_parent(_: int = 0) -> None:
    """Let this process end when the one that started it does, killed or not; Ctrl-C ends it at once.

    Without it a pool's worker would wait for tasks for ever, with its memory, and perhaps with a lock that
    keeps the next run out. The argument is the number that torch's data loader gives a worker.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def own_group() -> dict[str, Any]:
    """Arguments of `Popen` that put a process, with all that it will start, into a group of its own."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def end_own_group() -> None:
    """End this process, which was started with `own_group`, and all of its group."""
    if sys.platform != "win32":
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process of `own_group`, frozen or not, and all that it has started; returns within 2 s."""
    if sys.platform == "win32":
        command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                command,
                check=False,
                capture_output=True,
                timeout=_END_WITHIN_S / 2,
                creationflags=subprocess.CREATE_NO_WINDOW,
            )
        process.kill()
    else:
        # Before it is waited for: until then nobody else can have its number.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_WITHIN_S / 2)
