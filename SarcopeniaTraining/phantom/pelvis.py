"""The false pelvis: iliac wings with iliacus and the gluteal muscles, psoas on its way to them, sacrum.

The wing is a sheet in the ring's coordinates: for each direction the crest has a height, and below it the
bone runs inwards. What lies outside it is gluteal, what lies inside iliacus; both are muscle in the truth.
"""

from dataclasses import dataclass, replace

import numpy as np

from SarcopeniaTraining.phantom.anatomy import Person, RingCoordinates
from SarcopeniaTraining.phantom.back import back_muscles, beside_spine, muscle_depth
from SarcopeniaTraining.phantom.painting import Canvas, Points
from SarcopeniaTraining.phantom.shapes import Field, Wave, smoothstep, superellipse
from SarcopeniaTraining.phantom.trunk import Wall, fatty_streaks, muscle_hu

_AT_DEG = (50.0, 60.0, 82.0, 104.0, 133.0, 150.0, 161.0, 170.0)
"""Directions at which the wing is known, from the anterior to the posterior superior spine."""
_CREST_MM = (-120.0, -76.0, -16.0, 0.0, -12.0, -34.0, -60.0, -110.0)
"""Height of the crest there over (under) its top."""
_INWARDS = (0.05, 0.10, 0.33, 0.42, 0.52, 0.42, 0.12, 0.05)
"""How far the bone goes inwards for each mm below the crest."""
_HALF_MM = (3.5, 4.0, 3.0, 3.2, 6.0, 8.0, 7.0, 5.0)
"""Half the bone's thickness: thick at the spines and the sacroiliac joint."""


@dataclass(frozen=True)
class Pelvis:
    """Sizes of one person's pelvis, mm; see the module for the wing's sheet."""

    crest_z: float
    tilt_mm: float
    lie_mm: float
    flare: float
    iliacus_mm: float
    medius_mm: float
    maximus_mm: float
    sacrum_z: float
    sacrum_slope: float
    ripple: Wave

    @classmethod
    def random(cls, person: Person) -> "Pelvis":
        """The crest's top at L4 or L5, the sacrum's promontory two and a half levels under L3."""
        rng, growth, period = person.rng(60), person.growth(), person.period_mm
        return cls(
            crest_z=float(np.clip(rng.normal(-1.5, 0.22), -2.1, -1.05) * period),
            tilt_mm=float(rng.normal(0, 2.5)),
            lie_mm=float(rng.uniform(5, 11)),
            flare=float(rng.uniform(0.8, 1.2)),
            iliacus_mm=float(np.clip(rng.normal(20, 4), 9, 30) * growth),
            medius_mm=float(np.clip(rng.normal(30, 6), 14, 46) * growth),
            maximus_mm=float(np.clip(rng.normal(24, 6), 8, 38) * growth),
            sacrum_z=float(rng.uniform(-2.6, -2.45) * period),
            sacrum_slope=float(rng.uniform(0.35, 0.8)),
            ripple=Wave.random(rng, 80, 220),
        )

    def below_crest(self, ring: RingCoordinates) -> Field:
        """Depth under the crest at each direction, mm (negative above it)."""
        crest = np.interp(ring.angle, _AT_DEG, _CREST_MM, left=-400, right=-400).astype(np.float32)
        below: Field = np.float32(self.crest_z) + crest + np.float32(self.tilt_mm) * ring.side - ring.z
        return below

    def inside(self, ring: RingCoordinates, below: Field) -> Field:
        """Distance inwards from the middle of the wing's sheet, mm."""
        inwards = np.interp(ring.angle, _AT_DEG, _INWARDS).astype(np.float32)
        sheet = np.float32(self.lie_mm) + np.float32(self.flare) * inwards * np.clip(below, 0, 90)
        inside: Field = ring.depth - sheet - 1.5 * self.ripple(ring.angle * 2 + ring.z + 70 * ring.side)
        return inside


@dataclass(frozen=True, eq=False)
class WingPoints:
    """Points of a row at the wing: depth under its crest, inside of its sheet, and half its thickness."""

    ring: RingCoordinates
    below: Field
    inside: Field
    half: Field


def _wing_points(pelvis: Pelvis, ring: RingCoordinates) -> WingPoints:
    below = pelvis.below_crest(ring)
    bone = np.interp(ring.angle, _AT_DEG, _HALF_MM).astype(np.float32)
    half = bone + 2 * smoothstep((14 - below) / 10)
    return WingPoints(ring, below, pelvis.inside(ring, below), half)


def paint_pelvis(person: Person, canvas: Canvas, ring: RingCoordinates, wall: Wall) -> None:
    """Below the crest: psoas moved outwards, then what the wing carries on both faces, then the wing."""
    pelvis = Pelvis.random(person)
    if float(ring.z.min()) > max(pelvis.crest_z + 20, -1.5 * person.period_mm):
        return
    _move_psoas(person, canvas, ring, pelvis)
    where = np.broadcast_to((ring.depth > -1) & (ring.depth < 90) & (ring.angle > 45), canvas.hu.shape)
    at = _wing_points(pelvis, ring.row(where))
    with canvas.row(where) as row:
        _clear_trunk(row, at, wall)
        _paint_iliacus(person, row, at, pelvis)
        _paint_gluteals(person, row, at, pelvis)
        _paint_wing(person, row, at)


