"""Where L3 is: found in the CT by itself, given by hand, or read from a vertebra label map.

The slice wanted is the one at mid-height of the vertebral *body*. A vertebra's label includes its
spinous process, which hangs lower, so the middle of the whole label would lie too low: the body is
found as the place of the largest ball that fits into the label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.ct_io import read_label_map
from SarcopeniaAssessLib.errors import LevelError, SarcopeniaError
from SarcopeniaAssessLib.geometry import CanonicalAxes, spacing_mm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.ct_io import LabelMap
    from SarcopeniaAssessLib.volume import CtVolume

WAYS = "give --l3 auto, slice:K (from the feet, 0-based), s:MM (superior, RAS) or labels:FILE[=V]"
_TOTALSEGMENTATOR = {25: "sacrum", 26: "S1", **{27 + n: f"L{5 - n}" for n in range(5)}}
_TOTALSEGMENTATOR |= {32 + n: f"T{12 - n}" for n in range(12)} | {44 + n: f"C{7 - n}" for n in range(7)}
_L3_IN_TOTALSEGMENTATOR = 29
_LABELS_LISTED = 20
_SEEN_BODY_MM = 20.0
"""A lumbar body is 25–30 mm high; of one cut off by the scan this much must be seen to know its middle."""


class LevelMethod(StrEnum):
    """How the level of L3 was determined."""

    SLICE = "slice"
    S = "s"
    LABELS = "labels"
    AUTO = "auto"


@dataclass(frozen=True)
class Level:
    """The slice to be measured.

    Parameters
    ----------
    slice_from_feet:
        Canonical slice index, 0 at the feet.
    superior_mm:
        Superior coordinate (RAS) of that slice's centre.
    method, confidence:
        How it was found, and 0…1 where the way tells; `None` for what a person or labels gave.
    reason:
        What an automatic count rests on, in words; empty otherwise.
    vertebra:
        What it is if the first candidate is L3: "L3", or of an alternative "L2" or "L4".
    alternatives:
        The other slice that may be at L3's middle, where an automatic count is not certain.
    """

    slice_from_feet: int
    superior_mm: float
    method: LevelMethod
    confidence: float | None = None
    reason: str = ""
    vertebra: str = "L3"
    alternatives: tuple[Level, ...] = ()

    @property
    def candidates(self) -> tuple[Level, ...]:
        """The level and its alternatives."""
        return (self, *self.alternatives)


def find_level(spec: str | None, volume: CtVolume) -> Level:
    """The level that `spec` names in a CT.

    Parameters
    ----------
    spec:
        `auto`, `slice:K`, `s:MM`, `labels:FILE[=V]`; `None` or nothing: `auto`.

    Raises
    ------
    LevelError
        An unknown specification, a level outside the scan, labels or a scan without L3.
    """
    if spec is None or spec.strip().lower() in ("", "auto"):
        return _by_itself(volume)
    way, separator, argument = spec.strip().partition(":")
    ways: dict[str, Callable[[str, CtVolume], Level]] = {
        "slice": _by_slice,
        "s": _by_superior,
        "labels": _by_labels,
    }
    if not separator or way.lower() not in ways or not argument:
        raise LevelError("The level of L3 is given in an unknown way", WAYS)
    return ways[way.lower()](argument, volume)


def _level(k: int, volume: CtVolume, method: LevelMethod) -> Level:
    return Level(k, volume.slice_superior_mm(k), method)


def _by_itself(volume: CtVolume) -> Level:
    """Find L3 in the CT alone; where the count is not certain, the other candidate comes along."""
    from SarcopeniaAssessLib.spine import find_l3

    finding = find_l3(volume)
    first, *others = (
        replace(
            _level(_nearest_slice(candidate.point_mm, volume), volume, LevelMethod.AUTO),
            confidence=candidate.confidence,
            reason=finding.reason,
            vertebra=candidate.vertebra,
        )
        for candidate in finding.candidates
    )
    return replace(first, alternatives=tuple(others))


def _nearest_slice(point_mm: NDArray[np.float64], volume: CtVolume) -> int:
    """The slice whose plane passes nearest to a point."""
    return int(np.argmin(np.abs(volume.slice_depths_mm - float(point_mm @ volume.slice_normal))))


def _by_slice(argument: str, volume: CtVolume) -> Level:
    try:
        k = int(argument)
    except ValueError as error:
        raise LevelError("slice: wants a whole number", WAYS) from error
    if not 0 <= k < volume.slice_count:
        raise LevelError(
            f"Slice {k} lies outside the scan",
            f"its slices are 0…{volume.slice_count - 1}, counted from the feet",
        )
    return _level(k, volume, LevelMethod.SLICE)


def _by_superior(argument: str, volume: CtVolume) -> Level:
    try:
        wanted_mm = float(argument)
    except ValueError:
        wanted_mm = np.nan
    if not np.isfinite(wanted_mm):
        raise LevelError("s: wants a number, the superior coordinate in mm", WAYS)
    superior_mm = np.array([volume.slice_superior_mm(k) for k in range(volume.slice_count)])
    low, high = _half_a_spacing_beyond(superior_mm, abs(float(volume.ras_from_canonical[2, 2])))
    if not low <= wanted_mm <= high:
        raise LevelError(
            f"{wanted_mm:g} mm lies outside the scan",
            f"its slices lie between {superior_mm[0]:.1f} and {superior_mm[-1]:.1f} mm superior (RAS)",
        )
    return _level(int(np.argmin(np.abs(superior_mm - wanted_mm))), volume, LevelMethod.S)


def _half_a_spacing_beyond(at_mm: NDArray[np.float64], lone_spacing_mm: float) -> tuple[float, float]:
    """Ends of the scan: half the end slices' own spacing outside their centres (and rounding)."""
    steps = np.diff(at_mm) if len(at_mm) > 1 else np.array([lone_spacing_mm])
    rounding_mm = 1e-6
    return float(at_mm[0] - steps[0] / 2 - rounding_mm), float(at_mm[-1] + steps[-1] / 2 + rounding_mm)


