"""The L3 slice as a radiologist expects to see it, with the mask as a contour: PNG.

Radiological display: seen from the feet, the patient's left on the right side of the picture, anterior
up, whatever the orientation, spacing or in-plane rotation of the image. Nothing in it identifies anyone.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.wording import (
    RESEARCH_SENTENCE,
    area_text,
    criterion_text,
    headline,
    level_text,
    secondary_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

WINDOW_HU = (-160.0, 240.0)
"""Soft-tissue window, width 400 and level 40."""
WIDTH_PX = 1000
BANDS_PX = (104, 64)
"""Above and below the slice, where numbers and words are written."""
_HEIGHT_PX = (480, 1000)
_MARGIN_MM = 12.0
_SCALE_BAR_MM = 50.0
_BODY_HU = -300
_FINER = 2
"""The contour is drawn this much finer and averaged down, so that it is smooth."""
_LINE_PX = 2.4

CONTOUR = (255, 208, 40)
DOUBT = (86, 190, 255)
"""Sky blue beside yellow: told apart by everyone, also where red and green are not."""
_DOUBT_NEAR_MM = 2.5
_WHITE, _GREY, _BLACK, _BAND = (255, 255, 255), (178, 186, 196), (0, 0, 0), (18, 22, 28)
STATUS_COLOURS = {
    "sarcopenic": (240, 112, 92),
    "not sarcopenic": (126, 205, 148),
    "undetermined": (178, 186, 196),
    "borderline": (246, 178, 74),
}


@dataclass(frozen=True, eq=False)
class SliceView:
    """What is drawn.

    Parameters
    ----------
    hu:
        (I, J) canonical HU of the slice; `None` where only a mask is known.
    mask:
        (I, J) boolean, canonical.
    ras_from_canonical:
        (4, 4) affine in mm of the canonical axes; only its in-plane columns matter.
    doubtful:
        (I, J) boolean, canonical: regions that the network is of two minds about; `None`: not known.
    """

    hu: NDArray[Any] | None
    mask: NDArray[np.bool_]
    ras_from_canonical: NDArray[np.float64]
    doubtful: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class _Frame:
    """Square pixels of the picture on the slice: (i, j) = index_from_px @ (x, y, 1), pixel centres."""

    size: tuple[int, int]
    px_per_mm: float
    index_from_px: NDArray[np.float64]

    def sample(self, image: NDArray[Any], *, outside: float, finer: int = 1, cubic: bool = False) -> Image:
        """Resample (I, J) onto the picture, `finer` times as many pixels a side, as a float image."""
        from PIL import Image as Images

        size = (self.size[0] * finer, self.size[1] * finer)
        matrix = self.index_from_px[:, :2] / finer
        # PIL takes pixel corners as whole numbers, so centres lie at halves; one pixel of surroundings
        # on each side keeps the slice's border from fading.
        offset = self.index_from_px[:, 2] - self.index_from_px[:, :2] @ np.full(2, 0.5) + 0.5 + 1.0
        padded = np.pad(np.asarray(image, np.float32), 1, mode="edge" if cubic else "constant")
        source = Images.fromarray(padded)  # rows are i, columns j: PIL's x is j
        coefficients = (
            *(matrix[1, 0], matrix[1, 1], offset[1]),
            *(matrix[0, 0], matrix[0, 1], offset[0]),
        )
        how = Images.Resampling.BICUBIC if cubic else Images.Resampling.BILINEAR
        return source.transform(size, Images.Transform.AFFINE, coefficients, how, fillcolor=outside)


def overlay_png(picture: Image, record: Mapping[str, Any]) -> bytes:
    """The picture with its numbers, as the file `overlay.png`.

    Parameters
    ----------
    picture:
        Slice and contour, from `draw_slice`.
    record:
        The record of `assessment.json`, whose numbers and words are written above and below.
    """
    from PIL import Image as Images

    top, bottom = BANDS_PX
    canvas = Images.new("RGB", (picture.width, top + picture.height + bottom), _BAND)
    canvas.paste(picture, (0, top))
    _write_bands(canvas, record, top, bottom)
    return png_bytes(canvas)


def png_bytes(picture: Image) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def draw_slice(view: SliceView) -> Image:
    """The slice with contour, side marks and scale bar: RGB, square pixels, `WIDTH_PX` wide."""
    from PIL import Image as Images
    from PIL import ImageDraw

    frame = _frame(view)
    grey = _grey(view, frame)
    picture = Images.merge("RGB", (grey, grey, grey))
    picture.paste(Images.new("RGB", picture.size, CONTOUR), mask=_contour(view.mask, frame))
    draw = ImageDraw.Draw(picture)
    if view.doubtful is not None and (lines := _doubt_lines(view.mask, view.doubtful, frame)).getbbox():
        picture.paste(Images.new("RGB", picture.size, DOUBT), mask=lines)
        _legend(draw, picture.height)
    for letter, x, anchor in (("R", 22, "lt"), ("L", picture.width - 22, "rt")):
        _text(draw, (x, 22), letter, _font(38, bold=True), anchor)
    _scale_bar(draw, picture.size, frame.px_per_mm)
    return picture


def _frame(view: SliceView) -> _Frame:
    """Choose the part of the slice that holds body and mask, and how finely it is drawn."""
    axes = _mm_from_index(view.ras_from_canonical)
    low, high = _extent_mm(view, axes)
    width_mm, height_mm = high - low
    px_per_mm = min(WIDTH_PX / width_mm, _HEIGHT_PX[1] / height_mm)
    height = max(round(height_mm * px_per_mm), _HEIGHT_PX[0])
    centre = (low + high) / 2
    # Picture x runs to the patient's left, y to posterior.
    mm_from_px = np.array(
        [
            [-1 / px_per_mm, 0, centre[0] + (WIDTH_PX - 1) / 2 / px_per_mm],
            [0, -1 / px_per_mm, centre[1] + (height - 1) / 2 / px_per_mm],
        ]
    )
    return _Frame((WIDTH_PX, height), px_per_mm, np.linalg.inv(axes) @ mm_from_px)


def _mm_from_index(ras_from_canonical: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 2): in-plane index → mm along the patient's right and anterior within the slice plane."""
    columns = np.asarray(ras_from_canonical, np.float64)[:3, :2]
    normal = np.cross(columns[:, 0], columns[:, 1])
    normal /= np.linalg.norm(normal)
    right = np.array([1.0, 0.0, 0.0]) - normal[0] * normal
    right /= np.linalg.norm(right)
    plane: NDArray[np.float64] = np.stack([right, np.cross(normal, right)]) @ columns
    return plane


