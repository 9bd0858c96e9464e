"""`phantom(seed, grid)`: one CT of nobody, with its exact truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SarcopeniaAssessLib.geometry import CanonicalAxes
from SarcopeniaTraining.phantom.anatomy import Person, RingCoordinates, ring_coordinates
from SarcopeniaTraining.phantom.back import paint_back, paint_midline_ligament, paint_spine
from SarcopeniaTraining.phantom.cage import Cage, WallUnderRibs
from SarcopeniaTraining.phantom.chest import paint_chest_wall, paint_latissimus
from SarcopeniaTraining.phantom.lungs import paint_chest_cavity
from SarcopeniaTraining.phantom.painting import BODY_HU, Canvas
from SarcopeniaTraining.phantom.pelvis import paint_pelvis, paint_sacrum
from SarcopeniaTraining.phantom.scanner import Scanner, expose
from SarcopeniaTraining.phantom.surroundings import paint_table
from SarcopeniaTraining.phantom.trunk import (
    Wall,
    paint_rectus,
    paint_skin_and_fat,
    paint_wall,
)
from SarcopeniaTraining.phantom.truth import truth_of
from SarcopeniaTraining.phantom.viscera import paint_viscera

BACK_X_MM, BACK_Y_MM = (-118.0, 118.0), (-300.0, 42.0)
"""Body coordinates beyond which neither spine nor back muscles reach."""
_AXIS_LETTERS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


def rotation_of(degrees: tuple[float, float, float]) -> NDArray[np.float64]:
    """Rotation matrix (3, 3): about the first world axis, then the second, then the third."""
    total = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        turn = np.eye(3)
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[b, a], turn[a, b] = np.sin(angle), -np.sin(angle)
        total = turn @ total
    return total


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

    @classmethod
    def oblique(
        cls,
        shape: tuple[int, int, int],
        spacing_mm: tuple[float, float, float],
        *,
        rotation_deg: tuple[float, float, float] = (0, 0, 0),
        axes: str = "RAS",
        centre_mm: tuple[float, float, float] = (0, 0, 0),
    ) -> "Grid":
        """Grid of any storage order and orientation, rotated about its centre.

        Parameters
        ----------
        shape, spacing_mm:
            Of the stored axes i, j, k.
        rotation_deg:
            Turn about the right–left axis, then the anterior–posterior, then the superior–inferior.
        axes:
            Where i, j, k run before the rotation: one letter each of R/L, A/P, S/I, e.g. `LPS`, `SAR`.
        centre_mm:
            Middle of the grid.
        """
        unit = np.zeros((3, 3))
        for column, letter in enumerate(axes):
            world, sign = _AXIS_LETTERS[letter]
            unit[world, column] = sign
        if abs(np.linalg.det(unit)) != 1 or len(axes) != 3:
            raise ValueError(f"axes {axes!r} are not one letter each of R/L, A/P, S/I")
        return cls._centred(shape, rotation_of(rotation_deg) @ unit * np.asarray(spacing_mm), centre_mm)

    @classmethod
    def tilted(
        cls,
        shape: tuple[int, int, int],
        spacing_mm: tuple[float, float, float],
        tilt_deg: float,
        *,
        centre_mm: tuple[float, float, float] = (0, 0, 0),
    ) -> "Grid":
        """LPS grid of a tilted gantry: slices turned about the right–left axis, steps along the table."""
        linear = rotation_of((tilt_deg, 0, 0)) @ np.diag([-1.0, -1.0, 1.0])
        linear[:, 2] = (0, 0, 1)
        return cls._centred(shape, linear * np.asarray(spacing_mm), centre_mm)

    @classmethod
    def _centred(
        cls, shape: tuple[int, int, int], linear: NDArray[np.float64], centre_mm: tuple[float, float, float]
    ) -> "Grid":
        affine = np.eye(4)
        affine[:3, :3] = linear
        affine[:3, 3] = np.asarray(centre_mm) - linear @ ((np.asarray(shape) - 1) / 2)
        return cls(shape, affine)

    @property
    def in_plane_mm(self) -> tuple[float, float]:
        """Spacing along i and j."""
        i, j = np.linalg.norm(self.ras_from_ijk[:3, :2], axis=0)
        return float(i), float(j)

    @property
    def pixel_mm(self) -> float:
        """Width over which borders are blended: the side of a square of a pixel's area."""
        return float(np.sqrt(self.in_plane_mm[0] * self.in_plane_mm[1]))

    @property
    def axes(self) -> CanonicalAxes:
        """The permutation and flips to right, anterior, superior."""
        return CanonicalAxes.of(self.ras_from_ijk)

    def canonical(self) -> "Grid":
        """The same points with axes nearest right, anterior, superior."""
        axes = self.axes
        i, j, k = (self.shape[native] for native in axes.order)
        return Grid((i, j, k), axes.ras_from_canonical(self.ras_from_ijk, self.shape))

    def coordinates(
        self, start: int = 0, stop: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """x, y, z in RAS mm of k = start…stop−1; compact (broadcasting) where aligned with the axes."""
        linear = self.ras_from_ijk[:3, :3]
        i, j, k = self.shape
        ranges = ((0, i), (0, j), (start, k if stop is None else stop))
        axes = [
            np.arange(low, high, dtype=np.float64).reshape([-1 if a == b else 1 for b in range(3)])
            for a, (low, high) in enumerate(ranges)
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
        (i, j, k) uint8, the muscle compartments with the fat lines and streaks inside them (`truth`).
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
    """Paint a person on a grid whose slices lie along k."""
    x, y, z = grid.coordinates()
    u, v = person.warp(x, y, z)
    canvas = Canvas.of_air(u, v, z, grid.pixel_mm)
    paint_layers(person, canvas)
    return canvas


def paint_layers(person: Person, canvas: Canvas) -> None:
    """Paint a person from back to front; see the rooms for what each layer is."""
    ring: RingCoordinates = ring_coordinates(person, canvas.x, canvas.y, canvas.z)
    wall = Wall.random(person)
    paint_skin_and_fat(person, canvas, ring)
    cage = Cage.random(person)
    paint_viscera(person, canvas, ring, WallUnderRibs.of(wall, cage, lined=True))
    paint_latissimus(person, canvas, ring)
    paint_wall(person, canvas, ring, WallUnderRibs.of(wall, cage, lined=False))
    paint_rectus(person, canvas, ring, wall)
    behind = canvas.window(BACK_X_MM, BACK_Y_MM)
    back, spine = canvas.part(*behind), person.on_spine(ring.part(*behind))
    paint_back(person, back, spine)
    paint_chest_cavity(person, canvas, ring, cage, wall)
    paint_chest_wall(person, canvas, ring, cage, wall)
    paint_pelvis(person, canvas, ring, wall)
    paint_midline_ligament(person, back, spine)
    paint_spine(person, back, spine)
    paint_sacrum(person, canvas, ring)


def phantom(person: Person, grid: Grid, scanner: Scanner | None = None) -> Phantom:
    """Draw and scan one person on a grid; the same arguments give the same voxels."""
    scanner = scanner or Scanner.random(person.seed)
    canvas = paint(person, grid)
    if scanner.table:
        world = canvas.under(*grid.coordinates())  # what lies outside the body does not bend with it
        body = np.broadcast_to(world.y, world.hu.shape)[world.hu > BODY_HU]
        if body.size:
            paint_table(world, float(body.min()), person.seed)
    clean, hu = expose(canvas.hu, scanner, grid.in_plane_mm, person.seed)
    return Phantom(person, scanner, grid, hu, *truth_of(canvas, clean))
