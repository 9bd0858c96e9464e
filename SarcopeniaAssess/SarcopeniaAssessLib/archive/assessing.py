"""Studies of the spool are assessed in processes that keep the network loaded, by the library's own batch.

A process that dies or hangs over a study is replaced, and the study tried once more (`worker_pool`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from multiprocessing import active_children
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from SarcopeniaAssessLib.batch import Outcome, Request, Task, start_worker, work
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.worker_pool import ProcessEndedError, run_all

if TYPE_CHECKING:
    from SarcopeniaAssessLib.archive.journal import Job

Done: TypeAlias = "Callable[[Job, list[Outcome]], None]"
_PAUSE = None
"""Follows each study, so that what came of it is heard before the next one is there."""
_RETRY_S = 10.0
TOO_LONG = InputError(
    "Two processes ended over it, for want of memory or of time",
    "raise [limits] study_minutes, give fewer [assess] jobs, or assess it by hand",
)


class Assessors:
    """So many processes, each with a thread that gives it studies; ended by `stop`.

    Parameters
    ----------
    request:
        The same for every study.
    jobs, minutes:
        How many processes; the longest time of a study.
    done:
        Called in the process's thread with what came of a study.
    """

    def __init__(self, request: Request, jobs: int, minutes: float, done: Done) -> None:
        self._queue: SimpleQueue[tuple[Job, Task] | None] = SimpleQueue()
        self._done, self._stopping = done, threading.Event()
        self._work = partial(in_time, max(1, round(minutes * 60)), work)
        self._prepare = partial(start_worker, request, jobs)
        self._threads = [
            threading.Thread(target=self._run, name=f"inbox assessor {n + 1}", daemon=True)
            for n in range(jobs)
        ]
        for thread in self._threads:
            thread.start()

    def give(self, job: Job, task: Task) -> None:
        """Have a study assessed when its turn comes."""
        self._queue.put((job, task))

    def stop(self) -> None:
        """End at once; studies that are under way come to nothing, and are begun again by the next inbox."""
        self._stopping.set()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            while thread.is_alive():
                for process in active_children():
                    process.kill()
                thread.join(0.1)

    def _run(self) -> None:
        while not self._stopping.is_set():
            given: list[tuple[Job, Task]] = []
            try:
                self._assess(given)
            except OSError:  # no process can be begun now; the study keeps waiting
                for each in given:
                    self._queue.put(each)
                self._stopping.wait(_RETRY_S)

    def _assess(self, given: list[tuple[Job, Task]]) -> None:
        """Work until `stop`; `given` holds the study that is under way."""

        def tasks() -> Iterator[Task | None]:
            while (next_ := self._queue.get()) is not None and not self._stopping.is_set():
                given.append(next_)
                yield next_[1]
                yield _PAUSE

        with closing(run_all(self._work, tasks(), 1, self._prepare)) as results:
            for task, found in results:
                if self._stopping.is_set():
                    return
                if task is not _PAUSE:
                    job, _ = given.pop(0)
                    self._done(job, _outcomes(task, found))


def in_time(seconds: int, work: Callable[[Task], list[Outcome]], task: Task | None) -> list[Outcome]:
    """What `work` makes of a task, in a worker process; the kernel ends the process when its time is over."""
    if task is _PAUSE:
        return []
    alarm = getattr(signal, "alarm", None)  # Windows has none
    if alarm is None:
        return work(task)
    alarm(seconds)
    try:
        return work(task)
    finally:
        alarm(0)


def _outcomes(task: Task, found: list[Outcome] | Exception) -> list[Outcome]:
    if isinstance(found, ProcessEndedError):
        return [Outcome.failed(task.case, TOO_LONG)]
    return [Outcome.failed(task.case, found)] if isinstance(found, Exception) else found
