"""Is this a CT of an adult's trunk at a lumbar vertebra at all? Facts of one slice, and what they exclude.

A network draws muscle on anything. Whatever is no abdomen of an adult, or no CT, is told as an error, so
that no status is given. The facts are measured on a grid of about 2 mm, where noise has averaged out;
docs/uncertainty.md has the margins that phantoms of both families and the test images leave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import Finding, Severity
from SarcopeniaAssessLib.field_of_view import TISSUE_HU
from SarcopeniaAssessLib.hounsfield import MUSCLE_HU_HIGH, MUSCLE_HU_LOW

if TYPE_CHECKING:
    from numpy.typing import NDArray

COARSE_MM = 2.0
_AIR_OUTSIDE_HU = -700
_FAT_HU = (-150, -50)
_SOFT_HU = (MUSCLE_HU_LOW, MUSCLE_HU_HIGH)
_NOTISSUE_HU = (-550, -180)
"""Between gas and fat: partial volume and stool alone."""
_LUNG_HU = (-960, -550)
_GAS_HU = -500
_BONE_HU = 180
_CORTEX_HU = 260
METAL_HU = 2500

LEAST_OUTSIDE = 0.02
LEAST_FAT = 0.015
MOST_NO_TISSUE = 0.12
MOST_SOFT = 0.97
LEAST_SPINE_CM2 = 2.5
SMALLEST_PIECE_CM2 = 0.3
MOST_ASIDE = 0.16
MOST_SPINE_WIDTH_MM = 150.0
SPINE_DEPTH = (0.08, 0.54)
MOST_LUNG = 0.18
MOST_GAS = 0.35
MOST_RING = 0.7
MOST_HEAD_CM2 = 350.0
SECOND_LEG = 0.35
VERTEBRA_CM2 = 7.0
CHILD_VERTEBRA_CM2 = (2.0, 5.5)
CHILD_BODY_CM2 = 300.0
SMALLEST_BODY_CM2 = 150.0
METAL_CM2 = 0.3
MOST_STREAK_HU = 45.0


@dataclass(frozen=True)
class Spine:
    """The bone in the midline.

    Attributes
    ----------
    area_cm2, width_mm:
        Of the pieces together, holes filled, and of the widest.
    depth:
        Its middle between the body's back (0) and front (1).
    body_cm2:
        Of its compact part, without processes: the vertebral body; 0 at a disc.
    """

    area_cm2: float
    width_mm: float
    depth: float
    body_cm2: float


@dataclass(frozen=True)
class SliceFacts:
    """What a slice shows; shares are of the body's area.

    Attributes
    ----------
    body_cm2:
        Largest piece of tissue, filled; 0: none.
    second_piece:
        Area of the next piece relative to it.
    outside_hu:
        Median outside every piece; `None` where the image shows too little of it.
    fat, soft, no_tissue, lung, gas:
        Shares of −150…−50, −29…150, −550…−180, −960…−550 and under −500 HU.
    ring:
        Share of directions in which bone lies within 18 mm of the skin.
    spines:
        Bone in the midline: that of the back, then that of the front, as far as there is any.
    metal_cm2, streak_hu:
        Metal, and how far soft tissue departs from its surroundings.
    """

    body_cm2: float
    second_piece: float = 0.0
    outside_hu: float | None = None
    fat: float = 0.0
    soft: float = 0.0
    no_tissue: float = 0.0
    lung: float = 0.0
    gas: float = 0.0
    ring: float = 0.0
    spines: tuple[Spine, ...] = ()
    metal_cm2: float = 0.0
    streak_hu: float = 0.0


def slice_facts(
    hu: NDArray[Any], spacing_mm: tuple[float, float], padding: NDArray[np.bool_] | None = None
) -> SliceFacts:
    """Measure a slice.

    Parameters
    ----------
    hu:
        (I, J), canonical: axis 0 to the patient's right, axis 1 to the front.
    spacing_mm:
        Of the two axes.
    padding:
        (I, J), where the scanner wrote no measured value.
    """
    from scipy import ndimage

    steps = (max(1, round(COARSE_MM / spacing_mm[0])), max(1, round(COARSE_MM / spacing_mm[1])))
    coarse = _coarser(np.asarray(hu, np.float32), steps)
    s = (spacing_mm[0] * steps[0], spacing_mm[1] * steps[1])
    pixel_cm2 = s[0] * s[1] / 100
    pieces, areas = _tissue(coarse, s)
    if areas.size == 0:
        return SliceFacts(0.0)
    order = np.argsort(areas)[::-1]
    body = ndimage.binary_fill_holes(pieces == order[0] + 1)
    window = ndimage.find_objects(body.astype(np.int8))[0]
    inner = ndimage.binary_erosion(body, iterations=2)
    values, count = coarse[inner], max(int(np.count_nonzero(inner)), 1)

    def share(low: float, high: float) -> float:
        return float(np.count_nonzero((values >= low) & (values <= high))) / count

    outside = ~ndimage.binary_dilation(coarse > TISSUE_HU, iterations=2) & ~body
    if padding is not None:
        outside &= _coarser(padding.astype(np.float32), steps) == 0
    metal_cm2 = float(np.count_nonzero(np.asarray(hu) > METAL_HU)) * spacing_mm[0] * spacing_mm[1] / 100
    return SliceFacts(
        body_cm2=float(np.count_nonzero(body)) * pixel_cm2,
        second_piece=float(areas[order[1]] / areas[order[0]]) if order.size > 1 else 0.0,
        outside_hu=float(np.median(coarse[outside])) if outside.mean() > LEAST_OUTSIDE else None,
        fat=share(*_FAT_HU),
        soft=share(*_SOFT_HU),
        no_tissue=share(*_NOTISSUE_HU),
        lung=share(*_LUNG_HU),
        gas=share(-np.inf, _GAS_HU),
        ring=_bone_ring(coarse[window], body[window], s),
        spines=_spines(coarse[window], body[window], s),
        metal_cm2=metal_cm2,
        streak_hu=_streaks_hu(coarse[window], inner[window]) if metal_cm2 > METAL_CM2 else 0.0,
    )


def implausibility(facts: SliceFacts) -> Finding | None:
    """The error that excludes a status, the most telling of several; `None`: an adult's trunk."""
    found = ((code, message) for code, excludes, message in _RULES if excludes(facts))
    return next((Finding(code, Severity.ERROR, message) for code, message in found), None)


