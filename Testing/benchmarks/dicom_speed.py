"""How long a DICOM series takes to be chosen, opened and decoded, as a folder, an archive and lossless JPEG.

    python Testing/benchmarks/dicom_speed.py [SLICES]

A made series of 512 × 512 pixels, 12 bits, with noise; processor time, the best of three. Prints also how
much an archive shrinks it, and the memory that opening takes beyond what was there before.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaAssessLib.ct_io import list_ct
from Testing.library.ct_files import write_dicom

SIDE = 512


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


def told(name: str, path: Path) -> None:
    """One line: choose (headers), open (hash of every file), decode five slices."""
    choose_s = best_s(lambda: list_ct(path))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (series,) = list_ct(path)
    open_s = best_s(series.open)
    more_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    decode_s = best_s(lambda: series.open().source.read(2, 10, 15)) - open_s
    print(
        f"{name:14} choose {choose_s:6.2f} s, open {open_s:6.2f} s, five slices {decode_s:6.3f} s, "
        f"memory +{more_mb:.0f} MB"
    )


def main() -> None:
    """Make the series and tell of each packing."""
    slices = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in)
        files = made(folder / "ct", slices)
        told("folder", folder / "ct")
        for name, method in (("stored zip", zipfile.ZIP_STORED), ("deflated zip", zipfile.ZIP_DEFLATED)):
            path = folder / f"{method}.zip"
            with zipfile.ZipFile(path, "w", method) as archive:
                for file in files:
                    archive.write(file, file.name)
            told(name, path)
        size = sum(file.stat().st_size for file in files)
        print(f"deflated: {size / path.stat().st_size:.1f} times smaller")
        for file in files:
            subprocess.run(["dcmcjpeg", str(file), str(file)], check=True)
        told("lossless JPEG", folder / "ct")


if __name__ == "__main__":
    main()
