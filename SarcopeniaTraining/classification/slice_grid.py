"""One slice of a CT on a square grid of fixed size in mm, as radiologists look at it.

Rows run to posterior and columns to the patient's left, whatever the orientation, spacing or in-plane
rotation of the CT; the grid's middle is the middle of the body, so that a patient who lies beside the
scanner's axis is not cut. A pixel has the same size for everybody, so that size itself can be learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.field_of_view import TISSUE_HU, opened
from SarcopeniaAssessLib.hounsfield import AIR_HU
from SarcopeniaAssessLib.overlay import WINDOW_HU
from SarcopeniaAssessLib.preprocessing import Plane, slice_directions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.volume import CtVolume
    from SarcopeniaTraining.cohort import CohortCase

FIELD_MM = 420.0
"""Side of the square: nearly every trunk at L3 fits in it."""
FIELDS_MM = (100.0, 1000.0)
LEAST_SIDE = 8
_TABLE_MM = 5.0
"""What is thinner than twice this beside the body (table, blanket) does not move its middle."""


def slice_of(case: CohortCase, volume: CtVolume) -> int:
    """Canonical slice of L3, from the feet; the only slice of a CT that has but one.

    Raises
    ------
    SarcopeniaError
        As `CohortCase.slice_from_feet`.
    """
    if volume.slice_count == 1 and case.level is None:
        return 0
    return case.slice_from_feet(volume)


def slice_on_grid(volume: CtVolume, k: int, side: int, field_mm: float = FIELD_MM) -> NDArray[np.float32]:
    """HU of canonical slice k on the grid, (side, side) as rows and columns; air outside the scan.

    Linear interpolation, after smoothing where the grid is coarser than the CT.

    Raises
    ------
    SarcopeniaError
        A side or a field that is none; values that are no Hounsfield units; slices that are not axial.
    """
    hu = _native(volume, k)
    return slice_plane(volume, hu, side, field_mm).sample(hu, outside=AIR_HU)


def grey_on_grid(volume: CtVolume, k: int, side: int, field_mm: float = FIELD_MM) -> NDArray[np.uint8]:
    """Canonical slice k in the soft-tissue window on the grid, (side, side), 0…255.

    The window comes first, as in a picture that is exported and then made smaller: so bowel gas and the
    edge of the body weigh no more than what is black.

    Raises
    ------
    SarcopeniaError
        As `slice_on_grid`.
    """
    low, high = WINDOW_HU
    hu = _native(volume, k)
    share = np.clip((hu - low) / (high - low), 0, 1)
    sampled = slice_plane(volume, hu, side, field_mm).sample(share, outside=0)
    return np.round(np.clip(sampled, 0, 1) * 255).astype(np.uint8)


def mask_on_grid(
    volume: CtVolume, mask: NDArray[np.bool_], k: int, side: int, field_mm: float = FIELD_MM
) -> NDArray[np.bool_]:
    """A mask (I, J) of canonical slice k on the very grid of `slice_on_grid`: what most of a pixel is.

    Raises
    ------
    SarcopeniaError
        As `slice_on_grid`.
    """
    share = slice_plane(volume, _native(volume, k), side, field_mm).sample(mask, outside=0)
    inside: NDArray[np.bool_] = share >= 0.5
    return inside


def slice_plane(volume: CtVolume, hu: NDArray[Any], side: int, field_mm: float) -> Plane:
    """Where the grid's pixels (row, column) lie on a slice whose HU are given, (I, J).

    Raises
    ------
    InputError
        A side below 8 pixels, or a field outside 100…1000 mm.
    GeometryError
        Slices that are not axial.
    """
    _require(side, field_mm)
    affine = np.asarray(volume.ras_from_canonical, np.float64)
    step_mm = field_mm / side
    down_and_left = -slice_directions(volume)[:, ::-1] * step_mm
    matrix = np.linalg.pinv(affine[:3, :2]) @ down_and_left
    offset = _middle(hu, volume.pixel_mm) - matrix @ np.full(2, (side - 1) / 2)
    # Averaging before coarser sampling: the pixel's own box is accounted for already.
    i, j = (0.5 * float(np.sqrt(max((step_mm / mm) ** 2 - 1, 0))) for mm in volume.pixel_mm)
    shape = volume.canonical_shape[:2]
    return Plane((side, side), np.column_stack([matrix, offset]), shape, (i, j))


def body_of(hu: NDArray[Any], pixel_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """The largest piece of a slice (I, J) that is not air, without table and blankets; may be empty."""
    from scipy.ndimage import label

    pieces, count = label(opened(hu > TISSUE_HU, _TABLE_MM, pixel_mm))
    if count == 0:
        return np.zeros(hu.shape, np.bool_)
    body: NDArray[np.bool_] = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    return body


def _middle(hu: NDArray[Any], pixel_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Index of the middle of the body's box; of the image, where there is no body."""
    body = body_of(hu, pixel_mm)
    ends = [np.flatnonzero(body.any(axis=1 - axis))[[0, -1]] for axis in (0, 1)] if body.any() else []
    return np.mean(ends, axis=1) if ends else (np.array(hu.shape, np.float64) - 1) / 2


def _native(volume: CtVolume, k: int) -> NDArray[np.float32]:
    return np.maximum(volume.slab(k, k + 1)[:, :, 0].astype(np.float32), AIR_HU)


def _require(side: int, field_mm: float) -> None:
    if side < LEAST_SIDE:
        raise InputError(f"images of {side} pixels show nothing", f"give {LEAST_SIDE} or more")
    if not FIELDS_MM[0] <= field_mm <= FIELDS_MM[1]:
        raise InputError(f"a field of {field_mm:g} mm shows no trunk", "give 100 to 1000 mm")
