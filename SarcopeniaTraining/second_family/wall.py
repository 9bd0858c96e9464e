"""The abdominal wall: three sheets, the rectus, what joins them, and the skin around it all."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial import ConvexHull

from SarcopeniaTraining.second_family.contours import (
    Array,
    Stations,
    normals,
    open_path,
    sheet,
    sided,
    smooth_step,
)
from SarcopeniaTraining.second_family.frame import Frame, Stage
from SarcopeniaTraining.second_family.tissue import Tissue

# Inner face of the wall's right half: from the quadratus' edge (0) round the flank to the semilunar line (7)
# and the linea alba (9).
# fmt: off
_INNER_FACE: Stations = {
    5: [(56, -60), (96, -68), (132, -40), (146, 2), (145, 48),
        (126, 88), (95, 108), (62, 116), (30, 120), (0, 121)],
    4: [(58, -56), (96, -62), (130, -36), (144, 4), (142, 48),
        (122, 86), (92, 106), (60, 114), (30, 118), (0, 119)],
    3: [(63, -50), (97, -54), (128, -30), (142, 6), (140, 46),
        (121, 82), (92, 102), (62, 111), (30, 115), (0, 115)],
    2: [(71, -42), (101, -43), (127, -22), (139, 11), (136, 48),
        (117, 79), (91, 97), (63, 106), (32, 110), (0, 110)],
    1: [(78, -37), (104, -35), (126, -15), (136, 15), (132, 47),
        (114, 75), (89, 91), (64, 99), (34, 103), (0, 103)],
    0: [(81, -36), (103, -32), (123, -12), (132, 14), (128, 44),
        (111, 70), (87, 86), (64, 94), (35, 98), (0, 98)],
    -1: [(83, -34), (104, -27), (121, -8), (129, 16), (125, 44),
         (108, 67), (84, 82), (62, 89), (34, 93), (0, 93)],
    -2: [(78, -24), (96, -14), (111, 4), (120, 25), (117, 48),
         (103, 66), (82, 78), (60, 84), (32, 87), (0, 87)],
    -3: [(60, -22), (81, -9), (98, 8), (108, 28), (108, 48), (96, 64), (78, 75), (56, 80), (30, 82), (0, 82)],
    -5: [(42, -24), (63, -12), (82, 6), (92, 26), (96, 44), (88, 58), (72, 66), (52, 70), (28, 72), (0, 72)],
}
# fmt: on
# Share of the thickness at L3 that a sheet has on other levels.
_TRANSVERSUS = {5: 0, 4: 0.0, 3: 0.3, 2: 0.8, 1: 1.0, 0: 1.0, -1: 1.0, -2: 0.8, -3: 0.45, -5: 0.05}
_INTERNAL = {5: 0, 4: 0.0, 3: 0.08, 2: 0.5, 1: 0.9, 0: 1.0, -1: 1.05, -2: 0.8, -3: 0.5, -5: 0.1}
_EXTERNAL = {5: 0.7, 4: 0.8, 3: 0.9, 2: 1.0, 1: 1.0, 0: 1.0, -1: 0.85, -2: 0.45, -3: 0.1, -5: 0.0}
_RECTUS = {5: 0.6, 4: 0.75, 3: 0.9, 2: 0.95, 1: 1.0, 0: 1.0, -1: 1.05, -2: 1.1, -3: 1.15, -5: 1.1}
_LATISSIMUS = {5: 1.2, 4: 1.1, 3: 1.0, 2: 0.85, 1: 0.6, 0: 0.3, -0.6: 0.0, -5: 0}
_INTERCOSTAL = {5: 1, 3.5: 1.0, 2.6: 0.9, 1.7: 0, -5: 0}
_FIRST_FIBRE = {5: 0, 0: 0, -1: 0.2, -1.6: 1.2, -2: 2.4, -3: 3.2, -5: 4.0}
_THICKNESS_MM = {"male": (4.1, 9.2, 6.9, 10.6), "female": (3.1, 7.0, 5.5, 8.6)}
"""Transversus, internal and external oblique, rectus at L3 where they are thickest, young adults."""

_SAMPLES = np.linspace(0.0, 9.0, 91)
_EVERYWHERE = slice(None)


@dataclass(frozen=True, eq=False)
class HalfWall:
    """One half of the wall in the right side's coordinates, (slices, samples…)."""

    path: Array
    outward: Array
    thickness: Array
    side: int

    def out(self, points: Array) -> Array:
        """Points of this half in the body's coordinates."""
        return sided(points, self.side)

    def band(self, near_mm: Array, far_mm: Array, span: slice) -> Array:
        """The contour between two distances from the inner face, over a span of samples."""
        path, outward = self.path[:, span], self.outward[:, span]
        return self.out(sheet(path, outward, near_mm[:, span], far_mm[:, span]))

    def face(self) -> Array:
        """The outer face of the muscles."""
        return self.path + self.outward * self.thickness[..., None]


