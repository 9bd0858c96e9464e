"""A canvas on which tissues are laid over each other with partial volume at their borders.

Every shape comes as a depth in mm. A pixel takes the share `depth / pixel + ½` of the new tissue, so
borders carry partial volume without rendering at a higher resolution, and the truth (the share of a
pixel inside the muscle outlines) is laid by the same rule.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.phantom.shapes import Field, Number

LEAN_MM = 45.0

Reach = tuple[tuple[Field, Field], tuple[Field, Field]]
"""Least and greatest x of each i, y of each j."""


@dataclass
class Canvas:
    """HU and muscle share of a grid of points, painted from back to front.

    Attributes
    ----------
    x, y, z:
        Coordinates in mm (right, anterior, superior), broadcasting to `shape`.
    pixel_mm:
        Width over which a border is blended.
    complete:
        Draw every structure's random numbers and paint it wherever it reaches, so that what lies at a
        point does not depend on the canvas around it and blocks of one volume agree. A training slab
        is not complete: it leaves out what it does not meet, with the random numbers that go with it.
    hu:
        (i, j, k) float32.
    outline:
        (i, j, k) float32, share of the pixel inside a muscle's outline, fat streaks included.
    """

    x: Field
    y: Field
    z: Field
    pixel_mm: float
    complete: bool = False
    hu: NDArray[np.float32] = field(init=False)
    outline: NDArray[np.float32] = field(init=False)
    reach: Reach = field(init=False, repr=False)
    """Where `near` looks; of a block, that of its whole volume."""

    def __post_init__(self) -> None:
        shape = np.broadcast_shapes(self.x.shape, self.y.shape, self.z.shape)
        self.hu = np.full(shape, -1000, np.float32)
        self.outline = np.zeros(shape, np.float32)
        self.reach = reach_of(self.x, self.y)

    def share(self, depth: Field) -> Field:
        """Part of each pixel inside a shape of this depth, 0…1."""
        part: Field = np.clip(depth * np.float32(1 / self.pixel_mm) + np.float32(0.5), 0, 1)
        return part

    def paint(self, depth: Field, hu: Field | Number, *, muscle: bool) -> None:
        """Lay a tissue over what is there."""
        self.blend(self.share(depth), hu, muscle=muscle)

    def blend(self, share: Field, hu: Field | Number, *, muscle: bool) -> None:
        """Lay a tissue by its share of each pixel."""
        self.hu += share * (hu - self.hu)
        self.outline += share * (np.float32(muscle) - self.outline)

    def tint(self, share: Field, hu: Field | Number) -> None:
        """Change HU only: streaks, fat lines and texture that leave the outline as it is."""
        self.hu += share * (hu - self.hu)

    def exclude(self, depth: Field) -> None:
        """Take a region out of the muscle outline without changing its HU (partial-volume rims)."""
        self.outline *= 1 - self.share(depth)

    def misses(self, distance: Field, limit_mm: float) -> bool:
        """Whether a structure may be left out because no point is within `limit_mm` of it."""
        return not self.complete and float(np.abs(distance).min()) > limit_mm

    def near(self, x_mm: float, y_mm: float, radius_mm: float) -> "Canvas | None":
        """Part of the canvas around a point (views), or None if the point's surroundings lie outside.

        A complete canvas takes a wider part, for what leans out of it far from L3, and an empty one for None.
        """
        radius_mm += LEAN_MM if self.complete else 0
        i = _range(self.reach[0], x_mm, radius_mm)
        j = _range(self.reach[1], y_mm, radius_mm)
        if i is None or j is None:
            if not self.complete:
                return None
            i = j = slice(0, 0)
        return self.part(i, j)

    def window(self, x_mm: tuple[float, float], y_mm: tuple[float, float]) -> tuple[slice, slice]:
        """Rows i and columns j that may hold points between two x and two y; empty slices if none do."""
        ranges = []
        for extent, (low, high) in zip(self.reach, (x_mm, y_mm), strict=True):
            found = _range(extent, (low + high) / 2, (high - low) / 2)
            ranges.append(slice(0, 0) if found is None else found)
        return ranges[0], ranges[1]

    def part(self, i: slice, j: slice) -> "Canvas":
        """Rows i and columns j: views, so that painting on them paints here."""
        part = object.__new__(Canvas)
        part.pixel_mm, part.complete = self.pixel_mm, self.complete
        part.x, part.y, part.z = (cut(c, i, j) for c in (self.x, self.y, self.z))
        part.hu, part.outline = self.hu[i, j], self.outline[i, j]
        return part


def reach_of(x: Field, y: Field) -> Reach:
    """Extent of coordinates (i, j, k) along i and j."""
    return _extent(x, 0), _extent(y, 1)


def cut(coordinate: Field, i: slice, j: slice) -> Field:
    """Rows i and columns j of a field that broadcasts to a canvas."""
    return coordinate[
        i if coordinate.shape[0] > 1 else slice(None), j if coordinate.shape[1] > 1 else slice(None)
    ]


def _extent(coordinate: Field, axis: int) -> tuple[Field, Field]:
    others = tuple(a for a in range(coordinate.ndim) if a != axis)
    return coordinate.min(axis=others), coordinate.max(axis=others)


def _range(extent: tuple[Field, Field], centre_mm: float, radius_mm: float) -> slice | None:
    low, high = extent
    hits = np.flatnonzero((high > centre_mm - radius_mm) & (low < centre_mm + radius_mm))
    return slice(int(hits[0]), int(hits[-1]) + 1) if hits.size else None
