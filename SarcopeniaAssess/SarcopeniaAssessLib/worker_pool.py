"""Processes that take one task after the other, for thousands of tasks and a whole night.

A process that dies is replaced, and its task is tried once more: whatever ends a process for want of memory
rarely ends the guilty one. A task that ends two processes is told of, and takes no other with it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

Task = TypeVar("Task")
Result = TypeVar("Result")
_TRIES = 2


class ProcessEndedError(Exception):
    """Every process that tried a task has died of it."""


@dataclass
class _Worker:
    """A process, this end of its line, and the task that it has, by its number."""

    process: BaseProcess
    line: Connection
    busy: int | None = None


class _Pool(Generic[Task, Result]):
    """Workers, and the tasks that they have."""

    def __init__(self, work: Callable[[Task], Result], prepare: Callable[[], None]) -> None:
        self._arguments = (work, prepare)
        self._workers: list[_Worker] = []
        self._held: dict[int, Task] = {}
        self._tries: dict[int, int] = {}

    def give(self, number: int, task: Task, most: int) -> bool:
        """Give a task to an idle worker, made if there are fewer than `most`; False: none is idle."""
        idle = next((worker for worker in self._workers if worker.busy is None), None)
        if idle is None:
            if len(self._workers) >= most:
                return False
            idle = self._begin()
        self._hand_over(idle, number, task)
        return True

    @property
    def is_busy(self) -> bool:
        """Whether a task is under way."""
        return bool(self._held)

    def collect(self) -> Iterator[tuple[Task, Result | Exception]]:
        """Wait for a worker; its task and what came of it, or nothing if the task is tried again."""
        lines: list[Any] = [worker.line for worker in self._workers if worker.busy is not None]
        for ready in wait(lines):
            worker = next(each for each in self._workers if each.line is ready)
            number = worker.busy
            if number is None:
                continue
            try:
                result = worker.line.recv()
                worker.busy = None
            except (EOFError, OSError):
                self._remove(worker)
                if self._tries[number] < _TRIES:
                    self._hand_over(self._begin(), number, self._held[number])
                    continue
                result = ProcessEndedError()
            del self._tries[number]
            yield self._held.pop(number), result

    def close(self) -> None:
        """End every worker, whatever it does."""
        for worker in list(self._workers):
            self._remove(worker)

    def _begin(self) -> _Worker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, *self._arguments))
        process.start()
        theirs.close()  # else the end of the process would not be heard
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def _hand_over(self, worker: _Worker, number: int, task: Task) -> None:
        worker.busy = number
        self._held[number] = task
        self._tries[number] = self._tries.get(number, 0) + 1
        with suppress(OSError):  # it has died meanwhile, which is heard when it is waited for
            worker.line.send(task)

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.kill()
        worker.process.join()
        worker.line.close()


def run_all(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int, prepare: Callable[[], None]
) -> Generator[tuple[Task, Result | Exception], None, None]:
    """Each task with its result, as it is ready; closing ends the processes.

    Parameters
    ----------
    work, prepare:
        Functions of a module, pickled with the tasks and results; `prepare` runs first in each process.
    tasks:
        Taken one by one, as processes are idle.

    Yields
    ------
    The task, and its result, the exception that `work` raised, or `ProcessEndedError`.
    """
    pool: _Pool[Task, Result] = _Pool(work, prepare)
    left = enumerate(tasks)
    waiting = next(left, None)
    try:
        while waiting is not None or pool.is_busy:
            while waiting is not None and pool.give(*waiting, workers):
                waiting = next(left, None)
            yield from pool.collect()
    finally:
        pool.close()


def _serve(line: Connection, work: Callable[[Any], Any], prepare: Callable[[], None]) -> None:
    """Of the process: answer tasks until the other end is closed; if it is not ready, with the reason."""
    unready: Exception | None = None
    try:
        prepare()
    except Exception as error:
        unready = error
    while True:
        try:
            task = line.recv()
        except EOFError:
            return
        try:
            result = unready or work(task)
        except Exception as error:
            result = error
        line.send(result)
