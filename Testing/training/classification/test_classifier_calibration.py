"""Calibration by hand, by scikit-learn, and where it cannot be told."""

import math

import numpy as np
import pytest

from SarcopeniaTraining.classification.classifier_calibration import calibration


def test_brier_by_hand():
    found = calibration([True, False, False, True], [0.8, 0.3, 0.1, 0.4])
    assert found.brier == pytest.approx((0.04 + 0.09 + 0.01 + 0.36) / 4)
    assert found.brier_of_share == pytest.approx(0.25)


def test_bins_by_hand():
    found = calibration([True, False, False, True, True], [0.8, 0.25, 0.2, 1.0, 0.9], bins=5)
    assert [(one.low, one.high, one.count, one.sarcopenic) for one in found.bins] == [
        (0.2, 0.4, 2, 0),
        (0.8, 1.0, 3, 3),
    ]
    assert [one.mean_probability for one in found.bins] == pytest.approx([0.225, 0.9])
    assert [one.share for one in found.bins] == [0, 1]


def test_two_groups_by_hand():
    # Told 0.2 and 0.8 where the shares are 1/4 and 1/2: logits ∓log 4, true ones −log 3 and 0.
    # A line through both: slope (0 + log 3)/(2 log 4), intercept −log 3/2.
    truth = [True, False, False, False, True, False]
    found = calibration(truth, [0.2] * 4 + [0.8] * 2)
    assert found.slope == pytest.approx(math.log(3) / (2 * math.log(4)))
    assert found.intercept == pytest.approx(-math.log(3) / 2)


def test_probabilities_that_hardly_differ_have_a_steep_slope():
    # As above with 0.499 and 0.501, logits ∓log(501/499).
    truth = [True, False, False, False, True, False]
    found = calibration(truth, [0.499] * 4 + [0.501] * 2)
    assert found.slope == pytest.approx(math.log(3) / (2 * math.log(501 / 499)))


def test_probabilities_that_are_right_have_slope_one():
    rng = np.random.default_rng(8)
    probability = rng.uniform(0.02, 0.98, 20000)
    found = calibration(rng.uniform(size=20000) < probability, probability)
    assert found.slope == pytest.approx(1, abs=0.05)
    assert found.intercept == pytest.approx(0, abs=0.05)
    assert all(abs(one.share - one.mean_probability) < 0.04 for one in found.bins)


def test_too_sure_has_a_slope_below_one():
    rng = np.random.default_rng(9)
    logit = rng.normal(0, 1, 4000)
    truth = rng.uniform(size=4000) < 1 / (1 + np.exp(-logit))
    assert calibration(truth, 1 / (1 + np.exp(-3 * logit))).slope == pytest.approx(1 / 3, abs=0.03)


@pytest.mark.parametrize(
    ("truth", "probability"),
    [
        ([True, True], [0.4, 0.7]),
        ([True, False], [0.4, 0.4]),
        ([True, True, False, False], [0.9, 0.8, 0.3, 0.2]),
        ([True, False], [1.0, 0.0]),
        ([True, False], [0.5001, 0.4999]),
        ([True, True, False, False], [0.7, 0.6, 0.6, 0.5]),
    ],
)
def test_a_line_that_cannot_be_told(truth, probability):
    found = calibration(truth, probability)
    assert (found.slope, found.intercept) == (None, None)
    assert math.isfinite(found.brier)


def test_certainty_that_is_wrong_is_counted_and_does_not_break():
    found = calibration([True, False, True, False], [1.0, 0.0, 0.0, 1.0])
    assert found.brier == 0.5
    assert found.slope == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("truth", "probability"), [([], []), ([True], [0.1, 0.4])])
def test_no_readings_are_refused(truth, probability):
    with pytest.raises(ValueError, match="no readings"):
        calibration(truth, probability)
