"""Which axial CT series a folder holds: found, never mixed, and what was left out and why.

Frames are first grouped by series and study UID, orientation, matrix, pixel spacing and ImageType. Inside
a group, frames that cover the same stretch of the patient more than once are separate passes (phases,
acquisitions, kernels) and are split by whatever header attribute tells them apart.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.dicom_archive import dicom_members, is_zip
from SarcopeniaAssessLib.dicom_attributes import LeftOut, find_files, looks_like_dicom, value, whole
from SarcopeniaAssessLib.dicom_directory import NOT_THERE, files_named_by, is_directory_file
from SarcopeniaAssessLib.dicom_files import HEAD_BYTES, DicomFile, FileOnDisk
from SarcopeniaAssessLib.dicom_headers import Frame, frames_of
from SarcopeniaAssessLib.dicom_pixels import stored_pixels
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.hounsfield import is_label_like

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SAME_POSITION_MM = 0.01
_PASS_SLICES = 3
"""Fewer slices are no pass over the patient: a doubled position, a planning or a bolus-tracking slice."""
REFORMAT = "reformat"
FEW_SLICES = "single slices"
MASK = "mask stored as CT"
NOT_SEPARABLE = "several images at the same positions that nothing tells apart"
_REFORMAT_TYPES = {"MPR", "CPR", "REFORMATTED", "REFORMAT", "CSA MPR"}
_TIME_LAST = [
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
    "StackID",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "NominalPercentageOfCardiacPhase",
    "TriggerTime",
    "KVP",
    "ConvolutionKernel",
    "AcquisitionDateTime",
    "FrameAcquisitionDateTime",
    "AcquisitionTime",
    "SeriesTime",
    "ContentTime",
]
"""Attributes that tell passes apart, the most deliberate first."""


@dataclass(frozen=True, eq=False)
class Series:
    """One pass over the patient: frames at distinct positions, sorted along their normal.

    Parameters
    ----------
    uid:
        SeriesInstanceUID; of a series split into passes, with `#1`, `#2` … behind it.
    frames:
        Sorted along the normal (row × column), one a position.
    images:
        How many pictures were stored, doubled positions included.
    doubled, differing:
        How many positions were stored more than once, and how many of those with other pixels.
    secondary:
        Why a better series is preferred to this one (`reformat`, `single slices`); empty for most.
    """

    uid: str
    frames: tuple[Frame, ...]
    images: int
    doubled: int = 0
    differing: int = 0
    secondary: str = ""

    @property
    def number(self) -> int | None:
        """SeriesNumber."""
        return whole(self.frames[0].header, "SeriesNumber")

    @property
    def description(self) -> str:
        """SeriesDescription, as its scanner wrote it; may name a patient, so it is only ever listed."""
        return str(value(self.frames[0].header, "SeriesDescription") or "")


@dataclass(frozen=True)
class Survey:
    """The axial CT series of a folder or file, ordered by UID, and what else it holds."""

    series: tuple[Series, ...]
    secondary: tuple[Series, ...]
    left_out: Counter[str]

    def left_out_sentence(self) -> str:
        """E.g. `localizer (2 images), MR (30 images)`; empty if nothing was left out."""
        counted = Counter(self.left_out)
        for series in self.secondary:
            counted[series.secondary] += series.images
        return ", ".join(
            f"{reason} ({n} image{'s' if n > 1 else ''})" for reason, n in sorted(counted.items())
        )


def survey(path: Path) -> Survey:
    """Look through a DICOM file, a zip archive, what a DICOMDIR names or, recursively, a folder.

    Headers only; pixels only to tell masks and doubled positions.

    Raises
    ------
    InputError
        No DICOM at all, an archive that cannot be trusted, or pydicom missing.
    OSError
        It cannot be read.
    """
    left_out: Counter[str] = Counter()
    files = _files_at(path, left_out)
    frames: list[Frame] = []
    for file in files:
        try:
            frames += frames_of(file)
        except LeftOut as reason:
            left_out[str(reason)] += 1
    groups: dict[Any, list[Frame]] = defaultdict(list)
    for frame in _without_copies(frames):
        groups[_group_key(frame)].append(frame)
    found: list[Series] = []
    for group in groups.values():
        for part in _passes(group):
            series = _as_series(part)
            if series is None:
                left_out[NOT_SEPARABLE] += len(part)
            else:
                found.append(series)
    return _choose(_without_masks(_numbered(found), left_out), left_out)


def _files_at(path: Path, left_out: Counter[str]) -> Sequence[DicomFile]:
    if path.is_dir():
        found = [FileOnDisk(file) for file in find_files(path) if looks_like_dicom(file)]
        if not found:
            raise _no_dicom_in(path)
        return found
    with path.open("rb") as stream:
        first = stream.read(1024)
    if is_zip(first):
        return dicom_members(path)
    if not is_directory_file(first):
        return [FileOnDisk(path)]
    named, missing = files_named_by(path)
    if missing:
        left_out[NOT_THERE] = missing
    return named


def _no_dicom_in(folder: Path) -> InputError:
    archives = 0
    for file in find_files(folder):
        with file.open("rb") as stream:
            archives += is_zip(stream.read(HEAD_BYTES))
    if archives:
        return InputError(
            f"The folder holds no DICOM files, only archives ({archives})",
            "give an archive itself, or its folder with --each",
        )
    return InputError("The folder holds no DICOM files", "give the folder of the CT, or its .nii.gz file")


def _without_copies(frames: Iterable[Frame]) -> list[Frame]:
    """Frames without second copies of the same SOP instance, which exports leave in other folders."""
    seen: dict[Any, Frame] = {}
    for frame in frames:
        uid = value(frame.header, "SOPInstanceUID")
        # Copied by careless software, one UID may stand for many slices: the position tells.
        told_by = (
            frame.index,
            frame.position_mm,
            frame.instance_number,
            frame.image_type,
            *frame.passes.items(),
        )
        seen.setdefault((str(uid), *told_by) if uid is not None else id(frame), frame)
    return list(seen.values())


def _group_key(frame: Frame) -> tuple[Any, ...]:
    header = frame.header
    return (
        str(value(header, "SeriesInstanceUID") or ""),
        str(value(header, "StudyInstanceUID") or ""),  # anonymisers have given two studies one series UID
        whole(header, "Rows"),
        whole(header, "Columns"),
        tuple(round(s, 4) for s in frame.pixel_spacing_mm),
        tuple(round(o, 3) + 0.0 for o in frame.orientation),
        frame.image_type,
    )


def _passes(frames: list[Frame]) -> list[list[Frame]]:
    """Split frames that cover one stretch several times by the first attribute that separates them."""
    repeated = len(_by_position(frames)) < len(frames)
    for name in _TIME_LAST:
        parts = _split(frames, name)
        # A value of its own for every frame is a clock or a counter, not a pass.
        if not 2 <= len(parts) <= max(2, len(frames) // 2) or not (repeated or name == "AcquisitionNumber"):
            continue
        if _overlap(parts):
            return [finer for part in parts for finer in _passes(part)]
    if repeated and (blocks := _numbered_blocks(frames)):
        return blocks
    return [frames]


def _split(frames: Iterable[Frame], name: str) -> list[list[Frame]]:
    parts: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        parts[frame.passes.get(name, "")].append(frame)
    return list(parts.values())


def _overlap(parts: list[list[Frame]]) -> bool:
    """Whether any two parts share most of the shorter one's stretch.

    Touching ends are no overlap, nor are one or two pictures inside a stretch: those are doubled positions.
    """
    depths = [[frame.depth_mm for frame in part] for part in parts if len(part) >= _PASS_SLICES]
    for (a_low, a_high), (b_low, b_high) in combinations([(min(d), max(d)) for d in depths], 2):
        shared = min(a_high, b_high) - max(a_low, b_low)
        if shared > 0.5 * min(a_high - a_low, b_high - b_low):
            return True
    return False


def _numbered_blocks(frames: list[Frame]) -> list[list[Frame]]:
    """Passes stored one after the other by InstanceNumber; none unless that explains every repetition."""
    blocks: list[list[Frame]] = []
    taken: set[int] = set()
    positions = _position_numbers(frames)
    for frame in sorted(frames, key=lambda f: f.instance_number):
        if not blocks or positions[id(frame)] in taken:
            blocks.append([])
            taken = set()
        blocks[-1].append(frame)
        taken.add(positions[id(frame)])
    most = max(Counter(positions.values()).values())
    complete = len(blocks) == most and all(len(block) >= _PASS_SLICES for block in blocks)
    return blocks if complete and _overlap(blocks) and not _identical(blocks) else []


def _identical(blocks: list[list[Frame]]) -> bool:
    """Whether blocks are copies of one another, judged by their first frames' pixels."""
    firsts = [min(block, key=lambda f: f.depth_mm) for block in blocks]
    return len({_pixel_hash(frame) for frame in firsts}) == 1


