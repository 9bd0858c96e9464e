"""Scores of a fold's test patients as numbers, and what choosing on them would have given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from SarcopeniaTraining.agreement import Spread, spread
from SarcopeniaTraining.patient_scores import PatientScore
from SarcopeniaTraining.run_folder import BEST, FoldRun, Run


@dataclass(frozen=True)
class TestChoice:
    """The kept checkpoint with the best mean Dice on the test patients: optimistic, no result."""

    __test__ = False  # no test of pytest's, whatever its name

    checkpoint: str
    dice_mean: float


@dataclass(frozen=True)
class FoldSummary:
    """The test patients of one fold, read by the checkpoint that was chosen on validation.

    Attributes
    ----------
    error_percent, abs_error_percent:
        Signed and absolute area errors, of the truth; never mixed.
    right, judged:
        Patients whose two statuses are equal, of those that have both.
    chosen_on_test:
        Only where every checkpoint was scored.
    """

    run: FoldRun
    scores: tuple[PatientScore, ...]
    dice: Spread
    error_percent: Spread
    abs_error_percent: Spread
    right: int
    judged: int
    chosen_on_test: TestChoice | None

    @property
    def sarcopenic(self) -> int:
        """Test patients who are sarcopenic by the truth."""
        return sum(score.sarcopenic is True for score in self.scores)


def summaries(run: Run, scores: Sequence[PatientScore]) -> tuple[FoldSummary, ...]:
    """A summary of each finished fold, by number."""
    return tuple(
        _summary(fold, [score for score in scores if score.fold == fold.number]) for fold in run.folds
    )


def best_of(folds: Sequence[FoldSummary], run: Run) -> FoldSummary:
    """The summary of the fold that did best on validation."""
    return next(fold for fold in folds if fold.run.number == run.best.number)


def _summary(run: FoldRun, scores: Sequence[PatientScore]) -> FoldSummary:
    own = tuple(score for score in scores if score.checkpoint == BEST)
    judged = [score.status_is_right for score in own if score.status_is_right is not None]
    return FoldSummary(
        run=run,
        scores=own,
        dice=spread([score.dice for score in own]),
        error_percent=spread([score.error_percent for score in own]),
        abs_error_percent=spread([abs(score.error_percent) for score in own]),
        right=sum(judged),
        judged=len(judged),
        chosen_on_test=_chosen_on_test(scores),
    )


def _chosen_on_test(scores: Sequence[PatientScore]) -> TestChoice | None:
    kept = sorted({score.checkpoint for score in scores} - {BEST})
    means = {name: spread([score.dice for score in scores if score.checkpoint == name]).mean for name in kept}
    if not means:
        return None
    best = max(kept, key=lambda name: means[name])
    return TestChoice(best, means[best])
