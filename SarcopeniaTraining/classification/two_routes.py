"""Both routes to a status on the same patients: area below the cut-off, and classifier.

Both are held against the truth and against each other (`route_readings` says how a patient is read).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.agreement import StatusAgreement, status_agreement
from SarcopeniaTraining.classification.classifier_run import read_classification
from SarcopeniaTraining.classification.classifier_scores import Confusion
from SarcopeniaTraining.classification.route_readings import (
    AS_PRINTED,
    MOVED,
    AreaReading,
    ClassifierReading,
    area_readings,
    area_scores,
    classifier_readings,
)
from SarcopeniaTraining.classification.run_scores import ChosenRun, choose, people_of, score_runs
from SarcopeniaTraining.run_folder import read_run


@dataclass(frozen=True)
class Patient:
    """One patient by both routes; `classifiers` by network."""

    area: AreaReading
    classifiers: Mapping[str, ClassifierReading]

    @property
    def person(self) -> str:
        """Who it is."""
        return self.area.person


@dataclass(frozen=True)
class RouteAgreement:
    """Both routes on the patients whom a network's sets and the folds tested.

    Attributes
    ----------
    area, classifier:
        Calls of each against the truth.
    both_right, only_area, only_classifier, neither:
        Patients by who is right.
    agreed:
        How often both give the same status, with Wilson's interval and Cohen's kappa.
    mcnemar_p:
        Exact, two-sided; `None` where both are right and wrong on the same patients.
    """

    network: str
    scheme: str
    way: str
    area: Confusion
    classifier: Confusion
    both_right: int
    only_area: int
    only_classifier: int
    neither: int
    agreed: StatusAgreement
    mcnemar_p: float | None


@dataclass(frozen=True)
class TwoRoutes:
    """What both runs say of the patients they have in common.

    Attributes
    ----------
    chosen:
        Network and scheme of each classifier: the scheme of its best run on validation.
    best_network:
        Of all networks the one whose best run did best on validation.
    contradictory, undetermined, missed:
        Patients left out: the label told is not the one of the true area; no sex, so no status by area;
        tested by one run alone.
    same_cohort:
        Whether both runs are of the same manifest; else patients are matched by name.
    """

    patients: tuple[Patient, ...]
    agreements: tuple[RouteAgreement, ...]
    chosen: Mapping[str, str]
    best_network: str
    contradictory: tuple[str, ...]
    undetermined: tuple[str, ...]
    missed: tuple[str, ...]
    same_cohort: bool


def compare_routes(segmentation: Path, classification: Path) -> TwoRoutes:
    """Compare an evaluated run of `finetune` with one of `classify`.

    Raises
    ------
    SarcopeniaError
        One of them is no such run, the first is not evaluated, or they have no tested patient in common.
    """
    folds, run = read_run(segmentation), read_classification(classification)
    scores = area_scores(folds)
    person = {score.case: score.person for score in scores}
    areas, undetermined = area_readings(scores)
    chosen = choose(score_runs(run.records, {**people_of(run), **person}))
    if not chosen:
        raise InputError(
            "no run of these classifiers is finished", "repeat `sarcopenia classify`: it goes on"
        )
    classifiers = {one.network: classifier_readings(one.combination) for one in chosen}
    tested = {person for readings in classifiers.values() for person in readings}
    common = sorted(areas.keys() & tested)
    contradictory = [one for one in common if _contradicts(areas[one], classifiers.values())]
    patients = [
        Patient(areas[one], {name: own[one] for name, own in classifiers.items() if one in own})
        for one in common
        if one not in contradictory
    ]
    if not patients:
        raise InputError(
            "the two runs have no tested patient in common", "give runs of one cohort, by the same case names"
        )
    return TwoRoutes(
        patients=tuple(patients),
        agreements=tuple(
            agreement(patients, one.network, one.combination.scheme, way)
            for one in chosen
            for way in (AS_PRINTED, MOVED)
            if any(one.network in patient.classifiers for patient in patients)
        ),
        chosen={one.network: one.combination.scheme for one in chosen},
        best_network=_best(chosen).network,
        contradictory=tuple(contradictory),
        undetermined=tuple(sorted(set(undetermined) & tested)),
        missed=tuple(sorted((areas.keys() ^ tested) - set(undetermined))),
        same_cohort=_digest(folds.facts) == _digest(run.facts),
    )


def agreement(patients: Sequence[Patient], network: str, scheme: str, way: str) -> RouteAgreement:
    """Both routes on the patients whom the network tested, at least one."""
    own = [patient for patient in patients if network in patient.classifiers]
    truth = [patient.area.truth for patient in own]
    area = [patient.area.called for patient in own]
    called = [patient.classifiers[network].called(way) for patient in own]
    right = [(a == t, c == t) for t, a, c in zip(truth, area, called, strict=True)]
    only_area, only_classifier = right.count((True, False)), right.count((False, True))
    return RouteAgreement(
        network=network,
        scheme=scheme,
        way=way,
        area=_counts(truth, area),
        classifier=_counts(truth, called),
        both_right=right.count((True, True)),
        only_area=only_area,
        only_classifier=only_classifier,
        neither=right.count((False, False)),
        agreed=status_agreement(area, called),
        mcnemar_p=exact_mcnemar(only_area, only_classifier),
    )


def exact_mcnemar(first: int, second: int) -> float | None:
    """Two-sided p that the discordant patients fall so unevenly by chance; `None` where there are none."""
    from scipy.stats import binomtest

    return float(binomtest(first, first + second, 0.5).pvalue) if first + second else None


def _counts(truth: Sequence[bool], called: Sequence[bool]) -> Confusion:
    pairs = list(zip(truth, called, strict=True))
    return Confusion(
        tp=pairs.count((True, True)),
        fp=pairs.count((False, True)),
        fn=pairs.count((True, False)),
        tn=pairs.count((False, False)),
    )


def _contradicts(area: AreaReading, classifiers: Iterable[Mapping[str, ClassifierReading]]) -> bool:
    return any(own[area.person].truth != area.truth for own in classifiers if area.person in own)


def _best(chosen: Sequence[ChosenRun]) -> ChosenRun:
    """Of the networks' best runs the one with the greatest AUC on validation, then the lower loss."""
    return min(chosen, key=lambda one: one.best.record.selection_key)


def _digest(facts: Mapping[str, Any]) -> str | None:
    return (facts.get("cohort") or {}).get("digest")


if __name__ == "__main__":
    from SarcopeniaAssessLib.__main__ import run_group
    from SarcopeniaTraining.classification.two_routes_report import command

    sys.exit(run_group(command, program="python -m SarcopeniaTraining.classification.two_routes"))
