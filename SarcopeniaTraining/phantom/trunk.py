"""Skin, subcutaneous fat, the muscle wall and rectus abdominis."""

from dataclasses import dataclass

import numpy as np

from SarcopeniaTraining.phantom.anatomy import Person, RingCoordinates
from SarcopeniaTraining.phantom.painting import Canvas, Points
from SarcopeniaTraining.phantom.shapes import Along, Field, Grain, Wave, smoothstep

FAT_HU = (-116, -88)


def muscle_hu(person: Person, points: Points, room: int) -> Field:
    """Muscle density with a smooth change over centimetres and fatty grain, HU per pixel."""
    rng = person.rng(room)
    waves = [Wave.random(rng, 12, 90) for _ in range(3)]
    x, y, z = points.x, points.y, points.z
    field = waves[0](x + 0.6 * y) * waves[1](y - 0.5 * x + 0.3 * z)
    base = person.muscle_hu + rng.normal(0, 3)
    return base + np.float32(rng.uniform(1, 7)) * field + np.float32(3) * waves[2](z)


def fatty_streaks(person: Person, points: Points, room: int, *, more: float = 0.0) -> Field:
    """Share of intramuscular fat, 0…1: marbling that grows with the person's fattiness plus `more`."""
    rng = person.rng(room)
    fine = Grain.random(rng, 4, 11, stretch=2.5)(points.x, points.y, points.z)
    coarse = Grain.random(rng, 18, 60, n=4)(points.x, points.y, points.z)
    level = 2.4 - 1.9 * min(person.fatty + more, 1.2)
    return np.float32(0.9) * smoothstep((np.float32(0.8) * fine + np.float32(0.6) * coarse - level) / 0.35)


@dataclass(frozen=True)
class Wall:
    """Thickness of the lateral wall and the shapes around it, mm and degrees."""

    thickness: Along
    front_fade_deg: tuple[float, float]
    back_fade_deg: tuple[float, float]
    front_share: float
    waviness: Wave
    line_mm: tuple[float, float]
    line_at: tuple[float, float]
    line_break: Wave
    rectus_mm: Along
    rectus_half_width: Along
    alba_mm: float
    rectus_lift_mm: float

    @classmethod
    def random(cls, person: Person) -> "Wall":
        """Lateral wall 9–36 mm and rectus 3.5–18 mm thick, both times `Person.growth`."""
        rng = person.rng(2)
        growth = person.growth()
        male = person.sex == "male"
        thick = np.clip(rng.normal(24 if male else 19, 5), 9, 36) * growth
        fat = person.fatty
        width = person.half_width_mm.mean * rng.uniform(0.36, 0.52)
        # The gap between the recti is wide in a third of elderly people (diastasis).
        alba = float(np.exp(rng.uniform(np.log(1.5), np.log(45 if rng.random() < 0.35 else 14))))
        edge = min(width + alba / 2, 0.7 * person.half_width_mm.mean)
        front = np.degrees(np.arctan2(edge / person.half_width_mm.mean, 0.93))
        return cls(
            thickness=Along(float(thick), 0.12 * float(thick), Wave.random(rng, 60, 200)),
            front_fade_deg=(float(front + rng.uniform(-1, 5)), float(front + rng.uniform(8, 40))),
            back_fade_deg=(float(rng.uniform(112, 132)), float(rng.uniform(136, 156))),
            front_share=float(rng.uniform(0.25, 0.7)),
            waviness=Wave.random(rng, 45, 160),
            line_mm=(
                float(rng.uniform(0, 1.2) + 2.5 * fat * rng.random()),
                float(rng.uniform(0, 1) + 2 * fat * rng.random()),
            ),
            line_at=(float(rng.uniform(0.28, 0.48)), float(rng.uniform(0.6, 0.8))),
            line_break=Wave.random(rng, 25, 120),
            rectus_mm=Along(
                float(np.clip(rng.normal(9.5, 2.8), 3.5, 18) * growth), 0.8, Wave.random(rng, 50, 150)
            ),
            rectus_half_width=Along(float(edge - alba / 2) / 2, 2, Wave.random(rng, 80, 250)),
            alba_mm=alba,
            rectus_lift_mm=float(rng.uniform(0, 2)),
        )

    def depth_of_inner_face(self, ring: RingCoordinates) -> Field:
        """Thickness of the lateral wall at each point's direction, mm."""
        start, full = self.front_fade_deg
        front = smoothstep((ring.angle - start) / 5) * (
            self.front_share + (1 - self.front_share) * smoothstep((ring.angle - start) / (full - start))
        )
        begin, end = self.back_fade_deg
        back = 1 - smoothstep((ring.angle - begin) / (end - begin))
        # One degree of arc is about two millimetres: the inner face undulates along its length.
        ripple = 1 + np.float32(0.07) * self.waviness(ring.angle * 2 + ring.side * 40 + ring.z)
        return self.thickness(ring.z + 15 * ring.side) * front * back * ripple


