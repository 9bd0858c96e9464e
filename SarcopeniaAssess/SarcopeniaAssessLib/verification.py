"""`sarcopenia verify DIR`: what a case's files say, worked out again from one another.

Hashes, the area from the mask, every status from the area, the segmentation against the mask, the report
against the record, the row of the table, the chain of an audit log that lies beside. The CT itself is not
needed, so what only it can tell (mean HU) is not worked out again.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.audit import LOG_FILE, read_audit, verify_audit
from SarcopeniaAssessLib.case_table import RECORD, TABLE
from SarcopeniaAssessLib.checksums import check_checksums
from SarcopeniaAssessLib.criteria import judge
from SarcopeniaAssessLib.dicom_verification import check_dicom
from SarcopeniaAssessLib.errors import Finding, InputError, SarcopeniaError, Severity
from SarcopeniaAssessLib.mask_verification import check_mask, read_mask
from SarcopeniaAssessLib.measurement import Measurement
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaAssessLib.quality import withholding_reason
from SarcopeniaAssessLib.record import read_record
from SarcopeniaAssessLib.report import csv_row
from SarcopeniaAssessLib.results import REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_CLOSE = 1e-9


@dataclass(frozen=True)
class Verified:
    """What was found in one case, one table or one log.

    Attributes
    ----------
    name:
        Of its folder or file.
    findings:
        Errors contradict; warnings say what could not be told.
    said:
        A line that sums it up; empty of a log that is not whole.
    """

    name: str
    findings: tuple[Finding, ...]
    said: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing contradicts."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


def verify_path(path: Path) -> list[Verified]:
    """Verify a case's folder, an output folder, or an audit log.

    Raises
    ------
    InputError
        It cannot be read, or is none of these.
    """
    if path.exists() and not path.is_dir() and not path.is_file():  # a pipe would be waited for
        raise InputError("It is no folder and no file", "give a result folder or an audit log")
    if path.is_dir():
        found = verify_folder(path)
        return [each if each.said else replace(each, said=_summed_up(each)) for each in found]
    return [_verified_log(path)]


def verify_folder(folder: Path) -> list[Verified]:
    """Verify a case's folder, or an output folder with all of its cases, its table and its audit log.

    Raises
    ------
    InputError
        It holds no case of this program.
    """
    try:
        if (folder / RECORD).is_file():
            return [verify_case(folder)]
        cases = sorted(path.parent for path in folder.glob(f"[!.]*/{RECORD}"))
        has_log = (folder / LOG_FILE).is_file()
        if odd := [name for name in _no_files(folder) if name in (TABLE, LOG_FILE)]:
            raise InputError(f"{', '.join(odd)} is no file", "see who has put it there, and remove it")
    except OSError as error:
        raise InputError(
            f"The folder cannot be read ({error.strerror or 'error'})", "check the path"
        ) from error
    table = _verified_table(folder, cases)
    if not cases and table is None and not has_log:
        raise InputError(
            "The folder holds no case of this program", f"give the folder of an {RECORD}, or one above it"
        )
    found = [verify_case(case) for case in cases]
    if table is not None:
        found.append(table)
    if has_log:
        found.append(_log_beside(folder / LOG_FILE))
    return found


def verify_case(folder: Path) -> Verified:
    """Verify one case's folder: everything that is wrong with it."""
    if odd := _no_files(folder):
        return Verified(folder.name, (_error("no_file", f"{', '.join(odd)} is no file: nothing was read."),))
    found = check_checksums(folder)
    try:
        record = read_record(folder / RECORD)
    except SarcopeniaError as error:
        return Verified(folder.name, (*found, _error("record_invalid", f"{error.problem}.")))
    if record["case"] != folder.name:
        told = f"The record is of case {record['case']}, not of this folder."
        found.append(Finding("case_renamed", Severity.WARNING, told))
    found += _status_findings(record)
    found += _page_findings(folder, record)
    mask, problem = read_mask(folder)
    if mask is None:
        found.append(_error("mask_unreadable", f"The mask cannot be read: {problem}."))
    else:
        found += check_mask(record, mask)
    found += check_dicom(folder, record, mask)
    return Verified(folder.name, tuple(found))


