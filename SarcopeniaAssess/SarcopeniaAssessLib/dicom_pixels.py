"""Pixels of DICOM frames → Hounsfield units; a frame is decoded when it is asked for and not before."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.dicom_attributes import breaches, numbers, quiet_pydicom, value, whole
from SarcopeniaAssessLib.dicom_files import open_pixels
from SarcopeniaAssessLib.dicom_jpeg import JPEG_SYNTAXES, LABEL, offer_jpeg
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.hounsfield import PADDING_HU
from SarcopeniaAssessLib.stored_image import DAMAGED_REMEDY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from SarcopeniaAssessLib.dicom_headers import Frame

_REMEMBERED_FRAMES = 24
"""Enough for a slab and its neighbours, so that measuring after segmenting decodes nothing again."""
_JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
_DECODERS = {
    "1.2.840.10008.1.2.5": "pydicom",  # RLE; pylibjpeg's ends the process over damaged data
    **dict.fromkeys(JPEG_SYNTAXES, LABEL),
    **dict.fromkeys(_JPEG_2000, "pylibjpeg"),
}
"""One decoder a syntax, whatever else is installed: the same pixels on every computer."""
_AIR_LIKE_HU = -900
"""Padding that would read as tissue is believed only where it reaches the picture's border."""


class DicomSource:
    """Frames of one series as the voxels of a volume: i = column, j = row, k = frame (a `VoxelSource`)."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = tuple(frames)
        header = frames[0].header
        self._shape = (whole(header, "Columns") or 0, whole(header, "Rows") or 0, len(frames))
        self._dtype = _hu_dtype(frames)
        self._decoded = lru_cache(_REMEMBERED_FRAMES)(self._decode)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows, frames."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """int16 or int32 where every slope and intercept is whole, float32 otherwise."""
        return self._dtype

    def frame(self, k: int) -> Frame:
        """The picture at native position k: its file, its header, its place."""
        return self._frames[k]

    def read(self, axis: int, start: int, stop: int) -> NDArray[Any]:
        """HU of positions start…stop−1 along `axis`; along axis 2 only those frames are decoded."""
        first, last = (start, stop) if axis == 2 else (0, self._shape[2])
        hu = np.stack([self._decoded(k) for k in range(first, last)], axis=-1)
        return hu if axis == 2 else hu[(slice(None),) * axis + (slice(start, stop),)]

    def _decode(self, k: int) -> NDArray[Any]:
        frame = self._frames[k]
        stored, padding = stored_pixels(frame)
        if stored.shape != self._shape[1::-1]:
            raise InputError("A DICOM file does not hold the pixels its header announces", DAMAGED_REMEDY)
        hu = _hounsfield(stored, frame, self._dtype)
        if (hu[padding] > _AIR_LIKE_HU).any():
            padding = _reaches_border(padding) | (padding & (hu <= _AIR_LIKE_HU))
        hu[padding] = PADDING_HU
        hu = hu.T
        hu.flags.writeable = False
        return hu


def stored_pixels(frame: Frame) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Stored numbers of a frame, (rows, columns), and where they are padding (PS3.3 C.7.5.1.1.2).

    Raises
    ------
    InputError
        The file is truncated or damaged, or a plug-in is missing (named).
    """
    with quiet_pydicom():
        syntax = value(getattr(frame.header, "file_meta", None), "TransferSyntaxUID")
        try:
            encapsulated = syntax is not None and bool(syntax.is_encapsulated)
        except (ValueError, AttributeError):  # no transfer syntax of the standard's, or several
            encapsulated = True
        # Uncompressed pixels are wanted with their unused bits, which may hold a padding value's sign.
        options = {"decoding_plugin": _decoder(syntax)} if encapsulated else {"correct_unused_bits": False}
        try:
            stored = _pixel_array(frame, options)
        except RuntimeError as error:
            raise InputError("A DICOM file's compressed pixels are damaged", DAMAGED_REMEDY) from error
        except breaches() as error:
            raise InputError("A DICOM file's pixels are truncated or damaged", DAMAGED_REMEDY) from error
        used = stored if encapsulated else _used_bits(stored, frame)
        return used, _is_padding(stored, frame) | _is_padding(used, frame)


