"""A grid on which soft-edged solids are painted: partial volume comes from the distance to a surface.

A voxel's share of a solid is its signed distance to the surface, in voxels, clipped: at a flat surface
that is the exact average over the voxel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Points = tuple["NDArray[np.float32]", "NDArray[np.float32]", "NDArray[np.float32]"]
"""Coordinates along three axes, to be broadcast against each other."""
Distance = Callable[
    ["NDArray[np.float32]", "NDArray[np.float32]", "NDArray[np.float32]"], "NDArray[np.float32]"
]
"""Signed distance in mm, negative inside, at points given by three coordinates."""


@dataclass(frozen=True)
class Frame:
    """A place and three unit directions in the world.

    Attributes
    ----------
    centre:
        (3,) mm.
    axes:
        (3, 3); its columns are lateral (to the right), anterior and up.
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]

    def world(self, lateral: float, anterior: float, up: float) -> NDArray[np.float64]:
        """The world position of a place in the frame."""
        place: NDArray[np.float64] = self.centre + self.axes @ np.array([lateral, anterior, up])
        return place


def turned(sagittal_deg: float, coronal_deg: float = 0.0, axial_deg: float = 0.0) -> NDArray[np.float64]:
    """Axes of a frame that leans forward, to the right, and is turned about its own length."""
    a, b, c = np.radians([sagittal_deg, coronal_deg, axial_deg])
    lean = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
    side = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turn = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    axes: NDArray[np.float64] = side @ lean @ turn
    return axes


class Canvas:
    """HU and classes of a grid whose axes run to the right, to anterior and to superior.

    Parameters
    ----------
    shape, voxel_mm:
        (i, j, k) voxels, cubes of that side.
    origin_mm:
        World position of the centre of voxel (0, 0, 0).
    """

    def __init__(self, shape: tuple[int, int, int], origin_mm: NDArray[np.float64], voxel_mm: float) -> None:
        self.voxel_mm = voxel_mm
        self.origin_mm = origin_mm
        self.hu = np.full(shape, -200.0, np.float32)
        self.classes = np.zeros(shape, np.uint8)
        self.along = [
            (origin_mm[axis] + voxel_mm * np.arange(side)).astype(np.float32)
            for axis, side in enumerate(shape)
        ]

    @property
    def points(self) -> Points:
        """Coordinates of every voxel, to be broadcast."""
        x, y, z = self.along
        return x[:, None, None], y[None, :, None], z[None, None, :]

    def share(self, distance_mm: NDArray[np.float32]) -> NDArray[np.float32]:
        """How much of a voxel lies inside, 0…1."""
        share: NDArray[np.float32] = np.clip(0.5 - distance_mm / self.voxel_mm, 0.0, 1.0)
        return share

    def box(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[slice, slice, slice] | None:
        """The voxels that a solid between two world corners can touch; None: it lies outside."""
        slices = []
        for axis in range(3):
            start = int(np.floor((low[axis] - self.origin_mm[axis]) / self.voxel_mm - 0.5))
            stop = int(np.ceil((high[axis] - self.origin_mm[axis]) / self.voxel_mm + 0.5)) + 1
            start, stop = max(start, 0), min(stop, self.hu.shape[axis])
            if start >= stop:
                return None
            slices.append(slice(start, stop))
        return slices[0], slices[1], slices[2]

    def within(self, box: tuple[slice, slice, slice]) -> Points:
        """Coordinates of a box's voxels, to be broadcast."""
        x, y, z = (values[cut] for values, cut in zip(self.along, box, strict=True))
        return x[:, None, None], y[None, :, None], z[None, None, :]

    def blend(
        self,
        box: tuple[slice, slice, slice],
        share: NDArray[np.float32],
        hu: float | np.floating[Any] | NDArray[np.float32],
        kind: int | None = None,
    ) -> None:
        """Mix a material into a box by its share; where it is most of the voxel, the voxel is of its kind."""
        view = self.hu[box]
        view += share * (hu - view)
        if kind is not None:
            self.classes[box][share >= 0.5] = kind

    def solid(
        self, frame: Frame, reach_mm: float, distance: Distance, hu: float, kind: int | None = None
    ) -> None:
        """Paint what has this signed distance in a frame's own coordinates, within a reach of its centre."""
        box = self.box(frame.centre - reach_mm, frame.centre + reach_mm)
        if box is not None:
            self.blend(box, self.share(distance(*self.local(frame, box))), hu, kind)

    def local(self, frame: Frame, box: tuple[slice, slice, slice]) -> Points:
        """Coordinates of a box's voxels in a frame: lateral, anterior, up."""
        x, y, z = self.within(box)
        dx, dy, dz = (p - np.float32(c) for p, c in zip((x, y, z), frame.centre, strict=True))
        axes = frame.axes.astype(np.float32)
        lateral, anterior, up = (dx * axes[0, n] + dy * axes[1, n] + dz * axes[2, n] for n in range(3))
        return lateral, anterior, up

    def ellipsoid(
        self, frame: Frame, semi_mm: tuple[float, float, float], hu: float, kind: int | None = None
    ) -> None:
        """Paint an ellipsoid whose axes are the frame's."""
        self.solid(frame, max(semi_mm) + self.voxel_mm, ellipsoid_distance(semi_mm), hu, kind)

    def rod(self, ends: NDArray[np.float64], radius_mm: float, hu: float, kind: int | None = None) -> None:
        """Paint a rod with round ends through two or more world points, (n, 3)."""
        for start, end in pairwise(ends):
            margin = radius_mm + self.voxel_mm
            box = self.box(np.minimum(start, end) - margin, np.maximum(start, end) + margin)
            if box is not None:
                distance = segment_distance(self.within(box), start, end) - np.float32(radius_mm)
                share = self.share(distance)
                if 2 * radius_mm < self.voxel_mm:
                    share = share * np.float32(2 * radius_mm / self.voxel_mm)
                self.blend(box, share, hu)
                if kind is not None:
                    self.classes[box][distance <= max(0.0, 0.45 * self.voxel_mm - radius_mm)] = kind


def ellipsoid_distance(semi_mm: tuple[float, float, float]) -> Distance:
    """Signed distance to an ellipsoid about the origin, right at its surface, near enough elsewhere."""
    a, b, c = (np.float32(max(s, 0.5)) for s in semi_mm)

    def distance(
        x: NDArray[np.float32], y: NDArray[np.float32], z: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        p, q, r = x / a, y / b, z / c
        length = np.sqrt(p * p + q * q + r * r) + np.float32(1e-6)
        slope = np.sqrt((p / a) ** 2 + (q / b) ** 2 + (r / c) ** 2) + np.float32(1e-6)
        near: NDArray[np.float32] = (length - 1) * length / slope
        return near

    return distance


def segment_distance(
    points: Points, start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Distance of points from a segment, mm."""
    along = (end - start).astype(np.float32)
    squared = max(float(along @ along), 1e-6)
    dx, dy, dz = (p - np.float32(s) for p, s in zip(points, start, strict=True))
    part = np.clip((dx * along[0] + dy * along[1] + dz * along[2]) / np.float32(squared), 0.0, 1.0)
    off: NDArray[np.float32] = np.sqrt(
        (dx - part * along[0]) ** 2 + (dy - part * along[1]) ** 2 + (dz - part * along[2]) ** 2
    )
    return off
