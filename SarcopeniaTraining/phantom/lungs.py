"""What the rib cage holds: stomach under its dome, lungs in their recesses, heart, gullet and crura.

The lung is a crescent between the chest wall and the diaphragm that grows upwards until it fills the
chest; behind it reaches down to T12 or L1, at the side to T11, in front to T9. None of this is muscle in
the truth: a reader outlines neither the dome of the diaphragm nor its crura.
"""

from dataclasses import dataclass

import numpy as np

from SarcopeniaTraining.phantom.anatomy import Person, RingCoordinates
from SarcopeniaTraining.phantom.back import back_muscles, beside_spine, muscle_depth
from SarcopeniaTraining.phantom.cage import PLEURA_MM, Cage
from SarcopeniaTraining.phantom.painting import Canvas, Points
from SarcopeniaTraining.phantom.shapes import Field, Grain, Wave, ellipsoid, rotated, smoothstep, superellipse
from SarcopeniaTraining.phantom.trunk import Wall, muscle_hu

LUNG_HU = -850.0


@dataclass(frozen=True)
class Recess:
    """Lower borders of the pleura and the diaphragm's dome, mm.

    Attributes
    ----------
    behind_z, beside_z, ahead_z:
        Lowest lung behind, at the side and in front.
    dome_mm, reach_mm:
        Height of the dome over its border (right, left), and how far inwards from the wall its top lies.
    """

    behind_z: float
    beside_z: float
    ahead_z: float
    dome_mm: tuple[float, float]
    reach_mm: float
    ripple: Wave

    @classmethod
    def random(cls, person: Person) -> "Recess":
        """Breath held somewhere between full expiration and inspiration."""
        rng, p = person.rng(53), person.period_mm
        breath = rng.uniform(-0.5, 0.5)
        return cls(
            behind_z=float((2.2 - breath + rng.normal(0, 0.12)) * p),
            beside_z=float((3.0 - breath + rng.normal(0, 0.15)) * p),
            ahead_z=float((4.7 - breath + rng.normal(0, 0.2)) * p),
            dome_mm=(float(rng.uniform(85, 115)), float(rng.uniform(75, 105))),
            reach_mm=float(person.half_depth_mm.mean * rng.uniform(0.65, 0.9)),
            ripple=Wave.random(rng, 30, 100),
        )

    def crescent(self, ring: RingCoordinates) -> Field:
        """Width of the lung between wall and diaphragm at each direction and height, mm."""
        behind = smoothstep((ring.angle - 85) / 60)
        ahead = smoothstep((88 - ring.angle) / 60)
        lowest = np.float32(self.beside_z) + behind * np.float32(self.behind_z - self.beside_z)
        lowest = lowest + ahead * np.float32(self.ahead_z - self.beside_z)
        lowest = lowest + 5 * self.ripple(ring.angle * 2 + 100 * ring.side)
        right, left = (np.float32(height) for height in self.dome_mm)
        up = np.clip((ring.z - lowest) / np.where(ring.side > 0, right, left), 0, 1)
        width: Field = np.float32(self.reach_mm) * (1 - np.sqrt(1 - up**2)) * 1.6
        return width


def paint_chest_cavity(person: Person, canvas: Canvas, ring: RingCoordinates, cage: Cage, wall: Wall) -> None:
    """Everything inside the ribs that is not already drawn with the organs of the belly."""
    if float(ring.z.max()) < 0.2 * person.period_mm:
        return
    _clear_quadratus(person, canvas, ring, cage)
    _clear_erector(person, canvas, ring, cage, wall)
    where = np.broadcast_to(ring.depth > 1, canvas.hu.shape).copy()
    part = ring.row(where)
    inner = cage.inward(part, wall, person.spine_y(part.z)) - np.float32(cage.intercostal_mm / 2 + PLEURA_MM)
    within = inner > -2 * canvas.pixel_mm
    where[where] = within
    part, inner = part.row(within), inner[within]
    with canvas.row(where) as row:
        _paint_stomach(person, row, part, inner)
        _paint_lungs(person, row, part, inner)
        _paint_heart(person, row, part, inner)
        _paint_crura(person, row, part)


def _clear_quadratus(person: Person, canvas: Canvas, ring: RingCoordinates, cage: Cage) -> None:
    """Quadratus lumborum ends at the twelfth rib, psoas at T12."""
    if float(ring.z.max()) < min(2.3 * person.period_mm, cage.lowest_mm):
        return
    psoas, quadratus = back_muscles(person)[:2]
    where = np.broadcast_to(beside_spine(person, ring), canvas.hu.shape)
    part = ring.row(where)
    twelfth, spine = cage.ribs[0].height(part.angle, part.side)[0], person.on_spine(part)
    with canvas.row(where) as row:
        for muscle, height in ((quadratus, twelfth - 18), (psoas, np.float32(2.3 * person.period_mm))):
            gone = smoothstep((part.z - height) / 12)
            depth = muscle_depth(muscle, person, spine) + np.float32(muscle.halo_mm)
            row.blend(row.share(depth) * gone, np.float32(-100), muscle=False)


