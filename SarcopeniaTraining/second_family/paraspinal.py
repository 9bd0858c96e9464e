"""Muscles along the spine: psoas, quadratus lumborum, multifidus, longissimus, iliocostalis, crura."""

from dataclasses import dataclass

import numpy as np

from SarcopeniaTraining.second_family.contours import Array, Stations, closed, grown, sided, smooth_step
from SarcopeniaTraining.second_family.frame import Frame, Stage
from SarcopeniaTraining.second_family.tissue import Tissue

# fmt: off
_PSOAS: Stations = {
    2.4: [(24, -12), (26, -14), (29, -13), (31, -10), (31, -6),
          (30, -2), (28, 0), (26, 0), (24, -3), (23, -8)],
    2: [(23, -14), (27, -17), (32, -16), (36, -11), (37, -4), (35, 3), (31, 7), (27, 6), (24, 1), (23, -6)],
    1: [(24, -16), (31, -20), (40, -18), (46, -10), (48, 0), (44, 9), (37, 14), (30, 13), (26, 6), (24, -4)],
    0: [(24, -17), (34, -22), (46, -20), (55, -10), (58, 4), (52, 16), (42, 21), (32, 18), (27, 9), (25, -4)],
    -1: [(26, -15), (36, -20), (51, -17), (62, -6), (66, 9),
         (60, 23), (48, 28), (36, 24), (29, 12), (27, -2)],
    -2: [(34, -8), (44, -13), (58, -9), (69, 3), (72, 19), (65, 33), (52, 38), (40, 32), (34, 20), (32, 6)],
    -3: [(44, 14), (52, 6), (65, 8), (75, 19), (78, 34), (71, 48), (58, 53), (47, 48), (41, 37), (41, 24)],
    -5: [(52, 42), (60, 35), (72, 36), (81, 46), (84, 58), (77, 69), (66, 73), (56, 68), (51, 60), (50, 50)],
}
_QUADRATUS: Stations = {
    2.6: [(38, -38), (43, -36), (49, -34), (54, -35), (58, -38), (56, -41), (50, -42), (43, -41)],
    2: [(38, -34), (44, -30), (52, -28), (60, -30), (65, -35), (62, -39), (52, -39), (43, -38)],
    1: [(42, -33), (47, -27), (56, -22), (66, -23), (74, -31), (71, -37), (60, -38), (49, -37)],
    0: [(46, -33), (50, -26), (60, -20), (71, -21), (80, -29), (84, -41), (74, -42), (58, -38)],
    -1: [(50, -34), (56, -24), (68, -15), (79, -16), (88, -26), (86, -34), (72, -37), (58, -37)],
    -1.7: [(58, -32), (64, -26), (73, -20), (82, -20), (88, -26), (86, -31), (76, -34), (66, -34)],
}
_COMPARTMENT: Stations = {
    5: [(5, -42), (12, -38), (22, -38), (32, -40), (42, -42), (50, -46),
        (54, -52), (50, -60), (41, -66), (30, -69), (18, -69), (6, -62)],
    3: [(5, -44), (12, -39), (24, -39), (36, -40), (48, -42), (57, -46),
        (62, -54), (58, -64), (47, -71), (33, -74), (18, -73), (6, -65)],
    2: [(5, -44), (12, -38), (26, -38), (40, -39), (54, -41), (65, -45),
        (71, -54), (66, -66), (53, -74), (36, -77), (19, -76), (6, -68)],
    1: [(5, -45), (12, -38), (28, -37), (44, -38), (60, -40), (73, -44),
        (79, -54), (73, -67), (58, -76), (38, -80), (19, -79), (6, -70)],
    0: [(5, -45), (12, -38), (28, -37), (46, -37), (64, -38), (77, -41),
        (83, -53), (77, -66), (61, -76), (39, -80), (19, -79), (6, -70)],
    -1: [(5, -46), (13, -39), (28, -38), (46, -39), (63, -41), (75, -45),
         (80, -54), (73, -66), (57, -75), (37, -79), (19, -78), (6, -69)],
    -2: [(5, -46), (14, -40), (28, -38), (42, -39), (54, -42), (62, -47),
         (64, -55), (58, -65), (46, -72), (31, -75), (17, -74), (6, -66)],
    -3: [(5, -50), (12, -45), (22, -41), (32, -40), (40, -42), (45, -46),
         (45, -52), (40, -59), (32, -64), (22, -67), (13, -67), (5, -62)],
    -5: [(4, -52), (8, -49), (13, -46), (18, -45), (22, -46), (25, -48),
         (24, -51), (21, -54), (17, -56), (12, -58), (7, -58), (4, -56)],
}
_MULTIFIDUS: Stations = {
    5: [(5, -45), (9, -41), (14, -41), (17, -45), (17, -51), (14, -57), (10, -60), (5, -57)],
    2: [(5, -46), (10, -40), (18, -40), (23, -46), (23, -54), (19, -63), (13, -68), (6, -65)],
    0: [(5, -47), (10, -40), (20, -39), (27, -45), (27, -55), (23, -66), (15, -73), (6, -69)],
    -1: [(5, -48), (11, -41), (23, -40), (32, -46), (33, -57), (27, -68), (16, -75), (6, -69)],
    -2: [(5, -48), (13, -42), (27, -41), (37, -47), (39, -57), (31, -68), (17, -73), (6, -66)],
    -3: [(5, -52), (12, -47), (23, -43), (34, -44), (38, -51), (31, -60), (18, -65), (6, -61)],
    -5: [(4, -53), (8, -50), (13, -47), (19, -47), (22, -50), (18, -54), (11, -57), (5, -56)],
}
_LONGISSIMUS: Stations = {
    5: [(19, -42), (26, -41), (33, -43), (36, -50), (34, -58), (28, -65), (19, -67), (14, -63), (19, -55)],
    2: [(25, -41), (33, -40), (43, -42), (48, -50), (46, -61), (38, -71), (25, -75), (16, -72), (25, -60)],
    0: [(29, -40), (39, -39), (51, -41), (57, -51), (55, -64), (45, -74), (29, -78), (18, -76), (29, -62)],
    -1: [(34, -41), (42, -40), (53, -42), (59, -51), (56, -64), (46, -73), (31, -77), (20, -76), (33, -64)],
    -2: [(38, -41), (44, -40), (51, -43), (54, -51), (51, -62), (43, -70), (30, -73), (22, -73), (37, -62)],
    -3.2: [(37, -43), (39, -42), (42, -44), (43, -48), (41, -54), (37, -58), (32, -61), (30, -61), (36, -54)],
}
_ILIOCOSTALIS: Stations = {
    5: [(36, -43), (42, -43), (48, -46), (52, -52), (48, -59), (40, -65), (33, -66), (37, -56)],
    2: [(47, -42), (55, -42), (64, -46), (69, -54), (63, -65), (52, -72), (44, -73), (50, -58)],
    0: [(58, -42), (66, -42), (76, -45), (81, -53), (74, -65), (61, -74), (51, -75), (59, -58)],
    -1: [(60, -43), (67, -43), (74, -46), (78, -54), (71, -65), (59, -72), (52, -73), (60, -58)],
    -2: [(56, -45), (59, -45), (62, -48), (63, -54), (59, -62), (53, -67), (50, -68), (56, -57)],
}
_ANCHORS: dict[Tissue, Stations] = {
    Tissue.PSOAS: {2.4: (25, -8), 0: (27, -5), -1: (30, 0), -2: (38, 10), -3: (52, 30), -5: (62, 55)},
    Tissue.QUADRATUS: {2: (52, -35), 0: (66, -34), -1: (70, -33)},
    Tissue.MULTIFIDUS: {5: (8, -47), 0: (10, -46), -3: (16, -50)},
    Tissue.LONGISSIMUS: {5: (26, -48), 0: (37, -47), -3: (38, -46)},
    Tissue.ILIOCOSTALIS: {5: (42, -48), 0: (66, -50), -2: (59, -52)},
}
# fmt: on


