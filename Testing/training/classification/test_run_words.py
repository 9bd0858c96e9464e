"""Intervals as text and as columns."""

from SarcopeniaTraining.agreement import Estimate
from SarcopeniaTraining.classification.run_words import estimates, interval, with_interval


def test_intervals_as_text():
    row = {"auc": 0.8, "auc_low_95": 0.649, "auc_high_95": 0.951}
    assert with_interval("auc", 2)(row) == "0.80 (0.65 … 0.95)"
    assert interval("auc_low_95", "auc_high_95", 1)(row) == "0.6 … 1.0"
    assert with_interval("auc", 2)({"auc": 0.8}) == "0.80"
    assert with_interval("auc", 2)({}) == "–"
    assert interval("auc_low_95", "auc_high_95", 1)({}) == "–"


def test_estimates_as_columns():
    assert estimates({"f1": Estimate(0.5, 0.2, 0.7), "auc": None, "recall": Estimate(1.0)}) == {
        "f1": 0.5,
        "f1_low_95": 0.2,
        "f1_high_95": 0.7,
        "auc": None,
        "auc_low_95": None,
        "auc_high_95": None,
        "recall": 1.0,
        "recall_low_95": None,
        "recall_high_95": None,
    }
