"""A fold's numbers by hand, and what choosing on test would have given."""

import pytest

from SarcopeniaTraining.fold_summary import best_of, summaries
from Testing.training.made_scores import run_of, score

SCORES = [
    score("P1", (100.0, 104.0), 0.90),
    score("P2", (200.0, 196.0), 0.94),
    score("P3", (143.9, 144.1), 0.80),
    score("P1", (100.0, 100.0), 0.99, checkpoint="epoch-030"),
    score("P2", (200.0, 200.0), 0.95, checkpoint="epoch-030"),
    score("P3", (143.9, 143.9), 0.40, checkpoint="epoch-030"),
    score("P1", (100.0, 100.0), 0.90, checkpoint="epoch-060"),
    score("P2", (200.0, 200.0), 0.94, checkpoint="epoch-060"),
    score("P3", (143.9, 143.9), 0.80, checkpoint="epoch-060"),
    score("P9", (100.0, 50.0), 0.10, fold=2),
]


def test_by_hand():
    first, second = summaries(run_of({1: 0.8, 2: 0.9}), SCORES)
    assert first.dice.mean == pytest.approx(0.88)
    # +4 %, −2 %, +0.139 %
    assert first.error_percent.mean == pytest.approx((4 - 2 + 100 * 0.2 / 143.9) / 3)
    assert first.abs_error_percent.mean == pytest.approx((4 + 2 + 100 * 0.2 / 143.9) / 3)
    assert (first.right, first.judged, first.sarcopenic) == (2, 3, 2)
    assert (second.dice.mean, second.error_percent.mean, second.dice.sd) == (0.1, -50, None)


def test_choosing_on_test_is_kept_beside_and_never_used():
    first, second = summaries(run_of({1: 0.8, 2: 0.9}), SCORES)
    # Means 0.78 and 0.88.
    assert first.chosen_on_test.checkpoint == "epoch-060"
    assert first.chosen_on_test.dice_mean == pytest.approx(0.88)
    assert len(first.scores) == 3
    assert second.chosen_on_test is None


def test_the_best_fold_is_the_best_on_validation_not_on_test():
    run = run_of({1: 0.8, 2: 0.9})
    assert best_of(summaries(run, SCORES), run).run.number == 2


def test_an_unknown_sex_is_not_judged():
    (fold,) = summaries(run_of({1: 0.8}), [score("P1", (100.0, 90.0), sex=None), score("P2", (150.0, 151.0))])
    assert (fold.right, fold.judged, fold.sarcopenic) == (1, 1, 0)
