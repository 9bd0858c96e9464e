"""A worker's job inside Slicer: polled by a timer, so that the window goes on; told by plain callables."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import Offer, SarcopeniaError, WorkerError
from SarcopeniaAssessLib.worker_client import Failed, Finished, LocalWorker, Progress, WarmWorker

if TYPE_CHECKING:
    from SarcopeniaAssessLib.worker_client import Job, Limits, LocalJob, Request

POLL_MS = 50
LET_THREADS_RUN_S = 0.01
"""Slicer's event loop keeps the interpreter's lock while it waits: without this no other thread runs."""
PYTHON = "PythonSlicer"
"""Slicer's interpreter with its packages; `sys.executable` may be the application itself."""


class TimedJob:
    """A request under way; returns at once, and calls back in the main thread.

    Parameters
    ----------
    worker:
        A `WarmWorker`, or a `LocalWorker`, with which the second tick of the timer does all the work.
    request:
        `DrawRequest`, `LevelRequest` or `HelloRequest`.
    on_progress:
        Gets the fraction done, 0…1, and what is going on.
    on_done:
        Gets the answer: a `Drawing`, a `Level`, or versions and devices. Called once, or not at all.
    on_error:
        Gets the `SarcopeniaError` that says why there is none. Called once, or not at all.

    Raises
    ------
    WorkerError
        Another job of the worker is under way.
    """

    def __init__(
        self,
        worker: WarmWorker | LocalWorker,
        request: Request,
        *,
        on_done: Callable[[Any], None],
        on_error: Callable[[SarcopeniaError], None],
        on_progress: Callable[[float, str], None] | None = None,
    ) -> None:
        import qt

        self._job: Job | LocalJob = worker.submit(request)
        self._on_done, self._on_error, self._on_progress = on_done, on_error, on_progress
        self._is_polling = False
        self._timer: Any = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._timer.start()

    @property
    def is_over(self) -> bool:
        """Whether nothing will be called any more."""
        return self._timer is None

    def cancel(self) -> None:
        """End the job with its process, within 2 s; nothing is called any more. Harmless once over."""
        self._stop()
        self._job.cancel()

    def _poll(self) -> None:
        if self._is_polling or self._timer is None:  # a callback may let the window's events run
            return
        self._is_polling = True
        try:
            time.sleep(LET_THREADS_RUN_S)
            for event in self._job.poll():
                self._tell(event)
        finally:
            self._is_polling = False

    def _tell(self, event: Progress | Finished | Failed) -> None:
        if self._timer is None:  # cancelled by what an earlier event has called
            return
        if isinstance(event, Progress):
            if self._on_progress is not None:
                self._on_progress(event.fraction, event.text)
            return
        self._stop()
        if isinstance(event, Finished):
            self._on_done(event.result)
        else:
            self._on_error(event.error)

    def _stop(self) -> None:
        """No more ticks. The timer goes later: it may be the one whose tick is being handled."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.timeout.disconnect(self._poll)
            timer.deleteLater()


def slicer_worker(limits: Limits | None = None) -> WarmWorker:
    """A worker in Slicer's own Python, with Slicer's own packages.

    Raises
    ------
    WorkerError
        Slicer's Python is not found.
    """
    return WarmWorker(slicer_python(), limits=limits)


def slicer_python() -> Path:
    """Slicer's interpreter: on the PATH, as Slicer sets it; else beside the application; else this Python.

    Raises
    ------
    WorkerError
        None is there.
    """
    import slicer

    if found := shutil.which(PYTHON):
        return Path(found)
    home = getattr(getattr(slicer, "app", None), "slicerHome", None)
    if home:
        beside = Path(home) / "bin" / (PYTHON + (".exe" if sys.platform == "win32" else ""))
        if beside.is_file():
            return beside
    own = Path(sys.executable or "")
    if own.stem.lower().startswith("python") and own.is_file():
        return own
    raise WorkerError(
        f"Slicer's Python ({PYTHON}) is not found beside the application",
        "install Slicer again, or run inside Slicer meanwhile",
        Offer.HERE,
    )
