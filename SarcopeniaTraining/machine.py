"""What a training asks of the machine: threads, memory kept between steps, processes that end together."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1
"""Parameters of glibc's `mallopt` (malloc.h)."""
_WATCH_EVERY_S = 0.25


def use_machine(threads: int, jobs: int = 1) -> None:
    """Set up this process for training.

    Parameters
    ----------
    threads:
        Of the network; 0: the cores shared out between `jobs`, or torch's choice where there is one.
    """
    import torch

    if threads or jobs > 1:
        torch.set_num_threads(threads or max((os.cpu_count() or 1) // jobs, 1))
    if sys.platform == "linux":
        # glibc would give memory back and take it again at every step: a third of a step's time.
        library = ctypes.CDLL(None)
        if hasattr(library, "mallopt"):
            library.mallopt(_M_MMAP_MAX, 0)
            library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def workers(jobs: int, tasks: int, prepare: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """At most `jobs` fresh processes for so many tasks, which end with this one; `prepare` runs in each."""
    return ProcessPoolExecutor(max(min(jobs, tasks), 1), get_context("spawn"), _begin, (prepare,))


def _begin(prepare: Callable[[], None] | None) -> None:
    end_with_parent()
    if prepare is not None:
        prepare()


def end_with_parent(_: int = 0) -> None:
    """Let this process end when the one that started it does, killed or not; Ctrl-C ends it at once.

    A worker inherits the lock on its training's folder: left behind, it would keep the next run out.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
