"""L3 found in a CT by itself: the network's view of the skeleton, counted like a radiologist counts.

The decision can be followed: a chain of vertebral bodies, its end at the sacrum, the vertebrae that bear
ribs, and the iliac crest (`spine_chain`, `spine_counting`). Where the count is not certain there are two
candidates; where L3 is not in the scan, that is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import LevelError
from SarcopeniaAssessLib.model_file import ModelEntry
from SarcopeniaAssessLib.models import load_level_finder
from SarcopeniaAssessLib.spine_chain import SpineChain, read_chain
from SarcopeniaAssessLib.spine_counting import L3Count, count_l3, level_name
from SarcopeniaAssessLib.spine_grid import SpineGrid, coarse_grid, network_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.volume import CtVolume

BY_HAND = "give --l3 slice:K (from the feet, 0-based), s:MM (superior, RAS) or labels:FILE[=V]"
CALIBRATION = "calibration"
"""Score of the finder's entry: pairs of the count's probability and the fraction that was right."""
_SECOND_CANDIDATE = 0.08
"""A second vertebra as probable as this is told; below, it is one of the finder's own rare slips."""
_LEAST_PROBABILITY = 0.35
"""With less, two candidates would not hold L3 more often than not."""
_OUTSIDE = 0.5
_SEEN_BODY_MM = 24.0
"""Of a vertebra with half of each disc that the scan cuts off so much must be seen to know its middle."""
_TOO_LOW_MM = 60.0
"""A scan of less height shows no two vertebrae whole."""
_PLANES_AT_ONCE, _PLANES_OVERLAP = 192, 32


@dataclass(frozen=True, eq=False)
class L3Candidate:
    """A vertebra that may be L3.

    Attributes
    ----------
    point_mm:
        Middle of its body, RAS, (3,).
    confidence:
        0…1; of the first candidate the fraction of phantoms with a like count in which it was L3, of the
        second its probability by the count.
    vertebra:
        What it is if the first candidate is L3.
    """

    point_mm: NDArray[np.float64]
    confidence: float
    vertebra: str = "L3"


@dataclass(frozen=True, eq=False)
class L3Finding:
    """Where L3 is.

    Attributes
    ----------
    candidates:
        The most probable first; a second one where the count is not certain.
    reason:
        What the count rests on, in words.
    """

    candidates: tuple[L3Candidate, ...]
    reason: str


def find_l3(volume: CtVolume) -> L3Finding:
    """Find L3 from the CT alone.

    Raises
    ------
    LevelError
        No spine is seen, nothing to count from, or L3 is not in the scan: then the levels it shows.
    ModelError
        The finder's weights are missing or altered.
    """
    grid = coarse_grid(volume)
    network, entry = _finder()
    chain = read_chain(class_probability(network, grid), grid)
    if chain is None:
        raise _no_chain(volume)
    return conclude_count(chain, entry)


def _no_chain(volume: CtVolume) -> LevelError:
    if volume.slice_count == 1:
        return LevelError("Vertebrae cannot be counted in one slice", "if it lies at L3 give --l3 slice:0")
    height_mm = float(np.ptp(volume.slice_depths_mm))
    seen = "No lumbar spine is seen in this scan"
    if height_mm < _TOO_LOW_MM:
        seen = f"Vertebrae cannot be counted in {volume.slice_count} slices over {height_mm:.0f} mm"
    return LevelError(seen, f"give a scan that shows L3 and one end of the lumbar spine, or {BY_HAND}")


def conclude_count(chain: SpineChain, entry: ModelEntry) -> L3Finding:
    """From a chain to candidates; errors as `find_l3`."""
    count = count_l3(chain)
    if count is None:
        raise LevelError(
            "L3 cannot be told: neither the sacrum, the iliac crest nor ribs are seen to count from "
            f"(vertebrae seen: {len(chain.vertebrae)})",
            BY_HAND,
        )
    _refuse_outside(chain, count)
    shown = [(n, p) for n, p in count.probability.items() if 0 <= n < len(chain.vertebrae)]
    first, *others = shown
    if first[1] < _LEAST_PROBABILITY:
        raise LevelError(
            f"L3 cannot be told: no vertebra is L3 with more than {100 * first[1]:.0f} % probability "
            f"({count.reason})",
            BY_HAND,
        )
    told = [first, *(each for each in others[:1] if each[1] >= _SECOND_CANDIDATE)]
    _refuse_cut_off(chain, first[0])
    known = entry.scores.get(CALIBRATION)
    candidates = tuple(
        L3Candidate(
            chain.vertebrae[n].centre_mm,
            calibrated(p, known if n == first[0] else None),
            level_name(n - first[0]),
        )
        for n, p in told
    )
    return L3Finding(candidates, count.reason)


def calibrated(probability: float, knots: Any) -> float:
    """Confidence for a count's probability: the fraction that was right where the count was as sure."""
    if not knots:
        return float(probability)
    raw, right = np.array(knots, dtype=np.float64).T
    return float(np.interp(probability, raw, right))


def _refuse_outside(chain: SpineChain, count: L3Count) -> None:
    last = len(chain.vertebrae) - 1
    below = sum(p for n, p in count.probability.items() if n < 0)
    above = sum(p for n, p in count.probability.items() if n > last)
    if below + above < _OUTSIDE:
        return
    best = max((n for n in count.probability if n < 0 or n > last), key=lambda n: count.probability[n])
    names = [level_name(n - best) for n in range(len(chain.vertebrae))]
    if chain.sacrum >= 0.5:
        names.insert(0, "the sacrum")
    end = "lower" if below > above else "upper"
    raise LevelError(
        f"L3 is not in the scan: beyond its {end} end; it shows {', '.join(names)}",
        f"give a scan that shows L3, or {BY_HAND}",
    )


def _refuse_cut_off(chain: SpineChain, place: int) -> None:
    vertebra = chain.vertebrae[place]
    if not vertebra.whole and vertebra.seen_mm < _SEEN_BODY_MM:
        end = "lower" if place == 0 else "upper"
        raise LevelError(f"L3 is cut off at the scan's {end} end: its mid-height is not known", BY_HAND)


@lru_cache(maxsize=1)
def _finder() -> tuple[Any, ModelEntry]:
    return load_level_finder()


def class_probability(network: Any, grid: SpineGrid) -> NDArray[np.float32]:
    """Probability of every class in every voxel, (classes, i, j, k); long scans in overlapping parts."""
    import torch

    stride = network.stride
    image = network_image(grid.hu)
    sides = image.shape
    padded = np.pad(image, [(0, -side % stride) for side in sides], constant_values=-1.0)
    found = None
    step = _PLANES_AT_ONCE - 2 * _PLANES_OVERLAP
    starts = (
        [0] if padded.shape[2] <= _PLANES_AT_ONCE else range(0, padded.shape[2] - 2 * _PLANES_OVERLAP, step)
    )
    with torch.inference_mode():
        for start in starts:
            stop = min(start + _PLANES_AT_ONCE, padded.shape[2])
            part = torch.from_numpy(np.ascontiguousarray(padded[:, :, start:stop]))[None, None]
            seen = network(part).softmax(1)[0].numpy()
            if found is None:
                found = np.zeros((len(seen), *padded.shape), np.float32)
            own = 0 if start == 0 else _PLANES_OVERLAP
            found[..., start + own : stop] = seen[..., own:]
    assert found is not None
    return found[:, : sides[0], : sides[1], : sides[2]]