def _by_position(frames: Iterable[Frame]) -> list[list[Frame]]:
    """Frames grouped by position along their normal, in ascending order."""
    groups: list[list[Frame]] = []
    for frame in sorted(frames, key=lambda f: (f.depth_mm, f.instance_number)):
        if groups and frame.depth_mm - groups[-1][0].depth_mm < SAME_POSITION_MM:
            groups[-1].append(frame)
        else:
            groups.append([frame])
    return groups


def _position_numbers(frames: Iterable[Frame]) -> dict[int, int]:
    return {id(frame): n for n, group in enumerate(_by_position(frames)) for frame in group}


def _as_series(frames: list[Frame]) -> Series | None:
    """One frame a position; `None` if most positions hold pictures that differ and nothing says why."""
    groups = _by_position(frames)
    doubled = [group for group in groups if len(group) > 1]
    differing = sum(len({_pixel_hash(frame) for frame in group}) > 1 for group in doubled)
    if differing > len(groups) // 4:
        return None
    chosen = tuple(min(group, key=lambda f: f.instance_number) for group in groups)
    uid = str(value(chosen[0].header, "SeriesInstanceUID") or "")
    return Series(uid, chosen, len(frames), len(doubled), differing)


def _pixel_hash(frame: Frame) -> bytes:
    """Hash of a frame's decoded numbers and their rescaling; a damaged frame equals only itself."""
    try:
        stored, _ = stored_pixels(frame)
    except InputError:
        return repr((frame.file, frame.index)).encode()
    return hashlib.sha256(stored.tobytes() + repr((frame.slope, frame.intercept)).encode()).digest()


