"""The spine's course through a scan, and what the network sees along it.

Bodies and discs are followed plane by plane; along the smoothed line every millimetre is looked at
across the spine, so that a tilted or scoliotic spine reads like a straight one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter1d, label, map_coordinates

from SarcopeniaAssessLib.spine_grid import GRID_MM, SpineGrid
from SarcopeniaAssessLib.spine_unet import SpineClass

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEYOND_MM = 45.0
"""So far the line is drawn on beyond the last body, to see what lies there."""
_SURE = 0.4
_LEAST_VOXELS = 12.0
"""Of body and disc in a plane; a body of T10 has about 45."""
_LONGEST_GAP = 10
_LEAST_PLANES = 8
_WINDOW_MM = 14.0
_SMOOTH_PLANES = 3.0


@dataclass(frozen=True, eq=False)
class SpineCourse:
    """The line through the vertebral bodies, a point each millimetre, from below.

    Attributes
    ----------
    points_mm, tangents:
        (s, 3) RAS positions and unit directions upwards.
    body, disc, sacrum:
        (s,) mean probabilities across the spine.
    in_scan:
        (s,) whether the scan reaches there.
    """

    points_mm: NDArray[np.float64]
    tangents: NDArray[np.float64]
    body: NDArray[np.float64]
    disc: NDArray[np.float64]
    sacrum: NDArray[np.float64]
    in_scan: NDArray[np.bool_]


def follow_spine(probability: NDArray[np.float32], grid: SpineGrid) -> SpineCourse | None:
    """Follow the spine; `None` where fewer than eight planes of it, 32 mm, are to be seen.

    Parameters
    ----------
    probability:
        (classes, i, j, k) on the grid.
    """
    column = probability[SpineClass.BODY] + probability[SpineClass.DISC]
    places = _planes(column)
    if places is None:
        return None
    return _looked_at(probability, grid, _line(grid.position_of(places)))


def _planes(column: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Indices (planes, 3) of the spine's middle in each plane, from below."""
    parts, count = label(column > _SURE)
    if count == 0:
        return None
    weight = np.bincount(parts.ravel(), weights=column.ravel())
    weight[0] = 0
    main = parts == int(np.argmax(weight))
    start = int(np.argmax((column * main).sum(axis=(0, 1))))
    first = _middle(column[:, :, start] * main[:, :, start])
    if first is None:
        return None
    down = _follow(column, first, range(start - 1, -1, -1))
    up = _follow(column, first, range(start + 1, column.shape[2]))
    planes = [*reversed(down), (*first, float(start)), *up]
    return np.array(planes) if len(planes) >= _LEAST_PLANES else None


def _middle(plane: NDArray[np.float32]) -> tuple[float, float] | None:
    total = float(plane.sum())
    if total < _LEAST_VOXELS:
        return None
    i, j = np.arange(plane.shape[0]), np.arange(plane.shape[1])
    return float(plane.sum(axis=1) @ i) / total, float(plane.sum(axis=0) @ j) / total


def _follow(
    column: NDArray[np.float32], first: tuple[float, float], planes: range
) -> list[tuple[float, float, float]]:
    """Middles from one plane onwards; planes without spine are bridged if it goes on behind them."""
    found: list[tuple[float, float, float]] = []
    last, slope, missed = np.array(first), np.zeros(2), 0
    i, j = np.arange(column.shape[0]), np.arange(column.shape[1])
    reach = 2 * (_WINDOW_MM / GRID_MM) ** 2
    kept = 0
    for k in planes:
        expected = last + slope
        near = np.exp(-((i - expected[0]) ** 2) / reach)[:, None] * np.exp(-((j - expected[1]) ** 2) / reach)
        middle = _middle(column[:, :, k] * near)
        if middle is None:
            missed += 1
            if missed > _LONGEST_GAP:
                break
            found.append((float(expected[0]), float(expected[1]), float(k)))
            last = expected
            continue
        slope = np.clip(0.7 * slope + 0.3 * (np.array(middle) - last), -1.0, 1.0)
        last, missed = np.array(middle), 0
        found.append((*middle, float(k)))
        kept = len(found)
    return found[:kept]


def _line(places_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth line through the planes' middles, drawn on at both ends, a point each millimetre."""
    margin = min(12, len(places_mm) - 1)
    padded = np.pad(places_mm, ((margin, margin), (0, 0)), mode="reflect", reflect_type="odd")
    smooth = gaussian_filter1d(padded, _SMOOTH_PLANES, axis=0)[margin:-margin]
    reach = min(6, len(smooth) - 1)
    ends = []
    for end, inner in ((smooth[0], smooth[reach]), (smooth[-1], smooth[-1 - reach])):
        ends.append(end + (end - inner) / np.linalg.norm(end - inner) * BEYOND_MM)
    whole = np.vstack([ends[0], smooth, ends[1]])
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(whole, axis=0), axis=1))])
    at = np.arange(0.0, run[-1], 1.0)
    return np.stack([np.interp(at, run, whole[:, axis]) for axis in range(3)], axis=1)


def _looked_at(probability: NDArray[np.float32], grid: SpineGrid, line: NDArray[np.float64]) -> SpineCourse:
    """Means of the classes over a disc of 10 mm radius across the line."""
    tangents = gaussian_filter1d(np.gradient(line, axis=0), 4.0, axis=0, mode="nearest")
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    lateral, anterior = across(tangents)
    rings = [(0.0, 1), (5.0, 6), (10.0, 12)]
    offsets = [(r * np.cos(a), r * np.sin(a)) for r, n in rings for a in 2 * np.pi * np.arange(n) / n]
    places = np.stack([line + a * lateral + b * anterior for a, b in offsets])  # (offsets, s, 3)
    index = np.moveaxis(grid.index_of(places), -1, 0)
    means = {
        kind: map_coordinates(probability[kind], index, order=1, cval=0.0).mean(axis=0)
        for kind in (SpineClass.BODY, SpineClass.DISC, SpineClass.SACRUM)
    }
    height = grid.index_of(line)[:, 2]
    in_scan = (height >= -0.5) & (height <= probability.shape[3] - 0.5)
    return SpineCourse(
        points_mm=line,
        tangents=tangents,
        body=means[SpineClass.BODY],
        disc=means[SpineClass.DISC],
        sacrum=means[SpineClass.SACRUM],
        in_scan=in_scan,
    )


def across(tangents: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit directions across the spine at each point: to the right, and to anterior."""
    anterior = np.cross(tangents, [1.0, 0.0, 0.0])
    anterior /= np.linalg.norm(anterior, axis=1, keepdims=True)
    return np.cross(anterior, tangents), anterior
