"""The body around the skeleton: skin, fat, muscle, the cavities and what fills them.

Only what a spine finder may mistake for bone, or needs to tell the height by, is drawn with care; sizes
are those of adults of any build, HU those of the plain, arterial and portal phases.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaTraining.spine_scans.canvas import Canvas, Frame, turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.spine_scans.spine_plan import SpinePlan

UPRIGHT = turned(0.0)


@dataclass(frozen=True, eq=False)
class Trunk:
    """Outline of the trunk along the body, one number a canvas slice; mm.

    Attributes
    ----------
    spine_x, spine_y:
        Where the middle of the spine lies.
    half_width, half_depth, middle_y:
        Of the skin's ellipse.
    fat_mm, wall_mm:
        Thickness of fat under the skin and of the muscular wall.
    diaphragm_mm, size:
        Superior coordinate of the dome of the diaphragm; scale of the person.
    """

    spine_x: NDArray[np.float32]
    spine_y: NDArray[np.float32]
    half_width: NDArray[np.float32]
    half_depth: NDArray[np.float32]
    middle_y: NDArray[np.float32]
    fat_mm: float
    wall_mm: float
    diaphragm_mm: float
    size: float

    def inward(self, canvas: Canvas, shrink_mm: float, power: float = 2.4) -> NDArray[np.float32]:
        """Distance of every voxel from the skin's ellipse made smaller, mm, negative inside."""
        x, y, _ = canvas.points
        a = np.maximum(self.half_width - shrink_mm, 5.0).astype(np.float32)
        b = np.maximum(self.half_depth - shrink_mm, 5.0).astype(np.float32)
        length = (np.abs((x - self.spine_x) / a) ** power + np.abs((y - self.middle_y) / b) ** power) ** (
            1 / power
        )
        edge: NDArray[np.float32] = ((length - 1) * np.minimum(a, b)).astype(np.float32)
        return edge


@dataclass(frozen=True)
class Enhancement:
    """HU of vessels and organs in one contrast phase."""

    aorta: float
    cava: float
    kidney: float
    liver: float
    spleen: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Enhancement:
        """Plain, arterial or portal, each a third."""
        table = ((42, 40, 32, 52, 48), (300, 90, 160, 75, 110), (150, 145, 185, 110, 120))
        row = table[int(rng.integers(3))]
        factor = rng.uniform(0.75, 1.3)
        values = [40 + (hu - 40) * factor + rng.normal(0, 6) for hu in row]
        values[3] -= rng.exponential(15)  # fatty liver
        return cls(*values)


def draw_trunk(canvas: Canvas, plan: SpinePlan, rng: np.random.Generator) -> Trunk:
    """Draw an outline around a spine: slim to obese, waisted, wider at the hips."""
    z = canvas.along[2]
    centres = np.array(
        [s.centre for s in reversed(plan.sacrum)] + [v.frame.centre for v in reversed(plan.vertebrae)]
    )
    spine_x = np.interp(z, centres[:, 2], centres[:, 0]).astype(np.float32)
    spine_y = np.interp(z, centres[:, 2], centres[:, 1]).astype(np.float32)
    smooth_y = np.convolve(np.pad(spine_y, 20, mode="edge"), np.ones(41) / 41, mode="valid")
    fat = float(np.clip(rng.gamma(2.2, 9.0), 3, 70))
    belly = float(np.clip(0.45 * fat + rng.normal(8, 10), 0, 60))
    hips = np.exp(-(((z + 70) / 90) ** 2))
    waist = np.exp(-(((z - 90) / 70) ** 2))
    half_width = plan.size * (126 + 20 * hips - 9 * waist) + fat * (0.9 + 0.3 * hips) + 0.5 * belly * waist
    behind = 70 * plan.size + 0.7 * fat
    depth = plan.size * 190 + 1.5 * fat + 1.6 * belly * np.exp(-(((z - 40) / 110) ** 2))
    back = smooth_y * 0.8 - behind
    levels = {v.name: v.frame.centre[2] for v in plan.vertebrae}
    top = levels["T10"] + rng.normal(10, 16)
    return Trunk(
        spine_x=(0.5 * spine_x).astype(np.float32),
        spine_y=spine_y,
        half_width=half_width.astype(np.float32),
        half_depth=(depth / 2).astype(np.float32),
        middle_y=(back + depth / 2).astype(np.float32),
        fat_mm=fat,
        wall_mm=float(rng.uniform(9, 20)),
        diaphragm_mm=float(top),
        size=plan.size,
    )


