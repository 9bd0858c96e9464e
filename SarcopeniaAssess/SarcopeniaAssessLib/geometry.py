"""Affines, axes and slice positions: what makes a geometry sound and how to see any storage canonically.

World coordinates are RAS in mm; an affine maps voxel centres (i, j, k) to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import GeometryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPACING_RANGE_MM = (0.2, 10.0)
GAP_FACTOR = 1.5
"""A distance between slices that exceeds its neighbours' median by this factor is a gap."""
_ROUNDING_MM = 1e-3
_MM2_PER_CM2 = 100.0


@dataclass(frozen=True)
class CanonicalAxes:
    """The permutation and flips that turn native axes into right, anterior, superior.

    Parameters
    ----------
    order:
        Native axis that becomes canonical axis 0, 1, 2.
    flipped:
        Whether canonical axis 0, 1, 2 runs against its native axis.
    """

    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @classmethod
    def of(cls, ras_from_ijk: NDArray[np.float64]) -> CanonicalAxes:
        """The assignment of axes whose directions agree best with right, anterior and superior."""
        direction = ras_from_ijk[:3, :3] / np.linalg.norm(ras_from_ijk[:3, :3], axis=0)
        order = max(permutations(range(3)), key=lambda p: sum(abs(direction[w, p[w]]) for w in range(3)))
        flipped = tuple(bool(direction[w, order[w]] < 0) for w in range(3))
        return cls((order[0], order[1], order[2]), (flipped[0], flipped[1], flipped[2]))

    def view(self, native: NDArray[Any]) -> NDArray[Any]:
        """Canonical view of a native array; no copy."""
        steps = tuple(slice(None, None, -1 if f else 1) for f in self.flipped)
        return native.transpose(self.order)[steps]

    def native_slice(self, k: int, slices: int) -> int:
        """Native index, along the native slice axis, of canonical slice k."""
        return slices - 1 - k if self.flipped[2] else k

    def ras_from_canonical(
        self, ras_from_ijk: NDArray[np.float64], shape: tuple[int, ...]
    ) -> NDArray[np.float64]:
        """Affine of the canonical view of an array of native `shape`."""
        affine = np.eye(4)
        origin = ras_from_ijk[:3, 3].copy()
        for axis, (native, flip) in enumerate(zip(self.order, self.flipped, strict=True)):
            column = ras_from_ijk[:3, native]
            affine[:3, axis] = -column if flip else column
            if flip:
                origin += (shape[native] - 1) * column
        affine[:3, 3] = origin
        return affine


def check_geometry(shape: tuple[int, ...], ras_from_ijk: NDArray[np.float64]) -> None:
    """Refuse a shape and affine from which no area could be told; for CT, masks and label maps alike.

    Raises
    ------
    GeometryError
        Not 3-D or empty, affine not 4×4, not finite or not invertible, spacing outside 0.2–10 mm.
    """
    remedy = "export the image again with its position and spacing"
    if len(shape) != 3 or min(shape) < 1:
        raise GeometryError(
            f"A CT has three dimensions, this image is {'×'.join(map(str, shape))}", "give one 3-D volume"
        )
    if ras_from_ijk.shape != (4, 4) or not np.isfinite(ras_from_ijk).all():
        raise GeometryError("The image's affine is not a finite 4×4 matrix", remedy)
    if not np.array_equal(ras_from_ijk[3], (0.0, 0.0, 0.0, 1.0)):
        raise GeometryError("The last row of the image's affine is not 0 0 0 1", remedy)
    spacings_mm = spacing_mm(ras_from_ijk)
    low, high = SPACING_RANGE_MM
    if not all(low - _ROUNDING_MM <= s <= high + _ROUNDING_MM for s in spacings_mm):
        given = " × ".join(f"{s:.4g}" for s in spacings_mm)
        raise GeometryError(f"A spacing of {given} mm lies outside {low:g}–{high:g} mm", f"{remedy}, in mm")
    if abs(np.linalg.det(ras_from_ijk[:3, :3])) < 0.1 * np.prod(spacings_mm):
        raise GeometryError("The image's axes lie in one plane: its affine cannot be inverted", remedy)


def is_gap(distances_mm: NDArray[np.float64], m: int) -> bool:
    """Whether the distance between slices m and m+1 is a gap among its neighbours (five on each side).

    Local, because a series may rightly change its spacing, e.g. from 5 mm in the chest to 3 mm below.
    """
    others = np.concatenate([distances_mm[max(0, m - 5) : m], distances_mm[m + 1 : m + 6]])
    return bool(others.size and distances_mm[m] > GAP_FACTOR * np.median(others))


def spacing_mm(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Lengths of the affine's columns: along a sheared axis the real step, not the distance of planes."""
    i, j, k = np.linalg.norm(affine[:3, :3], axis=0)
    return float(i), float(j), float(k)


def slice_normal(ras_from_canonical: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit normal of the canonical slices, RAS, shape (3,), pointing to superior."""
    normal = np.cross(ras_from_canonical[:3, 0], ras_from_canonical[:3, 1])
    unit: NDArray[np.float64] = normal / np.linalg.norm(normal)
    return unit


def tilt_deg(ras_from_canonical: NDArray[np.float64]) -> float:
    """Angle between the canonical slices' normal and superior, 0–90°."""
    return float(np.degrees(np.arccos(np.clip(abs(slice_normal(ras_from_canonical)[2]), 0.0, 1.0))))


def pixel_area_cm2(ras_from_ijk: NDArray[Any], slice_axis: int) -> float:
    """Area of one pixel: |column × row| of the two in-plane vectors of the affine.

    Parameters
    ----------
    ras_from_ijk:
        (4, 4) affine in mm, any handedness, rotation, spacing or shear.
    slice_axis:
        The array axis (0, 1 or 2) that runs from slice to slice; the other two span the pixel.

    Raises
    ------
    GeometryError
        The affine is not a finite 4×4, the axis is not 0, 1 or 2, or the pixel has no area.
    """
    affine = np.asarray(ras_from_ijk, dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise GeometryError(
            "The affine is not a finite 4×4 matrix", "export the image again with its geometry"
        )
    if slice_axis not in (0, 1, 2):
        raise GeometryError(f"Slice axis {slice_axis} does not exist", "give 0, 1 or 2")
    column, row = (affine[:3, axis] for axis in range(3) if axis != slice_axis)
    area_mm2 = float(np.linalg.norm(np.cross(column, row)))
    if area_mm2 <= 0.0:
        raise GeometryError(
            "The affine gives a pixel without area", "export the image again with its geometry"
        )
    return area_mm2 / _MM2_PER_CM2
