"""NIfTI-1 and NIfTI-2, `.nii` and `.nii.gz`, read once: hashed, inflated and checked in one pass.

The header is nibabel's; the voxels are memory-mapped or inflated straight into one array, so that
memory holds the volume as stored and nothing else.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import Finding, GeometryError, InputError, Severity
from SarcopeniaAssessLib.geometry import CanonicalAxes, check_geometry
from SarcopeniaAssessLib.stored_image import (
    DAMAGED_REMEDY,
    StoredImage,
    refuse_dimensions,
    refuse_voxel_type,
    room_for_voxels,
    sha256_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

GZIP_MAGIC = b"\x1f\x8b"
_HEADER_BYTES = 540
_CHUNK_BYTES = 1 << 18
_BLOCK_BYTES = 1 << 22
_AREA_TOLERANCE = 0.01
_SCALING_AT_MOST = 1e6
_LARGEST_OFFSET = 64 << 20
"""Where voxels begin at the latest: extensions hold a header's text, at most a few megabytes."""
_PADDING_BYTES = 1 << 20
"""So much may follow the voxels; a file that goes on and on is no image, however small it is packed."""


def is_nifti_header(first: bytes) -> bool:
    """Whether the first bytes of an (inflated) file are a NIfTI or Analyze header."""
    return any(int.from_bytes(first[:4], order) in (348, 540) for order in ("little", "big"))


def inflated_head(path: Path) -> bytes:
    """The first bytes of a gzip file's content; fewer, or none, if it is damaged."""
    try:
        return next(_inflate(path, hashlib.sha256()), b"")[:_HEADER_BYTES]
    except InputError:
        return b""


def read_nifti(path: Path) -> StoredImage:
    """Read a NIfTI file.

    Raises
    ------
    InputError
        Damaged or truncated, not 3-D, complex, colour, or a header that makes no sense.
    GeometryError
        No orientation (sform and qform both 0: nibabel would guess), spacing zero or negative.
    """
    with path.open("rb") as stream:
        compressed = stream.read(2) == GZIP_MAGIC
    if not compressed:
        with path.open("rb") as stream:
            header = _Header(stream.read(_HEADER_BYTES))
        raw: NDArray[Any] = _map_voxels(path, header)
        sha256 = sha256_of([path])
    else:
        raw, sha256, header = _inflate_voxels(path)
    raw = raw.reshape(header.shape, order="F")
    raw.flags.writeable = False
    return StoredImage(
        raw, header.slope, header.intercept, header.ras_from_ijk, "nifti", sha256, header.findings
    )


class _Header:
    """What a NIfTI header says, checked; nibabel's own checks repair silently, so they are off."""

    def __init__(self, first: bytes) -> None:
        import nibabel as nib
        from nibabel.spatialimages import HeaderDataError

        if len(first) < 348 or not is_nifti_header(first):
            raise InputError("The file is no NIfTI image, or is cut off within its header", DAMAGED_REMEDY)
        kind: Any = nib.Nifti2Header if 540 in _sizes(first) else nib.Nifti1Header
        try:
            header = kind(first[: kind.template_dtype.itemsize], check=False)
            magic = bytes(header["magic"])[:3]
            with np.errstate(invalid="ignore"):
                shape = tuple(int(side) for side in header.get_data_shape())
                dtype = np.dtype(header.get_data_dtype())
                slope, intercept = header.get_slope_inter()
        except (HeaderDataError, ValueError, KeyError) as error:
            raise InputError("The NIfTI header makes no sense", "convert the CT again") from error
        if magic not in (b"n+1", b"n+2"):
            raise InputError(
                "This is one half of an Analyze or two-file NIfTI image",
                "convert it to a single .nii.gz file",
            )
        self.shape = shape[:3] if len(shape) == 4 and shape[3] == 1 else shape
        refuse_dimensions(self.shape)
        refuse_voxel_type(dtype)
        self.dtype = dtype
        self.slope = 1.0 if slope is None else float(slope)
        self.intercept = 0.0 if intercept is None else float(intercept)
        if max(abs(self.slope), abs(self.intercept)) > _SCALING_AT_MOST:
            raise InputError(
                "The header scales its voxels beyond all Hounsfield units", "convert the CT again"
            )
        self.offset = _offset(header, 544 if magic == b"n+2" else 352)
        with np.errstate(invalid="ignore"):  # a NaN is told where the geometry is judged
            self.ras_from_ijk, self.findings = _affine(header)

    @property
    def voxel_bytes(self) -> int:
        """Size of the voxels in the file."""
        return math.prod(self.shape) * int(self.dtype.itemsize)


