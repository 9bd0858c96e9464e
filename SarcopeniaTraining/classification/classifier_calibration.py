"""Whether probabilities are what they say: Brier score, reliability by bins, calibration line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BINS = 10
LEAST_ODDS = 1e-6
"""Probabilities nearer to 0 or 1 are taken as this one: their logit would be infinite."""
_STEPS = 100


@dataclass(frozen=True)
class Bin:
    """Readings whose probability lies between two borders; the lower one is part of it.

    Attributes
    ----------
    count, sarcopenic:
        How many readings, and of how many the truth is sarcopenic.
    mean_probability:
        Of these readings.
    """

    low: float
    high: float
    count: int
    sarcopenic: int
    mean_probability: float

    @property
    def share(self) -> float:
        """Of sarcopenic readings."""
        return self.sarcopenic / self.count


@dataclass(frozen=True)
class Calibration:
    """Calibration of some readings.

    Attributes
    ----------
    brier:
        Mean squared difference of probability and truth; lower is better.
    brier_of_share:
        Brier score of telling everybody the share of sarcopenic readings.
    slope, intercept:
        Of the logistic regression of the truth on the logit of the probability: 1 and 0 where
        probabilities are right, a slope below 1 where they are too sure. `None` where they cannot be told:
        one class, one probability, or classes that the probability separates.
    bins:
        Those that hold a reading, from 0 to 1.
    """

    brier: float
    brier_of_share: float
    slope: float | None
    intercept: float | None
    bins: tuple[Bin, ...]


def calibration(truth: ArrayLike, probability: ArrayLike, bins: int = BINS) -> Calibration:
    """Calibration of readings (n,), at least one.

    Raises
    ------
    ValueError
        No readings, or unequal numbers.
    """
    real, found = np.asarray(truth, bool), np.asarray(probability, np.float64)
    if real.shape != found.shape or real.ndim != 1 or not len(real):
        raise ValueError(f"{real.shape} truths and {found.shape} probabilities are no readings")
    share = float(real.mean())
    line = _logistic(np.log(_odds(found)), real)
    return Calibration(
        brier=float(((found - real) ** 2).mean()),
        brier_of_share=share * (1 - share),
        slope=None if line is None else line[1],
        intercept=None if line is None else line[0],
        bins=_bins(real, found, bins),
    )


def _bins(truth: NDArray[np.bool_], probability: NDArray[np.float64], bins: int) -> tuple[Bin, ...]:
    place = np.minimum((probability * bins).astype(int), bins - 1)
    return tuple(
        Bin(
            low=number / bins,
            high=(number + 1) / bins,
            count=int((place == number).sum()),
            sarcopenic=int(truth[place == number].sum()),
            mean_probability=float(probability[place == number].mean()),
        )
        for number in np.unique(place).tolist()
    )


def _odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    within = np.clip(probability, LEAST_ODDS, 1 - LEAST_ODDS)
    return within / (1 - within)


def _logistic(x: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Intercept and slope of greatest likelihood, by Newton's steps; `None` where these find no end."""
    if np.ptp(x) == 0 or truth.all() or not truth.any():
        return None
    design = np.column_stack([np.ones_like(x), x])
    found = np.zeros(2)
    for _ in range(_STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(design @ found, -500, 500)))
        information = (design * (fitted * (1 - fitted))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (truth - fitted))
        found += step
        if np.abs(step).max() < 1e-10:
            return float(found[0]), float(found[1])
    return None
