"""Table 2: calls of each network's best run, chosen on validation, beside the printed ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from SarcopeniaTraining.agreement import wilson
from SarcopeniaTraining.classification.classifier_scores import COUNTS, MEASURES
from SarcopeniaTraining.classification.over_sets import calls_over_sets, confusion_over_sets
from SarcopeniaTraining.classification.printed_classifiers import PrintedTest, printed_tests
from SarcopeniaTraining.classification.run_words import estimates, with_interval
from SarcopeniaTraining.printed_paper import BLOCK
from SarcopeniaTraining.table_files import NOT_KNOWN, Block, Row, Shown, Table, Value, number, word

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.run_scores import ChosenRun, Combination
    from SarcopeniaTraining.classification.run_words import RunWords

BEST, ALL_SETS = "best on validation", "all sets"
"""What a row's figures are of: column `readings`."""
TABLE_2_NOTES = (
    "Best on validation: the run (scheme and set) of a network with the greatest AUC on its validation "
    "patients, then the lower validation loss. All sets: every test reading of that scheme; a patient counts "
    "as often as he or she was tested.",
    "Sarcopenic is called above a probability of 0.5, as printed. Moved: above the threshold of the greatest "
    "balanced accuracy on the validation patients of each set.",
    "Precision cannot be told where nobody is called sarcopenic, nor F1 (–, never 0).",
    "Intervals (95 %): of one run Wilson's; of all sets by drawing people, each with all of his or her "
    "readings (2,000 draws).",
    "Chosen on test: what the run with the greatest AUC on its own test patients (then accuracy, then F1) "
    "would have shown. Optimistic, no result.",
    "Printed: 13 test patients, 10 and 3 sarcopenic; the counts are the only ones that give the printed "
    "figures. 12 of 13 is compatible with a true accuracy of 67 % to 99 %, 11 of 13 with 58 % to 96 % "
    "(Wilson).",
    "Printed, InceptionV3: the text says that all positives were right and two negatives wrong; its row "
    "(0.85, 1, 0.5) means one positive found, two missed, and no false positive.",
    "Printed: the conclusion says 82 % accuracy, the table 0.85 to 0.92.",
)
_MOVED = ("threshold", *COUNTS, *MEASURES)
_CHOSEN = ("scheme", "set", "auc", *COUNTS, "accuracy", "precision", "f1")
_PRINTED_NAMES = ("scheme", "accuracy", "precision", "f1", *COUNTS)


def table_2(chosen: Sequence[ChosenRun], words: RunWords) -> Table:
    """Two rows a network, its best run and all sets of that run's scheme; networks in the printed order."""
    own = {one.network: one for one in chosen}
    printed = {one.network: one for one in printed_tests()}
    rows: list[Row] = []
    for network in {**printed, **own}:
        first: dict[str, Value] = {"network": network, "readings": BEST}
        if network in own:
            first |= _best(own[network]) | _on_test(own[network])
        rows.append(first | (_printed(printed[network]) if network in printed else {}))
        if network in own:
            rows.append({"network": network, "readings": ALL_SETS, **_all_sets(own[network].combination)})
    return Table(
        "table2",
        "Table 2. Test patients called sarcopenic or not by the best run of each network",
        (_own_block(words.heading), _moved_block(), _chosen_block(), _printed_block()),
        tuple(rows),
        (*words.notes, *TABLE_2_NOTES),
    )


def _own_block(heading: str) -> Block:
    estimated = (*MEASURES, "auc")
    return Block(
        heading,
        (
            *("network", "readings", "scheme", "set", "sets", "validation_auc"),
            *("test_readings", "test_sarcopenic", *COUNTS),
            *(f"{name}{end}" for name in estimated for end in ("", "_low_95", "_high_95")),
        ),
        (
            Shown("network", word("network")),
            Shown("readings", word("readings")),
            Shown("scheme", word("scheme")),
            Shown("set", word("set")),
            Shown("validation AUC", number("validation_auc", 2)),
            Shown("TP/FP/FN/TN", _four("")),
            Shown("accuracy (95 %)", with_interval("accuracy", 2)),
            Shown("precision (95 %)", with_interval("precision", 2)),
            Shown("recall (95 %)", with_interval("recall", 2)),
            Shown("specificity (95 %)", with_interval("specificity", 2)),
            Shown("F1", with_interval("f1", 2)),
            Shown("AUC (95 %)", with_interval("auc", 2)),
        ),
    )


