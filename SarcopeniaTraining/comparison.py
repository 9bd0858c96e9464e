"""Runs side by side: the same patients read by each, paired patient by patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaTraining.agreement import signed_rank_p, spread
from SarcopeniaTraining.table_files import Block, Row, Shown, Table, mean_sd, number, word

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.patient_scores import PatientScore
    from SarcopeniaTraining.run_folder import Run

NOTES = (
    "A pair is one patient: the mean of the readings in the folds in which both runs tested that patient.",
    "Difference: this run − the other one, over patients. p: Wilcoxon's signed-rank test, two-sided, not "
    "corrected for the number of comparisons.",
    "Signed and absolute area errors are compared in rows of their own.",
)
MEASURES: tuple[tuple[str, str, Callable[[PatientScore], float]], ...] = (
    ("dice", "Dice", lambda score: score.dice),
    ("sma_error_percent", "signed area error (%)", lambda score: score.error_percent),
    ("sma_abs_error_percent", "absolute area error (%)", lambda score: abs(score.error_percent)),
)
"""What is compared: name with unit, words, and the value of a reading."""


@dataclass(frozen=True)
class ScoredRun:
    """A run with the scores of its best checkpoints.

    Attributes
    ----------
    name:
        The run's, made different from those beside it.
    """

    name: str
    run: Run
    scores: tuple[PatientScore, ...]

    def fold_means(self, value: Callable[[PatientScore], float]) -> list[float]:
        """Mean over the test patients of each fold."""
        return [
            float(np.mean([value(score) for score in self.scores if score.fold == fold.number]))
            for fold in self.run.folds
        ]


@dataclass(frozen=True)
class PairedMeasure:
    """One measure of the patients that two runs have in common; arrays (n,), one entry a patient."""

    name: str
    words: str
    patients: tuple[str, ...]
    own: NDArray[np.float64]
    other: NDArray[np.float64]

    @property
    def p(self) -> float | None:
        """Wilcoxon's signed-rank test, two-sided; `None` where all differences are nil."""
        return signed_rank_p(self.own - self.other)


def paired(own: ScoredRun, other: ScoredRun) -> tuple[PairedMeasure, ...]:
    """Measures of every patient whom both runs tested in the same folds; empty where there is none."""
    mine, theirs = _readings(own), _readings(other)
    both = sorted(mine.keys() & theirs.keys())
    patients = tuple(sorted({mine[key].person for key in both}))
    if not patients:
        return ()
    keys = {person: [key for key in both if mine[key].person == person] for person in patients}

    def means(
        readings: dict[tuple[int, str], PatientScore], value: Callable[[PatientScore], float]
    ) -> NDArray[np.float64]:
        return np.array([np.mean([value(readings[key]) for key in keys[person]]) for person in patients])

    return tuple(
        PairedMeasure(name, words, patients, means(mine, value), means(theirs, value))
        for name, words, value in MEASURES
    )


def comparison_table(own: ScoredRun, others: Sequence[ScoredRun]) -> Table:
    """A row a measure and other run: both means, the difference, p."""
    rows = [row for other in others for row in _rows(own, other)]
    block = Block(
        f"{own.name} against others",
        (
            *("other_run", "measure", "patients", "own_mean", "other_mean"),
            *("difference_mean", "difference_sd", "wilcoxon_p"),
        ),
        (
            Shown("other run", word("other_run")),
            Shown("measure", word("words")),
            Shown("patients", number("patients", 0)),
            Shown("this run, mean", number("own_mean", 3)),
            Shown("other run, mean", number("other_mean", 3)),
            Shown("difference, mean ± sd", mean_sd("difference_mean", "difference_sd", 3, signed=True)),
            Shown("p", number("wilcoxon_p", 4)),
        ),
    )
    return Table(
        "comparison", f"{own.name} beside other runs on the same test patients", (block,), tuple(rows), NOTES
    )


def _rows(own: ScoredRun, other: ScoredRun) -> Iterator[Row]:
    for measure in paired(own, other):
        difference = spread(measure.own - measure.other)
        yield {
            "other_run": other.name,
            "measure": measure.name,
            "words": measure.words,
            "patients": difference.count,
            "own_mean": float(measure.own.mean()),
            "other_mean": float(measure.other.mean()),
            "difference_mean": difference.mean,
            "difference_sd": difference.sd,
            "wilcoxon_p": measure.p,
        }


def _readings(run: ScoredRun) -> dict[tuple[int, str], PatientScore]:
    return {(score.fold, score.case): score for score in run.scores}
