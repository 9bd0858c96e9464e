"""How well probabilities tell sarcopenic patients from others: pure functions on a patient a reading.

What cannot be told (one class, no positive call) is `None`, never nought. docs/classification-scores.md
defines every statistic in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from SarcopeniaTraining.agreement import Z_95, Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

COUNTS = ("tp", "fp", "fn", "tn")
MEASURES = ("accuracy", "precision", "recall", "specificity", "f1", "balanced_accuracy")
"""Of a `Confusion`, in the order of tables."""
THRESHOLD = 0.5
"""Above it a patient is called sarcopenic: the larger of the two nodes, as printed."""


class Predicted(Protocol):
    """What a case's prediction must tell."""

    @property
    def case(self) -> str:
        """Name of the case."""

    @property
    def sarcopenic(self) -> bool:
        """The truth."""

    @property
    def probability(self) -> float:
        """Of being sarcopenic, 0 … 1."""


@dataclass(frozen=True, eq=False)
class Readings:
    """One probability a patient.

    Attributes
    ----------
    people:
        Who each reading is of; nobody twice.
    truth, probability:
        (n,): whether sarcopenic, and the probability of it.

    Raises
    ------
    ValueError
        Nobody, somebody twice, unequal numbers, or what is no probability.
    """

    people: tuple[str, ...]
    truth: NDArray[np.bool_]
    probability: NDArray[np.float64]

    def __post_init__(self) -> None:
        truth, probability = _checked(self.truth, self.probability)
        if len(set(self.people)) != len(truth) or len(self.people) != len(truth):
            raise ValueError(f"{len(self.people)} names, some twice, are not those of {len(truth)} readings")
        object.__setattr__(self, "truth", truth)
        object.__setattr__(self, "probability", probability)

    @property
    def has_both(self) -> bool:
        """Whether somebody is sarcopenic and somebody is not."""
        return bool(self.truth.any() and not self.truth.all())


