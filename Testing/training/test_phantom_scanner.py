"""The scanner: kernels overshoot, dense bones cast a shadow, the middle of a body is noisier."""

from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaTraining.phantom.scanner import Scanner, expose, with_noise, without_noise

SPACING_MM = (0.9, 1.1)
PLAIN = Scanner(blur_mm=0.5, noise_hu=0.0, grain_mm=0.4, hu_scale=1.0, table=False, streaks_hu=0.0)


@pytest.fixture
def disc():
    """A round body of muscle in fat in air, (i, j, k), unequal in size."""
    i, j = np.ogrid[:220, :180]
    r = np.hypot((i - 110) * SPACING_MM[0], (j - 90) * SPACING_MM[1])
    slice_hu = np.where(r < 60, 50.0, np.where(r < 80, -100.0, -1000.0))
    return np.repeat(slice_hu[:, :, None], 2, axis=2).astype(np.float32), r


def test_a_sharp_kernel_overshoots_on_both_sides_of_an_edge_and_leaves_plateaus(disc):
    hu, r = disc
    soft = without_noise(hu, PLAIN, SPACING_MM)[:, :, 0]
    sharp = without_noise(hu, replace(PLAIN, edge=0.5), SPACING_MM)[:, :, 0]
    assert soft[r < 60].max() <= 50.01
    assert 55 < sharp[r < 60].max() < 120
    assert sharp[(r > 60) & (r < 70)].min() < -108
    assert sharp[r < 50] == pytest.approx(50, abs=0.5)


def test_between_dense_bones_soft_tissue_is_darker_and_elsewhere_it_is_not(disc):
    hu, _ = disc
    hu[70:84, 84:96], hu[136:150, 84:96] = 900, 900
    clean = without_noise(hu, replace(PLAIN, shadow_hu=20), SPACING_MM)[:, :, 1]
    assert -21 < clean[110, 90] - 50 < -12
    assert clean[110, 130] == pytest.approx(50, abs=1)
    assert clean[4, 90] == pytest.approx(-1000, abs=1)


def test_noise_has_the_strength_asked_for_and_gathers_in_the_middle(disc):
    hu, r = disc
    even = replace(PLAIN, noise_hu=20.0)
    flat, middle = (
        with_noise(hu, scanner, SPACING_MM, np.random.default_rng(3))[:, :, 0] - hu[:, :, 0]
        for scanner in (even, replace(even, middle_noise=1.0))
    )
    body = r < 60
    assert flat[body].std() == pytest.approx(20, rel=0.05)
    assert middle[body].std() == pytest.approx(20, rel=0.15)
    rim = (r > 50) & (r < 60)
    assert middle[r < 20].std() > 1.1 * middle[rim].std()
    assert flat[r < 20].std() < 1.1 * flat[rim].std()


def test_streaks_run_from_side_to_side(disc):
    hu, _ = disc
    streaked = with_noise(hu, replace(PLAIN, streaks_hu=10.0), SPACING_MM, np.random.default_rng(5))
    image = (streaked - hu)[:, :, 0][85:135, 60:120].astype(float)
    across = np.abs(np.diff(image, axis=0)).mean()
    along = np.abs(np.diff(image, axis=1)).mean()
    assert along > 3 * across


def test_the_same_seed_gives_the_same_scan_and_another_seed_another(disc):
    hu, _ = disc
    scanner = Scanner.random(11)
    (clean, image), (again, same), (_, other) = (expose(hu, scanner, SPACING_MM, s) for s in (7, 7, 8))
    assert np.array_equal(image, same)
    assert np.array_equal(clean, again)
    assert not np.array_equal(image, other)
    assert image.dtype == np.int16
    assert image.min() >= -1024


def test_scanners_cover_what_hospitals_use():
    drawn = [Scanner.random(seed) for seed in range(300)]
    assert {s.slice_mm for s in drawn} >= {0.6, 1.0, 5.0}
    assert 0.03 < np.mean([s.edge > 0 for s in drawn]) < 0.4
    assert 0.2 < np.mean([s.shadow_hu > 0 for s in drawn]) < 0.4
    assert min(s.noise_hu for s in drawn) < 5
    assert max(s.noise_hu for s in drawn) > 30


def test_the_point_spread_is_as_wide_as_it_is_said_to_be_in_both_directions():
    """The standard deviation of a line's image; the grid is finer along i than along j."""
    for sigma in (0.8, 1.2):
        spot = np.full((61, 61, 1), -1000, np.float32)
        spot[30, 30] = 3000
        image = without_noise(spot, replace(PLAIN, blur_mm=sigma), (0.4, 0.5))[:, :, 0] + 1000
        for axis, step in ((1, 0.4), (0, 0.5)):
            line, place = image.sum(axis=axis), (np.arange(61) - 30) * step
            assert np.sqrt((line * place**2).sum() / line.sum()) == pytest.approx(sigma, rel=0.04)


def test_a_scale_of_hu_keeps_air_and_moves_water(disc):
    hu, r = disc
    clean = without_noise(hu, replace(PLAIN, hu_scale=1.02), SPACING_MM)[:, :, 0]
    assert clean[r < 50] == pytest.approx(1050 * 1.02 - 1000, abs=0.1)
    assert clean[0, 0] == pytest.approx(-1000, abs=0.1)
