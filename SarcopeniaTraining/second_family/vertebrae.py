"""Vertebrae: body, disc, canal, pedicles, laminae, processes, sculpted about the body's middle.

A vertebra's own height coordinate u is 0 in the middle of the body and ±0.5 in the discs' middles.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.second_family.contours import Array, Stations, closed, grown, mirrored
from SarcopeniaTraining.second_family.frame import SACRUM_NUMBER, Frame, Stage, Vertebra
from SarcopeniaTraining.second_family.tissue import CORTEX_OF_VERTEBRA, MARROW_OF_VERTEBRA, Tissue

# fmt: off
_BODY = np.array(
    [(0, 17.5), (11, 16), (20, 10.5), (24.5, 1), (23, -9), (16, -15.5), (7, -16), (0, -14.5),
     (-7, -16), (-16, -15.5), (-23, -9), (-24.5, 1), (-20, 10.5), (-11, 16)], dtype=float,
)
_WIDTH = {6: 0.70, 5: 0.74, 4: 0.80, 3: 0.86, 2: 0.92, 1: 0.96, 0: 1.0, -1: 1.05, -2: 1.10}
_DEPTH = {6: 0.88, 5: 0.88, 4: 0.90, 3: 0.93, 2: 0.96, 1: 0.98, 0: 1.0, -1: 1.0, -2: 1.0}
_TILT = {6: -0.12, 5: -0.12, 4: -0.10, 3: -0.08, 2: -0.06, 1: -0.03, 0: 0.03, -1: 0.12, -2: 0.30}
_BODY_HALF = 0.375
"""Half height of a body as a share of the segment."""
_CANAL = np.array(
    [(0, -16), (9, -17), (12, -23), (8, -30), (0, -35), (-8, -30), (-12, -23), (-9, -17)], dtype=float
)
_SAC = np.array(
    [(0, -17), (7, -18), (9.5, -23), (6, -28), (0, -30), (-6, -28), (-9.5, -23), (-7, -18)], dtype=float
)
_PEDICLE = np.array([(11, -11), (19, -10), (21, -18), (20, -26), (14, -27), (11.5, -20)], dtype=float)
_LAMINA = np.array(
    [(20, -25), (22, -31), (14, -38), (4, -44), (0, -44), (0, -37), (8, -33), (14, -27)], dtype=float
)
_SUPERIOR = np.array([(16, -24), (22, -23), (27, -28), (26, -35), (21, -36), (17, -31)], dtype=float)
_INFERIOR = np.array([(9, -32), (15, -33), (19, -38), (18, -43), (12, -43), (7, -39)], dtype=float)
_LIGAMENT = np.array(
    [(0, -36), (9, -34), (17, -30), (15, -36), (6, -42), (2, -50), (1.6, -66),
     (-1.6, -66), (-2, -50), (-6, -42), (-15, -36), (-17, -30), (-9, -34)], dtype=float,
)
_TRANSVERSE: dict[int, list[tuple[float, float]]] = {
    2: [(18, -20), (26, -25), (36, -30), (41, -35), (38, -38), (30, -34), (22, -31), (17, -28)],
    1: [(18, -20), (27, -24), (39, -28), (46, -33), (44, -37), (33, -34), (23, -31), (17, -28)],
    0: [(18, -19), (28, -23), (41, -27), (50, -32), (48, -36), (36, -33), (24, -31), (17, -28)],
    -1: [(18, -18), (28, -21), (39, -25), (47, -30), (45, -35), (34, -32), (24, -30), (17, -27)],
    -2: [(18, -14), (30, -16), (40, -20), (48, -27), (45, -33), (33, -32), (24, -30), (17, -27)],
}
_RIB_BEARING = [(18, -22), (24, -27), (29, -34), (31, -40), (27, -43), (22, -39), (19, -33), (17, -28)]
_SPINOUS = np.array(
    [(0, -38), (3.2, -42), (2.8, -52), (3.4, -62), (4.6, -69), (0, -73),
     (-4.6, -69), (-3.4, -62), (-2.8, -52), (-3.2, -42)], dtype=float,
)
# fmt: on


@dataclass(frozen=True, eq=False)
class _Drawing:
    """One vertebra on the sub-slices: u of its arch, scale and labels."""

    frame: Frame
    vertebra: Vertebra
    u: Array
    scale: Array

    def part(self, shape: Array, low: float, high: float, hollow: float | None = None) -> None:
        """A part of the arch between two heights, rounded off at both ends; marrow where it is hollow."""
        frame = self.frame
        middle, half = (low + high) / 2, (high - low) / 2
        inside = 1 - ((self.u - middle) / half) ** 2
        visible = inside > 0
        if not visible.any():
            return
        size = np.clip(inside, 0.02, 1) ** 0.22
        centre = shape.mean(axis=0)
        points = grown(np.repeat(shape[None], len(self.u), axis=0), size, centre) * self.scale
        number = self.vertebra.number
        outline = closed(points, 30)
        frame.put(Stage.INNER, CORTEX_OF_VERTEBRA + number, frame.on_spine(outline), visible)
        if hollow is not None:
            inner = grown(outline, hollow, centre * self.scale)
            frame.put(
                Stage.INNER, MARROW_OF_VERTEBRA + number, frame.on_spine(inner), visible & (inside > 0.15)
            )

    def both(self, shape: Array, low: float, high: float, hollow: float | None = None) -> None:
        """A part on both sides."""
        self.part(shape, low, high, hollow)
        self.part(mirrored(shape[None])[0], low, high, hollow)


def column(frame: Frame, rng: np.random.Generator) -> None:
    """All discs, then all vertebrae, then what fills the canal."""
    level = frame.level
    above = level > -2.75
    size = np.stack([frame.stations(_WIDTH), frame.stations(_DEPTH)], axis=-1)
    disc = grown(np.repeat(_BODY[None], len(level), axis=0), size * 1.02, (0, 0))
    frame.put(Stage.INNER, Tissue.DISC, frame.on_spine(closed(disc, 48)), above)
    frame.put(
        Stage.INNER,
        Tissue.LIGAMENT,
        frame.on_spine(closed(np.repeat(_LIGAMENT[None], len(level), axis=0), 40)),
        above,
    )
    # Three are drawn and one is used: fewer would draw every scan anew.
    long = float(np.clip(1 + 0.10 * rng.standard_normal(3)[0], 0.85, 1.15))
    for vertebra in frame.column.vertebrae:
        _vertebra(frame, vertebra, size, long)
    canal = np.repeat(_CANAL[None], len(level), axis=0)
    frame.put(Stage.INNER, Tissue.EPIDURAL_FAT, frame.on_spine(closed(canal * 0.97 + [0, -0.7], 32)), above)
    sac = grown(
        np.repeat(_SAC[None], len(level), axis=0),
        frame.stations({3: 0.95, 0: 1.0, -2: 0.9, -3: 0.7}),
        (0, -24),
    )
    frame.put(Stage.INNER, Tissue.DURAL_SAC, frame.on_spine(closed(sac, 28)), level > -4)


def _vertebra(frame: Frame, vertebra: Vertebra, size: Array, long: float) -> None:
    order = int(np.clip(round(vertebra.level), -2, 6))
    tilt = _TILT[-2 if vertebra.is_lowest_lumbar else max(order, -1)]
    away = frame.z_mm - vertebra.middle_mm
    _body(frame, vertebra, away, tilt, size)
    skeleton = frame.person.skeleton
    drawing = _Drawing(
        frame, vertebra, (away - tilt * 30 * skeleton) / vertebra.segment_mm, _arch_scale(order)
    )
    drawing.both(_PEDICLE, -0.10, 0.38, 0.6)
    drawing.both(_SUPERIOR, 0.22, 0.66)
    drawing.both(_INFERIOR, -0.78, -0.30)
    drawing.both(_LAMINA, -0.46, 0.20, 0.45)
    shape = _RIB_BEARING if vertebra.rib else _TRANSVERSE[int(np.clip(order, -2, 2))]
    process = np.array(shape, dtype=float)
    if vertebra.is_lowest_lumbar and frame.person.numbering == "sacralised":
        process = process * np.array([1.18, 1.0]) + np.array([-2, 2.0])
        drawing.both(process, -0.45, 0.30, 0.7)
    else:
        drawing.both(process, -0.10, 0.27, 0.55)
    spinous = _SPINOUS.copy()
    reach = (0.62 if vertebra.is_lowest_lumbar else 0.9 if order < 0 else 1.0) * long
    spinous[:, 1] = -38 + (spinous[:, 1] + 38) * reach * 1.12
    drop = -0.12 if order >= 3 else 0.0
    drawing.part(spinous, -0.62 + 2 * drop, 0.02 + drop, 0.6)


def _arch_scale(order: int) -> Array:
    """Width and depth of the arch by level."""
    return np.array(
        [0.90 if order >= 3 else 1.12 if order <= -2 else 1.0 + 0.02 * -order, 0.97 if order >= 3 else 1.0]
    )


def _body(frame: Frame, vertebra: Vertebra, away: Array, tilt: float, size: Array) -> None:
    """The body between its end plates; a tilted one is cut where the plates cross the slice."""
    half = _BODY_HALF * vertebra.segment_mm
    waist = 1 - 0.07 * np.clip(1 - (away / half) ** 2, 0, 1)
    shape = grown(
        np.repeat(_BODY[None], len(away), axis=0), size * np.stack([waist, 0.5 + waist / 2], axis=-1), (0, 0)
    )
    for label, inset, plate in (
        (CORTEX_OF_VERTEBRA + vertebra.number, 0.0, 0.0),
        (MARROW_OF_VERTEBRA + vertebra.number, 1.3, 1.1),
    ):
        outline = closed(grown(shape, 1 - inset / 21, (0, 0)), 56)
        low, high, visible = _between_plates(away, half - plate, tilt * frame.person.skeleton)
        cut = outline.copy()
        cut[..., 1] = np.clip(cut[..., 1], low[:, None], high[:, None])
        frame.put(Stage.INNER, label, frame.on_spine(cut), visible)


def _between_plates(away: Array, half: float, tilt: float) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Which part (from, to in y) of a body lies in the slice."""
    if abs(tilt) < 0.02:
        visible = np.abs(away) < half
        return np.full_like(away, -60.0), np.full_like(away, 60.0), visible
    ends = np.stack([(-half - away) / tilt, (half - away) / tilt])
    low, high = ends.min(axis=0), ends.max(axis=0)
    return low, high, (high > -14) & (low < 15)


