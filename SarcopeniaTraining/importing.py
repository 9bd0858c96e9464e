"""A data set in somebody's folders → a cohort: a folder a case, and a manifest that others read.

A case's folder appears by one rename, the manifest last; what cannot be imported is told and the rest
goes on. Nothing written holds a name, an identifier or a path of the source.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.case_names import require_short, safe_name, unique_names
from SarcopeniaAssessLib.errors import OutputError, SarcopeniaError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.output_lock import LOCK_FILE, FolderLock
from SarcopeniaTraining.importing_images import import_images
from SarcopeniaTraining.importing_scans import import_scan
from SarcopeniaTraining.layouts import FoundCase, Layout
from SarcopeniaTraining.outlines import Line

SCHEMA = "sarcopenia-import/1"
IDENTITY, MANIFEST = "import.json", "manifest.csv"
_FACTS = "case.json"
_PARTIAL = ".partial-"
_PLACES = ("ct", "muscle", "image", "annotated_image")


@dataclass(frozen=True)
class ImportPlan:
    """What is imported, and how.

    Attributes
    ----------
    source:
        Folder of the data set; it is read only.
    line:
        Where the muscle's edge runs within a drawn outline.
    numbered:
        Call the cases case-001, case-002 …, because their folders' names tell who they are.
    """

    source: Path
    layout: Layout
    line: Line = Line.CENTRE
    numbered: bool = False

    def identity(self) -> dict[str, Any]:
        """What `import.json` says; equal for imports that may go on in one folder."""
        return {
            "schema": SCHEMA,
            "kind": self.layout.kind,
            "line": self.line.value,
            "numbered": self.numbered,
        }


@dataclass(frozen=True)
class CaseOutcome:
    """One case: its row of the manifest, or why it has none.

    Attributes
    ----------
    notes:
        What a careful reader would want to know of it.
    is_new:
        Whether it was written now, not found from an earlier run.
    """

    case: str
    row: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""
    is_new: bool = True


def import_cohort(
    plan: ImportPlan, folder: Path, tell: Callable[[CaseOutcome, int], None] = lambda _, __: None
) -> list[CaseOutcome]:
    """Import what is not there yet, then write the manifest of all that is.

    Parameters
    ----------
    folder:
        New, empty, or of an earlier run of the same import.
    tell:
        Called with each case as it is done, and how many there are.

    Returns
    -------
    Every case, those that could not be imported with their reason.

    Raises
    ------
    InputError
        The source holds no case.
    OutputError
        The folder holds something else, another run writes to it, or the disk is full.
    """
    if folder.resolve().is_relative_to(plan.source.resolve()):
        raise OutputError("the cohort would lie within its own source", "give a folder outside of it")
    cases = _named(plan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
        try:
            _claim(plan, folder)
            outcomes = []
            for name, found in cases:
                outcomes.append(_imported(plan, folder, name, found))
                tell(outcomes[-1], len(cases))
            _write_manifest(folder, [outcome.row for outcome in outcomes if outcome.row is not None])
        finally:
            lock.release()
    except OSError as error:
        raise OutputError(
            f"the cohort cannot be written ({error.strerror or 'the disk refuses'})",
            "give a folder on a disk with room, then repeat the command: it goes on",
        ) from error
    return outcomes


def _named(plan: ImportPlan) -> list[tuple[str, FoundCase]]:
    found = plan.layout.find(plan.source)
    if plan.numbered:
        return [(f"case-{number:03d}", case) for number, case in enumerate(found, start=1)]
    names = unique_names(safe_name(case.name) for case in found)
    for name in names:
        require_short(name)
    return list(zip(names, found, strict=True))


def _claim(plan: ImportPlan, folder: Path) -> None:
    """Make sure that the folder is this import's, and clear away what a killed run left."""
    path = folder / IDENTITY
    if path.exists():
        held = _json(path)
        other = sorted(name for name, value in plan.identity().items() if held.get(name) != value)
        if other:
            raise OutputError(
                f"the folder holds another import (differs in {', '.join(other)})", "give another folder"
            )
    elif any(not one.name.startswith((LOCK_FILE, _PARTIAL, ".writing-")) for one in folder.iterdir()):
        raise OutputError("the folder holds other files", "give a new or empty folder")
    for left in (*folder.glob(f"{_PARTIAL}*"), *folder.glob(".writing-*")):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    write_whole(path, (json.dumps(plan.identity(), indent=1) + "\n").encode())


def _imported(plan: ImportPlan, folder: Path, name: str, found: FoundCase) -> CaseOutcome:
    fingerprint = _fingerprint(plan, found)
    place = folder / name
    if place.is_dir():
        held = _json(place / _FACTS)
        if held.get("fingerprint") == fingerprint:
            return CaseOutcome(name, held["row"], tuple(held["notes"]), is_new=False)
    part = folder / f"{_PARTIAL}{name}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        row, notes = _converted(plan, found, name, part)
    except SarcopeniaError as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, OutputError):
            raise
        return CaseOutcome(name, problem=f"{error.problem}; {error.remedy}")
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    held = {"schema": SCHEMA, "fingerprint": fingerprint, "row": row, "notes": list(notes)}
    (part / _FACTS).write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if place.is_dir():  # of a source that has changed since
        place.rename(folder / f"{_PARTIAL}old-{name}")
    part.rename(place)
    shutil.rmtree(folder / f"{_PARTIAL}old-{name}", ignore_errors=True)
    return CaseOutcome(name, row, notes)


def _converted(
    plan: ImportPlan, found: FoundCase, name: str, part: Path
) -> tuple[dict[str, Any], tuple[str, ...]]:
    if plan.layout.kind == "bmp":
        row, notes = import_images(found, part)
    else:
        row, notes = import_scan(found, part, kind=plan.layout.kind, line=plan.line)
    places = {column: f"{name}/{row[column]}" for column in _PLACES if column in row}
    return {"case": name, **row, **places}, notes


def _fingerprint(plan: ImportPlan, found: FoundCase) -> str:
    """What tells a source that has changed: names, sizes and times of its files, and what is said of it."""
    files = [
        (role, path.name, each.stat().st_size, each.stat().st_mtime_ns)
        for role, paths in sorted(found.files.items())
        for path in paths
        for each in _files_of(path)
    ]
    content = json.dumps([plan.identity(), found.name, files, dict(found.facts)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _files_of(path: Path) -> Iterator[Path]:
    return (
        iter(sorted(each for each in path.rglob("*") if each.is_file())) if path.is_dir() else iter((path,))
    )


def _write_manifest(folder: Path, rows: list[Mapping[str, Any]]) -> None:
    if not rows:
        return
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    write_whole(folder / MANIFEST, text.getvalue().encode())


def _json(path: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise OutputError(f"{path.parent.name}/{path.name} is damaged", "give another folder") from None
    return read
