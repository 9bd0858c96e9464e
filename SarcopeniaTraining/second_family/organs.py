"""Organs: liver, gallbladder, spleen, kidneys, pancreas, stomach, bladder; and how hollow ones are drawn."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from SarcopeniaTraining.second_family.contours import Array, Stations, closed, grown
from SarcopeniaTraining.second_family.frame import Frame, Stage
from SarcopeniaTraining.second_family.tissue import Tissue

# The outer side runs beyond the wall: the cavity cuts it, so that the organ lies against the wall.
# fmt: off
_LIVER: Stations = {
    6: [(140, -60), (170, 20), (110, 130), (0, 140), (-70, 120), (-40, 70), (10, 20), (40, -60)],
    4: [(150, -72), (172, 20), (110, 135), (0, 138), (-64, 112), (-44, 78), (4, 44), (40, -66)],
    3: [(150, -70), (172, 20), (110, 130), (30, 130), (-20, 104), (-6, 60), (42, 14), (58, -58)],
    2: [(148, -60), (172, 20), (128, 110), (80, 112), (42, 84), (46, 40), (74, 6), (84, -44)],
    1: [(148, -46), (168, 8), (150, 66), (116, 84), (92, 60), (86, 26), (92, -4), (104, -38)],
    0: [(148, -26), (164, 4), (150, 40), (128, 52), (112, 34), (106, 12), (110, -8), (124, -24)],
}
_SPLEEN: Stations = {
    5: [(-140, -60), (-168, 0), (-140, 40), (-118, 24), (-104, -14), (-92, -50), (-100, -72)],
    3: [(-140, -66), (-166, -10), (-146, 30), (-122, 26), (-104, -8), (-86, -40), (-92, -66)],
    1: [(-140, -46), (-158, -14), (-146, 14), (-128, 16), (-112, 2), (-102, -20), (-108, -42)],
}
_KIDNEY = np.array(
    [(26, 3), (20, 17), (7, 25), (-9, 25), (-21, 16), (-18, 7), (-10, 1), (-17, -7), (-22, -15), (-11, -24),
     (6, -26), (20, -17)], dtype=float,
)
_SINUS = np.array([(6, 2), (3, 8), (-6, 9), (-19, 7), (-26, 1), (-19, -7), (-6, -8), (3, -6)], dtype=float)
_PANCREAS: Stations = {
    0.2: [(28, 40), (38, 44), (44, 40), (40, 32), (30, 30), (22, 33), (20, 36), (24, 39)],
    1: [(20, 52), (34, 56), (46, 48), (44, 34), (32, 30), (18, 34), (12, 42), (14, 48)],
    2: [(0, 62), (26, 64), (42, 52), (36, 42), (16, 48), (-20, 46), (-40, 44), (-30, 56)],
    2.8: [(-20, 54), (0, 58), (8, 50), (-10, 44), (-40, 36), (-74, 24), (-84, 32), (-56, 48)],
}
_DUODENUM = np.array(
    [(40, 66, 62), (54, 52, 50), (58, 34, 30), (56, 28, 8), (44, 28, -8), (18, 40, -12),
     (-8, 42, -8), (-26, 44, 6), (-34, 54, 24)], dtype=float,
)
_STOMACH = np.array(
    [(-74, 20, 150), (-84, 40, 124), (-78, 70, 96), (-60, 88, 72), (-24, 92, 54), (14, 84, 56), (36, 70, 64)],
    dtype=float,
)
_FUNDUS = np.array([(-66, 10, 205), (-70, 16, 180), (-74, 28, 150), (-72, 44, 120)], dtype=float)
# fmt: on


def _tapered(frame: Frame, lowest: float, run: float) -> Array:
    """Linear size of an organ that begins at a level and rounds off."""
    result: Array = np.sqrt(np.clip((frame.level - lowest) / run, 0.0, 1.0))
    return result


def liver_and_spleen(frame: Frame, rng: np.random.Generator) -> None:
    """Both, cut by the cavity; the liver's tip hangs to anywhere between L1 and L4."""
    tip = float(np.clip(rng.normal(0.4, 0.6), -1.2, 1.6))
    controls = frame.stations(_LIVER) + rng.normal(0, 3.5, (1, 8, 2))
    size = _tapered(frame, tip, 1.1)
    points = closed(grown(controls, np.maximum(size, 0.02), (138, 2)), 64)
    frame.put(Stage.VISCERA, Tissue.LIVER, frame.front(points), size > 0.08)
    for _ in range(22):
        start = np.array([rng.uniform(20, 60), rng.uniform(30, 70), rng.uniform(60, 130)])
        end = np.array([rng.uniform(70, 125), rng.uniform(-30, 90), start[2] - rng.uniform(-20, 50)])
        vessel(frame, start, end, (rng.uniform(2.0, 4.5), 1.0), Tissue.VEIN, rng)
    if rng.random() < 0.8:
        place = frame.front(np.array([[[84.0, 74.0]]]))[0, 0]
        middle = np.array([place[0], place[1], (tip + 0.75) * 36])
        line = middle + np.linspace(-1, 1, 12)[:, None] * np.array([4, 8, 22])
        radii = 15 * np.sqrt(1 - np.linspace(-0.85, 0.97, 12) ** 2) * rng.uniform(0.5, 1.1)
        frame.put_tube(Stage.VISCERA, line, radii + 1.2, np.full(12, Tissue.BOWEL_WALL, np.uint8))
        frame.put_tube(Stage.VISCERA, line, radii, np.full(12, Tissue.GALLBLADDER, np.uint8))
    low = float(rng.normal(1.1, 0.4))
    size = _tapered(frame, low, 0.9)
    points = closed(
        grown(frame.stations(_SPLEEN) + rng.normal(0, 3, (1, 7, 2)), np.maximum(size, 0.02), (-134, -18)), 48
    )
    frame.put(Stage.VISCERA, Tissue.SPLEEN, frame.front(points), size > 0.08)


