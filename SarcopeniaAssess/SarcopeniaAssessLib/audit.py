"""`audit.jsonl`: every decision as a line that carries the hash of the line before it.

A line that is changed, missing, moved or cut off later breaks the chain and is found. Beside the log lies
its seal, `audit.jsonl.seal`: number and hash of the last line, without which lines taken off the end would
not be missed. It protects from accidents and from editing by hand, not from somebody who rewrites both files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from SarcopeniaAssessLib import strict_json
from SarcopeniaAssessLib.errors import Finding, InputError, OutputError, RecordError, Severity
from SarcopeniaAssessLib.output_lock import lock_file
from SarcopeniaAssessLib.record_rules import in_schema_order, validate_record

LOG_FILE = "audit.jsonl"
SEAL_SUFFIX = ".seal"
FIRST = "0" * 64
"""What the first line carries in place of a hash."""
_WAIT_S = 5.0
_FIELDS = ("line", "at", "event", "record", "previous")
_INVALID = "audit_record_invalid"
_DAMAGED = "verify it with `sarcopenia verify`, move it away, and choose another folder for the log"


@dataclass(frozen=True)
class _Seal:
    """What the last line was when it was written."""

    lines: int
    sha256: str


def append(path: Path, event: str, record: Mapping[str, Any]) -> int:
    """Add a decision to a log, on disk when this returns; several programs may do so at once.

    Parameters
    ----------
    path:
        The log; made if it is not there, its folder not.
    event:
        What happened: "accepted", "rejected", "withdrawn".
    record:
        The decided one, also where the decision is withdrawn; must be valid.

    Returns
    -------
    The number of the line, from 1.

    Raises
    ------
    RecordError
        The record is not valid; nothing is written.
    OutputError
        The log cannot be written, is in use for long, or is damaged at its end; nothing is written.
    """
    return append_all(path, [(event, record)])


def append_all(path: Path, decisions: Sequence[tuple[str, Mapping[str, Any]]]) -> int:
    """Add decisions (event, record) to a log in their order: every one or none; a kill may keep some.

    Returns
    -------
    The number of the last line; errors as `append`.
    """
    for _, record in decisions:
        validate_record(record)
    try:
        with lock_file(path.with_name(f".{path.name}.lock"), _WAIT_S), path.open("a+b") as log:
            return _append_lines(log, path, decisions)
    except OSError as error:
        raise OutputError(
            f"The audit log cannot be written ({error.strerror or 'error'})",
            "choose a folder that can be written to",
        ) from error


def verify_audit(path: Path, *, records: bool = True) -> list[Finding]:
    """Everything that is wrong with a log; nothing if its chain is whole.

    Parameters
    ----------
    records:
        Whether each line's record is held against its schema too, which takes milliseconds a line.

    Raises
    ------
    InputError
        It cannot be read, or is no audit log at all.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The audit log cannot be read ({error.strerror or 'error'})", "check the path"
        ) from error
    *lines, rest = content.split(b"\n")
    ended = not rest
    if not ended:
        lines.append(rest)
    if lines and all(_entry(line) is None for line in lines):
        raise InputError("The file is no audit log", f"give the {LOG_FILE} of this program")
    found = list(_line_findings(lines, ended=ended, records=records))
    found += _chain_findings(lines)
    if all(finding.code == _INVALID for finding in found):
        found += _seal_findings(lines, path)
    return found


