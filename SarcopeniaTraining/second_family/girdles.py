"""Above and below the abdomen: ribs and lung bases, iliac wings and gluteal muscles, arms."""

from dataclasses import dataclass

import numpy as np

from SarcopeniaTraining.second_family.contours import (
    Array,
    Stations,
    closed,
    grown,
    normals,
    open_path,
    sheet,
    sided,
    smooth_step,
)
from SarcopeniaTraining.second_family.frame import Frame, Stage, Vertebra
from SarcopeniaTraining.second_family.tissue import Tissue
from SarcopeniaTraining.second_family.wall import HalfWall

# fmt: off
_ILIUM: Stations = {
    -1.35: [(86, -34), (91, -27), (97, -18), (101, -10), (104, -2)],
    -2: [(60, -50), (71, -42), (84, -28), (103, -4), (115, 28)],
    -3: [(47, -60), (57, -47), (64, -28), (86, -3), (111, 38)],
    -4: [(52, -52), (62, -38), (70, -18), (90, 6), (110, 40)],
    -5: [(66, -26), (73, -14), (82, -2), (96, 16), (103, 34)],
    -6.5: [(76, -14), (84, -4), (94, 6), (100, 16), (104, 26)],
}
_ILIUM_MM: Stations = {
    -1.35: (2, 2, 2, 2, 2), -2: (9, 7, 5, 6, 10), -3: (15, 13, 8, 6, 12), -4: (12, 15, 9, 7, 13),
    -5: (14, 18, 20, 16, 13), -6.5: (18, 26, 30, 28, 20),
}
_MAXIMUS: Stations = {
    -2.5: [(42, -60), (46, -64), (54, -64), (62, -58), (66, -52), (64, -48), (56, -52), (48, -57)],
    -3: [(34, -66), (46, -74), (66, -72), (88, -58), (98, -42), (92, -38), (70, -50), (48, -62)],
    -4: [(26, -64), (42, -82), (72, -84), (102, -64), (114, -34), (104, -28), (76, -46), (48, -60)],
    -5: [(18, -56), (34, -84), (72, -92), (108, -70), (122, -34), (110, -20), (80, -38), (44, -48)],
    -6.5: [(12, -50), (26, -86), (70, -96), (112, -74), (126, -34), (114, -14), (84, -30), (40, -38)],
}
# Head, neck and the place in front of the transverse process, about the vertebral body.
_NECK: Stations = {
    1.5: [(24, -13), (29, -25), (38, -34)],
    3: [(21, -12), (26, -24), (36, -35)],
    4: [(20, -11.5), (25, -23), (34, -35)],
    5: [(18.5, -11), (23.5, -22), (31, -34)],
    6.5: [(17, -11), (22, -22), (30, -34)],
}
# fmt: on
_RIB_REACH = {1: 0.6, 2: 1.1, 3: 2.3, 4: 4.0, 5: 5.6, 6: 6.6, 7: 7.0}
"""How far round the wall a rib reaches, in the wall's control points, by its vertebra's level."""
_RIB_HALF_MM = 3.6
_HEAD_Q = -1.5
"""Place of a rib's head, in the wall's control points before the wall begins."""
_LAST_ON_OWN_BODY = 5
"""T10: its head and those below touch one vertebra, those above the disc too (docs/second-family.md)."""


@dataclass(frozen=True)
class _Rib:
    """How one pair of ribs runs down: by q, the place along the wall's control points.

    Attributes
    ----------
    head_mm, wall_mm
        Heights of the head and of the place where the wall's path begins (q = 0).
    slope_mm
        Fall along the wall for each control point.
    reach
        Where it ends.
    """

    head_mm: float
    wall_mm: float
    slope_mm: float
    reach: float

    @classmethod
    def of(cls, vertebra: Vertebra, skeleton: float) -> "_Rib":
        """The rib of a vertebra: heads of the last three on their own body, others at the disc above."""
        order = int(np.clip(vertebra.number - 29, 1, 7))
        slope = 13.0 * skeleton
        start = vertebra.middle_mm + 4 - 0.9 * slope
        head = vertebra.middle_mm + (0.25 if order <= _LAST_ON_OWN_BODY else 0.45) * vertebra.segment_mm
        return cls(head, start, slope, _RIB_REACH[order])

    def span(self, z_mm: Array, low: float, high: float) -> tuple[Array, Array]:
        """The part of it on each sub-slice between two places, from q to q; (slices,) each."""
        half = 0.45 * self.slope_mm
        below, above = (self._q(z_mm + shift) for shift in (half, -half))
        return np.clip(below, low, high), np.clip(above, low, high)

    def _q(self, z_mm: Array) -> Array:
        """Place along the wall at which its middle has a height; negative between spine and wall."""
        fall = self.wall_mm - z_mm
        medial = fall * -_HEAD_Q / (self.head_mm - self.wall_mm)
        return np.where(fall < 0, medial, fall / self.slope_mm)