def paint_trunk(canvas: Canvas, trunk: Trunk, plan: SpinePlan, rng: np.random.Generator) -> None:
    """Paint skin, fat, muscle, cavities, organs, bowel, vessels and the muscles of the back."""
    fat_hu, muscle_hu = rng.normal(-103, 7), rng.normal(48, 12)
    everywhere = (slice(None), slice(None), slice(None))
    skin = trunk.inward(canvas, 0.0)
    canvas.blend(everywhere, canvas.share(skin), np.float32(fat_hu))
    canvas.blend(everywhere, canvas.share(np.abs(skin + 1.5) - 1.2), np.float32(20))
    canvas.blend(everywhere, canvas.share(trunk.inward(canvas, trunk.fat_mm)), np.float32(muscle_hu))
    _, y, z = canvas.points
    cavity = trunk.inward(canvas, trunk.fat_mm + trunk.wall_mm, 2.2)
    cavity = np.maximum(cavity, trunk.spine_y - np.float32(6) - y)  # behind the spine lie muscles
    pelvis = np.clip((-z - 20) / 120, 0, 1) * 60  # narrower between the hip bones
    cavity = np.maximum(
        cavity, np.abs(canvas.points[0] - trunk.spine_x) - (trunk.half_width - trunk.fat_mm - pelvis)
    )
    inside = cavity + np.clip(-130 - z, 0, 1000)
    canvas.blend(everywhere, canvas.share(inside), np.float32(fat_hu + rng.uniform(0, 25)))
    phase = Enhancement.drawn(rng)
    hollow = canvas.share(inside)
    _organs(canvas, trunk, plan, phase, rng)
    _bowel(canvas, trunk, rng)
    _lungs(canvas, trunk, inside, rng)
    _keep_wall(canvas, trunk, hollow, np.float32(muscle_hu))
    _back(canvas, trunk, plan, (muscle_hu, fat_hu), rng)
    _vessels(canvas, trunk, plan, phase, rng)


def _keep_wall(canvas: Canvas, trunk: Trunk, hollow: NDArray[np.float32], muscle_hu: np.float32) -> None:
    """Organs that were painted over the wall are cut back to the cavity."""
    over = (hollow < 0.5) & (trunk.inward(canvas, trunk.fat_mm) < 0)
    canvas.hu[over] = muscle_hu
    beyond = trunk.inward(canvas, trunk.fat_mm) >= 2
    skin = trunk.inward(canvas, 0.0)
    canvas.hu[beyond & (skin < -3)] = np.float32(-105)
    canvas.hu[skin > 3] = -200


