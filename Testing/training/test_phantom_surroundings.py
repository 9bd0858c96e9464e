"""Around the body: arms are no muscle of the trunk, the table is straight, a small field cuts both."""

import numpy as np
import pytest

from SarcopeniaTraining.phantom.painting import Canvas
from SarcopeniaTraining.phantom.surroundings import (
    arms,
    outside_field,
    paint_arms,
    paint_clothes,
    paint_table,
)

PIXEL_MM = 2.0


@pytest.fixture
def body():
    """An elliptic trunk on (i, j, k) = (210, 150, 2), in air."""
    x = ((np.arange(210) - 104.5) * PIXEL_MM).reshape(-1, 1, 1).astype(np.float32)
    y = ((np.arange(150) - 74.5) * PIXEL_MM).reshape(1, -1, 1).astype(np.float32)
    canvas = Canvas.of_air(x, y, np.array([0, 5], np.float32).reshape(1, 1, -1), PIXEL_MM)
    inside = (x / 130) ** 2 + (y / 90) ** 2 < 1
    canvas.hu[np.broadcast_to(inside, canvas.hu.shape)] = 40
    canvas.outline[:] = canvas.hu > 0
    return canvas


def first_seed(room, wanted):
    return next(s for s in range(2000) if wanted(np.random.default_rng([s, room])))


def test_arms_lie_outside_the_body_have_bones_and_are_not_taken_for_its_muscle(body):
    seed = first_seed(8, lambda rng: len(arms(rng)) == 2)
    before, truth = body.hu.copy(), body.outline.copy()
    paint_arms(body, seed)
    new = body.hu != before
    assert np.array_equal(body.outline, truth)
    assert not new[before > 0].any()
    for side in (body.x > 0, body.x < 0):
        painted = body.hu[new & np.broadcast_to(side, new.shape)]
        assert (painted > 300).sum() * PIXEL_MM**2 > 50
        assert ((painted > 15) & (painted < 80)).sum() * PIXEL_MM**2 > 500


def test_most_scans_have_no_arms_in_them():
    shares = [len(arms(np.random.default_rng([s, 8]))) for s in range(600)]
    assert 0.75 < np.mean([n == 0 for n in shares]) < 0.87


def test_a_table_lies_under_the_body_and_is_as_even_as_it_was_built(body):
    before = body.hu.copy()
    paint_table(body, -90.0, 3)
    new = body.hu != before
    assert new.any()
    under = new[95:115]  # its sides may rise beside the body
    assert np.argwhere(under)[:, 1].max() <= np.argmin(np.abs(body.y.ravel() + 90)) + 1
    # Symmetric about the scanner's middle: it does not follow a body's shape.
    assert np.array_equal(new, new[::-1])


def test_a_sheet_leaves_the_body_and_the_truth_alone(body):
    seed = next(s for s in range(60) if np.random.default_rng([s, 9]).uniform(size=5)[4] <= 0.25)
    before = body.hu.copy()
    paint_clothes(body, seed)
    new = body.hu != before
    assert new.any()
    assert not new[before > -500].any()
    assert body.hu[new].max() < -200


def test_a_small_field_is_round_rare_and_cuts_the_sides(body):
    fields = [outside_field(body, seed, 130.0) for seed in range(200)]
    found = [f for f in fields if f is not None]
    assert 4 <= len(found) <= 30
    cut = [(f[:, :, 0] & (body.hu[:, :, 0] > 0)).any() for f in found]
    assert np.mean(cut) > 0.5
    assert not any(f[105, 75, 0] for f in found)


def test_arms_pressed_against_the_body_stay_outside_it(body):
    pressed = [
        seed for seed in range(300) if any(arm.gap_mm < 0 for arm in arms(np.random.default_rng([seed, 8])))
    ]
    assert len(pressed) > 5
    before = body.hu.copy()
    for seed in pressed:
        body.hu[:] = before
        paint_arms(body, seed)
        assert (body.hu != before).any()
        assert np.array_equal(body.hu[before > 0], before[before > 0])


def test_a_sheet_leaves_a_slice_with_a_larger_body_alone(body):
    """It is laid around the middle slice; the body of another slice may reach further."""
    wider = np.broadcast_to((body.x / 150) ** 2 + (body.y / 110) ** 2 < 1, body.hu.shape)
    body.hu[..., 0][wider[..., 0]] = 40
    before = body.hu.copy()
    paint_clothes(
        body, next(s for s in range(60) if np.random.default_rng([s, 9]).uniform(size=5)[4] <= 0.25)
    )
    assert (body.hu != before).any()
    assert np.array_equal(body.hu[before > 0], before[before > 0])
