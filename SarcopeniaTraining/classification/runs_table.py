"""A row a classifier run: what it was, how its training ended, and its scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from SarcopeniaTraining.classification.classifier_scores import COUNTS, MEASURES
from SarcopeniaTraining.classification.run_words import estimates, with_interval
from SarcopeniaTraining.table_files import Block, Row, Shown, Table, number, word

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_scores import COUNTS, MEASURES
    from SarcopeniaTraining.classification.run_scores import RunScore
from SarcopeniaTraining.classification.run_words import RunWords

RUNS_NOTES = (
    "AUC: DeLong's interval on the logit scale; of a part whose classes are apart Newcombe's score interval.",
    "Brier score: mean squared difference of probability and truth. Slope and intercept: logistic regression "
    "of the truth on the logit of the probability, 1 and 0 where probabilities are right; – where they "
    "cannot be told.",
    "What a run took in seconds and memory stands in the run's own journal, not here: it is not the same "
    "twice.",
)


def runs_table(scores: Sequence[RunScore], words: RunWords) -> Table:
    """Every finished run, in the order of the plan."""
    block = Block(
        words.heading,
        (
            *("network", "scheme", "set", "start", "seed", "epochs", "best_epoch", "trained_parameters"),
            *("validation_auc", "validation_loss", "auc", "auc_low_95", "auc_high_95"),
            *(*COUNTS, *MEASURES),
            *("moved_threshold", "moved_accuracy", "moved_f1"),
            *("brier", "brier_of_share", "calibration_slope", "calibration_intercept"),
        ),
        (
            Shown("network", word("network")),
            Shown("scheme", word("scheme")),
            Shown("set", word("set")),
            Shown("epochs (best)", lambda row: f"{row['epochs']} ({row['best_epoch']})"),
            Shown("validation AUC", number("validation_auc", 2)),
            Shown("test AUC (95 %)", with_interval("auc", 2)),
            Shown("accuracy", number("accuracy", 2)),
            Shown("precision", number("precision", 2)),
            Shown("recall", number("recall", 2)),
            Shown("F1", number("f1", 2)),
            Shown("moved threshold", number("moved_threshold", 2)),
            Shown("accuracy, moved", number("moved_accuracy", 2)),
            Shown("Brier", number("brier", 3)),
            Shown("slope", number("calibration_slope", 2)),
        ),
    )
    notes = (*words.notes, *RUNS_NOTES)
    return Table("runs", "Every classifier run", (block,), tuple(_row(score) for score in scores), notes)


def _row(score: RunScore) -> Row:
    record, calibration = score.record, score.calibration
    return {
        "network": record.network,
        "scheme": record.scheme,
        "set": record.set,
        "start": record.start,
        "seed": record.seed,
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "trained_parameters": record.trained_parameters,
        "validation_auc": score.validation_auc,
        "validation_loss": record.validation_loss if math.isfinite(record.validation_loss) else None,
        **estimates({"auc": score.test_auc}),
        **score.calls.columns(),
        "moved_threshold": score.threshold,
        "moved_accuracy": score.moved_calls.accuracy,
        "moved_f1": score.moved_calls.f1,
        "brier": calibration.brier,
        "brier_of_share": calibration.brier_of_share,
        "calibration_slope": calibration.slope,
        "calibration_intercept": calibration.intercept,
    }
