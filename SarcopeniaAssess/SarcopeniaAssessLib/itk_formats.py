"""NRRD and MetaImage (`.nrrd`, `.nhdr`, `.mha`, `.mhd`) through SimpleITK.

ITK fills in what a header leaves out: no space → its own axes, no spacing → 1 mm, no matrix → the
identity. An area or a level must not rest on such a guess, so the header's text is read first and
refused where it does not say. What two readers of one header could understand differently (a field twice, a
file of voxels elsewhere) is refused too. ITK's world is LPS; it becomes RAS here.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import GeometryError, InputError
from SarcopeniaAssessLib.stored_image import (
    DAMAGED_REMEDY,
    StoredImage,
    refuse_dimensions,
    refuse_more_than,
    refuse_voxel_type,
    sha256_of,
    silent_stderr,
)

if TYPE_CHECKING:
    from pathlib import Path

NRRD_MAGIC = b"NRRD"
_HEADER_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 20
_PADDING_BYTES = 1 << 20
_DATA_FIELD = "ElementDataFile"
_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0])
_GEOMETRY_REMEDY = "export the CT again with its position, orientation and spacing"
_ENCODINGS = ("raw", "gzip", "gz")
_PATIENT_SPACES = (
    "right-anterior-superior",
    "ras",
    "left-anterior-superior",
    "las",
    "left-posterior-superior",
    "lps",
)


@dataclass(frozen=True)
class _Header:
    """Fields of a text header (names in lower case) and how many bytes it takes."""

    fields: dict[str, str]
    size: int

    def numbers(self, name: str) -> list[float]:
        """The numbers of a field, brackets and commas dropped; empty if absent or not numeric."""
        text = self.fields.get(name, "").translate(str.maketrans("(),", "   "))
        try:
            return [float(number) for number in text.split()]
        except ValueError:
            return []

    def sides(self, name: str) -> tuple[int, ...]:
        """The sides of the image, refused if they are none."""
        numbers = self.numbers(name)
        if not numbers or not all(number.is_integer() for number in numbers):  # neither are NaN and infinity
            raise InputError("The header does not give the image's size", DAMAGED_REMEDY)
        sides = tuple(int(number) for number in numbers)
        refuse_dimensions(sides)
        return sides


def is_metaimage_header(first: bytes) -> bool:
    """Whether the first bytes of a file are a MetaImage header."""
    return (
        first.lstrip().lower().startswith((b"objecttype", b"ndims", b"comment")) and b"ndims" in first.lower()
    )


def read_nrrd(path: Path) -> StoredImage:
    """Read an NRRD image, attached (`.nrrd`) or with its data beside it (`.nhdr`).

    Raises
    ------
    InputError
        Damaged, truncated, not 3-D, several values a voxel.
    GeometryError
        No `space` of the patient or no `space directions`: ITK would take its own axes for the
        patient's, and feet could be head.
    """
    header = _parse(path, separator=":", last="")
    fields = header.fields
    sides = header.sides("sizes")
    if fields.get("space", "").lower() not in _PATIENT_SPACES:
        raise GeometryError(
            "The NRRD header does not say how its axes lie in the patient (space)", _GEOMETRY_REMEDY
        )
    directions = header.numbers("space directions")
    if len(directions) != 9 or not np.isfinite(directions).all():
        raise GeometryError(
            "The NRRD header gives no direction of every axis (space directions)", _GEOMETRY_REMEDY
        )
    _refuse_flat(np.array(directions).reshape(3, 3))
    data = _data_file(path, fields.get("data file", fields.get("datafile", "")))
    if fields.get("encoding", "").lower() not in _ENCODINGS:
        raise InputError("The voxels are encoded in an unusual way", "save the image as raw or gzip")
    refuse_more_than(data.stat().st_size, math.prod(sides))  # a voxel has a byte at least
    return _read(path, "NrrdImageIO", sha256_of({path, data}))


def read_metaimage(path: Path) -> StoredImage:
    """Read a MetaImage, attached (`.mha`) or with its data beside it (`.mhd`).

    Raises
    ------
    InputError
        Damaged, truncated, not 3-D, several values a voxel.
    GeometryError
        No spacing or no orientation: ITK would take 1 mm and the identity.
    """
    header = _parse(path, separator="=", last=_DATA_FIELD)
    fields = header.fields
    header.sides("dimsize")
    spacing = header.numbers("elementspacing") or header.numbers("elementsize")
    if len(spacing) != 3:
        raise GeometryError("The MetaImage header gives no spacing (ElementSpacing)", _GEOMETRY_REMEDY)
    if not all(0 < each < math.inf for each in spacing):
        given = " × ".join(f"{s:g}" for s in spacing)
        raise GeometryError(f"The header gives a spacing of {given} mm", _GEOMETRY_REMEDY)
    matrix = next((m for n in ("transformmatrix", "orientation", "rotation") if (m := header.numbers(n))), [])
    if len(matrix) != 9:
        raise GeometryError("The MetaImage header gives no orientation (TransformMatrix)", _GEOMETRY_REMEDY)
    _refuse_flat(np.array(matrix).reshape(3, 3))
    data = _data_file(path, fields[_DATA_FIELD.lower()])
    _refuse_damaged_metaimage(data, header, attached=data == path)
    return _read(path, "MetaImageIO", sha256_of({path, data}))


def _parse(path: Path, separator: str, last: str) -> _Header:
    """Fields of a text header that ends with the line named `last`, or with an empty line."""
    with path.open("rb") as stream:
        text = stream.read(_HEADER_BYTES)
    fields: dict[str, str] = {}
    size, ended = 0, not last and len(text) < _HEADER_BYTES  # a header alone may end with its file
    for line in text.split(b"\n"):
        size += len(line) + 1
        if not last and not line.strip():
            ended = True
            break
        name, found, value = (part.strip() for part in line.decode("latin-1").partition(separator))
        # NRRD's own notes (`name:=text`) are no fields, whatever they are called.
        if found and not name.startswith("#") and not (separator == ":" and value.startswith("=")):
            if name.lower() in fields and name.lower() != "comment":
                raise InputError("The header says one thing twice", DAMAGED_REMEDY)
            fields[name.lower()] = value
        if last and last.lower() in line.decode("latin-1").lower():
            ended = name == last
            break
    if not ended:
        raise InputError("The header is cut off before it says where the voxels are", DAMAGED_REMEDY)
    return _Header(fields, size)


def _refuse_flat(directions: np.ndarray[Any, Any]) -> None:
    lengths = np.linalg.norm(directions, axis=1)
    has_length = bool(np.isfinite(lengths).all() and (lengths > 0).all())
    if not has_length or abs(np.linalg.det(directions)) < 0.1 * lengths.prod():
        raise GeometryError("The image's axes lie in one plane or have no length", _GEOMETRY_REMEDY)


def _data_file(path: Path, name: str) -> Path:
    """The file that holds the voxels; the header's own if they are attached."""
    if name in ("", "LOCAL", "Local", "local"):
        return path
    if name.upper().startswith("LIST") or "%" in name:
        raise InputError(
            "The header spreads the image over many files", "save it as one .nrrd, .mha or .nii.gz file"
        )
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or ":" in parts[0]:
        raise InputError(
            "The file of voxels that the header names lies elsewhere", "keep header and data side by side"
        )
    data = path.parent / name
    if "\0" in name or not data.is_file():
        raise InputError(
            "The file of voxels that the header names is missing", "keep header and data side by side"
        )
    return data


