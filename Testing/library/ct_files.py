"""Small CT files for the tests: one procedural anatomy in any storage, as NIfTI, NRRD, MetaImage, DICOM.

Nothing here uses the library: what it reads is held against arrays and affines made by other means.
"""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (30, 22, 9)
SPACING_MM = (0.9, 1.3, 4.0)
ORIGIN_MM = (-11.5, 23.25, -301.0)
STORAGES = [(order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)]
"""All 48 ways to store three axes: native axis a holds canonical axis order[a], reversed where flips[a]."""


def anatomy() -> np.ndarray[Any, Any]:
    """Canonical HU (30, 22, 9) int16: air, fat, muscle, bone, gas; no symmetry, every slice different."""
    i, j, k = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    hu = np.full(SHAPE, -1000, dtype=np.int16)
    body = ((i - 14) / 12.5) ** 2 + ((j - 11) / 9.5) ** 2 < 1
    hu[body] = -100
    hu[((i - 13) / 10) ** 2 + ((j - 10) / 7) ** 2 < 1] = 50
    hu[((i - 12) / 3) ** 2 + ((j - 5 - k / 4) / 2) ** 2 < 1] = 350
    hu[((i - 19) / 2) ** 2 + ((j - 13) / 2) ** 2 < 1] = -700
    noise = np.random.default_rng(7).integers(-12, 13, SHAPE)
    return (hu + noise + 2 * k * body).astype(np.int16)


def rotation(about_r_deg: float, about_a_deg: float, about_s_deg: float) -> np.ndarray[Any, Any]:
    """Rotation about the right, then anterior, then superior axis."""
    turned = np.eye(3)
    for axis, angle in enumerate(np.radians((about_r_deg, about_a_deg, about_s_deg))):
        a, b = (n for n in range(3) if n != axis)
        one = np.eye(3)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        turned = one @ turned
    return turned


def affine(turned: np.ndarray[Any, Any] | None = None) -> np.ndarray[Any, Any]:
    """Canonical affine of the anatomy, optionally rotated."""
    made = np.eye(4)
    made[:3, :3] = (np.eye(3) if turned is None else turned) * SPACING_MM
    made[:3, 3] = ORIGIN_MM
    return made