def ribs_and_lung(frame: Frame, half: HalfWall, rng: np.random.Generator) -> None:
    """Ribs that run round the wall and down, and the lung's base behind them."""
    samples = np.linspace(0, 9, half.path.shape[1])
    middle = half.path + half.outward * _RIB_HALF_MM
    for vertebra in frame.column.vertebrae:
        if vertebra.rib:
            rib = _Rib.of(vertebra, frame.person.skeleton)
            span = rib.span(frame.z_mm, 0.0, rib.reach)
            _put_rib(frame, half, Stage.OUTER, (middle, samples), span)
    depth = frame.stations({6: 84.0, 5: 64.0, 4: 38.0, 3.2: 14.0, 2.5: 0.0, 0: 0.0}) * rng.uniform(0.7, 1.25)
    q = samples[None, :]
    profile = (
        np.clip(depth, 0, None)[:, None]
        * (1 - smooth_step(q, 0.5, 4.5))
        * (0.6 + 0.4 * smooth_step(q, 0, 1.0))
    )
    lung = sheet(half.path, half.outward, -profile - 3.0, 0 * profile - 1.0)
    frame.put(Stage.VISCERA, Tissue.LUNG, half.out(lung), depth > 1.5)
    crus = sheet(half.path, half.outward, -profile - 5.0, -profile - 2.5)
    frame.put(Stage.VISCERA, Tissue.CRUS, half.out(crus), frame.level > 2.4)


def rib_necks(frame: Frame, half: HalfWall) -> None:
    """Each rib's part between the vertebral body and the wall: head, neck, the way past the process."""
    mine = frame.spine * np.array([half.side, 1.0])
    medial = frame.stations(_NECK) * frame.person.skeleton + mine
    wall = (half.path + half.outward * _RIB_HALF_MM)[:, [0, 5]]
    samples = np.linspace(_HEAD_Q, 0.5, 41)
    middle = open_path(np.concatenate([medial, wall], axis=1), (samples - _HEAD_Q) * 2)
    for vertebra in frame.column.vertebrae:
        if vertebra.rib:
            span = _Rib.of(vertebra, frame.person.skeleton).span(frame.z_mm, _HEAD_Q, 0.3)
            _put_rib(frame, half, Stage.INNER, (middle, samples), span)


def _put_rib(
    frame: Frame, half: HalfWall, stage: Stage, course: tuple[Array, Array], span: tuple[Array, Array]
) -> None:
    """Cortex and marrow of the part of a rib that lies on each sub-slice.

    Parameters
    ----------
    course
        Middles of a rib at samples of q: (slices, samples, 2) in the right side's coordinates, (samples,).
    span
        From q to q, (slices,) each.
    """
    middle, samples = course
    low, high = span
    share = np.linspace(0, 1, 16)
    q = low[:, None] + (high - low)[:, None] * share
    path, out = (
        np.stack([_resample(values[..., axis], samples, q) for axis in (0, 1)], axis=-1)
        for values in (middle, -normals(middle))
    )
    thick = _RIB_HALF_MM * np.sqrt(np.clip(1 - (2 * share - 1) ** 2, 0.05, 1))[None, :] + 0 * q
    for label, fraction in ((Tissue.RIB_CORTEX, 1.0), (Tissue.RIB_MARROW, 0.6)):
        band = sheet(path, out, -fraction * thick, fraction * thick)
        frame.put(stage, label, half.out(band), high - low > 0.15)


def _resample(values: Array, samples: Array, q: Array) -> Array:
    return np.stack([np.interp(q[n], samples, values[n]) for n in range(len(values))])


