"""NRRD and MetaImage (`.nrrd`, `.nhdr`, `.mha`, `.mhd`), ITK's formats, read without ITK.

ITK fills in what a header leaves out (no space → its own axes, no spacing → 1 mm, no matrix → the identity),
on which no area may rest, and some damaged headers end its process. Here a header that does not say is
refused, and so is what two readers could understand differently: a field twice, a file of voxels elsewhere.
Both formats have LPS as their world, NRRD also others; it becomes RAS here.
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
    refuse_voxel_type,
    room_for_voxels,
    sha256_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

NRRD_MAGIC = b"NRRD"
_HEADER_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 20
_PADDING_BYTES = 1 << 20
_DATA_FIELD = "ElementDataFile"
_GEOMETRY_REMEDY = "export the CT again with its position, orientation and spacing"
_ZLIB_OR_GZIP = 47
_LPS = (-1.0, -1.0, 1.0)
_PATIENT_SPACES = {
    "right-anterior-superior": (1.0, 1.0, 1.0),
    "ras": (1.0, 1.0, 1.0),
    "left-anterior-superior": (-1.0, 1.0, 1.0),
    "las": (-1.0, 1.0, 1.0),
    "left-posterior-superior": _LPS,
    "lps": _LPS,
}
"""NRRD's spaces and the signs that make them RAS."""
_NRRD_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
_META_TYPES = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4",
    "ULONG": "u4", "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip


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
        Damaged, truncated, not 3-D, several values a voxel, or packed in an unusual way.
    GeometryError
        No `space` of the patient or no `space directions`: feet could be head.
    """
    header = _parse(path, separator=":", last="")
    fields = header.fields
    sides = header.sides("sizes")
    signs = _PATIENT_SPACES.get(fields.get("space", "").lower())
    if signs is None:
        raise GeometryError(
            "The NRRD header does not say how its axes lie in the patient (space)", _GEOMETRY_REMEDY
        )
    directions = header.numbers("space directions")
    if len(directions) != 9 or not np.isfinite(directions).all():
        raise GeometryError(
            "The NRRD header gives no direction of every axis (space directions)", _GEOMETRY_REMEDY
        )
    affine = _affine(np.array(directions).reshape(3, 3), header.numbers("space origin"), signs)
    data = _data_file(path, fields.get("data file", fields.get("datafile", "")))
    encoding = fields.get("encoding", "").lower()
    skipped = {fields.get(f"{unit}{gap}skip", "0") for unit in ("line", "byte") for gap in (" ", "")}
    if encoding not in ("raw", "gzip", "gz") or skipped != {"0"}:
        raise InputError("The voxels are stored in an unusual way", "save the image as raw or gzip")
    order = {"little": "<", "big": ">", "": "|"}.get(fields.get("endian", "").lower(), "")
    wanted = " ".join(fields.get("type", "").lower().split())
    code = next((code for code, names in _NRRD_TYPES.items() if wanted in names.split(", ")), "")
    place = _Voxels(data, header.size if data == path else 0, sides, _voxel_type(code, order))
    raw = place.mapped() if encoding == "raw" else place.inflated()
    return StoredImage(raw, 1.0, 0.0, affine, "nrrd", sha256_of({path, data}))


def read_metaimage(path: Path) -> StoredImage:
    """Read a MetaImage, attached (`.mha`) or with its data beside it (`.mhd`).

    Raises
    ------
    InputError
        Damaged, truncated, not 3-D, several values a voxel, or stored in an unusual way.
    GeometryError
        No spacing or no orientation.
    """
    header = _parse(path, separator="=", last=_DATA_FIELD)
    fields = header.fields
    sides = header.sides("dimsize")
    spacing = header.numbers("elementspacing") or header.numbers("elementsize")
    if len(spacing) != 3:
        raise GeometryError("The MetaImage header gives no spacing (ElementSpacing)", _GEOMETRY_REMEDY)
    if not all(0 < each < math.inf for each in spacing):
        given = " × ".join(f"{s:g}" for s in spacing)
        raise GeometryError(f"The header gives a spacing of {given} mm", _GEOMETRY_REMEDY)
    matrix = next((m for n in ("transformmatrix", "orientation", "rotation") if (m := header.numbers(n))), [])
    if len(matrix) != 9:
        raise GeometryError("The MetaImage header gives no orientation (TransformMatrix)", _GEOMETRY_REMEDY)
    origin = next((m for n in ("offset", "position", "origin") if (m := header.numbers(n))), [])
    affine = _affine(np.array(matrix).reshape(3, 3) * np.array(spacing)[:, None], origin, _LPS)
    _refuse_unusual_metaimage(fields)
    data = _data_file(path, fields[_DATA_FIELD.lower()])
    is_big = "true" in {fields.get(f"{name}byteordermsb", "").lower() for name in ("element", "binarydata")}
    code = _META_TYPES.get(fields.get("elementtype", "").upper().removeprefix("MET_"), "")
    place = _Voxels(
        data, header.size if data == path else 0, sides, _voxel_type(code, ">" if is_big else "<")
    )
    is_packed = fields.get("compresseddata", "false").lower() in ("true", "1")
    raw = place.inflated() if is_packed else place.mapped()
    return StoredImage(raw, 1.0, 0.0, affine, "metaimage", sha256_of({path, data}))


def _refuse_unusual_metaimage(fields: dict[str, str]) -> None:
    """Refuse what would give the bytes another meaning: text, other dimensions, scaling, a header to skip."""
    if fields.get("elementnumberofchannels", "1") != "1":
        refuse_voxel_type(np.dtype("V2"))
    usual = {
        "ndims": ("3",),
        "binarydata": ("true", "1"),
        "headersize": ("", "0"),
        "elementtointensityfunctionslope": ("", "1"),
        "elementtointensityfunctionoffset": ("", "0"),
    }
    if any(fields.get(name, values[0]).lower() not in values for name, values in usual.items()):
        raise InputError("The voxels are stored in an unusual way", "save the image again, e.g. as .nii.gz")


def _affine(vectors: NDArray[np.float64], origin: list[float], signs: Iterable[float]) -> NDArray[np.float64]:
    """RAS from indices, of what a step along each axis is (rows) and where the first voxel lies (mm)."""
    lengths = np.linalg.norm(vectors, axis=1)
    has_length = bool(np.isfinite(lengths).all() and (lengths > 0).all())
    if not has_length or abs(np.linalg.det(vectors)) < 0.1 * lengths.prod():
        raise GeometryError("The image's axes lie in one plane or have no length", _GEOMETRY_REMEDY)
    if len(origin) not in (0, 3) or not np.isfinite(origin).all():
        raise GeometryError("The image's origin is no place", _GEOMETRY_REMEDY)
    affine = np.eye(4)
    affine[:3, :3] = vectors.T
    affine[:3, 3] = origin or 0.0
    return np.diag([*signs, 1.0]) @ affine


def _voxel_type(code: str, order: str) -> np.dtype[Any]:
    """The type of voxels, refused if the header's is unknown or its byte order is not said."""
    if not code or not order or (order == "|" and code[1] != "1"):
        raise InputError("The header's type of voxels is unknown", "save the CT as signed 16-bit integers")
    return np.dtype(order + code)


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
            ended = name == last and bool(found)
            break
    if not ended:
        raise InputError("The header is cut off before it says where the voxels are", DAMAGED_REMEDY)
    return _Header(fields, size)


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


