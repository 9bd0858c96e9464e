"""Each patient as one reading by each route: by area over folds, by probability over shuffled sets.

A patient is read by every network that was not trained on him or her.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification.classifier_scores import THRESHOLD
from SarcopeniaTraining.fold_scores import EVALUATION, SCHEMA, SCORES
from SarcopeniaTraining.patient_scores import PatientScore
from SarcopeniaTraining.run_folder import BEST, Run

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.run_scores import Combination

AS_PRINTED, MOVED = "above 0.5", "threshold moved on validation"
"""How a probability becomes a call."""
_EVALUATE = "evaluate it first: sarcopenia evaluate RUN"


@dataclass(frozen=True)
class AreaReading:
    """What the folds that did not train on a patient say of him or her.

    Attributes
    ----------
    sex:
        `None`: not known.
    truth_sma_cm2, predicted_sma_cm2:
        Means over the readings.
    cutoff_cm2:
        Of the default criterion.
    truth, called:
        Whether sarcopenic: by the true area, and by most readings (of as many, by their mean area).
    readings, positive:
        How many, and how many of them say sarcopenic.
    """

    person: str
    sex: str | None
    truth_sma_cm2: float
    predicted_sma_cm2: float
    cutoff_cm2: float
    truth: bool
    called: bool
    readings: int
    positive: int

    @property
    def distance_percent(self) -> float:
        """True area above (+) or below (−) the cut-off, in per cent of it."""
        return 100 * (self.truth_sma_cm2 / self.cutoff_cm2 - 1)


@dataclass(frozen=True)
class ClassifierReading:
    """What the sets of a network that did not train on a patient say of him or her.

    Attributes
    ----------
    probability:
        Mean over the sets in which the patient is tested.
    margin:
        Mean of probability − the set's threshold moved on validation.
    """

    truth: bool
    probability: float
    margin: float
    readings: int

    def called(self, way: str) -> bool:
        """Whether called sarcopenic, `AS_PRINTED` or `MOVED`."""
        return self.margin > 0 if way == MOVED else self.probability > THRESHOLD


def area_scores(run: Run) -> list[PatientScore]:
    """Readings of the test patients by the chosen checkpoint of each finished fold.

    Raises
    ------
    InputError
        The run is not evaluated, not wholly, or its scores are damaged.
    """
    path = run.folder / EVALUATION / SCORES
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["schema"] != SCHEMA:
            raise ValueError(values["schema"])
        scores = [PatientScore.from_mapping(each) for each in values["scores"]]
    except OSError:
        raise InputError(f"the fine-tuning run {run.name} has no {EVALUATION}/{SCORES}", _EVALUATE) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{SCORES} of the fine-tuning run {run.name} is damaged", _EVALUATE) from None
    own = [score for score in scores if score.checkpoint == BEST]
    wanted = {(fold.number, case) for fold in run.folds for case in fold.fold.test}
    if wanted - {(score.fold, score.case) for score in own}:
        raise InputError(f"the fine-tuning run {run.name} is not evaluated to its end", _EVALUATE)
    return [score for score in own if (score.fold, score.case) in wanted]


def area_readings(scores: Iterable[PatientScore]) -> tuple[dict[str, AreaReading], tuple[str, ...]]:
    """Each patient's readings as one, and who has no status by area."""
    own: dict[str, list[PatientScore]] = {}
    for score in scores:
        own.setdefault(score.person, []).append(score)
    readings, undetermined = {}, []
    for person in sorted(own):
        found = _area_reading(person, own[person])
        if found is None:
            undetermined.append(person)
        else:
            readings[person] = found
    return readings, tuple(undetermined)


def classifier_readings(sets: Combination) -> dict[str, ClassifierReading]:
    """Each tested patient's readings by the sets of a network and scheme as one."""
    own: dict[str, list[tuple[bool, float, float]]] = {}
    for run in sets.runs:
        test = run.test
        for person, truth, probability in zip(test.people, test.truth, test.probability, strict=True):
            own.setdefault(person, []).append(
                (bool(truth), float(probability), float(probability) - run.threshold)
            )
    return {
        person: ClassifierReading(
            truth=any(truth for truth, _, _ in readings),
            probability=float(np.mean([probability for _, probability, _ in readings])),
            margin=float(np.mean([margin for _, _, margin in readings])),
            readings=len(readings),
        )
        for person, readings in own.items()
    }


def _area_reading(person: str, scores: Sequence[PatientScore]) -> AreaReading | None:
    known = [score for score in scores if score.status_is_right is not None]
    if not known:
        return None
    cutoffs = {score.cutoff_cm2 for score in known}
    cutoff = cutoffs.pop()
    if cutoff is None or cutoffs:
        return None
    positive = sum(score.predicted_sarcopenic is True for score in known)
    predicted = float(np.mean([score.predicted_sma_cm2 for score in known]))
    called = predicted < cutoff if 2 * positive == len(known) else 2 * positive > len(known)
    return AreaReading(
        person=person,
        sex=known[0].sex,
        truth_sma_cm2=float(np.mean([score.truth_sma_cm2 for score in known])),
        predicted_sma_cm2=predicted,
        cutoff_cm2=cutoff,
        truth=any(score.sarcopenic for score in known),
        called=called,
        readings=len(known),
        positive=positive,
    )
