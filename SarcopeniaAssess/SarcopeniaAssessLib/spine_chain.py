"""The chain of vertebrae that the network's view of a scan amounts to, with what tells them apart.

Discs cut the spine's course into vertebrae. Where a disc is fused or blurred away, the regular growth of
vertebrae from above to below decides: the cuts that are likeliest as a whole are found at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter1d, generate_binary_structure, label
from scipy.spatial import cKDTree

from SarcopeniaAssessLib.spine_course import SpineCourse, across, follow_spine
from SarcopeniaAssessLib.spine_grid import GRID_MM, SpineGrid
from SarcopeniaAssessLib.spine_unet import SpineClass

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PITCH_MM = np.arange(15, 55)
"""From the middle of one disc to the next: 20 mm at T5 of a small person, 45 mm at L4 of a large one."""
_PITCH_SPREAD = 0.13
_SURPRISE = 0.9
"""At most so much a pitch costs that does not fit: a fractured vertebra is one all the same."""
_GROWTH = -0.025
"""Pitches shrink upwards by about so much a level, as logarithms."""
_USUAL_PITCHES_MM = np.geomspace(23.0, 42.0, 7)
"""In the middle of the course, by the size of the person."""
_GROWTH_PER_MM = -0.0012
_SIZE_SPREAD = 0.16
_ODD_SIZE = 0.5
"""At most so much a vertebra costs that does not fit the person: one may be crushed, not all in a row."""
_LEAST_SHOWN_MM = 8.0
_CUT_OFF_BODY = 0.4
_ROOT_REACH_MM = (12.0, 46.0)
_ROOT_MM3 = 220.0
"""So much of a rib's root beside a vertebra is as likely a rib as not."""
_ROOT_SPREAD_MM3 = 45.0
_RIB_SEEN = 0.35
"""Less sure than elsewhere: a rib that breaks off would look short."""
_STUMP_MM = 14.0
"""What reaches less far is a transverse process unless it is twice as thick as a rib's root must be."""
_RIB_LONGEST_MM = 170.0
_SACRUM_CM3 = 8.0
_SACRUM_DEPTH_MM = (5, 25)
_SACRUM_SHARE = 0.4
"""The line runs on straight where the sacrum bends backwards: of it no more is met than this."""
_CREST_VOXELS = 3
_WING_ASIDE_MM = 48.0
_WING_VOXELS = 60


@dataclass(frozen=True, eq=False)
class SeenVertebra:
    """One vertebra of the chain.

    Attributes
    ----------
    centre_mm:
        Middle of the body, RAS, (3,).
    bottom, top:
        Place along the course of the discs below and above, mm.
    seen_mm:
        How much of it lies in the scan.
    ribs:
        Probability of a rib on the left and on the right.
    rib_mm:
        How far the longer one reaches from the spine, at most 170; 0 without ribs.
    """

    centre_mm: NDArray[np.float64]
    bottom: float
    top: float
    seen_mm: float
    ribs: tuple[float, float]
    rib_mm: float

    @property
    def bears_ribs(self) -> float:
        """Probability that it bears a rib on either side."""
        return max(self.ribs)

    @property
    def whole(self) -> bool:
        """Whether nearly all of it lies in the scan."""
        return self.seen_mm >= 0.85 * (self.top - self.bottom)


@dataclass(frozen=True, eq=False)
class SpineChain:
    """Vertebrae from below upwards.

    Attributes
    ----------
    sacrum:
        Probability that the sacrum is seen right below the lowest of them, 0…1.
    crest:
        Place of the iliac crest along the course, mm; `None` where it is not seen.
    """

    vertebrae: tuple[SeenVertebra, ...]
    sacrum: float
    crest: float | None


def read_chain(probability: NDArray[np.float32], grid: SpineGrid) -> SpineChain | None:
    """The chain in a scan; `None` where no spine is seen.

    Parameters
    ----------
    probability:
        (classes, i, j, k) on the grid.
    """
    course = follow_spine(probability, grid)
    if course is None:
        return None
    cuts = cut_into_vertebrae(course)
    if len(cuts) < 2:
        return None
    ribs = _Ribs.of(probability, grid, course)
    cuts = _with_cut_off(course, cuts)
    vertebrae = tuple(_vertebra(course, ribs, bottom, top) for bottom, top in pairwise(cuts))
    return SpineChain(vertebrae, _sacrum(probability, course, cuts[0]), _crest(probability, grid, course))


