"""Truth of simple shapes painted on a canvas, worked out by hand."""

import numpy as np
import pytest

from SarcopeniaTraining.phantom.generate import Grid, truth_of
from SarcopeniaTraining.phantom.painting import Canvas
from SarcopeniaTraining.phantom.shapes import box, superellipse

GRID = Grid.axial((101, 81, 2), (0.8, 1.1, 5.0))


@pytest.fixture
def canvas():
    return Canvas(*GRID.coordinates(), GRID.pixel_mm)


def outline_mm2(canvas):
    """Area of the outline on each slice."""
    return (canvas.outline > 0.5).sum(axis=(0, 1)) * 0.8 * 1.1


def test_an_ellipse_has_its_area(canvas):
    canvas.paint(superellipse(canvas.x, canvas.y, 30.0, 20.0, 2.0), 50.0, muscle=True)
    assert outline_mm2(canvas) == pytest.approx(np.pi * 30 * 20, rel=0.005)


def test_a_rectangle_is_exact_to_the_pixel(canvas):
    # Pixel centres at 0, ±0.8 … and 0, ±1.1 …: 25 of them within ±10 mm, 11 within ±6 mm.
    canvas.paint(box(canvas.x, canvas.y, 10.0, 6.0), 50.0, muscle=True)
    assert outline_mm2(canvas) == pytest.approx(25 * 11 * 0.8 * 1.1)


def test_bone_laid_over_muscle_takes_its_area_away(canvas):
    canvas.paint(box(canvas.x, canvas.y, 10.0, 6.0), 50.0, muscle=True)
    canvas.paint(box(canvas.x, canvas.y, 2.0, 3.0), 700.0, muscle=False)  # 5 × 5 pixel centres
    assert outline_mm2(canvas) == pytest.approx((25 * 11 - 5 * 5) * 0.8 * 1.1)


def test_fat_inside_muscle_stays_in_the_outline_and_leaves_the_truth(canvas):
    canvas.paint(box(canvas.x, canvas.y, 10.0, 6.0), 50.0, muscle=True)
    canvas.tint(canvas.share(box(canvas.x, canvas.y, 2.0, 3.0)), -100.0)
    outline, muscle = truth_of(canvas, canvas.hu)
    assert outline.sum(axis=(0, 1)).tolist() == [25 * 11] * 2
    assert 25 * 11 - 7 * 7 <= muscle[:, :, 0].sum() <= 25 * 11 - 5 * 5  # its rim is partial volume


def test_a_border_carries_partial_volume():
    x = np.arange(-3, 4, dtype=np.float32).reshape(-1, 1, 1)
    canvas = Canvas(x, np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32), 1.0)
    canvas.paint(1.25 - np.abs(x), 0.0, muscle=True)
    assert canvas.outline[:, 0, 0].tolist() == [0, 0, 0.75, 1, 0.75, 0, 0]
    assert canvas.hu[:, 0, 0].tolist() == [-1000, -1000, -250, 0, -250, -1000, -1000]


def test_excluding_leaves_hu(canvas):
    canvas.paint(box(canvas.x, canvas.y, 10.0, 6.0), 50.0, muscle=True)
    before = canvas.hu.copy()
    canvas.exclude(np.broadcast_to(np.float32(9), canvas.hu.shape))
    assert not canvas.outline.any()
    assert np.array_equal(canvas.hu, before)


def test_a_part_of_the_canvas_is_the_canvas(canvas):
    part = canvas.near(12.0, -8.0, 5.0)
    part.paint(superellipse(part.x - 12, part.y + 8, 4.0, 4.0, 2.0), 50.0, muscle=True)
    assert outline_mm2(canvas) == pytest.approx(np.pi * 16, rel=0.06)
    centre = GRID.shape[0] // 2 + 15, GRID.shape[1] // 2 - 7  # 12 / 0.8 and −8 / 1.1 pixels away
    assert canvas.outline[*centre, 0] == 1


def test_what_lies_outside_is_left_out_of_a_slab_and_empty_in_a_volume():
    slab = Canvas(*GRID.coordinates(), GRID.pixel_mm)
    volume = Canvas(*GRID.coordinates(), GRID.pixel_mm, complete=True)
    assert slab.near(500.0, 0.0, 10.0) is None
    assert volume.near(500.0, 0.0, 10.0).hu.size == 0
    assert slab.misses(slab.z - 40, 12)
    assert not volume.misses(volume.z - 40, 12)
