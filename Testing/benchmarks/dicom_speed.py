"""How long a DICOM series takes to be chosen, opened and decoded, as a folder, an archive and lossless JPEG.

A made series of 12 bits with noise; processor time, the best of three. Lossless JPEG needs dcmtk's dcmcjpeg.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaAssessLib.ct_io import list_ct
from Testing.benchmarks.tables import Row
from Testing.library.ct_files import write_dicom

SIDE, SLICES = 512, 200
TITLE = f"A DICOM series, chosen, opened, decoded ({SIDE}×{SIDE}×{SLICES}), processor time"


def made(folder: Path, slices: int) -> list[Path]:
    """A body in air with a scanner's noise (12 HU), a file a slice."""
    i, j = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    body = np.where(((i - 256) / 190) ** 2 + ((j - 256) / 130) ** 2 < 1, 45.0, -1000.0)
    noise = np.random.default_rng(1)
    hu = np.stack([body + noise.normal(0, 12, body.shape) for _ in range(slices)], axis=-1)
    affine = np.diag([0.8, 0.8, 2.0, 1.0])
    return write_dicom(
        folder,
        np.clip(np.round(hu), -1024, 3071).astype(np.int16),
        affine,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
    )


def best_s(work: Callable[[], Any], times: int = 3) -> float:
    """Processor time of the quickest of some runs."""
    taken = []
    for _ in range(times):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


def rows_of(name: str, path: Path) -> Iterator[Row]:
    """To choose (headers), to open (hash of every file), to decode five slices."""
    (series,) = list_ct(path)
    open_s = best_s(series.open)
    yield Row(f"{name}: choose", best_s(lambda: list_ct(path)), "s")
    yield Row(f"{name}: open", open_s, "s")
    yield Row(f"{name}: five slices", best_s(lambda: series.open().source.read(2, 10, 15)) - open_s, "s")


def rows() -> list[Row]:
    """The same series in every packing."""
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in)
        files = made(folder / "ct", SLICES)
        found = [*rows_of("folder", folder / "ct")]
        for name, method in (("stored zip", zipfile.ZIP_STORED), ("deflated zip", zipfile.ZIP_DEFLATED)):
            path = folder / f"{method}.zip"
            with zipfile.ZipFile(path, "w", method) as archive:
                for file in files:
                    archive.write(file, file.name)
            found += rows_of(name, path)
        size = sum(file.stat().st_size for file in files)
        found.append(Row("deflated zip: times smaller", size / path.stat().st_size, ""))
        if shutil.which("dcmcjpeg") is not None:
            for file in files:
                subprocess.run(["dcmcjpeg", str(file), str(file)], check=True)
            found += rows_of("lossless JPEG", folder / "ct")
    return found
