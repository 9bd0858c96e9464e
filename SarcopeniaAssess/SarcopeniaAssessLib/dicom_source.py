"""What SEG and SR take over from the CT: its UIDs, the slice's place, the patient where that is wanted.

A header of a hospital holds whatever a scanner, an archive or an export put there. Results are not built on
it but on a small data set that holds only what is wanted of it, checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.dicom_attributes import breaches, quiet_pydicom, value
from SarcopeniaAssessLib.dicom_facts import is_lossy
from SarcopeniaAssessLib.dicom_files import open_header
from SarcopeniaAssessLib.dicom_pixels import DicomSource
from SarcopeniaAssessLib.dicom_uids import fixed_uid
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.stored_image import DAMAGED_REMEDY

if TYPE_CHECKING:
    from pydicom import Dataset

    from SarcopeniaAssessLib.dicom_headers import Frame
    from SarcopeniaAssessLib.volume import CtVolume

UTF8 = "ISO_IR 192"
REMOVED = "Patient and study attributes blank; UIDs are those of the source"
_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_MULTI_FRAME = (f"{_CT_IMAGE}.1", f"{_CT_IMAGE}.2")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_PATIENT = {
    "PatientName": r".+",
    "PatientID": r".+",
    "PatientBirthDate": r"\d{8}",
    "PatientSex": r"[MFO]",
    "StudyDate": r"\d{8}",
    "StudyTime": r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?",
    "AccessionNumber": r".{1,16}",
    "StudyID": r".{1,16}",
    "ReferringPhysicianName": r".+",
}
"""Attributes that every result has, blank or filled (type 2), and the form that a value must have."""
_ONLY_WITH_IDENTITY = {
    "IssuerOfPatientID": r".{1,64}",
    "StudyDescription": r".{1,64}",
    "PatientAge": r"\d{3}[DWMY]",
    "PatientSize": r"(?=.{1,16}$)\d+(\.\d+)?",
    "PatientWeight": r"(?=.{1,16}$)\d+(\.\d+)?",
    "PatientIdentityRemoved": r"YES|NO",
    "DeidentificationMethod": r".{1,64}",
    "TimezoneOffsetFromUTC": r"[+-](0\d|1[0-4])[0-5]\d",
}


@dataclass(frozen=True, eq=False)
class SourceSlice:
    """The slice that was measured, as results refer to it.

    Attributes
    ----------
    image:
        A data set like a classic CT image's: UIDs, patient, study, the slice's place; without pixels.
    sop_class_uid:
        Of the file it lies in, which may be an enhanced multi-frame one.
    frame_number:
        From 1, in a multi-frame file; `None` in a classic one.
    keeps_identity:
        Whether `image` says who the patient is.
    """

    image: Dataset
    sop_class_uid: str
    frame_number: int | None
    keeps_identity: bool


def is_dicom(volume: CtVolume) -> bool:
    """Whether a CT was read from DICOM files here, so that results can refer to them."""
    return isinstance(volume.source, DicomSource)


def source_slice(volume: CtVolume, k: int, *, keep_identity: bool = False) -> SourceSlice:
    """What results need to know of canonical slice k of a CT from DICOM files.

    Parameters
    ----------
    keep_identity:
        Patient and study as the source says them; otherwise they are blank, and said to be.

    Raises
    ------
    InputError
        The file cannot be read any more, or has no UIDs to refer to.
    """
    if not isinstance(volume.source, DicomSource):
        raise InputError("The CT was not read from DICOM files", "open its DICOM series")
    frame = volume.source.frame(volume.axes.native_slice(k, volume.slice_count))
    header = _whole_header(frame)
    missing = [name for name in _UIDS if not _text(header, name)]
    if missing:
        raise InputError(
            f"The CT's header has no {' and no '.join(missing)}",
            "export the original series, with all of its header",
        )
    sop_class = _text(header, "SOPClassUID") or _CT_IMAGE
    return SourceSlice(
        image=_image(header, frame, volume, keep_identity=keep_identity),
        sop_class_uid=sop_class,
        frame_number=frame.index + 1 if sop_class in _MULTI_FRAME else None,
        keeps_identity=keep_identity,
    )


def _whole_header(frame: Frame) -> Dataset:
    from pydicom import dcmread

    with quiet_pydicom():
        try:
            with open_header(frame.file) as stream:
                return dcmread(stream, stop_before_pixels=True, force=True)
        except breaches() as error:
            raise InputError("A DICOM file cannot be read any more", DAMAGED_REMEDY) from error


def _image(header: Dataset, frame: Frame, volume: CtVolume, *, keep_identity: bool) -> Dataset:
    from pydicom import Dataset

    image = Dataset()
    image.SpecificCharacterSet = UTF8
    image.SOPClassUID = _CT_IMAGE  # a plain slice to highdicom; put right in the result
    image.Modality = "CT"
    for name in _UIDS:
        setattr(image, name, _text(header, name))
    # A CT without one is not allowed, and is met: its results share one that follows from its series.
    image.FrameOfReferenceUID = _text(header, "FrameOfReferenceUID") or fixed_uid(
        "frame of reference", image.SeriesInstanceUID
    )
    image.PositionReferenceIndicator = ""
    _add_place(image, frame, volume)
    if is_lossy(header):
        image.LossyImageCompression = "01"
        for name in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if (found := value(header, name)) is not None:
                setattr(image, name, found)
    _add_patient(image, header, keep_identity=keep_identity)
    return image


def _add_place(image: Dataset, frame: Frame, volume: CtVolume) -> None:
    from pydicom.valuerep import format_number_as_ds

    def decimals(numbers: Any) -> list[str]:
        return [format_number_as_ds(float(number) + 0.0) for number in numbers]

    columns, rows, _ = volume.shape
    image.Rows, image.Columns = rows, columns
    image.ImagePositionPatient = decimals(frame.position_mm)
    image.ImageOrientationPatient = decimals(frame.orientation)
    image.PixelSpacing = decimals(frame.pixel_spacing_mm)
    step_mm = float(np.linalg.norm(volume.ras_from_ijk[:3, 2]))
    image.SliceThickness = decimals([volume.input.slice_thickness_mm or step_mm])[0]
    image.SpacingBetweenSlices = decimals([step_mm])[0]


def _add_patient(image: Dataset, header: Dataset, *, keep_identity: bool) -> None:
    for name, form in _PATIENT.items():
        setattr(image, name, _text(header, name, form) if keep_identity else "")
    if not keep_identity:
        image.PatientIdentityRemoved = "YES"
        image.DeidentificationMethod = REMOVED
        return
    for name, form in _ONLY_WITH_IDENTITY.items():
        if found := _text(header, name, form):
            setattr(image, name, found)


def _text(header: Dataset, name: str, form: str = r".+") -> str:
    """An attribute as text, decoded; empty if it is absent, malformed or of another form."""
    with quiet_pydicom():
        try:
            text = str(value(header, name) or "").strip("\0 ")
        except breaches():
            return ""
    return text if re.fullmatch(form, text) else ""
