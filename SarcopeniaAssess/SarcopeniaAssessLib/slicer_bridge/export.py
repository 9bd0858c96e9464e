"""A result under review as files: the record, the page, a line of a table, SEG and SR, a case's folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.case_names import unique_names
from SarcopeniaAssessLib.case_table import RECORD
from SarcopeniaAssessLib.errors import OutputError, RecordError, SarcopeniaError
from SarcopeniaAssessLib.record import as_entry, read_record, record_json
from SarcopeniaAssessLib.results import Existing, OutputFolder

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


def dicom_names(record: Mapping[str, Any]) -> tuple[str, str]:
    """What the segmentation and the report of a record are called outside a case's folder."""
    from SarcopeniaAssessLib.dicom_results import REPORT_SR, SEGMENTATION

    return f"{record['case']}-{SEGMENTATION}", f"{record['case']}-{REPORT_SR}"


def write_dicom(folder: Path, assessment: Assessment, *, keep_identity: bool = False) -> tuple[Path, Path]:
    """Write segmentation and report of a result whose CT was opened from its DICOM files.

    Parameters
    ----------
    keep_identity:
        Whether patient and study are those of the CT, as an archive needs, or blank.

    Returns
    -------
    Both files.

    Raises
    ------
    InputError
        The CT's header has no UIDs to refer to.
    OutputError
        highdicom is not installed, or a file cannot be written; then neither is new, and no old one is
        left beside the other's successor.
    """
    from SarcopeniaAssessLib.dicom_results import dicom_results

    made = dicom_results(assessment.record, assessment.mask, assessment.volume, keep_identity=keep_identity)
    segmentation, report = (folder / name for name in dicom_names(assessment.record))
    _write_all({segmentation: made.segmentation, report: made.report})
    return segmentation, report


@dataclass(frozen=True)
class CasePlace:
    """Where the folder of a case will stand.

    Attributes
    ----------
    out, case:
        The output folder, and the case's name in it.
    replaces:
        Whether an earlier result of the same CT and level stands there and goes.
    """

    out: Path
    case: str
    replaces: bool = False

    @classmethod
    def of(cls, out: Path, record: Mapping[str, Any], *, replacing: bool = False) -> CasePlace:
        """The place for a record: its case's name, or `-2`, `-3` … behind it where others stand.

        Parameters
        ----------
        replacing:
            Whether a result of the same CT and level that nobody has accepted makes room.
        """
        name: str = record["case"]
        taken: list[str] = []
        while True:
            case = unique_names([name], taken)[0]
            if not (out / case).exists():
                return cls(out, case)
            if replacing and _makes_room(out / case, record):
                return cls(out, case, replaces=True)
            taken.append(case)


def write_case_folder(
    place: CasePlace,
    assessment: Assessment,
    *,
    keep_identity: bool = False,
    refusal: SarcopeniaError | None = None,
) -> Path:
    """Write every file of a result into a case's folder, which appears whole or not at all.

    Parameters
    ----------
    keep_identity:
        Whether the DICOM files say who the patient is; no other file ever does.
    refusal:
        Why a CT from DICOM gets no DICOM files; the record says so.

    Returns
    -------
    The case's folder; a row in `assessments.csv` stands for it.

    Raises
    ------
    OutputError
        The disk refuses, another run holds the folder, a person has accepted what would be replaced, or
        highdicom is not installed.
    """
    from SarcopeniaAssessLib.case_files import write_case
    from SarcopeniaAssessLib.dicom_results import not_written

    record = {**assessment.record, "case": place.case}
    if refusal is not None:
        record["quality"] = [*record["quality"], as_entry(not_written(refusal))]
    made = replace(assessment, record=record)
    existing = Existing.OVERWRITE if place.replaces else Existing.REFUSE
    with OutputFolder(place.out, existing) as folder:
        folder.earlier(place.case)
        part, written = folder.stage(place.case, lambda to: write_case(to, made, keep_identity=keep_identity))
        folder.publish(part, written)
    return place.out / place.case


def _makes_room(case: Path, record: Mapping[str, Any]) -> bool:
    """Whether what stands there is an earlier result of the same CT and level that nobody has accepted."""
    try:
        there = read_record(case / RECORD)
    except RecordError:
        return False
    return bool(
        there["review"]["state"] != "accepted"
        and there["input"]["sha256"] == record["input"]["sha256"]
        and there["l3"]["slice_from_feet"] == record["l3"]["slice_from_feet"]
    )


def _line(values: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _write(path: Path, content: bytes) -> None:
    _write_all({path: content})


def _write_all(files: Mapping[Path, bytes]) -> None:
    """All of them or none: a full disk leaves what was there."""
    parts = {path: path.with_name(f".{path.name}.part") for path in files}
    written: list[Path] = []
    try:
        for path, part in parts.items():
            part.write_bytes(files[path])
        for path, part in parts.items():
            part.replace(path)
            written.append(path)
    except OSError as error:
        for left in (*parts.values(), *written):
            left.unlink(missing_ok=True)
        raise OutputError(
            f"The file cannot be written ({error.strerror or 'error'})",
            "choose another folder, or close the program that has it open",
        ) from error
