"""The two tables as files: units, verdicts, and the note where there are no tissues."""

import csv
import io

import pytest

from SarcopeniaTraining.classification import explained_numbers
from SarcopeniaTraining.classification.explained_numbers import numbers_of
from SarcopeniaTraining.classification.explained_readings import ExplainPlan
from SarcopeniaTraining.classification.explained_tables import NO_TISSUES, attribution_table, checks_table
from SarcopeniaTraining.classification.lime_maps import LimeSettings
from SarcopeniaTraining.table_files import csv_text, latex_text, markdown_text
from Testing.training.classification.made_readings import PIECES, explained, readings


@pytest.fixture
def numbers(monkeypatch):
    monkeypatch.setattr(explained_numbers, "superpixels_of", lambda images, plan: PIECES)
    return numbers_of(explained(), readings(), ExplainPlan("seen", LimeSettings(50, (1, 2))))


def rows(table):
    return list(csv.DictReader(io.StringIO(csv_text(table))))


def test_shares_are_in_per_cent_with_the_pixels_beside_them(numbers):
    table = attribution_table(numbers.shares, "ResNet50, random start", ("first of all",))
    made = rows(table)
    assert len(made) == 20
    row = next(
        r for r in made if r["network"] == "trained" and r["method"] == "LIME" and r["tissue"] == "fat"
    )
    assert float(row["share_percent"]) == pytest.approx(62.5)
    assert float(row["pixels_percent"]) == pytest.approx(50)
    assert float(row["times_chance"]) == pytest.approx(1.25)
    text = markdown_text(table)
    assert "| trained | LIME | fat | 2 | 62.5 | 50.0 | 1.25 |" in text
    assert text.index("1. first of all") < text.index("2. Attribution")
    assert "ResNet50, random start" in text


def test_a_failed_check_is_called_so(numbers):
    text = markdown_text(checks_table(numbers.checks, "ResNet50, random start"))
    line = next(line for line in text.splitlines() if line.startswith("| trained | LIME"))
    assert "0.50, fails" in line
    assert "0.650 (0.450)" in line
    assert "0.400 (0.600)" in line
    random = next(line for line in text.splitlines() if line.startswith("| random | LIME"))
    assert "fails" not in random
    assert "passes" not in random


def test_pictures_have_no_rows_and_say_why():
    table = attribution_table((), "ResNet50, random start")
    assert rows(table) == []
    assert NO_TISSUES in markdown_text(table)
    assert r"\begin{tabular}" in latex_text(table)
