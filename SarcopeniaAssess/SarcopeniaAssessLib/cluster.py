"""Inputs on the machines of a Ray cluster: each process of it loads the model once.

The machines share the folders of inputs and results, as clusters do. Results wait there under hidden names;
the one process that holds the folder's lock lets them appear, so they are the same whatever the number of
machines, and a task whose machine is lost is begun again on another.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.batch import Outcome, Request, Task, start_worker, work
from SarcopeniaAssessLib.errors import InputError, OutputError

LOCAL = "local"
"""A Ray of this machine's own, for the time of the tasks."""
_TRIES_AGAIN = 3
_ANSWERS_WITHIN_S = 5.0
_WAITING = 2
"""Tasks under way for each processor of the cluster: enough that none waits, few enough to stop soon."""


def outcomes_on_cluster(
    tasks: Sequence[Task], request: Request, address: str
) -> Iterator[tuple[Task, list[Outcome]]]:
    """Every task with its outcomes, as they come.

    Parameters
    ----------
    address:
        "auto", the head's address, or `LOCAL`.

    Raises
    ------
    InputError
        Ray is not installed, or no cluster answers.
    """
    here = Path.cwd()
    with ray_at(address) as ray:
        remote = ray.remote(num_cpus=1, max_retries=_TRIES_AGAIN)(_work_there)
        left = list(tasks)[::-1]
        running: dict[Any, Task] = {}
        try:
            while left or running:
                most = _WAITING * max(1, int(ray.cluster_resources().get("CPU", 1)))
                while left and len(running) < most:
                    task = left.pop()
                    running[remote.remote(here, request, task)] = task
                (ready, *_), _ = ray.wait(list(running), num_returns=1)
                task = running.pop(ready)
                try:
                    yield task, ray.get(ready)
                except ray.exceptions.RayTaskError as error:
                    yield task, [Outcome.failed(task.case, error.cause)]
                except ray.exceptions.RayError:
                    lost = OutputError("The cluster lost it more than once", "repeat with --resume")
                    yield task, [Outcome.failed(task.case, lost)]
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


@contextmanager
def ray_at(address: str, *, heard: bool = False) -> Iterator[Any]:
    """The module `ray`, connected to a cluster while the block runs, or as long as it was before.

    Parameters
    ----------
    address:
        "auto", the head's address, or `LOCAL`.
    heard:
        Whether what tasks say on their machines is said here too.

    Raises
    ------
    InputError
        Ray is not installed, or no cluster answers.
    """
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise InputError(
            "A cluster needs Ray, which is not installed", "pip install 'sarcopenia-assess[cluster]'"
        ) from None
    if ray.is_initialized():
        yield ray
        return
    own: Any = {"include_dashboard": False} if address == LOCAL else {}
    try:
        _require_answer(address)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=heard, **own)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"No Ray cluster answers at {address} ({type(error).__name__})",
            "start one with `ray start --head`, or give the address of its head",
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Knock at HOST:PORT first: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_ANSWERS_WITHIN_S).close()


_started: Request | None = None


def _work_there(folder: Path, request: Request, task: Task) -> list[Outcome]:
    """On a machine of the cluster, where the command was given; its process stays, model and all."""
    global _started  # noqa: PLW0603 - a process of the cluster serves one request at a time
    try:
        os.chdir(folder)
    except OSError:
        problem = f"The folder {folder.name} is not on every machine of the cluster"
        raise OutputError(problem, "work in a folder that all of them share") from None
    if request.out is not None and not request.out.is_dir():
        raise OutputError(
            "The output folder is not on every machine of the cluster", "give an --out that all of them share"
        )
    if request != _started:
        start_worker(request, os.cpu_count() or 1)  # one thread: the cluster counts processors
        _started = request
    return work(task)
