"""The network's doubt and the interval made of it, by hand on drawn outlines."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.uncertainty import (
    Calibration,
    Doubt,
    _noise_hu,
    doubt_map,
    doubtful_regions,
    measure_doubt,
    sma_interval_cm2,
)

PIXEL_MM = (1.0, 2.0)
CALIBRATION = Calibration(
    floor=0.01, stray=2.0, attenuation=0.1, shift=0.2, quantile=2.0, scale_limit=0.06, cases=100
)


def slice_of(muscle_hu=50, stray=0.0):
    """An outline of 40 × 20 pixels drawn with certainty, HU of muscle; `stray`: p of a block far from it."""
    p = np.zeros((90, 60), np.float32)
    p[10:50, 10:30] = 1.0
    p[60:80, 40:50] = stray
    mask = p > 0.5
    hu = np.full(p.shape, -105, np.int16)
    hu[p > 0] = muscle_hu
    return p, hu, mask


def test_a_sure_network_on_clear_muscle_has_no_doubt():
    doubt = measure_doubt(*slice_of(), PIXEL_MM)
    assert doubt.stray == 0.0
    # Only the partial volume along the border lies near −29: less than one pixel in ten.
    assert doubt.attenuation < 0.1


def test_a_region_that_may_be_muscle_counts_by_its_probability():
    doubt = measure_doubt(*slice_of(stray=0.25), PIXEL_MM)
    # 20 × 10 pixels at 0.25 over a mask of 800; its rim, mixed with fat by the smoothing, does not count.
    assert 18 * 8 * 0.25 / 800 - 1e-9 <= doubt.stray <= 200 * 0.25 / 800 + 1e-9


def test_doubt_at_the_border_is_no_opinion_in_both_directions():
    p, hu, mask = slice_of()
    hu[5:60, 5:40] = 50
    p[8:10, 10:30] = 0.4  # centres 0.3 and 1.3 mm outside, for pixels of 1 × 2 mm
    assert measure_doubt(p, hu, mask, PIXEL_MM).stray == 0.0
    p[7, 10:30] = 0.4  # 2.3 mm
    assert measure_doubt(p, hu, mask, PIXEL_MM).stray == pytest.approx(20 * 0.4 / 800)
    p[7:10] = 0.0
    p[10:50, 30] = 0.4  # 1.3 mm outside along the second axis
    assert measure_doubt(p, hu, mask, PIXEL_MM).stray == 0.0
    p[10:50, 31] = 0.4  # 3.3 mm
    assert measure_doubt(p, hu, mask, PIXEL_MM).stray == pytest.approx(40 * 0.4 / 800)


def test_coarse_pixels_make_no_opinion_of_a_border():
    p, hu, mask = slice_of()
    hu[5:60, 5:40] = 50
    p[9, 10:30] = p[10:50, 30] = 0.4  # the nearest pixels around the outline
    assert measure_doubt(p, hu, mask, (3.0, 3.0)).stray == 0.0


def test_doubt_about_what_is_no_muscle_by_its_hu_is_not_counted():
    p, hu, mask = slice_of(stray=0.45)
    hu[60:80, 40:50] = -105
    assert measure_doubt(p, hu, mask, PIXEL_MM).stray == 0.0


@pytest.mark.parametrize("muscle_hu", [-20, 145])
def test_muscle_near_a_threshold_is_in_doubt(muscle_hu):
    near = measure_doubt(*slice_of(muscle_hu), PIXEL_MM).attenuation
    clear = measure_doubt(*slice_of(60), PIXEL_MM).attenuation
    assert near > clear + 1e-6


def test_noise_raises_doubt_about_attenuation():
    p, hu, mask = slice_of()
    noise = np.random.default_rng(4).normal(0, 1, hu.shape)
    doubts = [measure_doubt(p, hu + sd * noise, mask, PIXEL_MM).attenuation for sd in (0, 10, 20, 40)]
    assert doubts == sorted(doubts)
    assert doubts[-1] > 3 * doubts[0]


def test_noise_is_told_by_its_standard_deviation_and_a_border_is_none():
    mask = np.zeros((90, 60), np.bool_)
    mask[10:80, 10:50] = True
    noise = np.random.default_rng(4).normal(50, 20, mask.shape).astype(np.float32)
    # What is left of white noise beside its own mean over a Gaussian of 1.5 pixels.
    left = math.sqrt(1 - 2 / (2 * math.pi * 1.5**2) + 1 / (4 * math.pi * 1.5**2))
    assert _noise_hu(noise, mask) == pytest.approx(20 * left, rel=0.05)
    thin = np.zeros_like(mask)
    thin[10:80, 20:27] = True
    assert _noise_hu(np.where(thin, 50, -105).astype(np.float32), thin) < 15


def test_an_empty_mask_has_no_doubt_to_speak_of():
    p, hu, mask = slice_of()
    assert measure_doubt(p, hu, np.zeros_like(mask), PIXEL_MM) is None


def test_an_outline_that_fills_the_image_is_measured():
    ones = np.ones((20, 12), np.float32)
    doubt = measure_doubt(ones, np.full(ones.shape, 50, np.int16), ones > 0.5, PIXEL_MM)
    assert doubt.stray == 0.0


def test_the_interval_by_hand():
    doubt = Doubt(stray=0.005, attenuation=0.1)
    scale = 0.01 + 2 * 0.005 + 0.1 * 0.1
    assert CALIBRATION.scale(doubt) == pytest.approx(scale)
    half = math.sqrt((2 * scale) ** 2 + 0.019**2)
    expected = [150 * math.exp(0.02 - half), 150 * math.exp(0.02 + half)]
    assert sma_interval_cm2(150.0, doubt, CALIBRATION) == pytest.approx(expected)


def test_without_a_network_it_is_the_readers_variability():
    assert sma_interval_cm2(150.0) == pytest.approx((150 * 0.981, 150 * 1.019))


numbers = st.floats(0, 3)


@given(area=st.floats(0.01, 400), stray=numbers, attenuation=numbers, shift=st.floats(-1, 1))
def test_the_interval_holds_the_area_and_is_never_negative(area, stray, attenuation, shift):
    low, high = sma_interval_cm2(area, Doubt(stray, attenuation), replace(CALIBRATION, shift=shift))
    assert 0 <= low <= area <= high


@given(stray=numbers, attenuation=numbers, more=st.tuples(numbers, numbers))
def test_more_doubt_never_narrows_the_interval(stray, attenuation, more):
    unshifted = replace(CALIBRATION, shift=0.0)
    low, high = sma_interval_cm2(150, Doubt(stray, attenuation), unshifted)
    wider = sma_interval_cm2(150, Doubt(stray + more[0], attenuation + more[1]), unshifted)
    assert wider[0] <= low
    assert wider[1] >= high


def test_beyond_the_limit_is_told_and_at_it_not():
    assert not CALIBRATION.exceeded(Doubt(0.0249, 0.0))
    assert CALIBRATION.exceeded(Doubt(0.0251, 0.0))


def test_a_calibration_comes_back_as_it_went():
    assert Calibration.from_mapping({**CALIBRATION.to_mapping(), "later": 1}) == CALIBRATION
    assert Calibration.from_mapping({}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"floor": 0.0},
        {"floor": -0.1},
        {"quantile": math.inf},
        {"quantile": 0.0},
        {"stray": -1.0},
        {"shift": math.nan},
        {"quantile": "2"},
    ],
    ids=str,
)
def test_an_impossible_calibration_is_refused(wrong):
    with pytest.raises(ModelError, match="calibration is not usable"):
        Calibration.from_mapping({**CALIBRATION.to_mapping(), **wrong})


def test_a_calibration_that_lacks_a_number_is_refused():
    with pytest.raises(ModelError, match="quantile"):
        Calibration.from_mapping({k: v for k, v in CALIBRATION.to_mapping().items() if k != "quantile"})


def test_the_map_of_doubt_is_one_where_the_network_guesses():
    np.testing.assert_allclose(
        doubt_map(np.array([[0.0, 0.5, 1.0, 0.25, 0.9]])), [[0, 1, 0, 0.5, 0.2]], atol=1e-6
    )


def test_doubtful_regions_are_wide_doubt_of_muscle_hu_with_a_rim_of_two_millimetres():
    p, hu, _ = slice_of(stray=0.3)
    regions = doubtful_regions(p, hu, PIXEL_MM)
    assert regions[60:80, 40:50].mean() > 0.9
    assert not regions[:57].any()
    assert not regions[:, :38].any()
    hu[60:80, 40:50] = -105
    assert not doubtful_regions(p, hu, PIXEL_MM).any()


def test_the_rim_is_two_millimetres_in_both_directions():
    p, hu, _ = slice_of(stray=0.3)
    hu[50:90] = 50
    i, j = np.nonzero(doubtful_regions(p, hu, PIXEL_MM))
    assert (i.min(), i.max(), j.min(), j.max()) == (58, 81, 39, 50)


def test_slight_doubt_specks_and_a_sure_network_are_no_region():
    assert not doubtful_regions(*slice_of(stray=0.1)[:2], PIXEL_MM).any()
    assert not doubtful_regions(*slice_of()[:2], PIXEL_MM).any()
    p, hu, _ = slice_of()
    p[70:72, 45:47], hu[66:76, 41:51] = 0.5, 50  # 4 pixels of 2 mm²
    assert not doubtful_regions(p, hu, PIXEL_MM).any()