# fmt: off
_SACRUM: Stations = {
    -2.6: [(0, 18), (14, 16), (24, 8), (34, -2), (44, -12),
           (44, -22), (32, -30), (20, -36), (8, -42), (0, -46)],
    -3: [(0, 17), (14, 15), (30, 8), (46, -4), (56, -18),
         (52, -32), (36, -38), (20, -42), (8, -46), (0, -52)],
    -4: [(0, 9), (12, 8), (28, 3), (44, -6), (50, -20), (46, -32), (32, -36), (18, -38), (7, -41), (0, -46)],
    -5: [(0, 2), (10, 1), (20, -2), (30, -8), (34, -16), (30, -24), (20, -27), (12, -29), (5, -31), (0, -33)],
    -6.5: [(0, 0), (4, -1), (9, -3), (12, -6), (13, -10), (11, -13), (8, -15), (5, -17), (2, -18), (0, -18)],
}
# fmt: on


def sacrum(frame: Frame) -> None:
    """The sacrum as one bone, its canal and foramina."""
    level = frame.level
    right = frame.stations(_SACRUM)
    whole = np.concatenate([right, mirrored(right)[:, 1:-1]], axis=1)
    visible = level <= -2.62
    frame.put(Stage.INNER, CORTEX_OF_VERTEBRA + SACRUM_NUMBER, frame.on_spine(closed(whole, 72)), visible)
    inner = closed(grown(whole, 0.95, (0, -12)), 72)
    frame.put(
        Stage.INNER, MARROW_OF_VERTEBRA + SACRUM_NUMBER, frame.on_spine(inner), visible & (level < -2.7)
    )
    canal = grown(
        np.repeat(_CANAL[None], len(level), axis=0), frame.stations({-3: 0.85, -5: 0.45, -6: 0.3}), (0, -26)
    )
    frame.put(Stage.INNER, Tissue.EPIDURAL_FAT, frame.on_spine(closed(canal, 28)), visible & (level > -5))
    for sign in (1, -1):
        hole = np.array([(16, -6), (21, -8), (22, -13), (18, -15), (14, -11)], dtype=float) * np.array(
            [sign, 1.0]
        )
        beat = np.sin((level + 3.5) * np.pi * 2) > 0.2
        points = frame.on_spine(closed(np.repeat(hole[None], len(level), axis=0), 16))
        frame.put(Stage.INNER, Tissue.EPIDURAL_FAT, points, visible & beat & (level > -5) & (level < -3.1))