@dataclass(frozen=True)
class _Voxels:
    """Where the voxels lie: file, first byte, sides, type."""

    file: Path
    begin: int
    sides: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes that they take."""
        return math.prod(self.sides) * self.dtype.itemsize

    def mapped(self) -> NDArray[Any]:
        """As (i, j, k), read when they are looked at."""
        if self.file.stat().st_size < self.begin + self.size:
            raise InputError("The file is truncated", DAMAGED_REMEDY)
        return np.memmap(self.file, self.dtype, "r", self.begin, self.sides, order="F")

    def inflated(self) -> NDArray[Any]:
        """As (i, j, k), inflated, the checksum verified."""
        voxels = room_for_voxels(self.file.stat().st_size, self.size)
        filled, inflater = 0, zlib.decompressobj(wbits=_ZLIB_OR_GZIP)
        with self.file.open("rb") as stream:
            stream.seek(self.begin)
            try:
                while not inflater.eof and (chunk := inflater.unconsumed_tail or stream.read(_BLOCK_BYTES)):
                    block = np.frombuffer(inflater.decompress(chunk, _BLOCK_BYTES), np.uint8)
                    part = block[: max(0, self.size - filled)]
                    voxels[filled : filled + len(part)] = part
                    filled += len(block)
                    if filled > self.size + _PADDING_BYTES:
                        problem = "The compressed file goes on after the image's last voxel"
                        raise InputError(problem, DAMAGED_REMEDY)
            except zlib.error as error:
                raise InputError("The compressed file is damaged", DAMAGED_REMEDY) from error
        if not inflater.eof or filled < self.size:
            raise InputError("The file is truncated", DAMAGED_REMEDY)
        voxels.flags.writeable = False
        return voxels.view(self.dtype).reshape(self.sides, order="F")