def paint_skin_and_fat(person: Person, canvas: Canvas, ring: RingCoordinates) -> None:
    """Subcutaneous fat under the skin, log-uniform: front 3–45, side 3–36, back 4–50 mm.

    Times 1.15 in women and 0.9 in men.
    """
    rng = person.rng(1)
    female = person.sex == "female"
    front, side, back = np.exp(rng.uniform(np.log([3, 3, 4]), np.log([45, 36, 50]))) * (
        1.15 if female else 0.9
    )
    ahead = smoothstep((95 - ring.angle) / 90)
    behind = smoothstep((ring.angle - 85) / 80)
    lumps = Wave.random(rng, 60, 240)(ring.angle * 2 + 60 * ring.side) * np.float32(rng.uniform(0, 0.15))
    fat = (side + (front - side) * ahead + (back - side) * behind) * (1 + lumps)
    cleft = np.float32(rng.uniform(0, 0.5)) * np.exp(-((ring.x / 12) ** 2)) * behind
    navel = (
        np.float32(rng.uniform(0.2, 0.9) if rng.random() < 0.25 else 0)
        * np.exp(-((ring.x / 11) ** 2))
        * ahead
    )
    fat = fat * (1 - cleft) * (1 - navel)
    skin = np.float32(rng.uniform(1.4, 4))
    base = np.float32(rng.uniform(*FAT_HU))
    canvas.paint(ring.depth + fat, np.float32(rng.uniform(-20, 60)), muscle=False)
    grain = 5 * Wave.random(rng, 10, 60)(ring.x + ring.y) * Wave.random(rng, 10, 60)(ring.y - ring.x)
    canvas.paint(ring.depth + fat - skin, base + grain, muscle=False)
    if rng.random() < 0.35:  # oedema: hazy patches up to water
        patch = smoothstep((Wave.random(rng, 40, 150)(ring.angle * 2 + ring.z + 30 * ring.side) - 0.2) * 2)
        net = smoothstep(Wave.random(rng, 6, 20, 4)(ring.x - ring.y) + Wave.random(rng, 6, 20, 4)(ring.y))
        canvas.tint(
            patch
            * net
            * canvas.share(-ring.depth)
            * canvas.share(ring.depth + fat - skin)
            * np.float32(rng.uniform(0.1, 0.8)),
            np.float32(0),
        )
    scarpa = np.abs(ring.depth + fat * np.float32(rng.uniform(0.3, 0.7))) - np.float32(0.4)
    canvas.tint(
        canvas.share(-scarpa) * np.float32(rng.uniform(0, 0.6)) * canvas.share(-ring.depth - 1),
        np.float32(20),
    )
    canvas.paint(ring.depth, np.float32(rng.uniform(-112, -86)) + 4 * grain / 5, muscle=False)


def paint_wall(person: Person, canvas: Canvas, ring: RingCoordinates, wall: Wall) -> None:
    """External and internal oblique and transversus as one outline with two broken fat lines in it."""
    inner = wall.depth_of_inner_face(ring)
    depth = np.minimum(ring.depth, inner - ring.depth)
    # Where the wall thins to less than a pixel it is aponeurosis: drawn, but no muscle.
    sheet = canvas.share(np.minimum(ring.depth, np.float32(0.9) - ring.depth)) * smoothstep(
        (150 - ring.angle) / 10
    )
    canvas.blend(sheet * np.float32(0.7), np.float32(25), muscle=False)
    body = canvas.share(depth) * smoothstep((inner - 1.5) / 1.5)
    canvas.blend(body, muscle_hu(person, canvas, 20), muscle=True)
    broken = wall.line_break(ring.angle * 2.2 + ring.z + 70 * ring.side)
    for number, (line, at) in enumerate(zip(wall.line_mm, wall.line_at, strict=True)):
        half = np.float32(line / 2) * smoothstep((broken * (1 - 2 * number) + 0.9) / 1.2)
        share = canvas.share(half - np.abs(ring.depth - np.float32(at) * inner))
        canvas.tint(np.minimum(share, 2 * half) * body * np.float32(0.9), np.float32(-100))
    canvas.tint(fatty_streaks(person, canvas, 21) * body * np.float32(0.6), np.float32(-90))


def paint_rectus(person: Person, canvas: Canvas, ring: RingCoordinates, wall: Wall) -> None:
    """Two lenses beside the linea alba, each in its sheath."""
    half = wall.rectus_half_width(ring.z)
    gap = np.float32(wall.alba_mm / 2)
    across = np.abs(ring.x) - gap - half
    thick = wall.rectus_mm(ring.z + 10 * ring.side)
    lens = thick * np.sqrt(np.clip(1 - (np.abs(across) / half) ** np.float32(2.6), 0, 1))
    middle = ring.depth - np.float32(wall.rectus_lift_mm) - thick / 2
    depth = np.minimum(lens / 2 - np.abs(middle), half - np.abs(across))
    front = (ring.angle < 80) & (ring.y > 0)
    fascia = canvas.share(np.float32(0.8) - np.abs(ring.depth - np.float32(0.6))) * (ring.angle < 75)
    canvas.blend(
        fascia * (np.abs(ring.x) < 2 * half + gap + 6) * np.float32(0.8), np.float32(30), muscle=False
    )
    share = canvas.share(depth) * front * smoothstep((lens - 1) / 1.5)
    canvas.blend(share, muscle_hu(person, canvas, 22), muscle=True)
    canvas.tint(fatty_streaks(person, canvas, 23) * share, np.float32(-90))
