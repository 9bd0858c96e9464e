"""What a cohort shows, from its output folder: read, bring decisions back, write page and tables."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib import strict_json
from SarcopeniaAssessLib.audit import LOG_FILE
from SarcopeniaAssessLib.case_table import RECORD
from SarcopeniaAssessLib.errors import InputError, RecordError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.overview.brought_files import read_decisions
from SarcopeniaAssessLib.overview.case_row import CaseRow, row_of
from SarcopeniaAssessLib.overview.decisions import Brought, Decisions, Known
from SarcopeniaAssessLib.overview.page import PageContent, page_html
from SarcopeniaAssessLib.overview.tables import PARQUET, REVIEWS, parquet_bytes, reviews_csv
from SarcopeniaAssessLib.overview.thumbnails import earlier_pictures, thumbnails
from SarcopeniaAssessLib.results import OVERLAY
from SarcopeniaAssessLib.run_summary import FAILURES

PAGE = "overview.html"


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes
    ----------
    folder:
        The output folder.
    out:
        The page; `None`: `overview.html` in the folder.
    parquet:
        Whether the table is written as Parquet too.
    reviews:
        Files and folders with decisions to bring back.
    pictures:
        Whether the page holds a small picture of each slice.
    """

    folder: Path
    out: Path | None = None
    parquet: bool = False
    reviews: tuple[Path, ...] = ()
    pictures: bool = True


@dataclass
class Made:
    """What was made.

    Attributes
    ----------
    rows:
        Every case, in the order in which they are to be looked at.
    files:
        Names of what was written.
    damaged:
        Folders whose record cannot be read.
    brought:
        What became of the decisions brought back.
    problem:
        Why the decisions of the folder's log are not shown; empty if they are.
    """

    rows: list[CaseRow]
    files: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    brought: Brought = field(default_factory=Brought)
    problem: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing had to be left out."""
        return not (self.damaged or self.brought.refused or self.problem)


def make_overview(wanted: Wanted, advance: Callable[[int], Callable[[], None]]) -> Made:
    """Read an output folder, bring decisions back, write the page and what else is asked for.

    Parameters
    ----------
    advance:
        Given how many pictures there are to be, returns what is called after each.

    Raises
    ------
    InputError
        The folder holds no case of this program, or `--reviews` names what is no record.
    OutputError
        A file cannot be written, or pyarrow is not installed.
    """
    made = _read(wanted)
    page = wanted.out or wanted.folder / PAGE
    if wanted.parquet:
        write_whole(wanted.folder / PARQUET, parquet_bytes(made.rows))
        made.files.append(PARQUET)
    if any(row.decided for row in made.rows) or (wanted.folder / REVIEWS).exists():
        write_whole(wanted.folder / REVIEWS, reviews_csv(made.rows))
        made.files.append(REVIEWS)
    pictures: Iterator[tuple[str, str]] = iter(())
    if wanted.pictures:
        overlays = [(row.id, wanted.folder / row.case / OVERLAY) for row in made.rows]
        pictures = thumbnails(overlays, earlier_pictures(page), advance(len(overlays)))
    content = PageContent(made.rows, tuple(_notes(wanted.folder, made)), _way(page, wanted.folder))
    write_whole(page, page_html(content, pictures).encode())
    made.files.insert(0, page.name)
    return made


def _read(wanted: Wanted) -> Made:
    made = Made([])
    own: dict[str, Mapping[str, Any]] = {}
    rows: dict[str, CaseRow] = {}
    for case, record in _records(wanted.folder, made.damaged):
        try:
            rows[case] = row_of(case, record)
        except RecordError:
            made.damaged.append(case)
            continue
        if rows[case].review != "unreviewed":
            own[case] = record
    if not rows:
        problem = "The folder holds no case of this program that can be read"
        raise InputError(problem, "give an --out folder of `sarcopenia assess`")
    known = [Known(row.case, row.id, row.input_sha256, row.slice_from_feet) for row in rows.values()]
    decisions = Decisions(wanted.folder / LOG_FILE, known, own)
    if wanted.reviews:
        found = list(read_decisions(wanted.reviews, made.brought))
        told = decisions.bring(found)
        made.brought.taken, made.brought.already_there = told.taken, told.already_there
        made.brought.refused += told.refused
    made.problem = decisions.problem
    for case, row in rows.items():
        try:
            made.rows.append(_with_decision(wanted.folder, row, decisions, own))
        except (OSError, ValueError, RecordError):  # replaced meanwhile, or a line that was forged
            made.damaged.append(case)
    made.rows.sort(key=lambda row: row.urgency)
    return made


def _with_decision(
    folder: Path, row: CaseRow, decisions: Decisions, own: Mapping[str, Mapping[str, Any]]
) -> CaseRow:
    standing, there = decisions.standing(row.case), own.get(row.case)
    if there is None and standing is None:
        return row
    record = there if there is not None else strict_json.read(folder / row.case / RECORD)
    if standing is None:  # what its own record says was withdrawn later
        return row_of(row.case, {**record, "review": {**record["review"], "state": "unreviewed", "at": None}})
    return row_of(row.case, record, standing)


def _records(folder: Path, damaged: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every case's name and record; of what cannot be read the name."""
    try:
        cases = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except OSError as error:
        told = f"The folder cannot be read ({error.strerror or 'error'})"
        raise InputError(told, "give an --out folder of `sarcopenia assess`") from error
    for case in cases:
        path = folder / case / RECORD
        if not path.is_file():
            continue
        try:
            case.encode("utf-8")
            record = strict_json.read(path)
        except (OSError, ValueError):
            damaged.append(case.encode("utf-8", "replace").decode())
            continue
        yield case, record


def _notes(folder: Path, made: Made) -> Iterator[str]:
    """What is not on the page, for those who read only the page."""
    if made.damaged:
        count, one = len(made.damaged), "folder holds a record"
        yield f"{count:,} {one if count == 1 else 'folders hold records'} that cannot be read."
    try:
        with (folder / FAILURES).open(encoding="utf-8", newline="") as file:
            failed = sum(1 for _ in csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        failed = 0
    if failed:
        yield f"{failed:,} {'study has' if failed == 1 else 'studies have'} no record: {FAILURES} says why."
    if made.problem:
        yield f"{made.problem}: no decision of it is shown."


def _way(page: Path, folder: Path) -> str | None:
    """From the page down to the folder; none from elsewhere: a path may tell of people."""
    try:
        down = folder.resolve().relative_to(page.resolve().parent)
    except (OSError, ValueError):
        return None
    from urllib.parse import quote

    return "".join(f"{quote(part, safe='')}/" for part in down.parts)
