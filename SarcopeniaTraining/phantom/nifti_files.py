"""CTs and masks as `.nii.gz`; the same voxels give the same bytes."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GZIP = 31
"""zlib's window bits for a gzip file, whose header then has no name and no time."""
_SHEAR = 1e-5
PHANTOM = "phantom, drawn by a program, no patient"


def write_nifti(
    path: Path, voxels: NDArray[Any], ras_from_ijk: NDArray[np.float64], *, about: str = PHANTOM
) -> None:
    """Write (i, j, k) voxels; the affine goes into sform, and into qform if it has no shear.

    Parameters
    ----------
    about:
        The header's description, at most 79 bytes.
    """
    import nibabel

    image = nibabel.Nifti1Image(voxels, ras_from_ijk, dtype=voxels.dtype)
    axes = ras_from_ijk[:3, :3] / np.linalg.norm(ras_from_ijk[:3, :3], axis=0)
    rigid = np.abs(axes.T @ axes - np.eye(3)).max() < _SHEAR
    image.set_sform(ras_from_ijk, code=1)
    image.set_qform(ras_from_ijk, code=int(rigid))
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = about.encode()
    packer = zlib.compressobj(level=6, wbits=_GZIP)
    path.write_bytes(packer.compress(image.to_bytes()) + packer.flush())