def _by_labels(argument: str, volume: CtVolume) -> Level:
    file, wanted = _file_and_value(argument)
    try:
        label_map = read_label_map(file)
    except SarcopeniaError as error:
        problem = error.problem[:1].lower() + error.problem[1:]
        raise LevelError(f"The label map for L3 cannot be used: {problem}", error.remedy) from error
    axes = CanonicalAxes.of(label_map.ras_from_ijk)
    labels = axes.view(label_map.labels)
    ras_from_labels = axes.ras_from_canonical(label_map.ras_from_ijk, label_map.labels.shape)
    present = _values(labels)
    value = _chosen_value(wanted, present)
    i, j, bottom, top = body_extent(labels, value, spacing_mm(ras_from_labels))
    if (
        bottom < top or len(present) > 1
    ):  # a single slice of a binary mask marks the level, nothing is cut off
        _refuse_cut_off(bottom, top, labels.shape[2], spacing_mm(ras_from_labels)[2])
    centre = ras_from_labels @ np.array([i, j, (bottom + top) / 2, 1.0])
    return _level(_slice_through(centre[:3], volume, label_map, present), volume, LevelMethod.LABELS)


def _file_and_value(argument: str) -> tuple[Path, int | None]:
    """`FILE` or `FILE=V`; a file's own name may hold `=`."""
    if Path(argument).expanduser().exists():
        return Path(argument), None
    file, separator, value = argument.rpartition("=")
    if not separator:
        return Path(argument), None
    try:
        return Path(file), int(value)
    except ValueError as error:
        if Path(file).expanduser().exists():
            raise LevelError(
                "labels:FILE=V wants a whole number as V", "give the value of L3's label"
            ) from error
    return Path(argument), None


def _values(labels: NDArray[Any]) -> list[int]:
    """Distinct values but 0, ascending; gathered by slices, so that memory holds no second volume."""
    found: set[int] = set()
    for k in range(labels.shape[2]):
        found.update(int(v) for v in np.unique(labels[:, :, k]))
    return sorted(found - {0})


def _chosen_value(wanted: int | None, present: list[int]) -> int:
    if not present:
        raise LevelError("The label map for L3 is empty", "give one in which L3 is labelled")
    if wanted is None:
        if len(present) == 1:
            return present[0]
        raise LevelError(
            f"The label map holds several labels ({_listed(present)}) and none is chosen",
            "name L3's by labels:FILE=V (TotalSegmentator: 29)",
        )
    if wanted not in present:
        levels = _named_levels(present) if wanted == _L3_IN_TOTALSEGMENTATOR else ""
        raise LevelError(
            f"The label map has no label {wanted}, only {_listed(present)}{levels}",
            "give a scan that shows L3, or the value of L3's label",
        )
    return wanted


def _listed(values: list[int]) -> str:
    more = f" and {len(values) - _LABELS_LISTED} more" if len(values) > _LABELS_LISTED else ""
    return ", ".join(map(str, values[:_LABELS_LISTED])) + more


def _named_levels(present: list[int]) -> str:
    """Which vertebrae the labels show, from the feet up, in TotalSegmentator's numbering."""
    names = [_TOTALSEGMENTATOR[v] for v in present if v in _TOTALSEGMENTATOR]
    return f" (by TotalSegmentator's numbers the scan shows {', '.join(names)}, not L3)" if names else ""


