"""How far predicted areas and statuses agree with the clinicians': pure functions on arrays.

Signed and absolute errors are never put into one number. docs/evaluation.md defines every statistic
in words. Intervals hold for readings of different people; `clustered` gives those of readings in
which a person occurs several times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Z_95 = 1.96
"""Half-width of the limits of agreement in standard deviations (Bland & Altman 1986)."""
RESAMPLES = 2000
RESAMPLING_SEED = 20250817


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval; `None` where it cannot be told."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation (n − 1; `None` for one value), median and extremes."""

    count: int
    mean: float
    sd: float | None
    median: float
    least: float
    greatest: float
    p95: float
    """95th percentile as an order statistic: a value that occurred, not one between two."""


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement of predicted − truth, in the unit of the values."""

    bias: Estimate
    sd: float
    lower: Estimate
    upper: Estimate


@dataclass(frozen=True)
class Regression:
    """Predicted on truth by least squares, and Pearson's r."""

    slope: Estimate
    intercept: Estimate
    r: Estimate


@dataclass(frozen=True)
class StatusAgreement:
    """How often two readings give the same status; `kappa` is `None` where all have one status."""

    right: int
    count: int
    share: Estimate
    kappa: float | None


def spread(values: Sequence[float] | NDArray[np.float64]) -> Spread:
    """Describe some values, at least one."""
    array = _values(values, 1)
    return Spread(
        count=len(array),
        mean=float(array.mean()),
        sd=float(array.std(ddof=1)) if len(array) > 1 else None,
        median=float(np.median(array)),
        least=float(array.min()),
        greatest=float(array.max()),
        p95=float(np.quantile(array, 0.95, method="higher")),
    )


def bland_altman(
    truth: Sequence[float] | NDArray[np.float64], predicted: Sequence[float] | NDArray[np.float64]
) -> BlandAltman:
    """Bias and limits of agreement, each with its interval by Student's t (n − 1).

    Standard errors: sd/√n of the bias; sd·√(1/n + 1.96²/(2(n−1))) of a limit (Bland & Altman 1999,
    doi 10.1177/096228029900800204).

    Raises
    ------
    ValueError
        Fewer than two pairs, or unequal numbers.
    """
    from scipy.stats import t

    first, second = _pairs(truth, predicted, 2)
    difference, n = second - first, len(first)
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    quantile = float(t.ppf(0.975, n - 1))
    of_bias = quantile * sd / np.sqrt(n)
    of_limit = quantile * sd * np.sqrt(1 / n + Z_95**2 / (2 * (n - 1)))
    return BlandAltman(
        _around(bias, of_bias), sd, _around(bias - Z_95 * sd, of_limit), _around(bias + Z_95 * sd, of_limit)
    )


def regression(
    truth: Sequence[float] | NDArray[np.float64], predicted: Sequence[float] | NDArray[np.float64]
) -> Regression | None:
    """Least squares of predicted on truth; `None` for fewer than three pairs or a constant.

    Slope and intercept have intervals by Student's t (n − 2), r by Fisher's z (from four pairs).
    """
    from scipy.stats import linregress, pearsonr, t

    first, second = _pairs(truth, predicted, 1)
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    line: Any = linregress(first, second)
    quantile = float(t.ppf(0.975, len(first) - 2))
    r = Estimate(float(line.rvalue))
    if len(first) > 3:
        interval = pearsonr(first, second).confidence_interval(0.95)
        r = Estimate(r.value, float(interval.low), float(interval.high))
    return Regression(
        _around(float(line.slope), quantile * float(line.stderr)),
        _around(float(line.intercept), quantile * float(line.intercept_stderr)),
        r,
    )


