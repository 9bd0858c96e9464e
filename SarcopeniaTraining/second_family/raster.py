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
    mottled: Float32
    vertebra: Labels


class _Pile:
    """The frame's contours after displacement, in sub-pixels, ready slice by slice."""

    def __init__(self, frame: Frame, canvas: Canvas) -> None:
        self.layers: list[tuple[Stage, int, NDArray[np.bool_], NDArray[np.int64]]] = []
        self.discs: dict[int, tuple[NDArray[np.intp], NDArray[np.float64], Labels]] = {}
        self.order: list[tuple[Stage, bool, int]] = []
        moved = iter(_displaced(frame))
        for index, item in enumerate(frame.pile):
            points = canvas.pixels(next(moved))
            if isinstance(item, Layer):
                corners = np.zeros((len(item.visible), item.points.shape[1] * 2), dtype=np.int64)
                corners[item.visible] = np.rint(points).reshape(int(item.visible.sum()), -1)
                self.layers.append((item.stage, item.label, item.visible, corners))
                self.order.append((item.stage, True, len(self.layers) - 1))
            else:
                radii = item.radii_mm[:, None] * canvas.finer / canvas.pixel_mm
                boxes = np.concatenate([points - radii, points + radii], axis=1)
                by_slice = np.argsort(item.slices, kind="stable")
                self.discs[index] = (item.slices[by_slice], boxes[by_slice], item.labels[by_slice])
                self.order.append((item.stage, False, index))

    def paint(self, draw: ImageDraw.ImageDraw, stage: Stage, row: int) -> None:
        """Fill what belongs to a stage on one sub-slice."""
        for at, is_layer, index in self.order:
            if at != stage:
                continue
            if is_layer:
                _, label, visible, corners = self.layers[index]
                if visible[row]:
                    draw.polygon(corners[row].tolist(), fill=label)
                continue
            slices, boxes, labels = self.discs[index]
            low, high = np.searchsorted(slices, (row, row + 1))
            for box, label in zip(boxes[low:high].tolist(), labels[low:high].tolist(), strict=True):
                draw.ellipse(box, fill=label)


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
    pile = _Pile(frame, canvas)
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
    tables: dict[str, Callable[[], NDArray[np.bool_]]] = {
        "muscle": tissue.is_muscle, "outline": tissue.is_outline, "bone": tissue.is_bone,
        "marrow": tissue.is_marrow, "fat": tissue.is_fat, "mottled": tissue.is_mottled,
    }  # fmt: skip
    found = {name: np.zeros(shape, dtype=np.float32) for name in (*tables, "hu")}
    lists = {name: (table() * 255).tolist() for name, table in tables.items()}
    vertebra = np.zeros(shape, dtype=np.uint8)
    numbers = _vertebra_numbers()
    half = canvas.finer // 2
    for row, image in enumerate(_label_images(frame, canvas)):
        k = row // sub_slices
        labels = np.asarray(image)
        hu = Image.fromarray(hu_of_label[labels])
        found["hu"][:, :, k] += np.asarray(hu.reduce(canvas.finer)).T
        for name, table in lists.items():
            found[name][:, :, k] += np.asarray(image.point(table).reduce(canvas.finer)).T
        middle = numbers[labels[half :: canvas.finer, half :: canvas.finer]].T
        vertebra[:, :, k] = np.maximum(vertebra[:, :, k], middle)
    found["hu"] /= sub_slices
    for name in tables:
        found[name] /= 255 * sub_slices
    vertebra[found["bone"] <= 0.5] = 0
    return Shares(vertebra=vertebra, **found)


def _vertebra_numbers() -> Labels:
    """Label to TotalSegmentator number, 0 for what is no vertebra."""
    table = np.zeros(256, dtype=np.uint8)
    for number in tissue.VERTEBRAE:
        table[[tissue.CORTEX_OF_VERTEBRA + number, tissue.MARROW_OF_VERTEBRA + number]] = number
    return table
