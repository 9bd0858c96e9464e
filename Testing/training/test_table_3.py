"""Table 3: own folds beside the printed ones, and neither in the other's mean."""

import csv
import io

import pytest

from SarcopeniaTraining.fold_summary import summaries
from SarcopeniaTraining.table_3 import table_3
from SarcopeniaTraining.table_files import csv_text, markdown_text
from Testing.training.made_scores import run_of, score

SCORES = [
    score("P1", (100.0, 104.0), 0.90, fold=1),
    score("P2", (200.0, 196.0), 0.94, fold=1),
    score("P3", (150.0, 120.0), 0.80, fold=3),
    score("P3", (150.0, 150.0), 0.99, fold=3, checkpoint="epoch-030"),
]
RUN = run_of({1: 0.91, 3: 0.95})


@pytest.fixture(scope="module")
def table():
    return table_3(summaries(RUN, SCORES), "this run (made)")


@pytest.fixture(scope="module")
def rows(table):
    return {row["fold"]: row for row in csv.DictReader(io.StringIO(csv_text(table)))}


def test_own_numbers_by_hand(rows):
    first = rows["1"]
    assert float(first["dice_mean"]) == pytest.approx(0.92)
    assert float(first["sma_error_mean_percent"]) == pytest.approx(1.0)  # +4 % and −2 %
    assert float(first["sma_abs_error_mean_percent"]) == pytest.approx(3.0)
    assert float(first["sma_abs_error_p95_percent"]) == pytest.approx(4.0)
    assert (first["status_right_patients"], first["status_judged_patients"]) == ("2", "2")
    assert (rows["3"]["status_right_patients"], rows["3"]["status_judged_patients"]) == ("0", "1")
    assert rows["3"]["dice_sd"] == ""


def test_printed_numbers_as_printed_in_a_block_of_their_own(table, rows):
    assert table.blocks[-1].heading == "printed, Bhardwaj et al. 2025, their patients"
    assert all(name.startswith("printed_") for name in table.blocks[-1].names)
    assert not any(name.startswith("printed_") for block in table.blocks[:-1] for name in block.names)
    assert (rows["2"]["printed_dice_mean"], rows["2"]["printed_dice_sd"]) == ("0.98", "0.05")
    assert rows["2"]["dice_mean"] == ""
    assert len(rows) == 11


def test_the_last_row_is_over_folds_and_keeps_the_two_apart(rows):
    last = rows["mean of folds"]
    assert float(last["dice_mean"]) == pytest.approx((0.92 + 0.80) / 2)
    assert float(last["dice_sd"]) == pytest.approx(0.12 / 2**0.5)
    assert float(last["sma_error_mean_percent"]) == pytest.approx((1 - 20) / 2)
    assert float(last["sma_abs_error_mean_percent"]) == pytest.approx((3 + 20) / 2)
    assert float(last["printed_dice_mean"]) == pytest.approx(0.901)
    assert last["printed_area_difference_percent_mean"] == ""


def test_choosing_on_test_has_a_block_that_says_so(table, rows):
    assert [block.heading for block in table.blocks][1] == "chosen on test: optimistic, no result"
    assert (rows["3"]["test_chosen_checkpoint"], rows["3"]["test_chosen_dice_mean"]) == ("epoch-030", "0.99")
    assert rows["3"]["dice_mean"] == "0.8"
    without = table_3(summaries(RUN, SCORES[:3]), "x")
    assert len(without.blocks) == 2


def test_the_contradictions_are_told(table):
    text = markdown_text(table)
    for words in (
        "0.98 ± 0.05",
        "mean absolute error of the paper's Table 4",
        "0.901",
        "17 sarcopenic and 62",
    ):
        assert words in text.split("\n\n")[-1]
    assert "| **fold** | **checkpoint** |" in text
