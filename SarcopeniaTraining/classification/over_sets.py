"""Scores over several shuffled sets, in which a patient is tested more than once.

Each set has a network of its own, so that probabilities of two sets are not comparable: the AUC is taken
within each set, and its mean over them. Intervals come from people drawn with replacement, sarcopenic
ones and others apart, each with all of his or her readings (cluster bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaTraining.agreement import RESAMPLES, RESAMPLING_SEED, Estimate, spread, wilson
from SarcopeniaTraining.classification.classifier_scores import (
    THRESHOLD,
    Confusion,
    Readings,
    auc,
    confusion,
    pair_order,
    score_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_PEOPLE = 3
"""Of each class, for an interval."""


@dataclass(frozen=True)
class OverSets:
    """A score over sets.

    Attributes
    ----------
    mean:
        Over the sets in which it can be told, with the interval of people drawn.
    sd:
        Over these sets (n − 1): the spread that was seen, no standard error; `None` for one set.
    sets:
        How many these are.
    """

    mean: Estimate
    sd: float | None
    sets: int


def auc_over_sets(sets: Sequence[Readings]) -> OverSets | None:
    """Mean AUC over the sets that have both classes; `None` where none has.

    Where every resample gives the same (classes apart in all sets, or all probabilities equal), the
    interval is Newcombe's, of as many people as there are.
    """
    told = [readings for readings in sets if readings.has_both]
    if not told:
        return None
    values = spread([_own_auc(readings) for readings in told])
    people = sorted({person for readings in told for person in readings.people})
    weights = _drawn(told, people)
    interval = None if weights is None else _percentiles(_resampled_auc(told, people, weights))
    if (
        interval is not None and interval[0] == interval[1]
    ):  # no patient makes a difference: no certainty either
        ill = len(_sarcopenic(told))
        interval = score_interval(values.mean, ill, len(people) - ill)
    low, high = interval or (None, None)
    return OverSets(Estimate(values.mean, low, high), values.sd, values.count)


def calls_over_sets(
    sets: Sequence[Readings], threshold: float | Sequence[float] = THRESHOLD
) -> dict[str, Estimate | None]:
    """Accuracy, precision, recall, specificity, F1 and balanced accuracy of all calls of all sets together.

    Parameters
    ----------
    threshold:
        One for all, or one a set.

    Returns
    -------
    Each with the interval of people drawn; where every resample gives the same, Wilson's of the people
    whom the share is of, and none of F1 and balanced accuracy.
    """
    people = sorted({person for readings in sets for person in readings.people})
    of_person = {person: place for place, person in enumerate(people)}
    counts = np.zeros((len(people), 4))
    for readings, above in zip(sets, _of_each(threshold, sets), strict=True):
        called = readings.probability > above
        kinds = np.where(readings.truth, np.where(called, 0, 2), np.where(called, 1, 3))
        for person, kind in zip(readings.people, kinds, strict=True):
            counts[of_person[person], kind] += 1
    weights = _drawn(sets, people)
    total = confusion_over_sets(sets, threshold)
    return {name: _call_estimate(name, total, counts, weights) for name in _CALLS}


def confusion_over_sets(
    sets: Sequence[Readings], threshold: float | Sequence[float] = THRESHOLD
) -> Confusion:
    """All calls of all sets together; a patient counts as often as he or she was tested."""
    total = Confusion(0, 0, 0, 0)
    for readings, above in zip(sets, _of_each(threshold, sets), strict=True):
        total += confusion(readings.truth, readings.probability, above)
    return total


def _of_each(threshold: float | Sequence[float], sets: Sequence[Readings]) -> Sequence[float]:
    return [threshold] * len(sets) if isinstance(threshold, float) else threshold


def _own_auc(readings: Readings) -> float:
    value = auc(readings.truth, readings.probability)
    assert value is not None  # both classes are there
    return value


def _sarcopenic(sets: Sequence[Readings]) -> set[str]:
    return {
        person
        for readings in sets
        for person, truth in zip(readings.people, readings.truth, strict=True)
        if truth
    }


def _drawn(sets: Sequence[Readings], people: Sequence[str]) -> NDArray[np.float64] | None:
    """How often each person is drawn: (resamples, people); `None` where there are too few."""
    sarcopenic = _sarcopenic(sets)
    positive = np.array([person in sarcopenic for person in people], bool)
    if min(positive.sum(), (~positive).sum()) < LEAST_PEOPLE:
        return None
    rng = np.random.default_rng(RESAMPLING_SEED)
    weights = np.zeros((RESAMPLES, len(people)))
    for stratum in (positive, ~positive):
        size = int(stratum.sum())
        weights[:, stratum] = rng.multinomial(size, np.full(size, 1 / size), RESAMPLES)
    return weights


def _resampled_auc(
    sets: Sequence[Readings], people: Sequence[str], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean AUC of each resample, over the sets of which both classes were drawn: (resamples,)."""
    of_person = {person: place for place, person in enumerate(people)}
    total, told = np.zeros(len(weights)), np.zeros(len(weights))
    for readings in sets:
        own = weights[:, [of_person[person] for person in readings.people]]
        positive, negative = own[:, readings.truth], own[:, ~readings.truth]
        ordered = ((positive @ pair_order(readings.truth, readings.probability)) * negative).sum(axis=1)
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        total += np.divide(ordered, pairs, out=np.zeros_like(total), where=pairs > 0)
        told += pairs > 0
    return _ratio(total, told)


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """The middle 95 % of the resamples in which the score can be told."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return shares


_CALLS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "accuracy": lambda n: _ratio(n[0] + n[3], n.sum(axis=0)),
    "precision": lambda n: _ratio(n[0], n[0] + n[1]),
    "recall": lambda n: _ratio(n[0], n[0] + n[2]),
    "specificity": lambda n: _ratio(n[3], n[3] + n[1]),
    "f1": lambda n: _ratio(2 * n[0], 2 * n[0] + n[1] + n[2]) + 0 * _ratio(n[0], n[0] + n[1]),
    "balanced_accuracy": lambda n: (_ratio(n[0], n[0] + n[2]) + _ratio(n[3], n[3] + n[1])) / 2,
}
"""From counts (4, resamples) of tp, fp, fn, tn; not a number where it cannot be told."""


_BELOW = {"accuracy": (0, 1, 2, 3), "precision": (0, 1), "recall": (0, 2), "specificity": (1, 3)}
"""Which counts stand below the line of a share."""


def _call_estimate(
    name: str, total: Confusion, counts: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> Estimate | None:
    """A score of all calls; `counts` (people, 4) of tp, fp, fn, tn, `weights` (resamples, people)."""
    value = getattr(total, name)
    if value is None:
        return None
    interval = None if weights is None else _percentiles(_CALLS[name]((weights @ counts).T))
    if interval is not None and interval[0] == interval[1]:  # all right or all wrong: no certainty either
        people = int((counts[:, list(_BELOW[name])].sum(axis=1) > 0).sum()) if name in _BELOW else 0
        shrunk = wilson(round(value * people), people)
        interval = None if shrunk is None else (float(shrunk.low or 0.0), float(shrunk.high or 0.0))
    return Estimate(float(value), *(interval or (None, None)))
