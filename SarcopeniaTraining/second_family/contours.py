"""Sculpted contours: control points on key levels, splined along the body and around the outline.

A level is a number: L3 is 0, one vertebra up is +1 (T12 is 3), one down is −1 (S1 is −3). Positions are
(x to the patient's right, y to the front) in mm; arrays of contours are (slices, points, 2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter, map_coordinates

Array = NDArray[np.float64]
Stations = Mapping[float, object] | Mapping[int, object]
"""Level to a value: a number, a point or a row of control points."""


def along_body(stations: Stations, level: Array) -> Array:
    """Values between key levels, monotone where they are; beyond the last level they stay.

    Parameters
    ----------
    stations
        Level to a value of any shape, the same on every level; at least two levels.
    level
        Levels wanted, (slices,).

    Returns
    -------
    Array
        (slices, *shape of a value).
    """
    keys, values = zip(
        *sorted(((float(k), v) for k, v in stations.items()), key=lambda pair: pair[0]), strict=True
    )
    spline = PchipInterpolator(np.array(keys), np.array(values, dtype=float), axis=0)
    result: Array = spline(np.clip(level, keys[0], keys[-1]))
    return result


@cache
def _closed_basis(controls: int, points: int) -> Array:
    """Weights (points, controls) of the periodic cubic spline through control points."""
    knots = np.arange(controls + 1)
    eye = np.vstack([np.eye(controls), np.eye(controls)[:1]])
    basis: Array = CubicSpline(knots, eye, bc_type="periodic")(
        np.linspace(0, controls, points, endpoint=False)
    )
    return basis


@cache
def _open_basis(controls: int, where: tuple[float, ...]) -> Array:
    """Weights (points, controls) of the natural cubic spline, at positions in control numbers."""
    basis: Array = CubicSpline(np.arange(controls), np.eye(controls), bc_type="natural")(np.array(where))
    return basis


def closed(controls: Array, points: int = 48) -> Array:
    """The periodic spline through control points (slices, controls, 2) as (slices, points, 2)."""
    result: Array = np.einsum("pc,scd->spd", _closed_basis(controls.shape[1], points), controls)
    return result


def open_path(controls: Array, where: Array) -> Array:
    """The spline through an open row of control points, at positions counted in control points."""
    basis = _open_basis(controls.shape[1], tuple(np.round(where, 4).tolist()))
    result: Array = np.einsum("pc,scd->spd", basis, controls)
    return result


def normals(path: Array) -> Array:
    """Unit vectors to the left of the direction of travel, (slices, points, 2)."""
    step = np.gradient(path, axis=1)
    turned = np.stack([-step[..., 1], step[..., 0]], axis=-1)
    length = np.maximum(np.linalg.norm(turned, axis=-1, keepdims=True), 1e-9)
    result: Array = turned / length
    return result


def sheet(path: Array, sideways: Array, inner_mm: Array, outer_mm: Array) -> Array:
    """A closed contour between two distances from a path, there and back again.

    Parameters
    ----------
    path, sideways
        Points and unit vectors, (slices, points, 2).
    inner_mm, outer_mm
        Distances, (slices, points).
    """
    near = path + sideways * inner_mm[..., None]
    far = path + sideways * outer_mm[..., None]
    result: Array = np.concatenate([near, far[:, ::-1]], axis=1)
    return result


def mirrored(points: Array) -> Array:
    """The other side of the body, travelled the other way round."""
    result: Array = points[:, ::-1] * np.array([-1.0, 1.0])
    return result


def sided(points: Array, side: int) -> Array:
    """Points of the right side as they are (1), or on the left (−1)."""
    return points if side > 0 else mirrored(points)


def grown(points: Array, factor: ArrayLike, anchor: ArrayLike) -> Array:
    """Contours made larger or smaller about a point that stays.

    `factor` is a number, (slices,) or (slices, 2); `anchor` (2,) or (slices, 2).
    """
    scale = np.asarray(factor, dtype=float)
    if scale.ndim == 1:
        scale = scale[:, None]
    scale = scale.reshape((-1, 1, scale.shape[-1] if scale.ndim == 2 else 1))
    fixed = np.asarray(anchor, dtype=float).reshape(-1, 1, 2)
    result: Array = fixed + (points - fixed) * scale
    return result


def smooth_step(value: Array, low: float, high: float) -> Array:
    """0 below, 1 above, smooth between."""
    share = np.clip((value - low) / (high - low), 0, 1)
    result: Array = share * share * (3 - 2 * share)
    return result


@dataclass(frozen=True, eq=False)
class Displacement:
    """A smooth random field that moves every contour: Gaussian-filtered noise on a coarse grid.

    Attributes
    ----------
    fields
        Pairs (spacing in mm, displacement (2, x, y, z) in mm), coarse to fine.
    """

    fields: tuple[tuple[float, NDArray[np.float32]], ...]

    REACH_MM = (300.0, 220.0, 300.0)

    @classmethod
    def random(cls, rng: np.random.Generator, sizes_mm: tuple[tuple[float, float], ...]) -> "Displacement":
        """Draw fields of (correlation length, amplitude) in mm."""
        fields = []
        for length, amplitude in sizes_mm:
            spacing = length / 1.5
            shape = [int(2 * reach / spacing) + 3 for reach in cls.REACH_MM]
            noise = gaussian_filter(rng.standard_normal((2, *shape)), (0, 1.2, 1.2, 1.2), mode="wrap")
            fields.append((spacing, (noise / noise.std() * amplitude).astype(np.float32)))
        return cls(tuple(fields))

    def moved(self, points: Array, z_mm: Array) -> Array:
        """Points (n, 2) at heights (n,) after displacement."""
        result = np.array(points, dtype=float)
        place = np.column_stack([points, z_mm]) + np.array(self.REACH_MM)
        for spacing, field in self.fields:
            for axis in (0, 1):
                result[:, axis] += map_coordinates(field[axis], (place / spacing).T, order=1, mode="nearest")
        return result
