"""Pairs are people, in the folds that both runs tested."""

import numpy as np
import pytest

from SarcopeniaTraining.comparison import ScoredRun, comparison_table, paired
from Testing.training.made_scores import run_of, score

OWN = ScoredRun(
    "own",
    run_of({1: 0.9, 2: 0.9}),
    (
        score("P1", (100.0, 110.0), 0.90),
        score("P2", (100.0, 95.0), 0.80),
        score("P1", (100.0, 100.0), 0.70, fold=2),
        score("P3", (100.0, 100.0), 0.60, fold=2),
    ),
)
OTHER = ScoredRun(
    "other",
    run_of({1: 0.9, 2: 0.9}),
    (
        score("P1", (100.0, 104.0), 0.95),
        score("P2", (100.0, 98.0), 0.90),
        score("P1", (100.0, 98.0), 0.85, fold=2),
        score("P2", (100.0, 50.0), 0.10, fold=2),
    ),
)


def test_readings_of_a_person_are_averaged_over_common_folds():
    dice, signed, absolute = paired(OWN, OTHER)
    assert dice.patients == ("P1", "P2")
    assert dice.own == pytest.approx([0.80, 0.80])
    assert dice.other == pytest.approx([0.90, 0.90])
    assert signed.own == pytest.approx([5.0, -5.0])
    assert absolute.own == pytest.approx([5.0, 5.0])
    assert signed.other == pytest.approx([1.0, -2.0])
    assert absolute.other == pytest.approx([3.0, 2.0])


def test_the_table_by_hand():
    rows = {row["measure"]: row for row in comparison_table(OWN, [OTHER]).rows}
    assert rows["dice"]["difference_mean"] == pytest.approx(-0.1)
    assert rows["sma_error_percent"]["own_mean"] == pytest.approx(0.0)
    assert rows["sma_abs_error_percent"]["difference_mean"] == pytest.approx(2.5)
    # Two differences of one sign: half of the four sign patterns are as extreme.
    assert rows["dice"]["wilcoxon_p"] == pytest.approx(0.5)
    assert rows["dice"]["patients"] == 2


def test_the_same_run_twice_differs_nowhere():
    dice, *_ = paired(OWN, OWN)
    assert dice.p is None
    assert np.array_equal(dice.own, dice.other)


def test_no_fold_in_common():
    elsewhere = ScoredRun("x", run_of({3: 0.9}), (score("P1", (100.0, 90.0), fold=3),))
    assert paired(OWN, elsewhere) == ()


def test_means_of_folds():
    assert OWN.fold_means(lambda one: one.dice) == pytest.approx([0.85, 0.65])