def vessel(
    frame: Frame,
    start: Array,
    end: Array,
    radii_mm: tuple[float, float],
    label: int,
    rng: np.random.Generator,
) -> None:
    """A tapering tube from one point to another, a little curved; reference coordinates."""
    share = np.linspace(0, 1, max(int(np.linalg.norm(end - start) / 2.0), 3))
    line = start + (end - start) * share[:, None]
    line = line + np.sin(share * np.pi)[:, None] * rng.normal(0, 5, 3)
    line[:, :2] = frame_at(frame, line)
    radii = radii_mm[0] + (radii_mm[1] - radii_mm[0]) * share
    frame.put_tube(Stage.VISCERA, line, radii, np.full(len(share), label, dtype=np.uint8))


def frame_at(frame: Frame, line: Array) -> Array:
    """The front mapping for points (n, 3) that lie on no particular slice."""
    person = frame.person
    away = np.clip((line[:, 1] + 40) / 50, 0, 1)
    x = line[:, 0] * (person.skeleton + (person.waist - person.skeleton) * away)
    scale = np.where(line[:, 1] > -20, person.depth, person.skeleton)
    return np.stack([x, -20 + (line[:, 1] + 20) * scale], axis=-1)


@dataclass(frozen=True, eq=False)
class _Lie:
    """Where a kidney lies on each slice: its side, its turn in radians, its middle in mm."""

    side: int
    turn: float
    middle: Array

    def at(self, shape: Array, scale: Array) -> Array:
        """Control points (n, 2) about the kidney's middle, in its size on each slice, in the body."""
        c, s = np.cos(self.turn), np.sin(self.turn)
        x, y = shape[:, 0] * c - shape[:, 1] * s, shape[:, 0] * s + shape[:, 1] * c
        result: Array = np.stack([x * self.side, y], axis=-1) * scale[:, None, None] + self.middle[:, None]
        return result


