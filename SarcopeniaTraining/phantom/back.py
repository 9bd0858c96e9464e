"""Psoas, quadratus lumborum, erector spinae with multifidus, and the spine."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.phantom.anatomy import Person, RingCoordinates
from SarcopeniaTraining.phantom.painting import Canvas
from SarcopeniaTraining.phantom.shapes import Field, Wave, box, rotated, smoothstep, superellipse
from SarcopeniaTraining.phantom.trunk import fatty_streaks, muscle_hu


@dataclass(frozen=True)
class BackMuscle:
    """One paired muscle: centre and half axes in mm relative to the vertebral body, at L3."""

    x: float
    y: float
    half_x: float
    half_y: float
    exponent: float
    tilt_deg: float
    per_mm: float
    """Relative growth of the half axes for each mm upwards."""
    halo_mm: float
    room: int
    size: tuple[float, float] = (1.0, 1.0)
    """Factors of the right and the left one."""


def back_muscles(person: Person) -> tuple[BackMuscle, ...]:
    """Draw the four pairs from front to back; sizes scale with the person's muscularity.

    In three of five people the muscles lie close together, in the others fat parts them.
    """
    rng = person.rng(5)
    growth = person.growth() * (1.0 if person.sex == "male" else 0.9)
    vx, vy = person.vertebra_mm
    psoas_x, psoas_y = rng.normal(18.5, 2) * growth, rng.normal(22, 2.5) * growth
    erector_x, erector_y = rng.normal(37, 3), rng.normal(25, 2.5) * growth
    quadratus_x, quadratus_y = rng.normal(23, 3) * growth**0.5, rng.normal(7.5, 1.5) * growth
    close = rng.random() < 0.6
    pair = partial(_pair, person, rng, 1.2 if close else 5.0)
    erector_top = -vy - rng.uniform(6, 12)
    multifidus_x, multifidus_y = rng.uniform(11, 16), rng.uniform(12, 19) * growth**0.5
    psoas = pair(
        (vx + psoas_x * rng.uniform(0.75, 1.0), rng.uniform(-8, 2) - 0.2 * vy, psoas_x, psoas_y),
        (rng.uniform(2, 2.4), rng.normal(-15, 10), -1 / 150),
        30,
    )
    aside = rng.uniform(0.8 if close else 0.9, 1.1 if close else 1.25)
    before = rng.uniform(0.6 if close else 0.8, 1.2 if close else 1.6)
    quadratus = pair(
        (vx + 17 + quadratus_x * aside, erector_top + quadratus_y * before, quadratus_x, quadratus_y),
        (rng.uniform(2, 2.8), rng.normal(-8, 9), -1 / 260),
        32,
    )
    multifidus = pair(
        (multifidus_x + rng.uniform(1, 4), -vy - 19 - multifidus_y, multifidus_x, multifidus_y),
        (rng.uniform(2.2, 3.5), rng.normal(0, 5), -1 / 500),
        34,
    )
    erector = pair(
        (erector_x + rng.uniform(1, 5), erector_top - erector_y, erector_x, erector_y),
        (rng.uniform(2.1, 3), rng.normal(8, 6), 1 / 700),
        36,
    )
    return psoas, quadratus, multifidus, erector


def _pair(
    person: Person,
    rng: np.random.Generator,
    widest_halo_mm: float,
    place_and_size_mm: tuple[float, float, float, float],
    shape: tuple[float, float, float],
    room: int,
) -> BackMuscle:
    """One pair: centre and half axes; exponent, tilt, and growth for each mm upwards."""
    x, y, half_x, half_y = (float(value) for value in place_and_size_mm)
    exponent, tilt_deg, per_mm = (float(value) for value in shape)
    halo_mm = float(np.exp(rng.uniform(np.log(0.4), np.log(widest_halo_mm))))
    size = person.bend.size[(room - 30) // 2]
    return BackMuscle(x, y, half_x, half_y, exponent, tilt_deg, per_mm, halo_mm, room, size)


def muscle_depth(muscle: BackMuscle, person: Person, ring: RingCoordinates) -> Field:
    """Depth inside a paired muscle, mm."""
    right, left = muscle.size
    grow = np.clip(1 + ring.z * np.float32(muscle.per_mm), 0.12, 1.6)
    grow = grow * np.where(ring.side > 0, np.float32(right), np.float32(left))
    x: Field = np.abs(ring.x) - np.float32(muscle.x)
    y: Field = ring.y - person.spine_y(ring.z) - np.float32(muscle.y)
    x, y = rotated(x, y, muscle.tilt_deg)
    rng = person.rng(muscle.room + 60)
    lumps = Wave.random(rng, 16, 60)(x + ring.side * 50 + 0.3 * ring.z) * Wave.random(rng, 16, 60)(y)
    return (
        superellipse(x, y, muscle.half_x * grow, muscle.half_y * grow, muscle.exponent)
        + np.float32(1.5) * lumps
    )


def beside_spine(person: Person, ring: RingCoordinates) -> NDArray[np.bool_]:
    """Where psoas and quadratus may lie, those of a bent spine too."""
    y = ring.y - person.spine_y(ring.z)
    near: NDArray[np.bool_] = (np.abs(ring.x) < 125) & (y > -80) & (y < 85)
    return near


def paint_back(person: Person, canvas: Canvas, ring: RingCoordinates) -> None:
    """Muscles from front to back, each with fat around it and streaks and septa inside."""
    for number, muscle in enumerate(back_muscles(person)):
        reach = muscle.x + muscle.half_x * 1.6 + 8
        part = np.abs(ring.x) < reach
        depth = np.where(part, muscle_depth(muscle, person, ring), np.float32(-99))
        depth = np.minimum(depth, ring.depth - np.float32(0.6))
        canvas.paint(
            np.minimum(depth + np.float32(muscle.halo_mm), ring.depth), np.float32(-100), muscle=False
        )
        share = canvas.share(depth)
        canvas.blend(share, muscle_hu(person, canvas, muscle.room), muscle=True)
        streaks = fatty_streaks(person, canvas, muscle.room + 1, more=0.15 if number == 2 else 0.0)
        if number == 3:
            streaks = np.maximum(streaks, _septa(person, ring) * np.float32(0.9))
        canvas.tint(streaks * share, np.float32(-95))


def _septa(person: Person, ring: RingCoordinates) -> Field:
    """Fat planes of the erector fanning out from the lamina, as at the border of the multifidus."""
    rng = person.rng(6)
    x, y = np.abs(ring.x), ring.y - person.spine_y(ring.z) + person.vertebra_mm[1] + 8
    fan = np.degrees(np.arctan2(x, -y))
    total = np.zeros_like(fan)
    for _ in range(int(rng.integers(0, 4))):
        at, width = rng.uniform(20, 75), rng.uniform(0.3, 1.5) * (0.5 + person.fatty)
        bend = 6 * Wave.random(rng, 15, 50)(x + ring.z * 0.3 + 50 * ring.side)
        off = np.abs(fan - np.float32(at) - bend) * np.hypot(x, y) * np.float32(np.pi / 180)
        total = np.maximum(total, np.clip(np.float32(width) - off + np.float32(0.3), 0, 1))
    return total


def paint_spine(person: Person, canvas: Canvas, ring: RingCoordinates) -> None:
    """Bodies, discs, canal, arches and processes; bone's partial-volume rim is taken out of the outline."""
    rng = person.rng(7)
    vx, vy = person.vertebra_mm
    period = person.period_mm
    y = ring.y - person.spine_y(ring.z)
    within = ring.z - period * np.round(ring.z / period)  # mm from the nearest body's mid-height
    near = np.abs(ring.x) < 75
    waist = 1 - np.float32(0.09) * np.cos(np.clip(within / period * 2 * np.pi, -np.pi, np.pi))
    body = superellipse(ring.x, y, vx * waist, vy * waist, 2.5)
    body = np.where(near, body, np.float32(-99))
    disc = np.abs(within) > period * 0.39
    marrow, cortex = np.float32(rng.uniform(90, 260)), np.float32(rng.uniform(350, 750))
    grain = 30 * Wave.random(rng, 3, 9, 5)(ring.x + 0.5 * y) * Wave.random(rng, 3, 9, 5)(y - 0.4 * ring.x)
    canvas.paint(body + np.float32(1.2), np.float32(-60), muscle=False)
    canvas.paint(body, np.where(disc, np.float32(rng.uniform(60, 110)), cortex), muscle=False)
    canvas.paint(
        np.where(disc, np.float32(-99), body - np.float32(1.8)),
        np.where(np.abs(within) > period * 0.34, cortex, marrow + grain),
        muscle=False,
    )
    bone = _arch_depth(person, ring, y, within, rng)
    canvas.paint(
        np.where(near, bone + np.float32(0.8), np.float32(-99)),
        np.float32(rng.uniform(-60, 30)),
        muscle=False,
    )
    canvas.paint(np.where(near, bone, np.float32(-99)), np.float32(rng.uniform(350, 900)), muscle=False)
    canvas.paint(np.where(near, bone - np.float32(2.2), np.float32(-99)), marrow + grain + 60, muscle=False)
    canal = superellipse(
        ring.x, y + vy + np.float32(9), np.float32(rng.uniform(9, 13)), np.float32(rng.uniform(7, 9.5)), 2.0
    )
    canvas.paint(canal, np.float32(rng.uniform(-60, 10)), muscle=False)
    canvas.paint(canal - np.float32(rng.uniform(1, 3)), np.float32(rng.uniform(10, 45)), muscle=False)
    canvas.exclude(
        np.maximum(np.maximum(body, np.where(near, bone, np.float32(-99))), canal) + np.float32(1.3)
    )