def store(
    canonical: np.ndarray[Any, Any],
    ras_from_canonical: np.ndarray[Any, Any],
    order: tuple[int, ...],
    flips: tuple[bool, ...],
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The same image with native axis a = canonical axis order[a], reversed where flips[a]."""
    native = canonical.transpose(order)
    canonical_from_native = np.zeros((4, 4))
    canonical_from_native[3, 3] = 1
    for a in range(3):
        canonical_from_native[order[a], a] = -1 if flips[a] else 1
        if flips[a]:
            native = np.flip(native, a)
            canonical_from_native[order[a], 3] = canonical.shape[order[a]] - 1
    return np.ascontiguousarray(native), ras_from_canonical @ canonical_from_native


def write_nifti(path: Path, native: np.ndarray[Any, Any], ras_from_ijk: np.ndarray[Any, Any]) -> Path:
    """NIfTI-1 with sform."""
    import nibabel as nib

    nib.save(nib.Nifti1Image(native, ras_from_ijk), path)
    return path


def write_itk(
    path: Path, native: np.ndarray[Any, Any], ras_from_ijk: np.ndarray[Any, Any], compress: bool = False
) -> Path:
    """NRRD or MetaImage, by the name's extension."""
    import SimpleITK as sitk  # noqa: N813

    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ras_from_ijk
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray(native.transpose(2, 1, 0))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    sitk.WriteImage(image, str(path), compress)
    return path


def dicom_header(series_uid: str, instance: int, **attributes: Any) -> Any:
    """Data set of one classic CT image without pixels and place; `attributes` override, None removes."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    values: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(entropy_srcs=[series_uid, str(instance), repr(attributes)]),
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "PatientName": "Planted^Name",
        "PatientID": "PLANTED-ID",
        "PatientBirthDate": "19480615",
        "StudyInstanceUID": "1.2.826.0.1.1",
        "SeriesInstanceUID": series_uid,
        "SeriesNumber": 4,
        "SeriesDescription": "Abdomen",
        "InstanceNumber": instance,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "RescaleType": "HU",
        **attributes,
    }
    for name, value in values.items():
        if value is not None:
            setattr(dataset, name, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def dicom_image(
    plane_hu: np.ndarray[Any, Any],
    ras_from_ijk: np.ndarray[Any, Any],
    k: float,
    **attributes: Any,
) -> Any:
    """Data set of slice k of an image, from its HU (columns, rows) and affine: i = column, j = row."""
    series_uid = attributes.pop("SeriesInstanceUID", "1.2.826.0.1.1.4")
    instance = attributes.pop("InstanceNumber", int(k) + 1)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ras_from_ijk
    column_mm, row_mm = np.linalg.norm(lps[:3, :2], axis=0)
    place = {
        "ImagePositionPatient": [f"{v:.10g}" for v in (lps @ [0, 0, k, 1])[:3]],
        "ImageOrientationPatient": [f"{v:.10g}" for v in (*lps[:3, 0] / column_mm, *lps[:3, 1] / row_mm)],
        "PixelSpacing": [f"{row_mm:.10g}", f"{column_mm:.10g}"],
        "Columns": plane_hu.shape[0],
        "Rows": plane_hu.shape[1],
    }
    dataset = dicom_header(series_uid, instance, **{**place, **attributes})
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    stored = np.round((plane_hu.T.astype(np.float64) - intercept) / slope)
    set_pixels(dataset, stored)
    return dataset


def set_pixels(dataset: Any, stored: np.ndarray[Any, Any]) -> None:
    """Stored numbers, (rows, columns), of the data set's own type."""
    kind = "i" if dataset.PixelRepresentation else "u"
    dataset.PixelData = stored.astype(f"<{kind}{dataset.BitsAllocated // 8}").tobytes()


def save(dataset: Any, path: Path) -> Path:
    """Write a data set, with folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_dicom(
    folder: Path,
    native: np.ndarray[Any, Any],
    ras_from_ijk: np.ndarray[Any, Any],
    names: list[str] | None = None,
    **attributes: Any,
) -> list[Path]:
    """One classic CT series, a file a slice k of the native image; names may be in any order."""
    return [
        save(
            dicom_image(native[:, :, k], ras_from_ijk, k, **attributes),
            folder / (names[k] if names else f"image_{k + 1}"),
        )
        for k in range(native.shape[2])
    ]


def write_enhanced(
    path: Path,
    native: np.ndarray[Any, Any],
    ras_from_ijk: np.ndarray[Any, Any],
    frame_order: list[int] | None = None,
    intercepts: list[int] | None = None,
) -> Path:
    """The same as one enhanced multi-frame file; every frame may have its own intercept."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence
    from pydicom.uid import EnhancedCTImageStorage

    slices = native.shape[2]
    order = frame_order or list(range(slices))
    given = intercepts or [-1024] * slices
    first = dicom_image(native[:, :, 0], ras_from_ijk, 0)
    dataset = dicom_header(
        "1.2.826.0.1.1.9", 1, SOPClassUID=EnhancedCTImageStorage, RescaleSlope=None, RescaleIntercept=None,
        Rows=first.Rows, Columns=first.Columns, NumberOfFrames=slices,
        ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
    )  # fmt: skip
    shared, frames = Dataset(), []
    shared.PixelMeasuresSequence = Sequence([_item(PixelSpacing=first.PixelSpacing, SliceThickness=5)])
    shared.PlaneOrientationSequence = Sequence([_item(ImageOrientationPatient=first.ImageOrientationPatient)])
    for k in order:
        frame = Dataset()
        position = dicom_image(native[:, :, k], ras_from_ijk, k).ImagePositionPatient
        frame.PlanePositionSequence = Sequence([_item(ImagePositionPatient=position)])
        frame.PixelValueTransformationSequence = Sequence(
            [_item(RescaleSlope=1, RescaleIntercept=given[k], RescaleType="HU")]
        )
        frames.append(frame)
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    set_pixels(dataset, np.stack([native[:, :, k].T.astype(int) - given[k] for k in order]))
    return save(dataset, path)


def _item(**attributes: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return item