@dataclass(frozen=True, eq=False)
class Sheets:
    """Thickness in mm of each sheet and of the fat between, at the samples of a half."""

    transversus: Array
    gap_inner: Array
    internal: Array
    gap_outer: Array
    external: Array
    intercostal: Array


def _noise_along(rng: np.random.Generator, frame: Frame, samples: int, length: float) -> Array:
    """Smooth noise of unit size along the samples that changes slowly along the body."""
    knots = np.arange(-12, 14)
    noise = gaussian_filter1d(rng.standard_normal((len(knots), samples + 60)), length, axis=1)[:, 30:-30]
    noise = gaussian_filter1d(noise, 1.5, axis=0)
    noise /= noise.std()
    place = np.clip(frame.level * 1.5 + 9, 0, len(knots) - 1.001)
    low = place.astype(int)
    share = (place - low)[:, None]
    result: Array = noise[low] * (1 - share) + noise[low + 1] * share
    return result


def _sheets(frame: Frame, rng: np.random.Generator, side: int) -> Sheets:
    person, q = frame.person, _SAMPLES[None, :]
    one_sided = 0.68 if side == frame.wasted else 1.0
    size = np.array(_THICKNESS_MM[person.sex]) * (person.muscle / (1 if person.sex == "male" else 0.8)) ** 0.8
    stretched = (person.waist / (0.9 * person.skeleton**0.7)) ** -0.5
    size = size * person.wall * stretched * one_sided * (1 + side * person.asymmetry)
    first = frame.stations(_FIRST_FIBRE)[:, None]
    ends = rng.normal(0, 0.18, 3)

    swell = [1 + 0.13 * _noise_along(rng, frame, q.size, 9) for _ in range(3)]
    belly = 1 - 0.10 * ((q - 3.2) / 3.2) ** 2
    shares = [frame.stations(table)[:, None] for table in (_TRANSVERSUS, _INTERNAL, _EXTERNAL)]
    spans = (
        _rising(first, 0.0, 0.9) * _falling(5.9 + ends[0], 7.0 + ends[0]),
        _rising(first, 0.15, 1.7) * _falling(5.5 + ends[1], 7.05 + ends[1] / 2),
        _rising(first, 0.7, 1.7) * _falling(4.6 + ends[2], 6.5 + ends[2]),
    )
    transversus = size[0] * shares[0] * swell[0] * spans[0]
    internal = size[1] * shares[1] * swell[1] * belly * spans[1]
    external = size[2] * shares[2] * swell[2] * belly * spans[2]
    wide = 0.45 + 2.6 * person.fattiness**1.3 + 0.02 * max(person.bmi - 24, 0)
    between = _rising(first, 0, 0.8) * _falling(6.0, 7.2)
    gaps = [
        np.clip(wide * (0.75 + 0.75 * _noise_along(rng, frame, q.size, 7)), 0.0, None) * between
        for _ in range(2)
    ]
    intercostal = 6.0 * frame.stations(_INTERCOSTAL)[:, None] * (1 - smooth_step(q, 5.6, 6.8))
    return Sheets(
        transversus=np.maximum(transversus, 0),
        gap_inner=gaps[0],
        internal=np.maximum(internal, 0),
        gap_outer=gaps[1] * shares[2],
        external=np.maximum(external, 0),
        intercostal=intercostal,
    )


def _rising(first: Array, begin: float, full: float) -> Array:
    """0 to 1 along the samples behind the first fibre, (slices, samples)."""
    return smooth_step(_SAMPLES[None, :] - first, begin, full)


def _falling(full: float, end: float) -> Array:
    """1 to 0 along the samples towards the middle line, (1, samples)."""
    return 1 - smooth_step(_SAMPLES[None, :], full, end)