def _arch_depth(
    person: Person, ring: RingCoordinates, y: Field, within: Field, rng: np.random.Generator
) -> Field:
    """Depth inside pedicles, laminae, facets, transverse and spinous processes, mm."""
    _, vy = person.vertebra_mm
    x = np.abs(ring.x)
    centre_y = -vy - np.float32(9)
    pedicle = box(x - np.float32(13), y - (centre_y + 6), np.float32(4.5), np.float32(11))
    pedicle = np.minimum(pedicle, 8 - np.abs(within - 5))
    ringwise = superellipse(ring.x, y - centre_y, 17.0, 14.0, 2.0)
    hole = superellipse(ring.x, y - centre_y, 11.0, 8.5, 2.0)
    lamina = np.minimum(np.minimum(ringwise, -hole), np.minimum(centre_y + 6 - y, 13 - np.abs(within + 4)))
    facet = superellipse(x - np.float32(17), y - centre_y + 6, 7.5, 7.0, 2.2)
    facet = np.minimum(facet, 7 - np.abs(np.abs(within) - 14))
    length = np.float32(rng.uniform(24, 34))
    tx, ty = rotated(x - np.float32(14), y - centre_y - np.float32(2), float(rng.normal(-12, 6)))
    transverse = np.minimum(np.minimum(length - tx, tx + 2), np.float32(rng.uniform(2.6, 4.5)) - np.abs(ty))
    transverse = np.minimum(transverse, 5.5 - np.abs(within - 3))
    reach = np.float32(rng.uniform(24, 36))
    spinous = box(ring.x, y - (centre_y - 10 - reach / 2), np.float32(rng.uniform(2.4, 4.5)), reach / 2)
    spinous = np.minimum(spinous, 11 - np.abs(within + 7))
    depth: Field = np.maximum.reduce(np.broadcast_arrays(pedicle, lamina, facet, transverse, spinous))
    return depth


def paint_midline_ligament(person: Person, canvas: Canvas, ring: RingCoordinates) -> None:
    """Interspinous and supraspinous tissue: soft, in the midline, and not muscle."""
    rng = person.rng(8)
    y = ring.y - person.spine_y(ring.z)
    top = -person.vertebra_mm[1] - np.float32(20)
    strip = np.minimum(np.float32(rng.uniform(1.2, 3.5)) - np.abs(ring.x), top - y)
    strip = np.minimum(strip, ring.depth + np.float32(2))
    share = canvas.share(strip) * smoothstep(ring.depth / 2 + 1)
    canvas.blend(share, np.float32(rng.uniform(-70, 60)), muscle=False)
