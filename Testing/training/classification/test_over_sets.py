"""Scores over shuffled sets: means by hand, intervals against normal theory and against an open bootstrap."""

import numpy as np
import pytest

from SarcopeniaTraining.agreement import RESAMPLES, RESAMPLING_SEED, Estimate
from SarcopeniaTraining.classification.classifier_scores import Confusion, Readings, auc, auc_estimate
from SarcopeniaTraining.classification.over_sets import auc_over_sets, calls_over_sets, confusion_over_sets

FIRST = Readings(("A", "B", "C", "D"), [True, False, False, True], [0.9, 0.8, 0.1, 0.7])
SECOND = Readings(("A", "B", "E", "F"), [True, False, False, True], [0.2, 0.1, 0.05, 0.3])
ONE_CLASS = Readings(("B", "C"), [False, False], [0.4, 0.6])


def test_the_mean_is_over_sets_and_not_of_pooled_probabilities():
    # First: of 4 pairs 3 are in order; second: all 4. Pooled, 0.2 of A would lie below 0.8 of B.
    found = auc_over_sets([FIRST, SECOND])
    assert found.mean.value == pytest.approx((0.75 + 1) / 2)
    assert found.sd == pytest.approx(0.25 / 2**0.5)
    assert found.sets == 2


def test_two_sarcopenic_people_have_no_interval():
    found = auc_over_sets([FIRST, FIRST])
    assert (found.mean.low, found.mean.high) == (None, None)


def test_a_set_of_one_class_is_left_out():
    assert auc_over_sets([FIRST, ONE_CLASS]).sets == 1
    assert auc_over_sets([FIRST, ONE_CLASS]).sd is None
    assert auc_over_sets([ONE_CLASS]) is None


