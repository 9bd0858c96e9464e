"""The chest wall: intercostals, the muscles over the ribs, latissimus, trapezius, ribs and their cartilage.

Everything above the costal margin is painted on the points near the wall alone, taken out of the canvas as
one row. Truth: the sheet between the ribs and what lies over them is muscle; ribs, cartilage and a rim of
1 mm around them are not, nor is the diaphragm where it lies thin on the wall.
"""

from dataclasses import dataclass

import numpy as np

from SarcopeniaTraining.phantom.anatomy import Person, RingCoordinates
from SarcopeniaTraining.phantom.cage import PLEURA_MM, RIB_HALF_MM, Cage, Rib
from SarcopeniaTraining.phantom.painting import Canvas, Points
from SarcopeniaTraining.phantom.shapes import Field, Wave, smoothstep
from SarcopeniaTraining.phantom.trunk import Wall, fatty_streaks, muscle_hu

RIM_MM = 1.0


def paint_latissimus(person: Person, canvas: Canvas, ring: RingCoordinates) -> None:
    """The lowest fibres of latissimus dorsi, a thin sheet outside the ring, in two of five people."""
    rng = person.rng(16)
    thick = np.float32(rng.uniform(2.5, 8) * person.growth())
    centre, spread = np.float32(rng.uniform(118, 140)), np.float32(rng.uniform(10, 20))
    if rng.random() > 0.4:
        return
    lens = (
        thick
        * (1 - ((ring.angle - centre) / spread) ** 2)
        * smoothstep((ring.z + np.float32(rng.uniform(-20, 40))) / 40)
    )
    lens = lens * smoothstep((2.6 * person.period_mm - ring.z) / 30)  # over the ribs it lies in their cover
    lift = np.float32(rng.uniform(0.5, 2.5))
    depth = np.minimum(lens + lift + ring.depth, -ring.depth - lift)
    share = canvas.share(depth) * smoothstep((lens - 1) / 1.5)
    canvas.blend(share, muscle_hu(person, canvas, 24), muscle=True)
    canvas.tint(fatty_streaks(person, canvas, 25) * share, np.float32(-90))


@dataclass(frozen=True, eq=False)
class WallPoints:
    """Points near the chest wall, with their coordinates in it.

    Attributes
    ----------
    inward:
        Distance inwards from the middle of the ribs' layer, mm.
    above:
        Height over the costal margin, mm.
    """

    ring: RingCoordinates
    inward: Field
    above: Field


def paint_chest_wall(person: Person, canvas: Canvas, ring: RingCoordinates, cage: Cage, wall: Wall) -> None:
    """From the inside out: diaphragm on the wall, intercostals, muscles over the ribs, ribs."""
    if float(ring.z.max()) < cage.lowest_mm:
        return
    where = np.broadcast_to((ring.depth > -2.5) & (ring.z > cage.lowest_mm), canvas.hu.shape).copy()
    where &= np.broadcast_to((ring.depth < 70) | (ring.angle > 140), where.shape)
    part = ring.row(where)
    inward = cage.inward(part, wall, person.spine_y(part.z))
    near = (np.abs(inward) < 14) | (part.depth < 16)
    where[where] = near
    part = part.row(near)
    points = WallPoints(part, inward[near], cage.above_margin(part.angle, part.z))
    with canvas.row(where) as row:
        _paint_diaphragm(person, row, cage, points)
        _paint_intercostals(person, row, cage, points)
        _paint_cover(person, row, cage, points)
        _paint_trapezius(person, row, cage, points)
        for rib in cage.ribs:
            _paint_rib(person, row, rib, points)


def _paint_diaphragm(person: Person, row: Points, cage: Cage, at: WallPoints) -> None:
    """The costal part against the wall: looks like muscle, and no reader draws it."""
    rng = person.rng(41)
    thick = float(rng.uniform(0.8, 2.6) * person.growth())
    inner = at.inward - np.float32(cage.intercostal_mm / 2 + PLEURA_MM)
    depth = np.minimum(np.minimum(inner, thick - inner), at.above * np.float32(0.5))
    depth = np.minimum(depth, np.abs(at.ring.x) - np.float32(30))
    row.blend(row.share(depth) * min(thick, 1.0), np.float32(person.muscle_hu), muscle=False)


def _paint_intercostals(person: Person, row: Points, cage: Cage, at: WallPoints) -> None:
    """One sheet from the margin up, thin behind where only the outer layer reaches, with a line of fat."""
    rng = person.rng(42)
    lumps = Wave.random(rng, 18, 60)(at.ring.angle * 2 + at.ring.z + 60 * at.ring.side)
    behind = 1 - np.float32(0.35) * smoothstep((at.ring.angle - 138) / 16)
    half = np.float32(cage.intercostal_mm / 2) * behind * (1 + np.float32(0.2) * lumps)
    depth = np.minimum(half - np.abs(at.inward), at.above * np.float32(0.8))
    depth = np.minimum(depth, np.abs(at.ring.x) - np.float32(26))
    share = row.share(depth)
    beside = smoothstep((138 - at.ring.angle) / 10)
    row.paint(
        np.minimum(half + cage.gap_mm * beside - np.abs(at.inward), np.minimum(at.above, depth + 1.5)),
        np.float32(-98),
        muscle=False,
    )
    row.blend(share, muscle_hu(person, row, 43), muscle=True)
    fat = np.float32(rng.uniform(0, 0.5) + 0.6 * person.fatty) * np.clip(
        Wave.random(rng, 20, 70)(at.ring.angle * 2 - at.ring.z), 0, 1
    )
    line = np.clip(np.float32(0.6) - np.abs(at.inward + 0.5) + 0.5, 0, 1)
    row.tint(share * np.maximum(line * fat, fatty_streaks(person, row, 44)), np.float32(-92))


