"""Truth of simple shapes painted on a canvas, worked out by hand."""

import numpy as np
import pytest

from SarcopeniaTraining.phantom.generate import Grid
from SarcopeniaTraining.phantom.painting import Canvas, reach_of
from SarcopeniaTraining.phantom.shapes import box, superellipse
from SarcopeniaTraining.phantom.truth import truth_of

GRID = Grid.axial((101, 81, 2), (0.8, 1.1, 5.0))


@pytest.fixture
def canvas():
    return Canvas.of_air(*GRID.coordinates(), GRID.pixel_mm)


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
    canvas = Canvas.of_air(x, np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32), 1.0)
    canvas.paint(1.25 - np.abs(x), 0.0, muscle=True)
    assert canvas.outline[:, 0, 0].tolist() == [0, 0, 0.75, 1, 0.75, 0, 0]
    assert canvas.hu[:, 0, 0].tolist() == [-1000, -1000, -250, 0, -250, -1000, -1000]


def test_excluding_leaves_hu(canvas):
    canvas.paint(box(canvas.x, canvas.y, 10.0, 6.0), 50.0, muscle=True)
    before = canvas.hu.copy()
    canvas.exclude(np.broadcast_to(np.float32(9), canvas.hu.shape))
    assert not canvas.outline.any()
    assert (canvas.other == 1).all()
    assert np.array_equal(canvas.hu, before)


def test_a_part_of_the_canvas_is_the_canvas(canvas):
    part = canvas.near(12.0, -8.0, 5.0)
    part.paint(superellipse(part.x - 12, part.y + 8, 4.0, 4.0, 2.0), 50.0, muscle=True)
    assert outline_mm2(canvas) == pytest.approx(np.pi * 16, rel=0.06)
    centre = GRID.shape[0] // 2 + 15, GRID.shape[1] // 2 - 7  # 12 / 0.8 and −8 / 1.1 pixels away
    assert canvas.outline[*centre, 0] == 1


def test_what_lies_outside_is_left_out_of_a_slab_and_empty_in_a_volume():
    slab = Canvas.of_air(*GRID.coordinates(), GRID.pixel_mm)
    volume = Canvas.of_air(*GRID.coordinates(), GRID.pixel_mm, complete=True)
    assert slab.near(500.0, 0.0, 10.0) is None
    assert volume.near(500.0, 0.0, 10.0).hu.size == 0
    assert slab.misses(slab.z - 40, 12)
    assert not volume.misses(volume.z - 40, 12)


def test_a_part_finds_its_own_parts(canvas):
    """What lies near a place is the same whether it is asked of the whole or of a part."""
    part = canvas.part(slice(30, 90), slice(10, 70))
    inner = part.near(12.0, -8.0, 5.0)
    assert inner.x.min() >= 12 - 5.8
    assert inner.x.max() <= 12 + 5.8
    inner.hu[:] = 7
    expected = np.full_like(canvas.hu, -1000)
    Canvas(*GRID.coordinates(), 1, expected, expected.copy(), expected.copy(), canvas.reach).near(
        12.0, -8.0, 5.0
    ).hu[:] = 7
    assert np.array_equal(canvas.hu, expected)
    assert part.near(-30.0, 0.0, 5.0) is None
    assert part.near(30.0, 0.0, 5.0) is not None


def test_a_part_of_a_block_looks_where_its_volume_does():
    """A block of one volume leans as its volume does, so that all of its blocks draw the same."""
    x, y, z = GRID.coordinates()
    block = Canvas.of_air(x, y, z, 1.0, complete=True, reach=reach_of(x + np.float32(60), y))
    assert block.near(60.0, 0.0, 1.0).x.mean() == pytest.approx(0, abs=1)
    assert block.part(slice(20, 80), slice(0, 81)).near(60.0, 0.0, 1.0).x.mean() == pytest.approx(0, abs=1)


def test_a_row_is_put_back_where_it_was_taken(canvas):
    where = np.zeros(canvas.hu.shape, bool)
    where[10:14, 20:22, 1] = True
    with canvas.row(where) as row:
        assert row.hu.shape == (8,)
        assert row.x.shape == row.y.shape == row.z.shape == (8,)
        row.paint(np.arange(8, dtype=np.float32) - 4, 50.0, muscle=True)
        assert not canvas.outline.any()
    assert (canvas.outline > 0.5).sum() == 3, "depths 1, 2 and 3 mm"
    assert not canvas.outline[~where].any()
    assert (canvas.hu[~where] == -1000).all()


def test_what_is_dense_in_a_row_is_other_where_it_was_taken(canvas):
    where = np.zeros(canvas.hu.shape, bool)
    where[10:14, 20, 1] = True
    with canvas.row(where) as row:
        row.paint(np.array([-9, 9, 9, -9], np.float32), 60.0, muscle=False)
    assert canvas.other[10:14, 20, 1].tolist() == [0, 1, 1, 0]
    assert canvas.other.sum() == 2


def test_paint_under_other_coordinates_is_shared(canvas):
    moved = canvas.under(canvas.x + 5, canvas.y, canvas.z)
    moved.paint(box(moved.x, moved.y, 3.0, 3.0), 50.0, muscle=True)
    assert canvas.outline[GRID.shape[0] // 2 - 6, GRID.shape[1] // 2, 0] == 1  # 5 / 0.8 pixels to the left
    assert np.argwhere(canvas.outline[:, 40, 0] > 0.5).mean() == pytest.approx(50 - 5 / 0.8, abs=0.5)
