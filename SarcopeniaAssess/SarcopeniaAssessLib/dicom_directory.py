"""DICOMDIR: the files that a medium's directory names (PS3.3 F, PS3.10 8), as paths below its folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.dicom_attributes import DICOM_REMEDY, breaches, value, whole
from SarcopeniaAssessLib.dicom_files import FileOnDisk, open_header
from SarcopeniaAssessLib.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

_IS_DIRECTORY = b"\x02\0\x02\0UI\x14\0" + b"1.2.840.10008.1.3.10"
"""MediaStorageSOPClassUID of a DICOMDIR, as the file meta group must write it."""
NOT_THERE = "files that the DICOMDIR names and that are not there"


def is_directory_file(first: bytes) -> bool:
    """Whether a file that begins so is a DICOMDIR, whatever its name."""
    return first[128:132] == b"DICM" and _IS_DIRECTORY in first


def files_named_by(directory: Path) -> tuple[list[FileOnDisk], int]:
    """The files that a DICOMDIR names, in its order, each once, and how many of them are not there.

    A name leads below the directory's folder or nowhere: parts like `..`, drives and links to elsewhere
    count as not there. Upper and lower case count as equal where no name is the very one, for discs are
    copied either way.

    Raises
    ------
    InputError
        Damaged, or names no file that is there.
    OSError
        It cannot be read.
    """
    found: dict[Path, FileOnDisk] = {}
    listings: dict[Path, dict[str, str]] = {}
    missing = 0
    root = directory.parent.resolve()
    for record in _records(directory):
        named = value(record, "ReferencedFileID")
        if named is None or whole(record, "RecordInUseFlag") == 0:
            continue
        path = _below(root, [named] if isinstance(named, str) else list(named), listings)
        if path is None:
            missing += 1
        else:
            found[path] = FileOnDisk(path)
    if not found:
        raise InputError(
            f"None of the {missing} files that the DICOMDIR names is there"
            if missing
            else "The DICOMDIR names no files",
            "copy the whole disc, or give the folder of the images",
        )
    return list(found.values()), missing


def _records(directory: Path) -> list[Dataset]:
    try:
        from pydicom import dcmread
    except ModuleNotFoundError as error:
        raise InputError("Reading DICOM needs pydicom", DICOM_REMEDY) from error
    with open_header(FileOnDisk(directory)) as stream:
        try:
            read = dcmread(stream, specific_tags=["DirectoryRecordSequence"])
            return list(value(read, "DirectoryRecordSequence") or ())
        except breaches() as error:
            raise InputError("The DICOMDIR is damaged", "give the folder of the images") from error


def _below(root: Path, parts: list[Any], listings: dict[Path, dict[str, str]]) -> Path | None:
    """The file that components lead to, each looked up in its folder's listing, which has no `..`."""
    names = [name.strip() for part in parts for name in re.split(r"[/\\]", str(part))]
    place = root
    for name in names:
        if place not in listings:
            listings[place] = _entries(place)
        entries = listings[place]
        if (entry := entries.get(name) or entries.get(name.casefold())) is None:
            return None
        place = place / entry
    resolved = place.resolve()
    return place if place.is_file() and resolved.is_relative_to(root) else None


def _entries(folder: Path) -> dict[str, str]:
    """The names in a folder, by themselves and in small letters."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return {}
    return {name.casefold(): name for name in names} | {name: name for name in names}
