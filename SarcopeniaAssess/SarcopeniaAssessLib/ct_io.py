"""A path → one CT, or a label map: NIfTI, NRRD, MetaImage, DICOM in any packing; or a reason why not.

DICOM is a file, a folder, a zip archive of one, or the DICOMDIR of a disc.

The kind of a file is told by its content, not by its name. Geometry is validated here, when a CT is
opened; Hounsfield units where they are decoded: of the array formats here, of DICOM slice by slice.
Messages never hold a path, and UIDs only in the list of several series, which asks for one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import (
    GeometryError,
    InputError,
    IntensityError,
    SarcopeniaError,
)
from SarcopeniaAssessLib.geometry import check_geometry
from SarcopeniaAssessLib.hounsfield import check_finite, check_hu, evenly_spaced
from SarcopeniaAssessLib.patient import InputFacts
from SarcopeniaAssessLib.volume import CtVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.dicom_series import Series, Survey
    from SarcopeniaAssessLib.stored_image import StoredImage

_FIRST_BYTES = 4096


@dataclass(frozen=True)
class CtSeries:
    """One axial CT series of a DICOM folder.

    Parameters
    ----------
    number, uid, description, slices:
        SeriesNumber; SeriesInstanceUID (of a series split into passes with `#1`, `#2` … behind it);
        SeriesDescription; distinct slice positions. For the list of series only, never for a result.
    """

    number: int | None
    uid: str
    description: str
    slices: int
    _series: Series = field(repr=False, compare=False)
    _left_out: str = field(default="", repr=False, compare=False)

    def open(self) -> CtVolume:
        """The series as a volume; no pixel is decoded."""
        from SarcopeniaAssessLib.dicom_attributes import quiet_pydicom
        from SarcopeniaAssessLib.dicom_volume import volume_of

        with quiet_pydicom():
            try:
                return volume_of(self._series, self._left_out)
            except OSError as error:
                raise _unreadable(error) from error


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Labels on their own grid: of vertebrae, or a mask.

    Parameters
    ----------
    labels:
        (i, j, k), integers, as stored.
    ras_from_ijk:
        4×4 affine, RAS mm, checked.
    input:
        Format and hash of the file.
    """

    labels: NDArray[Any]
    ras_from_ijk: NDArray[np.float64]
    input: InputFacts


def open_ct(path: str | Path, *, series: str | None = None) -> CtVolume:
    """Open exactly one CT; its geometry is checked, and the HU of an array format.

    Parameters
    ----------
    path:
        NIfTI, NRRD, MetaImage or DICOM file; a folder of DICOM files, searched recursively; a zip archive
        of them, read in place; a DICOMDIR, of which the files that it names are read.
    series:
        UID of the DICOM series to take, where there are several.

    Raises
    ------
    InputError
        Unreadable, not one 3-D CT, or several series (the message lists them).
    GeometryError, IntensityError
        A geometry that cannot be measured; values that are not Hounsfield units.
    """
    path, kind = _kind_of(path)
    if kind == "dicom":
        return _one_of(list_ct(path, wanted=series), series).open()
    if series is not None:
        raise InputError("A series can be chosen from DICOM only, this is one image", "leave out --series")
    image = _read_image(path, kind)
    facts = InputFacts(image.format, image.sha256)
    volume = CtVolume(image, image.ras_from_ijk, input=facts, findings=image.findings)
    check_finite(image.raw)
    check_hu(image.values(evenly_spaced(image.raw)))
    return volume


def list_ct(path: str | Path, *, wanted: str | None = None) -> list[CtSeries]:
    """The axial CT series of DICOM files (folder, archive, DICOMDIR, one file), ordered by UID; never empty.

    Localizers, reformats, masks, other modalities are left out, counted by a finding of each volume.
    With `wanted`, a series that would only be second choice (a reformat) is listed too if it is that.

    Raises
    ------
    InputError, IntensityError, GeometryError
        If there is none, saying what there is instead.
    """
    path, kind = _kind_of(path)
    if kind != "dicom":
        raise InputError("Only a DICOM folder holds several series", "open the image itself")
    from SarcopeniaAssessLib.dicom_attributes import quiet_pydicom
    from SarcopeniaAssessLib.dicom_series import survey

    with quiet_pydicom():
        try:
            found = survey(path)
        except OSError as error:
            raise _unreadable(error) from error
        left_out = found.left_out_sentence()
        listed = [*found.series, *(one for one in found.secondary if one.uid == wanted)]
        if not listed:
            raise _none_found(found)
        listed.sort(key=lambda one: one.uid)
        return [
            CtSeries(one.number, one.uid, one.description, len(one.frames), one, left_out) for one in listed
        ]


def may_hold_several(path: str | Path) -> bool:
    """Whether an input can hold several series: a folder, a zip archive, a DICOMDIR. Its content tells."""
    from SarcopeniaAssessLib.dicom_archive import is_zip
    from SarcopeniaAssessLib.dicom_directory import is_directory_file

    given = Path(path).expanduser()
    try:
        if not given.is_file():
            return given.is_dir()
        with given.open("rb") as stream:
            first = stream.read(_FIRST_BYTES)
    except (OSError, ValueError):
        return False
    return is_zip(first) or is_directory_file(first)


