"""Every statistic of agreement, one a row, of the best fold and of all folds together.

The best fold's test patients are different people, so their intervals are the textbook's. Over all
folds a person is read several times: those intervals are of people drawn with replacement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaTraining.agreement import (
    Z_95,
    BlandAltman,
    Estimate,
    Spread,
    bland_altman,
    clustered,
    icc_2_1,
    regression,
    spread,
    status_agreement,
)
from SarcopeniaTraining.table_files import (
    NOT_KNOWN,
    Block,
    Row,
    Shown,
    Table,
    Value,
    decimal_text,
    number,
    word,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.patient_scores import PatientScore

NOTES = (
    "No row mixes signed and absolute errors. Signed: predicted − truth.",
    "Best fold: intervals by Student's t, Fisher's z, Wilson, and Shrout & Fleiss for ICC(2,1).",
    "All folds: a patient tested in several folds is read several times. Intervals come from people drawn "
    "with replacement, each with all of his or her readings; a patient's status counts as right where it "
    "was so in every fold.",
    "Limits of agreement: bias ± 1.96 standard deviations of the differences.",
)


@dataclass(frozen=True)
class Statistic:
    """One row; `name` is that of the CSV, with its unit."""

    readings: str
    name: str
    words: str
    estimate: Estimate
    count: int
    decimals: int = 2

    def row(self) -> Row:
        """As a table's row."""
        return {
            "readings": self.readings,
            "statistic": self.name,
            "words": self.words,
            "value": self.estimate.value,
            "low_95": self.estimate.low,
            "high_95": self.estimate.high,
            "count": self.count,
            "decimals": self.decimals,
        }


def agreement_table(best: Sequence[PatientScore], everyone: Sequence[PatientScore], best_fold: int) -> Table:
    """The statistics as a table of `agreement.csv`, `.md` and `.tex`."""
    rows = [statistic.row() for statistic in statistics(best, everyone, best_fold)]
    block = Block(
        "this run",
        ("readings", "statistic", "value", "low_95", "high_95", "count"),
        (
            Shown("readings", word("readings")),
            Shown("statistic", word("words")),
            Shown("value", _value("value")),
            Shown("95 % interval", _interval),
            Shown("n", number("count", 0)),
        ),
    )
    return Table("agreement", "Agreement of predicted with true muscle area", (block,), tuple(rows), NOTES)


def statistics(
    best: Sequence[PatientScore], everyone: Sequence[PatientScore], best_fold: int
) -> Iterator[Statistic]:
    """Statistics of the best fold, then of all folds."""
    name = f"best fold ({best_fold})"
    yield from _described(name, best)
    yield from _of_people(name, best)
    yield from _described("all folds", everyone)
    yield from _of_readings("all folds", everyone)


def limits_over_folds(scores: Sequence[PatientScore]) -> BlandAltman | None:
    """Bias and limits of readings of which several are of one person; `None` for fewer than three people."""
    people, difference = [score.person for score in scores], predictions(scores) - truths(scores)
    if len(set(people)) < 3:
        return None

    def limit(side: float) -> Callable[[NDArray[np.intp]], float]:
        return lambda at: float(difference[at].mean() + side * difference[at].std(ddof=1))

    bias, lower, upper = (clustered(people, limit(side)) for side in (0, -Z_95, Z_95))
    return BlandAltman(bias, float(difference.std(ddof=1)), lower, upper)


def _described(name: str, scores: Sequence[PatientScore]) -> Iterator[Statistic]:
    n = len(scores)
    dice = spread([score.dice for score in scores])
    for key, words, value in (
        ("dice_mean", "Dice, mean", dice.mean),
        ("dice_sd", "Dice, standard deviation", dice.sd),
        ("dice_median", "Dice, median", dice.median),
        ("dice_min", "Dice, least", dice.least),
    ):
        if value is not None:
            yield Statistic(name, key, words, Estimate(value), n, 3)
    percent = [score.error_percent for score in scores]
    centimetres = [score.error_cm2 for score in scores]
    for unit, sign, values in (("percent", "%", percent), ("cm2", "cm²", centimetres)):
        yield from _errors(name, unit, sign, spread(values), spread(np.abs(values)))
    for key, words, distances in (
        (
            "mean_surface_distance_mm",
            "surface distance, mean over patients (mm)",
            [score.mean_surface_distance_mm for score in scores],
        ),
        (
            "surface_distance_95_mm",
            "surface distance, 95 %, mean over patients (mm)",
            [score.surface_distance_95_mm for score in scores],
        ),
    ):
        known = [distance for distance in distances if distance is not None]
        if known:
            yield Statistic(name, key, words, Estimate(spread(known).mean), len(known))


def _errors(name: str, unit: str, sign: str, signed: Spread, absolute: Spread) -> Iterator[Statistic]:
    for key, words, value in (
        (f"sma_error_mean_{unit}", f"signed area error, mean ({sign})", signed.mean),
        (f"sma_error_sd_{unit}", f"signed area error, standard deviation ({sign})", signed.sd),
        (f"sma_abs_error_mean_{unit}", f"absolute area error, mean ({sign})", absolute.mean),
        (f"sma_abs_error_median_{unit}", f"absolute area error, median ({sign})", absolute.median),
        (f"sma_abs_error_p95_{unit}", f"absolute area error, 95th percentile ({sign})", absolute.p95),
    ):
        if value is not None:
            yield Statistic(name, key, words, Estimate(value), signed.count)


