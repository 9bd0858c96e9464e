"""The files of one case: record, mask, picture, report."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.mask_file import write_mask
from SarcopeniaAssessLib.overlay import SliceView, draw_slice, overlay_png
from SarcopeniaAssessLib.record import record_json
from SarcopeniaAssessLib.report import report_pdf
from SarcopeniaAssessLib.results import MASK, OVERLAY, RECORD, REPORT

if TYPE_CHECKING:
    from pathlib import Path

    from SarcopeniaAssessLib.assessment import Assessment


def write_case(folder: Path, assessment: Assessment) -> dict[str, Any]:
    """Write every file of a case; returns its record, which knows now how long that took.

    Raises
    ------
    OSError
        The disk refuses; the caller removes the folder.
    RecordError
        The record does not follow its schema; it is written last, so nothing stands without one.
    """
    started = time.perf_counter()
    record = assessment.record
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
    spent = time.perf_counter() - started
    timing = record["timing_s"]
    record = {**record, "timing_s": {**timing, "write": spent, "total": (timing["total"] or 0.0) + spent}}
    (folder / RECORD).write_text(record_json(record) + "\n", encoding="utf-8")
    return record
