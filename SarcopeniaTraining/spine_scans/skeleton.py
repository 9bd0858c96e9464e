"""Ribs, sacrum, hip bones and femora around a planned spine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.spine_unet import SpineClass
from SarcopeniaTraining.spine_scans.canvas import Canvas, Frame, turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.spine_scans.spine_plan import SpinePlan, Vertebra
    from SarcopeniaTraining.spine_scans.trunk import Trunk
    from SarcopeniaTraining.spine_scans.vertebrae import BoneDensity

RIB_ROOT_MM = 45.0
"""So far from its head a rib counts as its root, which tells to which vertebra it belongs."""
_STEP_MM = 9.0


def paint_ribs(
    canvas: Canvas, plan: SpinePlan, trunk: Trunk, bone: BoneDensity, rng: np.random.Generator
) -> None:
    """Paint every rib along the wall of the chest, sloping down; the lowest end free."""
    slope, hang = rng.uniform(0.3, 0.8), rng.uniform(0.35, 1.0)
    for vertebra in plan.vertebrae:
        for sign, length in zip((-1, 1), vertebra.ribs_mm, strict=True):
            if length <= 0:
                continue
            hu = 0.45 * bone.cortex + 0.55 * bone.spongy + rng.normal(0, 20)
            free = vertebra.name in ("T11", "T12", "L1")
            way = _rib(canvas, vertebra, trunk, (sign, length, slope, hang if free else 0.0))
            run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))])
            thick = 3.6 if free else 4.4
            for n in range(len(way) - 1):
                kind = SpineClass.RIB_ROOT if run[n] < RIB_ROOT_MM else SpineClass.RIB
                canvas.rod(way[n : n + 2], thick, hu, kind)
                if not free:
                    canvas.rod(way[n : n + 2] - [0, 0, 4.5], thick, hu, kind)


def _rib(
    canvas: Canvas, vertebra: Vertebra, trunk: Trunk, course: tuple[int, float, float, float]
) -> NDArray[np.float64]:
    """World points of a rib, `_STEP_MM` apart, as long as it is."""
    sign, length, slope, hang = course
    frame, half = vertebra.frame, vertebra.height_mm / 2
    low = vertebra.name in ("T11", "T12", "L1")
    head = frame.world(
        sign * (vertebra.width_mm / 2 + 1), -vertebra.depth_mm / 2 + 5, (0.25 if low else 0.85) * half
    )
    neck = frame.world(sign * (vertebra.width_mm / 2 + 17), -vertebra.depth_mm / 2 - 13, 0.2 * half)
    way = [head, (head + neck) / 2, neck]
    z = canvas.along[2]
    run, angle = 0.0, None
    x, y, up = neck
    while run < max(length - 26, 1):
        a, b, c = (float(np.interp(up, z, v)) for v in (trunk.half_width, trunk.half_depth, trunk.middle_y))
        a, b = a - trunk.fat_mm - 5, b - trunk.fat_mm - 5
        if angle is None:
            angle = float(np.arctan2((y - c) / b, abs(x) / a))
        pull = min(run / 45, 1.0)  # from the neck onto the wall
        step = _STEP_MM / max(np.hypot(a * np.sin(angle), b * np.cos(angle)), 30)
        angle = angle + step
        wall = np.array([sign * a * np.cos(angle), c + b * np.sin(angle)])
        straight = np.array([x + sign * 7.0, y - 4.0])
        new = straight * (1 - pull) + wall * pull
        up = up - _STEP_MM * (slope * (0.6 + 0.4 * pull) + hang * 0.5 * pull)
        x, y = float(new[0]), float(new[1])
        way.append(np.array([x, y, up]))
        run += _STEP_MM
    points = np.array(way)
    if length < 26:
        points = points[: 2 if length < 14 else 3]
    return points


def paint_sacrum(canvas: Canvas, plan: SpinePlan, bone: BoneDensity, rng: np.random.Generator) -> None:
    """Paint the fused segments with their wings, a remnant of the first disc, crest and canal."""
    hard = 0.65 * bone.spongy + 0.35 * bone.cortex
    kind = SpineClass.SACRUM
    remnant = rng.random() < 0.6
    for n, (frame, (width, depth, height)) in enumerate(zip(plan.sacrum, plan.sacrum_sizes_mm, strict=True)):
        canvas.ellipsoid(frame, (width * 0.56, depth * 0.6, height * 0.72), bone.spongy * 0.95, kind)
        if n < 3:
            for sign in (-1, 1):
                wing = (24.0, 15.0, 20.0) if n == 0 else (22.0, 13.0, 18.0) if n == 1 else (15.0, 10.0, 14.0)
                place = frame.world(sign * (0.5 * width + wing[0] * 0.55), -6.0, -1.0)
                canvas.ellipsoid(Frame(place, frame.axes), wing, bone.spongy * 0.75, kind)
        crest = frame.world(0, -depth * 0.5 - 16, 0)
        canvas.ellipsoid(Frame(frame.world(0, -depth * 0.5 - 8, 0), frame.axes), (9, 5, height * 0.7), 20.0)
        canvas.ellipsoid(Frame(crest, frame.axes), (14, 4, height * 0.6), hard, kind)
    for n, (frame, (width, depth, height)) in enumerate(zip(plan.sacrum, plan.sacrum_sizes_mm, strict=True)):
        edge = Frame(frame.world(0, depth * 0.45, 0), frame.axes)
        canvas.ellipsoid(edge, (width * 0.42, 2.5, height * 0.5), hard)
        for sign in (-1, 1):  # foramina, and the plate towards the hip bone
            hole = frame.world(sign * 0.5 * width, -2.0, -height / 2)
            canvas.ellipsoid(Frame(hole, frame.axes), (5, 12, 5), -20.0)
        if n == 0:
            top = Frame(frame.world(0, 0, height / 2), frame.axes)
            canvas.ellipsoid(top, (width * 0.48, depth * 0.46, 2.2), hard)
        if n < 2 and remnant:
            gap = Frame(frame.world(0, 0, -height / 2 - 1), frame.axes)
            canvas.ellipsoid(gap, (width * 0.3, depth * 0.3, 2.0), 80.0)
        remnant = remnant and rng.random() < 0.4


def paint_pelvis(canvas: Canvas, plan: SpinePlan, bone: BoneDensity, rng: np.random.Generator) -> float:
    """Paint hip bones, pubis and femora; return the crest's highest superior coordinate, mm.

    The crest stands about level with the last disc but one (Chakraverty et al. 2007, J Anat 211:232).
    """
    crest = _crest_mm(plan, rng)
    s, hard, kind = plan.size, 0.55 * bone.cortex + 0.45 * bone.spongy, SpineClass.ILIUM
    wide, back = s * rng.normal(130, 7), s * rng.normal(-52, 6)
    for sign in (-1, 1):
        socket = np.array([sign * 82.0 * s, 8.0, -92.0 * s])
        knots = np.array(
            [
                [48 * s, back, -28 * s],
                [78 * s, back + 2, 0.55 * crest],
                [0.86 * wide, -26 * s, 0.95 * crest],
                [wide, 2.0, crest],
                [wide + 1, 30 * s, 0.75 * crest],
                [0.94 * wide, 52 * s, 0.3 * crest - 8],
                [0.88 * wide, 58 * s, -32 * s],
            ]
        ) * [sign, 1, 1]
        along = np.linspace(0, len(knots) - 1, 26)
        rim = np.stack([np.interp(along, np.arange(len(knots)), knots[:, axis]) for axis in range(3)], axis=1)
        for n, point in enumerate(rim):
            middle = (0.45 * point + 0.55 * socket) * [1, 1, 1] + [-sign * 3, -4, 0]
            canvas.rod(np.array([point, middle]), 3.4, hard, kind)
            canvas.rod(np.array([middle, socket + np.array([0, 0, 24])]), 4.6, hard, kind)
            if n + 1 < len(rim):
                canvas.rod(rim[n : n + 2], 5.6, hard * 0.9, kind)
        _hip(canvas, sign, socket, (hard, bone.spongy, s))
    return crest


def _crest_mm(plan: SpinePlan, rng: np.random.Generator) -> float:
    """Superior coordinate of the iliac crest above the sacrum's upper end (which is 0)."""
    level = rng.normal(0.45, 0.28)  # 0: the last disc but one; 1: the middle of the last vertebra but one
    last, above = plan.vertebrae[-1], plan.vertebrae[-2]
    disc = float(last.frame.world(0, 0, last.height_mm / 2)[2]) + above.disc_mm / 2
    by_disc = disc + level * above.height_mm / 2
    by_sacrum = plan.size * rng.normal(46, 7)
    return float(max(0.5 * (by_disc + by_sacrum) if plan.variant != "normal" else by_disc, 12.0))


