"""DICOM headers: which files are images of a CT, and where each of their frames lies.

A frame is one axial picture: a file of the classic CT storage class, or one frame of an enhanced
multi-frame file (PS3.3 A.38, C.7.6.16: its place and rescaling stand in functional groups). What is
not a measurable CT picture is left out with a reason. Positions here are still DICOM's LPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.dicom_attributes import (
    CONVERTED,
    DAMAGED,
    LeftOut,
    numbers,
    read_header,
    value,
    whole,
)
from SarcopeniaAssessLib.volume import MAX_TILT_DEG

if TYPE_CHECKING:
    from pydicom import Dataset

    from SarcopeniaAssessLib.dicom_files import DicomFile

NO_RESCALE = "CT without rescale slope and intercept"
NO_PLACE = "CT images without position, orientation or pixel spacing"

_CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_MODALITIES = {
    "MR": "MR",
    "PT": "PET",
    "NM": "nuclear medicine",
    "US": "ultrasound",
    "SEG": "segmentation",
    "RTSTRUCT": "structure set",
    "RTDOSE": "dose distribution",
    "RTPLAN": "treatment plan",
    "SR": "report",
    "PR": "presentation state",
    "REG": "registration",
    "OT": "secondary capture",
    "SC": "secondary capture",
    "DOC": "document",
    "CR": "radiograph",
    "DX": "radiograph",
}
_GREY = ("MONOCHROME2", "MONOCHROME1")
"""The only two that a CT may have; which of them it is concerns the display alone."""
_LONGEST_SIDE = 8192
"""Of a picture; scanners make 256 to 2048, and memory is taken for what a header says."""
_LOCALIZER_TYPES = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW"}
_PROJECTION_TYPES = {"MIP", "MINIP", "MAXIP", "VRT", "RENDERED", "PROJECTION IMAGE", "3D"}
_MAP_TYPES = {
    "PERFUSION",
    "EFF_ATOMIC_NUM",
    "ELECTRON_DENSITY",
    "MAT_FRACTION",
    "MAT_REMOVED",
    "MAT_VALUE_BASED",
}
_HU_RESCALE_TYPES = {"HU", "US", "UNSPECIFIED"}
"""US means unspecified, and scanners write it on HU too: then the values are judged."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One axial CT picture and how its stored numbers become Hounsfield units.

    Parameters
    ----------
    file, index:
        Where it lies and, of a multi-frame file, the frame's number from 0.
    header:
        The file's header, without pixels.
    position_mm, orientation, pixel_spacing_mm:
        LPS position of the first voxel's centre (3,); directions of a row's and a column's voxels (6,);
        distance between rows, between columns (in DICOM's order).
    slope, intercept:
        HU = stored × slope + intercept.
    image_type, passes:
        What tells apart pictures of one series: ImageType, and acquisition, phase or time.
    """

    file: DicomFile
    index: int
    header: Dataset
    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, ...]
    slope: float
    intercept: float
    image_type: tuple[str, ...]
    passes: dict[str, str]

    @cached_property
    def depth_mm(self) -> float:
        """Position along the normal (row × column direction)."""
        return sum(p * n for p, n in zip(self.position_mm, self.normal, strict=True))

    @property
    def normal(self) -> tuple[float, float, float]:
        """Row × column direction, LPS."""
        (a, b, c), (d, e, f) = self.orientation[:3], self.orientation[3:]
        return b * f - c * e, c * d - a * f, a * e - b * d

    @property
    def instance_number(self) -> int:
        """InstanceNumber, 0 if there is none."""
        return whole(self.header, "InstanceNumber") or 0


def frames_of(file: DicomFile) -> list[Frame]:
    """The CT pictures of a DICOM file.

    Raises
    ------
    LeftOut
        With the reason, if it holds none that can be measured.
    """
    header = read_header(file)
    _refuse_other_objects(header)
    per_frame = value(header, "PerFrameFunctionalGroupsSequence")
    if per_frame is None:
        if (whole(header, "NumberOfFrames") or 1) > 1:
            raise LeftOut("multi-frame image without the position of its frames")
        return [_frame(file, 0, header, _ClassicGroups(header))]
    shared = value(header, "SharedFunctionalGroupsSequence")
    return [
        _frame(file, index, header, _FunctionalGroups(header, frame, shared[0] if shared else None))
        for index, frame in enumerate(per_frame)
    ]


def _refuse_other_objects(header: Dataset) -> None:
    modality = str(value(header, "Modality") or "")
    if modality and modality != "CT":
        raise LeftOut(_MODALITIES.get(modality, "another modality"))
    meta = getattr(header, "file_meta", None)
    sop_class = str(value(header, "SOPClassUID") or value(meta, "MediaStorageSOPClassUID") or "")
    if sop_class.startswith(_SECONDARY_CAPTURE) or (value(header, "SamplesPerPixel") or 1) != 1:
        raise LeftOut("secondary capture")
    if not modality and not sop_class:
        raise LeftOut(DAMAGED)
    if sop_class and sop_class not in _CT_CLASSES:
        raise LeftOut("object that is no CT image")
    if str(value(header, "PhotometricInterpretation") or "MONOCHROME2") not in _GREY:
        raise LeftOut("secondary capture")
    allocated = whole(header, "BitsAllocated") or 16
    if allocated not in (8, 16, 32) or not 1 <= (whole(header, "BitsStored") or allocated) <= allocated:
        raise LeftOut(DAMAGED)
    sides = (whole(header, "Rows") or 0, whole(header, "Columns") or 0)
    if min(sides) < 1 or max(sides) > _LONGEST_SIDE:
        raise LeftOut(DAMAGED)


_PASSES = (
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "NominalPercentageOfCardiacPhase",
    "TriggerTime",
    "KVP",
    "ConvolutionKernel",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "SeriesTime",
    "ContentTime",
)


class _ClassicGroups:
    """Where a classic CT image keeps its attributes: all at the top."""

    def __init__(self, header: Dataset) -> None:
        self._header = header

    def __getitem__(self, sequence: str) -> Dataset | None:
        return self._header

    @property
    def image_type(self) -> Any:
        return value(self._header, "ImageType")

    def passes(self) -> dict[str, str]:
        return {name: str(v) for name in _PASSES if (v := value(self._header, name)) is not None}


class _FunctionalGroups:
    """Where an enhanced CT image keeps a frame's attributes: in its own group, else the shared one."""

    def __init__(self, header: Dataset, frame: Dataset, shared: Dataset | None) -> None:
        self._header, self._frame, self._shared = header, frame, shared

    def __getitem__(self, sequence: str) -> Dataset | None:
        for group in (self._frame, self._shared):
            if items := value(group, sequence):
                first: Dataset = items[0]
                return first
        return None

    @property
    def image_type(self) -> Any:
        return value(self["CTImageFrameTypeSequence"], "FrameType") or value(self._header, "ImageType")

    def passes(self) -> dict[str, str]:
        where = {
            "FrameAcquisitionNumber": "FrameContentSequence",
            "TemporalPositionIndex": "FrameContentSequence",
            "StackID": "FrameContentSequence",
            "NominalPercentageOfCardiacPhase": "CardiacSynchronizationSequence",
            "KVP": "CTXRayDetailsSequence",
            "ConvolutionKernel": "CTReconstructionSequence",
            "FrameAcquisitionDateTime": "FrameContentSequence",
        }
        told = {name: value(self[sequence], name) for name, sequence in where.items()}
        for sequence in CONVERTED:
            for name in _PASSES:
                if told.get(name) is None:
                    told[name] = value(self[sequence], name)
        return {name: str(found) for name, found in told.items() if found is not None}


def _frame(file: DicomFile, index: int, header: Dataset, groups: _ClassicGroups | _FunctionalGroups) -> Frame:
    image_type = tuple(str(part).upper() for part in np.atleast_1d(groups.image_type or ()))
    _refuse_other_pictures(image_type, groups)
    position = numbers(groups["PlanePositionSequence"], "ImagePositionPatient", 3)
    orientation = numbers(groups["PlaneOrientationSequence"], "ImageOrientationPatient", 6)
    spacing = numbers(groups["PixelMeasuresSequence"], "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None or not _is_rotation(orientation):
        raise LeftOut(NO_PLACE)
    transformation = groups["PixelValueTransformationSequence"]
    slope = numbers(transformation, "RescaleSlope", 1)
    intercept = numbers(transformation, "RescaleIntercept", 1)
    if slope is None or intercept is None or slope[0] == 0 or max(map(abs, slope + intercept)) > 1e6:
        raise LeftOut(NO_RESCALE)
    # Headers round directions; an area must not shrink with them.
    row, column = (np.array(half) / np.linalg.norm(half) for half in (orientation[:3], orientation[3:]))
    frame = Frame(
        file=file,
        index=index,
        header=header,
        position_mm=position,
        orientation=(*row.tolist(), *column.tolist()),
        pixel_spacing_mm=spacing,
        slope=slope[0],
        intercept=intercept[0],
        image_type=image_type,
        passes=groups.passes(),
    )
    tilt_deg = np.degrees(np.arccos(min(1.0, abs(frame.normal[2]))))
    if tilt_deg > MAX_TILT_DEG:
        raise LeftOut(
            "coronal or sagittal images"
            if tilt_deg > 60
            else f"images tilted by more than {MAX_TILT_DEG:.0f}°"
        )
    return frame


def _refuse_other_pictures(image_type: tuple[str, ...], groups: _ClassicGroups | _FunctionalGroups) -> None:
    """Refuse localizers, projections, and maps of something else than attenuation."""
    if _LOCALIZER_TYPES & set(image_type):
        raise LeftOut("localizer")
    if _PROJECTION_TYPES & set(image_type):
        raise LeftOut("projection or rendering")
    rescale_type = value(groups["PixelValueTransformationSequence"], "RescaleType")
    if _MAP_TYPES & set(image_type) or str(rescale_type or "HU").upper() not in _HU_RESCALE_TYPES:
        raise LeftOut("CT whose values are not Hounsfield units")


def _is_rotation(orientation: tuple[float, ...]) -> bool:
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = np.linalg.norm([row, column], axis=1)
    return bool(np.abs(lengths - 1).max() < 0.01 and abs(row @ column) < 0.01)
