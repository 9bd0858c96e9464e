"""Progress over all steps with the time left: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

_PLAIN_EVERY_S = 20.0
_LEAST_S = 60.0
"""Steps that together take less say nothing of this machine's pace."""


@dataclass
class TimeLeft:
    """How long the rest will take, from expected seconds and the pace of what is done.

    Parameters
    ----------
    expected:
        Seconds of each step that is to be run, by name; not known: 0.
    """

    expected: Mapping[str, float]
    _took: dict[str, float] = field(default_factory=dict)

    def done(self, step: str, seconds: float) -> None:
        """A step took so long."""
        self._took[step] = seconds

    def left_s(self, running: str | None = None, since_s: float = 0.0) -> float:
        """Seconds; of the running step what is expected of it less what it took so far, at least 0."""
        known = {step: self.expected.get(step, 0.0) for step in self._took}
        planned = sum(known.values())
        taken = sum(self._took[step] for step, seconds in known.items() if seconds)
        pace = taken / planned if planned >= _LEAST_S else 1.0
        rest = sum(
            seconds * pace
            for step, seconds in self.expected.items()
            if step not in self._took and step != running
        )
        current = self.expected.get(running, 0.0) * pace if running else 0.0
        return rest + max(current - since_s, 0.0)


class StepsProgress:
    """What a reproduction says while it runs, on standard error.

    Parameters
    ----------
    steps:
        Number of all steps.
    time_left:
        Of those that are to be run.
    """

    def __init__(self, steps: int, time_left: TimeLeft, stream: TextIO | None = None) -> None:
        self._steps, self._time_left = steps, time_left
        self._stream = stream or sys.stderr
        self._bar: Any = None
        self._task: Any = None
        self._name, self._title, self._number = "", "", 0
        self._began = self._told = time.monotonic()

    def begin(self, number: int, name: str, title: str) -> None:
        """A step is run now."""
        self._number, self._name, self._title = number, name, title
        self._began = self._told = time.monotonic()
        left = clock(self._time_left.left_s(name))
        self._print(f"{self._place()} {title}; {left} left over all steps")
        if self._stream.isatty():
            self._begin_bar()

    def line(self, text: str) -> None:
        """The running step said something."""
        since = time.monotonic() - self._began
        if self._bar is not None:
            left = clock(self._time_left.left_s(self._name, since))
            self._bar.update(self._task, completed=since, told=f"{left} left; {text}")
            return
        now = time.monotonic()
        if now - self._told >= _PLAIN_EVERY_S:
            self._told = now
            left = clock(self._time_left.left_s(self._name, since))
            self._print(f"{self._place()} {text}; {left} left over all steps")

    def end(self, seconds: float) -> None:
        """The step is finished."""
        self._time_left.done(self._name, seconds)
        self.stop()
        self._print(f"{self._place()} {self._title}: done in {clock(seconds)}")

    def kept(self, number: int, title: str) -> None:
        """A step has nothing to do."""
        self._number = number
        self._print(f"{self._place()} {title}: up to date")

    def stop(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _begin_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
        told = TextColumn("{task.fields[told]}", markup=False)
        self._bar = Progress(*columns, told, console=Console(file=self._stream), transient=True)
        expected = self._time_left.expected.get(self._name) or None
        self._task = self._bar.add_task(self._place(), total=expected, told="")
        self._bar.start()

    def _place(self) -> str:
        return f"[{self._number}/{self._steps}]"

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def clock(seconds: float) -> str:
    """A duration as a person says it: 8 s, 12 min, 3 h 05 min, 4 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes / 60 / 24:.0f} days"
