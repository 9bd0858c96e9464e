"""How far published criteria agree on the same cases: counts, shares, Cohen's kappa."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from SarcopeniaAssessLib.overview.case_row import CaseRow

LOW, NOT_LOW = "sarcopenic", "not sarcopenic"


@dataclass(frozen=True)
class Pair:
    """Two criteria on the cases that both judge.

    Attributes
    ----------
    both_low, only_first, only_second, neither:
        Cases by who calls them low.
    """

    both_low: int = 0
    only_first: int = 0
    only_second: int = 0
    neither: int = 0

    @property
    def cases(self) -> int:
        """Cases that both judge."""
        return self.both_low + self.only_first + self.only_second + self.neither

    @property
    def share(self) -> float | None:
        """Share of cases judged alike, 0…1; `None` without a case."""
        return (self.both_low + self.neither) / self.cases if self.cases else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (Cohen 1960); `None` where both call every case alike, or without a case."""
        if not self.cases:
            return None
        n = self.cases
        first, second = self.both_low + self.only_first, self.both_low + self.only_second
        chance = (first * second + (n - first) * (n - second)) / n**2
        return None if chance == 1.0 else ((self.both_low + self.neither) / n - chance) / (1.0 - chance)


@dataclass(frozen=True)
class CriterionCounts:
    """One criterion over a cohort.

    Attributes
    ----------
    criterion:
        Its id.
    low, judged:
        Cases that it calls low, of how many that it judges.
    with_status:
        Beside the criterion that gives most cases their status.
    """

    criterion: str
    low: int
    judged: int
    with_status: Pair


@dataclass(frozen=True)
class Agreement:
    """All criteria that judge at least one case.

    Attributes
    ----------
    status_criterion:
        The one that gives most cases their status; `None` without a judged case.
    counts:
        That one first, then in the order of the records.
    pairs:
        (n, n), in the order of `counts`.
    """

    status_criterion: str | None
    counts: tuple[CriterionCounts, ...]
    pairs: tuple[tuple[Pair, ...], ...]


def agreement_of(rows: Sequence[CaseRow]) -> Agreement:
    """The agreement of a cohort's criteria; a case that does not count is left out."""
    judged = [
        {each.criterion: each.value == LOW for each in row.judged if each.value in (LOW, NOT_LOW)}
        for row in rows
        if row.counts
    ]
    names = list(dict.fromkeys(name for case in judged for name in case))
    firsts = [row.judged[0].criterion for row in rows if row.counts and row.judged[0].criterion in names]
    status = max(dict.fromkeys(firsts), key=firsts.count, default=None)
    names.sort(key=lambda name: name != status)
    counts = tuple(
        CriterionCounts(
            name,
            sum(case.get(name, False) for case in judged),
            sum(name in case for case in judged),
            _pair(judged, name, status or name),
        )
        for name in names
    )
    pairs = tuple(tuple(_pair(judged, first, second) for second in names) for first in names)
    return Agreement(status, counts, pairs)


def _pair(judged: Sequence[dict[str, bool]], first: str, second: str) -> Pair:
    found = list(_both(judged, first, second))
    return Pair(*(found.count(each) for each in ((True, True), (True, False), (False, True), (False, False))))


def _both(judged: Sequence[dict[str, bool]], first: str, second: str) -> Iterator[tuple[bool, bool]]:
    return ((case[first], case[second]) for case in judged if first in case and second in case)
