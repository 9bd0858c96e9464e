"""What lies inside the muscle ring: organs, bowel, vessels. All are drawn before the muscles."""

from dataclasses import dataclass, replace

import numpy as np

from SarcopeniaTraining.phantom.anatomy import Person, RingCoordinates
from SarcopeniaTraining.phantom.painting import Canvas
from SarcopeniaTraining.phantom.shapes import Field, Grain, Wave, ellipsoid, rotated, superellipse
from SarcopeniaTraining.phantom.trunk import Wall

ORGAN_HU = {"none": (35, 65), "arterial": (45, 95), "portal": (75, 135)}
ALIKE_HU = 9.0
VESSEL_HU = {"none": (30, 50), "arterial": (220, 420), "portal": (110, 190)}


@dataclass(frozen=True)
class Cavity:
    """The room for organs: depth in mm under the wall's inner face, with or without fat between."""

    depth: Field
    organ: tuple[float, float]
    vessel_hu: float
    fluid_hu: float


def cavity(person: Person, ring: RingCoordinates, wall: Wall) -> Cavity:
    """Free space; in half of all people organs touch the wall, as they do in thin patients."""
    rng = person.rng(9)
    inner = np.maximum(wall.depth_of_inner_face(ring), 0)
    rectus = np.where(
        (np.abs(ring.x) < 2 * wall.rectus_half_width(ring.z) + wall.alba_mm) & (ring.y > 0),
        wall.rectus_mm(ring.z) + np.float32(wall.rectus_lift_mm),
        0,
    )
    fat = np.float32(0 if rng.random() < 0.5 else np.exp(rng.uniform(0, np.log(14))))
    thin = 1 + Wave.random(rng, 60, 200)(ring.angle * 2.2 + ring.z + 80 * ring.side)
    depth = ring.depth - np.maximum(inner, rectus) - fat * thin * np.float32(0.6) - np.float32(0.7)
    # Beside the psoas the cavity reaches further back, to the quadratus and the ribs.
    behind = ring.y - person.spine_y(ring.z) + 10 + 40 * np.clip(np.abs(ring.x) / 50 - 0.9, 0, 1)
    level = person.muscle_hu
    return Cavity(
        np.minimum(depth, behind),
        (level - ALIKE_HU, level + ALIKE_HU) if organs_are_alike(person.seed) else ORGAN_HU[person.phase],
        float(rng.uniform(*VESSEL_HU[person.phase])),
        float(rng.uniform(0, 25)),
    )


def organs_are_alike(seed: int) -> bool:
    """Whether nothing but its shape tells the wall from an organ that lies against it, as in two of five."""
    return bool(np.random.default_rng([seed, 13]).random() < 0.4)


def paint_viscera(person: Person, canvas: Canvas, ring: RingCoordinates, wall: Wall) -> None:
    """Retroperitoneal fat strands, kidneys, liver and spleen, bowel, vessels, in this order."""
    room = cavity(person, ring, wall)
    _paint_mesentery(person, canvas, ring, room)
    _paint_kidneys(person, canvas, ring, room)
    _paint_bowel(person, canvas, ring, room)
    _paint_solid_organs(person, canvas, ring, room)
    _paint_great_vessels(person, canvas, person.on_spine(ring), room)
    _paint_hernia(person, canvas, ring)
    rng = person.rng(10)
    if rng.random() < 0.15:  # ascites fills what is left of the cavity near the wall
        rim = np.minimum(room.depth, np.float32(rng.uniform(3, 25)) - room.depth)
        empty = np.clip((-60 - canvas.hu) / 30, 0, 1)
        canvas.blend(canvas.share(rim) * empty, np.float32(room.fluid_hu), muscle=False)


