"""`phantom_volume`: a person on any grid, whole, drawn block by block so that memory stays small.

`generate.phantom` draws training slabs and leaves out what a slab does not meet. Here everything is
drawn, so a voxel depends on the person, the grid and the scanner alone, not on the blocks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.phantom.anatomy import Person, ring_coordinates
from SarcopeniaTraining.phantom.generate import Grid, Phantom, paint_layers
from SarcopeniaTraining.phantom.painting import BODY_HU, Canvas, Reach, reach_of
from SarcopeniaTraining.phantom.scanner import Scanner, with_noise, without_noise
from SarcopeniaTraining.phantom.shapes import Field
from SarcopeniaTraining.phantom.surroundings import paint_table
from SarcopeniaTraining.phantom.trunk import paint_skin_and_fat
from SarcopeniaTraining.phantom.truth import truth_of

GENERATOR = 4
"""Raised whenever the same person, grid and scanner would give other voxels."""

BLOCK_SLICES = 8


@dataclass(frozen=True, eq=False)
class Drawn:
    """Some slices of a volume on canonical axes, (i, j, k): the fields of `Phantom`."""

    hu: NDArray[np.int16]
    outline: NDArray[np.uint8]
    muscle: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Body:
    """Where a person's body lies: points inside it on a coarse lattice.

    Attributes
    ----------
    points_mm:
        (n, 3), RAS, 4 mm apart in the plane and 20 mm along the body, from 140 mm below L3 to 160 above.
    lowest_skin_mm:
        Lowest anterior coordinate of the skin: where the table lies.
    """

    points_mm: NDArray[np.float32]
    lowest_skin_mm: float

    @classmethod
    def of(cls, person: Person) -> "Body":
        """Draw skin and fat on the lattice."""
        lattice = Grid.axial((141, 121, 16), (4, 4, 20), (0, 0, 10))
        x, y, z = lattice.coordinates()
        canvas = Canvas.of_air(*person.warp(x, y, z), z, lattice.pixel_mm)
        paint_skin_and_fat(person, canvas, ring_coordinates(person, canvas.x, canvas.y, z))
        inside = canvas.hu > BODY_HU
        points = [np.broadcast_to(c, inside.shape)[inside] for c in (x, y, z)]
        return cls(np.stack(points, axis=1), float(points[1].min()))


def vertebra_centre_mm(person: Person) -> NDArray[np.float64]:
    """RAS position of the middle of the body of L3, shape (3,)."""
    zero = np.zeros((1, 1, 1), np.float32)
    wanted = np.array([float(person.bend.shift_mm(zero).item()), float(person.spine_y(zero).item())])
    place = np.zeros(2)
    for _ in range(12):  # the warp is a few mm over decimetres, so this converges fast
        x, y = (np.full((1, 1, 1), value, np.float32) for value in place)
        here = np.array([float(c.item()) for c in person.warp(x, y, zero)])
        place = place + 0.8 * (wanted - here)
    return np.array([*place, 0.0])


@dataclass(frozen=True, eq=False)
class Rendering:
    """A person on a grid, ready to draw any of its slices.

    Attributes
    ----------
    grid:
        With canonical axes.
    reach:
        Extent of the whole grid's body coordinates; it depends on the person's warp alone.
    """

    person: Person
    scanner: Scanner
    grid: Grid
    reach: Reach
    lowest_skin_mm: float

    @classmethod
    def of(cls, person: Person, grid: Grid, scanner: Scanner | None = None) -> "Rendering":
        """Prepare; costs a few hundredths of a second a slice."""
        canonical = grid.canonical()
        blocks = [reach_of(*person.warp(*canonical.coordinates(*block))) for block in _blocks(canonical)]
        scanner = scanner or Scanner.random(person.seed)
        return cls(person, scanner, canonical, _union(blocks), Body.of(person).lowest_skin_mm)

    def draw(self, start: int, stop: int) -> Drawn:
        """Canonical slices start…stop−1, counted from the feet."""
        person, scanner, spacing_mm = self.person, self.scanner, self.grid.in_plane_mm
        x, y, z = self.grid.coordinates(start, stop)
        canvas = Canvas.of_air(*person.warp(x, y, z), z, self.grid.pixel_mm, complete=True, reach=self.reach)
        paint_layers(person, canvas)
        if scanner.table:
            paint_table(canvas.under(x, y, z), self.lowest_skin_mm, person.seed)
        clean = without_noise(canvas.hu, scanner, spacing_mm)
        hu = [
            with_noise(clean[:, :, n, None], scanner, spacing_mm, np.random.default_rng([person.seed, 6, k]))
            for n, k in enumerate(range(start, stop))
        ]
        return Drawn(np.concatenate(hu, axis=2), *truth_of(canvas, clean))


def phantom_volume(
    person: Person, grid: Grid, scanner: Scanner | None = None, *, block_slices: int = BLOCK_SLICES
) -> Phantom:
    """Draw and scan a person on a grid of any storage order and orientation.

    The same person on the same points gives the same voxels in every storage order, whatever
    `block_slices` is. A block of eight slices of 512 × 512 takes about 300 MB while it is drawn.
    """
    rendering = Rendering.of(person, grid, scanner)
    axes = grid.axes
    arrays = Drawn(
        np.empty(grid.shape, np.int16), np.empty(grid.shape, np.uint8), np.empty(grid.shape, np.uint8)
    )
    for start, stop in _blocks(rendering.grid, block_slices):
        drawn = rendering.draw(start, stop)
        for name in ("hu", "outline", "muscle"):
            axes.view(getattr(arrays, name))[:, :, start:stop] = getattr(drawn, name)
    return Phantom(person, rendering.scanner, grid, arrays.hu, arrays.outline, arrays.muscle)


def _union(blocks: Sequence[Reach]) -> Reach:
    """Extent of a volume from those of its blocks."""
    i, j = zip(*blocks, strict=True)
    return _widest(i), _widest(j)


def _widest(extents: Sequence[tuple[Field, Field]]) -> tuple[Field, Field]:
    lows, highs = zip(*extents, strict=True)
    return np.minimum.reduce(lows), np.maximum.reduce(highs)


def _blocks(grid: Grid, slices: int = BLOCK_SLICES) -> Iterator[tuple[int, int]]:
    count = grid.shape[2]
    for start in range(0, count, slices):
        yield start, min(start + slices, count)
