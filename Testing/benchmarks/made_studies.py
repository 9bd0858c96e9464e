"""Thousands of small studies for the measurement of many at once: half NIfTI files, half DICOM folders.

A few phantoms are drawn; every study is one of them, smaller or larger and with noise of its own, so that no
two are alike and each has its own area. The list of studies says what is known of each.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

DRAWN = 10
PLANE, SPACING_MM = (256, 224), (1.7, 1.7, 5.0)
SLICES, LEVEL = 5, 2
SCALES = (0.92, 1.08)
NOISE_HU = 6.0
SEED = 4_000_001
LIST = "studies.csv"


def make_studies(folder: Path, count: int) -> Path:
    """Write so many studies below `folder`; the path of their list."""
    from Testing.library.ct_files import write_dicom, write_nifti

    drawn = [_drawn(number) for number in range(min(DRAWN, count))]
    rng = np.random.default_rng(SEED)
    lines: list[tuple[Any, ...]] = [("case", "ct", "sex", "l3_slice_from_feet")]
    for number in range(count):
        hu, sex = drawn[number % len(drawn)]
        scale = rng.uniform(*SCALES)
        noisy = np.clip(hu + rng.normal(0, NOISE_HU, hu.shape).round(), -1024, 3071).astype(np.int16)
        affine = np.diag([*(mm * scale for mm in SPACING_MM[:2]), SPACING_MM[2], 1.0])
        affine[:3, 3] = (-200, -180, -900)
        name = f"S{number:05d}"
        if number % 2:
            _write_series(write_dicom, folder / "studies" / name, noisy, affine, number)
            lines.append((name, f"studies/{name}", sex, LEVEL))
        else:
            (folder / "studies").mkdir(parents=True, exist_ok=True)
            write_nifti(folder / "studies" / f"{name}.nii.gz", noisy, affine)
            lines.append((name, f"studies/{name}.nii.gz", sex, LEVEL))
    path = folder / LIST
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    return path


def _drawn(number: int) -> tuple[np.ndarray[Any, Any], str]:
    from SarcopeniaTraining.phantom.anatomy import Person
    from SarcopeniaTraining.phantom.generate import Grid, phantom

    person = Person.random(SEED + number)
    hu = phantom(person, Grid.axial((*PLANE, SLICES), SPACING_MM)).hu
    return hu.astype(np.float32), person.sex


def _write_series(
    write: Any, folder: Path, hu: np.ndarray[Any, Any], affine: np.ndarray[Any, Any], number: int
) -> None:
    from pydicom.uid import generate_uid

    study, series = (
        generate_uid(entropy_srcs=[str(SEED), str(number), part]) for part in ("study", "series")
    )
    # Rows run to the back in DICOM: the second axis is stored reversed.
    flipped = affine @ np.array([[1, 0, 0, 0], [0, -1, 0, hu.shape[1] - 1], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    write(
        folder,
        np.ascontiguousarray(hu[:, ::-1]),
        flipped,
        SeriesInstanceUID=series,
        StudyInstanceUID=study,
        FrameOfReferenceUID=f"{series}.1",
        PatientName=f"Made^{number}",
        PatientID=f"MADE-{number}",
    )