def cut_into_vertebrae(course: SpineCourse) -> list[int]:
    """Places of the discs along the course, mm from its lower end, from below.

    The best chain: discs where discs are seen, bodies between them, pitches that change slowly and fit one
    size of person.
    """
    disc = gaussian_filter1d(course.disc, 1.5)
    body = gaussian_filter1d(course.body, 1.0)
    gain = _gains(disc, body)
    upwards = _GROWTH_PER_MM * (np.arange(len(disc)) - len(disc) / 2)
    found: tuple[float, list[int]] = (0.0, [])
    for usual in _USUAL_PITCHES_MM:
        odd = np.log(_PITCH_MM / usual)[None, :] - upwards[:, None]
        fitting = gain - _ODD_SIZE * (1 - np.exp(-0.5 * (odd / _SIZE_SPREAD) ** 2))
        found = max(found, _best_cuts(fitting), key=lambda each: each[0])
    return found[1]


def _with_cut_off(course: SpineCourse, cuts: list[int]) -> list[int]:
    """The cuts, and one more where the scan's upper end shows a part of a vertebra: it may show its ribs."""
    end = cuts[-1] + cuts[-1] - cuts[-2]
    shown = course.in_scan[cuts[-1] : end]
    body = course.body[cuts[-1] : end][shown]
    seen = np.count_nonzero(shown) >= _LEAST_SHOWN_MM and float(body.mean()) > _CUT_OFF_BODY
    return [*cuts, end] if seen and end < len(course.points_mm) and not shown.all() else cuts


def _best_cuts(gain: NDArray[np.float64]) -> tuple[float, list[int]]:
    """The chain of the greatest worth: what it is worth, and its cuts from below."""
    length, pitches = len(gain), _PITCH_MM
    change = np.log(pitches[:, None] / pitches[None, :]) - _GROWTH  # [this, the one below]
    cost = -_SURPRISE * (1 - np.exp(-0.5 * (change / _PITCH_SPREAD) ** 2))
    best = np.full((length, len(pitches)), -np.inf)
    came = np.full((length, len(pitches)), -1, np.int64)
    for top in range(length):
        bottoms = top - pitches
        allowed = np.flatnonzero(bottoms >= 0)
        if not allowed.size:
            continue
        before = best[bottoms[allowed]] + cost[allowed]
        chosen = before.argmax(axis=1)
        value = before[np.arange(len(allowed)), chosen]
        starts = value <= 0
        best[top, allowed] = gain[top, allowed] + np.where(starts, 0.0, value)
        came[top, allowed] = np.where(starts, -1, chosen)
    return float(best.max()), _cuts(best, came)


