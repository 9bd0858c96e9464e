"""Scores by hand, and held-out phantoms that are what they say."""

import numpy as np
import pytest

from SarcopeniaTraining.evaluation import SliceScore, held_out_phantom, score_slice, summary


def test_dice_and_areas_by_hand():
    truth, predicted = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    truth[2:6, 2:7] = True  # 20 pixels
    predicted[3:6, 2:9] = True  # 21 pixels, 15 of them inside
    score = score_slice("a", predicted, truth, 0.02)
    assert score.dice == pytest.approx(2 * 15 / 41)
    assert score.truth_cm2 == pytest.approx(0.4)
    assert score.predicted_cm2 == pytest.approx(0.42)
    assert score.error_percent == pytest.approx(5.0)


def test_signed_and_absolute_errors_are_kept_apart():
    scores = [SliceScore("a", 0.9, 100, 104), SliceScore("b", 0.8, 100, 98), SliceScore("c", 0.97, 100, 99)]
    result = summary(scores)
    assert result["sma_error_mean_percent"] == pytest.approx(0.33)
    assert result["sma_abs_error_mean_percent"] == pytest.approx(2.33)
    assert result["dice_min"] == 0.8
    assert result["dice_median"] == 0.9


def test_a_held_out_phantom_is_a_full_resolution_ct_with_truth():
    volume, truth = held_out_phantom(2_000_003)
    again, _ = held_out_phantom(2_000_003)
    assert volume.shape == (512, 512, 3)
    assert 0.65 <= volume.spacing_mm[0] <= 0.95
    assert np.array_equal(volume.slab(1, 2), again.slab(1, 2))
    assert 40 < truth.sum() * volume.pixel_area_cm2 < 300
