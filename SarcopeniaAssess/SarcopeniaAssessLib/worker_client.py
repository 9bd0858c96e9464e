"""The program's end of the warm worker: one child process between clicks, asked and never waited for."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.errors import WorkerError
from SarcopeniaAssessLib.local_worker import LocalJob, LocalWorker
from SarcopeniaAssessLib.worker_child import WorkerChild, child_environment
from SarcopeniaAssessLib.worker_files import ExchangeFolder, HuFile
from SarcopeniaAssessLib.worker_job import Event, Failed, Finished, Job, Limits, Progress
from SarcopeniaAssessLib.worker_protocol import DrawRequest, HelloRequest, LevelRequest, Request

if TYPE_CHECKING:
    from SarcopeniaAssessLib.assessment import Drawing, Question
    from SarcopeniaAssessLib.volume import CtVolume

__all__ = [
    "DrawRequest",
    "Event",
    "Failed",
    "Finished",
    "HelloRequest",
    "Job",
    "LevelRequest",
    "Limits",
    "LocalJob",
    "LocalWorker",
    "Progress",
    "Request",
    "WarmWorker",
    "draw_in_worker",
]


class _Held:
    """What must be ended and removed, whatever becomes of the worker that holds it."""

    def __init__(self) -> None:
        self.child: WorkerChild | None = None
        self.folder: ExchangeFolder | None = None
        self.hu: HuFile | None = None

    def end_child(self) -> None:
        child, self.child = self.child, None
        if child is not None:
            child.end()

    def end(self) -> None:
        self.end_child()
        hu, self.hu = self.hu, None
        if hu is not None:
            hu.wait()  # for a folder in which somebody writes cannot be removed
        folder, self.folder = self.folder, None
        if folder is not None:
            folder.remove()


class WarmWorker:
    """One child process that keeps its model loaded, and one job at a time.

    Parameters
    ----------
    python:
        The interpreter, which must find the packages; the library is shown to it. `None`: this one.
    environment:
        Its environment variables; `None`: this process's.
    limits:
        How long to wait for what.
    within:
        Where to make the exchange folder; `None`: the temporary folder.

    Attributes
    ----------
    is_busy:
        Whether its child works on something.
    """

    def __init__(
        self,
        python: str | Path | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        within: Path | None = None,
    ) -> None:
        self._python = str(python or sys.executable)
        self._environment = child_environment(os.environ if environment is None else environment)
        self._within = within
        self.limits = limits or Limits()
        self._held = _Held()
        self._job: weakref.ref[Job] | None = None
        self._jobs = 0
        self.is_busy = False
        weakref.finalize(self, _Held.end, self._held)

    def __enter__(self) -> WarmWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Number of the child process, while it runs."""
        child = self._held.child
        return None if child is None or child.status is not None else child.process.pid

    def submit(self, request: Request) -> Job:
        """Begin to work on a request; returns at once. What goes wrong is told by the job.

        Raises
        ------
        WorkerError
            A job is under way.
        """
        earlier = None if self._job is None else self._job()
        if earlier is not None and not earlier.is_over:
            raise WorkerError("One job is under way", "wait for it, or cancel it")
        if self.is_busy:
            self.end_child()  # with a job that was dropped
        self._jobs += 1
        self.is_busy = True
        job = Job(self, request, self._jobs)
        self._job = weakref.ref(job)
        return job

    def close(self) -> None:
        """Cancel what is under way, end the child and remove every file; it may be used again."""
        job = None if self._job is None else self._job()
        if job is not None:
            job.cancel()
        self._job = None
        self._held.end()

    def end_child(self) -> None:
        """End the child with all its processes, within 2 s; the CT's file is kept."""
        self._held.end_child()

    def child(self) -> WorkerChild:
        """The child that runs; a new one where there is none.

        Raises
        ------
        OSError
            It cannot be started.
        """
        held = self._held
        if held.child is not None and held.child.status is not None:
            held.end_child()
        if held.child is None:
            held.child = WorkerChild(self._python, self._environment, self.folder(), self.limits.idle_s)
        return held.child

    def folder(self) -> Path:
        """The exchange folder, made when first needed, and anew where the system has tidied it away.

        Errors as `ExchangeFolder`.
        """
        if self._held.folder is not None and not self._held.folder.path.is_dir():
            self._held.folder.remove()
            self._held.folder = None
        if self._held.folder is None:
            self._held.folder = ExchangeFolder(self._within)
        return self._held.folder.path

    def hu_file(self, volume: CtVolume) -> HuFile:
        """The file of a CT's voxels, being written or kept from the last time."""
        held = self._held
        if held.hu is None or not held.hu.holds(volume):
            if held.hu is not None:
                held.hu.remove()
            held.hu = HuFile(self.folder() / f"hu-{self._jobs}.npy", volume)
        return held.hu


def draw_in_worker(
    question: Question,
    worker: WarmWorker | LocalWorker,
    model: str | Path | None = None,
    device: str = "auto",
) -> Drawing:
    """Let a worker draw, and wait: what `assessment.draw` returns, for `assessment.conclude`.

    Raises
    ------
    SarcopeniaError
        As `assessment.draw` and `models.load_model`; `WorkerError` where the process fails.
    """
    drawing: Drawing = worker.submit(DrawRequest(question, model, device)).result()
    return drawing
