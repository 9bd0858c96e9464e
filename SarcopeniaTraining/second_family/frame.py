"""Where a body lies: the spinal column, key levels, and the pile of contours that is painted later."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.second_family.contours import Array, Displacement, Stations, along_body, sided
from SarcopeniaTraining.second_family.person import Person

_SEGMENTS_MM = {6: 26.0, 5: 27.0, 4: 28.5, 3: 31.0, 2: 34.0, 1: 36.0, 0: 37.0, -1: 36.5, -2: 33.0}
"""Middle of a vertebra to the middle of the next below, reference man; the key is the upper level."""
_LORDOSIS_MM = {6: -17, 5: -15, 4: -13, 3: -10, 2: -6, 1: -2, 0: 0, -1: -1, -2: -7, -3: -20, -5: -52, -6: -66}
SACRUM_NUMBER = 25


class Stage(IntEnum):
    """Order of painting: the outside, then the cavity is cut out and filled, then what borders on it."""

    OUTER = 0
    CAVITY = 1
    VISCERA = 2
    INNER = 3


@dataclass(frozen=True)
class Vertebra:
    """One vertebra: its TotalSegmentator number, its middle and its share of the column in mm."""

    number: int
    middle_mm: float
    segment_mm: float
    level: float
    rib: bool

    @property
    def is_lowest_lumbar(self) -> bool:
        """Whether the sacrum follows."""
        return self.level < -1.5


@dataclass(frozen=True, eq=False)
class Column:
    """Vertebrae from above down, L3 at 0 mm, and the first sacral segment."""

    vertebrae: tuple[Vertebra, ...]
    sacrum_mm: float

    @classmethod
    def of(cls, person: Person) -> "Column":
        """Number vertebrae from T12 down: four, five or six lumbar ones, ribs by the variant."""
        lumbar = {"L4": 4, "L6": 6}.get(person.numbering, 5)
        below = {"L4": 1, "L6": 3}.get(person.numbering, 2)
        steps = [_SEGMENTS_MM[max(-k, -2)] * person.skeleton for k in range(below + 1)]
        middles = {-k: -float(sum(steps[:k])) for k in range(below + 1)}
        above = 0.0
        for order in range(1, 8):
            above += _SEGMENTS_MM[min(order, 6)] * person.skeleton
            middles[order] = above
        stretch = 6.0 / (lumbar + 1)
        found = []
        for order in sorted(middles, reverse=True):
            level = float(order) if order >= 3 else 3 - stretch * (3 - order)
            rib = order >= (2 if person.numbering == "T13" else 4 if person.numbering == "no_T12_rib" else 3)
            segment = _SEGMENTS_MM[int(np.clip(order, -2, 6))] * person.skeleton
            found.append(Vertebra(29 + order, middles[order], segment, level, rib))
        return cls(tuple(found), -float(sum(steps)))

    def levels(self, z_mm: Array) -> Array:
        """Level of heights; beyond the column it goes on at 30 mm a level."""
        knots = [(self.sacrum_mm - 90, -6.0), (self.sacrum_mm, -3.0)]
        knots += [(v.middle_mm, v.level) for v in reversed(self.vertebrae)]
        heights, levels = zip(*knots, strict=True)
        top = np.maximum(z_mm - heights[-1], 0) / 30
        bottom = np.minimum(z_mm - heights[0], 0) / 30
        result: Array = np.interp(z_mm, heights, levels) + top + bottom
        return result


@dataclass(frozen=True, eq=False)
class Layer:
    """A contour on every slice, filled with one label where it is visible."""

    stage: Stage
    label: int
    points: Array
    visible: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Discs:
    """Slices through tubes: per disc its slice, middle, radius and label, in painter's order."""

    stage: Stage
    slices: NDArray[np.intp]
    middles: Array
    radii_mm: Array
    labels: NDArray[np.uint8]


