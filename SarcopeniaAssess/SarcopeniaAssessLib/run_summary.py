"""What a run over many inputs came to: counts, and every failure with what to do about it.

`failures.csv` beside the cases names those that have no record, until a later run has made one.
"""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.case_table import write_synced
from SarcopeniaAssessLib.criteria import StatusValue
from SarcopeniaAssessLib.manifest_rows import as_cell

if TYPE_CHECKING:
    from SarcopeniaAssessLib.batch import Outcome

FAILURES = "failures.csv"
TOLD_FROM = 10
"""Inputs from which a run is summed up; of fewer every line is still on the screen."""
_COLUMNS = ("case", "problem")
_NAMED = 5


class RunSummary:
    """Outcomes counted as they come."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._status: Counter[str] = Counter()
        self._borderline = self._warned = 0
        self._made = 0
        self._failed: dict[str, str] = {}

    def count(self, outcome: Outcome) -> None:
        """One case more."""
        if outcome.record is None:
            self._failed[outcome.case] = outcome.problem or ""
            return
        self._made += 1
        status = outcome.record["status"]
        self._status[status["value"]] += 1
        self._borderline += bool(status["borderline"])
        self._warned += bool(outcome.warnings)

    def lines(self) -> Iterator[str]:
        """The sum in words, then a line for each kind of failure, the most frequent first."""
        words = [f"{self._status[value]} {value}" for value in StatusValue]
        yield (
            f"{self._made} assessed in {_duration(time.monotonic() - self._started)}: "
            f"{', '.join(words)}; {self._borderline} borderline, {self._warned} with warnings; "
            f"{len(self._failed)} failed"
        )
        alike: dict[str, list[str]] = {}
        for case, problem in self._failed.items():
            alike.setdefault(problem, []).append(case)
        for problem, cases in sorted(alike.items(), key=lambda item: -len(item[1])):
            more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
            yield f"{len(cases)} failed ({', '.join(cases[:_NAMED])}{more}): {problem}"

    def keep_failures(self, path: Path, part: Path, there: Collection[str]) -> None:
        """Bring `failures.csv` up to date: cases of this run as they fared, the others as they stand there.

        Parameters
        ----------
        path, part:
            The file, and the hidden name to write under; the output folder's lock is held.
        there:
            Cases that have a record, of whatever run: they are no failures.

        Raises
        ------
        OSError
            The disk refuses; the file is as it was.
        """
        failures = {**_read(path), **self._failed}
        kept = {case: problem for case, problem in failures.items() if case not in there}
        if not kept:
            path.unlink(missing_ok=True)
            return
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(_COLUMNS)
        table.writerows((case, as_cell(problem)) for case, problem in sorted(kept.items()))
        try:
            write_synced(part, text.getvalue().encode())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["case"]: row["problem"] for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError, csv.Error):
        return {}  # none, or no longer ours: written anew


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
