"""Table 1: AUC of every network and scheme over the shuffled sets, beside the printed one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from SarcopeniaTraining.classification.printed_classifiers import PrintedAuc, printed_aucs
from SarcopeniaTraining.classification.run_words import interval
from SarcopeniaTraining.printed_paper import BLOCK
from SarcopeniaTraining.table_files import Block, Shown, Table, Value, mean_sd, number, word

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.run_scores import Combination
    from SarcopeniaTraining.classification.run_words import RunWords

TABLE_1_NOTES = (
    "This run: AUC of each set's test patients by that set's network; mean and standard deviation (n − 1) "
    "over sets. The interval is that of the mean: people drawn with replacement, sarcopenic ones and others "
    "apart, each with all of his or her readings (2,000 draws). It holds for the networks as trained.",
    "A set whose test part has one class has no AUC; the column sets counts those that have one.",
    "Printed: the caption says accuracy, the columns AUC “(10 bootstrap)”, the text ten shuffles. Taken as "
    "AUC over ten shuffled sets.",
    "Printed: section 3.3 names three networks, section 4.1 and the tables have four.",
)
_PRINTED = Block(
    BLOCK,
    ("printed_auc_mean", "printed_auc_sd"),
    (Shown("AUC, mean ± sd", mean_sd("printed_auc_mean", "printed_auc_sd", 2)),),
)


def table_1(runs: Sequence[Combination], words: RunWords) -> Table:
    """A row a network and scheme in the printed order; those not run keep their printed figures."""
    own = {(one.network, one.scheme): one for one in runs}
    printed = {(one.network, one.scheme): one for one in printed_aucs()}
    rows = [
        {
            "network": names[0],
            "scheme": names[1],
            **(_own(own[names]) if names in own else {}),
            **(_printed(printed[names]) if names in printed else {}),
        }
        for names in {**printed, **own}
    ]
    return Table(
        "table1",
        "Table 1. AUC on the test patients of the shuffled sets, by network and scheme",
        (_block(words.heading), _PRINTED),
        tuple(rows),
        (*words.notes, *TABLE_1_NOTES),
    )


def _block(heading: str) -> Block:
    return Block(
        heading,
        (
            *("network", "scheme", "sets", "auc_mean", "auc_sd", "auc_low_95", "auc_high_95"),
            *("validation_auc_mean", "validation_auc_sd", "test_readings", "test_sarcopenic"),
        ),
        (
            Shown("network", word("network")),
            Shown("scheme", word("scheme")),
            Shown("sets", word("sets")),
            Shown("AUC, mean ± sd", mean_sd("auc_mean", "auc_sd", 2)),
            Shown("95 % interval of the mean", interval("auc_low_95", "auc_high_95", 2)),
            Shown("validation AUC, mean ± sd", mean_sd("validation_auc_mean", "validation_auc_sd", 2)),
            Shown("readings", number("test_readings", 0)),
            Shown("sarcopenic", number("test_sarcopenic", 0)),
        ),
    )


def _own(one: Combination) -> dict[str, Value]:
    over, validation = one.test_auc, one.validation_auc
    return {
        "sets": 0 if over is None else over.sets,
        "auc_mean": None if over is None else over.mean.value,
        "auc_sd": None if over is None else over.sd,
        "auc_low_95": None if over is None else over.mean.low,
        "auc_high_95": None if over is None else over.mean.high,
        "validation_auc_mean": None if validation is None else validation.mean,
        "validation_auc_sd": None if validation is None else validation.sd,
        "test_readings": sum(len(test.truth) for test in one.tests),
        "test_sarcopenic": sum(int(test.truth.sum()) for test in one.tests),
    }


def _printed(one: PrintedAuc) -> dict[str, Value]:
    return {"printed_auc_mean": one.mean, "printed_auc_sd": one.sd}
