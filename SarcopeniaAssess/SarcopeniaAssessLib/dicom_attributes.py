"""DICOM files found and their headers read, whatever breaks the standard in them.

The one place that asks pydicom for attributes: what is absent, empty or malformed is `None` here, and
pydicom's remarks (which quote UIDs and names) do not reach the user.
"""

from __future__ import annotations

import logging
import os
import struct
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.dicom_files import HEAD_BYTES, DicomFile, begins_like_dicom, open_header
from SarcopeniaAssessLib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

DICOM_REMEDY = "install the `dicom` extra: pip install 'sarcopenia-assess[dicom]'"
DAMAGED = "damaged DICOM file"

CONVERTED = ("UnassignedPerFrameConvertedAttributesSequence", "UnassignedSharedConvertedAttributesSequence")
"""Where a legacy converted enhanced image keeps what has no place in the groups (PS3.3 C.7.6.25)."""

_SILENCE = logging.NullHandler()
_TAGS = [
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "ImageType",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "SeriesNumber",
    "InstanceNumber",
    "AcquisitionNumber",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "ContentTime",
    "SeriesTime",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "NominalPercentageOfCardiacPhase",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "LossyImageCompression",
    "SliceThickness",
    "SpacingBetweenSlices",
    "KVP",
    "ConvolutionKernel",
    "ContrastBolusAgent",
    "ContrastBolusAgentSequence",
    "PatientPosition",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]


class LeftOut(Exception):  # noqa: N818 - a verdict, not an error
    """A file or frame that is no measurable CT picture; `str` says what it is."""


def find_files(folder: Path) -> Iterator[Path]:
    """Regular files of a folder and those below it, in a fixed order, DICOMDIR left out."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent) / name
            if name.upper() != "DICOMDIR" and path.is_file():
                yield path


def looks_like_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does: `DICM` after 128 bytes, or group 2 or 8 without a preamble."""
    try:
        with path.open("rb") as stream:
            return begins_like_dicom(stream.read(HEAD_BYTES))
    except OSError:
        return False


def quiet_pydicom() -> warnings.catch_warnings[None]:
    """Context in which pydicom's remarks on imperfect headers do not reach standard error."""
    for name in ("pydicom", "openjpeg"):
        logging.getLogger(name).addHandler(_SILENCE)  # one, however often: a logger keeps each new one
    return warnings.catch_warnings(action="ignore")


def read_header(file: DicomFile) -> Dataset:
    """Header of a DICOM file, only what is used here, without pixels.

    Raises
    ------
    LeftOut
        If the file is damaged.
    InputError
        If pydicom is not installed.
    """
    try:
        from pydicom import dcmread
    except ModuleNotFoundError as error:
        raise InputError("Reading DICOM needs pydicom", DICOM_REMEDY) from error
    try:
        with open_header(file) as stream:
            return dcmread(stream, stop_before_pixels=True, specific_tags=list(_TAGS), force=True)
    except breaches() as error:
        raise LeftOut(DAMAGED) from error


@cache
def breaches() -> tuple[type[Exception], ...]:
    """What pydicom raises on data that break the standard; its own two kinds derive from Exception."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    values = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, NotImplementedError)
    files = (EOFError, OSError, MemoryError, RecursionError, struct.error)
    return (*values, *files, BytesLengthException, InvalidDicomError)


def value(item: Dataset | None, name: str) -> Any:
    """An attribute's value; `None` if it is absent, empty or not of its type."""
    if item is None:
        return None
    try:
        found = item.get(name)
    except breaches():
        return None
    return None if found is None or found == "" or (hasattr(found, "__len__") and len(found) == 0) else found


def numbers(item: Dataset | None, name: str, count: int) -> tuple[float, ...] | None:
    """An attribute of `count` finite numbers; `None` if it is anything else."""
    found = value(item, name)
    if found is None:
        return None
    try:
        values = tuple(float(v) for v in (found if count > 1 else [found]))
    except breaches():
        return None
    return values if len(values) == count and np.isfinite(values).all() else None


def whole(item: Dataset | None, name: str) -> int | None:
    """An attribute that is one number, as an integer; `None` if it is anything else."""
    found = numbers(item, name, 1)
    return None if found is None else int(found[0])