def made_sets(sets, size=24, seed=0, people=60, sarcopenic=20):
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 1, people) + 1.2 * (np.arange(people) < sarcopenic)
    made = []
    for _ in range(sets):
        at = np.sort(
            np.concatenate(
                [
                    rng.choice(sarcopenic, size // 3, replace=False),
                    sarcopenic + rng.choice(people - sarcopenic, size - size // 3, replace=False),
                ]
            )
        )
        score = own[at] + rng.normal(0, 0.3, size)
        made.append(Readings(tuple(f"P{n:02d}" for n in at), at < sarcopenic, 1 / (1 + np.exp(-score))))
    return made


def test_the_interval_is_that_of_a_plain_bootstrap_of_people():
    """The same people drawn, readings written out and no weights: for one set every number is equal."""
    (readings,) = made_sets(1)
    found = auc_over_sets([readings])
    rng = np.random.default_rng(RESAMPLING_SEED)
    counts = np.zeros((RESAMPLES, len(readings.people)), int)
    for stratum in (readings.truth, ~readings.truth):
        n = int(stratum.sum())
        counts[:, stratum] = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES)
    drawn = [
        auc(np.repeat(readings.truth, times), np.repeat(readings.probability, times)) for times in counts
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (found.mean.low, found.mean.high) == pytest.approx((low, high))


def test_the_same_set_ten_times_is_no_more_certain_than_once():
    (readings,) = made_sets(1)
    once, tenfold = auc_over_sets([readings]), auc_over_sets([readings] * 10)
    assert (tenfold.mean.low, tenfold.mean.high) == pytest.approx((once.mean.low, once.mean.high))
    assert tenfold.sd == pytest.approx(0)


def test_other_people_in_other_sets_make_it_more_certain():
    once, tenfold = auc_over_sets(made_sets(1)), auc_over_sets(made_sets(10))
    assert tenfold.mean.high - tenfold.mean.low < 0.8 * (once.mean.high - once.mean.low)


def test_the_interval_holds_the_true_area_about_as_often_as_it_says():
    """Φ(1.2/√(2 · 1.09)) = 0.7918: people 1.2 sd apart, read with 0.3 sd of noise by each set's network."""
    found = [auc_over_sets(made_sets(5, seed=seed)).mean for seed in range(150)]
    assert np.mean([one.value for one in found]) == pytest.approx(0.7918, abs=0.015)
    held = np.mean([one.low <= 0.7918 <= one.high for one in found])
    assert 0.87 <= held <= 0.99


def test_a_resample_is_averaged_over_the_sets_that_it_can_tell():
    """Five sets of one sarcopenic patient each, all above N1 and N2 and below N3.

    A resample's AUC is the share of N1 and N2 drawn, whoever of the five was: of 27 draws 8 have no N3
    (AUC 1), and one has N3 alone (AUC 0); both lie beyond 2.5 %.
    """
    sets = [
        Readings((f"S{n}", "N1", "N2", "N3"), [True, False, False, False], [0.6, 0.2, 0.1, 0.9])
        for n in range(5)
    ]
    found = auc_over_sets(sets).mean
    assert (found.value, found.low, found.high) == (pytest.approx(2 / 3), 0, 1)


def test_classes_apart_in_every_set_are_not_certain():
    sets = [Readings(("A", "B", "C", "D", "E", "F"), [True] * 3 + [False] * 3, [0.9] * 3 + [0.1] * 3)] * 2
    found = auc_over_sets(sets).mean
    assert (found.value, found.high) == (1, 1)
    once = auc_estimate([True] * 3 + [False] * 3, [0.9] * 3 + [0.1] * 3)
    assert found.low == pytest.approx(once.low)
    assert found.low < 0.8


def test_f1_is_of_the_resamples_that_call_somebody():
    """One of three sarcopenic patients is called: F1 is 2k/(k + 3) where he or she is drawn k times of 3.

    A resample without any (8 of 27) has no precision and no F1; it is no 0.
    """
    readings = Readings(("A", "B", "C", "D", "E", "F"), [True] * 3 + [False] * 3, [0.9] + [0.1] * 5)
    found = calls_over_sets([readings])["f1"]
    assert (found.value, found.low, found.high) == (0.5, 0.5, pytest.approx(1))


def test_the_interval_is_the_same_whenever_drawn():
    assert auc_over_sets(made_sets(3)) == auc_over_sets(made_sets(3))


def test_calls_over_sets_by_hand():
    # First: A, D found, B wrong, C right. Second at 0.25: F found, A missed, B and E right.
    found = calls_over_sets([FIRST, SECOND], [0.5, 0.25])
    assert confusion_over_sets([FIRST, SECOND], [0.5, 0.25]) == Confusion(tp=3, fp=1, fn=1, tn=3)
    assert found["accuracy"].value == pytest.approx(6 / 8)
    assert found["precision"].value == found["recall"].value == pytest.approx(3 / 4)
    assert found["specificity"].value == found["balanced_accuracy"].value == pytest.approx(3 / 4)
    assert found["f1"].value == pytest.approx(3 / 4)
    assert calls_over_sets([FIRST, SECOND])["recall"].value == pytest.approx(2 / 4)


def test_calls_have_intervals_of_people():
    found = calls_over_sets(made_sets(10))
    for name in ("accuracy", "precision", "recall", "specificity", "f1", "balanced_accuracy"):
        one = found[name]
        assert one.low < one.value < one.high
        assert one.high - one.low < 0.45


def test_recalls_interval_beside_the_binomial():
    """One set of 60 people: recall varies as a share of 20 does, ± 1.96 √(p(1 − p)/20)."""
    (readings,) = made_sets(1, size=60)
    recall = calls_over_sets([readings])["recall"]
    half = 1.96 * (recall.value * (1 - recall.value) / 20) ** 0.5
    assert recall.high - recall.low == pytest.approx(2 * half, rel=0.2)


def test_nobody_found_is_not_certain():
    """Recall 0 of three people, specificity 1 of three: Wilson's intervals of three."""
    timid = Readings(("A", "B", "C", "D", "E", "F"), [True] * 3 + [False] * 3, [0.1] * 6)
    found = calls_over_sets([timid, timid])
    assert (found["recall"].value, found["recall"].low) == (0, 0)
    assert found["recall"].high == pytest.approx(1.959964**2 / (3 + 1.959964**2), abs=1e-6)
    assert found["specificity"].low == pytest.approx(3 / (3 + 1.959964**2), abs=1e-6)
    # The resamples' balanced accuracy is one half whoever is drawn, and no share of people.
    assert found["balanced_accuracy"] == Estimate(0.5)
    assert found["accuracy"].high - found["accuracy"].low > 0.5


def test_calls_that_cannot_be_told_are_none():
    timid = Readings(FIRST.people, FIRST.truth, [0.1, 0.2, 0.3, 0.4])
    found = calls_over_sets([timid])
    assert (found["precision"], found["f1"]) == (None, None)
    assert found["recall"].value == 0