def read_audit(path: Path) -> list[dict[str, Any]]:
    """The lines of a log as objects, in their order; damaged ones left out (`verify_audit` tells of them).

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(
            f"The audit log cannot be read ({error.strerror or 'error'})", "check the path"
        ) from error
    return [entry for line in lines if (entry := _entry(line)) is not None]


def _append_lines(log: IO[bytes], path: Path, decisions: Sequence[tuple[str, Mapping[str, Any]]]) -> int:
    number, previous = _end_of(log, _read_seal(path))
    size = log.seek(0, os.SEEK_END)
    try:
        for event, record in decisions:
            number += 1
            line = _line(number, event, record, previous)
            log.write(line + b"\n")
            log.flush()  # line by line: a kill leaves whole ones
            previous = _sha256(line)
        os.fsync(log.fileno())
    except OSError:
        with suppress(OSError):  # half a line would shut the log for good
            log.truncate(size)
        raise
    _write_seal(path, _Seal(number, previous))
    return number


def _line(number: int, event: str, record: Mapping[str, Any], previous: str) -> bytes:
    entry = {
        "line": number,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "event": event,
        "record": in_schema_order(record),
        "previous": previous,
    }
    return json.dumps(entry, ensure_ascii=False, allow_nan=False).encode()


def _end_of(log: IO[bytes], seal: _Seal | None) -> tuple[int, str]:
    """Number and hash of the last line; 0 and zeros of an empty log."""
    log.seek(0)
    last, count = b"", 0
    for line in log:
        last, count = line, count + 1
        # A seal made anew over a changed line would hide the change.
        if seal is not None and count == seal.lines and _sha256(line.removesuffix(b"\n")) != seal.sha256:
            raise OutputError(f"The audit log is damaged: line {count} was changed", _DAMAGED)
    if seal is not None and seal.lines > count:
        raise OutputError(f"The audit log has lost lines at its end ({count} of {seal.lines})", _DAMAGED)
    if count == 0:
        return 0, FIRST
    entry = _entry(last)
    if entry is None or not last.endswith(b"\n") or entry["line"] != count:
        raise OutputError("The audit log is damaged at its end", _DAMAGED)
    return count, _sha256(last[:-1])


def _entry(line: bytes) -> dict[str, Any] | None:
    """A line's object; `None` if it is none of an audit log."""
    try:
        entry = strict_json.parse(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or not all(name in entry for name in _FIELDS):
        return None
    if not isinstance(entry["line"], int) or not isinstance(entry["previous"], str):
        return None
    return entry


def _line_findings(lines: list[bytes], *, ended: bool, records: bool) -> Iterator[Finding]:
    for n, line in enumerate(lines, start=1):
        entry = _entry(line)
        if entry is None:
            cut = n == len(lines) and not ended
            yield _error(
                "audit_line_cut" if cut else "audit_line_damaged",
                f"Line {n} is {'cut off' if cut else 'no line of an audit log'}.",
            )
            continue
        if n == len(lines) and not ended:
            yield _error("audit_line_cut", f"Line {n} has lost its end.")
        if not records:
            continue
        try:
            validate_record(entry["record"])
        except (RecordError, AttributeError, TypeError, KeyError) as error:
            yield _error(_INVALID, f"Line {n} holds no valid record ({error}).")


def _chain_findings(lines: list[bytes]) -> Iterator[Finding]:
    """Where a line does not carry the hash of the one before, and what that comes from."""
    hashes = [_sha256(line) for line in lines]
    before = 0
    for n, line in enumerate(lines, start=1):
        entry = _entry(line)
        if entry is None:
            before += 1
            continue
        number, carried = entry["line"], entry["previous"]
        fits = carried == (hashes[n - 2] if n > 1 else FIRST)
        if number <= before:
            yield _error("audit_line_moved", f"Line {n} was written as line {number}: lines were reordered.")
        elif number > before + 1:
            missing = f"{before + 1}" if number == before + 2 else f"{before + 1} to {number - 1}"
            yield _error("audit_line_missing", f"Missing before line {n}: what was written as {missing}.")
        elif not fits:
            what = f"line {n - 1} was changed" if n > 1 else "it did not begin the log"
            yield _error("audit_line_changed", f"Line {n} carries another hash: {what}.")
        before = max(before, number)


def _seal_findings(lines: list[bytes], path: Path) -> Iterator[Finding]:
    """Whether the last line that was sealed is still there; only of an otherwise whole log."""
    try:
        seal = _read_seal(path)
    except OutputError:
        yield _error("audit_seal_damaged", "The seal beside the log cannot be read.")
        return
    if seal is None:
        if lines:
            yield _warning(
                "audit_seal_missing",
                "The seal beside the log is missing: whether lines are missing at its end, or the last was "
                "changed, cannot be told.",
            )
    elif seal.lines > len(lines):
        yield _error("audit_line_missing", f"Missing at the end: lines {len(lines) + 1} to {seal.lines}.")
    elif seal.lines < 1 or _sha256(lines[seal.lines - 1]) != seal.sha256:
        yield _error("audit_line_changed", f"Line {seal.lines} is not the one that was sealed.")


def _read_seal(path: Path) -> _Seal | None:
    try:
        content = strict_json.read(path.with_name(path.name + SEAL_SUFFIX))
        return _Seal(int(content["lines"]), str(content["sha256"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError("The seal of the audit log is damaged", _DAMAGED) from error


def _write_seal(path: Path, seal: _Seal) -> None:
    place = path.with_name(path.name + SEAL_SUFFIX)
    part = path.with_name(f".{place.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump({"lines": seal.lines, "sha256": seal.sha256}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, place)


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _error(code: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, message)


def _warning(code: str, message: str) -> Finding:
    return Finding(code, Severity.WARNING, message)