def _organs(
    canvas: Canvas, trunk: Trunk, plan: SpinePlan, phase: Enhancement, rng: np.random.Generator
) -> None:
    levels = {v.name: v.frame.centre for v in plan.vertebrae}
    s, dome = trunk.size, trunk.diaphragm_mm

    def jitter(spread: float) -> float:
        return float(rng.normal(0, spread))

    def organ(place: tuple[float, float, float], semi: tuple[float, float, float], hu: float) -> None:
        frame = Frame(np.array(place), turned(jitter(12), jitter(12), jitter(20)))
        canvas.ellipsoid(frame, (semi[0] * s, semi[1] * s, semi[2] * s), hu + jitter(4))

    k = int(np.clip(np.searchsorted(canvas.along[2], dome - 60), 0, len(canvas.along[2]) - 1))
    mid_y, half = float(trunk.middle_y[k]), float(trunk.half_width[k]) - trunk.fat_mm
    side = -1 if rng.random() < 0.02 else 1  # the liver lies on the right
    organ((side * 0.45 * half, mid_y + 5, dome - 75 + jitter(12)), (85, 80, 85), phase.liver)
    organ((side * -0.1 * half, mid_y + 45, dome - 60 + jitter(12)), (60, 40, 45), phase.liver)
    organ((-side * 0.75 * half, mid_y - 20, dome - 55 + jitter(12)), (28, 48, 50), phase.spleen)
    organ(
        (-side * 0.4 * half, mid_y + 30, dome - 60 + jitter(15)),
        (45, 45, 55),
        rng.choice([-200, 20, 30, 250]),
    )
    for sign in (-1, 1):
        centre = levels["L1"] + np.array([sign * 62 * s, -4 * s, -12 + sign * -6]) + rng.normal(0, 9, 3)
        organ(tuple(centre), (27, 26, 54), phase.kidney)
        organ((centre[0] - sign * 8, centre[1] + 3, centre[2]), (12, 10, 22), rng.choice([-80, 15, 15, 350]))
    organ((jitter(8), trunk.middle_y[0] + 10, -95 + jitter(12)), (38, 34, 32), rng.choice([8, 8, 8, 300]))


def _bowel(canvas: Canvas, trunk: Trunk, rng: np.random.Generator) -> None:
    """Loops anywhere in the belly, filled with gas, fluid, contrast or stool."""
    for _ in range(int(rng.integers(20, 60))):
        k = int(rng.integers(0, len(canvas.along[2])))
        z = float(canvas.along[2][k])
        if not -110 < z < trunk.diaphragm_mm - 40:
            continue
        room_x = max(float(trunk.half_width[k]) - trunk.fat_mm - 30, 20)
        room_y = max(float(trunk.half_depth[k]) - trunk.fat_mm - 25, 15)
        x = rng.uniform(-1, 1) * room_x
        y = float(trunk.middle_y[k]) + rng.uniform(-0.6, 1) * room_y * np.sqrt(
            max(1 - (x / room_x) ** 2, 0.05)
        )
        y = max(y, float(trunk.spine_y[k]) + 35)
        radius = rng.uniform(9, 24)
        frame = Frame(np.array([x, y, z]), turned(*rng.uniform(-90, 90, 3)))
        semi = (radius, radius, radius * rng.uniform(1, 3))
        canvas.ellipsoid(frame, semi, 35.0)
        filling = rng.choice([-200.0, 15.0, 40.0, -60.0, 280.0, 450.0], p=[0.3, 0.25, 0.2, 0.1, 0.1, 0.05])
        canvas.ellipsoid(frame, (semi[0] - 3, semi[1] - 3, semi[2] - 3), filling)


def _lungs(canvas: Canvas, trunk: Trunk, inside: NDArray[np.float32], rng: np.random.Generator) -> None:
    x, y, z = canvas.points
    lateral = np.abs(x - trunk.spine_x)
    dome = (
        trunk.diaphragm_mm
        - ((lateral - 65) / 60) ** 2 * 20
        - np.clip(-(y - trunk.middle_y) / 90, 0, 1) ** 2 * 70
    )
    middle = 26 - lateral + np.clip((y - trunk.spine_y) / 40, 0, 1) * 25  # mediastinum
    lung = np.maximum(np.maximum(inside - 2, dome.astype(np.float32) - z), middle)
    canvas.blend((slice(None),) * 3, canvas.share(lung.astype(np.float32)), np.float32(-200))
    fluid = rng.random() < 0.12
    if fluid:
        level = trunk.spine_y + np.float32(rng.uniform(-40, 20))
        canvas.blend(
            (slice(None),) * 3, canvas.share(np.maximum(lung, y - level).astype(np.float32)), np.float32(12)
        )
    heart = Frame(
        np.array([-25.0, float(trunk.middle_y[-1]) + 30, trunk.diaphragm_mm + 45]), turned(30, 20, 0)
    )
    canvas.ellipsoid(heart, (45, 40, 55), float(rng.uniform(35, 180)))


