"""`SHA256SUMS` of a case's folder: the hash of every file, as `sha256sum -c` reads it too.

It tells damage and editing by hand, not somebody who makes it anew.
"""

from __future__ import annotations

import errno
import hashlib
import re
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.errors import Finding, Severity

if TYPE_CHECKING:
    from pathlib import Path

CHECKSUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\\\0]+)")


def write_checksums(folder: Path) -> None:
    """Write the hashes of all files that are there, sorted by name.

    Raises
    ------
    OSError
        The disk refuses.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != CHECKSUMS)
    lines = [f"{_sha256(folder / name)}  {name}\n" for name in names]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def check_checksums(folder: Path) -> list[Finding]:
    """What was changed, is missing or came in since the hashes were written; nothing if all is as it was.

    A folder without the file (an older version's) is told as a warning.
    """
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        message = f"There is no {CHECKSUMS}: whether a file was changed cannot be told by its hash."
        return [Finding("checksums_missing", Severity.WARNING, message)]
    except (OSError, UnicodeDecodeError):
        return [_error("checksums_damaged", f"{CHECKSUMS} cannot be read.")]
    matches = [_LINE.fullmatch(line) for line in lines]
    if not lines or not all(matches):
        return [_error("checksums_damaged", f"{CHECKSUMS} holds lines that are none.")]
    wanted = {match[2]: match[1] for match in matches if match}
    there = {path.name for path in folder.iterdir() if path.name != CHECKSUMS}
    found = [_error("file_missing", f"{name} is missing.") for name in sorted(wanted.keys() - there)]
    found += [
        Finding("file_added", Severity.WARNING, f"{name} was not there before.")
        for name in sorted(there - wanted.keys())
    ]
    for name in sorted(wanted.keys() & there):
        try:
            if _sha256(folder / name) != wanted[name]:
                found.append(_error("file_changed", f"{name} was changed."))
        except OSError:
            found.append(_error("file_unreadable", f"{name} cannot be read."))
    return found


def _sha256(path: Path) -> str:
    if not path.is_file():  # a pipe would be waited for, a device never ends
        raise OSError(errno.EINVAL, "it is no file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _error(code: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, message)
