"""Table 3: a row a fold, Dice and area errors of its test patients, beside the printed ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from SarcopeniaTraining.agreement import spread
from SarcopeniaTraining.fold_summary import FoldSummary
from SarcopeniaTraining.printed_paper import BLOCK, OTHER_PATIENTS, PrintedFold, printed_folds
from SarcopeniaTraining.table_files import NOT_KNOWN, Block, Row, Shown, Table, Value, mean_sd, number, word

MEAN_OF_FOLDS = "mean of folds"
TABLE_3_NOTES = (
    OTHER_PATIENTS,
    "This run: the checkpoint of each fold was chosen on its validation patients alone. The paper "
    "observed its checkpoints during testing.",
    "This run: signed error = predicted − truth, absolute error = its size, both in per cent of the "
    "truth; the 95th percentile is a value that occurred. ± is the standard deviation (n − 1) over "
    "patients, in the last row that over folds.",
    "Printed, fold 2: 0.98 ± 0.05 is printed as it stands, with an upper spread above 1; the fold "
    "called best and shown in the paper's Table 4 has the figures of fold 4.",
    "Printed area difference: signed in some folds (−3.18, −3.16, −3.0), while the 3.17 of fold 4 is "
    "the mean absolute error of the paper's Table 4 (3.173; its signed mean is −2.02 ± 3.28). It is "
    "comparable with neither column of this run as a whole.",
    "Printed, mean of the ten folds: Dice 0.901, level with the 0.90 of Gu et al. 2023 that the paper "
    "compares itself with; its 0.93 is one fold. The mean of the mixed area differences is left out.",
    "Printed splits: 47 (8/39) + 16 (6/10) + 16 (3/13) patients sum to 17 sarcopenic and 62 not, while "
    "the cohort has 18 and 61.",
)
_PRINTED_3 = Block(
    BLOCK,
    (
        "printed_dice_mean",
        "printed_dice_sd",
        "printed_area_difference_percent_mean",
        "printed_area_difference_percent_sd",
    ),
    (
        Shown("Dice, mean ± sd", mean_sd("printed_dice_mean", "printed_dice_sd", 2)),
        Shown(
            "area difference (%), signs mixed",
            mean_sd("printed_area_difference_percent_mean", "printed_area_difference_percent_sd", 2),
        ),
    ),
)
_CHOSEN_ON_TEST = Block(
    "chosen on test: optimistic, no result",
    ("test_chosen_checkpoint", "test_chosen_dice_mean"),
    (
        Shown("checkpoint", word("test_chosen_checkpoint")),
        Shown("Dice, mean", number("test_chosen_dice_mean", 3)),
    ),
)


def table_3(folds: Sequence[FoldSummary], run: str) -> Table:
    """A row a fold and their mean: Dice, signed and absolute area error, status; beside it the printed one.

    Parameters
    ----------
    run:
        What the run is called in the block's heading.
    """
    own = {fold.run.number: fold for fold in folds}
    printed = {fold.fold: fold for fold in printed_folds()}
    rows = [
        {"fold": n, **_own_fold(own.get(n)), **_printed_fold(printed.get(n))}
        for n in sorted({*own, *printed})
    ]
    rows.append(_mean_of_folds(folds))
    chosen = any(fold.chosen_on_test for fold in folds)
    blocks = (_own_3(run), *((_CHOSEN_ON_TEST,) if chosen else ()), _PRINTED_3)
    return Table(
        "table3",
        "Table 3. Dice and area error on the test patients of each fold",
        blocks,
        tuple(rows),
        TABLE_3_NOTES,
    )


def _own_3(run: str) -> Block:
    return Block(
        run,
        (
            *("fold", "checkpoint", "validation_dice", "test_patients", "test_sarcopenic"),
            *("dice_mean", "dice_sd", "dice_median", "dice_min"),
            *("sma_error_mean_percent", "sma_error_sd_percent"),
            *("sma_abs_error_mean_percent", "sma_abs_error_median_percent", "sma_abs_error_p95_percent"),
            *("status_right_patients", "status_judged_patients"),
        ),
        (
            Shown("fold", word("fold")),
            Shown("checkpoint", word("checkpoint")),
            Shown("validation Dice", number("validation_dice", 3)),
            Shown("test patients (sarcopenic)", _of("test_patients", "{} ({})", "test_sarcopenic")),
            Shown("Dice, mean ± sd", mean_sd("dice_mean", "dice_sd", 3)),
            Shown("Dice, median", number("dice_median", 3)),
            Shown("Dice, least", number("dice_min", 3)),
            Shown(
                "signed area error (%), mean ± sd",
                mean_sd("sma_error_mean_percent", "sma_error_sd_percent", 2, signed=True),
            ),
            Shown("absolute area error (%), mean", number("sma_abs_error_mean_percent", 2)),
            Shown("absolute, median (%)", number("sma_abs_error_median_percent", 2)),
            Shown("absolute, 95th percentile (%)", number("sma_abs_error_p95_percent", 2)),
            Shown("status right", _of("status_right_patients", "{} of {}", "status_judged_patients")),
        ),
    )


def _of(first: str, pattern: str, second: str) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        if row.get(first) is None:
            return NOT_KNOWN
        return pattern.format(row[first], row[second])

    return text


def _own_fold(fold: FoldSummary | None) -> dict[str, Value]:
    if fold is None:
        return {}
    choice = fold.chosen_on_test
    return {
        "checkpoint": fold.run.best_epoch,
        "validation_dice": fold.run.validation_dice,
        "test_patients": len(fold.scores),
        "test_sarcopenic": fold.sarcopenic,
        "dice_mean": fold.dice.mean,
        "dice_sd": fold.dice.sd,
        "dice_median": fold.dice.median,
        "dice_min": fold.dice.least,
        "sma_error_mean_percent": fold.error_percent.mean,
        "sma_error_sd_percent": fold.error_percent.sd,
        "sma_abs_error_mean_percent": fold.abs_error_percent.mean,
        "sma_abs_error_median_percent": fold.abs_error_percent.median,
        "sma_abs_error_p95_percent": fold.abs_error_percent.p95,
        "status_right_patients": fold.right,
        "status_judged_patients": fold.judged,
        "test_chosen_checkpoint": choice.checkpoint if choice else None,
        "test_chosen_dice_mean": choice.dice_mean if choice else None,
    }


def _printed_fold(fold: PrintedFold | None) -> dict[str, Value]:
    if fold is None:
        return {}
    return {
        "printed_dice_mean": fold.dice_mean,
        "printed_dice_sd": fold.dice_sd,
        "printed_area_difference_percent_mean": fold.area_difference_percent_mean,
        "printed_area_difference_percent_sd": fold.area_difference_percent_sd,
    }


def _mean_of_folds(folds: Sequence[FoldSummary]) -> dict[str, Value]:
    """Means over folds, each fold one value; sd over folds."""
    dice = spread([fold.dice.mean for fold in folds])
    error = spread([fold.error_percent.mean for fold in folds])
    printed = spread([fold.dice_mean for fold in printed_folds()])
    chosen = [fold.chosen_on_test.dice_mean for fold in folds if fold.chosen_on_test]
    return {
        "fold": MEAN_OF_FOLDS,
        "validation_dice": spread([fold.run.validation_dice for fold in folds]).mean,
        "dice_mean": dice.mean,
        "dice_sd": dice.sd,
        "sma_error_mean_percent": error.mean,
        "sma_error_sd_percent": error.sd,
        "sma_abs_error_mean_percent": spread([fold.abs_error_percent.mean for fold in folds]).mean,
        "status_right_patients": sum(fold.right for fold in folds),
        "status_judged_patients": sum(fold.judged for fold in folds),
        "test_chosen_dice_mean": spread(chosen).mean if chosen else None,
        "printed_dice_mean": printed.mean,
        "printed_dice_sd": printed.sd,
    }