def pelvis(frame: Frame) -> Array:
    """Iliac wings, iliacus and gluteal muscles; returns their outer points (both sides) for the skin."""
    person, level = frame.person, frame.level
    visible = level < -1.36
    path = open_path(frame.stations(_ILIUM), np.linspace(0, 4, 33))
    outward = -normals(path)
    ends = np.sqrt(np.clip(1 - np.linspace(-1, 1, 33) ** 6, 0, 1))[None, :]
    size = frame.stations(_ILIUM_MM)
    thick = open_path(np.stack([size, size], axis=-1), np.linspace(0, 4, 33))[..., 0] * ends
    area = person.muscle**0.7
    u = np.linspace(0, 1, 33)[None, :]
    deep = frame.stations({-1.35: 0.0, -2: 12.0, -3: 27.0, -4: 36.0, -6: 40.0})[:, None] * area
    medius = deep * np.sin(np.pi * np.clip(0.10 + 0.86 * u, 0, 1)) ** 0.7
    inner = frame.stations({-1.35: 0.0, -2: 8.0, -3: 15.0, -4: 17.0, -6: 14.0})[:, None] * area
    iliacus = inner * np.sin(np.pi * np.clip(0.02 + 0.9 * u, 0, 1)) ** 0.8
    gap = 1.0 + 3 * person.fattiness
    large = closed(grown(frame.stations(_MAXIMUS), np.sqrt(area), (60, -45)), 40)
    marrow = sheet(path, outward, 1.6 + 0 * thick, np.maximum(thick - 1.6, 1.7))
    pieces = (
        (Tissue.GLUTEUS, large, level < -2.5),
        (Tissue.INTERMUSCULAR_FAT, sheet(path, outward, -iliacus, thick + medius + gap), visible),
        (Tissue.GLUTEUS, sheet(path, outward, thick + 0.6, thick + medius), visible),
        (Tissue.ILIACUS, sheet(path, outward, -iliacus, -0.4 + 0 * thick), visible),
        (Tissue.PELVIS_CORTEX, sheet(path, outward, 0 * thick, thick), visible),
        (Tissue.PELVIS_MARROW, marrow, visible & (level < -1.8)),
    )
    outer = []
    for sign in (1, -1):
        for tissue, points, shown in pieces:
            frame.put(Stage.INNER, tissue, _on_pelvis(frame, points, sign), shown)
        edge = _on_pelvis(
            frame, np.concatenate([path + outward * (thick + medius)[..., None], large], axis=1), sign
        )
        none = frame.on_spine(np.array([[[sign * 40.0, -60.0]]]))
        large_shown = np.arange(edge.shape[1]) < 33
        keep = visible[:, None] & (large_shown[None, :] | (level < -2.5)[:, None])
        outer.append(np.where(keep[..., None], edge, none))
    return np.concatenate(outer, axis=1)


def _on_pelvis(frame: Frame, points: Array, sign: int) -> Array:
    """The pelvis follows a third of the column's curve."""
    return frame.on_spine(sided(points, sign) - frame.spine / frame.person.skeleton * np.array([0.7, 0.65]))


@dataclass(frozen=True, eq=False)
class _Arm:
    """Control points of an arm's skin about its middle, and that middle, on each slice."""

    shape: Array
    place: Array

    def ring(self, scale: float, off_mm: tuple[float, float] = (0.0, 0.0)) -> Array:
        """The contour at a share of the arm's size, off its middle."""
        return closed(self.shape * scale * np.array([1, 1.05]) + self.place + np.array(off_mm), 40)


def arms(frame: Frame, half_width: float, rng: np.random.Generator) -> None:
    """Arms beside the body: skin, fat, muscle, two bones (forearm) or one (upper arm)."""
    if not frame.person.has("arms"):
        return
    for sign in (1, -1):
        if rng.random() < 0.15:
            continue
        turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        circle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        wide = frame.stations({-5: 26.0, -2: 34.0, 1: 40.0, 4: 48.0}) * frame.person.skeleton
        place = np.stack([sign * (half_width + wide + rng.uniform(4, 18)), -25 + 6 * frame.level], axis=-1)
        shape = circle + rng.normal(0, 0.04, circle.shape)
        arm = _Arm(shape[None] * wide[:, None, None], place[:, None])
        for label, scale in ((Tissue.SKIN, 1.0), (Tissue.SUBCUTANEOUS_FAT, 0.95), (Tissue.ARM_MUSCLE, 0.78)):
            frame.put(Stage.OUTER, label, arm.ring(scale))
        for dx, dy in ((7, 6), (-8, -5)):
            frame.put(Stage.OUTER, Tissue.ARM_BONE, arm.ring(0.2, (dx, dy)), frame.level < 0.5)
        frame.put(Stage.OUTER, Tissue.ARM_BONE, arm.ring(0.26), frame.level >= 0.5)