def kidneys(frame: Frame, rng: np.random.Generator) -> None:
    """Both kidneys in their own fat, with sinus, pyramids and now and then a cyst."""
    person = frame.person
    for side in (1, -1):
        middle = (1.05 if side > 0 else 1.3) + rng.normal(0, 0.3)
        half = 54 * rng.normal(1, 0.08) * person.skeleton
        height = (frame.z_mm - middle * 36 * person.skeleton) / half
        wide = 0.5 * person.skeleton + 0.5 * person.waist
        x = side * (64 - 9 * height) * wide + side * 2 * person.fattiness
        y = 3 - 11 * height + 4 * person.depth
        turn = float(np.deg2rad(28 + rng.normal(0, 10)))
        lie = _Lie(side, turn, np.stack([x, y], axis=-1) + frame.spine[:, 0] * 0.5)
        size = np.maximum(np.sqrt(np.clip(1 - height**2, 0, 1)), 0.02)
        _kidney(frame, lie, height, size * rng.normal(1.0, 0.06) * person.skeleton, rng)
        if person.has("kidney_cyst") and rng.random() < 0.7:
            _cyst(frame, side * 78 * person.skeleton, middle * 36, rng)


def _kidney(frame: Frame, lie: _Lie, height: Array, size: Array, rng: np.random.Generator) -> None:
    """One kidney; its height is 0 in its middle and ±1 at its poles, its size 1 in its middle."""
    inside, away = np.clip(1 - height**2, 0, 1), np.abs(height)
    fat = closed(lie.at(_KIDNEY * 1.35, np.maximum(size, 0.3)), 40)
    frame.put(Stage.INNER, Tissue.VISCERAL_FAT, fat, away < 1.12)
    shape = _KIDNEY + rng.normal(0, 1.0, _KIDNEY.shape)
    poles = away[:, None, None] > 0.62
    solid = np.where(poles, lie.at(_KIDNEY * 0.95 + [1, 0], size), lie.at(shape, size))
    frame.put(Stage.INNER, Tissue.KIDNEY_CORTEX, closed(solid, 48), inside > 0.01)
    for angle in np.linspace(-2.2, 2.2, 7) + rng.normal(0, 0.1, 7):
        spot = np.array([(14.5 * np.cos(angle), 15.5 * np.sin(angle))]) + 4.6 * _circle(8)
        frame.put(Stage.INNER, Tissue.KIDNEY_MEDULLA, closed(lie.at(spot, size), 14), inside > 0.3)
    sinus = _SINUS + rng.normal(0, 1.2, _SINUS.shape)
    open_part = size * np.clip((0.75 - away) / 0.35, 0.02, 1)
    frame.put(Stage.INNER, Tissue.VISCERAL_FAT, closed(lie.at(sinus, open_part), 28), away < 0.72)
    middle = closed(lie.at(sinus * 0.42 + [-5, 0], open_part), 20)
    frame.put(Stage.INNER, Tissue.RENAL_SINUS, middle, away < 0.45)


def _cyst(frame: Frame, x_mm: float, z_mm: float, rng: np.random.Generator) -> None:
    radius = float(rng.uniform(8, 26))
    centre = np.array([[x_mm, rng.uniform(-8, 22), z_mm + rng.uniform(-40, 25)]])
    frame.put_tube(Stage.INNER, centre, np.array([radius]), np.array([Tissue.CYST], np.uint8))


def bladder(frame: Frame, rng: np.random.Generator) -> None:
    """The bladder behind the lowest part of the wall."""
    if not (frame.level < -3.5).any():
        return
    size = float(rng.uniform(18, 42))
    line = np.array([(rng.normal(0, 4), 34.0, -168.0 + shift * size) for shift in (-0.4, 0, 0.4)])
    line[:, :2] = frame_at(frame, line)
    frame.put_tube(
        Stage.VISCERA, line, np.full(3, size + 3), np.full(3, Tissue.BOWEL_WALL, np.uint8), squash=0.8
    )
    frame.put_tube(Stage.VISCERA, line, np.full(3, size), np.full(3, Tissue.BLADDER, np.uint8), squash=0.8)


def _circle(points: int) -> Array:
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1)