@dataclass(frozen=True)
class Side:
    """Muscularity of one side (1: right, −1: left): area factors of its muscles, and of its psoas."""

    sign: int
    area: float
    psoas_area: float


def sides(frame: Frame, rng: np.random.Generator) -> tuple[Side, Side]:
    """Both sides, unlike each other by a few per cent, or wasted on one."""
    person = frame.person
    found = []
    for sign in (1, -1):
        loss = 0.55 if sign == frame.wasted else 1.0
        area = person.muscle * (1 + sign * person.asymmetry) * loss
        psoas = area * float(rng.normal(1.0, 0.07)) * (1.0 if person.sex == "male" else 0.88)
        found.append(Side(sign, area, psoas))
    return found[0], found[1]


def paraspinal(frame: Frame, side: Side, rng: np.random.Generator) -> Array:
    """Lay one side's muscles on the pile; returns the compartment's contour, right side's x."""
    person = frame.person
    kept = np.sqrt(np.clip(0.15 + 0.85 * side.area, 0.3, 1.4))
    shell = grown(_proportioned(frame.stations(_COMPARTMENT)), kept, (6, -42))
    shell = shell + rng.normal(0, 0.7, (1, shell.shape[1], 2))
    level = frame.level
    contour = closed(shell, 64)
    frame.put(
        Stage.INNER,
        Tissue.FASCIA,
        frame.beside_spine(grown(contour, 1 + 0.9 / 40, (42, -58)), side.sign),
        level > -3.3,
    )
    frame.put(Stage.INNER, Tissue.INTERMUSCULAR_FAT, frame.beside_spine(contour, side.sign), level > -5.2)
    shapes = (
        (Tissue.MULTIFIDUS, _MULTIFIDUS, -5.2, 6.5),
        (Tissue.LONGISSIMUS, _LONGISSIMUS, -3.2, 6.5),
        (Tissue.ILIOCOSTALIS, _ILIOCOSTALIS, -2.0, 6.5),
    )
    wasted = np.sqrt(side.area) / kept
    tight = wasted * (1.0 - 0.05 * person.fattiness)
    filled = grown(contour, np.minimum(tight, 1.0) * 0.985, (30, -50))
    frame.put(Stage.INNER, Tissue.LONGISSIMUS, frame.beside_spine(filled, side.sign), level > -3.2)
    halo_mm = 0.15 + 0.9 * person.fattiness + 2.5 * max(1 - wasted, 0)
    for tissue, stations, lowest, highest in shapes:
        points = grown(_proportioned(frame.stations(stations)), kept, (6, -42))
        fixed = (
            np.array([6, -42]) + (_proportioned(frame.stations(_ANCHORS[tissue])) - np.array([6, -42])) * kept
        )
        points = grown(points, tight * 1.05, fixed) + rng.normal(0, 0.6, (1, points.shape[1], 2))
        outline = closed(points, 40)
        shown = (level > lowest) & (level < highest)
        around = grown(outline, 1 + halo_mm / 13, outline.mean(axis=1)) + rng.normal(0, 0.6 * halo_mm, 2)
        frame.put(
            Stage.INNER,
            Tissue.INTERMUSCULAR_FAT,
            frame.beside_spine(around, side.sign),
            shown & (halo_mm > 0.3),
        )
        frame.put(Stage.INNER, tissue, frame.beside_spine(outline, side.sign), shown)
    _psoas_and_quadratus(frame, side, rng)
    return contour


