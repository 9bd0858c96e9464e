"""Scores of held-out scans as numbers: of all, and of every group of patients and of scans.

Signed and absolute errors are never put into one number. Intervals of shares are Wilson's; those of means
and percentiles come from scans drawn with replacement, with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.criteria import StatusValue
from SarcopeniaTraining.agreement import RESAMPLES, RESAMPLING_SEED, Estimate, wilson
from SarcopeniaTraining.held_out import HeldOutScore
from SarcopeniaTraining.table_files import Block, Row, Shown, Table, Value, decimal_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

THICKNESS_MM = (2.0, 4.0)
"""Bounds between thin, medium and thick slices."""
NO_TRAIT = "none"
WITHHOLDING_TRAITS = frozenset({"metal", "truncated"})
"""Scans on which a careful reader may withhold a status too; on all others an error is a false alarm."""


@dataclass(frozen=True)
class Group:
    """Scans that have something in common, e.g. phase: portal."""

    by: str
    value: str
    scores: tuple[HeldOutScore, ...]


@dataclass(frozen=True)
class GroupSummary:
    """One group in numbers; percentages are of the true area, `None`: nothing to tell it from.

    Attributes
    ----------
    scans, refused, flagged:
        How many; without a record; with a finding of severity error.
    dice, dice_min, dice_p05:
        Mean, least, and the 5th percentile (a value that occurred).
    error_percent, error_sd_percent, abs_error_percent, abs_error_p95_percent:
        Signed mean and its spread; absolute mean and 95th percentile (a value that occurred).
    status_right, status_judged:
        Share of equal statuses, and of how many that have both.
    coverage, half_width_percent:
        Share of intervals that hold a reader's area; mean half width, of the measured area.
    """

    by: str
    value: str
    scans: int
    refused: int
    flagged: int
    dice: Estimate | None
    dice_min: float | None
    dice_p05: float | None
    error_percent: Estimate | None
    error_sd_percent: float | None
    abs_error_percent: Estimate | None
    abs_error_p95_percent: Estimate | None
    abs_error_cm2: Estimate | None
    status_right: Estimate | None
    status_judged: int
    coverage: Estimate | None
    half_width_percent: float | None


def groups(scores: Sequence[HeldOutScore]) -> tuple[Group, ...]:
    """All scans, then those of each sex, build, phase, slice thickness, kernel, status, kind and trait."""
    ways: dict[str, Callable[[HeldOutScore], tuple[str, ...]]] = {
        "all": lambda score: ("all",),
        "sex": lambda score: (score.sex,),
        "build": lambda score: (score.build,),
        "phase": lambda score: (score.phase,),
        "slices": lambda score: (_thickness(score.slice_mm),),
        "kernel": lambda score: (score.kernel,),
        "truth": lambda score: (score.truth_status,),
        "scan": lambda score: ("ordinary" if is_ordinary(score) else "metal or truncated",),
        "trait": lambda score: score.traits or (NO_TRAIT,),
    }
    found = []
    for by, values_of in ways.items():
        members: dict[str, list[HeldOutScore]] = {}
        for score in scores:
            for value in values_of(score):
                members.setdefault(value, []).append(score)
        found += [
            Group(by, value, tuple(members[value])) for value in sorted(members, key=partial(_in_order, by))
        ]
    return tuple(found)


def summarise(group: Group) -> GroupSummary:
    """The numbers of one group of at least one scan."""
    scores = group.scores
    dice = _known([score.dice for score in scores])
    error = _known([score.error_percent for score in scores])
    right = [score.status_is_right for score in scores if score.status_is_right is not None]
    covered = [score.covered for score in scores if score.covered is not None]
    widths = _known([score.half_width_percent for score in scores])
    return GroupSummary(
        by=group.by,
        value=group.value,
        scans=len(scores),
        refused=sum(score.refused is not None for score in scores),
        flagged=sum(bool(score.errors) for score in scores),
        dice=resampled(dice, _mean),
        dice_min=float(dice.min()) if dice.size else None,
        dice_p05=float(np.quantile(dice, 0.05, method="lower")) if dice.size else None,
        error_percent=resampled(error, _mean),
        error_sd_percent=float(error.std(ddof=1)) if error.size > 1 else None,
        abs_error_percent=resampled(np.abs(error), _mean),
        abs_error_p95_percent=resampled(np.abs(error), _p95),
        abs_error_cm2=resampled(np.abs(_known([score.error_cm2 for score in scores])), _mean),
        status_right=share(right),
        status_judged=len(right),
        coverage=share(covered),
        half_width_percent=float(widths.mean()) if widths.size else None,
    )


def resampled(
    values: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Estimate | None:
    """A statistic of values with the percentile interval of values drawn with replacement.

    Parameters
    ----------
    statistic:
        Of the last axis.
    """
    if not values.size:
        return None
    value = float(statistic(values))
    if len(values) < 3:
        return Estimate(value)
    rng = np.random.default_rng(RESAMPLING_SEED)
    drawn = statistic(values[rng.integers(0, len(values), (RESAMPLES, len(values)))])
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(value, float(low), float(high))


def share(yes: Sequence[bool]) -> Estimate | None:
    """Share of yes with Wilson's interval; `None` of nothing."""
    return wilson(sum(yes), len(yes))