def _offset(header: Any, least: int) -> int:
    """Where the voxels begin, held against where the header ends."""
    offset = float(header["vox_offset"])
    if not least <= offset <= _LARGEST_OFFSET or not offset.is_integer():  # a NaN is not either
        raise InputError("The header says that the voxels begin where they cannot", "convert the CT again")
    return int(offset)


def _sizes(first: bytes) -> tuple[int, int]:
    return int.from_bytes(first[:4], "little"), int.from_bytes(first[:4], "big")


def _affine(header: Any) -> tuple[NDArray[np.float64], tuple[Finding, ...]]:
    """The sform if it is set, else the qform; refused if neither is, flagged if pixdim disagrees."""
    remedy = "convert the CT from DICOM again with a tool that keeps position and spacing, e.g. dcm2niix"
    spacing_mm = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    if not (np.isfinite(spacing_mm).all() and (spacing_mm > 0).all()):
        given = " × ".join(f"{s:g}" for s in spacing_mm)
        raise GeometryError(f"The header gives a spacing of {given} mm", remedy)
    if int(header["sform_code"]) > 0:
        affine = np.asarray(header.get_sform(), dtype=np.float64)
    elif int(header["qform_code"]) > 0:
        try:
            affine = np.asarray(header.get_qform(), dtype=np.float64)
        except ValueError as error:
            raise GeometryError("The header's quaternion is no rotation", remedy) from error
    else:
        raise GeometryError("The image has no orientation (sform and qform are both 0)", remedy)
    check_geometry((1, 1, 1), affine)
    # In the slice only: along a tilted gantry's table, pixdim may be the step or the planes' distance.
    in_plane = list(CanonicalAxes.of(affine).order[:2])
    ratio = np.linalg.norm(affine[:3, in_plane], axis=0) / spacing_mm[in_plane]
    if abs(ratio.prod() - 1) > _AREA_TOLERANCE:
        message = (
            "The image's two statements of its pixel size (sform, pixdim) disagree: the area may be wrong."
        )
        return affine, (Finding("spacing_disagrees", Severity.ERROR, message),)
    return affine, ()


def _map_voxels(path: Path, header: _Header) -> NDArray[Any]:
    if path.stat().st_size < header.offset + header.voxel_bytes:
        raise InputError("The file is truncated", DAMAGED_REMEDY)
    count = header.voxel_bytes // header.dtype.itemsize
    return np.memmap(path, header.dtype, "r", header.offset, (count,))


def _inflate_voxels(path: Path) -> tuple[NDArray[Any], str, _Header]:
    """Voxels of a `.nii.gz`, flat, with the file's hash: one pass, to the end, so the CRC is checked."""
    digest = hashlib.sha256()
    blocks = _inflate(path, digest)
    head = b""
    for block in blocks:
        head += block
        if len(head) >= _HEADER_BYTES:
            break
    header = _Header(head[:_HEADER_BYTES])
    buffer = room_for_voxels(path.stat().st_size, header.voxel_bytes)
    begin = -header.offset
    for block in _after(head, blocks):
        skip, room = max(0, -begin), max(0, header.voxel_bytes - max(begin, 0))
        part = np.frombuffer(block, np.uint8)[skip : skip + room]
        buffer[max(begin, 0) : max(begin, 0) + len(part)] = part
        begin += len(block)
        if begin > header.voxel_bytes + _PADDING_BYTES:
            raise InputError("The compressed file goes on after the image's last voxel", DAMAGED_REMEDY)
    if begin < header.voxel_bytes:
        raise InputError("The file is truncated", DAMAGED_REMEDY)
    return buffer.view(header.dtype), digest.hexdigest(), header


def _after(head: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from blocks


def _inflate(path: Path, digest: Any) -> Iterator[bytes]:
    """Blocks of a gzip file's content, of all its members; every byte read goes into `digest`."""
    inflater, begun = zlib.decompressobj(wbits=31), False
    members = 0
    with path.open("rb") as stream:
        while data := stream.read(_CHUNK_BYTES):
            digest.update(data)
            while data := data if begun or not members else data.lstrip(b"\0"):
                try:
                    # Bounded, because a megabyte of compressed air inflates to a gigabyte.
                    block = inflater.decompress(data, _BLOCK_BYTES)
                except zlib.error as error:
                    raise InputError("The compressed file is damaged", DAMAGED_REMEDY) from error
                begun, data = True, inflater.unconsumed_tail
                if block:
                    yield block
                if inflater.eof:
                    # bgzip and `cat a.gz b.gz` write several members; zeros after one are padding.
                    members, data, begun = members + 1, inflater.unused_data, False
                    inflater = zlib.decompressobj(wbits=31)
    if begun or not members:
        raise InputError("The file is truncated", DAMAGED_REMEDY)
