"""Table 4: a row a test patient, as printed: first who is not sarcopenic."""

import csv
import io

import pytest

from SarcopeniaTraining.fold_summary import summaries
from SarcopeniaTraining.table_4 import table_4
from SarcopeniaTraining.table_files import csv_text, markdown_text
from Testing.training.made_scores import run_of, score

SCORES = [
    score("P1", (143.96, 150.0), 0.88),
    score("P5", (160.0, 143.97), 0.92),
    score("P2", (100.0, 97.0), 0.96, sex="female"),
    score("P3", (120.0, 126.0), 0.90, sex=None),
]


@pytest.fixture(scope="module")
def table():
    (fold,) = summaries(run_of({1: 0.9}), SCORES)
    return table_4(fold, "this run (made)")


@pytest.fixture(scope="module")
def rows(table):
    return list(csv.DictReader(io.StringIO(csv_text(table))))


def test_order_and_numbers(rows):
    assert [row["case"] for row in rows[:4]] == ["P2", "P3", "P5", "P1"]
    p5 = rows[2]
    assert float(p5["sma_error_cm2"]) == pytest.approx(-16.03)
    assert float(p5["sma_error_percent"]) == pytest.approx(-16.03 / 1.6)
    assert float(p5["sma_abs_error_percent"]) == pytest.approx(16.03 / 1.6)
    assert (p5["truth_sarcopenic"], p5["predicted_sarcopenic"]) == ("no", "yes")
    assert (rows[3]["truth_sarcopenic"], rows[3]["predicted_sarcopenic"]) == ("yes", "no")
    assert rows[1]["truth_sarcopenic"] == "undetermined"


def test_printed_rows_are_complete_beside_fewer_own(rows):
    assert len(rows) == 17
    assert rows[3]["printed_row"] == "4 (misprint)"
    assert float(rows[3]["printed_truth_sma_cm2"]) == 94.86
    assert float(rows[3]["recomputed_from_printed_error_percent"]) == pytest.approx(110.18, abs=0.01)
    assert float(rows[15]["printed_predicted_sma_cm2"]) == 79.09
    assert rows[15]["case"] == ""


def test_the_last_row_mixes_neither_sources_nor_signs(rows):
    last = rows[-1]
    errors = [-3.0, 5.0, -16.03 / 1.6, 100 * 6.04 / 143.96]
    assert float(last["sma_error_percent"]) == pytest.approx(sum(errors) / 4)
    assert float(last["sma_abs_error_percent"]) == pytest.approx(sum(map(abs, errors)) / 4)
    assert float(last["dice"]) == pytest.approx(0.915)
    assert float(last["printed_abs_error_percent"]) == pytest.approx(3.173, abs=0.001)
    assert float(last["recomputed_from_printed_error_percent"]) == pytest.approx(-2.02, abs=0.005)


def test_number_and_status_never_disagree(table):
    text = markdown_text(table)
    assert "| 143.97 | yes |" in text
    assert "| 143.96 | yes |" in text
    assert "144.0 " not in text


def test_the_misprint_is_told_and_the_status_counted(table):
    notes = markdown_text(table).split("\n\n")[-1]
    assert "Printed, row 4: a misprint" in notes
    assert "status right in 1 of 3 patients" in notes