def _hip(canvas: Canvas, sign: int, socket: NDArray[np.float64], bone: tuple[float, float, float]) -> None:
    """Acetabulum, pubis, ischium, and the femur's head, neck and shaft."""
    hard, spongy, s = bone
    kind, upright = SpineClass.ILIUM, turned(0.0)
    canvas.ellipsoid(Frame(socket, upright), (30 * s, 32 * s, 32 * s), hard * 0.8, kind)
    front = np.array([[sign * 55.0, 38, socket[2] - 5], [sign * 8.0, 52, socket[2] - 25]])
    canvas.rod(np.vstack([socket[None], front]), 8.0, hard, kind)
    sit = np.array([socket, [sign * 62.0, -25, socket[2] - 50], [sign * 10.0, 45, socket[2] - 45]])
    canvas.rod(sit, 10.0, hard, kind)
    head = socket + np.array([sign * 6, 2, -4])
    canvas.ellipsoid(Frame(head, upright), (27 * s, 27 * s, 27 * s), 10.0, SpineClass.OTHER)
    canvas.ellipsoid(Frame(head, upright), (24 * s, 24 * s, 24 * s), spongy * 1.3 + 60, SpineClass.OTHER)
    trochanter = head + np.array([sign * 52, -6, -30])
    canvas.rod(
        np.array([head, trochanter, trochanter + np.array([0, 0, -140])]), 15.0 * s, hard, SpineClass.OTHER
    )
