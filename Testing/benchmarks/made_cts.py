"""The CTs that are timed: phantoms of full size, made once and kept in the temporary folder.

Ten slices are drawn and laid end to end, back and forth, for a scan of any length: as real for a reader,
a network and gzip (which looks back no further than 32 KB) as a phantom drawn slice by slice, in seconds.

    python -m Testing.benchmarks.made_cts nifti 200      makes one and prints its path
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

PLANE = (512, 512)
SPACING_MM = (0.78, 0.78, 1.25)
DRAWN = 10
SEED = 3_000_001


def cache_folder() -> Path:
    """Where the made CTs are kept: SARCOPENIA_BENCH_DATA, else a folder of the temporary one."""
    given = os.environ.get("SARCOPENIA_BENCH_DATA")
    return Path(given) if given else Path(tempfile.gettempdir()) / "sarcopenia-benchmarks"


def made_ct(kind: str, slices: int) -> Path:
    """Path of a CT of 512×512×`slices`: `nifti` (a .nii.gz) or `dicom` (a folder, a file a slice)."""
    path = cache_folder() / (f"ct{slices}.nii.gz" if kind == "nifti" else f"ct{slices}-dicom")
    if not path.exists():
        part = path.with_name(f"part-{path.name}")
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        {"nifti": _write_nifti, "dicom": _write_dicom}[kind](part, slices)
        part.rename(path)
    return path


def _hu(slices: int) -> np.ndarray:
    """HU (512, 512, slices) int16, RAS, Fortran order."""
    from SarcopeniaTraining.phantom.anatomy import Person
    from SarcopeniaTraining.phantom.generate import Grid, phantom

    drawn = phantom(Person.random(SEED), Grid.axial((*PLANE, DRAWN), SPACING_MM)).hu
    hu = np.empty((*PLANE, slices), np.int16, order="F")
    for k in range(slices):
        hu[:, :, k] = drawn[:, :, min(k % (2 * DRAWN), 2 * DRAWN - 1 - k % (2 * DRAWN))]
    return hu


def _affine() -> np.ndarray:
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = (-200, -180, -900)
    return affine


def _write_nifti(path: Path, slices: int) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(_hu(slices), _affine()), path)


def _write_dicom(path: Path, slices: int) -> None:
    from Testing.library.ct_files import write_dicom

    lps_stored = _affine() @ np.diag([-1.0, -1.0, 1.0, 1.0])  # rows run from front to back
    lps_stored[:2, 3] *= -1
    write_dicom(path, _hu(slices)[::-1, ::-1], lps_stored)


if __name__ == "__main__":
    print(made_ct(sys.argv[1], int(sys.argv[2])))