def _proportioned(points: Array) -> Array:
    """The erector's group a little narrower and deeper than its control points were drawn."""
    result: Array = np.stack([points[..., 0] * 0.95, -38 + (points[..., 1] + 38) * 1.15], axis=-1)
    return result


def _psoas_and_quadratus(frame: Frame, side: Side, rng: np.random.Generator) -> None:
    level = frame.level
    for tissue, stations, lowest, highest in (
        (Tissue.QUADRATUS, _QUADRATUS, -1.75, 2.7),
        (Tissue.PSOAS, _PSOAS, -6.0, 2.5),
    ):
        area = side.psoas_area if tissue == Tissue.PSOAS else side.area * float(rng.normal(1.0, 0.12))
        ends = smooth_step(level, lowest, lowest + 0.25) * (1 - smooth_step(level, highest - 0.4, highest))
        taper = np.sqrt(np.maximum(ends, 0.02))
        if tissue == Tissue.PSOAS:  # it leaves the drawing at full size
            taper = np.where(level > 0, taper, 1.0)
        factor = np.sqrt(area) * taper
        controls = frame.stations(stations)
        controls = controls + rng.normal(0, 0.8, (1, controls.shape[1], 2))
        points = grown(controls, factor, frame.stations(_ANCHORS[tissue]))
        frame.put(Stage.INNER, tissue, frame.on_spine(closed(sided(points, side.sign), 40)), ends > 0.03)


def crura(frame: Frame) -> None:
    """The diaphragm's crura beside the aorta, above L3."""
    shape = np.array(
        [(14, 20), (18, 15), (24, 4), (29, -8), (31, -10), (30, -3), (25, 10), (19, 19)], dtype=float
    )
    size = frame.stations({-0.2: 0.05, 0.6: 0.35, 2: 0.8, 3: 1.1, 5: 1.3})
    for sign in (1, -1):
        points = grown(np.repeat(shape[None], len(frame.z_mm), axis=0), np.sqrt(size), (20, 10))
        shown = frame.level > (0.3 if sign > 0 else 0.8)
        frame.put(Stage.INNER, Tissue.CRUS, frame.on_spine(closed(sided(points, sign), 28)), shown)
