"""Tables as HTML: captions, scopes, buttons that sort, and what does not fit scrolls by keyboard too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from SarcopeniaAssessLib.markup import Html, element, joined
from SarcopeniaTraining.report_page.comparison_rows import ComparisonRow
from SarcopeniaTraining.report_page.expectation import Reason, Verdict
from SarcopeniaTraining.report_page.shown_table import Group, ShownTable, number_in
from SarcopeniaTraining.table_files import NOT_KNOWN

WIDE_COLUMNS, PARTED_COLUMNS = 11, 20
"""From so many columns on a table is printed across; is shown source by source, one below the other."""
_KEYS = {"table2": 2, "table4": 0}
"""Leading columns that every part repeats; elsewhere the first. Blocks of Table 4 number their own rows."""
AS_ALL = "as all here"
"""Stands for the reasons that hold for every row."""
SHORT_ROWS = 24
"""A table of so many rows stays on one page of paper."""
LONG_ROWS = 60
"""A longer table is folded on the screen."""
_SIGNS = frozenset("0123456789+−-.")


@dataclass(frozen=True)
class Grid:
    """A table to be laid out.

    Attributes
    ----------
    name:
        Anchor of its caption.
    foot:
        Rows that stay below when the others are sorted.
    """

    name: str
    caption: str
    headings: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    foot: Sequence[Sequence[object]] = ()
    groups: tuple[Group, ...] = ()
    kind: str = ""


def shown_table(table: ShownTable) -> Html:
    """A table as it was written, with its notes below it."""
    grids = list(_grids(table))
    made = joined(*map(laid_out, grids))
    notes = [element("li", note) for note in table.notes]
    below = element("ol", *notes, class_="notes", aria_label=f"Notes to: {table.title}") if notes else None
    if sum(len(grid.rows) for grid in grids) <= LONG_ROWS:
        return joined(made, below)
    summary = f"{table.title} ({len(table.rows)} rows; tables/{table.name}.csv holds them all)"
    return element("details", element("summary", summary), made, below)


def _grids(table: ShownTable) -> Iterator[Grid]:
    """The table, or where it is very wide a part for each source."""
    if not table.has_groups or len(table.headings) < PARTED_COLUMNS:
        groups = table.groups if table.has_groups else ()
        yield Grid(table.name, table.title, table.headings, table.rows, table.summary_rows, groups)
        return
    keys, start = _KEYS.get(table.name, 1), 0
    for number, group in enumerate(table.groups):
        own = range(start, start + group.columns)
        picked = [*(range(keys) if number else ()), *own]
        yield Grid(
            f"{table.name}-{number + 1}",
            f"{table.title}: {group.heading}",
            tuple(table.headings[n] for n in picked),
            _picked(table.rows, picked, own),
            [_named(row, table) for row in _picked(table.summary_rows, picked, own)],
        )
        start += group.columns


def _picked(
    rows: Sequence[tuple[str, ...]], picked: Sequence[int], own: Sequence[int]
) -> tuple[tuple[str, ...], ...]:
    """Some columns of the rows; a row of which the source says nothing but its name is left out."""
    told = [row for row in rows if any(row[n] not in (NOT_KNOWN, "") for n in own[1:] or own)]
    return tuple(tuple(row[n] for n in picked) for row in told)


def _named(row: tuple[str, ...], table: ShownTable) -> tuple[str, ...]:
    """A row that sums up, by the name that it has in the table's first column."""
    return (table.summary_rows[0][0], *row[1:]) if row[0] == NOT_KNOWN else row


def comparison(rows: Sequence[ComparisonRow], name: str, caption: str) -> Html:
    """Ours, theirs, difference, whether they could agree, and why not; what holds for all is said once."""
    shared = _shared(rows)
    cells = [
        (
            row.quantity,
            row.ours_text,
            row.printed_text,
            row.difference_text,
            verdict(row.expectation.verdict),
            _why(row.expectation.reasons, shared),
        )
        for row in rows
    ]
    headings = ("number", "this run", "printed", "difference", "could\u00a0agree?", "why")
    words = ", ".join(reason.short for reason in shared)
    above = (
        element("p", element("b", "For all numbers of this table: "), f"{words}.", class_="shared")
        if shared
        else None
    )
    return joined(above, laid_out(Grid(name, caption, headings, cells, kind="comparison")))


