"""Slabs for training: the rim of fat, thick slices, what is missing, the same for the same seed."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from SarcopeniaAssessLib.preprocessing import SlabPreset
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid, paint, phantom
from SarcopeniaTraining.phantom.scanner import Scanner
from SarcopeniaTraining.phantom.slabs import (
    OUTLINE,
    RIM,
    SlabPlan,
    draw_slab,
    level_mm,
    scanned_slab,
    slab_store,
)
from SarcopeniaTraining.phantom.surroundings import outside_field

SEED = 30_004
PLAN = SlabPlan(SEED, 3, (196, 156), SlabPreset(2.0, 5.0, 3))
GRID = Grid.axial((196, 156, 3), (2.0, 2.0, 5.0), (0, 0, 4))


@pytest.fixture(scope="module")
def quiet():
    return replace(
        Scanner.random(SEED),
        noise_hu=0.0,
        streaks_hu=0.0,
        shadow_hu=0.0,
        edge=0.0,
        hu_scale=1.0,
        slice_mm=1.0,
    )


def test_the_rim_is_fat_that_touches_the_outline_and_hides_no_border(quiet):
    hu, outline = scanned_slab(Person.random(SEED), GRID, quiet, 1)
    rim = outline == RIM
    assert 0.02 < rim.sum() / (outline == OUTLINE).sum() < 0.6
    assert (hu[:, :, 1][rim] < -28).all()
    assert not (rim & ~binary_dilation(outline == OUTLINE)).any()


def test_beside_the_outline_all_that_looks_like_muscle_and_is_not_taught_is_something_else(quiet):
    """Between muscle and fat HU alone decide: nothing that looks like muscle is taught to be none."""
    hu, outline = scanned_slab(Person.random(SEED), GRID, quiet, 1)
    beside = binary_dilation(outline == OUTLINE) & (outline == 0)
    alike = beside & (hu[:, :, 1] >= -29)
    assert alike.sum() > 50
    other = paint(Person.random(SEED), GRID).other[:, :, 1]
    assert (other[alike] >= 0.05).all()


def test_the_outline_is_that_of_the_plain_phantom_where_slices_are_thin(quiet):
    person = Person.random(SEED)
    _, outline = scanned_slab(person, GRID, quiet, 1)
    plain = phantom(person, GRID, quiet).outline[:, :, 1] > 0
    assert np.array_equal(outline == OUTLINE, plain)


def test_a_thick_slice_is_the_mean_of_what_it_covers(quiet):
    person = Person.random(SEED)
    thick = replace(quiet, slice_mm=4.5, table=False)
    hu, _ = scanned_slab(person, GRID, thick, 1)
    levels = [
        Grid(GRID.shape, GRID.ras_from_ijk + z * np.eye(4)[:, [3, 3, 3, 2]] * [0, 0, 0, 1])
        for z in (-1.5, 0, 1.5)
    ]
    cuts = [phantom(person, grid, replace(thick, slice_mm=1.0)).hu[:, :, 1] for grid in levels]
    body = cuts[1] > -300
    assert np.abs(hu[:, :, 1] - np.mean(cuts, axis=0))[body].mean() < 1.0
    assert np.abs(hu[:, :, 1] - cuts[1])[body].mean() > 1.0


def test_what_the_field_of_view_misses_is_air_and_no_muscle(quiet):
    def field(seed):
        x, y, _ = GRID.coordinates()
        return outside_field(type("C", (), {"x": x, "y": y})(), seed, 150.0)

    seed = next(s for s in range(40_000, 40_400) if field(s) is not None)
    hu, outline = scanned_slab(Person.random(seed), GRID, quiet, 1)
    missing = hu[:, :, 1] == -1024
    assert missing[0, 0]
    assert not outline[missing].any()


def test_a_seed_gives_the_same_slab_and_a_store_keeps_it(tmp_path):
    store = slab_store(PLAN, tmp_path / "slabs", jobs=1)
    image, outline = draw_slab(SEED + 2, PLAN)
    assert np.array_equal(store.images[2], image)
    assert np.array_equal(store.outlines[2], outline)
    assert set(np.unique(outline)) == {0, OUTLINE, RIM}


def test_the_store_of_another_plan_is_drawn_anew_and_that_of_the_same_is_kept(tmp_path):
    one = replace(PLAN, count=1)
    first = np.array(slab_store(one, tmp_path, jobs=1).images)
    stamp = (tmp_path / "images.npy").stat().st_mtime_ns
    assert np.array_equal(slab_store(one, tmp_path, jobs=1).images, first)
    assert (tmp_path / "images.npy").stat().st_mtime_ns == stamp
    other = slab_store(replace(one, first_seed=SEED + 1), tmp_path, jobs=1)
    assert not np.array_equal(other.images, first)


def test_most_slabs_lie_near_l3_and_the_others_from_the_pelvis_to_the_chest():
    heights = np.array([level_mm(seed) for seed in range(30_000, 31_000)])
    assert 0.6 < np.mean(np.abs(heights) <= 32) < 0.8
    assert heights.min() < -100
    assert heights.max() > 120


def test_a_slab_has_a_table_where_its_scanner_has_one(quiet):
    bare, with_table = (
        scanned_slab(Person.random(SEED), GRID, replace(quiet, table=table), 1)[0] for table in (False, True)
    )
    new = (with_table > -950) & (bare < -990)
    assert new.sum() * 4 > 5000
    body = np.argwhere(bare[:, :, 1] > -300)
    assert np.argwhere(new[90:106])[:, 1].max() <= body[:, 1].min() + 3
