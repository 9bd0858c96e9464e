"""Annotated CTs as a training sees them: made once, kept on disk, memory-mapped.

A CT passes through the library's own `make_slab`, so the network meets in training exactly the tensors it
meets in assessment; its truth is brought onto the same pixels, 255 where no slice is annotated.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import MaskError, OutputError, SarcopeniaError
from SarcopeniaAssessLib.preprocessing import Plane, SlabPreset, make_slab
from SarcopeniaAssessLib.segmentation import body_window
from SarcopeniaAssessLib.stored_image import sha256_of
from SarcopeniaAssessLib.volume import CtVolume, InputFacts
from SarcopeniaTraining.losses import UNANNOTATED
from SarcopeniaTraining.machine import workers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.cohort import CohortCase

VERSION = 1
"""Raised whenever the same CT, mask and preset would be kept otherwise."""
FACTS = "case.json"


@dataclass(frozen=True, eq=False)
class CachedCase:
    """One annotated CT in its folder of the cache.

    Attributes
    ----------
    slabs:
        How many slabs are kept: one around L3, or for a thin network one around each annotated slice.
    """

    case: str
    folder: Path
    slabs: int

    def slab(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Slab `number`, cut to the body: image (i, j, s) 0…1 and label (i, j, s) 0, 1 or 255."""
        image = np.load(self.folder / f"image-{number:03d}.npy", mmap_mode="r")
        return image, np.load(self.folder / f"label-{number:03d}.npy", mmap_mode="r")

    @cached_property
    def _facts(self) -> dict[str, list[list[float]] | int]:
        facts: dict[str, list[list[float]] | int] = json.loads((self.folder / FACTS).read_text("utf-8"))
        return facts

    @property
    def volume(self) -> CtVolume:
        """Native slices around L3: `segment_slices` finds in them what it would in the whole CT."""
        hu = np.load(self.folder / "native.npy", mmap_mode="r")
        affine = np.array(self._facts["ras_from_canonical"], np.float64)
        return CtVolume.from_array(hu, affine, input=InputFacts("memory", ""))

    @property
    def level(self) -> int:
        """Index of L3 in `volume`."""
        return int(self._facts["level"])  # type: ignore[arg-type]

    @property
    def truth(self) -> NDArray[np.bool_]:
        """(I, J), the mask of L3 on the CT's own pixels."""
        mask: NDArray[np.bool_] = np.load(self.folder / "truth.npy")
        return mask


@dataclass(frozen=True)
class CachePlan:
    """How cases are kept.

    Attributes
    ----------
    thin:
        The network learns one slice of a slab, so a wholly annotated CT gives a slab for each slice.
    """

    folder: Path
    preset: SlabPreset
    thin: bool

    def place(self, case: CohortCase) -> Path:
        """Folder of a case, named by what it is made of: CT, mask, its label, level, preset."""
        mask = [] if case.mask is None else _files(case.mask)
        content = {
            "version": VERSION,
            "ct": sha256_of(_files(case.ct)),
            "mask": sha256_of(mask) if mask else None,
            "level": case.level,
            "label": case.label,
            "annotated": case.annotated,
            "preset": self.preset.to_mapping(),
            "thin": self.thin,
        }
        return self.folder / hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def cached_cases(
    cases: Sequence[CohortCase], plan: CachePlan, *, jobs: int, tell: Callable[[str], None]
) -> dict[str, CachedCase]:
    """The cases by name, those made that are not yet on disk.

    Raises
    ------
    MaskError
        Cases that cannot be trained on; `tell` got a line for each.
    OutputError
        The cache cannot be written.
    """
    found: dict[str, CachedCase] = {}
    refused = []
    for case, result in zip(cases, _made(cases, plan, jobs), strict=True):
        if isinstance(result, OutputError):
            raise result
        if isinstance(result, CachedCase):
            found[case.case] = result
            continue
        refused.append(case.case)
        tell(f"{case.case}: {result}")
    if refused:
        shown = ", ".join(refused[:5]) + (" …" if len(refused) > 5 else "")
        raise MaskError(
            f"{len(refused)} of {len(cases)} cases cannot be trained on ({shown})",
            "correct them as told, or take them out of the manifest; nothing was trained",
        )
    return found


def _made(cases: Sequence[CohortCase], plan: CachePlan, jobs: int) -> Iterator[CachedCase | SarcopeniaError]:
    """Each case in order; several processes make those that are missing first."""
    missing = [case for case in cases if _on_disk(case, plan) is None] if jobs > 1 else []
    if len(missing) > 1:
        with workers(jobs, len(missing)) as pool:
            made = pool.map(_cache_case, missing, [plan] * len(missing))
            refused = {case.case: result for case, result in zip(missing, made, strict=True)}
        yield from (refused.get(case.case) or _cache_case(case, plan) for case in cases)
        return
    yield from (_cache_case(case, plan) for case in cases)


