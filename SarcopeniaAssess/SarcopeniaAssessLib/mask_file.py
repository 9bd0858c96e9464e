"""The mask as `muscle.nii.gz`: the CT's own grid and affine, 0 and 1, quick even for a thousand slices."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK_BYTES = 1 << 20
_SHEAR = 1e-5
_GZIP = 31
"""zlib's window bits for a gzip file, whose header then has no name and no time."""


def write_mask(file: BinaryIO, mask: NDArray[np.uint8], ras_from_ijk: NDArray[np.float64]) -> None:
    """Write a mask as gzipped NIfTI-1.

    Parameters
    ----------
    file:
        Open for writing bytes.
    mask:
        (i, j, k) on the native grid; in Fortran order it is written without a copy.
    ras_from_ijk:
        (4, 4) affine in mm; goes into sform, and into qform where it has no shear.
    """
    # Nearly all is zero, so the fastest level loses nothing.
    packer = zlib.compressobj(level=1, wbits=_GZIP)
    file.write(packer.compress(_header(mask.shape, ras_from_ijk) + bytes(4)))
    values = mask.T.reshape(-1)  # NIfTI's first axis runs fastest
    for start in range(0, values.size, _CHUNK_BYTES):
        chunk = np.ascontiguousarray(values[start : start + _CHUNK_BYTES], np.uint8)
        file.write(packer.compress(chunk.data))
    file.write(packer.flush())


def _header(shape: tuple[int, ...], ras_from_ijk: NDArray[np.float64]) -> bytes:
    import nibabel as nib

    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header.set_xyzt_units("mm")
    header.set_slope_inter(1, 0)
    header.set_sform(ras_from_ijk, code=1)
    axes = ras_from_ijk[:3, :3] / np.linalg.norm(ras_from_ijk[:3, :3], axis=0)
    is_rigid = np.abs(axes.T @ axes - np.eye(3)).max() < _SHEAR
    header.set_qform(ras_from_ijk, code=int(is_rigid))
    header["descrip"] = b"skeletal muscle at L3, research use only"
    header["vox_offset"] = 352
    header["cal_max"] = 1
    block: bytes = header.binaryblock
    return block