def _move_psoas(person: Person, canvas: Canvas, ring: RingCoordinates, pelvis: Pelvis) -> None:
    """Psoas leaves the vertebrae for the iliacus, and quadratus ends at the crest."""
    rng = person.rng(61)
    psoas, quadratus = back_muscles(person)[:2]
    where = np.broadcast_to(beside_spine(person, ring), canvas.hu.shape)
    ring = person.on_spine(ring.row(where))
    below = np.float32(-1.6 * person.period_mm) - ring.z
    moved, gone = smoothstep(below / 12), smoothstep((np.float32(pelvis.crest_z - 8) - ring.z) / 12)
    down = np.clip(below, 0, 90)
    out, ahead = down * np.float32(rng.uniform(0.35, 0.6)), down * np.float32(rng.uniform(0.1, 0.4))
    shifted = replace(
        ring,
        x=ring.side * np.maximum(np.abs(ring.x) - out, 0),
        y=ring.y - ahead,
        z=np.maximum(ring.z, np.float32(-1.6 * person.period_mm)),
    )
    with canvas.row(where) as row:
        for muscle, fade in ((quadratus, gone), (psoas, moved)):
            depth = muscle_depth(muscle, person, ring) + np.float32(muscle.halo_mm)
            row.blend(row.share(depth) * fade, np.float32(-100), muscle=False)
        depth = muscle_depth(psoas, person, shifted)
        row.blend(row.share(depth + np.float32(psoas.halo_mm)) * moved, np.float32(-100), muscle=False)
        row.blend(row.share(depth) * moved, muscle_hu(person, row, psoas.room), muscle=True)
        streaks = fatty_streaks(person, row, psoas.room + 1)
        row.tint(row.share(depth) * moved * streaks, np.float32(-95))


def _clear_trunk(row: Points, at: WingPoints, wall: Wall) -> None:
    """The abdominal wall and the erector end at the crest: fat on the wing's outer face, and just inside."""
    ring = at.ring
    under = at.below - 4
    outside = np.minimum(np.minimum(ring.depth - 0.5, -at.inside), under)
    outside = np.minimum(outside, (166 - ring.angle) * 2)
    row.paint(outside, np.float32(-102), muscle=False)
    inner = wall.depth_of_inner_face(ring) + 3
    inside = np.minimum(np.minimum(inner - ring.depth, at.inside), under)
    row.paint(np.minimum(inside, (150 - ring.angle) * 2), np.float32(-102), muscle=False)


def _paint_iliacus(person: Person, row: Points, at: WingPoints, pelvis: Pelvis) -> None:
    """Fills the iliac fossa, thickest in its middle, from a little below the crest."""
    profile = smoothstep((at.ring.angle - 58) / 22) * smoothstep((146 - at.ring.angle) / 26)
    thick = np.float32(pelvis.iliacus_mm) * profile * smoothstep((at.below - 4) / 50)
    over = at.inside - at.half
    depth = np.minimum(over, thick - over)
    share = row.share(depth) * smoothstep((thick - 1) / 2)
    fat = row.share(np.minimum(over, thick + np.float32(1.5) - over)) * smoothstep((thick - 0.5) / 2)
    row.blend(fat, np.float32(-98), muscle=False)
    row.blend(share, muscle_hu(person, row, 62), muscle=True)
    row.tint(share * fatty_streaks(person, row, 63), np.float32(-92))


def _paint_gluteals(person: Person, row: Points, at: WingPoints, pelvis: Pelvis) -> None:
    """Medius (with minimus) on the wing's outer face, maximus behind, over it and under the fat."""
    rng = person.rng(64)
    ring, face = at.ring, -at.inside - at.half
    lumps = 2 * Wave.random(rng, 25, 80)(ring.angle * 2 + ring.z + 50 * ring.side)
    profile = smoothstep((ring.angle - 60) / 16) * smoothstep((150 - ring.angle) / 22)
    room = np.maximum(face + ring.depth - np.float32(rng.uniform(1.5, 4)), 0)
    grown = profile * smoothstep((at.below - 4) / 50)
    thick = (np.float32(pelvis.medius_mm) + 2 * lumps) * grown
    thick = np.minimum(thick, room)
    _lay(person, row, np.minimum(face, thick - face), smoothstep((thick - 1) / 2), 65)
    split = np.abs(face - np.float32(rng.uniform(0.3, 0.55)) * thick) - np.float32(rng.uniform(0, 0.5))
    row.tint(row.share(-split) * smoothstep((thick - 10) / 6) * (face > 0) * np.float32(0.8), np.float32(-95))
    profile = smoothstep((ring.angle - 112) / 24) * smoothstep((168 - ring.angle) / 10)
    start = np.float32(rng.uniform(-2.45, -1.95) * person.period_mm)
    thick = np.float32(pelvis.maximus_mm) * profile * smoothstep((start - ring.z) / 50)
    thick = np.minimum(thick, room)
    lens = np.minimum(ring.depth - np.float32(rng.uniform(0.5, 1.5)), thick - ring.depth)
    strength = smoothstep((thick - 1.5) / 2)
    row.blend(row.share(lens + 1) * strength * (ring.depth > 0), np.float32(-98), muscle=False)
    _lay(person, row, lens, strength, 67)


