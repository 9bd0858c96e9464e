"""The worker's fallback: the same work inside this program, with the same arrays."""

from __future__ import annotations

from typing import Any

from SarcopeniaAssessLib import remedies
from SarcopeniaAssessLib.errors import Offer, WorkerError
from SarcopeniaAssessLib.worker import Bench
from SarcopeniaAssessLib.worker_job import Event, Failed, Finished, Progress
from SarcopeniaAssessLib.worker_protocol import DrawRequest, LevelRequest, Request, without_network


class LocalWorker:
    """The same without a child: everything runs in this process, which does not respond meanwhile."""

    pid: int | None = None

    def __init__(self) -> None:
        self._bench = Bench()

    def submit(self, request: Request) -> LocalJob:
        """Take a request; the work is done by its second `poll`, or by `result`."""
        return LocalJob(self._bench, request)

    def close(self) -> None:
        """Let the model go."""
        self._bench.forget()


class LocalJob:
    """A request that is worked on in this process: a `Job` whose second `poll` blocks until it is over."""

    def __init__(self, bench: Bench, request: Request) -> None:
        self.request = request
        self._bench = bench
        self._outcome: Finished | Failed | None = None
        self._is_cancelled = self._is_told = False

    @property
    def is_over(self) -> bool:
        """Whether it is finished, has failed or was cancelled."""
        return self._is_cancelled or self._outcome is not None

    def poll(self) -> list[Event]:
        """First, that work begins; then the outcome; then nothing."""
        if self.is_over:
            return []
        if not self._is_told:
            self._is_told = True
            return [Progress(0.1, "The network runs inside this program, which does not respond meanwhile")]
        return [self._work()]

    def cancel(self) -> None:
        """Not to begin; what has begun cannot be stopped."""
        self._is_cancelled = self._outcome is None

    def result(self, timeout_s: float | None = None) -> Any:
        """Do the work; errors as `Job.result`, but no timeout."""
        if self._is_cancelled:
            raise WorkerError("The job was cancelled", "start it again", Offer.AGAIN)
        outcome = self._outcome or self._work()
        if isinstance(outcome, Failed):
            raise outcome.error
        return outcome.result

    def _work(self) -> Finished | Failed:
        try:
            self._outcome = Finished(self._answer())
        except Exception as error:  # as in the child: whatever happens becomes a sentence
            device = self.request.device if isinstance(self.request, DrawRequest) else None
            self._outcome = Failed(remedies.explained(error, device=device))
        return self._outcome

    def _answer(self) -> Any:
        request = self.request
        if isinstance(request, DrawRequest):
            return without_network(self._bench.draw(request, _untold))
        if isinstance(request, LevelRequest):
            return self._bench.find_level(request.volume, _untold)
        return self._bench.hello(_untold)


def _untold(fraction: float, text: str, device: str | None = None) -> None:
    """Nobody listens while this process is at work."""
