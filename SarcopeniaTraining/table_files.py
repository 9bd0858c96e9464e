"""A table of blocks as CSV (every value in full), Markdown and LaTeX (as one reads it).

Blocks stand side by side under headings of their own, so that figures of different sources are never
mixed. CSV columns carry units in their names.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from SarcopeniaAssessLib.model_file import write_whole

Value = str | int | float | bool | None
Row = Mapping[str, Value]
NOT_KNOWN = "–"

_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "…": r"\dots{}",
    "²": "$^2$",
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "×": r"$\times$",
    "κ": r"$\kappa$",
    "→": r"$\to$",
}


@dataclass(frozen=True)
class Shown:
    """A column as one reads it: heading with unit, and the text of a row."""

    heading: str
    text: Callable[[Row], str]


@dataclass(frozen=True)
class Block:
    """Columns of one source.

    Attributes
    ----------
    heading:
        Whose figures these are.
    names:
        Columns of the CSV, in order; keys of the rows.
    shown:
        Columns of Markdown and LaTeX.
    """

    heading: str
    names: tuple[str, ...]
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class Table:
    """A table with its footnotes; `name` is that of its files."""

    name: str
    title: str
    blocks: tuple[Block, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Columns of the CSV."""
        return [name for block in self.blocks for name in block.names]

    def records(self) -> list[dict[str, Value]]:
        """Rows with every column, unrounded, as JSON holds them."""
        return [{name: row.get(name) for name in self.names} for row in self.rows]


def number(name: str, decimals: int, *, signed: bool = False) -> Callable[[Row], str]:
    """Text of a number with so many decimals; signed: with + or −."""

    def text(row: Row) -> str:
        return decimal_text(row.get(name), decimals, signed=signed)

    return text


def mean_sd(mean: str, sd: str, decimals: int, *, signed: bool = False) -> Callable[[Row], str]:
    """Text of mean ± standard deviation."""

    def text(row: Row) -> str:
        centre = decimal_text(row.get(mean), decimals, signed=signed)
        if centre == NOT_KNOWN or row.get(sd) is None:
            return centre
        return f"{centre} ± {decimal_text(row[sd], decimals)}"

    return text


def word(name: str) -> Callable[[Row], str]:
    """Text as it is; yes and no for a boolean."""

    def text(row: Row) -> str:
        value = row.get(name)
        if value is None:
            return NOT_KNOWN
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

    return text


def decimal_text(value: Value, decimals: int, *, signed: bool = False) -> str:
    """A number as printed: a true minus, and no minus before nought."""
    if value is None:
        return NOT_KNOWN
    text = f"{float(value):{'+' if signed else ''}z.{decimals}f}"
    return text.replace("-", "−")


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write `NAME.csv`, `NAME.md` and `NAME.tex`, each by one rename.

    Raises
    ------
    OutputError
        The folder is full or not writable.
    """
    made = {".csv": csv_text(table), ".md": markdown_text(table), ".tex": latex_text(table)}
    for suffix, text in made.items():
        write_whole(folder / (table.name + suffix), text.encode())
    return [folder / (table.name + suffix) for suffix in made]


def csv_text(table: Table) -> str:
    """Every column of every block; numbers in full, nothing where a value is not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.names)
    for row in table.records():
        writer.writerow([_csv_value(value) for value in row.values()])
    return text.getvalue()


def markdown_text(table: Table) -> str:
    """The blocks' headings above the columns' own."""
    above, below = [], []
    for block in table.blocks:
        above += [block.heading, *[""] * (len(block.shown) - 1)]
        below += [f"**{column.heading}**" for column in block.shown]
    body = [[_markdown(column.text(row)) for column in _columns(table)] for row in table.rows]
    lines = [above, ["---"] * len(above), below, *body]
    notes = [f"{n}. {note}" for n, note in enumerate(table.notes, start=1)]
    grid = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([f"# {table.title}", "", *grid, "", *notes]) + "\n"


def latex_text(table: Table) -> str:
    """A `table*` with booktabs, scaled to the width of the text."""
    columns = _columns(table)
    groups, rules, start = [], [], 1
    for block in table.blocks:
        end = start + len(block.shown) - 1
        groups.append(rf"\multicolumn{{{len(block.shown)}}}{{c}}{{{latex(block.heading)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{end}}}")
        start = end + 1
    body = [" & ".join(latex(column.text(row)) for column in columns) + r" \\" for row in table.rows]
    notes = [rf"{n}. {latex(note)}\\" for n, note in enumerate(table.notes, start=1)]
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        rf"\caption{{{latex(table.title)}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{{'l' * len(columns)}}}",
        r"\toprule",
        " & ".join(groups) + r" \\",
        "".join(rules),
        " & ".join(latex(column.heading) for column in columns) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        *([r"\par\smallskip\footnotesize\raggedright", *notes] if notes else []),
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def latex(text: str) -> str:
    """Text with LaTeX's special signs, and the field's, escaped."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _columns(table: Table) -> list[Shown]:
    return [column for block in table.blocks for column in block.shown]


def _csv_value(value: Value) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def _markdown(text: str) -> str:
    return text.replace("|", "\\|")