def half_wall(frame: Frame, rng: np.random.Generator, side: int) -> HalfWall:
    """Draw one half: sheets, rectus, aponeuroses; right for side +1, left for −1."""
    controls = frame.stations(_INNER_FACE)
    controls = np.concatenate([controls, controls[:, [8, 7]] * np.array([-1.0, 1.0])], axis=1)
    wobble = np.zeros_like(controls)
    wobble[:, 1:7] = rng.normal(0, 2.2, (1, 6, 2))
    placed = frame.front(controls + wobble)
    shift = frame.spine * np.array([0.25, 0])
    right = (placed - shift) + shift * side
    path = open_path(right, _SAMPLES)
    outward = -normals(path)
    sheets = _sheets(frame, rng, side)
    inner = 0.6 * (sheets.transversus > 0)
    levels = [inner + sheets.intercostal]
    for thick in (sheets.transversus, sheets.gap_inner, sheets.internal, sheets.gap_outer, sheets.external):
        levels.append(levels[-1] + thick)
    rectus = _rectus(frame, rng, side)
    total = np.maximum(levels[-1], rectus + 1.2)
    half = HalfWall(path, outward, total, side)

    shown = sheets.external + sheets.internal + sheets.transversus > 0.8
    outside, none = levels[-1], 0 * rectus
    for label, near, far, span in (
        (Tissue.INTERMUSCULAR_FAT, np.where(shown, inner, 0), np.where(shown, outside, 0), slice(3, 70)),
        (Tissue.FASCIA, total - 0.3, total + 0.5, slice(44, 91)),
        (Tissue.FASCIA, outside * 0.5, outside * 0.5 + 0.9, slice(62, 74)),
        (Tissue.INTERCOSTAL, none, sheets.intercostal, _EVERYWHERE),
        (Tissue.TRANSVERSUS, levels[0], levels[1], _EVERYWHERE),
        (Tissue.INTERNAL_OBLIQUE, levels[2], levels[3], _EVERYWHERE),
        (Tissue.EXTERNAL_OBLIQUE, levels[4], levels[5], _EVERYWHERE),
        (Tissue.RECTUS, none + 0.9, rectus + 0.9, slice(60, 91)),
        (Tissue.LINEA_ALBA, none + 1.0, none + 2.8, slice(84, 91)),
    ):
        frame.put(Stage.OUTER, label, half.band(near, far, span))
    return half


def _rectus(frame: Frame, rng: np.random.Generator, side: int) -> Array:
    """Thickness of the rectus at the samples: a flat lens that ends short of the middle line."""
    person, q = frame.person, _SAMPLES[None, :]
    # Both halves of one person draw the same: numbers that hang on the person alone.
    state = np.random.default_rng(int(person.age_years * 1000 + abs(person.asymmetry) * 1e6))
    apart = 0.03 + 0.12 * state.random() ** 3 + (0.35 if state.random() < 0.12 else 0)
    size = _THICKNESS_MM[person.sex][3] * (person.muscle / (1 if person.sex == "male" else 0.8)) ** 0.85
    size *= (1 + side * person.asymmetry) * float(state.normal(1, 0.1))
    low = 6.75 + 0.25 * state.random()
    edge = frame.stations({5: 0.5, 2: 0.2, 0: 0.0, -3: 0.5, -5: 1.0})[:, None]
    share = np.clip((q - low - edge) / (9 - apart - low - edge), 0, 1)
    lens = (1 - np.abs(2 * share**1.25 - 1) ** 2.6) ** 0.62
    uneven = 1 + 0.10 * _noise_along(rng, frame, q.size, 6)
    result: Array = size * frame.stations(_RECTUS)[:, None] * np.maximum(lens, 0) * uneven
    return result


def latissimus(frame: Frame, half: HalfWall, back: Array) -> Array:
    """The latissimus from the erector's outer side to the flank; returns its outer face.

    Parameters
    ----------
    back
        Points of the erector's outer surface from behind to the side, right side's coordinates.
    """
    face = half.face()[:, [9, 14, 19, 24]]
    controls = np.concatenate([back, face], axis=1)
    where = np.linspace(0, controls.shape[1] - 1, 40)
    path = open_path(controls, where)
    side = -normals(path)
    share = frame.stations(_LATISSIMUS)[:, None]
    size = 8.0 * (frame.person.muscle**0.8) * share
    q = np.linspace(0, 1, 40)[None, :]
    thick = size * smooth_step(q, 0.0, 0.25) * (1 - smooth_step(q, 0.72, 1.0))
    band = sheet(path, side, 0.8 + 0 * thick, 0.8 + thick)
    frame.put(Stage.OUTER, Tissue.LATISSIMUS, half.out(band), (frame.level > -0.5))
    result: Array = path + side * (0.8 + thick)[..., None]
    return result


