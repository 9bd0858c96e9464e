"""A CT on a coarse grid along the patient's axes: all that is needed to see where the spine is.

Slices are read block by block and averaged before any is left out, so memory holds a few of them only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import IntensityError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.volume import CtVolume

GRID_MM = 4.0
LOW_HU, HIGH_HU = -200.0, 600.0
"""Air and lung look alike below, metal and hard bone above."""
_MIDDLE_HU, _HALF_HU = (LOW_HU + HIGH_HU) / 2, (HIGH_HU - LOW_HU) / 2
_READ_STEP_MM = 2.0
"""Of thinner slices only every so many are read: the grid averages over twice its spacing."""
_BLOCK = 16
_ALIGNED_DEG = 3.0


@dataclass(frozen=True, eq=False)
class SpineGrid:
    """HU on a grid of `GRID_MM`.

    Attributes
    ----------
    hu:
        float32 (i, j, k), clipped to `LOW_HU…HIGH_HU`; axes to the right, to anterior and to superior.
    origin_mm:
        RAS position of voxel (0, 0, 0), shape (3,).
    """

    hu: NDArray[np.float32]
    origin_mm: NDArray[np.float64]

    def index_of(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Grid indices (…, 3), not whole, of RAS positions (…, 3)."""
        index: NDArray[np.float64] = (points_mm - self.origin_mm) / GRID_MM
        return index

    def position_of(self, index: NDArray[Any]) -> NDArray[np.float64]:
        """RAS positions (…, 3) of grid indices (…, 3)."""
        position: NDArray[np.float64] = self.origin_mm + GRID_MM * np.asarray(index, dtype=np.float64)
        return position


def network_image(hu: NDArray[Any]) -> NDArray[np.float32]:
    """What the network sees of HU, in training and in use: `LOW_HU…HIGH_HU` as −1…1, float32."""
    clipped = np.clip(hu, LOW_HU, HIGH_HU).astype(np.float32)
    image: NDArray[np.float32] = (clipped - np.float32(_MIDDLE_HU)) / np.float32(_HALF_HU)
    return image


def coarse_grid(volume: CtVolume) -> SpineGrid:
    """Average a CT onto the coarse grid.

    Raises
    ------
    IntensityError
        No part of it, or a part between others not, holds Hounsfield units of a body.
    """
    at_mm = volume.slice_depths_mm
    along_k = _averaging(at_mm)
    i, j = (
        _averaging(step * np.arange(side, dtype=np.float64))
        for step, side in zip(volume.pixel_mm, volume.canonical_shape[:2], strict=True)
    )
    hu = _averaged(volume, i, j, along_k)
    affine = _affine(volume, along_k, at_mm)
    return _along_the_patient(hu, affine)


@dataclass(frozen=True, eq=False)
class _Averaging:
    """Weights (coarse, native) of one axis, and where its coarse positions begin, mm."""

    weights: NDArray[np.float32]
    start_mm: float
    step: int
    """Of the native positions, every so many are used."""


def _averaging(at_mm: NDArray[np.float64]) -> _Averaging:
    """Tent-shaped weights, twice the grid's spacing wide, wider where positions are farther apart."""
    spacing = float(np.median(np.diff(at_mm))) if len(at_mm) > 1 else GRID_MM
    step = max(int(_READ_STEP_MM // spacing), 1)
    length = at_mm[-1] - at_mm[0]
    coarse = at_mm[0] + (length % GRID_MM) / 2 + GRID_MM * np.arange(int(length // GRID_MM) + 1)
    used = at_mm[::step]
    gaps = np.diff(used) if len(used) > 1 else np.zeros(1)
    here = np.clip(np.searchsorted(used, coarse, side="right") - 1, 0, len(gaps) - 1)
    reach = np.maximum(GRID_MM, gaps[here])[:, None]
    weights = np.clip(1 - np.abs(coarse[:, None] - used[None]) / reach, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    return _Averaging(weights.astype(np.float32), float(coarse[0]), step)


def _averaged(volume: CtVolume, i: _Averaging, j: _Averaging, k: _Averaging) -> NDArray[np.float32]:
    """The whole CT, averaged along its own axes: (k, i, j) seen as (i, j, k)."""
    coarse = np.zeros((len(k.weights), len(i.weights), len(j.weights)), np.float32)
    shown, refused = False, None
    for start in range(0, volume.slice_count, _BLOCK * k.step):
        stop = min(start + _BLOCK * k.step, volume.slice_count)
        weights = k.weights[:, start // k.step : -(-stop // k.step)]
        rows = np.flatnonzero(weights.any(axis=1))
        try:
            native = volume.slab(start, stop)[:: i.step, :: j.step, :: k.step]
        except IntensityError as error:  # nothing but air or padding, as at the ends of many scans
            refused = error
            coarse[rows] += LOW_HU * weights[rows].sum(axis=1)[:, None, None]
            continue
        if shown and refused is not None:  # within the body, not at its end: a count across it is a guess
            raise IntensityError(
                f"L3 cannot be counted across slices {start - _BLOCK * k.step}…{start - 1}: "
                f"{refused.problem[:1].lower()}{refused.problem[1:]}",
                "export the CT again, or give the level by --l3 slice:K, s:MM or labels:FILE[=V]",
            )
        shown, refused = True, None
        clipped = np.ascontiguousarray(np.moveaxis(np.clip(native, LOW_HU, HIGH_HU), 2, 0), np.float32)
        planes = i.weights @ clipped @ j.weights.T
        coarse[rows] += np.tensordot(weights[rows], planes, axes=1)
    if not shown and refused is not None:
        raise refused
    return np.moveaxis(coarse, 0, 2)


def _affine(volume: CtVolume, k: _Averaging, at_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """RAS from the indices of the averaged CT."""
    affine = np.eye(4)
    native = volume.ras_from_canonical
    offsets = []
    for axis in range(2):
        column = native[:3, axis] / np.linalg.norm(native[:3, axis])
        affine[:3, axis] = GRID_MM * column
        length = np.linalg.norm(native[:3, axis]) * (volume.canonical_shape[axis] - 1)
        offsets.append((length % GRID_MM) / 2 * column - length / 2 * column)
    last = volume.slice_count - 1
    ends = volume.slice_centre_mm(0), volume.slice_centre_mm(last)
    rise = at_mm[-1] - at_mm[0]
    per_mm = (ends[1] - ends[0]) / rise if rise > 0 else volume.slice_normal
    affine[:3, 2] = GRID_MM * per_mm
    affine[:3, 3] = ends[0] + (k.start_mm - at_mm[0]) * per_mm + sum(offsets)
    return affine


def _along_the_patient(hu: NDArray[np.float32], affine: NDArray[np.float64]) -> SpineGrid:
    """The averaged CT on axes to the right, anterior and superior; as it is where it lies so already."""
    directions = affine[:3, :3] / GRID_MM
    if np.abs(directions - np.eye(3)).max() <= np.sin(np.radians(_ALIGNED_DEG)):
        return SpineGrid(hu, affine[:3, 3].copy())
    from scipy.ndimage import affine_transform

    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    ends = corners * (np.array(hu.shape) - 1) @ affine[:3, :3].T + affine[:3, 3]
    low, high = ends.min(axis=0), ends.max(axis=0)
    shape = tuple(int(n) for n in np.ceil((high - low) / GRID_MM) + 1)
    inverse = np.linalg.inv(affine[:3, :3])
    turned = affine_transform(
        hu, inverse * GRID_MM, inverse @ (low - affine[:3, 3]), shape, order=1, cval=LOW_HU
    )
    return SpineGrid(turned, low)