def _no_files(folder: Path) -> list[str]:
    """Pipes, devices and the like, which would be waited for or never end."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []  # each file tells then
    return [each.name for each in entries if each.exists() and not each.is_file() and not each.is_dir()]


def _status_findings(record: Mapping[str, Any]) -> Iterator[Finding]:
    """Every status, from the numbers, the patient and the published cut-offs."""
    patient, muscle = record["patient"], record["muscle"]
    facts = PatientFacts(
        None if patient["sex"] is None else Sex(patient["sex"]),
        *(patient[name] for name in ("sex_source", "age_years", "height_m", "weight_kg")),
    )
    numbers = ("sma_cm2", "mean_hu", "sma_hu_m29_150_cm2", "smi_cm2_m2")
    interval = muscle["sma_interval_cm2"]
    quality = [
        Finding(each["code"], Severity(each["severity"]), each["message"]) for each in record["quality"]
    ]
    blocks = [record["status"], *record["other_criteria"]]
    try:
        judged = judge(
            Measurement(*(muscle[name] for name in numbers)),
            facts,
            names=[block["criterion"] for block in blocks],
            interval=None if interval is None else (interval[0], interval[1]),
            withheld=withholding_reason(quality),
        )
    except SarcopeniaError as error:
        yield Finding("criterion_unknown", Severity.WARNING, f"Not worked out again: {error.problem}.")
        return
    again = {status.criterion: status for status in (judged.status, *judged.others)}
    for block in blocks:
        status = again[block["criterion"]]
        for name, value in (
            ("value", status.value.value),
            ("cutoff", status.cutoff),
            ("borderline", status.borderline),
        ):
            if not _equal(block[name], value):
                words = f"{block['criterion']}: the record says {name} {block[name]}, its numbers {value}."
                yield _error("status_contradicts", words)


def _page_findings(folder: Path, record: Mapping[str, Any]) -> Iterator[Finding]:
    """The page carries the provenance id, in the open."""
    try:
        content = (folder / REPORT).read_bytes()
    except OSError:
        yield _error("file_missing", f"{REPORT} cannot be read.")
        return
    if record["id"].encode() not in content:
        yield _error("other_result", f"{REPORT} does not carry the record's provenance id.")


def _table(folder: Path) -> list[dict[str, str]] | None:
    """Rows of the table; `None` where there is none.

    Raises
    ------
    OSError, UnicodeDecodeError, csv.Error
        It cannot be read.
    """
    if not (folder / TABLE).exists():
        return None
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _verified_table(folder: Path, cases: list[Path]) -> Verified | None:
    """The table against the cases; `None` where there is none."""
    try:
        rows = _table(folder)
    except (OSError, UnicodeDecodeError, csv.Error):
        return Verified(TABLE, (_error("table_unreadable", "The table cannot be read."),))
    return None if rows is None else Verified(TABLE, tuple(_table_findings(cases, rows)))


def _table_findings(cases: list[Path], rows: list[dict[str, str]]) -> Iterator[Finding]:
    by_case = {row.get("case", ""): row for row in rows}
    if len(by_case) != len(rows):
        yield _error("table_doubled", "The table has several rows of one case.")
    for name in sorted(by_case.keys() - {case.name for case in cases}):
        yield _error("table_case_missing", f"{name} has a row, but no folder.")
    for case in cases:
        row = by_case.get(case.name)
        if row is None:
            yield _error("table_row_missing", f"{case.name} has no row.")
            continue
        try:
            wanted = {name: str(value) for name, value in csv_row(read_record(case / RECORD)).items()}
        except SarcopeniaError:
            continue  # told with the case
        other = [name for name, value in wanted.items() if row.get(name, "") != value]
        if other:
            yield _error("table_row_differs", f"{case.name}: {', '.join(other)} differ from its record.")


def _verified_log(log: Path) -> Verified:
    verified = Verified(log.name, tuple(verify_audit(log)))
    if not verified.is_whole:
        return verified
    lines = len(read_audit(log))
    said = f"{log.name}  {lines} line{'' if lines == 1 else 's'}, the chain is whole"
    return replace(verified, said=said)


def _log_beside(log: Path) -> Verified:
    """A log among cases: that it cannot be read is one finding of several."""
    try:
        return _verified_log(log)
    except InputError as error:
        return Verified(log.name, (_error("audit_unreadable", f"{error.problem}."),))


def _summed_up(each: Verified) -> str:
    return f"{each.name}  {'agrees' if each.is_whole else 'contradicts itself'}"


def _equal(told: Any, worked_out: Any) -> bool:
    if isinstance(told, float) and isinstance(worked_out, float):
        return math.isclose(told, worked_out, rel_tol=_CLOSE)
    return bool(told == worked_out)


def _error(code: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, message)