def _moved_block() -> Block:
    return Block(
        "threshold moved on validation",
        tuple(f"moved_{name}" for name in _MOVED),
        (
            Shown("threshold", number("moved_threshold", 2)),
            Shown("TP/FP/FN/TN", _four("moved_")),
            Shown("accuracy", number("moved_accuracy", 2)),
            Shown("precision", number("moved_precision", 2)),
            Shown("recall", number("moved_recall", 2)),
            Shown("F1", number("moved_f1", 2)),
        ),
    )


def _chosen_block() -> Block:
    return Block(
        "chosen on test: optimistic, no result",
        tuple(f"test_chosen_{name}" for name in _CHOSEN),
        (
            Shown("scheme", word("test_chosen_scheme")),
            Shown("set", word("test_chosen_set")),
            Shown("AUC", number("test_chosen_auc", 2)),
            Shown("accuracy", number("test_chosen_accuracy", 2)),
            Shown("precision", number("test_chosen_precision", 2)),
            Shown("F1", number("test_chosen_f1", 2)),
        ),
    )


def _printed_block() -> Block:
    return Block(
        BLOCK,
        tuple(f"printed_{name}" for name in _PRINTED_NAMES),
        (
            Shown("scheme", word("printed_scheme")),
            Shown("accuracy", number("printed_accuracy", 2)),
            Shown("precision", number("printed_precision", 2)),
            Shown("F1", number("printed_f1", 2)),
            Shown("TP/FP/FN/TN, implied", _four("printed_")),
        ),
    )


def _four(prefix: str) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        counts = [row.get(prefix + name) for name in COUNTS]
        return NOT_KNOWN if counts[0] is None else "/".join(map(str, counts))

    return text


def _best(one: ChosenRun) -> dict[str, Value]:
    run, calls = one.best, one.best.calls
    shares = {name: wilson(*part) for name, part in calls.parts.items()}
    return {
        "scheme": run.record.scheme,
        "set": run.record.set,
        "sets": 1,
        "validation_auc": run.validation_auc,
        "test_readings": calls.count,
        "test_sarcopenic": calls.positive,
        **calls.columns(),
        **estimates(shares | {"auc": run.test_auc}),
        "moved_threshold": run.threshold,
        **run.moved_calls.columns("moved_"),
    }


def _all_sets(one: Combination) -> dict[str, Value]:
    calls = confusion_over_sets(one.tests)
    over, validation = one.test_auc, one.validation_auc
    return {
        "scheme": one.scheme,
        "sets": len(one.runs),
        "validation_auc": None if validation is None else validation.mean,
        "test_readings": calls.count,
        "test_sarcopenic": calls.positive,
        **calls.columns(),
        **estimates(calls_over_sets(one.tests) | {"auc": None if over is None else over.mean}),
        **confusion_over_sets(one.tests, one.thresholds).columns("moved_"),
    }


def _on_test(one: ChosenRun) -> dict[str, Value]:
    record, area = one.on_test.record, one.on_test.test_auc
    return {
        "test_chosen_scheme": record.scheme,
        "test_chosen_set": record.set,
        "test_chosen_auc": None if area is None else area.value,
        **one.on_test.calls.columns("test_chosen_"),
    }


def _printed(one: PrintedTest) -> dict[str, Value]:
    return {
        "printed_scheme": one.scheme,
        "printed_accuracy": one.accuracy,
        "printed_precision": one.precision,
        "printed_f1": one.f1,
        **{f"printed_{name}": getattr(one.calls, name) for name in COUNTS},
    }