def _clear_erector(person: Person, canvas: Canvas, ring: RingCoordinates, cage: Cage, wall: Wall) -> None:
    """Above the twelfth rib no erector lies in front of the ribs."""
    if float(ring.z.max()) < cage.lowest_mm:
        return
    where = np.broadcast_to((ring.angle > 115) & (ring.depth > 5), canvas.hu.shape)
    part = ring.row(where)
    ahead = cage.inward(part, wall, person.spine_y(part.z))
    ahead = np.minimum(ahead, np.abs(part.x) - np.float32(25))
    depth = muscle_depth(back_muscles(person)[-1], person, person.on_spine(part)) + 2
    gone = smoothstep(cage.above_margin(part.angle, part.z) / 15)
    with canvas.row(where) as row:
        row.blend(row.share(np.minimum(depth, ahead)) * gone, np.float32(-100), muscle=False)


def _paint_stomach(person: Person, row: Points, ring: RingCoordinates, inner: Field) -> None:
    """A bag under the left dome: wall, fluid or food, and gas in front where the patient lies on the back."""
    rng = person.rng(54)
    a, b, p = person.half_width_mm.mean, person.half_depth_mm.mean, person.period_mm
    x, y, z = -a * rng.uniform(0.22, 0.5), b * rng.uniform(0.1, 0.5), p * rng.uniform(2.6, 4.2)
    radii = (
        float(a * rng.uniform(0.22, 0.42)),
        float(b * rng.uniform(0.22, 0.42)),
        float(rng.uniform(45, 80)),
    )
    tilt, lean = rng.uniform(-40, 40), rng.normal(0, 0.25, 2)
    thick, hu, fluid = rng.uniform(2, 6), rng.uniform(30, 95), rng.uniform(-5, 60)
    level = rng.uniform(-0.6, 0.9) * radii[1]
    dz = ring.z - np.float32(z)
    u, v = ring.x - np.float32(x) - np.float32(lean[0]) * dz, ring.y - np.float32(y)
    v = v - np.float32(lean[1]) * dz
    near = np.maximum(np.abs(u), np.abs(v)) < max(radii[:2]) + 4 + 4 * row.pixel_mm
    u, v = rotated(u[near], v[near], tilt)
    folds = 2 * Wave.random(rng, 22, 70)(u) * Wave.random(rng, 22, 70)(v)
    depth = np.minimum(ellipsoid(u, v, dz[near], radii) + folds, inner[near] - np.float32(2))
    content = depth - np.float32(thick)
    with row.row(near) as part:
        part.paint(depth, np.float32(hu), muscle=False)
        part.paint(content, np.float32(fluid), muscle=False)
        part.paint(np.minimum(content, part.y - np.float32(y + level)), np.float32(-960), muscle=False)


def _paint_lungs(person: Person, row: Points, ring: RingCoordinates, inner: Field) -> None:
    """Diaphragm, lung with vessels; atelectasis in one of three, an effusion in one of nine."""
    rng = person.rng(55)
    recess = Recess.random(person)
    spine_y = person.spine_y(ring.z)
    x, y = np.abs(ring.x), ring.y - spine_y
    vx, vy = person.vertebra_mm
    aside = np.float32(vx + 3) + np.float32(rng.uniform(12, 24)) * smoothstep((y + 6) / 28)
    aside = aside + 10 * smoothstep((-vy - y - 2) / 8)
    # Above the dome the mediastinum is as wide as the heart.
    aside = aside + np.float32(rng.uniform(14, 24)) * smoothstep((y - vy - 20) / 40)
    width = recess.crescent(ring)
    depth = np.minimum(np.minimum(inner - np.float32(0.5), width - inner), x - aside)
    thick = np.float32(rng.uniform(1.2, 3) * person.growth())
    dome = np.minimum(np.minimum(inner, width + thick - inner), x - aside + thick)
    there = smoothstep((width - 0.3) / 0.6)  # a depth alone would leave a share of a coarse pixel
    row.blend(row.share(dome) * there, np.float32(person.muscle_hu), muscle=False)
    deep = np.clip((40 - y) / 120, 0, 1) * np.float32(rng.uniform(0, 90))
    base = np.float32(LUNG_HU + np.clip(rng.normal(0, 30), -60, 60)) + deep
    row.blend(row.share(depth) * there, base, muscle=False)
    _paint_vessels(row, depth, Grain.random(rng, 7, 26, stretch=1.8, n=9))
    if rng.random() < 0.35:
        patch = np.float32(rng.uniform(2, 14)) * (1 + Wave.random(rng, 20, 80)(ring.angle * 2 + ring.z))
        low = np.minimum(depth, patch - inner) - 6 * smoothstep((y + 5) / 20)
        row.blend(row.share(low) * there, np.float32(rng.uniform(-350, 60)), muscle=False)
    if rng.random() < 0.11:
        water = np.minimum(depth + 1, np.float32(rng.uniform(-30, 20)) - y)
        row.blend(row.share(water) * there, np.float32(rng.uniform(0, 25)), muscle=False)


