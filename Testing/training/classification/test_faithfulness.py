"""Insertion and deletion curves of a function that looks at a known place."""

import numpy as np
import pytest

from SarcopeniaTraining.classification.faithfulness import (
    RANDOM_MAPS,
    Curves,
    area_under,
    curves,
    random_curves,
    random_map,
)

SIDE = 20
RGB = np.zeros((SIDE, SIDE, 3), np.uint8)
RGB[::2, 5:10] = 200  # stripes on black


def stripes_seen(images):
    """Share of the striped pixels that are as bright as in the image."""
    return (images[:, ::2, 5:10, 0] == 200).mean(axis=(1, 2))


HERE = np.zeros((SIDE, SIDE))
HERE[:, 5:10] = 1


def test_the_map_of_what_counts_loses_it_first_and_gains_it_first():
    found = curves(RGB, HERE, stripes_seen, 1, steps=4)
    # 100 of 400 pixels have attribution: all gone, or all there, after the first of four steps
    assert found.deletion == (1, 0, 0, 0, 0)
    assert found.insertion == (0, 1, 1, 1, 1)
    assert found.deletion_area == pytest.approx(1 / 8)
    assert found.insertion_area == pytest.approx(7 / 8)
    assert found.gain == pytest.approx(6 / 8)


def test_the_opposite_map_does_so_last():
    found = curves(RGB, 1 - HERE, stripes_seen, 1, steps=4)
    assert found.deletion == (1, 1, 1, 1, 0)
    assert found.insertion == (0, 0, 0, 0, 1)
    assert found.gain == pytest.approx(-6 / 8)


def test_the_other_class_has_the_other_probability():
    found = curves(RGB, HERE, stripes_seen, 0, steps=4)
    assert found.deletion == (0, 1, 1, 1, 1)


def test_pixels_of_equal_attribution_go_row_by_row():
    found = curves(RGB, np.zeros((SIDE, SIDE)), stripes_seen, 1, steps=2)
    assert found.deletion == (1, 0.5, 0)


def test_area_by_trapezoids():
    assert area_under((0, 1)) == 0.5
    assert area_under((1, 0, 1)) == 0.5
    assert area_under((0.2, 0.6, 1.0, 1.0)) == pytest.approx((0.1 + 0.6 + 1.0 + 0.5) / 3)


def test_curves_of_different_steps_are_refused():
    with pytest.raises(ValueError, match="same steps"):
        Curves((1, 0), (1, 0, 0))


def test_random_maps_follow_from_their_seed_and_win_nothing():
    assert np.array_equal(random_map(SIDE, 4), random_map(SIDE, 4))
    assert not np.array_equal(random_map(SIDE, 4), random_map(SIDE, 5))
    assert random_map(SIDE, 4).shape == (SIDE, SIDE)
    found = random_curves(RGB, stripes_seen, 1, 100)
    assert len(found) == RANDOM_MAPS
    assert len({each.gain for each in found}) == RANDOM_MAPS
    assert abs(np.mean([each.gain for each in found])) < 0.25
