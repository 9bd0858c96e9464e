"""Decisions as they come back from the module: exported records, folders of them, its audit log."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from SarcopeniaAssessLib import audit, strict_json
from SarcopeniaAssessLib.case_names import case_name
from SarcopeniaAssessLib.case_table import RECORD
from SarcopeniaAssessLib.errors import InputError, SarcopeniaError, Severity
from SarcopeniaAssessLib.overview.decisions import DECIDED, WITHDRAWN, Brought, Decision, Refused
from SarcopeniaAssessLib.record import SCHEMA, read_record

_LOG = ".jsonl"
_LARGEST_BYTES = 8 << 20
"""A record with its masks has some kilobytes."""


def read_decisions(paths: Iterable[Path], brought: Brought) -> Iterator[Decision]:
    """Every decision in some files and folders.

    Parameters
    ----------
    paths:
        Records, audit logs, and folders, which are searched for both; links to folders are not followed.
    brought:
        Grows by what is no decision: records that nobody has decided on, and files that are damaged.

    Raises
    ------
    InputError
        A path is neither file nor folder, or a file that was named is no record and no log.
    """
    for path in paths:
        if path.is_dir():
            for file in _files(path, brought):
                if file.suffix == _LOG or _is_record(file):
                    yield from _read(file, brought)
        elif path.is_file():
            if path.suffix != _LOG and not _is_record(path):
                raise InputError("A file given with --reviews is no record", f"give {RECORD}s, or folders")
            yield from _read(path, brought)
        else:
            raise InputError("What --reviews names is not there", "give files or folders")


def _files(folder: Path, brought: Brought) -> Iterator[Path]:
    def tell(error: OSError) -> None:
        label = case_name(Path(os.fsdecode(error.filename or folder)))
        brought.refused.append(Refused(label, f"the folder cannot be read ({error.strerror or 'error'})"))

    for place, folders, names in os.walk(folder, onerror=tell):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if path.suffix in (".json", _LOG) and not name.startswith(".") and path.is_file():
                yield path


def _is_record(file: Path) -> bool:
    """Whether a file means to be a record; other JSON files lie about."""
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            return file.name == RECORD
        content = strict_json.read(file)
    except (OSError, ValueError):
        return file.name == RECORD
    return isinstance(content, dict) and (content.get("schema") == SCHEMA or file.name == RECORD)


def _read(file: Path, brought: Brought) -> Iterator[Decision]:
    label = case_name(file.parent if file.name in (RECORD, audit.LOG_FILE) else file.with_suffix(""))
    try:
        yield from _log(file, label) if file.suffix == _LOG else _record(file, label, brought)
    except SarcopeniaError as error:
        brought.refused.append(Refused(label, error.problem))


def _record(file: Path, label: str, brought: Brought) -> Iterator[Decision]:
    record = read_record(file)
    if record["review"]["state"] == "unreviewed":
        brought.undecided += 1
    else:
        yield Decision(label, record)


def _log(file: Path, label: str) -> Iterator[Decision]:
    """The decisions of a whole log; a withdrawal carries the record that it withdraws."""
    if any(finding.severity is Severity.ERROR for finding in audit.verify_audit(file)):
        raise InputError("The audit log is not whole", "verify it with `sarcopenia verify`")
    for entry in audit.read_audit(file):
        if entry["event"] in (*DECIDED, *WITHDRAWN) and entry["record"]["review"]["state"] != "unreviewed":
            yield Decision(label, entry["record"], entry["event"] in WITHDRAWN)
