"""An outline drawn on an image → the area that it encloses, filled.

The drawn line is found by its colour, or by the difference to the same image without it. Closed lines
part the image into regions; a region counts as muscle if an odd number of lines lies between it and the
image's outside, so that an outline within an outline is a hole. What cannot be filled without guessing
is refused by name: open and doubled outlines. Arrays are (rows, columns), as images are stored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.errors import Finding, SarcopeniaError, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURED = 60
"""Largest minus smallest of red, green and blue, of 255: grey images stay far below, drawn lines above."""
DIFFERENT = 30
"""Of 255, in any channel: above the noise of a saved copy, below any drawn line."""
_SPECK_PIXELS = 12
_GAP_PIXELS = (2, 4)
_SLIVER_WIDTH = 4
_CONTACT_LENGTH = 6
_OUTSIDE = 1
_ONCE = "draw each outline once, with a thinner line where the muscle is thin"


class OutlineError(SarcopeniaError):
    """A drawn outline from which no area can be told."""


class Line(StrEnum):
    """Where the muscle's edge runs within the drawn line."""

    INSIDE = "inside"
    """The line's pixels are muscle: it was drawn on the muscle's own border pixels."""
    CENTRE = "centre"
    """The edge is the line's middle; of the middle pixels of an odd width every second one is muscle."""
    OUTSIDE = "outside"
    """The line's pixels are not muscle: it was drawn around it."""


@dataclass(frozen=True, eq=False)
class Filled:
    """An outline's area.

    Attributes
    ----------
    mask:
        (rows, columns), True inside.
    width:
        Median width of the drawn line in pixels.
    findings:
        Gaps that were closed, outlines that touch.
    """

    mask: NDArray[np.bool_]
    width: float
    findings: tuple[Finding, ...]


def fill_outline(
    annotated: NDArray[np.uint8], plain: NDArray[np.uint8] | None = None, line: Line = Line.CENTRE
) -> Filled:
    """The area within a drawn outline.

    Parameters
    ----------
    annotated, plain:
        (rows, columns, 3), the image with the outline and, if there is one, without; without it the
        outline must be coloured.

    Raises
    ------
    OutlineError
        No outline, one that is open by more than 4 pixels, one that is drawn twice, images that are no twins.
    """
    # The border makes the outside one region, also where an outline touches the image's edge.
    drawn = np.pad(find_line(annotated, plain), 1)
    regions, findings = _closed_regions(drawn)
    _refuse_doubled(regions)
    inside = _odd_regions(regions)
    mask = np.isin(regions.labels, inside)
    if line is not Line.OUTSIDE:
        others = [n for n in range(1, regions.count + 1) if n not in inside]
        mask |= drawn & (_nearer(mask, np.isin(regions.labels, others)) | (line is Line.INSIDE))
    findings += _touching(regions, inside)
    return Filled(mask[1:-1, 1:-1], regions.width, tuple(findings))