def _back(
    canvas: Canvas, trunk: Trunk, plan: SpinePlan, hu: tuple[float, float], rng: np.random.Generator
) -> None:
    """Erector spinae, psoas and quadratus lumborum; fat between them and the bones."""
    muscle, fat = hu
    streaky = rng.uniform(0, 60)
    x, y, z = canvas.points
    for sign in (-1, 1):
        centre_x = trunk.spine_x + sign * 33 * trunk.size
        distance = np.sqrt(((x - centre_x) / (30 * trunk.size)) ** 2 + ((y - trunk.spine_y + 46) / 24) ** 2)
        share = canvas.share(((distance - 1) * 24).astype(np.float32))
        share = share * (z > -70) + 0 * share
        canvas.blend((slice(None),) * 3, share, np.float32(muscle - streaky))
        levels = {v.name: v.frame.centre for v in plan.vertebrae}
        thick = rng.uniform(9, 26) * trunk.size
        lateral = np.array([sign * 30 * trunk.size, 0, 0])
        way = [
            levels["T12"] + lateral,
            levels["L2"] + lateral * 1.25,
            levels["L4"] + lateral * 1.55 + [0, 6, 0],
        ]
        way += [np.array([sign * 58.0, 45, -40]), np.array([sign * 75.0, 50, -105])]
        for n, (a, b) in enumerate(pairwise(way)):
            canvas.rod(np.array([a, b]), thick * (0.6, 1.0, 1.1, 0.9)[n], muscle)
        ends = np.array([levels["T12"] + [sign * 60, -20, 0], levels["L4"] + [sign * 75, -18, 0]])
        canvas.rod(ends, float(rng.uniform(6, 13)), muscle)
    gap = np.abs(np.sqrt((x - trunk.spine_x) ** 2) - 2) - 2
    behind = np.maximum(gap, y - (trunk.spine_y - 62))
    inside = (z > -60) & (trunk.inward(canvas, 0.0) < 0)
    canvas.blend((slice(None),) * 3, canvas.share(behind.astype(np.float32)) * inside, np.float32(fat))


def _vessels(
    canvas: Canvas, trunk: Trunk, plan: SpinePlan, phase: Enhancement, rng: np.random.Generator
) -> None:
    """Aorta with lime and its division at L4, inferior vena cava; lime and contrast are near bone in HU."""
    centres = [v.frame.world(0, v.depth_mm / 2, 0) for v in plan.vertebrae]
    last = next(n for n, v in enumerate(plan.vertebrae) if v.name == "L4")
    sway = np.cumsum(rng.normal(0, 2.0, (len(centres), 3)) * [1, 0.5, 0], axis=0) * 0.6
    radius = float(np.clip(rng.normal(10.5, 2), 7, 26 if rng.random() < 0.08 else 14))
    aorta = np.array([c + np.array([-9, radius + 2, 0]) for c in centres[: last + 1]]) + sway[: last + 1]
    canvas.rod(aorta, radius, phase.aorta)
    cava = np.array([c + np.array([19, radius + 1, 0]) for c in centres[: last + 1]])
    canvas.rod(cava, float(rng.uniform(7, 12)), phase.cava)
    for sign in (-1, 1):
        branch = np.array([aorta[-1], [sign * 32.0, 40, -15], [sign * 55.0, 60, -70]])
        canvas.rod(branch, radius * 0.5, phase.aorta)
    for _ in range(int(rng.poisson(rng.choice([0, 3, 25])))):
        n = int(rng.integers(0, len(aorta) - 1))
        angle, part = rng.uniform(0, 2 * np.pi), rng.uniform()
        place = aorta[n] * (1 - part) + aorta[n + 1] * part
        place = place + radius * np.array([np.cos(angle), np.sin(angle), 0])
        canvas.ellipsoid(Frame(place, UPRIGHT), (2.5, 2.5, float(rng.uniform(2, 8))), 550.0)
