"""A slice on its grid: the same picture whatever way the CT is stored, every pixel of the size asked for."""

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError, LevelError
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.classification.slice_grid import (
    body_of,
    grey_on_grid,
    mask_on_grid,
    slice_of,
    slice_on_grid,
)
from SarcopeniaTraining.cohort import CohortCase

SIDE, FIELD_MM = 40, 160.0
"""Pixels of 4 mm."""
BODY, MARK, AIR = 20, 200, -1000


def marked(right_mm, anterior_mm, middle_mm):
    """A body of 96 × 64 mm about its middle, its right anterior corner of 24 × 24 mm marked."""
    x, y = right_mm - middle_mm[0], anterior_mm - middle_mm[1]
    body = (np.abs(x) <= 48) & (np.abs(y) <= 32)
    return np.where(body, np.where((x > 24) & (y > 8), MARK, BODY), AIR)


def affine(columns, origin):
    made = np.eye(4)
    made[:3, :3], made[:3, 3] = np.column_stack(columns), origin
    return made


def turned(degrees, spacing):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return affine(
        [(c * spacing[0], s * spacing[0], 0), (-s * spacing[1], c * spacing[1], 0), (0, 0, 5)], (0,) * 3
    )


WAYS = {
    "as stored": affine([(2, 0, 0), (0, 1, 0), (0, 0, 5)], (0, 0, -33)),
    "left and posterior first": affine([(-2, 0, 0), (0, -1, 0), (0, 0, 5)], (7, 11, 0)),
    "slices first, rows before columns": affine([(0, 0, -5), (0, -1, 0), (2, 0, 0)], (0, 3, 40)),
    "turned in the plane": turned(17.0, (1.5, 1.0)),
    "fine": affine([(0.5, 0, 0), (0, 0.5, 0), (0, 0, 3)], (0, 0, 0)),
}


def volume_of(ras, slices=3):
    """The body about a middle that is off the image's own, on any grid."""
    spacing = np.linalg.norm(ras[:3, :3], axis=0)
    upward = int(np.argmax(np.abs(ras[2, :3])))
    shape = [int(190 / mm) for mm in spacing]
    shape[upward] = slices
    index = np.indices(shape).reshape(3, -1)
    world = (ras[:3, :3] @ index + ras[:3, 3:]).reshape(3, *shape)
    ends = world.reshape(3, -1).min(axis=1), world.reshape(3, -1).max(axis=1)
    middle = (ends[0] + ends[1]) / 2 + (12.0, -9.0, 0.0)
    hu = marked(world[0], world[1], middle)
    noise = np.random.default_rng(1).integers(-3, 4, hu.shape)
    return CtVolume.from_array((hu + np.where(hu > AIR, noise, 0)).astype(np.int16), ras)


@pytest.fixture(params=WAYS, ids=str)
def volume(request):
    return volume_of(WAYS[request.param])


def test_the_patients_right_is_left_and_anterior_is_up_in_pixels_of_the_size_asked_for(volume):
    hu = slice_on_grid(volume, 1, SIDE, FIELD_MM)
    # 96 × 64 mm in pixels of 4 mm about the middle of 40: columns 8…31, rows 12…27; the mark 6 × 6 of them.
    inner = hu[14:26, 10:30]
    expected = np.full((12, 20), BODY)
    expected[:3, :3] = MARK
    far = np.ones_like(expected, bool)  # one pixel either side of the mark's edge is mixed
    far[2:5, :5] = far[:5, 2:5] = False
    assert np.abs(inner - expected)[far].max() < 6
    assert (hu[:10] < -900).all()
    assert (hu[30:] < -900).all()
    assert (hu[:, :6] < -900).all()
    assert (hu[:, 34:] < -900).all()


def test_edges_lie_to_half_a_pixel_where_they_are(volume):
    inside = slice_on_grid(volume, 1, SIDE, FIELD_MM) > (BODY + AIR) / 2
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    # A turned body's corners are cut by interpolation alone, never its sides.
    assert (rows[0], rows[-1], columns[0], columns[-1]) == pytest.approx((12, 27, 8, 31), abs=1)
    assert inside.sum() == pytest.approx(24 * 16, rel=0.06)