def _paint_vessels(row: Points, depth: Field, trees: Grain) -> None:
    """Bright spots and short lines, none within 3 mm of the pleura."""
    within = depth > 1
    with row.row(within) as lung:
        share = lung.share(depth[within] - 3) * np.clip(trees(lung.x, lung.y, lung.z) * 3 - 5, 0, 0.95)
        lung.tint(share, np.float32(20))


def _paint_heart(person: Person, row: Points, ring: RingCoordinates, inner: Field) -> None:
    """The heart's lowest part in its fat, from about T10 upwards, and the gullet before the aorta."""
    rng = person.rng(56)
    b, p = person.half_depth_mm.mean, person.period_mm
    centre = (-rng.uniform(12, 30), b * rng.uniform(0.25, 0.42), rng.uniform(5.6, 6.3) * p)
    radii = (float(rng.uniform(48, 64)), float(rng.uniform(34, 46)), float(rng.uniform(34, 48)))
    fat, dz = np.float32(rng.uniform(2, 8)), ring.z - np.float32(centre[2])
    if row.hu.size and float(ring.z.max()) > centre[2] - radii[2] - 25 - 2 * row.pixel_mm:
        depth = ellipsoid(ring.x - np.float32(centre[0]), ring.y - np.float32(centre[1]), dz, radii)
        depth = np.minimum(depth, inner - 3)
        row.paint(depth + fat, np.float32(-95), muscle=False)
        row.paint(depth, np.float32({"none": 42, "arterial": 130, "portal": 110}[person.phase]), muscle=False)
    front = person.spine_y(ring.z) + np.float32(person.vertebra_mm[1])
    x, y = ring.x + np.float32(rng.uniform(2, 14)), ring.y - front - np.float32(rng.uniform(24, 32))
    gullet = superellipse(x, y, float(rng.uniform(7, 12)), float(rng.uniform(5, 9)), 2)
    gullet = np.minimum(gullet, ring.z - np.float32(3.7 * p))
    row.paint(gullet, np.float32(rng.uniform(25, 60)), muscle=False)


def _paint_crura(person: Person, row: Points, ring: RingCoordinates) -> None:
    """Two plates on the front of the vertebrae, thick at T12, tendons at L2 or L3."""
    rng = person.rng(57)
    vx, vy = person.vertebra_mm
    p = person.period_mm
    near = (np.abs(ring.x) < 95) & (np.abs(ring.y - person.spine_y(ring.z)) < 75)
    ring = person.on_spine(ring.row(near))
    y = ring.y - person.spine_y(ring.z)
    plates = []
    for side in (1, -1):
        thick = np.float32(rng.uniform(4, 9) * person.growth() * (1.0 if side > 0 else 0.85))
        end = rng.uniform(0.1, 1.2) * p
        size = thick / 2 * smoothstep((ring.z - np.float32(end)) / np.float32(1.4 * p))
        at, long = np.radians(rng.uniform(38, 62)), np.float32(rng.uniform(10, 17))
        u, v = (
            ring.x * side - np.float32(vx * np.sin(at)),
            y - np.float32(vy * np.cos(at)),
        )
        away = u * np.float32(np.sin(at)) + v * np.float32(np.cos(at)) - thick / 2 - np.float32(0.8)
        across = v * np.float32(np.sin(at)) - u * np.float32(np.cos(at))
        across = across - 4 * smoothstep((ring.z - 2 * p) / p)  # higher up they close in before the aorta
        depth = superellipse(across, away, long, np.maximum(size, 0.3), 2.0)
        plates.append((depth, smoothstep((size - 0.6) / 0.8)))
    with row.row(near) as part:
        hu = muscle_hu(person, part, 58)
        for depth, strength in plates:
            part.blend(part.share(depth) * strength, hu, muscle=False)
