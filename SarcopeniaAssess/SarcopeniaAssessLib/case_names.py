"""What a case is called: its input's file or folder name without extension, made safe for a folder.

Nothing of a DICOM header goes into it. A name that is or holds a DICOM UID, as archives call folders and
files, would carry it into every result: a short hash stands for the UID, the same in every run.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_BYTES = 200
"""Of the 255 bytes that file systems allow; the rest is for what is written beside a case's folder."""

_ARRAYS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".img", ".hdr")
_EXTENSIONS = (*_ARRAYS, ".dcm", ".dicom", ".ima", ".zip")
_UID = re.compile(r"(?<!\d)[0-2](?:\.\d+){4,}(?!\d)")
_UNSAFE = re.compile(r"[^\w.-]+")
_RESERVED = {"con", "prn", "aux", "nul", "assessments.csv", "failures.csv"}
_RESERVED |= {f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)}


def case_name(path: str | Path) -> str:
    """The case's name for an input path, which need not exist; of a disc's DICOMDIR its folder's."""
    name = Path(path).name
    if name in ("", ".", ".."):
        name = Path(path).absolute().resolve().name
    elif name.upper() == "DICOMDIR":
        name = Path(path).absolute().parent.resolve().name or name
    lower = name.lower()
    extension = next((each for each in _EXTENSIONS if lower.endswith(each) and lower != each), "")
    return safe_name(name[: len(name) - len(extension)] or "ct")


def safe_name(text: str) -> str:
    """A name that is one folder's on every file system: letters, digits, `_`, `.`, `-`.

    Raises
    ------
    InputError
        Nothing of it is left.
    """
    text = unicodedata.normalize("NFC", _UID.sub(_hash, _as_utf8(text)))
    # Leading: dots hide, dashes look like options, and a spreadsheet would read = + - @ as a formula.
    name = _UNSAFE.sub("_", text).lstrip(".-").rstrip(".")
    if not name.strip("_"):
        raise InputError("The case's name has no letter or digit", "name it with --case NAME")
    return f"{name}_" if name.split(".")[0].lower() in _RESERVED or name.lower() in _RESERVED else name


def _as_utf8(text: str) -> str:
    """The name as its bytes read in UTF-8, whatever the locale has made of them; what is none gets a sign."""
    halves = "".join(
        "?" if "\ud800" <= sign <= "\udc7f" or "\udd00" <= sign <= "\udfff" else sign for sign in text
    )
    return halves.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _hash(uid: re.Match[str]) -> str:
    digest = hashlib.sha256(uid.group().encode()).hexdigest()[:8]
    return f"case-{digest}" if uid.group() == uid.string.strip() else digest


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names in their order, of equal ones the second as `-2`, the third as `-3`.

    Upper and lower case count as equal, as they are on some file systems.
    """
    used = {name.casefold() for name in taken}
    unique = []
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in used:
            number += 1
            candidate = f"{name}-{number}"
        used.add(candidate.casefold())
        unique.append(candidate)
    return unique


def require_short(name: str) -> None:
    """Refuse a name that no folder can have.

    Raises
    ------
    OutputError
        It is longer than file systems allow.
    """
    length = len(name.encode())
    if length > LONGEST_BYTES:
        raise OutputError(
            f"The case's name is {length} bytes long, too long for a folder",
            f"give one of at most {LONGEST_BYTES} with --case NAME",
        )