def _at_the_back(spine: Spine) -> bool:
    return SPINE_DEPTH[0] <= spine.depth <= SPINE_DEPTH[1]


def _vertebra(facts: SliceFacts) -> Spine | None:
    """The bone in the midline of the back."""
    return next((each for each in facts.spines if _at_the_back(each)), None)


def _is_no_ct(facts: SliceFacts) -> bool:
    """Air outside is −1000, fat −100, and next to nothing lies between them: true of every CT."""
    no_air = facts.outside_hu is not None and facts.outside_hu > _AIR_OUTSIDE_HU
    unlike = facts.no_tissue > MOST_NO_TISSUE and facts.lung < MOST_LUNG
    return no_air or unlike or (facts.fat < LEAST_FAT and facts.soft < MOST_SOFT)


def _is_uniform(facts: SliceFacts) -> bool:
    return facts.soft > MOST_SOFT and not facts.spines


def _is_chest(facts: SliceFacts) -> bool:
    return facts.lung > MOST_LUNG or facts.gas > MOST_GAS


def _is_upside_down(facts: SliceFacts) -> bool:
    """A vertebra in front, and no more than a bowel's contrast behind."""
    back = _vertebra(facts)
    behind = (0.0, 0.0) if back is None else (back.area_cm2, back.body_cm2)
    front = [each for each in facts.spines if not _at_the_back(each)]
    return any(
        each.body_cm2 > VERTEBRA_CM2 and each.area_cm2 > 4 * behind[0] and behind[1] < VERTEBRA_CM2 / 2
        for each in front
    )


def _is_pelvis(facts: SliceFacts) -> bool:
    spine = _vertebra(facts)
    return spine is not None and spine.width_mm > MOST_SPINE_WIDTH_MM


def _is_small(facts: SliceFacts) -> bool:
    spine = _vertebra(facts)
    small = spine is not None and CHILD_VERTEBRA_CM2[0] < spine.body_cm2 < CHILD_VERTEBRA_CM2[1]
    return facts.body_cm2 < SMALLEST_BODY_CM2 or (small and facts.body_cm2 < CHILD_BODY_CM2)


_RULES: Sequence[tuple[str, Callable[[SliceFacts], bool], str]] = (
    (
        "no_body",
        lambda facts: facts.body_cm2 == 0.0,
        "No body is to be seen at this level, so no status is given: check the level.",
    ),
    (  # streaks make other facts untrue
        "metal_streaks",
        lambda facts: facts.metal_cm2 > METAL_CM2 and facts.streak_hu > MOST_STREAK_HU,
        "Streaks of metal cross the muscle at this level, so no status is given: measure the nearest slice "
        "without them.",
    ),
    (
        "uniform",
        _is_uniform,
        "The slice shows one uniform substance, so no status is given: check that this is a patient's CT.",
    ),
    (
        "head",
        lambda facts: facts.ring > MOST_RING and facts.body_cm2 < MOST_HEAD_CM2,
        "Bone rings the whole slice, as in a head, so no status is given: choose a slice at L3.",
    ),
    (
        "not_ct",
        _is_no_ct,
        "Air, fat and muscle do not have the HU of a CT (MR, or wrong scaling?), so no status is given: "
        "load the original CT.",
    ),
    (
        "chest",
        _is_chest,
        "Lungs or gas fill much of this slice, as in a chest, so no status is given: choose a slice at L3.",
    ),
    (
        "two_legs",
        lambda facts: facts.second_piece > SECOND_LEG,
        "The slice shows two bodies of similar size, as of thighs, so no status is given: choose a slice "
        "at L3.",
    ),
    (
        "upside_down",
        _is_upside_down,
        "The spine lies in front, so the image is upside down and no status is given: correct its "
        "orientation.",
    ),
    (
        "no_vertebra",
        lambda facts: _vertebra(facts) is None,
        "No vertebra is to be seen in the middle of the back, so no status is given: check level and image.",
    ),
    (
        "pelvis",
        _is_pelvis,
        "The bone of the back is as wide as a pelvis, so no status is given: choose a slice at L3.",
    ),
    (
        "child_size",
        _is_small,
        "Body or vertebra is as small as a child's, and no cut-off here is for children, so no status is "
        "given: check age and pixel size.",
    ),
)


