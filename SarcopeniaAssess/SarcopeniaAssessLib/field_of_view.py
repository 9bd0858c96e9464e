"""Where one slice's image ends inside the body: at its border, or at the circle of the reconstruction.

Obese patients often reach beyond the field of view with fat alone, which leaves the muscle whole; so what
is asked is where the *body* is cut, and then whether *muscle* is. Arrays are canonical: axis 0 runs to the
patient's right, axis 1 to the front. Lengths in mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.hounsfield import MUSCLE_HU_HIGH, MUSCLE_HU_LOW

if TYPE_CHECKING:
    from numpy.typing import NDArray

TISSUE_HU = -300
_AIR_HU = -900
_TABLE_MM = 5.0
"""What is thinner than twice this beside the body (table shells, blankets, tubes) is not body."""
_SHORTEST_CUT_MM = 15.0
_MUSCLE_NEAR_CUT_MM = 3.0
_THICK_MM = 4.0
"""Soft tissue deeper than this at the edge is no skin."""
_THICK_CUT_MM = 10.0
_CROPPED_FRACTION = 0.6


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """What the slice shows of the body.

    Parameters
    ----------
    body:
        (I, J), the trunk's outline, filled; without arms, table and air. All false where there is none.
    cut:
        (I, J), pixels of the body where the image ends.
    sides:
        Where the patient is cut: "left", "right", "front", "back".
    cuts_muscle:
        Whether muscle ends there too.
    """

    body: NDArray[np.bool_]
    cut: NDArray[np.bool_]
    sides: tuple[str, ...]
    cuts_muscle: bool


def field_of_view(
    hu: NDArray[Any],
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    padding: NDArray[np.bool_] | None = None,
) -> FieldOfView:
    """Find the body on a slice and where the image cuts it.

    Parameters
    ----------
    hu, mask:
        (I, J), canonical: HU of the slice and the muscle on it.
    spacing_mm:
        Of the two axes.
    padding:
        (I, J), where the scanner wrote no measured value; `None`: unknown.
    """
    tissue = opened(hu > TISSUE_HU, _TABLE_MM, spacing_mm)
    trunk = _component(tissue, mask)
    edge = _image_edge(trunk.shape)
    if padding is not None and padding.any():
        edge |= _padding_edge(trunk, padding, spacing_mm)
    edge |= _circle_edge(hu, trunk, spacing_mm)
    cut = trunk & edge
    sides = _sides(cut, spacing_mm)
    if not sides:
        cut = np.zeros_like(cut)
    return FieldOfView(_filled(trunk), cut, sides, bool(sides) and _cuts_muscle(hu, mask, cut, spacing_mm))


def distance_mm(inside: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Distance of every pixel to the nearest one inside, (I, J) mm; infinite where none is inside."""
    from scipy import ndimage

    if not inside.any():
        return np.full(inside.shape, np.inf)
    distances: NDArray[np.float64] = ndimage.distance_transform_edt(~inside, sampling=spacing_mm)
    return distances


def opened(inside: NDArray[np.bool_], radius_mm: float, spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Opening by a disc; what lies beyond the image counts as inside, so nothing is lost at its border."""
    core = distance_mm(~inside, spacing_mm) > radius_mm
    return inside & (distance_mm(core, spacing_mm) <= radius_mm)


def border_length_mm(inside: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> float:
    """How much of the image's border lies inside, in mm."""
    along_rows = np.count_nonzero(inside[[0, -1], :]) * spacing_mm[1]
    along_columns = np.count_nonzero(inside[:, [0, -1]]) * spacing_mm[0]
    return float(along_rows + along_columns)


def _component(tissue: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The piece of tissue that holds most of the muscle; without any, the largest."""
    from scipy import ndimage

    labels, count = ndimage.label(tissue)
    if count == 0:
        return np.zeros_like(tissue)
    sizes = np.bincount(labels[mask & tissue], minlength=count + 1)[1:]
    if not sizes.any():
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    trunk: NDArray[np.bool_] = labels == int(np.argmax(sizes)) + 1
    return trunk


def _filled(trunk: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(trunk)
    return filled


def _image_edge(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    edge = np.zeros(shape, dtype=bool)
    edge[[0, -1], :] = edge[:, [0, -1]] = True
    return edge


def _padding_edge(
    trunk: NDArray[np.bool_], padding: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> NDArray[np.bool_]:
    """Pixels beside padding; none where the background of a body was blanked on purpose."""
    beside = distance_mm(padding, spacing_mm) <= 1.5 * max(spacing_mm)
    outline = trunk & (distance_mm(~trunk, spacing_mm) <= max(spacing_mm))
    blanked = np.count_nonzero(outline & beside) > _CROPPED_FRACTION * np.count_nonzero(outline)
    return np.zeros_like(trunk) if blanked else beside


def _circle_edge(
    hu: NDArray[Any], trunk: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> NDArray[np.bool_]:
    """The rim of the circle inscribed in a square image, where nothing but air lies outside of it."""
    nothing = np.zeros(trunk.shape, dtype=bool)
    if trunk.shape[0] != trunk.shape[1] or not np.isclose(*spacing_mm, rtol=0.01):
        return nothing
    from_centre = _from_centre_mm(trunk.shape, spacing_mm) / spacing_mm[0]
    radius = trunk.shape[0] / 2
    if (hu[from_centre > radius + 0.5] > _AIR_HU).any():
        return nothing
    rim: NDArray[np.bool_] = (from_centre >= radius - 1.5) & (from_centre <= radius + 0.5)
    return rim


def _from_centre_mm(shape: tuple[int, ...], spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    i, j = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing_mm, strict=True))
    distances: NDArray[np.float64] = np.hypot(i[:, None], j[None, :])
    return distances


def _sides(cut: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> tuple[str, ...]:
    """The patient's sides along which the cut is long enough to be one."""
    i, j = np.nonzero(cut)
    x = (i - (cut.shape[0] - 1) / 2) / cut.shape[0]
    y = (j - (cut.shape[1] - 1) / 2) / cut.shape[1]
    lateral = np.abs(x) >= np.abs(y)
    found = {
        "left": np.count_nonzero(lateral & (x < 0)) * spacing_mm[1],
        "right": np.count_nonzero(lateral & (x >= 0)) * spacing_mm[1],
        "front": np.count_nonzero(~lateral & (y >= 0)) * spacing_mm[0],
        "back": np.count_nonzero(~lateral & (y < 0)) * spacing_mm[0],
    }
    return tuple(side for side, length_mm in found.items() if length_mm >= _SHORTEST_CUT_MM)


def _cuts_muscle(
    hu: NDArray[Any], mask: NDArray[np.bool_], cut: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> bool:
    near = max(_MUSCLE_NEAR_CUT_MM, 1.5 * max(spacing_mm))
    if np.count_nonzero(mask & (distance_mm(cut, spacing_mm) <= near)) >= 3:
        return True
    # A field of view of the spine alone shows no wall for the mask to reach its edge.
    perimeter_mm = 2 * (cut.shape[0] * spacing_mm[0] + cut.shape[1] * spacing_mm[1])
    if border_length_mm(cut, spacing_mm) > _CROPPED_FRACTION * perimeter_mm:
        return True
    soft = opened((hu >= MUSCLE_HU_LOW) & (hu <= MUSCLE_HU_HIGH), _THICK_MM, spacing_mm)
    return bool(np.count_nonzero(soft & cut) * min(spacing_mm) >= _THICK_CUT_MM)