def is_ordinary(score: HeldOutScore) -> bool:
    """Whether nothing about the scan would keep a careful reader from a status."""
    return not WITHHOLDING_TRAITS & set(score.traits)


def findings_by_code(scores: Sequence[HeldOutScore]) -> list[dict[str, Any]]:
    """Errors and warnings by code: on how many scans, and on how many ordinary ones."""
    ordinary = [score for score in scores if is_ordinary(score)]
    return [
        {
            "code": code,
            "severity": severity[:-1],
            "scans": sum(code in getattr(score, severity) for score in scores),
            "ordinary_scans": sum(code in getattr(score, severity) for score in ordinary),
        }
        for severity in ("errors", "warnings")
        for code in sorted({code for score in scores for code in getattr(score, severity)})
    ]


def table(summaries: Sequence[GroupSummary], title: str, notes: tuple[str, ...] = ()) -> Table:
    """A row a group; CSV with every interval, Markdown and LaTeX as one reads them."""
    rows: list[Row] = [_row(summary) for summary in summaries]
    columns = (
        Shown("group", lambda row: f"{row['by']}: {row['value']}" if row["by"] != "all" else "**all**"),
        Shown("scans", lambda row: str(row["scans"])),
        Shown("Dice, mean (95 % CI)", _estimate("dice", 3)),
        Shown("least", lambda row: decimal_text(row["dice_min"], 3)),
        Shown("SMA error, signed %", _estimate("error_percent", 1, signed=True)),
        Shown("absolute %", _estimate("abs_error_percent", 1)),
        Shown("95th percentile %", _estimate("abs_error_p95_percent", 1)),
        Shown("status right %", _estimate("status_right", 1, factor=100)),
        Shown("interval holds reader %", _estimate("coverage", 1, factor=100)),
        Shown("half width %", lambda row: decimal_text(row["half_width_percent"], 1)),
        Shown("errors flagged", lambda row: str(row["flagged"])),
    )
    return Table("held-out", title, (Block("", tuple(rows[0]), columns),), tuple(rows), notes)


def _row(summary: GroupSummary) -> Row:
    flat: dict[str, Value] = {}
    for name, value in vars(summary).items():
        if isinstance(value, Estimate) or (value is None and name in _ESTIMATES):
            flat[name] = None if value is None else value.value
            flat[f"{name}_low"] = None if value is None else value.low
            flat[f"{name}_high"] = None if value is None else value.high
        else:
            flat[name] = value
    return flat


_ESTIMATES = (
    *("dice", "error_percent", "abs_error_percent", "abs_error_p95_percent", "abs_error_cm2"),
    *("status_right", "coverage"),
)


def _estimate(name: str, decimals: int, *, factor: float = 1.0, signed: bool = False) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        value, low, high = (row[each] for each in (name, f"{name}_low", f"{name}_high"))
        told = decimal_text(_times(value, factor), decimals, signed=signed)
        if low is None or high is None:
            return told
        bounds = (decimal_text(_times(each, factor), decimals, signed=signed) for each in (low, high))
        return f"{told} ({'…'.join(bounds)})"

    return text


def _times(value: Value, factor: float) -> float | None:
    return None if value is None else factor * float(value)


def _thickness(slice_mm: float) -> str:
    thin, thick = THICKNESS_MM
    if slice_mm <= thin:
        return f"≤ {thin:g} mm"
    return f"{thin:g}–{thick:g} mm" if slice_mm <= thick else f"> {thick:g} mm"


_ORDER = {
    "sex": ("male", "female"),
    "build": ("slim", "medium", "obese"),
    "phase": ("none", "arterial", "portal"),
    "slices": ("≤ 2 mm", "2–4 mm", "> 4 mm"),
    "kernel": ("soft", "medium", "sharp"),
    "truth": (StatusValue.SARCOPENIC.value, StatusValue.NOT_SARCOPENIC.value),
}


def _in_order(by: str, value: str) -> tuple[int, str]:
    known = _ORDER.get(by, ())
    return (known.index(value) if value in known else len(known), value)


def _known(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([value for value in values if value is not None], np.float64)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values.mean(axis=-1))


def _p95(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.quantile(values, 0.95, axis=-1, method="higher"))