def skin(frame: Frame, envelope: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Skin and its underside about an envelope of what lies under the fat.

    Parameters
    ----------
    envelope
        (slices, points, 2), any order.

    Returns
    -------
    tuple[Array, Array]
        Outer face and fat's border, (slices, points, 2) each.
    """
    person = frame.person
    middle = np.array([0.0, 12.0]) + frame.spine[:, 0] * 0.3
    relative = envelope - middle[:, None]
    angle = np.arctan2(relative[..., 0], relative[..., 1])
    radius = np.hypot(relative[..., 0], relative[..., 1])
    bins = np.linspace(-np.pi, np.pi, 181)[:-1]
    outline = np.zeros((len(angle), len(bins)))
    for index in range(len(angle)):
        hull = _hull(relative[index])
        away = np.interp(bins, *hull, period=2 * np.pi)
        order = np.argsort(angle[index])
        turns = np.concatenate(
            [angle[index][order] - 2 * np.pi, angle[index][order], angle[index][order] + 2 * np.pi]
        )
        near = np.interp(bins, turns, np.tile(radius[index][order], 3))
        outline[index] = np.maximum(near, 0.25 * near + 0.75 * away)
    outline = maximum_filter1d(outline, 9, axis=1, mode="wrap")
    outline = gaussian_filter1d(outline, 4.0, axis=1, mode="wrap")
    front, side, back = person.subcutaneous_mm
    ahead, behind = np.clip(np.cos(bins), 0, 1), np.clip(-np.cos(bins), 0, 1)
    fat = front * ahead**1.5 + back * behind**1.5 + side * (1 - ahead**1.5 - behind**1.5)
    fat = np.maximum(fat, 1.5) * np.exp(0.09 * _noise_along(rng, frame, len(bins), 14))
    hips = frame.stations({5: 0.8, 2: 0.9, 0: 1.0, -2: 1.15, -4: 1.3, -6: 1.4})[:, None]
    low = 1 + (hips - 1) * (0.4 + 0.6 * behind)
    thick = 1.6 + 0.8 * rng.random()
    under = outline + fat * low + 0.5
    groove = 0.30 * min(back, 14) * np.exp(-(((np.abs(bins) - np.pi) / 0.085) ** 2))
    navel = (
        np.exp(-((bins / 0.06) ** 2)) * np.exp(-(((frame.level + rng.normal(0.9, 0.35)) / 0.2) ** 2))[:, None]
    )
    under = np.maximum(under - groove - 0.55 * front * navel, outline + 0.8)
    direction = np.stack([np.sin(bins), np.cos(bins)], axis=-1)
    faces = []
    for reach in (under + thick, under):
        points = middle[:, None] + direction * reach[..., None]
        faces.append(_lying(points, frame, thick if reach is under else 0.0))
    return faces[0], faces[1]


def _hull(points: Array) -> tuple[Array, Array]:
    """The convex hull of points about the origin as (angles in order, radii)."""
    corners = points[ConvexHull(points).vertices]
    share = np.linspace(0, 1, 24, endpoint=False)[None, :, None]
    edges = corners[:, None] * (1 - share) + np.roll(corners, -1, axis=0)[:, None] * share
    line = edges.reshape(-1, 2)
    angle = np.arctan2(line[:, 0], line[:, 1])
    order = np.argsort(angle)
    return angle[order], np.hypot(line[:, 0], line[:, 1])[order]


def _lying(points: Array, frame: Frame, above_mm: float) -> Array:
    """Points pressed flat where they would sink into the table."""
    lowest = points[..., 1].min(axis=1, keepdims=True)
    table = np.quantile(lowest, 0.15) + 0.35 * min(frame.person.subcutaneous_mm[2], 25) + above_mm
    over = points[..., 1] - table
    soft = 15.0
    pressed = np.where(over < soft, soft * np.exp(np.clip(over - soft, -90, 0) / soft), over)
    return np.stack([points[..., 0], table + pressed], axis=-1)