def _paint_cover(person: Person, row: Points, cage: Cage, at: WallPoints) -> None:
    """External oblique with serratus anterior, serratus posterior inferior, and latissimus over the ribs."""
    ring = at.ring
    over = smoothstep((at.above + 14) / 20)
    oblique = cage.oblique(ring.angle, ring.z, ring.side)
    latissimus = cage.latissimus(ring.angle, ring.z)
    serratus = cage.serratus(ring.angle, ring.z)
    fat = np.float32(cage.gap_mm * 0.5 + 0.3)
    for top, thick, room in (
        (np.float32(0.2), oblique * over, 20),
        (latissimus + np.float32(0.5 * cage.gap_mm), serratus, 45),
        (np.float32(0.2), latissimus, 47),
    ):
        lens = np.minimum(ring.depth - top, top + thick - ring.depth)
        strength = smoothstep((thick - 0.8) / 1.2)
        row.blend(row.share(lens + fat) * strength * (ring.depth > 0), np.float32(-98), muscle=False)
        share = row.share(lens) * strength
        row.blend(share, muscle_hu(person, row, room), muscle=True)
        row.tint(share * fatty_streaks(person, row, room + 1), np.float32(-90))


def _paint_trapezius(person: Person, row: Points, cage: Cage, at: WallPoints) -> None:
    """The lowest trapezius over the erector, a narrow sheet that widens upwards from T12, over fat."""
    rng = person.rng(49)
    ring = at.ring
    thick, start = rng.uniform(1.5, 4.5) * person.growth(), rng.uniform(2.6, 3.4) * cage.period_mm
    wide = (ring.z - np.float32(start)) * np.float32(rng.uniform(0.4, 0.8))
    taper = smoothstep((wide - np.abs(ring.x)) / 8) * smoothstep((ring.angle - 140) / 10)
    lens = np.minimum(ring.depth - np.float32(0.4), np.float32(thick) * taper - ring.depth)
    strength = smoothstep(np.float32(thick) * taper - 0.8)
    fat = np.float32(rng.uniform(0.3, 1.5))
    row.blend(row.share(lens + fat) * strength * (ring.depth > 0), np.float32(-98), muscle=False)
    row.blend(row.share(lens) * strength, muscle_hu(person, row, 50), muscle=True)


def _paint_rib(person: Person, row: Points, rib: Rib, at: WallPoints) -> None:
    """A flattened tube, cortex around marrow; in front of its bone cartilage, calcified in the old."""
    rng = person.rng(51)
    ring = at.ring
    tall, thick = RIB_HALF_MM
    size, cortex = float(rng.uniform(0.88, 1.12)), np.float32(rng.uniform(350, 900))
    marrow, shell = np.float32(rng.uniform(20, 220)), np.float32(rng.uniform(0.8, 1.5))
    rng = np.random.default_rng([person.seed, 152, rib.number])
    tilt, soft = np.float32(rng.normal(0.12, 0.06)), np.float32(rng.uniform(60, 120))
    z, cosine = rib.height(ring.angle, ring.side)
    up = (ring.z - z) * cosine
    hit = np.abs(up) < 14
    if not hit.any():
        return
    up, angle, inward = up[hit], ring.angle[hit], at.inward[hit]
    u, v = up / np.float32(tall * size), (inward - tilt * up) / np.float32(thick * size)
    round_depth = (1 - np.sqrt(u**2 + v**2)) * np.float32(thick * size)
    bone = np.minimum(round_depth, (angle - np.float32(rib.end_deg)) * np.float32(2))
    bone = np.minimum(bone, np.abs(ring.x[hit]) - np.float32(22))
    depth = bone
    with row.row(hit) as part:
        if rib.cartilage_deg < rib.end_deg:
            front = np.minimum(np.float32(rib.end_deg) - angle, angle - np.float32(rib.cartilage_deg)) * 2
            front = np.minimum(round_depth + np.float32(0.8), front + np.float32(1))
            part.paint(front, soft, muscle=False)
            _calcify(person, part, front, rng)
            depth = np.maximum(bone, front)
        part.paint(bone, cortex, muscle=False)
        part.paint(bone - shell, marrow, muscle=False)
        part.exclude(depth + np.float32(RIM_MM))


def _calcify(person: Person, part: Points, front: Field, rng: np.random.Generator) -> None:
    """Lime in costal cartilage: along the rim in men, in its middle in women, more with age."""
    much = np.clip((person.age_years - 40) / 45, 0, 1) * rng.uniform(0, 1)
    waves = [Wave.random(rng, 6, 25) for _ in range(2)]
    patches = np.clip(waves[0](part.x + part.z) + waves[1](part.y - part.z) + 2.2 * much - 1.3, 0, 1)
    rim = np.clip(1 - np.abs(front - (0.8 if person.sex == "male" else 3.0)) / 1.2, 0, 1)
    part.tint(part.share(front) * rim * patches.astype(np.float32), np.float32(rng.uniform(250, 600)))