def _paint_mesentery(person: Person, canvas: Canvas, ring: RingCoordinates, room: Cavity) -> None:
    rng = person.rng(11)
    haze = Wave.random(rng, 15, 60)(ring.x + ring.y) * Wave.random(rng, 15, 60)(ring.y - ring.x + ring.z)
    canvas.tint(
        np.clip(haze, 0, 1) * canvas.share(room.depth) * np.float32(rng.uniform(0, 0.35)), np.float32(10)
    )
    a, b = person.half_width_mm.mean, person.half_depth_mm.mean
    inside = canvas.share(room.depth)
    for _ in range(int(rng.integers(10, 50))):
        x, y = rng.uniform(-0.6, 0.6) * a, rng.uniform(-0.2, 0.75) * b
        radius, slope = rng.uniform(0.8, 3.2), rng.normal(0, 0.5, 2)
        part = canvas.near(x, y, radius + 30)
        if part is None:
            continue
        depth = np.float32(radius) - np.hypot(part.x - x - slope[0] * part.z, part.y - y - slope[1] * part.z)
        part.blend(
            part.share(depth) * _like(canvas, part, inside),
            np.float32(room.vessel_hu * 0.9),
            muscle=False,
        )


def _like(canvas: Canvas, part: Canvas, field: Field) -> Field:
    """The piece of a full field that belongs to a part of the canvas."""
    offset = (
        part.hu.__array_interface__["data"][0] - canvas.hu.__array_interface__["data"][0]
    ) // canvas.hu.itemsize
    i, j, _ = np.unravel_index(offset, canvas.hu.shape)
    return field[i : i + part.hu.shape[0], j : j + part.hu.shape[1]]


def _paint_kidneys(person: Person, canvas: Canvas, ring: RingCoordinates, room: Cavity) -> None:
    rng = person.rng(12)
    cortex = {"none": (25, 40), "arterial": (120, 200), "portal": (120, 220)}[person.phase]
    for side in (-1, 1):
        x, z = side * rng.uniform(52, 78), rng.normal(38, 22)
        y = float(person.spine_y(np.zeros((1, 1, 1), np.float32)).item()) + rng.uniform(-12, 22)
        radii = (rng.uniform(22, 32), rng.uniform(20, 30), rng.uniform(46, 60))
        tilt = rng.uniform(-50, 50)
        part = canvas.near(x, y, 45)
        if part is None or part.misses(part.z - z, 62) or rng.random() < 0.03:
            continue
        u, v = rotated(part.x - np.float32(x), part.y - np.float32(y), tilt)
        depth = np.minimum(
            ellipsoid(u, v, part.z - np.float32(z), radii), _like(canvas, part, room.depth) + 2
        )
        hu = np.float32(rng.uniform(*cortex))
        part.paint(depth, hu, muscle=False)
        part.paint(depth - np.float32(7), hu * np.float32(rng.uniform(0.6, 1)), muscle=False)
        sinus = ellipsoid(u + side * 8, v, part.z - np.float32(z), (13, 8, 24))
        part.paint(sinus, np.float32(-95), muscle=False)
        part.paint(sinus - np.float32(3), np.float32(rng.choice([5, 30, 60, 150, -80])), muscle=False)
        if rng.random() < 0.25:
            cyst = rng.uniform(5, 22)
            part.paint(
                ellipsoid(
                    u - side * 20, v - 8, part.z - np.float32(z + rng.uniform(-40, 40)), (cyst, cyst, cyst)
                ),
                np.float32(rng.uniform(0, 15)),
                muscle=False,
            )


def _paint_solid_organs(person: Person, canvas: Canvas, ring: RingCoordinates, room: Cavity) -> None:
    """Liver on the right from a random lowest level upwards, spleen on the left, both cut by the cavity."""
    rng = person.rng(13)
    a, b = person.half_width_mm.mean, person.half_depth_mm.mean
    for side, lowest, size in ((1, rng.normal(5, 35), (0.95, 1.1)), (-1, rng.normal(45, 25), (0.5, 0.65))):
        height = rng.uniform(80, 110)
        centre = np.array([side * a * rng.uniform(0.5, 0.8), rng.uniform(-0.1, 0.3) * b, lowest + height])
        radii = (
            float(a * size[0] * rng.uniform(0.7, 1)),
            float(b * size[1] * rng.uniform(0.7, 1.1)),
            float(height),
        )
        if side < 0:
            centre[1] = -rng.uniform(0.1, 0.4) * b
        dz = ring.z - np.float32(centre[2])
        if canvas.misses(dz, height):
            continue
        warp = 6 * Wave.random(rng, 40, 120)(ring.x - ring.y + ring.z)
        depth = ellipsoid(ring.x - np.float32(centre[0]), ring.y - np.float32(centre[1]), dz, radii) + warp
        depth = np.minimum(depth, room.depth + np.float32(0.8))
        base = np.float32(rng.uniform(*room.organ) - (rng.uniform(20, 60) if rng.random() < 0.15 else 0))
        canvas.paint(depth, base, muscle=False)