def read_label_map(path: str | Path) -> LabelMap:
    """Read a label map or mask from NIfTI, NRRD or MetaImage.

    Raises
    ------
    InputError
        Unreadable, not 3-D, DICOM, or values that are not whole numbers.
    GeometryError
        A geometry that cannot be measured.
    """
    path, kind = _kind_of(path)
    if kind == "dicom":
        raise InputError("A label map cannot be read from DICOM", "give it as .nii.gz, .nrrd or .mha")
    image = _read_image(path, kind)
    check_geometry(image.shape, image.ras_from_ijk)
    return LabelMap(_whole_numbers(image), image.ras_from_ijk, InputFacts(image.format, image.sha256))


def _kind_of(given: str | Path) -> tuple[Path, str]:
    """The path and what its content is: `dicom`, `nifti`, `nrrd` or `metaimage`."""
    from SarcopeniaAssessLib.dicom_archive import is_zip
    from SarcopeniaAssessLib.dicom_files import HEAD_BYTES, begins_like_dicom
    from SarcopeniaAssessLib.itk_formats import NRRD_MAGIC, is_metaimage_header
    from SarcopeniaAssessLib.nifti import GZIP_MAGIC, inflated_head, is_nifti_header

    path = Path(given).expanduser()
    try:
        if path.is_dir():
            return path, "dicom"
        if path.exists() and not path.is_file():
            raise InputError("The input is neither a file nor a folder", "give the file or folder of the CT")
        with path.open("rb") as stream:
            first = stream.read(_FIRST_BYTES)
    except FileNotFoundError as error:
        raise InputError("There is no such file or folder", "check the path") from error
    except (OSError, ValueError) as error:
        raise _unreadable(error) from error
    if not first:
        raise InputError("The file is empty", "copy or download it again")
    if first.startswith(NRRD_MAGIC):
        return path, "nrrd"
    if is_metaimage_header(first):
        return path, "metaimage"
    if is_nifti_header(first):
        return path, "nifti"
    if first.startswith(GZIP_MAGIC):
        if (head := inflated_head(path)) and not is_nifti_header(head):
            raise InputError(
                "The compressed file holds no NIfTI image", "unpack it, or convert the CT to .nii.gz"
            )
        return path, "nifti"
    if is_zip(first) or begins_like_dicom(first[:HEAD_BYTES]):
        return path, "dicom"
    raise InputError(
        "The file is no NIfTI, NRRD, MetaImage or DICOM image, or is damaged",
        "give one of these, or a folder or zip archive of DICOM files",
    )


def _unreadable(error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or "it is no valid path"
    return InputError(f"The input cannot be read ({reason})", "check the path and its permissions")


def _read_image(path: Path, kind: str) -> StoredImage:
    from SarcopeniaAssessLib.itk_formats import read_metaimage, read_nrrd
    from SarcopeniaAssessLib.nifti import read_nifti

    readers = {"nifti": read_nifti, "nrrd": read_nrrd, "metaimage": read_metaimage}
    try:
        return readers[kind](path)
    except OSError as error:
        raise _unreadable(error) from error


def _one_of(listed: list[CtSeries], wanted: str | None) -> CtSeries:
    chosen = [one for one in listed if wanted is None or one.uid == wanted]
    if len(chosen) == 1:
        return chosen[0]
    lines = "; ".join(
        f"number {'–' if one.number is None else one.number}, UID {one.uid}, "
        f"{' '.join(one.description.split()) or 'no description'}, {one.slices} slices"
        for one in listed
    )
    if wanted is None:
        raise InputError(f"There are {len(listed)} axial CT series: {lines}", "choose one with --series UID")
    raise InputError(
        f"No axial CT series has the UID asked for. There are: {lines}", "choose one with --series UID"
    )


def _none_found(found: Survey) -> SarcopeniaError:
    from SarcopeniaAssessLib.dicom_headers import NO_PLACE, NO_RESCALE

    reasons = found.left_out_sentence()
    if set(found.left_out) == {NO_RESCALE}:
        return IntensityError(
            "The CT has no rescale slope and intercept: its values are not Hounsfield units",
            "export the original series, with all of its header",
        )
    if set(found.left_out) == {NO_PLACE}:
        return GeometryError(
            "The CT images lack position, orientation or pixel spacing",
            "export the original series, with all of its header",
        )
    return InputError(f"No axial CT was found, only {reasons}", "give the folder of the axial CT series")


def _whole_numbers(image: StoredImage) -> NDArray[Any]:
    """Label values as integers; floats that are whole numbers become int32, slice by slice."""
    if image.dtype.kind in "iu":
        return image.values(image.raw)
    labels = np.empty(image.shape, dtype=np.int32, order="F")
    for k in range(image.shape[2]):
        values = image.values(image.raw[:, :, k])
        if not np.isfinite(values).all() or not np.array_equal(values, np.round(values)):
            raise InputError(
                "The label map holds values that are not whole numbers",
                "give labels, not probabilities or a CT",
            )
        labels[:, :, k] = values
    return labels