@dataclass(frozen=True)
class Confusion:
    """Patients by truth and call; a positive call says sarcopenic.

    Raises
    ------
    ValueError
        A negative number.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    def __post_init__(self) -> None:
        if min(self.tp, self.fp, self.fn, self.tn) < 0:
            raise ValueError(f"{self} counts less than nobody")

    @property
    def count(self) -> int:
        """Everybody."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def right(self) -> int:
        """Whose call is the truth."""
        return self.tp + self.tn

    @property
    def positive(self) -> int:
        """Who is sarcopenic."""
        return self.tp + self.fn

    @property
    def parts(self) -> dict[str, tuple[int, int]]:
        """Of each measure that is a share of patients: how many, of how many."""
        return {
            "accuracy": (self.right, self.count),
            "precision": (self.tp, self.tp + self.fp),
            "recall": (self.tp, self.positive),
            "specificity": (self.tn, self.tn + self.fp),
        }

    @property
    def accuracy(self) -> float | None:
        """Share of right calls."""
        return _share(*self.parts["accuracy"])

    @property
    def precision(self) -> float | None:
        """Of those called sarcopenic, the share who are; `None` where nobody was called so."""
        return _share(*self.parts["precision"])

    @property
    def recall(self) -> float | None:
        """Sensitivity: of those who are sarcopenic, the share called so."""
        return _share(*self.parts["recall"])

    @property
    def specificity(self) -> float | None:
        """Of those who are not sarcopenic, the share called so."""
        return _share(*self.parts["specificity"])

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; `None` where one of them is."""
        if self.precision is None or self.recall is None:
            return None
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn)

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of recall and specificity; `None` where one of them is."""
        if self.recall is None or self.specificity is None:
            return None
        return (self.recall + self.specificity) / 2

    def columns(self, prefix: str = "") -> dict[str, int | float | None]:
        """Counts and measures by name, for a row of a table."""
        return {f"{prefix}{name}": getattr(self, name) for name in (*COUNTS, *MEASURES)}

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Points from (0, 0) to (1, 1): one for each value that occurs, equal ones in one step.

    Attributes
    ----------
    false_positive, true_positive:
        (m,) shares of those who are not, and who are, sarcopenic.
    thresholds:
        (m,) the least probability that is called sarcopenic there; infinite at the first point.
    """

    false_positive: NDArray[np.float64]
    true_positive: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def per_person(predictions: Iterable[Predicted], people: Mapping[str, str]) -> Readings:
    """One reading a patient: the mean probability of his or her cases, sarcopenic if any case is.

    Parameters
    ----------
    people:
        Person of a case; a case that is not in it is a person of its own.

    Raises
    ------
    ValueError
        No prediction, or one that is no probability.
    """
    own: dict[str, list[Predicted]] = {}
    for prediction in predictions:
        own.setdefault(people.get(prediction.case, prediction.case), []).append(prediction)
    names = tuple(sorted(own))
    return Readings(
        names,
        np.array([any(one.sarcopenic for one in own[name]) for name in names], bool),
        np.array([np.mean([one.probability for one in own[name]]) for name in names], np.float64),
    )


def confusion(truth: ArrayLike, probability: ArrayLike, threshold: float = THRESHOLD) -> Confusion:
    """Who is called what: sarcopenic above the threshold, as the larger of two softmax nodes is.

    Raises
    ------
    ValueError
        No readings, unequal numbers, or what is no probability.
    """
    real, found = _checked(truth, probability)
    called = found > threshold
    return Confusion(
        tp=int((called & real).sum()),
        fp=int((called & ~real).sum()),
        fn=int((~called & real).sum()),
        tn=int((~called & ~real).sum()),
    )


def auc(truth: ArrayLike, probability: ArrayLike) -> float | None:
    """Area under the ROC curve: the share of pairs of a sarcopenic and another patient in right order.

    A pair of equal probabilities counts one half. `None` where all are of one class.

    Raises
    ------
    ValueError
        As `confusion`.
    """
    pairs = pair_order(truth, probability)
    return float(pairs.mean()) if pairs.size else None


def auc_estimate(truth: ArrayLike, probability: ArrayLike) -> Estimate | None:
    """AUC with its 95 % interval; `None` where all are of one class.

    DeLong's variance (DeLong, DeLong & Clarke-Pearson 1988, doi 10.2307/2531595) on the logit scale,
    so that the interval stays within 0 … 1. Where that variance is nil or cannot be had (the classes are
    apart or all equal, or one has a single patient), a score interval with the variance of Hanley &
    McNeil (Newcombe 2006, method 5, doi 10.1002/sim.2324), which does not shrink to a point.

    Raises
    ------
    ValueError
        As `confusion`.
    """
    pairs = pair_order(truth, probability)
    if not pairs.size:
        return None
    value, variance = float(pairs.mean()), delong_variance(pairs)
    if variance is None or variance <= 0:
        return Estimate(value, *score_interval(value, *pairs.shape))
    centre = math.log(value / (1 - value))
    half = Z_95 * math.sqrt(variance) / (value * (1 - value))
    return Estimate(value, _expit(centre - half), _expit(centre + half))


def pair_order(truth: ArrayLike, probability: ArrayLike) -> NDArray[np.float64]:
    """Of every pair 1 in right order, 0 in wrong order, 1/2 where equal: (sarcopenic, others).

    Raises
    ------
    ValueError
        As `confusion`.
    """
    real, found = _checked(truth, probability)
    higher, lower = found[real][:, None], found[~real][None]
    return np.where(higher == lower, 0.5, higher > lower).astype(np.float64)


def delong_variance(pairs: NDArray[np.float64]) -> float | None:
    """Variance of the AUC from `pair_order`; `None` where a class has fewer than two patients."""
    positive, negative = pairs.shape
    if min(positive, negative) < 2:
        return None
    of_positive, of_negative = pairs.mean(axis=1), pairs.mean(axis=0)
    return float(of_positive.var(ddof=1) / positive + of_negative.var(ddof=1) / negative)


def score_interval(value: float, positive: int, negative: int) -> tuple[float, float]:
    """Newcombe's 95 % interval of an AUC: true ones of which it lies 1.96 of their standard errors away.

    Parameters
    ----------
    positive, negative:
        How many people are sarcopenic and how many are not, at least one of each.
    """
    from scipy.optimize import brentq

    others = (positive + negative) / 2 - 1

    def away(area: float, side: int) -> float:
        spread = 1 + others * ((1 - area) / (2 - area) + area / (1 + area))
        error = math.sqrt(area * (1 - area) * spread / (positive * negative))
        return side * (area - value) - Z_95 * error

    edge = 1e-12
    low = 0.0 if value <= edge else float(brentq(away, 0.0, min(value, 1 - edge), args=(-1,)))
    high = 1.0 if value >= 1 - edge else float(brentq(away, max(value, edge), 1.0, args=(1,)))
    return low, high


def roc_curve(truth: ArrayLike, probability: ArrayLike) -> RocCurve | None:
    """The ROC curve; `None` where all are of one class.

    Raises
    ------
    ValueError
        As `confusion`.
    """
    real, found = _checked(truth, probability)
    if real.all() or not real.any():
        return None
    values = np.unique(found)[::-1]
    called = found[None] >= values[:, None]
    true_positive = (called & real).sum(axis=1) / real.sum()
    false_positive = (called & ~real).sum(axis=1) / (~real).sum()
    return RocCurve(
        np.concatenate([[0.0], false_positive]),
        np.concatenate([[0.0], true_positive]),
        np.concatenate([[np.inf], values]),
    )


def moved_threshold(truth: ArrayLike, probability: ArrayLike) -> float | None:
    """The threshold of the greatest balanced accuracy; to be found on validation, never on test.

    Candidates are 0.5 and the middle between any two neighbouring values; of equals the one nearest to
    0.5, so that it moves only where something is gained. `None` where all are of one class.

    Raises
    ------
    ValueError
        As `confusion`.
    """
    real, found = _checked(truth, probability)
    if real.all() or not real.any():
        return None
    values = np.unique(found)
    between = [_middle(below, above) for below, above in pairwise(values)]

    def merit(threshold: float) -> tuple[float, float, float]:
        gained = confusion(real, found, threshold).balanced_accuracy
        return round(gained or 0.0, 12), -abs(threshold - THRESHOLD), -threshold

    return max([THRESHOLD, *between], key=merit)


def _middle(below: float, above: float) -> float:
    middle = (float(below) + float(above)) / 2
    return middle if middle < above else float(below)  # of neighbouring floats the middle is one of them


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _checked(truth: ArrayLike, probability: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    real, found = np.asarray(truth, bool), np.asarray(probability, np.float64)
    if real.ndim != 1 or real.shape != found.shape or not len(real):
        raise ValueError(f"{real.shape} truths and {found.shape} probabilities are no readings")
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("a probability lies within 0 and 1")
    return real, found
