"""What a training asks of the machine: threads, memory kept between steps, processes that end together."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

from SarcopeniaAssessLib.worker_process import end_with_parent

Task = TypeVar("Task")
Result = TypeVar("Result")
_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1
"""Parameters of glibc's `mallopt` (malloc.h)."""


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


def as_done(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Results of tasks as they are ready: here one by one, or of `workers` where several pay.

    Where a task fails or the caller stops, what is begun is finished and no more.
    """
    if min(jobs, len(tasks)) <= 1:
        yield from map(work, tasks)
        return
    pool = workers(jobs, len(tasks), prepare)
    try:
        for done in as_completed([pool.submit(work, task) for task in tasks]):
            yield done.result()
    finally:
        # Not as a context: its exit would take the cancelling back before the pool has heard of it.
        pool.shutdown(cancel_futures=True)


def one_thread() -> None:
    """To prepare workers that share the processors."""
    import torch

    torch.set_num_threads(1)


def _begin(prepare: Callable[[], None] | None) -> None:
    end_with_parent()
    if prepare is not None:
        prepare()
