"""What lies around a body in the scanner: table, arms, clothes, and the end of the field of view.

All are drawn in the scanner's coordinates: what is outside the body does not bend with it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.phantom.painting import BODY_HU, Points
from SarcopeniaTraining.phantom.scanner import Scanner
from SarcopeniaTraining.phantom.shapes import Field, rotated, superellipse


@dataclass(frozen=True)
class Arm:
    """A forearm or upper arm beside the body, mm; `gap` between it and the skin."""

    side: int
    height_mm: float
    half_x_mm: float
    half_y_mm: float
    tilt_deg: float
    gap_mm: float
    fat_mm: float
    bones: int
    muscle_hu: float


def arms(rng: np.random.Generator) -> tuple[Arm, ...]:
    """Both arms down in one of nine scans, one in one of twelve."""
    draw = rng.random()
    sides = (-1, 1) if draw < 0.11 else ((-1,) if draw < 0.15 else ((1,) if draw < 0.19 else ()))
    return tuple(
        Arm(
            side=side,
            height_mm=float(rng.uniform(-60, 60)),
            half_x_mm=float(rng.uniform(24, 46)),
            half_y_mm=float(rng.uniform(24, 50)),
            tilt_deg=float(rng.uniform(-40, 40)),
            gap_mm=float(rng.choice([-3.0, 0.0, 4.0, 15.0])),
            fat_mm=float(rng.uniform(2, 12)),
            bones=int(rng.integers(1, 3)),
            muscle_hu=float(rng.uniform(20, 70)),
        )
        for side in sides
    )


def paint_arms(canvas: Points, seed: int) -> None:
    """Arms outside the body: skin, fat, muscle that is none of the trunk's, bone."""
    rng = np.random.default_rng([seed, 8])
    for arm in arms(rng):
        beside = _side_of_body(canvas, arm)
        if beside is None:
            continue
        x = canvas.x - np.float32(beside + arm.side * (arm.half_x_mm + arm.gap_mm))
        u, v = rotated(x, canvas.y - np.float32(arm.height_mm), arm.tilt_deg)
        depth = superellipse(u, v, arm.half_x_mm, arm.half_y_mm, 2.2)
        outside = np.clip((-500 - canvas.hu) / 300, 0, 1)
        _outside_body(canvas, depth, np.float32(rng.uniform(-10, 40)), outside)
        _outside_body(canvas, depth - 2, np.float32(-100), outside)
        septum = np.abs(v - np.float32(4) * np.sin(u / 9)) - np.float32(rng.uniform(0.2, 1.5))
        meat = np.minimum(depth - 2 - np.float32(arm.fat_mm), septum)
        _outside_body(canvas, meat, np.float32(arm.muscle_hu), outside)
        for number in range(arm.bones):
            at = (number - (arm.bones - 1) / 2) * 22
            bone = superellipse(u - np.float32(at), v, 8.0, 7.0, 2.0)
            _outside_body(canvas, bone, np.float32(rng.uniform(600, 1300)), outside)
            _outside_body(canvas, bone - 3, np.float32(rng.uniform(0, 200)), outside)


def _outside_body(canvas: Points, depth: Field, hu: np.float32, outside: Field) -> None:
    canvas.hu += outside * canvas.share(depth) * (hu - canvas.hu)


def _side_of_body(canvas: Points, arm: Arm) -> float | None:
    """Where the body ends on the arm's side, as far out as it does anywhere at the arm's height."""
    near = np.abs(canvas.y - np.float32(arm.height_mm)) < arm.half_y_mm * 0.6
    inside = (canvas.hu > BODY_HU) & near
    x = np.broadcast_to(canvas.x, inside.shape)[inside]
    if not x.size:
        return None
    return float(x.max() if arm.side > 0 else x.min())


def paint_table(canvas: Points, lowest_skin_mm: float, seed: int) -> None:
    """A flat or curved couch with a thin dense shell and foam inside, just below the body."""
    rng = np.random.default_rng([seed, 3])
    gap, sag = rng.uniform(0, 12), rng.uniform(0, 0.0016)
    top = np.float32(lowest_skin_mm - gap) + np.float32(sag) * canvas.x**2
    depth = np.minimum(top - canvas.y, canvas.y - top + np.float32(rng.uniform(14, 45)))
    depth = np.minimum(depth, np.float32(rng.uniform(200, 260)) - np.abs(canvas.x))
    outside = np.clip((-700 - canvas.hu) / 200, 0, 1)
    shell, foam = np.float32(rng.uniform(-300, 150)), np.float32(rng.uniform(-980, -850))
    canvas.hu += outside * canvas.share(depth) * (shell - canvas.hu)
    canvas.hu += outside * canvas.share(depth - np.float32(1.8)) * (foam - canvas.hu)


def paint_clothes(canvas: Points, seed: int) -> None:
    """In a quarter of scans a sheet or a gown, a millimetre thick, some way off the skin."""
    from scipy.ndimage import distance_transform_edt

    rng = np.random.default_rng([seed, 9])
    off, thick = rng.uniform(1.5, 14), rng.uniform(0.6, 1.6)
    hu, arc = np.float32(rng.uniform(-800, -250)), rng.uniform(-np.pi, np.pi)
    if rng.random() > 0.25:
        return
    middle = canvas.hu[:, :, canvas.hu.shape[2] // 2] > BODY_HU
    distance_mm = np.asarray(distance_transform_edt(~middle), np.float32) * np.float32(canvas.pixel_mm)
    ripple = np.float32(3) * np.sin(canvas.x[..., 0] / 17) * np.sin(canvas.y[..., 0] / 23)
    around = np.arctan2(canvas.y[..., 0], canvas.x[..., 0]) + np.float32(arc)
    sheet = np.float32(thick / 2) - np.abs(distance_mm - np.float32(off) - ripple)
    share = canvas.share(sheet) * (np.cos(around) > -0.5) * (distance_mm > 0.7)
    outside = np.clip((-700 - canvas.hu) / 200, 0, 1)
    canvas.hu += outside * share[:, :, None] * (hu - canvas.hu)


def surround(canvas: Points, scanner: Scanner, seed: int) -> NDArray[np.bool_] | None:
    """Paint all of it around a body that is painted already.

    Returns
    -------
    (i, j, s) bool: what a field of view too small for the body leaves out; None where it is large enough.
    """
    body = canvas.hu > BODY_HU
    if not body.any():
        return None
    x, y = (np.broadcast_to(c, body.shape)[body] for c in (canvas.x, canvas.y))
    lowest_mm, half_width_mm = float(y.min()), float(np.abs(x).max())
    paint_arms(canvas, seed)
    if scanner.table:
        paint_table(canvas, lowest_mm, seed)
    paint_clothes(canvas, seed)
    missing = outside_field(canvas, seed, half_width_mm)
    return None if missing is None else np.broadcast_to(missing, body.shape)


def outside_field(canvas: Points, seed: int, half_width_mm: float) -> NDArray[np.bool_] | None:
    """(i, j, 1): what lies outside a round field of view, in one of fourteen scans.

    Parameters
    ----------
    half_width_mm:
        Of the body; the field's radius is 0.82–1.02 of it.
    """
    rng = np.random.default_rng([seed, 10])
    radius, shift = half_width_mm * rng.uniform(0.82, 1.02), rng.normal(0, 10, 2)
    if rng.random() > 1 / 14:
        return None
    x, y = canvas.x - np.float32(shift[0]), canvas.y - np.float32(shift[1])
    outside: NDArray[np.bool_] = np.hypot(x, y) > radius
    return outside[:, :, :1]
