"""What lies inside the ring: organs as dense as the wall, hernias, and none of it muscle."""

from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaTraining.phantom.anatomy import Person, ring_coordinates
from SarcopeniaTraining.phantom.generate import Grid, paint
from SarcopeniaTraining.phantom.trunk import Wall
from SarcopeniaTraining.phantom.viscera import ALIKE_HU, ORGAN_HU, cavity

HERNIA_SEED, HERNIA_Z_MM = 30_042, -4.0
"""A sac of 34 × 20 mm with fluid in it, in fat that is deep enough."""


def room_of(seed):
    one = Person.random(seed)
    zero = np.zeros((1, 1, 1), np.float32)
    return one, cavity(one, ring_coordinates(one, zero, zero, zero), Wall.random(one))


def test_in_two_of_five_organs_are_as_dense_as_muscle():
    alike = []
    for seed in range(300):
        one, room = room_of(seed)
        like_muscle = room.organ == (one.muscle_hu - ALIKE_HU, one.muscle_hu + ALIKE_HU)
        assert like_muscle or room.organ == ORGAN_HU[one.phase]
        alike.append(like_muscle)
    assert 0.33 < np.mean(alike) < 0.47


def before_the_wall(seed, z_mm):
    one = Person.random(seed)
    canvas = paint(one, Grid.axial((200, 160, 1), (1.8, 1.8, 5.0), (*one.warp.shift_mm, z_mm)))
    ring = ring_coordinates(one, canvas.x, canvas.y, canvas.z)
    return canvas, (ring.depth < -3) & (ring.depth > -36) & (ring.y > 0) & (np.abs(ring.x) < 30)


def test_a_hernia_lies_in_the_fat_before_the_wall_and_is_no_muscle():
    canvas, before = before_the_wall(HERNIA_SEED, HERNIA_Z_MM)
    sac = before & (canvas.hu > -20) & (canvas.hu < 100)
    assert sac.sum() * 1.8**2 > 1000
    assert not canvas.outline[sac].any()
    above, there = before_the_wall(HERNIA_SEED, HERNIA_Z_MM + 40)
    assert (there & (above.hu > -20) & (above.hu < 100)).sum() * 1.8**2 < 200


@pytest.mark.parametrize("seed", range(3_000_070, 3_000_074))
def test_nothing_in_the_cavity_is_muscle(seed):
    one = replace(Person.random(seed), muscularity=0.7)
    canvas = paint(one, Grid.axial((150, 120, 1), (2.6, 2.6, 5.0), (*one.warp.shift_mm, 10)))
    ring = ring_coordinates(one, canvas.x, canvas.y, canvas.z)
    room = cavity(one, ring, Wall.random(one))
    y = ring.y - one.spine_y(ring.z)
    assert not canvas.outline[(room.depth > 3) & (y > 45)].any()
