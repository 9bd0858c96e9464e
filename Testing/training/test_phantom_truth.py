"""The reader's rule: between muscle and fat the HU of a pixel decide, elsewhere its share of muscle."""

import numpy as np
import pytest

from SarcopeniaTraining.phantom.painting import Canvas
from SarcopeniaTraining.phantom.truth import compartments_and_border, truth_of

MUSCLE, FAT, LIVER, BONE = 55.0, -100.0, 60.0, 700.0
COLUMNS = 21


def strip(*layers):
    """A row of pixels 1 mm wide: (from mm, to mm, HU, whether muscle), laid over fat."""
    x = np.arange(COLUMNS, dtype=np.float32).reshape(-1, 1, 1)
    zero = np.zeros((1, 1, 1), np.float32)
    canvas = Canvas.of_air(x, zero, zero, 1.0)
    canvas.paint(np.full_like(canvas.hu, 9), FAT, muscle=False)
    for low, high, hu, muscle in layers:
        canvas.paint(np.minimum(x - np.float32(low), np.float32(high) - x), hu, muscle=muscle)
    return canvas


def taken(canvas, clean=None):
    """Columns that are muscle."""
    return np.flatnonzero(truth_of(canvas, canvas.hu if clean is None else clean)[1][:, 0, 0]).tolist()


@pytest.mark.parametrize(("share", "counts"), [(0.44, False), (0.48, True), (0.52, True)])
def test_a_border_with_fat_is_where_hu_cross_the_windows_edge(share, counts):
    """−100 + 155 · share is −29 at a share of 0.458."""
    columns = taken(strip((4.5, 9.5 + share, MUSCLE, True)))
    assert columns == ([5, 6, 7, 8, 9, 10] if counts else [5, 6, 7, 8, 9])


def test_the_outline_takes_no_more_of_a_border_with_fat_than_the_muscle_does():
    canvas = strip((4.5, 9.94, MUSCLE, True))
    outline, muscle = truth_of(canvas, canvas.hu)
    assert np.flatnonzero(outline[:, 0, 0]).tolist() == [5, 6, 7, 8, 9]
    assert np.array_equal(outline, muscle)


@pytest.mark.parametrize(("share", "counts"), [(0.48, False), (0.55, True)])
def test_a_border_with_an_organ_is_where_half_of_the_pixel_is_muscle(share, counts):
    columns = taken(strip((2.5, 16.0, LIVER, False), (4.5, 9.5 + share, MUSCLE, True)))
    assert columns == ([5, 6, 7, 8, 9, 10] if counts else [5, 6, 7, 8, 9])


def test_a_line_of_fat_that_the_scanner_blurs_away_between_two_muscles_is_muscle():
    canvas = strip((4.5, 9.7, MUSCLE, True), (10.3, 15.5, MUSCLE, True))
    assert canvas.outline[10, 0, 0] == pytest.approx(0.4, abs=0.05)
    assert taken(canvas) == [5, 6, 7, 8, 9, 11, 12, 13, 14, 15]
    blurred = canvas.hu.copy()
    blurred[10] = -20
    assert taken(canvas, blurred) == list(range(5, 16))


def test_what_is_left_out_around_bone_is_not_given_back_by_hu():
    canvas = strip((4.5, 12.5, MUSCLE, True), (10.5, 14.5, BONE, False))
    canvas.exclude(np.minimum(canvas.x - np.float32(8.5), np.float32(16.5) - canvas.x))
    assert taken(canvas, np.where(canvas.x > 4, 50, FAT)) == [5, 6, 7, 8]


def test_fat_a_pixel_away_from_a_muscle_is_none_whatever_its_hu():
    canvas = strip((4.5, 9.5, MUSCLE, True))
    assert taken(canvas, np.full_like(canvas.hu, 50)) == [4, 5, 6, 7, 8, 9, 10]


def test_a_slice_says_nothing_about_the_next():
    outline, other = np.zeros((3, 3, 2), np.float32), np.zeros((3, 3, 2), np.float32)
    outline[1, 1, 0] = 1
    compartments, border = compartments_and_border(outline, other)
    assert compartments.sum() == 1
    assert border[:, :, 0].sum() == 4, "its four neighbours in the plane"
    assert not border[:, :, 1].any()


def test_dense_tissue_is_other_and_fat_and_muscle_are_not():
    canvas = strip((2.5, 6.5, MUSCLE, True), (8.5, 12.5, LIVER, False), (14.5, 17.5, -70.0, False))
    assert canvas.other[[4, 10, 16], 0, 0].tolist() == [0, 1, 0]
    canvas.paint(np.full_like(canvas.hu, 9), FAT, muscle=False)
    assert not canvas.other.any(), "fat laid over all"
