"""A phantom CT as a DICOM series of CT Image Storage files (PS3.3 A.3); UIDs follow from a name alone."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from SarcopeniaAssessLib.patient import PatientFacts, Sex

if TYPE_CHECKING:
    from pydicom import Dataset

SYNTHETIC = "SYNTHETIC: phantom drawn by a program, shows no patient. Research use only."
_LOWEST_HU, _HIGHEST_HU = -1024, 3071
_CONTRAST = {"none": "NONE", "arterial": "SIMULATED ARTERIAL", "portal": "SIMULATED PORTAL"}
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:sarcopenia-assess:phantom")


@dataclass(frozen=True)
class SeriesFacts:
    """What a series says beside its pixels.

    Attributes
    ----------
    name:
        Everything the files depend on: two series with one name have the same UIDs.
    case:
        `P001`; becomes PHANTOM^P001.
    phase:
        `none`, `arterial` or `portal`.
    tilt_deg:
        GantryDetectorTilt, nominal; the geometry is in position and orientation.
    """

    name: str
    case: str
    patient: PatientFacts
    phase: str
    kvp: int
    kernel: str
    slice_mm: float
    tilt_deg: float = 0.0

    def uid(self, part: str) -> str:
        """A UID under 2.25 (PS3.5 B.2) made from the name and a part."""
        return f"2.25.{uuid.uuid5(_NAMESPACE, f'{self.name} {part}').int}"


def write_series(
    folder: Path, hu: NDArray[np.int16], ras_from_ijk: NDArray[np.float64], facts: SeriesFacts
) -> None:
    """Write `IM0001.dcm` …, numbered from the head to the feet if k runs upwards.

    Parameters
    ----------
    folder:
        Made here.
    hu:
        (i, j, k): column, row, slice; −1024…3071.
    ras_from_ijk:
        Affine whose third axis runs from slice to slice; oblique and tilted ones are written as they are.
    """
    if hu.min() < _LOWEST_HU or hu.max() > _HIGHEST_HU:
        raise ValueError(f"HU {hu.min()}…{hu.max()} lie outside −1024…3071, which 12 bits hold")
    folder.mkdir()
    lps_from_ijk = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ras_from_ijk
    slices = hu.shape[2]
    for k in range(slices):
        number = slices - k
        image = _image(hu[:, :, k], lps_from_ijk, k)
        _describe(image, facts)
        image.InstanceNumber = number
        image.SOPInstanceUID = facts.uid(f"image {number}")
        _save(image, folder / f"IM{number:04d}.dcm", facts)


def _save(image: "Dataset", path: Path, facts: SeriesFacts) -> None:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = image.SOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(f"2.25.{_NAMESPACE.int}")
    meta.ImplementationVersionName = "PHANTOM"
    image.file_meta = meta
    image.save_as(path, enforce_file_format=True)


def _image(hu: NDArray[np.int16], lps_from_ijk: NDArray[np.float64], k: int) -> "Dataset":
    """Image Plane, Image Pixel and CT Image modules of one slice."""
    from pydicom import Dataset

    columns, rows = hu.shape
    spacing = np.linalg.norm(lps_from_ijk[:3, :2], axis=0)
    across, down = (lps_from_ijk[:3, axis] / spacing[axis] for axis in (0, 1))
    position = lps_from_ijk @ np.array([0.0, 0.0, k, 1.0])
    image = Dataset()
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.PixelSpacing = _decimals(spacing[[1, 0]])
    image.ImageOrientationPatient = _decimals([*across, *down])
    image.ImagePositionPatient = _decimals(position[:3])
    image.SliceLocation = _decimals([np.cross(across, down) @ position[:3]])[0]
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows, image.Columns = rows, columns
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelRepresentation = 0
    image.RescaleSlope, image.RescaleIntercept, image.RescaleType = "1", str(_LOWEST_HU), "HU"
    image.WindowCenter, image.WindowWidth = "40", "400"
    stored = np.ascontiguousarray((hu.T.astype(np.int32) - _LOWEST_HU).astype("<u2"))
    image.add_new("PixelData", "OW", stored.tobytes())
    return image


def _decimals(values: Any) -> list[str]:
    """Decimal strings of at most 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(value) + 0.0) for value in values]


def _describe(image: "Dataset", facts: SeriesFacts) -> None:
    """Patient, study, series, equipment, frame of reference, contrast and acquisition."""
    patient = facts.patient
    image.PatientName = f"PHANTOM^{facts.case}"
    image.PatientID = f"PHANTOM-{facts.case}"
    image.PatientBirthDate = ""
    image.PatientSex = "" if patient.sex is None else "M" if patient.sex is Sex.MALE else "F"
    if patient.age_years is not None:
        image.PatientAge = f"{int(patient.age_years):03d}Y"
    if patient.height_m is not None:
        image.PatientSize = _decimals([patient.height_m])[0]
    if patient.weight_kg is not None:
        image.PatientWeight = _decimals([patient.weight_kg])[0]
    image.PatientComments = SYNTHETIC
    image.StudyInstanceUID = facts.uid("study")
    image.StudyDate = image.StudyTime = image.ReferringPhysicianName = image.AccessionNumber = ""
    image.StudyID = "1"
    image.StudyDescription = "Phantom, abdomen"
    image.Modality = "CT"
    image.SeriesInstanceUID = facts.uid("series")
    image.SeriesNumber = 2
    image.SeriesDescription = f"Phantom, contrast {facts.phase}"
    image.BodyPartExamined = "ABDOMEN"
    image.PatientPosition = "HFS"
    image.FrameOfReferenceUID = facts.uid("frame of reference")
    image.PositionReferenceIndicator = ""
    image.Manufacturer = "SarcopeniaAssess phantom generator (synthetic)"
    image.ManufacturerModelName = "Phantom"
    image.SoftwareVersions = "1"
    image.ImageComments = SYNTHETIC
    image.ContrastBolusAgent = _CONTRAST[facts.phase]
    image.AcquisitionNumber = 1
    image.KVP = str(facts.kvp)
    image.SliceThickness = _decimals([facts.slice_mm])[0]
    image.ConvolutionKernel = facts.kernel
    if facts.tilt_deg:
        image.GantryDetectorTilt = _decimals([facts.tilt_deg])[0]
