"""The files of one case: record, mask, picture, page, and of a CT from DICOM a segmentation and a report."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.case_table import RECORD
from SarcopeniaAssessLib.checksums import write_checksums
from SarcopeniaAssessLib.dicom_results import write_dicom_results
from SarcopeniaAssessLib.dicom_source import is_dicom
from SarcopeniaAssessLib.mask_file import write_mask
from SarcopeniaAssessLib.overlay import SliceView, draw_slice, overlay_png
from SarcopeniaAssessLib.record import as_entry, record_json
from SarcopeniaAssessLib.report import report_pdf
from SarcopeniaAssessLib.results import MASK, OVERLAY, REPORT

if TYPE_CHECKING:
    from pathlib import Path

    from SarcopeniaAssessLib.assessment import Assessment


def write_case(folder: Path, assessment: Assessment, *, keep_identity: bool = False) -> dict[str, Any]:
    """Write every file of a case; returns its record.

    A record that nobody has reviewed knows then how long that took; a decision was made on a record as it
    is, which is written as it is.

    Parameters
    ----------
    keep_identity:
        Whether the DICOM files say who the patient is, as the source does; no other file ever does.

    Raises
    ------
    OSError
        The disk refuses; the caller removes the folder.
    OutputError
        The CT is DICOM, and highdicom is not installed.
    RecordError
        The record does not follow its schema; nothing stands without one.
    """
    started = time.perf_counter()
    record = assessment.record
    if is_dicom(assessment.volume):
        told = write_dicom_results(folder, assessment, keep_identity=keep_identity)
        record = {**record, "quality": [*record["quality"], *map(as_entry, told)]}
    view = SliceView(
        assessment.slice_hu,
        assessment.slice_mask,
        assessment.volume.ras_from_canonical,
        assessment.slice_doubtful,
    )
    picture = draw_slice(view)
    (folder / OVERLAY).write_bytes(overlay_png(picture, record))
    (folder / REPORT).write_bytes(report_pdf(record, picture))
    with (folder / MASK).open("wb") as file:
        write_mask(file, assessment.mask, assessment.volume.ras_from_ijk)
    if record["review"]["state"] == "unreviewed":
        spent = time.perf_counter() - started
        timing = record["timing_s"]
        record = {**record, "timing_s": {**timing, "write": spent, "total": (timing["total"] or 0.0) + spent}}
    (folder / RECORD).write_text(record_json(record) + "\n", encoding="utf-8")
    write_checksums(folder)
    return record