def test_a_tilted_slice_keeps_its_size():
    a = np.radians(20)
    ras = affine([(2 * np.cos(a), 0, 2 * np.sin(a)), (0, 1, 0), (-5 * np.sin(a), 0, 5 * np.cos(a))], (0,) * 3)
    hu = np.full((90, 150, 3), AIR, np.int16)
    hu[20:68, 40:104] = BODY  # 96 × 64 mm
    inside = slice_on_grid(CtVolume.from_array(hu, ras), 1, SIDE, FIELD_MM) > (BODY + AIR) / 2
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (12, 27, 8, 31)


def test_a_coarser_grid_averages_the_noise():
    hu = np.random.default_rng(2).normal(20, 100, (200, 200, 3)).astype(np.int16)
    volume = CtVolume.from_array(hu, affine([(1, 0, 0), (0, 1, 0), (0, 0, 5)], (0,) * 3))
    # Of 16 pixels that one of 4 mm covers, the mean has a quarter of their spread; of one point 54.
    assert slice_on_grid(volume, 1, SIDE, FIELD_MM)[5:-5, 5:-5].std() < 25


def test_a_mask_lies_on_the_very_pixels_of_its_slice(volume):
    mark = volume.slab(1, 2)[:, :, 0] > (MARK + BODY) / 2
    on_grid = mask_on_grid(volume, mark, 1, SIDE, FIELD_MM)
    expected = np.zeros((SIDE, SIDE), bool)
    expected[12:18, 8:14] = True
    assert (on_grid ^ expected).sum() <= 6


def test_grey_is_the_soft_tissue_window():
    grey = grey_on_grid(volume_of(WAYS["as stored"]), 1, SIDE, FIELD_MM)
    # −160…240 HU: 20 HU is 0.45 of 255, 200 HU is 0.9 of it.
    assert abs(int(grey[24, 20]) - 115) <= 1
    assert abs(int(grey[14, 10]) - 230) <= 1
    assert grey[2, 2] == 0
    # An edge is half of the body's grey: 24 pixels of it across, and less were air weighed as −1000 HU.
    assert grey[24].sum() / 115 > 24.2


def test_beyond_the_scan_lies_air():
    hu = slice_on_grid(volume_of(WAYS["as stored"]), 1, SIDE, 400.0)
    assert (hu[0] == -1024).all()
    assert (hu[:, -1] == -1024).all()
    assert abs(float(hu[20, 20]) - BODY) < 6


def test_a_table_that_touches_the_back_does_not_move_the_middle():
    volume = volume_of(WAYS["as stored"])
    hu = volume.slab(0, 3).copy()
    with_table = hu.copy()
    back = np.flatnonzero((hu[:, :, 1] > -300).any(axis=0))[0]
    with_table[:70, back - 4 : back, :] = 100  # 4 mm thick, 60 mm longer than the body to one side
    table = CtVolume.from_array(with_table, volume.ras_from_canonical)
    hu = slice_on_grid(table, 1, SIDE, FIELD_MM)
    # The body keeps its columns 8…31; by the table's own box it would lie 7 of them aside.
    assert np.abs(hu[20:25, 10:30] - BODY).max() < 6
    assert (hu[20:25, :6] < -900).all()


def test_air_alone_has_no_body_and_is_no_fault():
    assert not body_of(np.full((30, 20), -1000), (1.0, 2.0)).any()


@pytest.mark.parametrize(
    ("side", "field_mm", "words"), [(4, 420, "4 pixels"), (80, 50, "50 mm"), (80, np.nan, "nan")]
)
def test_sizes_that_show_nothing_are_refused(side, field_mm, words):
    with pytest.raises(InputError, match=words):
        slice_on_grid(volume_of(WAYS["as stored"]), 1, side, field_mm)


def test_the_only_slice_is_the_level_and_of_several_one_must_be_told(tmp_path):
    untold = CohortCase("A", tmp_path)
    assert slice_of(untold, volume_of(WAYS["as stored"], slices=1)) == 0
    with pytest.raises(LevelError, match="outside the scan"):
        slice_of(CohortCase("A", tmp_path, level="slice:1"), volume_of(WAYS["as stored"], slices=1))
    with pytest.raises(LevelError, match="not given"):
        slice_of(untold, volume_of(WAYS["as stored"]))
    assert slice_of(CohortCase("A", tmp_path, level="slice:2"), volume_of(WAYS["as stored"])) == 2