def is_decoded(syntax: str) -> bool:
    """Whether frames compressed in a transfer syntax can be decoded here."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    offer_jpeg()
    return syntax in _DECODERS and _DECODERS[syntax] in get_decoder(UID(syntax)).available_plugins


def _pixel_array(frame: Frame, options: dict[str, Any]) -> NDArray[Any]:
    """One decoded frame; a file without its meta header is read through its dataset."""
    from pydicom import dcmread
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

    index = frame.index if whole(frame.header, "NumberOfFrames") is not None else None
    with open_pixels(frame.file) as stream:
        if value(getattr(frame.header, "file_meta", None), "TransferSyntaxUID") is not None:
            return pixel_array(stream, index=index, **options)
        dataset = dcmread(stream, force=True)
    _, little_endian = dataset.original_encoding
    syntax = ExplicitVRBigEndian if little_endian is False else ImplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = syntax
    return pixel_array(dataset, index=index, **options)


def _decoder(syntax: Any) -> str:
    """The name of the decoder, as pydicom knows it.

    Raises
    ------
    InputError
        There is none for this syntax, or it is not installed (then it is named).
    """
    if (name := _DECODERS.get(str(syntax))) is None:
        raise InputError(
            "The DICOM pixels are compressed in an unknown way", "export the series uncompressed"
        )
    if not is_decoded(str(syntax)):
        raise InputError(
            "The DICOM pixels are JPEG 2000, for which no decompressor is installed",
            "install pylibjpeg-openjpeg (pip install pylibjpeg pylibjpeg-openjpeg), or export the series "
            "uncompressed",
        )
    return name


def _used_bits(stored: NDArray[Any], frame: Frame) -> NDArray[Any]:
    """Drop the bits above BitsStored (old overlays lie there) and extend the sign."""
    allocated = 8 * stored.dtype.itemsize
    used = whole(frame.header, "BitsStored") or allocated
    if not 0 < used < allocated:
        return stored
    shift = stored.dtype.type(allocated - used)
    used_bits: NDArray[Any] = (stored << shift) >> shift
    return used_bits


def _is_padding(stored: NDArray[Any], frame: Frame) -> NDArray[np.bool_]:
    """Where stored numbers equal the padding value, or lie between it and its range limit."""
    bounds = [
        _as_stored(int(found[0]), stored.dtype)
        for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")
        if (found := numbers(frame.header, name, 1)) is not None
    ]
    if not bounds or value(frame.header, "PixelPaddingValue") is None:
        return np.zeros(stored.shape, dtype=np.bool_)
    padding: NDArray[np.bool_] = (stored >= min(bounds)) & (stored <= max(bounds))
    return padding


def _as_stored(number: int, dtype: np.dtype[Any]) -> int:
    """A padding value in the pixels' own type: 63536 over signed 16-bit pixels is −2000."""
    bits = 8 * dtype.itemsize
    number %= 1 << bits
    return number - (1 << bits) if dtype.kind == "i" and number >= 1 << (bits - 1) else number


def _reaches_border(padding: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of a padding mask that touch the picture's border."""
    from scipy.ndimage import label

    parts, _ = label(padding)
    border = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    outside: NDArray[np.bool_] = np.isin(parts, border[border > 0])
    return outside


def _hu_dtype(frames: Sequence[Frame]) -> np.dtype[Any]:
    if not all(f.slope.is_integer() and f.intercept.is_integer() for f in frames):
        return np.dtype(np.float32)
    for frame in frames:
        bits = whole(frame.header, "BitsStored") or 16
        signed = whole(frame.header, "PixelRepresentation") == 1
        stored = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        ends = [s * frame.slope + frame.intercept for s in stored]
        if min(ends) < np.iinfo(np.int16).min or max(ends) > np.iinfo(np.int16).max:
            return np.dtype(np.int32)
    return np.dtype(np.int16)


def _hounsfield(stored: NDArray[Any], frame: Frame, dtype: np.dtype[Any]) -> NDArray[Any]:
    """HU of stored numbers; whole slopes and intercepts in whole arithmetic, nothing rounded."""
    exact = np.float64 if dtype.kind == "f" else np.int64
    return (stored.astype(exact) * exact(frame.slope) + exact(frame.intercept)).astype(dtype)
