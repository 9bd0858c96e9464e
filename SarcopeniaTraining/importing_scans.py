"""One CT with its mask, or with its L3 section as an image that shows a drawn outline → NIfTI.

Both are written in canonical axes on one grid: slice k of the array is slice k from the feet.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.ct_io import list_ct, open_ct, read_label_map
from SarcopeniaAssessLib.errors import InputError, LevelError, MaskError
from SarcopeniaAssessLib.level import find_level
from SarcopeniaAssessLib.manifest_rows import number_of, sex_of, whole_of
from SarcopeniaAssessLib.mask_file import write_mask
from SarcopeniaAssessLib.mask_grid import place_mask
from SarcopeniaTraining.cohort import is_sarcopenic, label_of, level_of
from SarcopeniaTraining.image_match import match_image
from SarcopeniaTraining.images import read_image
from SarcopeniaTraining.manifest import Row
from SarcopeniaTraining.outlines import Line, fill_outline, find_line
from SarcopeniaTraining.phantom.nifti_files import write_nifti

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.patient import PatientFacts
    from SarcopeniaAssessLib.volume import CtVolume
    from SarcopeniaTraining.layouts import FoundCase

CT, MUSCLE = "ct.nii.gz", "muscle.nii.gz"
_ABOUT = "CT of a cohort, no patient identity, research use only"
_OFF_STEP = 0.05
"""Of a slice's step: how far a slice may lie from where an affine places it."""


@dataclass(frozen=True, eq=False)
class _Truth:
    """The muscle on a CT's canonical grid, (I, J, K), and the slice of L3."""

    mask: NDArray[np.bool_]
    k: int
    notes: tuple[str, ...] = ()