@dataclass(eq=False)
class Frame:
    """The sub-slices to be drawn and what has been put on them so far.

    Attributes
    ----------
    z_mm, level
        Height and level of each sub-slice, (slices,).
    wasted
        The side of an atrophy of one side (1: right, −1: left), 0 without.
    """

    person: Person
    column: Column
    z_mm: Array
    bend: tuple[float, float, float]
    displacement: Displacement
    wasted: int = 0
    pile: list[Layer | Discs] = field(default_factory=list)

    @classmethod
    def random(cls, person: Person, z_mm: Array, rng: np.random.Generator) -> "Frame":
        """A frame with a scoliosis or a wasted side where the person has one."""
        strong = 14.0 if person.has("scoliosis") else 2.0
        bend = (rng.normal(0, strong), rng.uniform(0, 2 * np.pi), rng.uniform(220, 380))
        moved = Displacement.random(rng, ((95.0, 2.6), (34.0, 1.1), (13.0, 0.45)))
        wasted = int(rng.choice([-1, 1])) if person.has("one_sided_atrophy") else 0
        return cls(person, Column.of(person), z_mm, bend, moved, wasted)

    @property
    def level(self) -> Array:
        """Level of each sub-slice."""
        return self.column.levels(self.z_mm)

    @property
    def spine(self) -> Array:
        """Middle of the vertebral bodies on each sub-slice, (slices, 1, 2)."""
        amplitude, phase, length = self.bend
        turn = 2 * np.pi / length
        x = amplitude * (np.sin(phase + turn * self.z_mm) - np.sin(phase))
        y = along_body(_LORDOSIS_MM, self.level) * self.person.skeleton
        return np.stack([x, y], axis=-1)[:, None, :]

    def stations(self, values: Stations) -> Array:
        """Values between key levels, on each sub-slice."""
        return along_body(values, self.level)

    def front(self, points: Array) -> Array:
        """Points of the reference man moved to this person's waist and depth; the back stays."""
        away = np.clip((points[..., 1] + 40) / 50, 0, 1)
        person = self.person
        x = points[..., 0] * (person.skeleton + (person.waist - person.skeleton) * away)
        y = np.where(points[..., 1] > -20, -20 + (points[..., 1] + 20) * person.depth, points[..., 1])
        y = np.where(points[..., 1] > -20, y, -20 + (points[..., 1] + 20) * person.skeleton)
        result: Array = np.stack([x, y], axis=-1) + self.spine * np.array([0.25, 0.35])
        return result

    def on_spine(self, points: Array) -> Array:
        """Points given about the vertebral body's middle, in the person's size."""
        result: Array = points * self.person.skeleton + self.spine
        return result

    def beside_spine(self, points: Array, side: int) -> Array:
        """Points of the right side about the vertebral body, on the right (1) or the left (−1)."""
        return self.on_spine(sided(points, side))

    def put(self, stage: Stage, label: int, points: Array, visible: NDArray[np.bool_] | None = None) -> None:
        """Lay a contour on the pile."""
        shown = np.ones(len(self.z_mm), dtype=bool) if visible is None else visible
        if shown.any():
            self.pile.append(Layer(stage, int(label), np.asarray(points, dtype=float), shown))

    def put_tube(
        self, stage: Stage, middles: Array, radii_mm: Array, labels: NDArray[np.uint8], *, squash: float = 1.0
    ) -> None:
        """Lay the slices of a chain of spheres on the pile, in the chain's order.

        Parameters
        ----------
        middles
            (spheres, 3): x, y, z in mm.
        radii_mm, labels
            (spheres,).
        squash
            Height of a sphere over its width.
        """
        away = (self.z_mm[None, :] - middles[:, 2:3]) / squash
        under = radii_mm[:, None] ** 2 - away**2
        sphere, where = np.nonzero(under > 0.16)
        if len(sphere):
            radii = np.sqrt(under[sphere, where])
            self.pile.append(Discs(stage, where, middles[sphere, :2], radii, labels[sphere]))