def _on_disk(case: CohortCase, plan: CachePlan) -> CachedCase | None:
    try:
        place = plan.place(case)
        facts = json.loads((place / FACTS).read_text("utf-8"))
        return CachedCase(case.case, place, int(facts["slabs"]))
    except (OSError, ValueError, KeyError):
        return None


def _cache_case(case: CohortCase, plan: CachePlan) -> CachedCase | SarcopeniaError:
    """The case from disk, or made; an error is returned, since it concerns this case alone."""
    try:
        found = _on_disk(case, plan)
        if found is None:
            _write(case, plan, plan.place(case))
            found = _on_disk(case, plan)
    except SarcopeniaError as error:
        return error
    except OSError as error:
        return _no_room(error.strerror)
    return found or _no_room("it is not there after it was written")


def _no_room(why: str | None) -> OutputError:
    return OutputError(f"the cache of slabs cannot be written or read ({why})", "make room, or give --cache")


def _write(case: CohortCase, plan: CachePlan, place: Path) -> None:
    """Make a case's folder; it is there whole or not at all."""
    volume = case.open()
    k = case.slice_from_feet(volume)
    volume = volume.around(k)
    truth = case.truth(volume, k)
    whole = case.truth_volume(volume) if case.annotated == "volume" else None
    levels = [k] if whole is None or not plan.thin else _annotated_levels(whole, volume, k, plan.preset)
    start, stop = _native_range(volume, k, plan.preset)
    affine = np.array(volume.ras_from_canonical)
    affine[:3, 3] += affine[:3, 2] * start
    part = place.with_name(f"{place.name}.part{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for number, level in enumerate(levels):
            slab = make_slab(volume, level, plan.preset)
            window = body_window(slab.image)
            label = _label(slab.plane, truth if whole is None else whole, volume, level, plan.preset)
            np.save(part / f"image-{number:03d}.npy", slab.image[window])
            np.save(part / f"label-{number:03d}.npy", label[window])
        np.save(part / "native.npy", volume.slab(start, stop))
        np.save(part / "truth.npy", truth)
        facts = {"slabs": len(levels), "level": k - start, "ras_from_canonical": affine.tolist()}
        (part / FACTS).write_text(json.dumps(facts), "utf-8")
        if not (place / FACTS).is_file():
            shutil.rmtree(place, ignore_errors=True)
            part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _step_mm(volume: CtVolume) -> float:
    """Distance between the planes of neighbouring slices."""
    return abs(float(volume.ras_from_canonical[:3, 2] @ volume.slice_normal))


def _native_range(volume: CtVolume, k: int, preset: SlabPreset) -> tuple[int, int]:
    """Native slices that the slab around k can touch."""
    reach = int(np.ceil(preset.slices * preset.slice_mm / _step_mm(volume))) + 1
    return max(k - reach, 0), min(k + reach + 1, volume.slice_count)


def _annotated_levels(truth: NDArray[np.bool_], volume: CtVolume, k: int, preset: SlabPreset) -> list[int]:
    """L3 and the slices with muscle, a slab's slice distance apart."""
    every = max(round(preset.slice_mm / _step_mm(volume)), 1)
    apart = range(k % every, volume.slice_count, every)
    return [level for level in apart if level == k or truth[:, :, level].any()]


def _label(
    plane: Plane, truth: NDArray[np.bool_], volume: CtVolume, level: int, preset: SlabPreset
) -> NDArray[np.uint8]:
    """Truth on the slab's pixels (i, j, s): what most of a pixel is; 255 where nobody has judged.

    `truth` is (I, J) of the slice `level`, or (I, J, K) of a wholly annotated CT.
    """
    label = np.full((*plane.shape, preset.slices), UNANNOTATED, np.uint8)
    last = volume.slice_count - 1
    for n in range(preset.slices):
        at = level + (n - preset.middle) * preset.slice_mm / _step_mm(volume)
        if truth.ndim == 2 and n == preset.middle:
            layer: NDArray[Any] = truth.astype(np.float32)
        elif truth.ndim == 3 and 0 <= at <= last:
            below = min(int(at), max(last - 1, 0))
            share = np.float32(at - below)
            layer = (1 - share) * truth[:, :, below] + share * truth[:, :, min(below + 1, last)]
        else:
            continue
        label[:, :, n] = plane.sample(layer, outside=0) >= 0.5
    return label


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
