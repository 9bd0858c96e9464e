"""The two DICOM files of a case: `muscle.seg.dcm` and `report.sr.dcm`, made from the record and the mask.

They say nothing that the record does not say, and all of their UIDs and dates follow from it
(`dicom_uids`): the same record of the same CT gives the same bytes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.dicom_attributes import DICOM_REMEDY, quiet_pydicom
from SarcopeniaAssessLib.dicom_source import source_slice
from SarcopeniaAssessLib.dicom_uids import seal
from SarcopeniaAssessLib.errors import Finding, InputError, OutputError, SarcopeniaError, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from SarcopeniaAssessLib.assessment import Assessment
    from SarcopeniaAssessLib.volume import CtVolume

SEGMENTATION, REPORT_SR = "muscle.seg.dcm", "report.sr.dcm"
SEG, SR = "SEG", "SR"
NOT_WRITTEN = "dicom_results_missing"


@dataclass(frozen=True)
class DicomResults:
    """Both files as bytes, ready to be written or sent."""

    segmentation: bytes
    report: bytes


def dicom_results(
    record: Mapping[str, Any], mask: NDArray[Any], volume: CtVolume, *, keep_identity: bool = False
) -> DicomResults:
    """Segmentation and report of one record.

    Parameters
    ----------
    record:
        Valid; its level is the slice.
    mask:
        (i, j, k) on the CT's own grid; every value but 0 is inside.
    volume:
        The CT, opened from its DICOM files (`dicom_source.is_dicom`).
    keep_identity:
        Whether patient and study are those of the source, as an archive needs, or blank.

    Raises
    ------
    InputError
        The CT's header has no UIDs to refer to, or its file cannot be read any more.
    OutputError
        highdicom is not installed.
    RecordError
        The record does not say when it was made.
    """
    _require_highdicom()
    from SarcopeniaAssessLib.dicom_seg import build_segmentation
    from SarcopeniaAssessLib.dicom_sr import build_report

    k = int(record["l3"]["slice_from_feet"])
    source = source_slice(volume, k, keep_identity=keep_identity)
    inside = np.ascontiguousarray(mask[:, :, volume.axes.native_slice(k, volume.slice_count)].T != 0)
    with quiet_pydicom():
        drawn = build_segmentation(record, inside, source)
        segmentation, _ = seal(drawn, record["id"], SEG)
        report, _ = seal(build_report(record, source, drawn), record["id"], SR)
    return DicomResults(segmentation, report)


def write_dicom_results(
    folder: Path, assessment: Assessment, *, keep_identity: bool = False
) -> tuple[Finding, ...]:
    """Write both files of an assessment whose CT came from DICOM files.

    Returns
    -------
    Nothing, or why there are none: a CT whose header has no UIDs can be measured, but not referred to.

    Raises
    ------
    OutputError, OSError
        highdicom is not installed; the disk refuses.
    """
    try:
        made = dicom_results(
            assessment.record, assessment.mask, assessment.volume, keep_identity=keep_identity
        )
    except InputError as error:
        return (not_written(error),)
    (folder / SEGMENTATION).write_bytes(made.segmentation)
    (folder / REPORT_SR).write_bytes(made.report)
    return ()


def not_written(why: SarcopeniaError) -> Finding:
    """What the record of a CT from DICOM says where it has no DICOM results."""
    message = f"No DICOM results were written: {why.problem[0].lower()}{why.problem[1:]}."
    return Finding(NOT_WRITTEN, Severity.WARNING, message)


def _require_highdicom() -> None:
    try:
        import highdicom  # noqa: F401 - whether it is there
    except ModuleNotFoundError as error:
        raise OutputError("Writing DICOM results needs highdicom", DICOM_REMEDY) from error
    # What it logs may quote a patient's name.
    logging.getLogger("highdicom").addHandler(logging.NullHandler())