def _shared(rows: Sequence[ComparisonRow]) -> list[Reason]:
    """Reasons of every number that this run has."""
    known = [row.expectation for row in rows if row.expectation.verdict is not Verdict.MISSING]
    if len(known) < 2:
        return []
    return [reason for reason in known[0].reasons if all(reason in each.reasons for each in known)]


def _why(reasons: Sequence[Reason], shared: Sequence[Reason]) -> str:
    own = [reason.short for reason in reasons if reason not in shared]
    as_all = [AS_ALL] if shared and len(own) < len(reasons) else []
    return ", ".join([*own, *as_all]) or NOT_KNOWN


def verdict(found: Verdict) -> Html:
    """A verdict as a tag: the word, and a colour that says the same."""
    return element("span", found.value, class_=f"verdict {found.name.lower().replace('_', '-')}")


def laid_out(grid: Grid) -> Html:
    """A table in a region that scrolls."""
    numeric = [_is_numeric(cells) for cells in _columns(grid)]
    starts = _group_starts(grid.groups)
    head = [_group_row(grid.groups)] if grid.groups else []
    head.append(
        element(
            "tr", *(_heading(text, n in starts, n > 0 and numeric[n]) for n, text in enumerate(grid.headings))
        )
    )
    parts = [
        element("caption", element("span", grid.caption), id=f"caption-{grid.name}"),
        element("thead", *head),
        element("tbody", *(_row(row, numeric, starts) for row in grid.rows)),
    ]
    if grid.foot:
        parts.append(element("tfoot", *(_row(row, numeric, starts) for row in grid.foot)))
    short = len(grid.rows) <= SHORT_ROWS
    return element(
        "div",
        element("table", *parts, class_=grid.kind or None),
        class_=f"scroll{' wide' if is_wide(grid.headings) else ''}{' short' if short else ''}",
        role="region",
        tabindex="0",
        aria_labelledby=f"caption-{grid.name}",
    )


def is_wide(headings: Sequence[str]) -> bool:
    """Whether a table with these columns is printed across the paper."""
    return len(headings) >= WIDE_COLUMNS


def _columns(grid: Grid) -> Iterable[list[str]]:
    for n in range(len(grid.headings)):
        yield [str(row[n]) for row in grid.rows]


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether every cell that is filled begins with a number."""
    filled = [cell for cell in cells if cell not in (NOT_KNOWN, "")]
    return bool(filled) and all(cell[0] in _SIGNS and number_in(cell) is not None for cell in filled)


def _group_row(groups: Sequence[Group]) -> Html:
    cells = [
        element("th", group.heading, scope="colgroup", colspan=group.columns, class_="first" if n else None)
        for n, group in enumerate(groups)
    ]
    return element("tr", *cells, class_="groups")


def _group_starts(groups: Sequence[Group]) -> frozenset[int]:
    starts, place = set(), 0
    for group in groups[:-1]:
        place += group.columns
        starts.add(place)
    return frozenset(starts)


def _heading(text: str, first: bool, numeric: bool) -> Html:
    """A heading whose button sorts; the script enables it."""
    names = " ".join(name for name, given in (("first", first), ("number", numeric)) if given)
    button = element(
        "button", text, element("span", aria_hidden="true", class_="arrow"), type="button", disabled=True
    )
    return element("th", button, scope="col", aria_sort="none", class_=names or None)


def _row(row: Sequence[object], numeric: Sequence[bool], starts: frozenset[int]) -> Html:
    cells = []
    for n, cell in enumerate(row):
        names = " ".join(name for name, given in (("first", n in starts), ("number", numeric[n])) if given)
        shown = _kept_together(str(cell)) if numeric[n] and not isinstance(cell, Html) else cell
        value = number_in(str(cell)) if numeric[n] and str(cell) not in (NOT_KNOWN, "") else None
        given = {"class_": names or None, "data_value": value}
        cells.append(element("td", shown, **given) if n else _row_heading(shown, value))
    return element("tr", *cells)


def _kept_together(number: str) -> str:
    """A number whose line does not end at its ±, in its interval or before its unit."""
    for sign in ("±", "…", "%"):
        number = number.replace(f" {sign}", f"\u00a0{sign}").replace(f"{sign} ", f"{sign}\u00a0")
    return number


def _row_heading(cell: object, value: float | None) -> Html:
    return element("th", cell, scope="row", data_value=value)