def icc_2_1(readings: NDArray[np.float64]) -> Estimate | None:
    """Intraclass correlation ICC(2,1): two-way random effects, absolute agreement, one reader.

    Parameters
    ----------
    readings:
        (n, k): n people read by k readers.

    Returns
    -------
    The coefficient with the interval of Shrout & Fleiss 1979 (doi 10.1037/0033-2909.86.2.420); `None`
    for fewer than two people or where nothing varies.
    """
    from scipy.stats import f

    n, k = readings.shape
    if n < 2 or k < 2 or np.ptp(readings) == 0:
        return None
    people, readers = readings.mean(axis=1), readings.mean(axis=0)
    rest = readings - people[:, None] - readers[None] + readings.mean()
    msb = k * float(people.var(ddof=1))
    msj = n * float(readers.var(ddof=1))
    mse = float((rest**2).sum()) / ((n - 1) * (k - 1))
    value = (msb - mse) / (msb + (k - 1) * mse + k * (msj - mse) / n)
    if mse <= 1e-12 * msb:
        return Estimate(value)
    ratio, a = msj / mse, n * (1 + (k - 1) * value) - k * value
    freedom = (k - 1) * (n - 1) * (k * value * ratio + a) ** 2
    freedom /= (n - 1) * (k * value * ratio) ** 2 + a**2
    above, below = float(f.ppf(0.975, n - 1, freedom)), float(f.ppf(0.975, freedom, n - 1))
    spread_of_readers = k * msj + (k * n - k - n) * mse
    low = n * (msb - above * mse) / (above * spread_of_readers + n * msb)
    high = n * (below * msb - mse) / (spread_of_readers + n * below * msb)
    return Estimate(value, low, high)


def status_agreement(truth: Sequence[bool], predicted: Sequence[bool]) -> StatusAgreement:
    """Share of equal statuses with Wilson's interval, and Cohen's kappa.

    Raises
    ------
    ValueError
        No pairs, or unequal numbers.
    """
    from sklearn.metrics import cohen_kappa_score

    first, second = _pairs(truth, predicted, 1)
    right, count = int((first == second).sum()), len(first)
    share = wilson(right, count)
    assert share is not None  # there is a pair
    one_status = len({*first.tolist(), *second.tolist()}) == 1
    return StatusAgreement(
        right,
        count,
        share,
        None if one_status else float(cohen_kappa_score(first, second)),
    )


def wilson(right: int, count: int) -> Estimate | None:
    """A share with Wilson's 95 % interval; `None` of nobody.

    Raises
    ------
    ValueError
        More right than there are.
    """
    from scipy.stats import binomtest

    if count == 0:
        return None
    interval = binomtest(right, count).proportion_ci(0.95, "wilson")
    return Estimate(right / count, float(interval.low), float(interval.high))


def clustered(
    people: Sequence[str], statistic: Callable[[NDArray[np.intp]], float], *, resamples: int = RESAMPLES
) -> Estimate:
    """A statistic of readings of which several are of one person, with a percentile interval.

    People are drawn with replacement, each with all of his or her readings (cluster bootstrap).

    Parameters
    ----------
    people:
        Who each reading is of.
    statistic:
        From indices of readings (with repeats) to the number.
    """
    from scipy.stats import bootstrap

    everyone = np.arange(len(people))
    own = [everyone[np.asarray(people) == person] for person in sorted(set(people))]
    value = statistic(everyone)
    if len(own) < 3:
        return Estimate(value)
    drawn = bootstrap(
        (np.arange(len(own)),),
        lambda chosen: statistic(np.concatenate([own[number] for number in chosen])),
        n_resamples=resamples,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(RESAMPLING_SEED),
    )
    low, high = drawn.confidence_interval
    return Estimate(value, float(low), float(high))


def signed_rank_p(differences: Sequence[float] | NDArray[np.float64]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test on paired differences; `None` where all are nil."""
    from scipy.stats import wilcoxon

    array = _values(differences, 1)
    if not array.any():
        return None
    return float(wilcoxon(array).pvalue)


def _around(value: float, half_width: float) -> Estimate:
    return Estimate(value, value - float(half_width), value + float(half_width))


def _values(values: Any, least: int) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or len(array) < least or not np.isfinite(array).all():
        raise ValueError(f"{least} or more finite numbers are needed, got {array.shape}")
    return array


def _pairs(first: Any, second: Any, least: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    one, other = _values(first, least), _values(second, least)
    if len(one) != len(other):
        raise ValueError(f"{len(one)} and {len(other)} values are no pairs")
    return one, other
