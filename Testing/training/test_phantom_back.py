"""The muscles of the back: on a bent spine, unlike on both sides, one of them wasted."""

from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaTraining.phantom.anatomy import Person, SpineBend, ring_coordinates
from SarcopeniaTraining.phantom.back import back_muscles, muscle_depth
from SarcopeniaTraining.phantom.generate import Grid, paint
from SarcopeniaTraining.phantom.shapes import Along, Wave

STILL = Wave((1.0,), (0.0,), (0.0,))
NAMES = ("psoas", "quadratus", "multifidus", "erector")
EVEN = ((1.0, 1.0),) * 4


def person(seed=3_000_051, shift_mm=0.0, turn_deg=0.0, size=EVEN):
    bend = SpineBend(Along(shift_mm, 0.0, STILL), Along(turn_deg, 0.0, STILL), size)
    return replace(Person.random(seed, muscularity=1.0), bend=bend, fatty=0.0)


def ring_of(one, half_mm=140.0):
    x = np.arange(-half_mm, half_mm, 1.0, np.float32).reshape(-1, 1, 1)
    y = np.arange(-110, 60, 1.0, np.float32).reshape(1, -1, 1)
    return ring_coordinates(one, x, y, np.zeros((1, 1, 1), np.float32))


def test_a_bent_spine_is_moved_to_the_right_and_turned():
    """The body's middle at (10, centre); a quarter turn takes what lies before it to its right side."""
    one = person(shift_mm=10.0, turn_deg=90.0)
    centre = float(one.spine_y(np.zeros((1, 1, 1), np.float32)).item())
    x = np.array([10.0, 10.0, 30.0], np.float32).reshape(-1, 1, 1)
    y = np.array([0.0, 7.0, 0.0], np.float32).reshape(-1, 1, 1) + np.float32(centre)
    ring = one.on_spine(ring_coordinates(one, x, y, np.zeros((1, 1, 1), np.float32)))
    assert ring.x.ravel() == pytest.approx([0, 7, 0], abs=1e-4)
    assert ring.y.ravel() - centre == pytest.approx([0, 0, -20], abs=1e-4)
    assert ring.side.ravel()[1] == 1


@pytest.mark.parametrize("number", range(4), ids=NAMES)
def test_a_muscle_of_one_side_has_the_size_it_is_given(number):
    """Half axes of 0.6 on the left: 0.36 of the area there, and nothing lost on the right."""
    size = tuple((1.0, 0.6) if n == number else (1.0, 1.0) for n in range(4))
    areas = []
    for one in (person(), person(size=size)):
        ring = ring_of(one)
        inside = muscle_depth(back_muscles(one)[number], one, ring) > 0
        areas.append([float((inside & (ring.side == side)).sum()) for side in (1, -1)])
    assert areas[1][0] == areas[0][0]
    assert areas[1][1] / areas[0][1] == pytest.approx(0.36, abs=0.08)


def test_the_painted_slice_shows_which_muscle_is_wasted():
    areas = []
    for one in (person(), person(size=((0.5, 1.0), *EVEN[1:]))):
        canvas = paint(one, Grid.axial((150, 90, 1), (1.6, 1.6, 5.0), (*one.warp.shift_mm, 0)))
        ring = ring_coordinates(one, canvas.x, canvas.y, canvas.z)
        beside = (ring.y > one.spine_y(ring.z) - 8) & (np.abs(ring.x) < 75) & (ring.depth > 30)
        areas.append([float(canvas.outline[beside & (ring.side == side)].sum()) for side in (1, -1)])
    (right, left), (wasted, other) = areas
    assert wasted < 0.5 * right
    assert other == pytest.approx(left, rel=0.01)


def test_about_one_person_in_nine_has_lost_a_muscle_and_one_in_eight_a_straight_spine():
    bends = [SpineBend.random(np.random.default_rng([seed, 12])) for seed in range(600)]
    assert 0.07 < np.mean([np.min(bend.size) < 0.88 for bend in bends]) < 0.15
    assert max(sum(np.array(bend.size).ravel() < 0.88) for bend in bends) == 1
    assert 0.08 < np.mean([bend.shift_mm.swing > 2 for bend in bends]) < 0.16