def _extent_mm(view: SliceView, axes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shown = _body(view.hu) | view.mask if view.hu is not None else view.mask
    rows, columns = (np.flatnonzero(shown.any(axis=1 - axis)) for axis in (0, 1))
    if rows.size == 0:
        rows, columns = (np.arange(side) for side in shown.shape)
    margin = _MARGIN_MM if view.hu is not None else 4 * _MARGIN_MM
    corners = np.array([[i, j] for i in (rows[0], rows[-1]) for j in (columns[0], columns[-1])], float)
    spots = corners @ axes.T
    return spots.min(axis=0) - margin, spots.max(axis=0) + margin


def _body(hu: NDArray[Any]) -> NDArray[np.bool_]:
    """The largest piece of what is not air, without table and blankets; everything if there is none."""
    from scipy.ndimage import binary_erosion, label

    solid = binary_erosion(np.asarray(hu) > _BODY_HU, iterations=2, border_value=1)
    pieces, count = label(solid)
    if count == 0:
        return np.ones(solid.shape, np.bool_)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest: NDArray[np.bool_] = pieces == sizes.argmax()
    return largest


def _grey(view: SliceView, frame: _Frame) -> Image:
    from PIL import Image as Images

    if view.hu is None:
        inside = np.asarray(frame.sample(view.mask, outside=0.0)) > 0.5
        return Images.fromarray(np.where(inside, 96, 0).astype(np.uint8))
    low, high = WINDOW_HU
    hu = np.clip(np.asarray(view.hu, np.float32), low - 400, high + 400)  # cubic overshoot stays local
    sampled = np.asarray(frame.sample(hu, outside=low - 400, cubic=True))
    return Images.fromarray((np.clip((sampled - low) / (high - low), 0, 1) * 255).astype(np.uint8))


def _contour(mask: NDArray[np.bool_], frame: _Frame) -> Image:
    """Opacity of a thin line along the mask's border, 0…255."""
    from PIL import Image as Images

    inside = np.asarray(frame.sample(mask, outside=0.0, finer=_FINER)) > 0.5
    if not inside.any():
        return Images.new("L", frame.size, 0)
    x, y = _box(inside, 4 * _FINER)
    part = inside[y, x]
    # The line lies just outside, so that it covers none of what it encloses.
    line = np.zeros(inside.shape, np.uint8)
    line[y, x] = np.where(_grown(part, _LINE_PX * _FINER) & ~part, 255, 0)
    return Images.fromarray(line).resize(frame.size, Images.Resampling.BOX)


def _doubt_lines(mask: NDArray[np.bool_], doubtful: NDArray[np.bool_], frame: _Frame) -> Image:
    """Opacity of the contour's stretches beside a doubtful region, and of the borders of regions apart."""
    from PIL import Image as Images
    from scipy.ndimage import label

    regions = np.asarray(frame.sample(doubtful, outside=0.0)) > 0.5
    if not regions.any():
        return Images.new("L", frame.size, 0)
    near = _grown(regions, _DOUBT_NEAR_MM * frame.px_per_mm)
    stretches = np.where(near, np.asarray(_contour(mask, frame)), 0)
    pieces, _ = label(doubtful)
    apart = doubtful & ~np.isin(pieces, pieces[mask])
    lines = np.maximum(stretches, np.asarray(_contour(apart, frame)))
    return Images.fromarray(lines.astype(np.uint8))


def _grown(inside: NDArray[np.bool_], radius_px: float) -> NDArray[np.bool_]:
    """All pixels within a distance of the region: a disc's rows laid over it, far quicker than distances."""
    reach = int(radius_px)
    wider = [inside]  # by so many columns to either side
    for columns in range(1, reach + 1):
        grown = wider[-1].copy()
        grown[:, columns:] |= inside[:, :-columns]
        grown[:, :-columns] |= inside[:, columns:]
        wider.append(grown)
    all_rows = wider[reach].copy()
    for rows in range(1, reach + 1):
        row = wider[int(math.sqrt(radius_px**2 - rows**2))]
        all_rows[rows:] |= row[:-rows]
        all_rows[:-rows] |= row[rows:]
    return all_rows


def _legend(draw: ImageDraw, height: int) -> None:
    y = height - 22
    for colour, grow in ((_BLACK, 2), (DOUBT, 0)):
        draw.rectangle((22 - grow, y - 9 - grow, 52 + grow, y - 6 + grow), fill=colour)
    _text(draw, (62, y), "network in doubt", _font(22), "ls")


def _box(inside: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    y, x = (np.flatnonzero(inside.any(axis=1 - axis)) for axis in (0, 1))
    return (
        slice(max(int(x[0]) - margin, 0), int(x[-1]) + margin + 1),
        slice(max(int(y[0]) - margin, 0), int(y[-1]) + margin + 1),
    )


def _scale_bar(draw: ImageDraw, size: tuple[int, int], px_per_mm: float) -> None:
    length = _SCALE_BAR_MM * px_per_mm
    right, y = size[0] - 22, size[1] - 22
    left = right - length
    for colour, grow in ((_BLACK, 2), (_WHITE, 0)):
        draw.rectangle((left - grow, y - 2 - grow, right + grow, y + 1 + grow), fill=colour)
        for x in (left, right):
            draw.rectangle((x - 1 - grow, y - 9 - grow, x + 1 + grow, y + 8 + grow), fill=colour)
    draw.rectangle((left, y - 2, right, y + 1), fill=_WHITE)
    _text(draw, ((left + right) / 2, y - 14), "5 cm", _font(22), "ms")


def _write_bands(canvas: Image, record: Mapping[str, Any], top: int, bottom: int) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(canvas)
    left, right = 22, canvas.width - 22
    words, colour = headline(record)
    area = f"SMA {area_text(record)}"
    draw.text((left, 46), area, _WHITE, _font(36, bold=True), "ls")
    room = right - left - draw.textlength(area, _font(36, bold=True)) - 24
    font = _fitting(draw, {words: room}, 27, bold=True)
    draw.text((right, 46), words, STATUS_COLOURS[colour], font, "rs")
    numbers, rule = secondary_numbers(record), criterion_text(record)
    font = _fitting(draw, {f"{numbers}    {rule}": right - left}, 20)
    draw.text((left, 84), numbers, _GREY, font, "ls")
    draw.text((right, 84), rule, _GREY, font, "rs")
    footer = (level_text(record), RESEARCH_SENTENCE)
    font = _fitting(draw, dict.fromkeys(footer, right - left), 18)
    for line, text in enumerate(footer):
        draw.text((left, canvas.height - bottom + 26 + 25 * line), text, _GREY, font, "ls")


def _text(draw: ImageDraw, at: tuple[float, float], text: str, font: FreeTypeFont, anchor: str) -> None:
    draw.text(at, text, _WHITE, font, anchor, stroke_width=2, stroke_fill=_BLACK)


def _fitting(draw: ImageDraw, widths: Mapping[str, float], size: int, *, bold: bool = False) -> FreeTypeFont:
    """Return the largest font up to `size` in which every text keeps to its width in pixels."""
    while size > 9 and any(draw.textlength(text, _font(size, bold=bold)) > px for text, px in widths.items()):
        size -= 1
    return _font(size, bold=bold)


@lru_cache(maxsize=64)
def _font(size: int, *, bold: bool = False) -> FreeTypeFont:
    """Bitstream Vera, which comes with reportlab: Pillow's own font lacks ², − and ≤."""
    from PIL import ImageFont

    return ImageFont.truetype(str(font_path(bold=bold)), size)


def font_path(*, bold: bool = False) -> Path:
    """The font file for picture and PDF."""
    import reportlab

    return Path(reportlab.__file__).parent / "fonts" / ("VeraBd.ttf" if bold else "Vera.ttf")
