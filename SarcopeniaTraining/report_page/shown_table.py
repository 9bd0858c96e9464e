"""A table as `table_files.write_table` leaves it: as shown from `NAME.md`, in full from `NAME.csv`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.table_3 import MEAN_OF_FOLDS
from SarcopeniaTraining.table_4 import ALL_PATIENTS
from SarcopeniaTraining.table_files import NOT_KNOWN

_CELL = re.compile(r"(?<!\\)\|")
_NOTE = re.compile(r"\d+\. ")
_NUMBER = re.compile(r"[+−-]?\d+(?:[.,]\d+)?(?:e[+-]?\d+)?")
_SUMS_UP = frozenset({MEAN_OF_FOLDS, ALL_PATIENTS})
_AGAIN = "make the table again, by the command that wrote it"


@dataclass(frozen=True)
class Group:
    """Columns of one source: the heading above them, and how many they are."""

    heading: str
    columns: int


@dataclass(frozen=True)
class ShownTable:
    """A table for reading, and its values in full.

    Attributes
    ----------
    name:
        That of its files.
    groups:
        From left to right; together as wide as `headings`.
    rows, summary_rows:
        Cells as one reads them; those that sum up the others, which are never sorted among them.
    values:
        Rows of the CSV by column, all as text; empty where there is no CSV.
    """

    name: str
    title: str
    groups: tuple[Group, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    summary_rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    values: tuple[Mapping[str, str], ...]

    def __post_init__(self) -> None:
        width = len(self.headings)
        cells = {len(row) for row in (*self.rows, *self.summary_rows)}
        if sum(group.columns for group in self.groups) != width or cells - {width}:
            raise InputError(f"{self.name}.md has rows of unequal length", _AGAIN)

    @property
    def has_groups(self) -> bool:
        """Whether columns come from more than one source."""
        return len(self.groups) > 1

    def row(self, **wanted: str) -> Mapping[str, str] | None:
        """The first row of the CSV with these values."""
        return next((row for row in self.values if wanted.items() <= row.items()), None)


def read_table(folder: Path, name: str) -> ShownTable | None:
    """A table of a folder; `None` where there is neither its Markdown nor its CSV.

    Raises
    ------
    InputError
        A file that is damaged or no table.
    """
    shown, full = folder / f"{name}.md", folder / f"{name}.csv"
    try:
        values = _values(full.read_text("utf-8")) if full.is_file() else ()
        if shown.is_file():
            return _of_markdown(name, shown.read_text("utf-8"), values)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InputError(f"the table {name} cannot be read", _AGAIN) from None
    return _of_values(name, values) if values else None


def number_in(text: str) -> float | None:
    """The first number of a cell, by which it is sorted: 0.901 of `0.901 ± 0.033`, 15 of `15 of 16`."""
    found = _NUMBER.search(text)
    return None if found is None else float(found.group().replace("−", "-").replace(",", "."))


def _of_markdown(name: str, text: str, values: tuple[Mapping[str, str], ...]) -> ShownTable:
    lines = text.splitlines()
    title = next((line[2:].strip() for line in lines if line.startswith("# ")), name)
    grid = [_cells(line) for line in lines if line.startswith("|")]
    if len(grid) < 3:
        raise InputError(f"{name}.md holds no table", _AGAIN)
    above, _, below, *rows = grid
    plain, summed = _parted(rows)
    return ShownTable(
        name,
        title,
        _groups(above),
        tuple(cell.strip("*") for cell in below),
        plain,
        summed,
        tuple(line[found.end() :] for line in lines if (found := _NOTE.match(line))),
        values,
    )


def _of_values(name: str, values: tuple[Mapping[str, str], ...]) -> ShownTable:
    """A table of which there is only the CSV: its columns' names as headings."""
    headings = tuple(values[0])
    rows = [tuple(row[heading] or NOT_KNOWN for heading in headings) for row in values]
    words = tuple(heading.replace("_", " ") for heading in headings)
    plain, summed = _parted(rows)
    return ShownTable(name, name, (Group("", len(headings)),), words, plain, summed, (), values)


def _values(text: str) -> tuple[Mapping[str, str], ...]:
    return tuple({key: row[key] or "" for key in row if key} for row in csv.DictReader(io.StringIO(text)))


def _cells(line: str) -> tuple[str, ...]:
    inner = line.strip()[1:-1] if line.strip().endswith("|") else line.strip()[1:]
    return tuple(cell.strip().replace("\\|", "|") for cell in _CELL.split(inner))


def _groups(above: Sequence[str]) -> tuple[Group, ...]:
    groups: list[Group] = []
    for cell in above:
        if cell or not groups:
            groups.append(Group(cell, 1))
        else:
            groups[-1] = Group(groups[-1].heading, groups[-1].columns + 1)
    return tuple(groups)


def _parted(
    rows: Sequence[tuple[str, ...]],
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Rows, and those at the end whose first cell says that they sum up."""
    end = len(rows)
    while end > 1 and rows[end - 1][0] in _SUMS_UP:
        end -= 1
    return tuple(rows[:end]), tuple(rows[end:])
