"""A worker process ends with the one that started it."""

from __future__ import annotations

import os
import signal
import threading
import time

_WATCH_EVERY_S = 0.25


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
