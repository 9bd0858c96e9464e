"""How far a training is: a bar with the time left on a terminal, else a plain line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self, TextIO

_PLAIN_EVERY_S = 60.0


class TrainingProgress:
    """Speaks on standard error.

    Parameters
    ----------
    name:
        Before every line, as `fold 3`.
    steps:
        Of the whole training.
    speaks:
        False: silent, as all but one process of a team are.
    bar:
        False: plain lines on a terminal too, as where several trainings run side by side.
    """

    def __init__(
        self, name: str, steps: int, *, speaks: bool = True, bar: bool = True, stream: TextIO | None = None
    ) -> None:
        self._name, self._steps, self._speaks = name, steps, speaks
        self._stream = stream or sys.stderr
        self._wants_bar = bar and speaks and self._stream.isatty()
        self._bar: Any = None
        self._task: Any = None
        self._first: tuple[float, int] | None = None
        self._told = time.monotonic()

    def __enter__(self) -> Self:
        if self._wants_bar:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn(self._name),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(file=self._stream),
                transient=True,
            )
            self._task = self._bar.add_task("", total=self._steps)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def tell(self, line: str) -> None:
        """One line about this training."""
        if self._bar is not None:
            self._bar.console.print(f"{self._name}: {line}", markup=False, highlight=False)
        elif self._speaks:
            print(f"{self._name}: {line}", file=self._stream, flush=True)

    def advance(self, step: int) -> None:
        """Show that so many steps are done."""
        now = time.monotonic()
        self._first = self._first or (now, step)
        if self._bar is not None:
            self._bar.update(self._task, completed=step)
            return
        if now - self._told < _PLAIN_EVERY_S:
            return
        self._told = now
        since, first = self._first
        left_min = (now - since) / max(step - first, 1) * (self._steps - step) / 60
        self.tell(f"step {step} of {self._steps}, about {left_min:.0f} min left")
