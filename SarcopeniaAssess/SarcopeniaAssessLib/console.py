"""What the command says: results on standard output, everything else on standard error, a line each."""

from __future__ import annotations

import sys
import time
import unicodedata
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

if TYPE_CHECKING:
    from SarcopeniaAssessLib.batch import Outcome

PROGRAM = "sarcopenia"
_PLAIN_EVERY_S = 5.0
_ALIKE = 5
_STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of signs that are not seen but do something."""


def use_utf8() -> None:
    """Speak UTF-8 whatever the locale says: cm² and − are part of every line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def complain(text: str) -> None:
    """One line on standard error: `sarcopenia: …`."""
    print(f"{PROGRAM}: {printable(' '.join(text.split()))}", file=sys.stderr, flush=True)  # noqa: T201


def printable(text: str) -> str:
    r"""A text whose signs that steer a terminal or turn its direction are written out, ESC as `\u001b`.

    Names of files and texts of headers may hold them. A line of JSON stays what it was.
    """
    return "".join(_written_out(sign) if unicodedata.category(sign) in _STEERING else sign for sign in text)


def _written_out(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2))


class Console:
    """Prints outcomes as they come, with progress where there is more than one input.

    Parameters
    ----------
    inputs:
        How many there are.
    as_json:
        Records as JSON Lines instead of one line each.
    debug:
        Print tracebacks.
    """

    def __init__(self, inputs: int, *, as_json: bool = False, debug: bool = False) -> None:
        self._as_json, self._debug = as_json, debug
        self._progress = Progress(inputs) if inputs > 1 else None
        self.succeeded = self.failed = 0

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, outcome: Outcome) -> None:
        """Print one case: its record, or why it has none."""
        if outcome.note:
            complain(f"{outcome.case}: {outcome.note}")
        if outcome.record is None:
            self.failed += 1
            if self._debug and outcome.trace:
                print(outcome.trace, file=sys.stderr)  # noqa: T201
            complain(f"{outcome.case}: {outcome.problem}")
            return
        self.succeeded += 1
        for warning in outcome.warnings:
            complain(f"{outcome.case}: warning: {warning}")
        print(self._result(outcome.record), flush=True)  # noqa: T201

    def show_all(self, outcomes: Sequence[Outcome]) -> None:
        """Print what befell every case alike: a line for each, of many the first and how many more."""
        for outcome in outcomes[:_ALIKE]:
            self.show(outcome)
        if len(outcomes) > _ALIKE:
            self.failed += len(outcomes) - _ALIKE
            complain(f"and so {len(outcomes) - _ALIKE} more")

    def advance(self) -> None:
        """One input is finished."""
        if self._progress is not None:
            self._progress.advance()

    @property
    def exit_status(self) -> int:
        """0: every case has a record; 1: some have; 2: none has."""
        if self.succeeded == 0:
            return 2
        return 1 if self.failed else 0

    def _result(self, record: dict[str, Any]) -> str:
        from SarcopeniaAssessLib.record import record_json
        from SarcopeniaAssessLib.wording import case_line

        return printable(record_json(record, indent=None) if self._as_json else case_line(record))


class Progress:
    """A bar with the time left on a terminal, else a plain line now and then; on standard error."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total, self._done = total, 0
        self._stream = stream or sys.stderr
        self._started = self._told = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def start(self) -> None:
        """Show that work begins."""
        if not self._stream.isatty():
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        # Results go through the bar's own terminal only if they would have gone to one anyway.
        self._bar = Bar(
            TextColumn("assessing"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=RichConsole(file=self._stream),
            redirect_stdout=sys.stdout.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task("", total=self._total)
        self._bar.start()

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.advance(self._task)
            return
        now = time.monotonic()
        if self._done < self._total and now - self._told < _PLAIN_EVERY_S:
            return
        self._told = now
        left_s = (now - self._started) / self._done * (self._total - self._done)
        left = f", about {left_s:.0f} s left" if self._done < self._total else ""
        print(f"{self._done} of {self._total} done{left}", file=self._stream, flush=True)

    def stop(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
