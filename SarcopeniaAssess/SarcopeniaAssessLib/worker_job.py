"""A request under way in a child process: what was heard of it, and what its silence means.

Nothing here waits but `Job.result`. No thread listens: inside Slicer a Python thread runs only while the
main one lets it, so lines are fetched when somebody asks what has happened.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from SarcopeniaAssessLib import remedies, worker_lines
from SarcopeniaAssessLib.errors import Offer, SarcopeniaError, WorkerError
from SarcopeniaAssessLib.worker import IDLE_S
from SarcopeniaAssessLib.worker_protocol import (
    DrawRequest,
    LevelRequest,
    Request,
    drawing_from_wire,
    level_from_wire,
    request_to_wire,
)

if TYPE_CHECKING:
    from SarcopeniaAssessLib.volume import CtVolume
    from SarcopeniaAssessLib.worker_child import WorkerChild
    from SarcopeniaAssessLib.worker_files import HuFile

_POLL_S = 0.02
_LET_THREADS_RUN_S = 0.002
_COUNTED_AT_ONCE_S = 1.0
"""Of a time without listening so much counts as silence: the program, or the computer, slept."""


@dataclass(frozen=True)
class Progress:
    """How far a job is, 0…1, and what is going on, in words."""

    fraction: float
    text: str


@dataclass(frozen=True, eq=False)
class Finished:
    """A job's answer: a `Drawing`, a `Level`, or what `Bench.hello` says."""

    result: Any


@dataclass(frozen=True)
class Failed:
    """A job without an answer, and why."""

    error: SarcopeniaError


Event = Progress | Finished | Failed


@dataclass(frozen=True)
class Limits:
    """How long to wait for what, in seconds.

    Attributes
    ----------
    start_s:
        For a new process to say that it is there; torch is not loaded by then.
    silence_s:
        Without any sign of life from a process at work: it is frozen.
    stuck_s:
        Without progress, though it lives: what runs so long will not end.
    idle_s:
        Without a request, after which the process ends by itself.
    """

    start_s: float = 120.0
    silence_s: float = 60.0
    stuck_s: float = 1200.0
    idle_s: float = IDLE_S


class Keeper(Protocol):
    """What a job needs of the worker that it runs in."""

    limits: Limits
    is_busy: bool

    def child(self) -> WorkerChild:
        """The child that runs, or a new one."""

    def end_child(self) -> None:
        """End it."""

    def folder(self) -> Path:
        """The exchange folder."""

    def hu_file(self, volume: CtVolume) -> HuFile:
        """The file of a CT's voxels."""