def upper_organs(frame: Frame, rng: np.random.Generator) -> None:
    """Pancreas, duodenum and stomach."""
    level = frame.level
    controls = frame.stations(_PANCREAS) + rng.normal(0, 1.6, (1, 8, 2))
    ends = np.clip(np.minimum((level - 0.1) / 0.4, (2.9 - level) / 0.4), 0, 1)
    points = closed(grown(controls, np.maximum(np.sqrt(ends), 0.02), controls.mean(axis=1)), 40)
    frame.put(Stage.VISCERA, Tissue.PANCREAS, frame.front(points), ends > 0.02)
    fluid = Hollow((Tissue.BOWEL_FLUID, Tissue.COLLAPSED_BOWEL), wall_mm=2.4)
    tube(frame, _DUODENUM, 11.0, rng, fluid)
    stomach = _STOMACH.copy()
    stomach[:, 2] += rng.normal(0, 12)
    full = (Tissue.GASTRIC_CONTENT, Tissue.BOWEL_FLUID)
    if (frame.level > 2.2).any():
        bag = Hollow(full, wall_mm=4.0, gas=0.9, haustra=0.04)
        tube(frame, _FUNDUS, rng.uniform(34, 48), rng, bag)
    size = float(rng.uniform(18, 36))
    tube(frame, stomach, size, rng, Hollow(full, wall_mm=4.0, taper=True))


@dataclass(frozen=True)
class Hollow:
    """What a hollow organ is like, whatever its course.

    Attributes
    ----------
    content
        Labels of which each piece of 9 cm holds one.
    wall_mm
        Thickness of the wall.
    gas
        Share of the pieces with gas in front of their content.
    haustra
        Depth of the folds, as a share of the radius.
    taper
        Whether it narrows at both ends.
    """

    content: tuple[int, ...]
    wall_mm: float
    gas: float = 0.3
    haustra: float = 0.12
    taper: bool = False


def tube(frame: Frame, line: Array, radius_mm: float, rng: np.random.Generator, hollow: Hollow) -> None:
    """A hollow organ along a line through control points (n, 3), reference coordinates.

    First its wall over the whole length, then its lumen; gas lies in front of fluid.
    """
    length = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    count = max(int(length / 3.0), 6)
    where = np.linspace(0, len(line) - 1, count)
    path = CubicSpline(np.arange(len(line)), line, axis=0)(where)
    path[:, :2] = frame_at(frame, path)
    path[:, 2] *= frame.person.skeleton
    phase = rng.uniform(0, 6.28)
    share = np.linspace(0, 1, count)
    radii = radius_mm * (
        1 + hollow.haustra * np.sin(share * length / 36 * 6.28 + phase) + 0.10 * _wander(rng, count)
    )
    if hollow.taper:
        radii = radii * (0.45 + 0.55 * np.sin(np.pi * np.clip(share * 0.85 + 0.12, 0, 1)))
    radii = np.maximum(radii, 4.5)
    inner = np.maximum(radii - hollow.wall_mm, 0.8)
    parts = np.clip((share * max(1, length / 90) + rng.uniform(0, 9)).astype(int), 0, 99)
    labels = np.array([rng.choice(hollow.content) for _ in range(100)], dtype=np.uint8)[parts]
    filled = np.array([rng.random() < hollow.gas for _ in range(100)])[parts]
    frame.put_tube(Stage.VISCERA, path, radii, np.full(count, Tissue.BOWEL_WALL, np.uint8))
    empty = labels == Tissue.COLLAPSED_BOWEL
    folds = path + rng.normal(0, 0.22, (count, 3)) * inner[:, None] * [1, 1, 0]
    frame.put_tube(Stage.VISCERA, path, np.where(empty, inner * 0.8, inner), labels)
    bare = empty & (rng.random(count) < 0.55)
    if bare.any():
        lumen = np.full(int(bare.sum()), Tissue.BOWEL_FLUID, dtype=np.uint8)
        frame.put_tube(Stage.VISCERA, folds[bare], inner[bare] * rng.uniform(0.15, 0.55, lumen.size), lumen)
    if filled.any():
        deep = rng.uniform(0.15, 0.85)
        bubble = path.copy()
        bubble[:, 1] += inner * (1 - deep)
        frame.put_tube(
            Stage.VISCERA, bubble[filled], inner[filled] * deep, np.full(filled.sum(), Tissue.GAS, np.uint8)
        )


def _wander(rng: np.random.Generator, count: int) -> Array:
    """Smooth noise of unit size along a tube."""
    coarse = rng.standard_normal(count // 5 + 4)
    result: Array = np.interp(np.arange(count), np.arange(len(coarse)) * 5.0, coarse)
    return result
