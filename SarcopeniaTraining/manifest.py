"""The manifest of a cohort: its file, and its rows made into cases.

What the columns mean is told by `cohort.py`; docs/cohorts.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.manifest_rows import Case, Row, cases_of, duplicates, read_rows, refuse

__all__ = ["MANIFEST_NAMES", "Row", "duplicates", "find_manifest", "read_cases", "read_rows", "refuse"]
MANIFEST_NAMES = ("manifest.csv", "manifest.json")


def find_manifest(path: str | Path) -> Path:
    """The manifest's file: the path itself, or the manifest in that folder.

    Raises
    ------
    InputError
        There is none, or two.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        if not path.is_file():
            raise InputError(
                f"There is no cohort {path.name!r}", "give a folder with manifest.csv, or that file"
            )
        return path
    found = [path / name for name in MANIFEST_NAMES if (path / name).is_file()]
    if len(found) != 1:
        came = "both manifest.csv and manifest.json" if found else "neither manifest.csv nor manifest.json"
        raise InputError(f"The folder of the cohort has {came}", "give the manifest's own file")
    return found[0]


def read_cases(path: str | Path, make: Callable[[Row, Path], Case]) -> tuple[Path, tuple[Case, ...]]:
    """The manifest's file and its cases, each made of a row and the manifest's folder.

    Raises
    ------
    InputError
        No manifest, or rows that are wrong: the message names each and what `make` said of it.
    """
    file = find_manifest(path)
    return file, cases_of(file, make)
