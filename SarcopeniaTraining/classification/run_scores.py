"""Scores of each classifier run, of each network and scheme over sets, and which run is the best.

The best run of a network is chosen on validation alone; beside it stands what choosing on test would
have given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from SarcopeniaTraining.agreement import Spread, spread
from SarcopeniaTraining.classification.classifier_calibration import Calibration, calibration
from SarcopeniaTraining.classification.classifier_run import RunRecord, best_by_network
from SarcopeniaTraining.classification.classifier_scores import (
    THRESHOLD,
    Confusion,
    Readings,
    auc,
    auc_estimate,
    confusion,
    moved_threshold,
    per_person,
)
from SarcopeniaTraining.classification.over_sets import OverSets, auc_over_sets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from SarcopeniaTraining.agreement import Estimate
    from SarcopeniaTraining.classification.classifier_run import Classification


@dataclass(frozen=True, eq=False)
class RunScore:
    """One run, a reading a patient.

    Attributes
    ----------
    validation, test:
        Readings of the two parts that were not trained on.
    """

    record: RunRecord
    validation: Readings
    test: Readings

    @cached_property
    def validation_auc(self) -> float | None:
        """`None` where validation has one class."""
        return auc(self.validation.truth, self.validation.probability)

    @cached_property
    def test_auc(self) -> Estimate | None:
        """With DeLong's interval; `None` where the test part has one class."""
        return auc_estimate(self.test.truth, self.test.probability)

    @cached_property
    def calls(self) -> Confusion:
        """Of the test patients, as printed: sarcopenic above 0.5."""
        return confusion(self.test.truth, self.test.probability)

    @cached_property
    def threshold(self) -> float:
        """Of the greatest balanced accuracy on validation; 0.5 where validation has one class."""
        moved = moved_threshold(self.validation.truth, self.validation.probability)
        return THRESHOLD if moved is None else moved

    @cached_property
    def moved_calls(self) -> Confusion:
        """Of the test patients, by the threshold moved on validation."""
        return confusion(self.test.truth, self.test.probability, self.threshold)

    @cached_property
    def calibration(self) -> Calibration:
        """Of the test patients."""
        return calibration(self.test.truth, self.test.probability)


@dataclass(frozen=True, eq=False)
class Combination:
    """A network and a scheme, with its runs by set; at least one."""

    network: str
    scheme: str
    runs: tuple[RunScore, ...]

    @cached_property
    def tests(self) -> tuple[Readings, ...]:
        """Test readings, a set each."""
        return tuple(run.test for run in self.runs)

    @cached_property
    def thresholds(self) -> tuple[float, ...]:
        """Of each set, moved on its own validation."""
        return tuple(run.threshold for run in self.runs)

    @cached_property
    def test_auc(self) -> OverSets | None:
        """Over sets; `None` where no set has both classes."""
        return auc_over_sets(self.tests)

    @cached_property
    def validation_auc(self) -> Spread | None:
        """Over sets; `None` where no set has both classes."""
        known = [run.validation_auc for run in self.runs if run.validation_auc is not None]
        return spread(known) if known else None


@dataclass(frozen=True, eq=False)
class ChosenRun:
    """The best run of a network.

    Attributes
    ----------
    best:
        Chosen on validation: AUC, then lower loss, then the order of schemes and sets.
    on_test:
        What choosing on test would have taken (AUC, then accuracy, then F1): optimistic, no result.
    combination:
        All sets of the scheme of `best`.
    """

    best: RunScore
    on_test: RunScore
    combination: Combination

    @property
    def network(self) -> str:
        """Its name."""
        return self.best.record.network


def people_of(run: Classification) -> dict[str, str]:
    """Person of each case that is not a person of its own, as the run's cohort told."""
    return dict((run.facts.get("cohort") or {}).get("people") or {})


def score_runs(records: Iterable[RunRecord], people: Mapping[str, str]) -> tuple[RunScore, ...]:
    """Scores of each record; `people` names the person of a case that is not a person of its own."""
    return tuple(
        RunScore(record, per_person(record.validation, people), per_person(record.test, people))
        for record in records
    )


def combinations(scores: Sequence[RunScore]) -> tuple[Combination, ...]:
    """Runs by network and scheme, in the order in which these first occur; sets by number."""
    own: dict[tuple[str, str], list[RunScore]] = {}
    for score in scores:
        own.setdefault((score.record.network, score.record.scheme), []).append(score)
    return tuple(
        Combination(*names, tuple(sorted(runs, key=lambda run: run.record.set)))
        for names, runs in own.items()
    )


def choose(scores: Sequence[RunScore]) -> tuple[ChosenRun, ...]:
    """The best run of each network, in the order in which the networks first occur."""
    best = best_by_network([score.record for score in scores])
    of_scheme = {(one.network, one.scheme): one for one in combinations(scores)}
    chosen = []
    for network in dict.fromkeys(score.record.network for score in scores):
        record = best[network]
        own = [score for score in scores if score.record.network == network]
        chosen.append(
            ChosenRun(
                next(score for score in own if score.record is record),
                max(own, key=_test_merit),
                of_scheme[network, record.scheme],
            )
        )
    return tuple(chosen)


def _test_merit(score: RunScore) -> tuple[float, float, float]:
    return (
        -math.inf if score.test_auc is None else score.test_auc.value,
        score.calls.accuracy or 0.0,
        -1.0 if score.calls.f1 is None else score.calls.f1,
    )
