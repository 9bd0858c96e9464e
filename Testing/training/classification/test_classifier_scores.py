"""Scores against sums done by hand, published figures, a bootstrap and scikit-learn."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from SarcopeniaTraining.classification.classifier_scores import (
    Confusion,
    Readings,
    auc,
    auc_estimate,
    confusion,
    delong_variance,
    moved_threshold,
    pair_order,
    per_person,
    roc_curve,
)

# Sarcopenic 0.9, 0.6, 0.5; others 0.7, 0.5, 0.3, 0.1. Of the 12 pairs in order: 4 + 3 + 2.5 = 9.5.
TRUTH = [True, True, True, False, False, False, False]
PROBABILITY = [0.9, 0.6, 0.5, 0.7, 0.5, 0.3, 0.1]


@dataclass(frozen=True)
class Made:
    case: str
    sarcopenic: bool
    probability: float


def test_auc_with_a_tie_by_hand():
    assert auc(TRUTH, PROBABILITY) == pytest.approx(9.5 / 12)


def test_delongs_variance_by_hand():
    # Shares of others below each sarcopenic: 1, 3/4, 2.5/4; of sarcopenic above each other: 1/3, 2.5/3, 1, 1.
    pairs = pair_order(TRUTH, PROBABILITY)
    assert pairs.mean(axis=1).tolist() == [1, 0.75, 0.625]
    mean = 9.5 / 12
    first = ((1 - mean) ** 2 + (0.75 - mean) ** 2 + (0.625 - mean) ** 2) / 2 / 3
    second = ((1 / 3 - mean) ** 2 + (2.5 / 3 - mean) ** 2 + 2 * (1 - mean) ** 2) / 3 / 4
    assert delong_variance(pairs) == pytest.approx(first + second)
    found = auc_estimate(TRUTH, PROBABILITY)
    half = 1.96 * math.sqrt(first + second) / (mean * (1 - mean))
    assert math.log(found.low / (1 - found.low)) == pytest.approx(math.log(mean / (1 - mean)) - half)
    assert math.log(found.high / (1 - found.high)) == pytest.approx(math.log(mean / (1 - mean)) + half)


def normal_readings(positive, negative, seed):
    rng = np.random.default_rng(seed)
    score = np.concatenate([rng.normal(1, 1, positive), rng.normal(0, 1, negative)])
    return np.arange(positive + negative) < positive, np.round(1 / (1 + np.exp(-score)), 2)


def test_delongs_interval_beside_a_bootstrap():
    truth, probability = normal_readings(80, 120, 4)
    found = auc_estimate(truth, probability)
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(2000):
        at = np.concatenate([rng.integers(0, 80, 80), rng.integers(80, 200, 120)])
        drawn.append(auc(truth[at], probability[at]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)


def test_delongs_interval_holds_the_true_area_as_often_as_it_says():
    # Φ(1/√2) = 0.7602 is the area of two normals one standard deviation apart.
    held = 0
    for seed in range(400):
        rng = np.random.default_rng([seed, 1])
        score = np.concatenate([rng.normal(1, 1, 30), rng.normal(0, 1, 40)])
        found = auc_estimate(np.arange(70) < 30, 1 / (1 + np.exp(-score)))
        held += found.low <= 0.7602 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_auc_as_scikit_learn_has_it():
    from sklearn.metrics import roc_auc_score

    truth, probability = normal_readings(18, 61, 9)
    assert auc(truth, probability) == pytest.approx(roc_auc_score(truth, probability))


def test_classes_apart_have_an_interval_all_the_same():
    found = auc_estimate([True] * 3 + [False] * 10, [0.9] * 3 + [0.1] * 10)
    assert (found.value, found.high) == (1, 1)
    # Where 1 − θ = 1.96 · √(θ(1 − θ)(1 + 5.5((1 − θ)/(2 − θ) + θ/(1 + θ)))/30).
    theta = found.low
    variance = theta * (1 - theta) * (1 + 5.5 * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / 30
    assert 1 - theta == pytest.approx(1.96 * math.sqrt(variance))
    assert 0.5 < theta < 0.8
    wrong = auc_estimate([False] * 3 + [True] * 10, [0.9] * 3 + [0.1] * 10)
    assert (wrong.value, wrong.low, wrong.high) == (0, 0, pytest.approx(1 - theta))


def test_one_sarcopenic_patient_has_a_wide_interval():
    found = auc_estimate([True, False, False, False], [0.6, 0.7, 0.2, 0.1])
    assert found.value == pytest.approx(2 / 3)
    assert found.low < 0.25
    assert found.high > 0.9
    assert delong_variance(pair_order([True, False, False], [0.6, 0.7, 0.2])) is None


def test_all_equal_is_a_coin_with_an_interval():
    found = auc_estimate([True, True, False, False], [0.4] * 4)
    assert found.value == 0.5
    assert found.low < 0.2
    assert found.high > 0.8


@pytest.mark.parametrize("truth", [[True, True], [False, False]])
def test_one_class_cannot_be_told(truth):
    assert auc(truth, [0.2, 0.7]) is None
    assert auc_estimate(truth, [0.2, 0.7]) is None
    assert roc_curve(truth, [0.2, 0.7]) is None
    assert moved_threshold(truth, [0.2, 0.7]) is None


def test_confusion_by_hand():
    found = confusion(TRUTH, PROBABILITY)
    assert found == Confusion(tp=2, fp=1, fn=1, tn=3)  # 0.5 is not above 0.5: the nodes are equal
    assert found.accuracy == pytest.approx(5 / 7)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert found.specificity == pytest.approx(3 / 4)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.balanced_accuracy == pytest.approx(17 / 24)
    assert found + found == Confusion(4, 2, 2, 6)
    assert confusion(TRUTH, PROBABILITY, 0.45) == Confusion(tp=3, fp=2, fn=0, tn=2)


def test_densenet_of_the_papers_table_2():
    found = Confusion(tp=2, fp=0, fn=1, tn=10)
    assert (round(found.accuracy, 2), found.precision, round(found.f1, 2)) == (0.92, 1.0, 0.80)


def test_what_cannot_be_told_is_none_and_what_is_nought_is_nought():
    nobody_called = Confusion(tp=0, fp=0, fn=3, tn=10)
    assert (nobody_called.precision, nobody_called.f1) == (None, None)
    assert (nobody_called.recall, nobody_called.specificity) == (0, 1)
    nobody_ill = Confusion(tp=0, fp=2, fn=0, tn=5)
    assert (nobody_ill.recall, nobody_ill.f1, nobody_ill.balanced_accuracy) == (None, None, None)
    assert nobody_ill.precision == 0
    assert Confusion(tp=0, fp=2, fn=1, tn=5).f1 == 0
    assert Confusion(tp=2, fp=0, fn=1, tn=0).specificity is None
    assert Confusion(0, 0, 0, 0).accuracy is None


def test_roc_by_hand():
    found = roc_curve(TRUTH, PROBABILITY)
    third, quarter = 1 / 3, 1 / 4
    assert found.true_positive == pytest.approx([0, third, third, 2 * third, 1, 1, 1])
    assert found.false_positive == pytest.approx([0, 0, quarter, quarter, 2 * quarter, 3 * quarter, 1])
    assert found.thresholds.tolist() == [math.inf, 0.9, 0.7, 0.6, 0.5, 0.3, 0.1]
    area = np.trapezoid(found.true_positive, found.false_positive)
    assert area == pytest.approx(9.5 / 12)


def test_the_threshold_moves_to_where_validation_gains():
    # Above 0.3 all three are found and one of four is wrong; above 0.5 only one of three is found.
    truth = [True, True, True, False, False, False, False]
    assert moved_threshold(truth, [0.8, 0.4, 0.35, 0.45, 0.25, 0.2, 0.1]) == pytest.approx(0.3)


def test_the_threshold_stays_where_nothing_is_gained():
    assert moved_threshold([True, False], [0.9, 0.2]) == 0.5
    assert moved_threshold([True, False], [0.2, 0.9]) == 0.5  # upside down: 0.55 gives nothing either
    assert moved_threshold([True, False], [0.9, 0.8]) == pytest.approx(0.85)


def test_of_equal_thresholds_the_nearest_to_one_half_is_taken():
    # Above 0.725 and above 0.075 the balanced accuracy is 0.75, between them 0.5.
    assert moved_threshold([True, True, False, False], [0.75, 0.1, 0.7, 0.05]) == pytest.approx(0.725)
    assert moved_threshold([True, True, False, False], [0.95, 0.3, 0.9, 0.25]) == pytest.approx(0.275)


def test_equal_balanced_accuracies_are_equal_whatever_their_sums_round_to():
    # Above 0.5: 6 of 10 found, 7 of 10 left alone; above 0.75: 5 and 8. 0.6 + 0.7 rounds below 0.5 + 0.8.
    truth = [True] * 10 + [False] * 10
    said = [0.9] * 5 + [0.6] + [0.1] * 4 + [0.9] * 2 + [0.6] + [0.1] * 7
    assert moved_threshold(truth, said) == 0.5


def test_neighbouring_floats_are_kept_apart():
    below = 0.3
    above = math.nextafter(below, 1)
    threshold = moved_threshold([False, True], [below, above])
    assert confusion([False, True], [below, above], threshold) == Confusion(1, 0, 0, 1)


def test_a_patient_of_two_images_counts_once():
    found = per_person(
        [Made("B1", False, 0.2), Made("A2", True, 0.9), Made("A1", False, 0.5)], {"A1": "A", "A2": "A"}
    )
    assert found.people == ("A", "B1")
    assert found.truth.tolist() == [True, False]
    assert found.probability.tolist() == [0.7, 0.2]
    assert found.has_both


@pytest.mark.parametrize(
    ("truth", "probability"),
    [([], []), ([True], [0.1, 0.2]), ([True], [1.1]), ([True], [-0.1]), ([True], [math.nan])],
)
def test_what_is_no_probability_is_refused(truth, probability):
    with pytest.raises(ValueError, match=r"no readings|within 0 and 1"):
        confusion(truth, probability)


def test_readings_of_somebody_twice_are_refused():
    with pytest.raises(ValueError, match="some twice"):
        Readings(("A", "A"), [True, False], [0.1, 0.2])
    with pytest.raises(ValueError, match="less than nobody"):
        Confusion(1, -1, 0, 0)