def _gains(disc: NDArray[np.float64], body: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a vertebra that ends at each place (s) with each pitch (p) is worth."""
    length = len(disc)
    gain = np.full((length, len(_PITCH_MM)), -np.inf)
    total = np.concatenate([[0.0], np.cumsum(body)])
    for n, pitch in enumerate(_PITCH_MM):
        tops = np.arange(pitch, length)
        low, high = tops - pitch + round(0.25 * pitch), tops - round(0.25 * pitch)
        inner = (total[high] - total[low]) / (high - low)
        crossed = np.max([disc[low + step] for step in range(0, int(high[0] - low[0]) + 1, 2)], axis=0)
        cut = 1.5 * (disc[tops] + disc[tops - pitch]) - 1.0
        gain[tops, n] = cut - 2.0 * crossed + 1.6 * inner - 0.8
    return gain


def _cuts(best: NDArray[np.float64], came: NDArray[np.int64]) -> list[int]:
    top, n = (int(v) for v in np.unravel_index(np.argmax(best), best.shape))
    if not best[top, n] > 0:
        return []
    cuts = [top]
    while n >= 0:
        below = int(came[top, n])
        top -= int(_PITCH_MM[n])
        cuts.append(top)
        n = below
    return cuts[::-1]


def _vertebra(course: SpineCourse, ribs: _Ribs, bottom: int, top: int) -> SeenVertebra:
    left, right, reach = ribs.of_vertebra(bottom, top)
    return SeenVertebra(
        centre_mm=(course.points_mm[bottom] + course.points_mm[top]) / 2
        if (top - bottom) % 2
        else course.points_mm[(bottom + top) // 2],
        bottom=float(bottom),
        top=float(top),
        seen_mm=float(np.count_nonzero(course.in_scan[bottom:top])),
        ribs=(left, right),
        rib_mm=reach,
    )


@dataclass(frozen=True, eq=False)
class _Ribs:
    """Roots of ribs by side and place along the course, and how far each rib goes."""

    root_mm3: NDArray[np.float64]
    """(2, s)."""
    places: NDArray[np.int64]
    """Along the course, of every root voxel."""
    sides: NDArray[np.int64]
    reach_mm: NDArray[np.float64]
    """Of the rib that each root voxel belongs to."""

    @classmethod
    def of(cls, probability: NDArray[np.float32], grid: SpineGrid, course: SpineCourse) -> _Ribs:
        root = probability[SpineClass.RIB_ROOT]
        index = np.argwhere(root > 0.3)
        histogram = np.zeros((2, len(course.points_mm)))
        if not len(index):
            none = np.zeros(0, np.int64)
            return cls(histogram, none, none, np.zeros(0))
        position = grid.position_of(index)
        _, place = cKDTree(course.points_mm).query(position)
        place = np.asarray(place, np.int64)
        lateral, _ = across(course.tangents)
        away = np.einsum("ns,ns->n", position - course.points_mm[place], lateral[place])
        near = (np.abs(away) >= _ROOT_REACH_MM[0]) & (np.abs(away) <= _ROOT_REACH_MM[1])
        index, position, place, away = index[near], position[near], place[near], away[near]
        side = (away > 0).astype(np.int64)
        np.add.at(histogram, (side, place), root[tuple(index.T)] * GRID_MM**3)
        parts, _ = label(root + probability[SpineClass.RIB] > _RIB_SEEN, generate_binary_structure(3, 2))
        reach = _reaches(parts, parts[tuple(index.T)], position, grid)
        return cls(histogram, place, side, reach)

    def of_vertebra(self, bottom: int, top: int) -> tuple[float, float, float]:
        """Probability of a left and a right rib, and the reach of the longer one."""
        amount = self.root_mm3[:, bottom:top].sum(axis=1)
        sure, longest = np.zeros(2), 0.0
        for side in (0, 1):
            here = (self.places >= bottom) & (self.places < top) & (self.sides == side)
            reach = float(np.median(self.reach_mm[here])) if here.any() else 0.0
            even = _ROOT_MM3 * (2 if reach < _STUMP_MM else 1)
            sure[side] = 1 / (1 + np.exp(-(amount[side] - even) / _ROOT_SPREAD_MM3))
            if sure[side] >= 0.25:
                longest = max(longest, reach)
        return float(sure[0]), float(sure[1]), longest


def _reaches(
    parts: NDArray[Any], of_root: NDArray[Any], position: NDArray[np.float64], grid: SpineGrid
) -> NDArray[np.float64]:
    """For each root voxel, how far the farthest voxel of its rib lies from the rib's root."""
    reach = np.zeros(len(of_root))
    for part in np.unique(of_root[of_root > 0]):
        mine = of_root == part
        voxels = grid.position_of(np.argwhere(parts == part))
        far = np.linalg.norm(voxels - position[mine].mean(axis=0), axis=1).max()
        reach[mine] = min(float(far), _RIB_LONGEST_MM)
    return reach


def _sacrum(probability: NDArray[np.float32], course: SpineCourse, lowest_cut: int) -> float:
    """Whether the sacrum follows below the lowest disc."""
    volume_cm3 = np.count_nonzero(probability[SpineClass.SACRUM] > 0.5) * GRID_MM**3 / 1000
    near, far = _SACRUM_DEPTH_MM
    below = course.sacrum[max(lowest_cut - far, 0) : max(lowest_cut - near, 1)]
    seen = float(below.max(initial=0.0)) / _SACRUM_SHARE
    return min(seen, 1.0) if volume_cm3 >= _SACRUM_CM3 else 0.0


def _crest(probability: NDArray[np.float32], grid: SpineGrid, course: SpineCourse) -> float | None:
    """Place along the course as high as the iliac crests (the mean of both sides, or the one seen)."""
    ilium = probability[SpineClass.ILIUM] > 0.5
    middle = float(grid.index_of(course.points_mm[:1])[0, 0])
    split = int(np.clip(round(middle), 1, ilium.shape[0] - 1))
    tops = []
    aside = round(_WING_ASIDE_MM / GRID_MM)  # what is nearer to the spine is no wing
    for half in (ilium[: max(split - aside, 0)], ilium[split + aside :]):
        parts, count = label(half)
        sizes = np.bincount(parts.ravel())[1:] if count else np.zeros(0)
        if not sizes.size or sizes.max() < _WING_VOXELS:
            continue
        wing = parts == int(np.argmax(sizes)) + 1
        planes = np.flatnonzero(wing.sum(axis=(0, 1)) >= _CREST_VOXELS)
        if planes.size >= 3 and planes[-1] < ilium.shape[2] - 2:
            tops.append(planes[-1])
    if not tops:
        return None
    height_mm = float(grid.position_of(np.array([0, 0, np.mean(tops)]))[2])
    return float(np.argmin(np.abs(course.points_mm[:, 2] - height_mm)))