def _coarser(image: NDArray[np.float32], steps: tuple[int, int]) -> NDArray[np.float32]:
    """Means of blocks; the rest of a division at the far ends is left out."""
    i, j = (max(n // step, 1) for n, step in zip(image.shape, steps, strict=True))
    a, b = min(steps[0], image.shape[0]), min(steps[1], image.shape[1])
    blocks = image[: i * a, : j * b].reshape(i, a, j, b)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3))
    return means


def _tissue(
    coarse: NDArray[np.float32], spacing_mm: tuple[float, float]
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
    """Pieces of tissue without table and blankets, labelled from 1, and their pixels."""
    from scipy import ndimage

    radius = max(1, round(5.0 / max(spacing_mm)))
    padded = np.pad(coarse > TISSUE_HU, radius, mode="edge")
    opened = ndimage.binary_opening(padded, iterations=radius)[radius:-radius, radius:-radius]
    labels, _ = ndimage.label(opened)
    return labels, np.bincount(labels.ravel())[1:]


def _spines(
    coarse: NDArray[np.float32], body: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> tuple[Spine, ...]:
    """The bone in the midline, of the back and of the front together; at a disc it comes in pieces."""
    from scipy import ndimage

    rows, columns = (np.flatnonzero(body.any(axis=1 - axis)) for axis in (0, 1))
    bone = ndimage.binary_closing((coarse > _BONE_HU) & body)
    labels, _ = ndimage.label(bone)
    pixel_cm2 = spacing_mm[0] * spacing_mm[1] / 100
    compact = max(2, round(6.0 / max(spacing_mm)))
    pieces = []
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        piece = ndimage.binary_fill_holes(np.pad(labels[place] == number, 1))
        pixels = int(np.count_nonzero(piece))
        i, j = (float(n.mean()) - 1 + span.start for n, span in zip(np.nonzero(piece), place, strict=True))
        aside = abs((i - rows[0]) / rows.size - 0.5)
        if pixels * pixel_cm2 < SMALLEST_PIECE_CM2 or aside > MOST_ASIDE:
            continue
        pieces.append(
            Spine(
                area_cm2=pixels * pixel_cm2,
                width_mm=(place[0].stop - place[0].start) * spacing_mm[0],
                depth=(j - columns[0]) / columns.size,
                body_cm2=float(np.count_nonzero(ndimage.binary_opening(piece, iterations=compact)))
                * pixel_cm2,
            )
        )
    back, front = (
        [each for each in pieces if _at_the_back(each)],
        [each for each in pieces if each.depth > SPINE_DEPTH[1]],
    )
    return tuple(
        _together(group) for group in (back, front) if sum(p.area_cm2 for p in group) >= LEAST_SPINE_CM2
    )


def _together(pieces: list[Spine]) -> Spine:
    area_cm2 = sum(each.area_cm2 for each in pieces)
    return Spine(
        area_cm2=area_cm2,
        width_mm=max(each.width_mm for each in pieces),
        depth=sum(each.depth * each.area_cm2 for each in pieces) / area_cm2,
        body_cm2=max(each.body_cm2 for each in pieces),
    )


def _bone_ring(
    coarse: NDArray[np.float32], body: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> float:
    from scipy import ndimage

    depth_mm = ndimage.distance_transform_edt(np.pad(body, 1), sampling=spacing_mm)[1:-1, 1:-1]
    near = (coarse > _CORTEX_HU) & body & (depth_mm <= 18.0)
    i, j = np.nonzero(near)
    if i.size == 0:
        return 0.0
    centre = np.argwhere(body).mean(axis=0)
    angle = np.arctan2((j - centre[1]) * spacing_mm[1], (i - centre[0]) * spacing_mm[0])
    sectors = np.unique(((angle + np.pi) / (2 * np.pi) * 72).astype(int) % 72)
    return float(sectors.size) / 72


def _streaks_hu(coarse: NDArray[np.float32], inner: NDArray[np.bool_]) -> float:
    """Standard deviation of what differs from its surroundings of 1.5 cm within soft tissue and fat."""
    from scipy import ndimage

    around = ndimage.median_filter(coarse, 7)
    dense = ndimage.binary_dilation(coarse > 2 * _BONE_HU, iterations=5)
    where = inner & (around > _FAT_HU[0]) & (around < _SOFT_HU[1]) & ~dense
    return float((coarse - around)[where].std()) if where.any() else 0.0
