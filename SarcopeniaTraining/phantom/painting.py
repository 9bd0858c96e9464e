"""A canvas on which tissues are laid over each other with partial volume at their borders.

Every shape comes as a depth in mm. A pixel takes the share `depth / pixel + ½` of the new tissue, so
borders carry partial volume without rendering at a higher resolution, and the truth (the share of a
pixel inside the muscle outlines, and that of what is neither muscle nor fat) is laid by the same rule.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.phantom.shapes import Field, Number

LEAN_MM = 45.0
BODY_HU = -300.0
"""What is denser is body, or lies around it; what is not is air."""
FAT_HU_BELOW = -60.0
"""A tissue that is no muscle and denser than this is no fat either."""

Reach = tuple[tuple[Field, Field], tuple[Field, Field]]
"""Least and greatest x of each i, y of each j."""


@dataclass
class Points:
    """HU and muscle share of points, painted from back to front.

    Attributes
    ----------
    x, y, z:
        Coordinates in mm (right, anterior, superior), broadcasting to the shape of `hu`.
    pixel_mm:
        Width over which a border is blended.
    hu:
        (i, j, k), or (n,) for a row of points, float32.
    outline:
        Of the same shape, float32: share of the pixel inside a muscle's outline, fat streaks included.
    other:
        Of the same shape, float32: share of what is neither inside an outline nor fat (nor air).
    """

    x: Field
    y: Field
    z: Field
    pixel_mm: float
    hu: NDArray[np.float32]
    outline: NDArray[np.float32]
    other: NDArray[np.float32]

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
        dense: Field | np.float32 = (
            np.float32(0) if muscle else np.greater(hu, FAT_HU_BELOW).astype(np.float32)
        )
        self.other += share * (dense - self.other)

    def tint(self, share: Field, hu: Field | Number) -> None:
        """Change HU only: streaks, fat lines and texture that leave the outline as it is."""
        self.hu += share * (hu - self.hu)

    def exclude(self, depth: Field) -> None:
        """Take a region out of the muscle outline without changing its HU (partial-volume rims)."""
        share = self.share(depth)
        self.outline *= 1 - share
        np.maximum(self.other, share, out=self.other)

    def under(self, x: Field, y: Field, z: Field) -> "Points":
        """The same HU and shares (not copied) under other coordinates in mm."""
        return Points(x, y, z, self.pixel_mm, self.hu, self.outline, self.other)

    @contextmanager
    def row(self, where: NDArray[np.bool_]) -> Iterator["Points"]:
        """Some of the points, as a row (n,) of copies to paint on; at the end its paint is put back here.

        `where` has the shape of `hu`.
        """
        x, y, z = (np.broadcast_to(c, where.shape)[where] for c in (self.x, self.y, self.z))
        row = Points(x, y, z, self.pixel_mm, self.hu[where], self.outline[where], self.other[where])
        yield row
        self.hu[where], self.outline[where], self.other[where] = row.hu, row.outline, row.other


@dataclass
class Canvas(Points):
    """A grid of points (i, j, k) that knows which of its parts are near a place.

    Attributes
    ----------
    reach:
        Where `near` looks; of a block, that of its whole volume.
    complete:
        Draw every structure's random numbers and paint it wherever it reaches, so that what lies at a
        point does not depend on the canvas around it and blocks of one volume agree. A training slab
        is not complete: it leaves out what it does not meet, with the random numbers that go with it.
    """

    reach: Reach
    complete: bool = False

    @classmethod
    def of_air(
        cls,
        x: Field,
        y: Field,
        z: Field,
        pixel_mm: float,
        *,
        complete: bool = False,
        reach: Reach | None = None,
    ) -> "Canvas":
        """A canvas on which nothing is painted yet; `reach` is its own where none is given."""
        shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
        hu, outline, other = (np.full(shape, value, np.float32) for value in (-1000, 0, 0))
        return cls(x, y, z, pixel_mm, hu, outline, other, reach or reach_of(x, y), complete)

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
        x, y, z = (cut(c, i, j) for c in (self.x, self.y, self.z))
        (left, right), (behind, ahead) = self.reach
        reach = (left[i], right[i]), (behind[j], ahead[j])
        hu, outline, other = (array[i, j] for array in (self.hu, self.outline, self.other))
        return Canvas(x, y, z, self.pixel_mm, hu, outline, other, reach, self.complete)


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
