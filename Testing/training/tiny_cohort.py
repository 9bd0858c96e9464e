"""A cohort of tiny CTs for the tests: coarse bodies with a ring of muscle, unequal, oblique, flipped."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from SarcopeniaTraining.cohort import Cohort, read_cohort
from SarcopeniaTraining.splits import Fold, Splits


def body(shape: tuple[int, int, int], tilt: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """HU and muscle of a canonical body whose every slice differs; `tilt` moves it along the axes."""
    i, j, k = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    x = (i - shape[0] / 2 - tilt) / (shape[0] * 0.42)
    y = (j - shape[1] / 2 + tilt / 2) / (shape[1] * 0.40)
    radius = np.hypot(x, y) * (1 + 0.01 * k)
    hu = np.where(radius < 1, -100, -1000).astype(np.int16)
    muscle = (radius < 0.85) & (radius > 0.5)
    hu[muscle] = 55
    hu[radius <= 0.5] = 20
    noise = np.random.default_rng(shape[0] + shape[2]).integers(-8, 9, shape)
    return (hu + noise).astype(np.int16), muscle.astype(np.uint8)


def affine(spacing: tuple[float, float, float], turn_deg: float) -> np.ndarray[Any, Any]:
    """RAS affine of canonical axes, turned about the superior axis."""
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    made = np.eye(4)
    made[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.diag(spacing)
    made[:3, 3] = (-140.0, -110.5, -333.0)
    return made


def store(path: Path, canonical: np.ndarray[Any, Any], ras: np.ndarray[Any, Any], *, flip: bool) -> None:
    """Write NIfTI; flipped: axes 0 and 1 run to the left and to posterior."""
    if flip:
        turn = np.diag([-1.0, -1.0, 1.0, 1.0])
        turn[:2, 3] = np.array(canonical.shape[:2]) - 1
        canonical, ras = canonical[::-1, ::-1], ras @ turn
    nib.save(nib.Nifti1Image(np.ascontiguousarray(canonical), ras), path)


def case_files(folder: Path, number: int, *, slices: int | None = None) -> dict[str, object]:
    """CT and mask of one case; its row of the manifest."""
    case = f"T{number:02d}"
    (folder / case).mkdir(parents=True)
    shape = (58 + number, 47 - number % 5, slices or 5 + number % 3)
    ras = affine((5.1, 5.4, 4.0 + number % 2), turn_deg=3.0 * (number % 4))
    hu, muscle = body(shape, tilt=number % 3)
    level = shape[2] // 2
    store(folder / case / "ct.nii.gz", hu, ras, flip=number % 2 == 0)
    store(folder / case / "muscle.nii.gz", muscle, ras, flip=number % 2 == 0)
    return {
        "case": case,
        "ct": f"{case}/ct.nii.gz",
        "muscle": f"{case}/muscle.nii.gz",
        "sex": "male" if number % 3 else "female",
        "sarcopenic": "yes" if number % 4 == 0 else "no",
        "l3_slice_from_feet": level,
        "annotated": "l3",
    }


def write_manifest(folder: Path, rows: list[dict[str, object]]) -> Cohort:
    """The manifest, read back."""
    with (folder / "manifest.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return read_cohort(folder)


def tiny_cohort(folder: Path, count: int = 8) -> Cohort:
    """`count` cases."""
    return write_manifest(folder, [case_files(folder, number) for number in range(1, count + 1)])


def two_folds(cohort: Cohort) -> Splits:
    """Four patients to learn from, two to validate on, two to test, twice."""
    names = [case.case for case in cohort.cases]
    parts = [(names[:4], names[4:6], names[6:]), (names[4:], names[:2], names[2:4])]
    folds = tuple(Fold(n + 1, *(tuple(part) for part in p)) for n, p in enumerate(parts))
    return Splits(folds, seed=1, cohort_digest=cohort.digest, stratified=False)