_BIAS = ("bland_altman_bias_cm2", "Bland–Altman, bias (cm²)")
_LOWER = ("bland_altman_lower_limit_cm2", "Bland–Altman, lower limit of agreement (cm²)")
_UPPER = ("bland_altman_upper_limit_cm2", "Bland–Altman, upper limit of agreement (cm²)")
_SLOPE = ("regression_slope", "regression of predicted on truth, slope")
_INTERCEPT = ("regression_intercept_cm2", "regression, intercept (cm²)")
_R = ("pearson_r", "Pearson's r")
_ICC = ("icc_2_1", "ICC(2,1), absolute agreement")


def _of_people(name: str, scores: Sequence[PatientScore]) -> Iterator[Statistic]:
    """Intervals of readings of different people."""
    truth, predicted, n = truths(scores), predictions(scores), len(scores)
    if n > 1:
        limits = bland_altman(truth, predicted)
        for title, estimate in ((_BIAS, limits.bias), (_LOWER, limits.lower), (_UPPER, limits.upper)):
            yield Statistic(name, *title, estimate, n)
    if line := regression(truth, predicted):
        for title, estimate in ((_SLOPE, line.slope), (_INTERCEPT, line.intercept), (_R, line.r)):
            yield Statistic(name, *title, estimate, n, 3)
    if icc := icc_2_1(np.column_stack([truth, predicted])):
        yield Statistic(name, *_ICC, icc, n, 3)
    judged = [score for score in scores if score.status_is_right is not None]
    if judged:
        agreed = status_agreement(
            [score.sarcopenic is True for score in judged],
            [score.predicted_sarcopenic is True for score in judged],
        )
        yield Statistic(name, "status_right_share", "status right, share", agreed.share, agreed.count, 3)
        if agreed.kappa is not None:
            yield Statistic(
                name, "status_kappa", "Cohen's κ of the status", Estimate(agreed.kappa), agreed.count
            )


def _of_readings(name: str, scores: Sequence[PatientScore]) -> Iterator[Statistic]:
    """Intervals by drawing people, since a person is read in several folds."""
    truth, predicted = truths(scores), predictions(scores)
    limits = limits_over_folds(scores)
    if limits is None:
        return

    def drawn(statistic: Callable[[NDArray[np.intp]], float]) -> Estimate:
        return clustered([score.person for score in scores], statistic)

    def line(at: NDArray[np.intp]) -> tuple[float, float]:
        x, y = truth[at], predicted[at]
        slope = float(
            ((x - x.mean()) * (y - y.mean())).sum() / max(float(((x - x.mean()) ** 2).sum()), 1e-12)
        )
        return slope, float(y.mean() - slope * x.mean())

    n = len(scores)
    for title, estimate in ((_BIAS, limits.bias), (_LOWER, limits.lower), (_UPPER, limits.upper)):
        yield Statistic(name, *title, estimate, n)
    if np.ptp(truth) and np.ptp(predicted):
        yield Statistic(name, *_SLOPE, drawn(lambda at: line(at)[0]), n, 3)
        yield Statistic(name, *_INTERCEPT, drawn(lambda at: line(at)[1]), n, 3)
        yield Statistic(name, *_R, drawn(lambda at: _r(truth[at], predicted[at])), n, 3)
        both = np.column_stack([truth, predicted])
        yield Statistic(name, *_ICC, drawn(lambda at: _icc(both[at])), n, 3)
    right = _right_in_every_fold(scores)
    if right:
        share = status_agreement([True] * len(right), right).share
        words = "patients whose status was right in every fold, share"
        yield Statistic(name, "patients_status_right_share", words, share, len(right), 3)


def _right_in_every_fold(scores: Sequence[PatientScore]) -> list[bool]:
    judged = [score for score in scores if score.status_is_right is not None]
    people = sorted({score.person for score in judged})
    return [all(score.status_is_right for score in judged if score.person == person) for person in people]


def _r(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Pearson's r of a resample; 1 where it happens to hold one value only."""
    return float(np.corrcoef(x, y)[0, 1]) if np.ptp(x) and np.ptp(y) else 1.0


def _icc(both: NDArray[np.float64]) -> float:
    found = icc_2_1(both)
    return 1.0 if found is None else found.value


def truths(scores: Sequence[PatientScore]) -> NDArray[np.float64]:
    """True areas in cm²."""
    return np.array([score.truth_sma_cm2 for score in scores])


def predictions(scores: Sequence[PatientScore]) -> NDArray[np.float64]:
    """Predicted areas in cm²."""
    return np.array([score.predicted_sma_cm2 for score in scores])


def _value(name: str) -> Callable[[Row], str]:
    return lambda row: decimal_text(row.get(name), _decimals(row))


def _interval(row: Row) -> str:
    if row.get("low_95") is None:
        return NOT_KNOWN
    return f"{decimal_text(row['low_95'], _decimals(row))} … {decimal_text(row['high_95'], _decimals(row))}"


def _decimals(row: Row) -> int:
    value: Value = row["decimals"]
    return int(value) if value is not None else 2