def _refuse_damaged_metaimage(data: Path, header: _Header, *, attached: bool) -> None:
    """Refuse voxels that are unknown, too few or damaged, which ITK would fill up or hand out."""
    kinds = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4}
    kinds |= {"FLOAT": 4, "DOUBLE": 8, "LONG_LONG": 8, "ULONG_LONG": 8}
    fields = header.fields
    if fields.get("elementnumberofchannels", "1") != "1":
        refuse_voxel_type(np.dtype("V2"))
    size = kinds.get(fields.get("elementtype", "").upper().removeprefix("MET_"))
    if size is None:
        raise InputError("The header's type of voxels is unknown", "save the CT as signed 16-bit integers")
    needed = math.prod(header.sides("dimsize")) * size
    begin = header.size if attached else 0
    if fields.get("compresseddata", "false").lower() in ("true", "1"):
        refuse_more_than(data.stat().st_size, needed)
        there = _inflated_size(data, begin, needed)
    else:
        there = data.stat().st_size - begin
    if there < needed:
        raise InputError("The file is truncated", DAMAGED_REMEDY)


def _inflated_size(data: Path, begin: int, needed: int) -> int:
    """Size of zlib-compressed voxels, checksum verified: ITK hands out damaged ones without a word."""
    inflater = zlib.decompressobj(wbits=47)
    size = 0
    with data.open("rb") as stream:
        stream.seek(begin)
        try:
            while not inflater.eof and (chunk := inflater.unconsumed_tail or stream.read(_BLOCK_BYTES)):
                size += len(inflater.decompress(chunk, _BLOCK_BYTES))
                if size > needed + _PADDING_BYTES:
                    raise InputError(
                        "The compressed file goes on after the image's last voxel", DAMAGED_REMEDY
                    )
        except zlib.error as error:
            raise InputError("The compressed file is damaged", DAMAGED_REMEDY) from error
    if not inflater.eof:
        raise InputError("The file is truncated", DAMAGED_REMEDY)
    return size


class _ItkMemory:
    """An image's own memory as an array's base: ITK frees it with the image, not with the last array."""

    def __init__(self, image: Any, view: np.ndarray[Any, Any]) -> None:
        self.image = image
        self.__array_interface__ = view.__array_interface__


def _read(path: Path, image_io: str, sha256: str) -> StoredImage:
    """Read with ITK into its own memory and look at that memory as (i, j, k), without a copy."""
    import SimpleITK as sitk  # noqa: N813 - its usual name

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    try:
        with silent_stderr():
            reader.ReadImageInformation()
            if reader.GetNumberOfComponents() != 1:
                refuse_voxel_type(np.dtype("V2"))
            refuse_dimensions(reader.GetSize())
            image = reader.Execute()
    except (RuntimeError, OverflowError) as error:
        raise InputError("The image cannot be read: it is truncated or damaged", DAMAGED_REMEDY) from error
    raw = np.asarray(_ItkMemory(image, sitk.GetArrayViewFromImage(image))).transpose(2, 1, 0)
    refuse_voxel_type(raw.dtype)
    affine = np.eye(4)
    affine[:3, :3] = _RAS_FROM_LPS @ np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = _RAS_FROM_LPS @ image.GetOrigin()
    return StoredImage(raw, 1.0, 0.0, affine, "nrrd" if image_io == "NrrdImageIO" else "metaimage", sha256)