def import_scan(
    found: FoundCase, folder: Path, *, kind: str, line: Line
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Write `ct.nii.gz` and `muscle.nii.gz` of a case.

    Returns
    -------
    The case's row of the manifest, with file names within the folder, and notes.

    Raises
    ------
    SarcopeniaError
        Files that are missing, several or unreadable, a mask or an outline that does not fit the CT.
    """
    row = Row("the data set", found.facts)
    patient = GivenFacts(
        sex_of(row), *(number_of(row, name) for name in ("age_years", "height_m", "weight_kg"))
    )
    volume = _open(found, row)
    facts = patient.over(volume.patient)
    truth = (
        _from_outline(found, row, volume, line) if kind == "outline" else _from_mask(found, row, volume, kind)
    )
    start, stop = _even_run(volume, truth.k)
    affine = volume.around(truth.k).ras_from_canonical.copy()
    affine[:3, 3] += start * affine[:3, 2]
    write_nifti(folder / CT, _voxels(volume, start, stop), affine, about=_ABOUT)
    mask = np.asfortranarray(truth.mask[:, :, start:stop], np.uint8)
    with (folder / MUSCLE).open("wb") as file:
        write_mask(file, mask, affine)
    area_cm2 = int(np.count_nonzero(truth.mask[:, :, truth.k])) * volume.around(truth.k).pixel_area_cm2
    notes = list(truth.notes)
    if None not in (patient.sex, volume.patient.sex) and patient.sex != volume.patient.sex:
        notes.append(f"told {facts.sex}, but its header says {volume.patient.sex}")
    if stop - start < volume.slice_count:
        notes.append(f"{volume.slice_count - stop + start} slices beyond an uneven step were left out")
    return _row(row, facts, area_cm2, (truth.k - start, affine, mask.shape)), tuple(notes)


def _open(found: FoundCase, row: Row) -> CtVolume:
    """The CT; of a folder with several series the one that the data set's table names."""
    path, series = found.needed("ct"), row.get("series")
    if series is None and path.is_dir():
        listed = list_ct(path)
        if len(listed) > 1:
            raise InputError(
                f"there are {len(listed)} axial CT series",
                "leave one in the folder, or tell its UID in a table of the data set, column series",
            )
        return listed[0].open()
    return open_ct(path, series=series)


def _from_mask(found: FoundCase, row: Row, volume: CtVolume, kind: str) -> _Truth:
    placed = place_mask(read_label_map(found.needed("mask")), volume, label=whole_of(row, "label"))
    level, marked = level_of(row), placed.marked
    if not marked:
        raise MaskError("what the mask marks lies outside the CT's slices", "give the mask of this CT")
    if kind == "slice" and len(marked) > 1:
        raise MaskError(
            f"the mask marks {len(marked)} slices, where one was expected", "import it with --kind dicom"
        )
    if level is None and len(marked) > 1:
        raise LevelError(
            f"the mask marks {len(marked)} slices ({marked[0]}…{marked[-1]} from the feet), "
            "none is told as L3",
            "tell l3_slice_from_feet or l3_superior_mm in a table of the data set",
        )
    k = marked[0] if level is None else find_level(level, volume).slice_from_feet
    placed.at(k)
    return _Truth(placed.whole(volume.slice_count), k)


def _from_outline(found: FoundCase, row: Row, volume: CtVolume, line: Line) -> _Truth:
    annotated = read_image(found.needed("annotated"))
    plain_file = found.one("image")
    plain = None if plain_file is None else read_image(plain_file)
    filled = fill_outline(annotated, plain, line)
    shown = annotated if plain is None else plain
    ignored = find_line(annotated, plain) if plain is None else np.zeros(shown.shape[:2], np.bool_)
    level = level_of(row)
    k = None if level is None else find_level(level, volume).slice_from_feet
    match = match_image(shown, ~ignored, volume, k)
    mask = np.zeros(volume.canonical_shape, np.bool_)
    mask[:, :, match.k] = match.canonical(filled.mask)
    notes = tuple(finding.message for finding in filled.findings)
    return _Truth(mask, match.k, (*notes, *match.notes))


def _even_run(volume: CtVolume, k: int) -> tuple[int, int]:
    """The slices around k that one affine places right, as a NIfTI needs it: first, and one past last."""
    if volume.slice_origins_mm is None:
        return 0, volume.slice_count
    even = volume.around(k)
    step = even.ras_from_canonical[:3, 2]
    centre = volume.slice_centre_mm(k)
    tolerance_mm = _OFF_STEP * float(np.linalg.norm(step))

    def fits(m: int) -> bool:
        off_mm = volume.slice_centre_mm(m) - (centre + (m - k) * step)
        return float(np.linalg.norm(off_mm)) <= tolerance_mm

    start, stop = k, k + 1
    while start > 0 and fits(start - 1):
        start -= 1
    while stop < volume.slice_count and fits(stop):
        stop += 1
    return start, stop


def _voxels(volume: CtVolume, start: int, stop: int) -> NDArray[Any]:
    """HU of canonical slices as stored, padding included; int16 if they are whole numbers within it."""
    volume.slab((start + stop) // 2, (start + stop) // 2 + 1)  # refuses what cannot be HU
    native = [volume.axes.native_slice(k, volume.slice_count) for k in (start, stop - 1)]
    hu = volume.axes.view(volume.source.read(volume.axes.order[2], min(native), max(native) + 1))
    whole = hu.dtype.kind in "iu" or all(
        np.array_equal(plane, np.rint(plane)) for plane in np.moveaxis(hu, 2, 0)
    )
    small = hu.min() >= -(2**15) and hu.max() < 2**15
    return np.asfortranarray(hu, np.int16 if whole and small else np.float32)


def _row(
    told: Row,
    facts: PatientFacts,
    area_cm2: float,
    grid: tuple[int, NDArray[np.float64], tuple[int, ...]],
) -> dict[str, Any]:
    k, affine, shape = grid
    label = label_of(told)
    if label is None and facts.sex is not None:
        label = is_sarcopenic(area_cm2, facts.sex)
    middle = affine @ np.array([(shape[0] - 1) / 2, (shape[1] - 1) / 2, k, 1.0])
    return {
        "ct": CT,
        "muscle": MUSCLE,
        "sex": None if facts.sex is None else facts.sex.value,
        "age_years": facts.age_years,
        "height_m": facts.height_m,
        "weight_kg": facts.weight_kg,
        "sarcopenic": None if label is None else ("yes" if label else "no"),
        "label_source": None if label is None else ("told" if label_of(told) is not None else "area"),
        "sma_cm2": round(area_cm2, 4),
        "l3_superior_mm": round(float(middle[2]), 3),
        "l3_slice_from_feet": k,
        "annotated": told.get("annotated"),
        "patient": told.get("patient"),
    }