def find_line(annotated: NDArray[np.uint8], plain: NDArray[np.uint8] | None = None) -> NDArray[np.bool_]:
    """Pixels of the drawn line; specks are left out.

    Raises
    ------
    OutlineError
        There is none, or the images are no twins.
    """
    from scipy.ndimage import label

    if plain is None:
        channels = annotated.astype(np.int16)
        found = channels.max(axis=2) - channels.min(axis=2) > COLOURED
        missing = ("no coloured line is drawn on the image", "give its plain twin too, or draw in colour")
    else:
        if plain.shape != annotated.shape:
            raise OutlineError(
                f"the plain image has {_size(plain)} pixels, the annotated {_size(annotated)}",
                "give two images of one size",
            )
        found = (np.abs(annotated.astype(np.int16) - plain) > DIFFERENT).any(axis=2)
        missing = (
            "the annotated image equals its plain twin",
            "give the image on which the outline is drawn",
        )
    pieces, count = label(found, np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    line: NDArray[np.bool_] = (sizes >= _SPECK_PIXELS)[pieces]
    if not line.any():
        raise OutlineError(*missing)
    if line.mean() > 0.5:
        raise OutlineError("more than half of the image is drawn over", "give the image and its own twin")
    return line


@dataclass(frozen=True, eq=False)
class _Regions:
    """What the lines part the image into.

    Attributes
    ----------
    labels:
        0 on the line, 1 outside, from 2 on what is enclosed.
    nearest, second:
        For each pixel the two nearest regions, and `reach` the sum of their distances: the line's width
        plus one between two regions, far more at a loose end.
    """

    labels: NDArray[np.int32]
    count: int
    nearest: NDArray[np.int32]
    second: NDArray[np.int32]
    reach: NDArray[np.float64]

    @classmethod
    def of(cls, drawn: NDArray[np.bool_], bridges: NDArray[np.bool_] | None = None) -> _Regions:
        """Regions of a line; `bridges` part them too, and are then shared out among them."""
        labels = _parted(drawn if bridges is None else drawn | bridges)
        count = int(labels.max())
        if bridges is not None:
            apart = np.array([_distance(labels == n) for n in range(1, count + 1)])
            labels = np.where(labels == 0, 1 + np.argmin(apart, axis=0), labels).astype(np.int32)
            labels[drawn] = 0
        distances = np.array([_distance(labels == n) for n in range(1, count + 1)])
        ranked = np.argsort(distances, axis=0, kind="stable")
        nearest, second = ranked[0], ranked[min(1, count - 1)]
        reach = np.full(drawn.shape, np.inf)
        if count > 1:
            reach = np.sort(distances, axis=0)[:2].sum(axis=0)
        return cls(labels, count, nearest + 1, second + 1, reach)

    @property
    def line(self) -> NDArray[np.bool_]:
        """Pixels of the line."""
        on_line: NDArray[np.bool_] = self.labels == 0
        return on_line

    @property
    def width(self) -> float:
        """Median width of the line in pixels; 1 where nothing is enclosed."""
        return float(np.median(self.reach[self.line])) - 1 if self.count > 1 else 1.0

    def loose(self) -> NDArray[np.bool_]:
        """Pixels of the line that part no two regions, in pieces too long to be a corner."""
        from scipy.ndimage import label

        alone = self.line & (self.reach > 2 * self.width + 4)
        pieces, count = label(alone, np.ones((3, 3)))
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        sizes[0] = 0
        long: NDArray[np.bool_] = (sizes > max(8.0, 3 * self.width))[pieces]
        return long

    def contacts(self) -> Iterator[tuple[int, int, float]]:
        """Pairs of regions with a line between them, and its length in pixels."""
        parting = self.line & (self.reach <= 2 * self.width + 4)
        low = np.minimum(self.nearest, self.second)[parting]
        high = np.maximum(self.nearest, self.second)[parting]
        pairs, pixels = np.unique(np.stack([low, high]), axis=1, return_counts=True)
        for (a, b), count in zip(pairs.T, pixels, strict=True):
            yield int(a), int(b), float(count) / self.width


def _parted(line: NDArray[np.bool_]) -> NDArray[np.int32]:
    """0 on the line, 1 outside, from 2 on what it encloses; holes within a thick line are of the line."""
    from scipy.ndimage import label

    labels, _ = label(~line)  # by edges alone, so that a line of diagonal steps is closed
    sizes = np.bincount(labels.ravel())
    outside = labels[0, 0]
    enclosed = [n for n in range(1, len(sizes)) if n != outside and sizes[n] >= _SPECK_PIXELS]
    renamed = np.zeros(len(sizes), np.int32)
    renamed[[outside, *enclosed]] = np.arange(1, len(enclosed) + 2)
    return renamed[labels]


def _closed_regions(drawn: NDArray[np.bool_]) -> tuple[_Regions, list[Finding]]:
    """Regions of the line, with small gaps in it closed.

    Raises
    ------
    OutlineError
        It stays open.
    """
    regions = _Regions.of(drawn)
    loose = regions.loose()
    if not loose.any():
        return regions, []
    for gap in _GAP_PIXELS:
        bridged = _Regions.of(drawn, _bridges(drawn, loose, gap))
        if not bridged.loose().any():
            where = _place(_seam(bridged.labels))
            message = f"a gap of up to {gap} pixels in the outline near {where} was closed"
            return bridged, [Finding("outline_gap", Severity.WARNING, message)]
    if merged := _merged(drawn, loose):
        raise OutlineError(f"doubled outline near {merged}: two lines run into one", _ONCE)
    raise OutlineError(
        f"open outline near {_place(loose)}: it does not enclose an area",
        f"close the outline in the image; no more than {_GAP_PIXELS[-1]} pixels are bridged",
    )


def _merged(drawn: NDArray[np.bool_], loose: NDArray[np.bool_]) -> str | None:
    """Where a piece that parts no regions goes on as a line at both of its ends, if there is one."""
    from scipy.ndimage import binary_dilation, label

    square = np.ones((3, 3), np.bool_)
    pieces, count = label(loose, square)
    for piece in range(1, count + 1):
        ends = binary_dilation(pieces == piece, square) & drawn & ~loose
        if label(ends, square)[1] > 1:
            return _place(pieces == piece)
    return None


def _bridges(drawn: NDArray[np.bool_], loose: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """Half a gap's width around those pieces of the line that have loose ends."""
    from scipy.ndimage import label

    pieces, _ = label(drawn, np.ones((3, 3)))
    near: NDArray[np.bool_] = _distance(np.isin(pieces, np.unique(pieces[loose]))) <= gap / 2
    near[[0, -1]] = near[:, [0, -1]] = False  # never beyond the image
    return near


def _seam(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Where two regions meet without a line between them."""
    seam = np.zeros(labels.shape, np.bool_)
    for axis in (0, 1):
        one, next_ = (np.moveaxis(labels, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        np.moveaxis(seam, axis, 0)[:-1] |= (one != next_) & (one > 0) & (next_ > 0)
    return seam


def _refuse_doubled(regions: _Regions) -> None:
    for n in range(_OUTSIDE + 1, regions.count + 1):
        strip = regions.labels == n
        if 2 * (_distance(~strip).max() - 0.5) <= _SLIVER_WIDTH:
            raise OutlineError(
                f"doubled outline near {_place(strip)}: two lines run side by side, a few pixels apart",
                _ONCE,
            )


def _odd_regions(regions: _Regions) -> list[int]:
    """Regions that an odd number of lines parts from the outside."""
    beside: dict[int, set[int]] = {n: set() for n in range(1, regions.count + 1)}
    for a, b, length in regions.contacts():
        if length > _CONTACT_LENGTH:  # touching in a point is no way through
            beside[a].add(b)
            beside[b].add(a)
    crossed = {_OUTSIDE: 0}
    queue = deque([_OUTSIDE])
    while queue:
        here = queue.popleft()
        for there in beside[here] - crossed.keys():
            crossed[there] = crossed[here] + 1
            queue.append(there)
    return [n for n, lines in crossed.items() if lines % 2]


def _touching(regions: _Regions, inside: list[int]) -> list[Finding]:
    """A warning for each line that is part of several outlines."""
    from scipy.ndimage import label

    pieces, count = label(regions.line, np.ones((3, 3)))
    findings = []
    for piece in range(1, count + 1):
        here = pieces == piece
        around = set(np.unique(np.concatenate([regions.nearest[here], regions.second[here]])))
        if len(around) > 2:
            filled = len(around & set(inside))
            message = (
                f"touching outlines near {_place(here)}: one line encloses {len(around) - 1} areas, "
                f"{filled} of them filled"
            )
            findings.append(Finding("outlines_touch", Severity.WARNING, message))
    return findings


def _nearer(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where `one` is nearer than `other`; pixels midway are shared out like the fields of a chessboard."""
    further = _distance(one) - _distance(other)
    i, j = np.indices(one.shape)
    nearer: NDArray[np.bool_] = (further < 0) | ((further == 0) & ((i + j) % 2 == 0))
    return nearer


def _distance(to: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance of each pixel's centre to the nearest True one."""
    from scipy.ndimage import distance_transform_edt

    if not to.any():
        return np.full(to.shape, np.inf)
    distance: NDArray[np.float64] = distance_transform_edt(~to)
    return distance


def _place(where: NDArray[np.bool_]) -> str:
    """The marked pixel nearest to the marks' middle, counted in the image from its upper left corner."""
    marked = np.argwhere(where)
    row, column = marked[np.argmin(np.linalg.norm(marked - marked.mean(axis=0), axis=1))] - 1
    return f"row {row}, column {column}"


def _size(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[1]}×{image.shape[0]}"