@dataclass(frozen=True)
class _Loop:
    """A piece of bowel: an ellipsoid that leans along the body, with its content."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    tilt_deg: float
    lean: tuple[float, float]
    kind: str
    wall_mm: float


def _loops(person: Person, rng: np.random.Generator) -> list[_Loop]:
    """Colon on both flanks and in front, small bowel anywhere.

    Distended colon lies against the wall with its own wall stretched to a millimetre or two: the
    network must learn that muscle may be all there is between gas and subcutaneous fat.
    """
    a, b = person.half_width_mm.mean, person.half_depth_mm.mean
    fluid = "contrast" if rng.random() < 0.3 else "fluid"
    small = ("gas", "stool", fluid, "fluid", "collapsed", "level")
    large = ("gas", "gas", "level", "level", "stool", fluid, "soft")

    def loop(
        x: float, y: float, r: float, shape: tuple[float, float, float], kinds: tuple[str, ...]
    ) -> _Loop:
        kind = str(rng.choice(kinds))
        thin = kind in ("gas", "level") and r > 16
        return _Loop(
            (float(x * a), float(y * b), float(rng.normal(0, 38))),
            (r * shape[0], r * shape[1], shape[2]),
            float(rng.normal(0, 25)),
            (float(rng.normal(0, 0.2)), float(rng.normal(0, 0.2))),
            kind,
            float(rng.uniform(0.7, 1.8) if thin else rng.uniform(1.2, 3.5)),
        )

    found = []
    for side in (-1, 1):  # ascending and descending colon
        r, flat = rng.uniform(9, 38), rng.uniform(0.7, 1.4)
        found.append(
            loop(
                side * rng.uniform(0.5, 0.78),
                rng.uniform(-0.3, 0.45),
                r,
                (1, flat, rng.uniform(60, 130)),
                large,
            )
        )
    for _ in range(int(rng.integers(0, 5))):  # transverse colon under the front wall
        r, wide = rng.uniform(12, 34), rng.uniform(1, 2.4)
        found.append(
            loop(rng.uniform(-0.6, 0.6), rng.uniform(0.45, 0.75), r, (wide, 1, rng.uniform(18, 45)), large)
        )
    packed = rng.random() < 0.35  # thin people: bowel fills the cavity up to the wall
    reach = 0.92 if packed else 0.7
    for _ in range(int(rng.integers(25, 60) if packed else rng.integers(4, 26))):
        r, wide = rng.uniform(7, 19), rng.uniform(1, 2.6)
        x, y = rng.uniform(-reach, reach), rng.uniform(-0.15, 0.1 + reach)
        piece = loop(x, y, r, (wide, 1, rng.uniform(12, 45)), small)
        found.append(replace(piece, tilt_deg=float(rng.uniform(0, 180))))
    return found


def _paint_bowel(person: Person, canvas: Canvas, ring: RingCoordinates, room: Cavity) -> None:
    rng = person.rng(14)
    wall_hu = rng.uniform(25, 60) if person.phase == "none" else rng.uniform(50, 125)
    for loop in _loops(person, rng):
        x, y, z = loop.centre
        part = canvas.near(x, y, max(loop.radii[:2]) + 14)
        seed, cut = int(rng.integers(2**31)), np.float32(rng.choice([-0.5, 0.4, 0.8]))
        if part is None or part.misses(part.z - z, loop.radii[2]):
            continue
        dz = part.z - np.float32(z)
        u, v = rotated(
            part.x - np.float32(x) - np.float32(loop.lean[0]) * dz,
            part.y - np.float32(y) - np.float32(loop.lean[1]) * dz,
            loop.tilt_deg,
        )
        local = np.random.default_rng(seed)
        depth = ellipsoid(u, v, dz, loop.radii)
        depth = depth + 2 * Wave.random(local, 12, 50)(u) * Wave.random(local, 12, 50)(v)
        depth = np.minimum(depth, _like(canvas, part, room.depth) + cut)
        part.paint(depth, np.float32(wall_hu), muscle=False)
        _fill(part, depth - np.float32(loop.wall_mm), loop.kind, np.float32(y), local)


def _fill(part: Canvas, depth: Field, kind: str, y: np.float32, rng: np.random.Generator) -> None:
    """Lay the content of a loop: gas, stool, fluid, oral contrast, fluid under gas, or soft matter."""
    if kind == "collapsed":
        part.paint(depth - np.float32(2), np.float32(rng.uniform(20, 60)), muscle=False)
        return
    if kind == "soft":  # full of what looks like muscle
        part.paint(depth, np.float32(rng.uniform(25, 65)), muscle=False)
        return
    fluid = np.float32(rng.uniform(180, 500) if kind == "contrast" else rng.uniform(-5, 45))
    part.paint(depth, np.float32(-950) if kind == "gas" else fluid, muscle=False)
    if kind == "stool":
        bubbles = Grain.random(rng, 4, 14, n=6)(part.x, part.y, part.z) * np.float32(1.1)
        part.tint(part.share(depth) * np.clip(bubbles * 1.4 - 0.5, 0, 1), np.float32(rng.uniform(-900, -300)))
    if kind == "level":
        part.paint(
            np.minimum(depth, part.y - y - np.float32(rng.uniform(-4, 6))), np.float32(-950), muscle=False
        )


def _paint_great_vessels(person: Person, canvas: Canvas, ring: RingCoordinates, room: Cavity) -> None:
    rng = person.rng(15)
    front = person.spine_y(ring.z) + np.float32(person.vertebra_mm[1])
    vein = room.vessel_hu if person.phase != "arterial" else rng.uniform(60, 150)
    for side, hu, radius in (
        (-1, room.vessel_hu, rng.uniform(7.5, 13) if rng.random() < 0.93 else rng.uniform(15, 32)),
        (1, vein, rng.uniform(8, 14)),
    ):
        x = side * (rng.uniform(4, 8) + radius * 0.75)
        flat = 1.0 if side < 0 else rng.uniform(0.4, 1)
        y = ring.y - front - np.float32(radius * flat + rng.uniform(0, 3))
        wander = 4 * Wave.random(rng, 60, 200)(ring.z)
        depth = superellipse(
            ring.x - np.float32(x) - wander, y, np.float32(radius), np.float32(radius * flat), 2
        )
        canvas.paint(depth + np.float32(0.8), np.float32(45), muscle=False)
        canvas.paint(depth, np.float32(hu), muscle=False)
        if side < 0 and person.age_years > 60 and rng.random() < 0.6:
            plaque = np.minimum(depth + np.float32(1), np.float32(2) - depth)
            patches = Wave.random(rng, 8, 30)(ring.x * 2) * Wave.random(rng, 8, 30)(y * 2 + ring.z)
            canvas.tint(
                canvas.share(plaque) * np.clip(patches * 3 - 0.6, 0, 1), np.float32(rng.uniform(300, 900))
            )


def _paint_hernia(person: Person, canvas: Canvas, ring: RingCoordinates) -> None:
    """A ventral hernia in one of 25: a sac of fat or bowel in the subcutaneous fat, before the linea alba."""
    rng = person.rng(17)
    wide, deep, high = rng.uniform(8, 40), rng.uniform(6, 22), rng.uniform(15, 50)
    x, z = rng.normal(0, 12), rng.normal(0, 30)
    content = rng.choice([-100.0, 20.0, 45.0, -900.0])
    if rng.random() > 0.04:
        return
    front = ring.y > 0
    sac = ellipsoid(
        ring.x - np.float32(x),
        ring.depth + np.float32(deep - 2),
        ring.z - np.float32(z),
        (float(wide), float(deep), float(high)),
    )
    sac = np.where(front, sac, np.float32(-99))
    canvas.paint(sac, np.float32(rng.uniform(10, 60)), muscle=False)
    canvas.paint(sac - np.float32(rng.uniform(0.7, 2.5)), np.float32(content), muscle=False)
