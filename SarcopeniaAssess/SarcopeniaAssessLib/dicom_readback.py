"""Segmentation and report read back from their files, as far as they can be held against a record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.dicom_attributes import DAMAGED, breaches, quiet_pydicom
from SarcopeniaAssessLib.dicom_uids import read_dicom
from SarcopeniaAssessLib.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

_RAS_FROM_LPS = np.array([-1.0, -1.0, 1.0])
_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate")


@dataclass(frozen=True, eq=False)
class ReadSegmentation:
    """What a segmentation file says.

    Attributes
    ----------
    pixels:
        (columns, rows), bool: as native axes i, j of the mask on the CT's grid.
    ras_from_ij:
        (3, 3): RAS mm of a column step, of a row step, and of the first pixel's centre.
    uid, tracking_uid, algorithm_type, about:
        SOP Instance UID; the segment's; AUTOMATIC …; patient and study.
    """

    pixels: NDArray[np.bool_]
    ras_from_ij: NDArray[np.float64]
    uid: str
    tracking_uid: str
    algorithm_type: str
    about: tuple[str, ...]


@dataclass(frozen=True)
class ReadReport:
    """What a report file says.

    Attributes
    ----------
    numbers, evaluations:
        Values by the code of their name; codes by the code of theirs.
    texts:
        Code of the name and sentence, in order.
    tracking_uid, segmentation_uid, is_verified, about:
        Of the measurement group; of the segmentation it refers to; VERIFIED; patient and study.
    """

    numbers: Mapping[str, float]
    evaluations: Mapping[str, str]
    texts: tuple[tuple[str, str], ...]
    tracking_uid: str
    segmentation_uid: str
    is_verified: bool
    about: tuple[str, ...]


def read_segmentation(content: bytes) -> ReadSegmentation:
    """What a segmentation of this program says.

    Raises
    ------
    InputError
        It is none, or it is damaged.
    """
    read = read_dicom(content)
    with quiet_pydicom():
        try:
            (frame,), (shared,) = read.PerFrameFunctionalGroupsSequence, read.SharedFunctionalGroupsSequence
            (segment,) = read.SegmentSequence
            directions = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3))
            between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
            origin = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
            lps = np.stack([directions[0] * between_columns, directions[1] * between_rows, origin])
            return ReadSegmentation(
                pixels=np.reshape(read.pixel_array, (read.Rows, read.Columns)).T != 0,
                ras_from_ij=lps.astype(float) * _RAS_FROM_LPS,
                uid=str(read.SOPInstanceUID),
                tracking_uid=str(segment.TrackingUID),
                algorithm_type=str(segment.SegmentAlgorithmType),
                about=_about(read),
            )
        except breaches() as error:
            raise InputError(
                f"It is a {DAMAGED}, or no segmentation of this program", "assess the CT again"
            ) from error


def read_report(content: bytes) -> ReadReport:
    """What a report of this program says; errors as `read_segmentation`."""
    read = read_dicom(content)
    with quiet_pydicom():
        try:
            (group,) = (
                item for item in _items(read) if item.ValueType == "CONTAINER" and _name(item) == "125007"
            )
            inside = list(group.ContentSequence)
            (segmentation,) = (item for item in inside if _name(item) == "121191" or _name(item) == "121214")
            (tracking,) = (item for item in inside if item.ValueType == "UIDREF")
            return ReadReport(
                numbers={_name(item): _number(item) for item in inside if item.ValueType == "NUM"},
                evaluations={
                    _name(item): str(item.ConceptCodeSequence[0].CodeValue)
                    for item in inside
                    if item.ValueType == "CODE"
                },
                texts=tuple(
                    (_name(item), str(item.TextValue)) for item in inside if item.ValueType == "TEXT"
                ),
                tracking_uid=str(tracking.UID),
                segmentation_uid=str(segmentation.ReferencedSOPSequence[0].ReferencedSOPInstanceUID),
                is_verified=read.VerificationFlag == "VERIFIED",
                about=_about(read),
            )
        except breaches() as error:
            raise InputError(
                f"It is a {DAMAGED}, or no report of this program", "assess the CT again"
            ) from error


def _items(container: Dataset) -> Iterator[Any]:
    for item in container.ContentSequence:
        yield item
        if "ContentSequence" in item:
            yield from _items(item)


def _name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def _number(item: Dataset) -> float:
    measured = item.MeasuredValueSequence[0]
    return float(measured.get("FloatingPointValue", measured.NumericValue))


def _about(read: Dataset) -> tuple[str, ...]:
    return tuple(str(read.get(name) or "") for name in _PATIENT)
