"""Independent tasks, each in a fresh process: on this machine, or on the machines of a Ray cluster.

A task leaves its result in files of its own and goes on where it was stopped; what travels back is small.
"""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from SarcopeniaAssessLib.cluster import ray_at
from SarcopeniaAssessLib.errors import InputError, OutputError, SarcopeniaError
from SarcopeniaAssessLib.worker_process import end_with_parent

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

Task = TypeVar("Task")
Result = TypeVar("Result")
_AGAIN = "give the same command again: it goes on"
_TRIES_AGAIN = 2
"""How often a task is begun again whose machine is lost; it goes on where its files were left."""


@dataclass(frozen=True)
class Place:
    """Where tasks run.

    Attributes
    ----------
    jobs:
        Tasks at a time on this machine; a cluster takes as many as its cores allow.
    cluster:
        `None`: this machine. "auto" or an address: a Ray cluster that is running; "local": a Ray of this
        machine's own, for the time of the tasks.
    cores, gpus:
        What a task takes of a cluster.

    Raises
    ------
    InputError
        No job, no core, or fewer than no GPU.
    """

    jobs: int = 1
    cluster: str | None = None
    cores: int = 1
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.jobs < 1 or self.cores < 1 or self.gpus < 0:
            raise InputError(
                f"tasks cannot run with {self.jobs} jobs, {self.cores} cores and {self.gpus} GPUs each",
                "give 1 or more of jobs and cores",
            )


@dataclass(frozen=True)
class _Outcome:
    """A result, or the exception in its place."""

    result: Any = None
    error: BaseException | None = None


_Outcomes = Generator[tuple[int, _Outcome], None, None]


def spread(
    work: Callable[[Task], Result], tasks: Sequence[Task], place: Place
) -> Iterator[tuple[Task, Result]]:
    """Each task with its result, as it is ready.

    Parameters
    ----------
    work:
        A function of a module; it and the tasks and results are pickled.

    Raises
    ------
    SarcopeniaError
        The first, by the order of tasks, that befell one, when all the others are finished; a process that
        ended by itself; a cluster that is not there, or whose machines do not share the working folder.
    """
    failed: dict[int, BaseException] = {}
    outcomes = _here(work, tasks, place.jobs) if place.cluster is None else _there(work, tasks, place)
    try:
        for number, outcome in outcomes:
            if outcome.error is None:
                yield tasks[number], outcome.result
            elif isinstance(outcome.error, SarcopeniaError):
                failed[number] = outcome.error
            else:
                raise outcome.error
    finally:
        outcomes.close()
    if failed:
        raise failed[min(failed)]


def _here(work: Callable[[Any], Any], tasks: Sequence[Any], jobs: int) -> _Outcomes:
    """Processes of this machine; closing ends those that still run."""
    context = get_context("spawn")
    running: dict[Connection, tuple[int, BaseProcess]] = {}
    left = list(enumerate(tasks))[::-1]
    try:
        while left or running:
            while left and len(running) < jobs:
                number, task = left.pop()
                reader, sender = context.Pipe(duplex=False)
                process = context.Process(target=_child, args=(sender, work, task))
                process.start()
                sender.close()  # else the end of the process would not be heard
                running[reader] = (number, process)
            for ready in wait(list(running)):
                reader = cast(Connection, ready)
                number, ended = running.pop(reader)
                yield number, _received(reader, ended)
    finally:
        for _, left_over in running.values():
            left_over.kill()
            left_over.join()


def _child(sender: Connection, work: Callable[[Any], Any], task: Any) -> None:
    end_with_parent()
    sender.send_bytes(pickle.dumps(_tried(work, task)))
    sender.close()


def _tried(work: Callable[[Any], Any], task: Any) -> _Outcome:
    try:
        return _Outcome(work(task))
    except Exception as error:
        error.add_note(traceback.format_exc())
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301
        except Exception:
            error = RuntimeError(traceback.format_exc())
        return _Outcome(error=error)


def _received(reader: Connection, process: BaseProcess) -> _Outcome:
    """What a process sent; where it ended without a word, that."""
    try:
        outcome = pickle.loads(reader.recv_bytes())  # noqa: S301
    except EOFError:
        outcome = None
    reader.close()
    process.join()
    if isinstance(outcome, _Outcome):
        return outcome
    code = process.exitcode
    how = "killed" if code is not None and code < 0 else f"exit status {code}"
    return _Outcome(
        error=OutputError(f"a process ended by itself ({how}), perhaps for want of memory", _AGAIN)
    )


def _there(work: Callable[[Any], Any], tasks: Sequence[Any], place: Place) -> _Outcomes:
    """Processes of a cluster; closing ends those that still run."""
    options = {"num_cpus": place.cores, "num_gpus": place.gpus, "max_calls": 1, "max_retries": _TRIES_AGAIN}
    with ray_at(str(place.cluster), heard=True) as ray:
        remote = ray.remote(**options)(_tried_in)
        running = {remote.remote(Path.cwd(), work, task): number for number, task in enumerate(tasks)}
        try:
            while running:
                (ready, *_), _ = ray.wait(list(running), num_returns=1)
                number = running.pop(ready)
                try:
                    outcome = ray.get(ready)
                except ray.exceptions.RayError as error:
                    lost = f"a task was lost on the cluster ({type(error).__name__})"
                    outcome = _Outcome(error=OutputError(lost, _AGAIN))
                yield number, outcome
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _tried_in(folder: Path, work: Callable[[Any], Any], task: Any) -> _Outcome:
    """The same on a machine of the cluster, in the folder that relative paths are seen from."""
    try:
        os.chdir(folder)
    except OSError:
        problem = f"the folder {folder.name} is not on every machine of the cluster"
        return _Outcome(error=OutputError(problem, "work in a folder that all machines share"))
    return _tried(work, task)
