"""`StoredImage`: voxels as a file holds them, how they become values, and where they lie.

What every array format (NIfTI, NRRD, MetaImage) is read into; a CT or a label map is made from it.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from SarcopeniaAssessLib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from SarcopeniaAssessLib.errors import Finding

DAMAGED_REMEDY = "copy or download the file again"
DEFLATED_AT_MOST = 1032
"""How many bytes a byte of a deflated stream can become (zlib's own documentation)."""
LARGEST_VOXEL_BYTES = 32 << 30
"""Of an image that has to be inflated: four times a whole body in slices of 0.5 mm, 1024 × 1024 pixels."""


@dataclass(frozen=True, eq=False)
class StoredImage:
    """One 3-D image of a file; its voxels may lie on disk until they are read.

    Parameters
    ----------
    raw:
        (i, j, k) as stored, any integer or float type and byte order, read-only.
    slope, intercept:
        A value is raw × slope + intercept.
    ras_from_ijk:
        4×4 affine, RAS mm, not yet checked.
    sha256:
        Of the file or files.
    """

    raw: NDArray[Any]
    slope: float
    intercept: float
    ras_from_ijk: NDArray[np.float64]
    format: Literal["nifti", "nrrd", "metaimage"]
    sha256: str
    findings: tuple[Finding, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Native shape (i, j, k)."""
        i, j, k = self.raw.shape
        return i, j, k

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of values: the stored one, int32 if scaled by whole numbers, float32 otherwise."""
        if self.raw.dtype.kind == "f" or not (self.slope.is_integer() and self.intercept.is_integer()):
            return np.dtype(np.float32)
        if self.slope == 1 and self.intercept == 0:
            return self.raw.dtype.newbyteorder("=")
        return np.dtype(np.int32)

    def read(self, axis: int, start: int, stop: int) -> NDArray[Any]:
        """Values of native positions start…stop−1 along `axis` (a `VoxelSource`)."""
        return self.values(self.raw[(slice(None),) * axis + (slice(start, stop),)])

    def values(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Stored numbers → values, in memory of their own only where something changes."""
        if self.dtype.kind != "f" and self.slope == 1 and self.intercept == 0:
            return raw.astype(self.dtype, copy=False)
        exact = np.float64 if self.dtype.kind == "f" else np.int64
        return (raw.astype(exact) * exact(self.slope) + exact(self.intercept)).astype(self.dtype)


def sha256_of(files: Iterable[Path]) -> str:
    """SHA-256 (hex) of a file; of several files: of their hex hashes, sorted and joined.

    Sorting by hash makes the result independent of file names and of their order.
    """
    digests = []
    for file in files:
        with file.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return combined_sha256(digests)


def combined_sha256(digests: Iterable[str]) -> str:
    """The one hash of several files: of their hex hashes, sorted and joined; of one, its own."""
    ordered = sorted(digests)
    return ordered[0] if len(ordered) == 1 else hashlib.sha256("".join(ordered).encode()).hexdigest()


def refuse_dimensions(shape: tuple[int, ...]) -> None:
    """Refuse what is not 3-D, or is empty."""
    if len(shape) != 3:
        hint = (
            "export the one phase to be measured as a 3-D image"
            if len(shape) > 3
            else "give the whole 3-D scan"
        )
        raise InputError(
            f"The image has {len(shape)} dimensions ({'×'.join(map(str, shape))}), a CT has three", hint
        )
    if min(shape) < 1:
        raise InputError(f"The image is empty ({'×'.join(map(str, shape))})", "export the CT again")


def room_for_voxels(packed_bytes: int, voxel_bytes: int) -> NDArray[np.uint8]:
    """Memory for the voxels of a compressed file, (voxel_bytes,), not filled.

    Raises
    ------
    InputError
        Not even the best packing could have put them into so few bytes; they are more than any scan has, or
        than this computer has room for.
    """
    if voxel_bytes > packed_bytes * DEFLATED_AT_MOST:
        raise InputError("The file is truncated", DAMAGED_REMEDY)
    too_large = InputError(f"The image needs {voxel_bytes / 1e9:.1f} GB of memory", "crop it to the abdomen")
    if voxel_bytes > LARGEST_VOXEL_BYTES:
        raise too_large
    try:
        return np.empty(voxel_bytes, np.uint8)
    except MemoryError as error:
        raise too_large from error


def refuse_voxel_type(dtype: np.dtype[Any]) -> None:
    """Refuse complex numbers, colours and anything that is not one number a voxel."""
    if dtype.kind not in "iuf":
        what = "complex numbers" if dtype.kind == "c" else "colours or several numbers a voxel"
        raise InputError(
            f"The image holds {what}, a CT one real number a voxel", "give the CT itself, in Hounsfield units"
        )


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Keep what ITK's readers write straight to the process's standard error from the user."""
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all, as in a windowed application
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