class Job:
    """A request under way: ask `poll` for what has happened, again and again, until it is over."""

    def __init__(self, worker: Keeper, request: Request, number: int) -> None:
        self.request = request
        self._worker, self._number = worker, number
        self._outcome: Finished | Failed | None = None
        self._is_over = self._is_sent = self._is_heard = self._is_retried = False
        self._events: list[Event] = [Progress(0.0, "Asking the worker")]
        self._since = _Since()
        self._hu: HuFile | None = None
        self._answer: Path | None = None
        self._device = request.device if isinstance(request, DrawRequest) else None
        try:
            if (volume := _volume(request)) is not None:
                self._hu = worker.hu_file(volume)
                self._hu.wait(_LET_THREADS_RUN_S)
            self._child = worker.child()
        except OSError as error:
            self._fail(remedies.not_started(error))

    @property
    def is_over(self) -> bool:
        """Whether it is finished, has failed or was cancelled: nothing more will happen."""
        return self._is_over

    def poll(self) -> list[Event]:
        """What has happened since the last time, in order; returns at once.

        The last one is `Finished` or `Failed`; a cancelled job says nothing more.
        """
        if not self._is_over:
            self._step()
        events, self._events = self._events, []
        return events

    def cancel(self) -> None:
        """End the job, and its process with everything that it has started, within 2 s."""
        if not self._is_over:
            self._worker.end_child()
            self._end()
            self._events = []

    def result(self, timeout_s: float | None = None) -> Any:
        """Wait for the answer.

        Raises
        ------
        SarcopeniaError
            Why there is none: one of the library's own kinds, or `WorkerError`.
        TimeoutError
            It is not there yet; the job goes on.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._is_over:
            self.poll()
            if not self._is_over and until is not None and time.monotonic() > until:
                raise TimeoutError(f"no answer within {timeout_s:g} s")
            if not self._is_over:
                time.sleep(_POLL_S)
        if isinstance(self._outcome, Finished):
            return self._outcome.result
        if self._outcome is None:
            raise WorkerError("The job was cancelled", "start it again", Offer.AGAIN)
        raise self._outcome.error

    def _step(self) -> None:
        if self._hu is not None:
            if not self._hu.wait(_LET_THREADS_RUN_S):
                return
            if self._hu.error is not None:
                self._fail(remedies.explained(self._hu.error))
                return
        status = self._child.status  # asked first, so that an ended child's last words are heard
        for words in self._child.hear():
            self._note(words)
        if self._is_over:
            return
        if status is not None:
            self._mourn(status)
        elif self._child.ready is not None and not self._is_sent:
            self._send()
        else:
            self._check_pulse()

    def _send(self) -> None:
        assert self._child.ready is not None
        if self._child.ready.get("protocol") != worker_lines.PROTOCOL:
            problem = "The worker's Python finds this library in another version"
            self._lose(WorkerError(problem, "remove the other one, or install the extension again"))
            return
        hu = None if self._hu is None else self._hu.path
        self._answer = self._worker.folder() / f"answer-{self._number}.npz"
        self._child.say({**request_to_wire(self.request, hu, self._answer), "id": self._number})
        self._is_sent, self._since = True, _Since()

    def _note(self, words: dict[str, Any]) -> None:
        self._since.heard()
        if words.get("id") != self._number:
            return
        self._is_heard = True
        if words["is"] == "progress":
            self._since.advanced()
            self._events.append(Progress(float(words["fraction"]), str(words["text"])))
            self._device = words["device"] or self._device
        elif words["is"] == "error":
            self._refuse(remedies.explained(worker_lines.error_from_wire(words), device=self._device))
        elif words["is"] == "answer":
            self._finish(words)

    def _finish(self, words: dict[str, Any]) -> None:
        try:
            result = _result(self.request, words)
        except (OSError, ValueError, KeyError) as error:
            self._fail(remedies.explained(error, device=self._device))
            return
        self._end(Finished(result))

    def _mourn(self, status: int) -> None:
        """The child has ended; one that had idled too long just when it was asked is replaced, once."""
        log = self._child.log
        self._worker.end_child()
        if status == 0 and not self._is_heard and not self._is_retried:
            self._is_retried, self._is_sent, self._since = True, False, _Since()
            try:
                self._child = self._worker.child()
            except OSError as error:
                self._fail(remedies.not_started(error))
            return
        self._fail(remedies.death(status, log, device=self._device, untiled=self._untiled))

    def _check_pulse(self) -> None:
        limits = self._worker.limits
        self._since.pass_by()
        allowed_s = limits.silence_s if self._is_sent else limits.start_s
        if self._since.silent_s > allowed_s:
            self._lose(remedies.hang(self._since.silent_s, self._child.log, device=self._device))
        elif self._since.stuck_s > limits.stuck_s:
            self._lose(remedies.stuck(self._since.stuck_s, self._child.log, device=self._device))

    def _refuse(self, error: SarcopeniaError) -> None:
        """Fail; a child whose packages are broken is not kept, for they may be repaired by the next click."""
        if isinstance(error, WorkerError) and error.offer is Offer.INSTALL:
            self._lose(error)
        else:
            self._fail(error)

    def _lose(self, error: SarcopeniaError) -> None:
        """Give the child up."""
        self._worker.end_child()
        self._fail(error)

    def _fail(self, error: SarcopeniaError) -> None:
        self._end(Failed(error))

    def _end(self, outcome: Finished | Failed | None = None) -> None:
        """Over; `None`: cancelled. Whatever the child has written of its answer is of no more use."""
        if self._answer is not None:
            with contextlib.suppress(OSError):
                self._answer.unlink(missing_ok=True)
        self._outcome, self._is_over, self._worker.is_busy = outcome, True, False
        if outcome is not None:
            self._events.append(outcome)

    @property
    def _untiled(self) -> bool:
        return isinstance(self.request, DrawRequest) and self.request.untiled


class _Since:
    """Seconds, while somebody listens, since the child was heard and since it went on."""

    def __init__(self) -> None:
        self.silent_s = self.stuck_s = 0.0
        self._at = time.monotonic()

    def heard(self) -> None:
        self.silent_s = 0.0

    def advanced(self) -> None:
        self.stuck_s = 0.0

    def pass_by(self) -> None:
        now = time.monotonic()
        passed_s = min(now - self._at, _COUNTED_AT_ONCE_S)
        self._at = now
        self.silent_s += passed_s
        self.stuck_s += passed_s


def _result(request: Request, words: dict[str, Any]) -> Any:
    if isinstance(request, DrawRequest):
        return drawing_from_wire(words, request.question)
    if isinstance(request, LevelRequest):
        return level_from_wire(words["level"])
    return {name: value for name, value in words.items() if name not in ("is", "id")}


def _volume(request: Request) -> CtVolume | None:
    if isinstance(request, DrawRequest):
        return request.question.volume
    return request.volume if isinstance(request, LevelRequest) else None