def _lay(person: Person, row: Points, depth: Field, strength: Field, room: int) -> None:
    """Muscle with its streaks of fat."""
    share = row.share(depth) * strength
    row.blend(share, muscle_hu(person, row, room), muscle=True)
    row.tint(share * fatty_streaks(person, row, room + 1, more=0.1), np.float32(-92))


def _paint_wing(person: Person, row: Points, at: WingPoints) -> None:
    """Cortex around marrow; where it is thin the two cortices meet."""
    rng = person.rng(69)
    depth = np.minimum(at.half - np.abs(at.inside), at.below * np.float32(0.8))
    marrow = np.float32(rng.uniform(40, 240))
    grain = 40 * Wave.random(rng, 3, 10, 5)(row.x + row.z) * Wave.random(rng, 3, 10, 5)(row.y)
    row.paint(depth, np.float32(rng.uniform(400, 900)), muscle=False)
    row.paint(depth - np.float32(rng.uniform(1.2, 2.2)), marrow + grain, muscle=False)
    row.exclude(depth + np.float32(1.1))


def paint_sacrum(person: Person, canvas: Canvas, ring: RingCoordinates) -> None:
    """Sacrum down from the promontory: body and wings up to the joints, canal, foramina, crest."""
    pelvis = Pelvis.random(person)
    if float(ring.z.min()) > pelvis.sacrum_z + 8 + canvas.pixel_mm:
        return
    where = np.broadcast_to((ring.depth > -2) & (ring.angle > 70), canvas.hu.shape)
    part = ring.row(where)
    rng = person.rng(71)
    at, spine = _wing_points(pelvis, part), person.on_spine(part)
    down = np.clip(np.float32(pelvis.sacrum_z) - spine.z, 0, 90)
    vx, vy = person.vertebra_mm
    x, y = np.abs(spine.x), spine.y - person.spine_y(spine.z) + np.float32(pelvis.sacrum_slope) * down
    small = 1 - down / np.float32(230)
    body = superellipse(x, y, np.float32(vx * 1.02) * small, np.float32(vy * 0.95) * small, 2.4)
    wide = np.float32(max(rng.uniform(2.6, 3.0) * vx, 0.62 * person.half_width_mm.mean)) * small
    wing = superellipse(x, y + np.float32(vy * 0.9) + 8 * (x / 50) ** 2, wide, np.float32(17) * small, 2.4)
    joint = np.where(at.below > 0, at.inside - at.half - np.float32(rng.uniform(1, 2.5)), np.float32(99))
    joint = np.minimum(joint, np.where(part.angle > 100, np.float32(99), at.inside - 12))
    bone = np.minimum(np.maximum(body, np.minimum(wing, joint)), np.float32(pelvis.sacrum_z) - spine.z + 2)
    ahead = superellipse(x, spine.y - person.spine_y(spine.z), vx + 2.5, vy + 2.5, 2.5)
    ahead = np.minimum(ahead, np.float32(pelvis.sacrum_z) - spine.z)
    canal = superellipse(x, y + np.float32(vy + 8), np.float32(12) * small, np.float32(6.5) * small, 2.0)
    canal = np.minimum(canal, bone + 4)
    step = np.float32(0.8 * person.period_mm)
    within = down - step * (np.floor(down / step) + np.float32(0.5))
    hole = superellipse(x - np.float32(0.85 * vx), y + np.float32(vy * 0.75), 5.5, 7.0, 2.0)
    hole = np.minimum(np.minimum(hole, bone + 3), 7 - np.abs(within))
    with canvas.row(where) as row:
        grain = Wave.random(rng, 3, 9, 5)(row.x + 0.5 * row.y) * Wave.random(rng, 3, 9, 5)(row.y + row.z)
        row.paint(ahead, np.float32(-98), muscle=False)
        row.paint(bone + 1, np.float32(-60), muscle=False)
        row.paint(bone, np.float32(rng.uniform(280, 600)), muscle=False)
        row.paint(bone - np.float32(1.6), np.float32(rng.uniform(20, 180)) + 35 * grain, muscle=False)
        row.paint(canal, np.float32(rng.uniform(-40, 25)), muscle=False)
        row.paint(hole, np.float32(-80), muscle=False)
        row.paint(hole - 2.5, np.float32(25), muscle=False)
        row.exclude(np.maximum(bone, canal) + np.float32(1.2))
