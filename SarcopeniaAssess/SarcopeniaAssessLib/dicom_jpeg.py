"""JPEG and JPEG-LS of CT, lossless and lossy, decoded by SimpleITK's GDCM: a decoder plug-in of pydicom.

Lossless JPEG is what archives store CT in, and pydicom's own free plug-ins decode no 12 or 16 bits of it.
SimpleITK is needed here anyway and decodes them all, the same on every computer (docs/adr/0020). It reads
files only, so a frame passes through a temporary one that holds its picture and nothing of the patient.
"""

from __future__ import annotations

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
