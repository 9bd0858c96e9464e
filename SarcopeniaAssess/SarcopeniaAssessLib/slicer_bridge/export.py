"""A result under review as files: the record, the page, a line of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.record import record_json

if TYPE_CHECKING:
    from SarcopeniaAssessLib.assessment import Assessment


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write `assessment.json`.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    _write(path, (record_json(dict(record)) + "\n").encode())


def write_report(path: Path, assessment: Assessment) -> None:
    """Write the page; one that nobody has reviewed says so. Errors as `write_record`."""
    from SarcopeniaAssessLib.overlay import SliceView, draw_slice
    from SarcopeniaAssessLib.report import report_pdf

    view = SliceView(
        assessment.slice_hu,
        assessment.slice_mask,
        assessment.volume.ras_from_canonical,
        assessment.slice_doubtful,
    )
    page = report_pdf(assessment.record, draw_slice(view))
    _write(path, page)


def add_row(path: Path, record: Mapping[str, Any]) -> None:
    """Add a line to a table; a new one where there is none.

    Raises
    ------
    OutputError
        The file cannot be written, or holds another table.
    """
    from SarcopeniaAssessLib.report import csv_row

    row = csv_row(record)
    header = _line(list(row))
    try:
        before = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError("The table cannot be read", "choose another file") from error
    if before and before.splitlines()[0] != header.strip():
        raise OutputError("The file holds another table", "choose another file, or a new one")
    if before and not before.endswith("\n"):
        before += "\n"
    _write(path, ((before or header) + _line(list(row.values()))).encode())


def _line(values: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: a full disk leaves what was there."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(
            f"The file cannot be written ({error.strerror or 'error'})",
            "choose another folder, or close the program that has it open",
        ) from error
