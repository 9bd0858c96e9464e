"""`phantom(seed, grid)`: one CT of nobody, with its exact truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.phantom.anatomy import Person, RingCoordinates, ring_coordinates
from SarcopeniaTraining.phantom.back import paint_back, paint_midline_ligament, paint_spine
from SarcopeniaTraining.phantom.painting import Canvas
from SarcopeniaTraining.phantom.scanner import Scanner, expose, paint_table
from SarcopeniaTraining.phantom.trunk import (
    Ribs,
    Wall,
    paint_latissimus,
    paint_rectus,
    paint_ribs,
    paint_skin_and_fat,
    paint_wall,
)
from SarcopeniaTraining.phantom.viscera import paint_viscera

MUSCLE_HU = (-29.0, 150.0)


@dataclass(frozen=True, eq=False)
class Grid:
    """Where a phantom is sampled.

    Attributes
    ----------
    shape:
        Voxels along i, j, k.
    ras_from_ijk:
        (4, 4) affine, mm. The phantom's origin is the middle of its trunk at the mid-height of L3.
    """

    shape: tuple[int, int, int]
    ras_from_ijk: NDArray[np.float64]

    @classmethod
    def axial(
        cls,
        shape: tuple[int, int, int],
        spacing_mm: tuple[float, float, float],
        centre_mm: tuple[float, float, float] = (0, 0, 0),
    ) -> "Grid":
        """RAS grid centred on a point."""
        affine = np.diag([*spacing_mm, 1.0])
        affine[:3, 3] = np.asarray(centre_mm) - (np.asarray(shape) - 1) / 2 * np.asarray(spacing_mm)
        return cls(shape, affine)

    def coordinates(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """x, y, z in RAS mm; compact (broadcasting) where the grid is aligned with the axes."""
        linear = self.ras_from_ijk[:3, :3]
        axes = [
            np.arange(n, dtype=np.float64).reshape([-1 if a == b else 1 for b in range(3)])
            for a, n in enumerate(self.shape)
        ]
        out = []
        for row in range(3):
            value: NDArray[np.float64] = np.full((1, 1, 1), self.ras_from_ijk[row, 3])
            for column in range(3):
                if linear[row, column]:
                    value = value + linear[row, column] * axes[column]
            out.append(value.astype(np.float32))
        return out[0], out[1], out[2]


@dataclass(frozen=True, eq=False)
class Phantom:
    """One phantom CT.

    Attributes
    ----------
    hu:
        (i, j, k) int16.
    outline:
        (i, j, k) uint8, the muscle compartments with the fat lines and streaks inside them.
    muscle:
        (i, j, k) uint8, the truth of an SMA: outline where the noise-free HU are −29…150.
    """

    person: Person
    scanner: Scanner
    grid: Grid
    hu: NDArray[np.int16]
    outline: NDArray[np.uint8]
    muscle: NDArray[np.uint8]


def paint(person: Person, grid: Grid) -> Canvas:
    """Paint a person from back to front; see the rooms for what each layer is."""
    x, y, z = grid.coordinates()
    u, v = person.warp(x, y, z)
    spacing = np.linalg.norm(grid.ras_from_ijk[:3, :3], axis=0)
    canvas = Canvas(u, v, z, float(np.sqrt(spacing[0] * spacing[1])))
    ring: RingCoordinates = ring_coordinates(person, u, v, z)
    wall = Wall.random(person)
    paint_skin_and_fat(person, canvas, ring)
    paint_viscera(person, canvas, ring, wall)
    paint_latissimus(person, canvas, ring)
    paint_wall(person, canvas, ring, wall)
    paint_rectus(person, canvas, ring, wall)
    paint_back(person, canvas, ring)
    paint_ribs(person, canvas, ring, Ribs.random(person))
    paint_midline_ligament(person, canvas, ring)
    paint_spine(person, canvas, ring)
    return canvas


def phantom(person: Person, grid: Grid, scanner: Scanner | None = None) -> Phantom:
    """Draw and scan one person on a grid; the same arguments give the same voxels."""
    scanner = scanner or Scanner.random(person.seed)
    canvas = paint(person, grid)
    spacing = np.linalg.norm(grid.ras_from_ijk[:3, :3], axis=0)
    if scanner.table:
        body = np.broadcast_to(canvas.y, canvas.hu.shape)[canvas.hu > -300]
        if body.size:
            paint_table(canvas, float(body.min()), person.seed)
    clean, hu = expose(canvas, scanner, (float(spacing[0]), float(spacing[1])), person.seed)
    outline = canvas.outline > 0.5
    muscle = outline & (clean >= MUSCLE_HU[0]) & (clean <= MUSCLE_HU[1])
    return Phantom(person, scanner, grid, hu, outline.astype(np.uint8), muscle.astype(np.uint8))
