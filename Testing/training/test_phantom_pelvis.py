"""The pelvis of a phantom: bone between gluteal muscle and iliacus, sacrum, and an L3 without any of it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from SarcopeniaTraining.phantom.anatomy import Person, ring_coordinates
from SarcopeniaTraining.phantom.generate import Grid, paint
from SarcopeniaTraining.phantom.painting import Canvas
from SarcopeniaTraining.phantom.pelvis import Pelvis, paint_pelvis, paint_sacrum
from SarcopeniaTraining.phantom.trunk import Wall

SEEDS = range(3_000_041, 3_000_047)
BONE_HU = 300


def slab(person, z_mm, slices=1):
    return Grid.axial((152, 120, slices), (2.6, 2.6, 5.0), (*person.warp.shift_mm, z_mm))


def drawn(person, z_mm):
    canvas = paint(person, slab(person, z_mm))
    return canvas, ring_coordinates(person, canvas.x, canvas.y, canvas.z)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("side", [-1, 1])
def test_the_wing_parts_gluteal_muscle_from_iliacus(seed, side):
    person = replace(Person.random(seed, muscularity=0.9), fatty=0.0)
    pelvis = Pelvis.random(person)
    canvas, ring = drawn(person, pelvis.crest_z - 55)
    inside = pelvis.inside(ring, pelvis.below_crest(ring))
    middle = (ring.side == side) & (ring.angle > 90) & (ring.angle < 115) & (ring.depth > 3)
    outer, bone, inner = (
        canvas.outline[middle & (inside > low) & (inside < high)].mean()
        for low, high in ((-11, -6), (-1.5, 1.5), (6, 11))
    )
    assert outer > 0.8
    assert bone < 0.05
    assert inner > 0.8
    assert canvas.hu[middle & (np.abs(inside) < 1.5)].mean() > 150


def test_no_wing_above_the_crest_and_a_growing_one_below_it():
    for seed in SEEDS:
        person = Person.random(seed)
        pelvis = Pelvis.random(person)
        wide = []
        for under in (-12, 10, 30, 60):
            canvas, ring = drawn(person, pelvis.crest_z - under)
            below = pelvis.below_crest(ring)
            wing = (np.abs(pelvis.inside(ring, below)) < 4) & (ring.angle > 55) & (ring.angle < 140)
            wide.append(float((canvas.hu[wing & (below > -30)] > BONE_HU).sum()))
        assert wide[0] <= 2, "the tilt lifts one side by a few mm at most"
        assert wide[1] < wide[2] < wide[3]


@pytest.mark.parametrize("z_mm", [-80, -115])
def test_no_outline_in_bone_or_gas(z_mm):
    for seed in SEEDS:
        canvas, _ = drawn(Person.random(seed), z_mm)
        sure = canvas.outline > 0.95
        assert sure.sum() * 0.0676 > 25, "cm² of muscle"
        assert canvas.hu[sure].min() > -200
        assert canvas.hu[sure].max() < 200
        assert canvas.outline[canvas.hu > BONE_HU].max() < 0.5
        assert canvas.outline[canvas.hu < -500].max() < 0.5


def test_the_sacrum_joins_both_wings_and_is_no_muscle():
    over = []
    for seed in SEEDS:
        person = Person.random(seed)
        pelvis = Pelvis.random(person)
        canvas, ring = drawn(person, pelvis.sacrum_z - 25)
        spine = person.on_spine(ring)
        y = spine.y - person.spine_y(spine.z) + pelvis.sacrum_slope * 25 + 0.4 * person.vertebra_mm[1]
        middle = (np.abs(y) < 4) & (np.abs(spine.x) < 1.4 * person.vertebra_mm[0])
        assert np.median(canvas.hu[middle]) > 0
        assert canvas.outline[middle].max() < 0.05
        behind = (y < -22) & (np.abs(spine.x) > 8) & (np.abs(spine.x) < 25) & (ring.depth > 3)
        over.append(float(canvas.outline[behind].sum()) * 0.0676)
    assert np.median(over) > 1.5, "cm² of multifidus over the sacrum"


def test_a_millimetre_beside_wing_and_sacrum_is_no_muscle():
    for seed in SEEDS[:3]:
        person = Person.random(seed)
        pelvis = Pelvis.random(person)
        x, y = person.warp.shift_mm
        middle = (x, y + float(person.spine_y(np.zeros(1, np.float32))[0]) - 20, pelvis.sacrum_z - 22)
        canvas = paint(person, Grid.axial((180, 90, 1), (1.0, 1.0, 5.0), middle))
        bone = canvas.hu[:, :, 0] > BONE_HU
        beside = np.zeros_like(bone)
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            beside |= np.roll(bone, step, axis)
        assert bone.sum() > 200
        wrong = canvas.outline[1:-1, 1:-1, 0][beside[1:-1, 1:-1]] > 0.5
        assert wrong.mean() < 0.005, "a corner of the crest at most"


def test_muscle_ends_more_than_a_millimetre_from_the_sacrum():
    """On a grid of a tenth of a millimetre, all muscle before the sacrum is painted."""
    person = Person.random(SEEDS[0])
    pelvis, down = Pelvis.random(person), 20.0
    z = np.full((1, 1, 1), pelvis.sacrum_z - down, np.float32)
    behind = float(person.spine_y(z).item()) - pelvis.sacrum_slope * down - 0.9 * person.vertebra_mm[1] - 17
    x = np.arange(18, 30, 0.1, np.float32).reshape(-1, 1, 1) + person.bend.shift_mm(z)
    y = np.arange(behind - 8, behind + 8, 0.1, np.float32).reshape(1, -1, 1)
    canvas = Canvas.of_air(x, y, z, 0.1)
    canvas.hu[:], canvas.outline[:] = 50, 1
    paint_sacrum(person, canvas, ring_coordinates(person, x, y, z))
    bone = canvas.hu[:, :, 0] > 120
    assert bone[:, -20:].mean() > 0.5
    away = distance_transform_edt(~bone) * 0.1
    muscle = canvas.outline[:, :, 0] > 0.5
    assert muscle.sum() > 1000
    assert 1.1 < away[muscle].min() < 1.4


def test_psoas_leaves_the_spine_on_its_way_down():
    """The middle of the muscle beside the vertebrae, in front of the wing, moves outwards."""
    for seed in SEEDS:
        person = replace(Person.random(seed, muscularity=1.0), fatty=0.0)
        middles = []
        for levels in (-1.0, -2.9):
            canvas, ring = drawn(person, levels * person.period_mm)
            spine = person.on_spine(ring)
            y = spine.y - person.spine_y(spine.z)
            before = (canvas.outline > 0.5) & (y > -5) & (ring.depth > 40)
            middles.append(np.abs(spine.x)[before].mean())
        assert middles[1] > middles[0] + 5


@pytest.mark.parametrize("seed", SEEDS)
def test_l3_and_what_lies_above_stay_as_they_are(seed):
    person = Person.random(seed)
    crest_z = Pelvis.random(person).crest_z
    for z in (max(crest_z + 12, -1.45 * person.period_mm), 15.0, 120.0):
        canvas = paint(person, slab(person, z))
        hu, outline = canvas.hu.copy(), canvas.outline.copy()
        ring = ring_coordinates(person, canvas.x, canvas.y, canvas.z)
        paint_pelvis(person, canvas, ring, Wall.random(person))
        paint_sacrum(person, canvas, ring)
        assert np.array_equal(canvas.hu, hu)
        assert np.array_equal(canvas.outline, outline)


def test_the_crest_is_at_the_fourth_or_fifth_lumbar_vertebra():
    levels = [Pelvis.random(person).crest_z / person.period_mm for person in map(Person.random, range(200))]
    assert -2.2 < min(levels) < max(levels) < -1.0
    assert np.mean(levels) == pytest.approx(-1.5, abs=0.1)
