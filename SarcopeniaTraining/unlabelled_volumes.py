"""CTs as a pre-training sees them: whole, on the preset's grid, made once, memory-mapped from disk.

A CT passes through the library's own `make_slab`, so the encoder meets here what it meets in fine-tuning
and in assessment. Masks are not read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import InputError, OutputError, SarcopeniaError
from SarcopeniaAssessLib.preprocessing import SlabPreset, make_slab
from SarcopeniaAssessLib.stored_image import sha256_of
from SarcopeniaTraining.machine import workers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.volume import CtVolume
    from SarcopeniaTraining.cohort import CohortCase

VERSION = 1
"""Raised whenever the same CT and preset would be kept otherwise."""
FULL_SCALE = 65535
"""Stored value of 1.0."""


@dataclass(frozen=True)
class VolumeCache:
    """How CTs are kept.

    Attributes
    ----------
    slab:
        Spacing and HU window; `slices` is the least number of slices of a volume.
    """

    folder: Path
    slab: SlabPreset

    def place(self, case: CohortCase) -> Path:
        """File of a case, named by what it is made of."""
        files = [p for p in case.ct.rglob("*") if p.is_file()] if case.ct.is_dir() else [case.ct]
        content = {"version": VERSION, "ct": sha256_of(files), "slab": self.slab.to_mapping()}
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
        return self.folder / f"{key}.npy"


def cached_volumes(
    cases: Sequence[CohortCase],
    cache: VolumeCache,
    *,
    jobs: int = 1,
    tell: Callable[[str], None] = lambda line: None,
    advance: Callable[[int], None] = lambda done: None,
) -> list[Path]:
    """Files of the cases' volumes, (i, j, k) uint16 each, those made that are not yet on disk.

    Raises
    ------
    InputError
        CTs that cannot be read; `tell` got a line for each.
    OutputError
        The cache cannot be written.
    """
    made: list[Path] = []
    refused = []
    for done, (case, result) in enumerate(zip(cases, _made(cases, cache, jobs), strict=True), start=1):
        if isinstance(result, OutputError):
            raise result
        if isinstance(result, SarcopeniaError):
            refused.append(case.case)
            tell(f"{case.case}: {result}")
        else:
            made.append(result)
        advance(done)
    if refused or not made:
        shown = ", ".join(refused[:5]) + (" …" if len(refused) > 5 else "")
        raise InputError(
            f"{len(refused)} of {len(cases)} CTs cannot be read ({shown})",
            "correct them as told, or take them out of the manifest; nothing was trained",
        )
    return made


def _made(cases: Sequence[CohortCase], cache: VolumeCache, jobs: int) -> Iterator[Path | SarcopeniaError]:
    if jobs <= 1:
        yield from (_cache_case(case, cache) for case in cases)
        return
    with workers(jobs, len(cases)) as pool:
        yield from pool.map(_cache_case, cases, [cache] * len(cases))


def _cache_case(case: CohortCase, cache: VolumeCache) -> Path | SarcopeniaError:
    """The case's file, made if it is missing; an error is returned, since it concerns this case alone."""
    try:
        place = cache.place(case)
        if not place.is_file():
            _write(place, whole_volume(case.open(), cache.slab))
    except SarcopeniaError as error:
        return error
    except OSError as error:
        return OutputError(
            f"the cache of volumes cannot be written or read ({error.strerror})",
            "make room, or give --cache; what was made is kept",
        )
    return place


def _write(place: Path, image: NDArray[np.float32]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.stem}.part{os.getpid()}")
    try:
        with part.open("wb") as stream:
            np.save(stream, np.rint(image * FULL_SCALE).astype(np.uint16))
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def whole_volume(volume: CtVolume, slab: SlabPreset) -> NDArray[np.float32]:
    """The CT on the preset's grid, cut to what is brighter than the window's lower end.

    Returns
    -------
    NDArray
        (i, j, k) float32, 0…1; k ≥ `slab.slices`: beyond the ends of a shorter scan its last slices repeat.
    """
    from monai.transforms import CropForeground

    middle = volume.slice_count // 2
    volume = volume.around(middle)
    step_mm = abs(float(volume.ras_from_canonical[:3, 2] @ volume.slice_normal))
    # A hair more than the distance, so that rounding does not lose a slice that fits exactly.
    below = int(middle * step_mm / slab.slice_mm + 1e-6)
    above = int((volume.slice_count - 1 - middle) * step_mm / slab.slice_mm + 1e-6)
    slices = 2 * below + 1 if above >= below else 2 * above + 2
    wanted = SlabPreset(slab.in_plane_mm, slab.slice_mm, max(slices, slab.slices), slab.hu_low, slab.hu_high)
    image = make_slab(volume, middle, wanted).image
    crop: Any = CropForeground(select_fn=lambda voxels: voxels > 0, return_coords=True)
    _, start, end = crop(image[None])
    rows, columns = (slice(int(a), int(b)) for a, b in zip(start[:2], end[:2], strict=True))
    cut: NDArray[np.float32] = image[rows, columns]
    return cut if cut.size else image
