"""Whole phantoms: blocks, storage orders, oblique and tilted grids, the truth's own rules."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid, rotation_of
from SarcopeniaTraining.phantom.scanner import Scanner
from SarcopeniaTraining.phantom.volume import Body, Rendering, phantom_volume, vertebra_centre_mm

SEED = 3_000_020
FIELDS = ("hu", "outline", "muscle")
STORED = [
    "".join(("RL", "AP", "SI")[w][s] for w, s in zip(order, signs, strict=True))
    for order in permutations(range(3))
    for signs in product((0, 1), repeat=3)
]


@pytest.fixture(scope="module")
def person():
    return Person.random(SEED, sex="male", muscularity=0.9)


@pytest.fixture(scope="module")
def quiet():
    """A scanner without noise: what it gives is the HU that define the truth, rounded."""
    return replace(Scanner.random(SEED), noise_hu=0.0, streaks_hu=0.0, table=True)


def area_cm2(grid, muscle, k):
    volume = CtVolume.from_array(muscle.astype(np.int16), grid.ras_from_ijk)
    return int(volume.canonical_slice_mask(muscle, k).sum()) * volume.pixel_area_cm2


def test_blocks_do_not_show(person):
    grid = Grid.axial((88, 72, 21), (4.6, 5.2, 9.0), (3, -2, 11))
    whole = phantom_volume(person, grid, block_slices=21)
    for slices in (1, 8):
        blocks = phantom_volume(person, grid, block_slices=slices)
        assert all(np.array_equal(getattr(whole, name), getattr(blocks, name)) for name in FIELDS)


def test_blocks_do_not_show_on_an_oblique_grid(person):
    grid = Grid.oblique((12, 72, 88), (11.0, 5.2, 4.6), axes="IPR", rotation_deg=(14, -9, 25))
    whole = phantom_volume(person, grid, block_slices=12)
    blocks = phantom_volume(person, grid, block_slices=5)
    assert all(np.array_equal(getattr(whole, name), getattr(blocks, name)) for name in FIELDS)


def test_one_slice_drawn_alone_is_the_volume_s(person):
    grid = Grid.axial((88, 72, 6), (4.6, 5.2, 9.0))
    alone = Rendering.of(person, grid).draw(4, 5)
    assert np.array_equal(alone.hu[:, :, 0], phantom_volume(person, grid).hu[:, :, 4])


def test_the_same_arguments_give_the_same_voxels(person):
    grid = Grid.axial((60, 50, 2), (7, 7, 5))
    first, second = (phantom_volume(Person.random(SEED + 1), grid) for _ in range(2))
    other = phantom_volume(Person.random(SEED + 2), grid)
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in FIELDS)
    assert not np.array_equal(first.hu, other.hu)


def test_the_truth_is_outline_within_muscle_hu(person, quiet):
    drawn = phantom_volume(person, Grid.axial((190, 150, 3), (2.0, 2.1, 12)), quiet)
    assert drawn.muscle.sum() > 3000
    assert np.all(drawn.outline[drawn.muscle > 0] == 1)
    within = (drawn.hu >= -29) & (drawn.hu <= 150)
    assert np.all(within[drawn.muscle > 0])
    # Rounding is all that lies between the HU and the ones the truth was cut with.
    left_out = (drawn.outline > 0) & (drawn.muscle == 0)
    assert np.all((drawn.hu[left_out] <= -29) | (drawn.hu[left_out] >= 150))


@pytest.mark.parametrize("axes", STORED)
def test_a_grid_s_axes_run_where_its_letters_say(axes):
    grid = Grid.oblique((5, 4, 3), (0.9, 1.1, 2.0), axes=axes, centre_mm=(10, -20, 30))
    volume = CtVolume.from_array(np.zeros((5, 4, 3), np.int16), grid.ras_from_ijk)
    assert volume.orientation == axes
    assert grid.ras_from_ijk @ [2, 1.5, 1, 1] == pytest.approx([10, -20, 30, 1])
    assert volume.spacing_mm == pytest.approx((0.9, 1.1, 2.0))


@pytest.mark.parametrize("axes", ["LPS", "SRA", "PIL"])
def test_storage_order_changes_no_voxel(person, axes):
    shape, spacing = (62, 50, 3), (6.1, 6.8, 8.0)
    plain = phantom_volume(person, Grid.axial(shape, spacing))
    order = [next(world for world, pair in enumerate(("RL", "AP", "SI")) if a in pair) for a in axes]
    grid = Grid.oblique(tuple(shape[w] for w in order), tuple(spacing[w] for w in order), axes=axes)
    stored = phantom_volume(person, grid)
    for name in FIELDS:
        assert np.array_equal(grid.axes.view(getattr(stored, name)), getattr(plain, name))


def test_a_turn_in_the_plane_keeps_the_area(person, quiet):
    axial = Grid.axial((300, 300, 1), (1.3, 1.3, 5))
    turned = Grid.oblique((1, 310, 290), (5, 1.2, 1.35), axes="SPL", rotation_deg=(0, 0, 33))
    areas = [area_cm2(grid, phantom_volume(person, grid, quiet).muscle, 0) for grid in (axial, turned)]
    assert areas[1] == pytest.approx(areas[0], rel=0.01)
    assert 100 < areas[0] < 260


@pytest.mark.parametrize("make", ["oblique", "tilted"])
def test_a_slanting_cut_is_longer_by_the_cosine(person, quiet, make):
    angle = 10.0
    shape, spacing = (260, 200, 1), (1.5, 1.5, 5.0)
    straight = Grid.oblique(shape, spacing, axes="LPS")
    if make == "oblique":
        slanting = Grid.oblique(shape, spacing, axes="LPS", rotation_deg=(angle, 0, 0))
    else:
        slanting = Grid.tilted(shape, spacing, angle)
    volume = CtVolume.from_array(np.zeros(shape, np.int16), slanting.ras_from_ijk)
    assert volume.tilt_deg == pytest.approx(angle)
    assert volume.pixel_area_cm2 == pytest.approx(0.0225)
    areas = [area_cm2(grid, phantom_volume(person, grid, quiet).muscle, 0) for grid in (straight, slanting)]
    # Muscles change along the body by a few per cent within the centimetres that the cut spans.
    assert areas[1] * np.cos(np.radians(angle)) == pytest.approx(areas[0], rel=0.05)


def test_a_tilted_gantry_steps_along_the_table():
    grid = Grid.tilted((4, 4, 3), (1, 1, 5), 12)
    assert grid.ras_from_ijk[:3, 2] == pytest.approx((0, 0, 5))
    normal = np.cross(grid.ras_from_ijk[:3, 0], grid.ras_from_ijk[:3, 1])
    assert normal == pytest.approx(rotation_of((12, 0, 0)) @ (0, 0, 1))


def test_rotations_go_from_each_axis_towards_the_next():
    assert rotation_of((90, 0, 0)) @ (0, 1, 0) == pytest.approx((0, 0, 1))
    assert rotation_of((0, 90, 0)) @ (0, 0, 1) == pytest.approx((1, 0, 0))
    assert rotation_of((0, 0, 90)) @ (1, 0, 0) == pytest.approx((0, 1, 0))
    assert rotation_of((90, 0, 90)) @ (0, 1, 0) == pytest.approx((0, 0, 1)), "the first axis turns first"


@pytest.mark.parametrize("axes", ["RAA", "RA", "LR S"])
def test_axes_that_are_none_are_refused(axes):
    with pytest.raises((ValueError, KeyError, IndexError)):
        Grid.oblique((4, 4, 3), (1, 1, 5), axes=axes)


def test_the_middle_of_l3_is_bone_marrow_before_the_canal(person, quiet):
    x, y, z = vertebra_centre_mm(person)
    assert z == 0
    grid = Grid.axial((9, 9, 1), (1, 1, 1), (x, y, z))
    drawn = phantom_volume(person, grid, quiet)
    assert np.all(drawn.hu > 60)
    assert not drawn.outline.any()


def test_the_body_is_where_the_ct_shows_it(person, quiet):
    body = Body.of(person)
    inside = body.points_mm[np.abs(body.points_mm[:, 2]) < 1]
    grid = Grid.axial((150, 120, 1), (3, 3.2, 5))
    hu = phantom_volume(person, grid, replace(quiet, table=False)).hu[:, :, 0]
    seen = np.argwhere(hu > -300) @ grid.ras_from_ijk[:2, :2].T + grid.ras_from_ijk[:2, 3]
    assert inside[:, :2].min(axis=0) == pytest.approx(seen.min(axis=0), abs=5)
    assert inside[:, :2].max(axis=0) == pytest.approx(seen.max(axis=0), abs=5)


def test_the_table_of_a_volume_is_straight_under_a_body_that_is_not(person, quiet):
    turned = replace(person, warp=replace(person.warp, rotation_deg=8.0, amplitude_mm=7.0))
    grid = Grid.axial((160, 150, 1), (3, 3, 5), (0, -20, 0))
    with_table, bare = (phantom_volume(turned, grid, replace(quiet, table=on)).hu for on in (True, False))
    under = grid.coordinates()[1].ravel() < Body.of(turned).lowest_skin_mm - 4
    table = ((with_table > -950) & (bare < -990))[:, under, 0]
    assert table.sum() > 150
    assert np.array_equal(table, table[::-1])
