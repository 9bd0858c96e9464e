"""One DICOM file, wherever it lies, as a stream that gives no more than a CT needs.

A header announces lengths that need not be true, and a data set may be deflated (PS3.5 A.5): what is read at
once and what is inflated has a limit here, so that no file of a few bytes can fill the memory.
"""

from __future__ import annotations

import errno
import hashlib
import io
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 132
LONGEST_READ_BYTES = 512 << 20
"""Of one value: a frame of 4096 × 4096 pixels of 32 bits has an eighth of it."""
LONGEST_HEADER_BYTES = 64 << 20
"""The groups of 2,000 frames of an enhanced CT take about a tenth of it."""
LONGEST_INFLATED_BYTES = 512 << 20
_META_BYTES = 16 << 10
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_EXPLICIT = b"1.2.840.10008.1.2.1"
_LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}


class DicomFile(Protocol):
    """A file of a folder, or a member of an archive."""

    def open_raw(self) -> io.RawIOBase:
        """Its bytes as they are stored, seekable; closing it ends the reading.

        Raises
        ------
        OSError
            It cannot be read; also later, by whatever reads the stream.
        """
        ...


@dataclass(frozen=True)
class FileOnDisk:
    """A file that has a path (a `DicomFile`)."""

    path: Path

    def open_raw(self) -> io.RawIOBase:
        """The file, unbuffered."""
        return cast("io.RawIOBase", self.path.open("rb", buffering=0))


class LimitedStream(io.BufferedReader):
    """A stream that refuses to read absurd lengths, and more than `limit` bytes in all.

    Raises
    ------
    OSError
        On reading more.
    """

    name = ""
    """No data set learns where its file lies."""

    def __init__(self, raw: io.RawIOBase, limit: int | None = None) -> None:
        super().__init__(raw, _META_BYTES)
        self._left = limit

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes; all that is left, where that is not too much."""
        wanted = LONGEST_READ_BYTES + 1 if size is None or size < 0 else size
        if size is not None and size > LONGEST_READ_BYTES:
            raise damaged()
        data = super().read(wanted)
        if len(data) > LONGEST_READ_BYTES:
            raise damaged()
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise damaged()
        return data


def open_header(file: DicomFile) -> LimitedStream:
    """A stream for reading the header, inflated if the data set is deflated.

    Raises
    ------
    OSError
        It cannot be read.
    """
    return _open(file, LONGEST_HEADER_BYTES)


def open_pixels(file: DicomFile) -> LimitedStream:
    """A stream for decoding frames, inflated if the data set is deflated; else as `open_header`."""
    return _open(file, None)


def sha256_of_file(file: DicomFile) -> str:
    """SHA-256 (hex) of a file's bytes as stored, the same in a folder and in an archive."""
    digest = hashlib.sha256()
    with file.open_raw() as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def begins_like_dicom(first: bytes) -> bool:
    """Whether bytes begin as DICOM does: `DICM` after 128, or group 2 or 8 without a preamble."""
    if first[128:HEAD_BYTES] == b"DICM":
        return True
    if len(first) <= 16:
        return False
    if first[:2] in (b"\x02\0", b"\x08\0") and first[3] == 0:
        return True
    # Big-endian data without a preamble; the value representation tells them from other bytes.
    return first[:2] == b"\0\x08" and first[4:6].isalpha() and first[4:6].isupper()


def damaged() -> OSError:
    """The error of a stream that is not what it says."""
    return OSError(errno.EIO, "the data are damaged")


def _open(file: DicomFile, limit: int | None) -> LimitedStream:
    raw = file.open_raw()
    try:
        stream = LimitedStream(raw, limit)
        meta_end = _deflated_from(stream.read(_META_BYTES))
        stream.seek(0)
        if meta_end is None:
            return stream
        with stream:
            return LimitedStream(_Memory(_inflated(stream, meta_end)), limit)
    except BaseException:
        raw.close()
        raise


class _Memory(io.RawIOBase):
    """Bytes in memory as an unbuffered stream."""

    def __init__(self, data: bytes) -> None:
        self._bytes = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._bytes.readinto(buffer)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._bytes.seek(offset, whence)


def _deflated_from(head: bytes) -> int | None:
    """Where the deflated data set begins; `None` if the transfer syntax is another."""
    start = HEAD_BYTES if head[128:HEAD_BYTES] == b"DICM" else 0
    deflated, at = False, start
    while head[at : at + 2] == b"\x02\0":  # the file meta group is always explicit little-endian
        if len(head) < at + 12:
            raise damaged()
        element, vr, short = struct.unpack_from("<H2sH", head, at + 2)
        value_at = at + (12 if vr in _LONG_VRS else 8)
        length = struct.unpack_from("<L", head, at + 8)[0] if vr in _LONG_VRS else short
        if element == 0x0010:
            deflated = head[value_at : value_at + length].strip(b"\0 ") == _DEFLATED
        at = value_at + length
        if at > len(head):  # a group that long could hide a second transfer syntax
            raise damaged()
    return at if deflated else None


def _inflated(stream: io.BufferedReader, meta_end: int) -> bytes:
    """The file as if it had never been deflated."""
    meta = stream.read(meta_end).replace(_DEFLATED, _EXPLICIT + bytes(len(_DEFLATED) - len(_EXPLICIT)))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(stream.read(LONGEST_READ_BYTES), LONGEST_INFLATED_BYTES)
    except zlib.error as error:
        raise damaged() from error
    if inflater.unconsumed_tail:
        raise damaged()
    return meta + data
