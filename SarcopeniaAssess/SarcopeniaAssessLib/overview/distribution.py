"""How SMA is distributed among men and women: bins of 5 cm², quartiles, and the cut-offs beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.criteria import Criterion, Measure, load_criteria

if TYPE_CHECKING:
    from SarcopeniaAssessLib.overview.case_row import CaseRow

BIN_CM2 = 5.0
MOST_CM2 = 400.0
"""No adult's; what lies beyond is counted in the last bin."""
_PEOPLE: tuple[tuple[str | None, str], ...] = (("male", "Men"), ("female", "Women"), (None, "Sex not known"))


@dataclass(frozen=True)
class CutOff:
    """A cut-off for areas, for one sex; whether the cohort's status rests on it, and how many lie below."""

    name: str
    sign: str
    cm2: float
    is_the_status: bool
    low: int


@dataclass(frozen=True)
class Group:
    """The areas of one sex.

    Attributes
    ----------
    sex, title:
        As in the record, and in words.
    areas_cm2:
        Sorted, unrounded.
    bins:
        Cases in each bin of the distribution's axis.
    cutoffs:
        Rising.
    """

    sex: str | None
    title: str
    areas_cm2: tuple[float, ...]
    bins: tuple[int, ...]
    cutoffs: tuple[CutOff, ...]

    def quantile(self, share: float) -> float:
        """The area below which a share of the cases lie, linear between (Hyndman and Fan's 7)."""
        place = share * (len(self.areas_cm2) - 1)
        low = math.floor(place)
        high = min(low + 1, len(self.areas_cm2) - 1)
        return self.areas_cm2[low] + (place - low) * (self.areas_cm2[high] - self.areas_cm2[low])


@dataclass(frozen=True)
class Distribution:
    """All groups on one axis.

    Attributes
    ----------
    low_cm2, high_cm2:
        Ends of the axis, whole bins.
    groups:
        Men, women, those of unknown sex, as far as there are any.
    """

    low_cm2: float
    high_cm2: float
    groups: tuple[Group, ...]

    @property
    def bins(self) -> int:
        """How many the axis has."""
        return round((self.high_cm2 - self.low_cm2) / BIN_CM2)

    def place(self, cm2: float) -> float:
        """Where an area lies on the axis, 0…1."""
        return (min(cm2, self.high_cm2) - self.low_cm2) / (self.high_cm2 - self.low_cm2)


def distribution_of(rows: Sequence[CaseRow], status_criterion: str | None) -> Distribution:
    """The distribution of a cohort's areas; a case that does not count is left out."""
    counted = [row for row in rows if row.counts]
    areas = {sex: tuple(sorted(row.sma_cm2 for row in counted if row.sex == sex)) for sex, _ in _PEOPLE}
    cutoffs = {sex: _cutoffs(sex, areas[sex], status_criterion) for sex in areas}
    ends = [min(area, MOST_CM2 - BIN_CM2) for each in areas.values() for area in each]
    ends += [cutoff.cm2 for each in cutoffs.values() for cutoff in each]
    low = math.floor(min(ends, default=0.0) / BIN_CM2) * BIN_CM2
    high = (math.floor(max(ends, default=0.0) / BIN_CM2) + 1) * BIN_CM2
    groups = tuple(
        Group(sex, title, areas[sex], _bins(areas[sex], low, high), cutoffs[sex])
        for sex, title in _PEOPLE
        if areas[sex]
    )
    return Distribution(low, high, groups)


def bin_of(cm2: float, low_cm2: float, bins: int) -> int:
    """Which of the bins an area falls into; a bin's lower edge belongs to it."""
    return min(math.floor((cm2 - low_cm2) / BIN_CM2), bins - 1)


def _bins(areas: Sequence[float], low: float, high: float) -> tuple[int, ...]:
    counts = [0] * round((high - low) / BIN_CM2)
    for area in areas:
        counts[bin_of(area, low, len(counts))] += 1
    return tuple(counts)


def _cutoffs(sex: str | None, areas: Sequence[float], status_criterion: str | None) -> tuple[CutOff, ...]:
    found = [
        CutOff(
            criterion.name,
            criterion.comparison or "<",
            figure.cutoff,
            criterion.id == status_criterion,
            sum(criterion.is_low(area, figure.cutoff) for area in areas),
        )
        for criterion in _for_areas()
        for figure in criterion.figures
        if areas and figure.sex == sex and figure.cutoff is not None
    ]
    return tuple(sorted(found, key=lambda each: each.cm2))


def _for_areas() -> list[Criterion]:
    return [each for each in load_criteria().values() if each.measure is Measure.SMA]