def _numbered(found: list[Series]) -> list[Series]:
    """Series by UID; parts of one UID get `#1`, `#2` … so that each can be asked for."""
    ordered = sorted(found, key=lambda s: (s.uid, s.frames[0].image_type, s.frames[0].instance_number))
    parts = Counter(series.uid for series in ordered)
    numbers: Counter[str] = Counter()
    named = []
    for series in ordered:
        numbers[series.uid] += 1
        uid = series.uid if parts[series.uid] == 1 else f"{series.uid}#{numbers[series.uid]}"
        named.append(replace(series, uid=uid, secondary=_secondary(series)))
    return named


def _secondary(series: Series) -> str:
    if _REFORMAT_TYPES & set(series.frames[0].image_type):
        return REFORMAT
    return FEW_SLICES if len(series.frames) < _PASS_SLICES else ""


def _without_masks(series: list[Series], left_out: Counter[str]) -> list[Series]:
    """Leave out masks. A lone series is not decoded for it: its values are judged where it is measured."""
    kept = []
    for one in series:
        if (len(series) > 1 or _bits(one) <= 8) and _is_mask(one):
            left_out[MASK] += one.images
        else:
            kept.append(one)
    return kept


def _bits(series: Series) -> int:
    return whole(series.frames[0].header, "BitsStored") or 16


def _is_mask(series: Series) -> bool:
    """Whether the middle frame holds a few labels only (0/1, 0/255)."""
    frame = series.frames[len(series.frames) // 2]
    if frame.slope != 1:  # a label is a whole number; a CT of 8 bits has few of them too, and a slope
        return False
    try:
        stored, _ = stored_pixels(frame)
    except InputError:
        return False
    return is_label_like(stored) and int(stored.max()) <= 255


def _choose(found: list[Series], left_out: Counter[str]) -> Survey:
    """Reformats and single slices count only where there is nothing better."""
    primary = tuple(one for one in found if not one.secondary)
    secondary = tuple(one for one in found if one.secondary)
    if primary:
        return Survey(primary, secondary, left_out)
    return Survey(secondary, (), left_out)
