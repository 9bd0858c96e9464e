"""A zip archive of DICOM files, read in place: nothing is unpacked to disk, no name in it becomes a path.

What an archive says of itself is held against limits before anything is inflated: the size of its directory,
how many files it holds, how large each is, and how much larger all are than the archive.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from SarcopeniaAssessLib.dicom_files import HEAD_BYTES, begins_like_dicom, damaged
from SarcopeniaAssessLib.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

MOST_FILES = 250_000
LARGEST_DIRECTORY_BYTES = 32 << 20
LARGEST_MEMBER_BYTES = 2 << 30
LARGEST_RATIO = 100
"""A CT with its noise shrinks to about half (Testing/benchmarks/dicom_speed.py)."""
_SMALL_BYTES = 64 << 20
"""So much may come out of any archive: a few blank pictures shrink a thousandfold."""
_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_ENCRYPTED = 0x1
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""zipfile inflates the others (bzip2, LZMA) without a limit: gigabytes from a kilobyte, in one step."""
_REMEDY = "unpack it yourself and give the folder"
_BREACHES = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, struct.error)
"""What zipfile raises on damage."""


@dataclass(frozen=True)
class ZipMember:
    """A file inside an archive (a `DicomFile`)."""

    number: int
    _archive: zipfile.ZipFile = field(repr=False)

    def open_raw(self) -> io.RawIOBase:
        """Its bytes, inflated as they are read."""
        try:
            return _MemberStream(self._archive.open(self._archive.infolist()[self.number]))
        except _BREACHES as error:
            raise damaged() from error


class _MemberStream(io.RawIOBase):
    """A member's bytes; damage is an `OSError`, as of any file."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._member.read(len(buffer))
        except _BREACHES as error:
            raise damaged() from error
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return self._member.seek(offset, whence)
        except _BREACHES as error:
            raise damaged() from error

    def tell(self) -> int:
        return self._member.tell()

    def close(self) -> None:
        self._member.close()
        super().close()


class _ArchiveFile(io.FileIO):
    """The archive; a long directory is not read, which zipfile would do at once."""

    longest: int | None = LARGEST_DIRECTORY_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        if self.longest is not None and (size or 0) > self.longest:
            raise InputError("The zip archive lists more files than a scan can have", _REMEDY)
        return super().read(-1 if size is None else size)

    def __del__(self) -> None:
        self.close()  # open as long as a frame may be asked for


def is_zip(first: bytes) -> bool:
    """Whether a file that begins so is a zip archive."""
    return first.startswith(_SIGNATURES) and first[128:HEAD_BYTES] != b"DICM"


def dicom_members(path: Path) -> list[ZipMember]:
    """The files of an archive that begin as DICOM does, in its order.

    Raises
    ------
    InputError
        Damaged, protected by a password, packed in an unknown way, or larger inside than a scan can be.
    OSError
        The archive cannot be read.
    """
    stored = _ArchiveFile(path)
    try:
        archive = zipfile.ZipFile(stored)
    except NotImplementedError as error:  # of a later version of the format
        raise _unknown_packing() from error
    except _BREACHES as error:
        raise _broken() from error
    stored.longest = None
    infos = archive.infolist()
    _refuse_bomb(infos, path.stat().st_size)
    if any(info.flag_bits & _ENCRYPTED for info in infos):
        raise InputError("The zip archive is protected by a password", _REMEDY)
    if any(info.compress_type not in _PACKINGS for info in infos):
        raise _unknown_packing()
    members = [
        ZipMember(number, archive)
        for number, info in enumerate(infos)
        if not info.is_dir() and info.file_size > HEAD_BYTES
    ]
    found = [member for member in members if _may_be_dicom(member)]
    if not found:
        raise InputError("The zip archive holds no DICOM files", "give an archive of the CT's DICOM files")
    return found


def _may_be_dicom(member: ZipMember) -> bool:
    """Whether a member begins as DICOM does; a damaged one may, and is told of where it is read."""
    try:
        with member.open_raw() as stream:
            return begins_like_dicom(io.BufferedReader(stream, HEAD_BYTES).read(HEAD_BYTES))
    except OSError:
        return True


def _broken() -> InputError:
    return InputError("The zip archive is damaged or incomplete", "copy or download it again")


def _unknown_packing() -> InputError:
    return InputError("The zip archive is packed in a way that cannot be read", _REMEDY)


def _refuse_bomb(infos: list[zipfile.ZipInfo], size: int) -> None:
    """Judge by the sizes that the directory gives: no member yields more bytes than it gives there."""
    total = sum(info.file_size for info in infos)
    if (
        len(infos) > MOST_FILES
        or any(info.file_size > LARGEST_MEMBER_BYTES for info in infos)
        or total > max(_SMALL_BYTES, LARGEST_RATIO * size)
    ):
        raise InputError(
            f"The zip archive unpacks to {total / (1 << 20):.0f} MB from {size / (1 << 20):.1f} MB "
            f"(files: {len(infos)}), which no scan does",
            "check where it comes from; unpack it yourself if you trust it",
        )
