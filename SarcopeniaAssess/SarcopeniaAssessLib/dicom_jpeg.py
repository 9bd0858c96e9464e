"""JPEG and JPEG-LS of CT, lossless and lossy, decoded by SimpleITK's GDCM: a decoder plug-in of pydicom.

Lossless JPEG is what archives store CT in, and pydicom's own free plug-ins decode no 12 or 16 bits of it.
SimpleITK is needed here anyway and decodes them all, the same on every computer (docs/adr/0016). It reads
files only, so a frame passes through a temporary one that holds its picture and nothing of the patient.
The frame's own header (ISO 10918-1 B, 14495-1 C) is checked first: some damaged ones end GDCM's process.
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.stored_image import silent_stderr

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

LABEL = "simpleitk"
JPEG_SYNTAXES = (
    "1.2.840.10008.1.2.4.50",  # baseline, 8 bits
    "1.2.840.10008.1.2.4.51",  # extended, 8 or 12 bits
    "1.2.840.10008.1.2.4.57",  # lossless
    "1.2.840.10008.1.2.4.70",  # lossless, first-order prediction: the usual one
    "1.2.840.10008.1.2.4.80",  # JPEG-LS; pyjpegls may take a minute over a damaged picture
    "1.2.840.10008.1.2.4.81",  # JPEG-LS, near-lossless
)
DECODER_DEPENDENCIES = dict.fromkeys(JPEG_SYNTAXES, ("SimpleITK",))
"""What pydicom asks a plug-in for; SimpleITK is always there."""
_START, _TABLES, _SCAN, _PRESET = 0xD8, 0xC4, 0xDA, 0xF8
_FRAMES = {0xC0: (8,), 0xC1: (8, 12), 0xC3: tuple(range(2, 17)), 0xF7: tuple(range(2, 17))}
"""Baseline, extended, lossless, JPEG-LS: by their marker, and the bits that a sample may have."""
_PASSED_OVER = {0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}
"""Quantisation tables, restart interval, comment, applications' own."""
_ANY_UID = "2.25.1"
_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def is_available(uid: str) -> bool:
    """Whether this plug-in decodes a transfer syntax; asked by pydicom."""
    return uid in JPEG_SYNTAXES


def offer_jpeg() -> None:
    """Let pydicom know this plug-in; once is enough, more do no harm."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    for syntax in JPEG_SYNTAXES:
        decoder = get_decoder(UID(syntax))
        if LABEL not in decoder.available_plugins:
            decoder.add_plugin(LABEL, (__name__, "decode_frame"))


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """One frame's pixels, little-endian, of the data set's own type; called by pydicom.

    Raises
    ------
    RuntimeError
        The frame is damaged, or of another size than announced.
    """
    import SimpleITK as sitk  # noqa: N813 - its usual name

    _check_frame(src, runner)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    with tempfile.TemporaryDirectory(prefix="frame-") as folder:
        path = Path(folder) / "frame"
        _picture(src, runner).save_as(path, enforce_file_format=True)
        reader.SetFileName(str(path))
        with silent_stderr():
            image = reader.Execute()
    if image.GetSize()[:2] != (runner.columns, runner.rows) or image.GetNumberOfComponentsPerPixel() != 1:
        raise RuntimeError("the frame is not what its header announces")
    pixels = sitk.GetArrayViewFromImage(image).astype(
        f"<u{runner.bits_allocated // 8}"
    )  # a sign keeps its bits
    return np.ascontiguousarray(pixels).tobytes()


def _check_frame(src: bytes, runner: DecodeRunner) -> None:
    """Refuse a frame whose header is not one of such a picture, marker by marker up to its scan."""
    at, announced = 2, False
    if src[:2] != bytes((0xFF, _START)):
        raise RuntimeError("no JPEG")
    while True:
        if len(src) < at + 4 or src[at] != 0xFF:
            raise RuntimeError("a marker is missing")
        if src[at + 1] == 0xFF:  # markers may be padded
            at += 1
            continue
        marker, length = src[at + 1], int.from_bytes(src[at + 2 : at + 4])
        segment = src[at + 4 : at + 2 + length]
        if length < 2 or len(segment) != length - 2:
            raise RuntimeError("a segment is cut off")
        if marker in _FRAMES:
            if announced or not _is_this_picture(segment, _FRAMES[marker], runner):
                raise RuntimeError("the frame is not what its header announces")
            announced = True
        elif marker == _TABLES:
            _check_tables(segment)
        elif marker == _SCAN:
            if not announced or len(segment) != 6 or segment[0] != 1:
                raise RuntimeError("the scan is not that of the frame")
            return
        elif marker not in _PASSED_OVER and not (marker == _PRESET and len(segment) == 11):
            raise RuntimeError("an unknown marker")
        at += 2 + length


def _is_this_picture(segment: bytes, precisions: tuple[int, ...], runner: DecodeRunner) -> bool:
    if len(segment) != 9:  # of one component
        return False
    precision, rows, columns, components = struct.unpack_from(">BHHB", segment)
    return (
        precision in precisions
        and precision <= runner.bits_allocated
        and (rows, columns, components) == (runner.rows, runner.columns, 1)
    )


def _check_tables(segment: bytes) -> None:
    """Huffman tables: as many values as codes, and no more codes of a length than there can be."""
    at = 0
    while at < len(segment):
        counts = segment[at + 1 : at + 17]
        room = 1
        for count in counts:
            room = 2 * room - count
            if room < 0:
                raise RuntimeError("a table has too many codes")
        at += 17 + sum(counts)
        if len(counts) != 16 or sum(counts) > 256 or at > len(segment):
            raise RuntimeError("a table is cut off")


def _picture(src: bytes, runner: DecodeRunner) -> Any:
    """A CT image of one frame and nothing else."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    picture = Dataset()
    picture.file_meta = FileMetaDataset()
    picture.file_meta.TransferSyntaxUID = runner.transfer_syntax
    picture.file_meta.MediaStorageSOPClassUID = picture.SOPClassUID = UID(_CT_IMAGE)
    picture.file_meta.MediaStorageSOPInstanceUID = picture.SOPInstanceUID = UID(_ANY_UID)
    picture.Modality = "CT"
    picture.Rows, picture.Columns = runner.rows, runner.columns
    picture.SamplesPerPixel = runner.samples_per_pixel
    picture.PhotometricInterpretation = runner.photometric_interpretation
    picture.BitsAllocated, picture.BitsStored = runner.bits_allocated, runner.bits_stored
    picture.HighBit = runner.bits_stored - 1
    picture.PixelRepresentation = runner.pixel_representation
    picture.PixelData = encapsulate([src])
    return picture
