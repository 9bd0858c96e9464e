"""A row a run, and nothing in it that another run of the same plan would not repeat."""

import csv
import io
import math

import pytest

from SarcopeniaTraining.classification.run_scores import score_runs
from SarcopeniaTraining.classification.run_words import RunWords
from SarcopeniaTraining.classification.runs_table import runs_table
from SarcopeniaTraining.table_files import csv_text, markdown_text
from Testing.training.classification.made_runs import record


def table_of(*records):
    return runs_table(score_runs(records, {}), RunWords("this run (made)", ()))


def test_a_run_by_hand():
    text = csv_text(table_of(record(number=4, val_loss=(0.7, 0.5, 0.6))))
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["set"], row["seed"], row["epochs"], row["best_epoch"]) == ("4", "14", "3", "2")
    assert (row["validation_loss"], row["start"], row["trained_parameters"]) == ("0.5", "random", "4098")
    assert [row[name] for name in ("tp", "fp", "fn", "tn")] == ["1", "1", "1", "2"]
    assert float(row["auc"]) == pytest.approx(5 / 6)
    assert float(row["brier"]) == pytest.approx((0.01 + 0.36 + 0.36 + 0.04 + 0.01) / 5)
    assert float(row["brier_of_share"]) == pytest.approx(0.4 * 0.6)


def test_seconds_and_memory_are_not_in_it():
    slow = record(seconds=900.0, resident_mb=1.0)
    assert csv_text(table_of(slow)) == csv_text(table_of(record()))
    assert markdown_text(table_of(slow)) == markdown_text(table_of(record()))


def test_a_training_that_ran_away_has_no_loss():
    (row,) = csv.DictReader(io.StringIO(csv_text(table_of(record(val_loss=(math.nan,))))))
    assert row["validation_loss"] == ""
