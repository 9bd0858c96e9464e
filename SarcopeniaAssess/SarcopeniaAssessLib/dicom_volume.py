"""A DICOM series → `CtVolume`: affine from positions, and what is irregular about them.

The affine never rests on SliceThickness, SpacingBetweenSlices or GantryDetectorTilt: positions and
orientations tell (PS3.3 C.7.6.2.1.1), tags are often wrong. DICOM's LPS becomes RAS here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.dicom_attributes import numbers
from SarcopeniaAssessLib.dicom_facts import input_facts, is_lossy, patient_facts
from SarcopeniaAssessLib.dicom_files import sha256_of_file
from SarcopeniaAssessLib.dicom_pixels import DicomSource
from SarcopeniaAssessLib.dicom_series import REFORMAT, Series
from SarcopeniaAssessLib.errors import Finding, Severity
from SarcopeniaAssessLib.geometry import is_gap
from SarcopeniaAssessLib.stored_image import combined_sha256
from SarcopeniaAssessLib.volume import CtVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RAS_FROM_LPS = np.array([-1.0, -1.0, 1.0])
_EVEN_WITHIN = 0.05
"""Positions off an even grid by less than this fraction of a step are rounding."""
_TILT_SHOWN_DEG = 0.5


def volume_of(series: Series, left_out: str = "") -> CtVolume:
    """The volume of a series; no pixel is decoded.

    Shape: columns, rows, distinct positions. The affine's third column is the real step between
    positions, so that of a tilted gantry is sheared. Of an uneven series the affine is that of its
    middle; `CtVolume.around` gives the one that is exact at a slice.

    Raises
    ------
    GeometryError
        A spacing that cannot be measured.
    """
    header = series.frames[0].header
    origins = np.array([frame.position_mm for frame in series.frames]) * _RAS_FROM_LPS
    affine = np.eye(4)
    orientation = np.reshape(series.frames[0].orientation, (2, 3)) * _RAS_FROM_LPS
    between_rows_mm, between_columns_mm = series.frames[0].pixel_spacing_mm
    affine[:3, 0] = orientation[0] * between_columns_mm
    affine[:3, 1] = orientation[1] * between_rows_mm
    normal = np.cross(orientation[0], orientation[1])
    even = _is_even(origins)
    affine[:3, 2], affine[:3, 3] = _step_and_origin(origins, normal * _lone_step_mm(series), even=even)
    patient, ignored = patient_facts(header)
    facts = input_facts(
        header, combined_sha256(sha256_of_file(file) for file in {frame.file for frame in series.frames})
    )
    findings = (
        *_geometry_findings(origins, normal, even=even),
        *_series_findings(series, left_out),
        *_feet_first(facts.patient_position),
        *ignored,
    )
    return CtVolume(
        source=DicomSource(series.frames),
        ras_from_ijk=affine,
        patient=patient,
        input=facts,
        findings=findings,
        slice_origins_mm=None if even else origins,
    )


def _is_even(origins: NDArray[np.float64]) -> bool:
    """Whether positions lie on a straight, even grid."""
    if len(origins) < 3:
        return True
    step = (origins[-1] - origins[0]) / (len(origins) - 1)
    ideal = origins[0] + np.outer(np.arange(len(origins)), step)
    return bool(np.linalg.norm(origins - ideal, axis=1).max() <= _EVEN_WITHIN * np.linalg.norm(step))


def _step_and_origin(
    origins: NDArray[np.float64], lone_step: NDArray[np.float64], *, even: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Third column and origin: of an even series over its whole length, else typical, at its middle."""
    if len(origins) == 1:
        return lone_step, origins[0]
    if even:
        return (origins[-1] - origins[0]) / (len(origins) - 1), origins[0]
    steps = np.diff(origins, axis=0)
    middle = len(origins) // 2
    lengths = np.linalg.norm(steps, axis=1)
    typical: NDArray[np.float64] = steps[np.argsort(lengths)[len(lengths) // 2]]
    return typical, origins[middle] - middle * typical


def _lone_step_mm(series: Series) -> float:
    """Extent of a lone slice: its thickness, 5 mm if the header does not tell. No area depends on it."""
    found = numbers(series.frames[0].header, "SliceThickness", 1)
    return found[0] if found and 0.2 <= found[0] <= 10 else 5.0


def _geometry_findings(
    origins: NDArray[np.float64], normal: NDArray[np.float64], *, even: bool
) -> tuple[Finding, ...]:
    if len(origins) < 2:
        message = "The input is a single slice: neither its level nor its neighbours can be checked."
        return (Finding("single_slice", Severity.INFO, message),)
    findings = []
    along = origins[-1] - origins[0]
    shear_deg = float(np.degrees(np.arccos(np.clip(along @ normal / np.linalg.norm(along), -1, 1))))
    if shear_deg > _TILT_SHOWN_DEG:
        message = (
            f"The gantry was tilted by {shear_deg:.0f}°: the slice is measured as it was scanned, tilted; "
            "its area differs from that of an axial slice."
        )
        findings.append(Finding("gantry_tilt", Severity.WARNING, message))
    lengths = np.linalg.norm(np.diff(origins, axis=0), axis=1)
    gaps = [m for m in range(len(lengths)) if is_gap(lengths, m)]
    if gaps:
        message = f"Slices are missing from the series, away from L3 (gaps: {len(gaps)})."
        findings.append(Finding("missing_slices", Severity.WARNING, message))
    if not even and len(gaps) == 0:
        message = (
            f"The slices are unevenly spaced ({lengths.min():.3g} to {lengths.max():.3g} mm): the mask's "
            "place is exact at L3 only; its area is unaffected."
        )
        findings.append(Finding("uneven_slices", Severity.WARNING, message))
    return tuple(findings)


def _feet_first(position: str | None) -> tuple[Finding, ...]:
    if position is None or not position.startswith("FF"):
        return ()
    message = "The patient went in feet first; head and feet are told by the slices' positions, as always."
    return (Finding("feet_first", Severity.INFO, message),)


def _series_findings(series: Series, left_out: str) -> tuple[Finding, ...]:
    findings = []
    if series.differing:
        message = f"{series.differing} positions hold two different images; the first of each was used."
        findings.append(Finding("doubled_positions", Severity.WARNING, message))
    elif series.doubled:
        message = f"{series.doubled} positions are stored twice; each was counted once."
        findings.append(Finding("doubled_positions", Severity.INFO, message))
    if any(is_lossy(frame.header) for frame in series.frames):
        message = "The images were compressed with loss, which shifts HU at the borders of muscle."
        findings.append(Finding("lossy_compression", Severity.WARNING, message))
    if series.secondary == REFORMAT:
        message = "The series was computed from other images (a reformat); prefer the original axial series."
        findings.append(Finding("reformat", Severity.WARNING, message))
    if left_out:
        findings.append(Finding("left_out", Severity.INFO, f"Left out of the folder: {left_out}."))
    return tuple(findings)