def body_extent(
    labels: NDArray[Any], value: int, spacings_mm: tuple[float, float, float]
) -> tuple[int, int, float, float]:
    """Where a vertebra's body is: its middle (i, j), its lowest and highest slice; canonical voxels.

    The largest ball inside the label lies in the body (its processes and arch are thinner). Of the
    columns of voxels through the middle of that ball, the median mid-height is taken, so that one
    osteophyte or concave endplate does not decide. Of a mask of few slices it is their middle.

    Parameters
    ----------
    labels:
        (I, J, slices), canonical.
    spacings_mm:
        Of the canonical axes.
    """
    from scipy.ndimage import distance_transform_edt

    low, high = _bounding_box(labels, value)
    inside = labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] == value
    depth_mm = distance_transform_edt(np.pad(inside, 1), sampling=spacings_mm)[1:-1, 1:-1, 1:-1]
    i, j, k = (int(n) for n in np.unravel_index(np.argmax(depth_mm), depth_mm.shape))
    radius_mm = depth_mm[i, j, k] / 2
    columns = np.argwhere(inside[:, :, k])
    near = np.linalg.norm((columns - (i, j)) * spacings_mm[:2], axis=1) <= radius_mm
    runs = np.array([_run_through(inside[a, b], k) for a, b in columns[near]])
    bottom, top = np.median(runs, axis=0) + low[2]
    return i + int(low[0]), j + int(low[1]), float(bottom), float(top)


def _bounding_box(labels: NDArray[Any], value: int) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """First and one-past-last index of a value along each axis."""
    low, high = np.full(3, np.iinfo(np.int_).max), np.zeros(3, dtype=np.int_)
    for k in range(labels.shape[2]):
        inside = labels[:, :, k] == value
        if not inside.any():
            continue
        for axis in range(2):
            along = np.flatnonzero(inside.any(axis=1 - axis))
            low[axis], high[axis] = min(low[axis], along[0]), max(high[axis], along[-1] + 1)
        low[2], high[2] = min(low[2], k), k + 1
    return low, high


def _run_through(column: NDArray[np.bool_], k: int) -> tuple[int, int]:
    """First and last index of the unbroken run of a column that holds k."""
    outside = np.flatnonzero(~column)
    below, above = outside[outside < k], outside[outside > k]
    return (int(below[-1]) + 1 if below.size else 0), (int(above[0]) - 1 if above.size else column.size - 1)


def _refuse_cut_off(bottom: float, top: float, slices: int, slice_mm: float) -> None:
    """Refuse a body that leaves the label map at one end with less than 20 mm seen."""
    cut = (bottom <= 0) != (top >= slices - 1)
    if cut and (top - bottom + 1) * slice_mm < _SEEN_BODY_MM:
        end = "lower" if bottom <= 0 else "upper"
        raise LevelError(
            f"L3 is cut off at the scan's {end} end: its mid-height is not known",
            "give the level as slice:K or s:MM",
        )


def _slice_through(
    point_mm: NDArray[np.float64], volume: CtVolume, label_map: LabelMap, present: list[int]
) -> int:
    """The slice of the CT whose plane passes nearest to a point; refused outside the scan."""
    normal = volume.slice_normal
    at_mm = volume.slice_depths_mm
    depth_mm = float(point_mm @ normal)
    low, high = _half_a_spacing_beyond(at_mm, float(volume.ras_from_canonical[:3, 2] @ normal))
    if not low <= depth_mm <= high:
        by = f"{low - depth_mm:.0f} mm below" if depth_mm < low else f"{depth_mm - high:.0f} mm above"
        shown = _levels_within(label_map, volume, present)
        raise LevelError(f"L3 lies outside the scan, {by} it{shown}", "give a scan that shows L3")
    k = _nearest_slice(point_mm, volume)
    in_plane = np.linalg.solve(volume.ras_from_canonical[:3, :3], point_mm - volume.slice_centre_mm(k))[:2]
    if (np.abs(in_plane) > np.array(volume.canonical_shape[:2]) / 2).any():
        raise LevelError("The labelled L3 lies beside the CT's slices", "give a label map of this CT")
    return k


def _levels_within(label_map: LabelMap, volume: CtVolume, present: list[int]) -> str:
    """Which labels the CT's slices do show, where the label map reaches beyond the CT."""
    axes = CanonicalAxes.of(label_map.ras_from_ijk)
    labels = axes.view(label_map.labels)
    affine = axes.ras_from_canonical(label_map.ras_from_ijk, label_map.labels.shape)
    low, high = (volume.slice_superior_mm(k) for k in (0, volume.slice_count - 1))
    centre = affine @ np.array([(labels.shape[0] - 1) / 2, (labels.shape[1] - 1) / 2, 0, 1])
    superior_mm = centre[2] + np.arange(labels.shape[2]) * affine[2, 2]
    within = np.flatnonzero((superior_mm >= low) & (superior_mm <= high))
    shown = _values(labels[:, :, within[0] : within[-1] + 1]) if within.size else []
    if not shown:
        return ""
    names = [_TOTALSEGMENTATOR[v] for v in shown if v in _TOTALSEGMENTATOR]
    if names and _L3_IN_TOTALSEGMENTATOR in present:
        return f"; by TotalSegmentator's numbers the scan shows {', '.join(names)}"
    return f"; the scan shows the labels {_listed(shown)}"
