"""Painting: contours filled at several times the resolution, then averaged to voxels.

The share of a voxel that a tissue fills comes from counting, in the slice and through its thickness, so that
every border carries partial volume and the truth follows from the same count.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from SarcopeniaTraining.second_family import tissue
from SarcopeniaTraining.second_family.frame import Frame, Layer, Stage
from SarcopeniaTraining.second_family.tissue import Tissue

Labels = NDArray[np.uint8]
Float32 = NDArray[np.float32]
_COUNTED: dict[str, Callable[[], NDArray[np.bool_]]] = {
    "muscle": tissue.is_muscle,
    "outline": tissue.is_outline,
    "bone": tissue.is_bone,
    "marrow": tissue.is_marrow,
    "fat": tissue.is_fat,
    "other": tissue.is_other,
    "mottled": tissue.is_mottled,
}
"""Labels whose shares are counted, by the field of `Shares` that holds them."""


@dataclass(frozen=True)
class Canvas:
    """Pixels that are painted: `corner_mm` is the outer corner of the first, `finer` sub-pixels a side."""

    corner_mm: tuple[float, float]
    pixel_mm: float
    shape: tuple[int, int]
    finer: int

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points in mm as sub-pixel coordinates, the middle of the first sub-pixel being 0."""
        result: NDArray[np.float64] = (points - np.array(self.corner_mm)) * (self.finer / self.pixel_mm) - 0.5
        return result


@dataclass(frozen=True, eq=False)
class Shares:
    """What voxels hold, each (i, j, k): mean HU, shares of tissues, the vertebra where bone fills most."""

    hu: Float32
    muscle: Float32
    outline: Float32
    bone: Float32
    marrow: Float32
    fat: Float32
    other: Float32
    mottled: Float32
    vertebra: Labels


@dataclass(frozen=True, eq=False)
class _Polygons:
    """A layer in sub-pixels: its corners on each sub-slice, x and y by turns."""

    label: int
    visible: NDArray[np.bool_]
    corners: NDArray[np.int64]

    def paint(self, draw: ImageDraw.ImageDraw, row: int) -> None:
        """Fill it on one sub-slice."""
        if self.visible[row]:
            draw.polygon(self.corners[row].tolist(), fill=self.label)


@dataclass(frozen=True, eq=False)
class _Ellipses:
    """Discs in sub-pixels, ordered by their sub-slices: bounding boxes and labels."""

    slices: NDArray[np.intp]
    boxes: NDArray[np.float64]
    labels: Labels

    def paint(self, draw: ImageDraw.ImageDraw, row: int) -> None:
        """Fill those of one sub-slice."""
        low, high = np.searchsorted(self.slices, (row, row + 1))
        for box, label in zip(self.boxes[low:high].tolist(), self.labels[low:high].tolist(), strict=True):
            draw.ellipse(box, fill=label)


@dataclass(frozen=True, eq=False)
class _Pile:
    """The frame's contours after displacement, in painter's order."""

    shapes: tuple[tuple[Stage, _Polygons | _Ellipses], ...]

    @classmethod
    def of(cls, frame: Frame, canvas: Canvas) -> "_Pile":
        """Move all and round them to the canvas's sub-pixels."""
        shapes: list[tuple[Stage, _Polygons | _Ellipses]] = []
        for item, moved in zip(frame.pile, _displaced(frame), strict=True):
            points = canvas.pixels(moved)
            if isinstance(item, Layer):
                corners = np.zeros((len(item.visible), item.points.shape[1] * 2), dtype=np.int64)
                corners[item.visible] = np.rint(points).reshape(int(item.visible.sum()), -1)
                shapes.append((item.stage, _Polygons(item.label, item.visible, corners)))
            else:
                radii = item.radii_mm[:, None] * canvas.finer / canvas.pixel_mm
                boxes = np.concatenate([points - radii, points + radii], axis=1)
                order = np.argsort(item.slices, kind="stable")
                shapes.append((item.stage, _Ellipses(item.slices[order], boxes[order], item.labels[order])))
        return cls(tuple(shapes))

    def paint(self, draw: ImageDraw.ImageDraw, stage: Stage, row: int) -> None:
        """Fill what belongs to a stage on one sub-slice."""
        for at, shape in self.shapes:
            if at == stage:
                shape.paint(draw, row)


def _displaced(frame: Frame) -> Iterator[NDArray[np.float64]]:
    """Points of every item where it is visible, moved by the displacement field in one go."""
    points, heights, sizes = [], [], []
    for item in frame.pile:
        if isinstance(item, Layer):
            shown = item.points[item.visible]
            points.append(shown.reshape(-1, 2))
            heights.append(np.repeat(frame.z_mm[item.visible], shown.shape[1]))
        else:
            points.append(item.middles)
            heights.append(frame.z_mm[item.slices])
        sizes.append(len(points[-1]))
    moved = frame.displacement.moved(np.concatenate(points), np.concatenate(heights))
    yield from np.split(moved, np.cumsum(sizes)[:-1])


def _label_images(frame: Frame, canvas: Canvas) -> Iterator[Image.Image]:
    """One label image for each sub-slice."""
    pile = _Pile.of(frame, canvas)
    size = (canvas.shape[0] * canvas.finer, canvas.shape[1] * canvas.finer)
    for row in range(len(frame.z_mm)):
        outside = Image.new("L", size, int(Tissue.AIR))
        pile.paint(ImageDraw.Draw(outside), Stage.OUTER, row)
        mask = Image.new("L", size, 0)
        pile.paint(ImageDraw.Draw(mask), Stage.CAVITY, row)
        inside = Image.new("L", size, int(Tissue.VISCERAL_FAT))
        pile.paint(ImageDraw.Draw(inside), Stage.VISCERA, row)
        outside.paste(inside, mask=mask.point(lambda value: 255 if value else 0))
        pile.paint(ImageDraw.Draw(outside), Stage.INNER, row)
        yield outside


def rasterise(frame: Frame, canvas: Canvas, hu_of_label: Float32, sub_slices: int) -> Shares:
    """Average `sub_slices` neighbouring sub-slices of the frame into each slice.

    Parameters
    ----------
    hu_of_label
        (256,) HU.
    """
    count = len(frame.z_mm) // sub_slices
    shape = (*canvas.shape, count)
    found = {name: np.zeros(shape, dtype=np.float32) for name in (*_COUNTED, "hu")}
    tables = {name: (counted() * 255).tolist() for name, counted in _COUNTED.items()}
    vertebra = np.zeros(shape, dtype=np.uint8)
    numbers = tissue.vertebra_numbers()
    half = canvas.finer // 2
    for row, image in enumerate(_label_images(frame, canvas)):
        k = row // sub_slices
        labels = np.asarray(image)
        hu = Image.fromarray(hu_of_label[labels])
        found["hu"][:, :, k] += np.asarray(hu.reduce(canvas.finer)).T
        for name, table in tables.items():
            found[name][:, :, k] += np.asarray(image.point(table).reduce(canvas.finer)).T
        middle = numbers[labels[half :: canvas.finer, half :: canvas.finer]].T
        vertebra[:, :, k] = np.maximum(vertebra[:, :, k], middle)
    found["hu"] /= sub_slices
    for name in tables:
        found[name] /= 255 * sub_slices
    vertebra[found["bone"] <= 0.5] = 0
    return Shares(vertebra=vertebra, **found)
