"""What a report tells, collected from a reproduction's folder: nothing is computed anew, nothing invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.model_file import file_sha256
from SarcopeniaTraining.report_page.circumstances import Circumstances, read_circumstances
from SarcopeniaTraining.report_page.pictures import Picture, read_pictures
from SarcopeniaTraining.report_page.shown_table import ShownTable, read_table

TABLES, FIGURES = "tables", "figures"
PAPER_TABLES: Mapping[str, str] = {
    "table1": "Table 1. AUC of the classifiers",
    "table2": "Table 2. Test scores of the classifiers",
    "table3": "Table 3. Dice and area error of each fold",
    "table4": "Table 4. Muscle area of every test patient of the best fold",
}
"""Names of files, and what each is called where it is missing."""
_NEEDS = {"table1": "classify", "table2": "classify", "table3": "segment", "table4": "segment"}


@dataclass(frozen=True)
class ReportContent:
    """Everything that the page shows.

    Attributes
    ----------
    tables:
        By the name of their files: the paper's four first, so far as they are there, then the others.
    missing:
        A sentence on each part that a whole reproduction has and this folder has not.
    files:
        Tables and figures by their place in the folder, with their SHA-256.
    """

    name: str
    told: Circumstances
    tables: Mapping[str, ShownTable]
    pictures: tuple[Picture, ...]
    missing: tuple[str, ...]
    files: Mapping[str, str]

    @property
    def other_tables(self) -> tuple[ShownTable, ...]:
        """Those beyond the paper's four."""
        return tuple(table for name, table in self.tables.items() if name not in PAPER_TABLES)


def collect(folder: Path) -> ReportContent:
    """Read a reproduction's folder.

    Parameters
    ----------
    folder:
        What `sarcopenia reproduce --out` was given; docs/reproduction.md lists its files.

    Raises
    ------
    InputError
        There is no such folder, there is nothing of a reproduction in it, or a file is damaged.
    """
    if not folder.is_dir():
        raise InputError("the folder of the reproduction is not there", "give the --out of `reproduce`")
    told = read_circumstances(folder)
    names = [path.stem for path in sorted((folder / TABLES).glob("*.csv"))]
    names += [path.stem for path in sorted((folder / TABLES).glob("*.md")) if path.stem not in names]
    ordered = [
        *(name for name in PAPER_TABLES if name in names),
        *(n for n in names if n not in PAPER_TABLES),
    ]
    read = {name: read_table(folder / TABLES, name) for name in ordered}
    tables = {name: table for name, table in read.items() if table is not None}
    pictures = read_pictures(folder / FIGURES)
    if not tables and not pictures and not told.steps:
        raise InputError(
            "the folder holds no tables, no figures and no steps of a reproduction",
            "give the --out of `sarcopenia reproduce`",
        )
    shown = [*(folder / TABLES).glob("*.csv"), *(folder / TABLES).glob("*.md")]
    shown += (folder / FIGURES).rglob("*.png")
    files = {path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(shown)}
    return ReportContent(
        folder.resolve().name, told, tables, pictures, _missing(told, tables, pictures), files
    )


def _missing(
    told: Circumstances, tables: Mapping[str, ShownTable], pictures: tuple[Picture, ...]
) -> tuple[str, ...]:
    sentences = [
        f"{words} is missing: {_why(told, _NEEDS[name])}."
        for name, words in PAPER_TABLES.items()
        if name not in tables
    ]
    if not pictures:
        sentences.append("There are no figures: no step that draws any has been done.")
    sentences += [
        f"Step “{step.title}” is not done: {_STATES.get(step.state, step.state)}."
        for step in told.steps
        if step.state not in ("done", "not wanted")
    ]
    left_out = [step.title for step in told.steps if step.state == "not wanted"]
    if left_out:
        sentences.append(f"Left out as asked (--only {told.only}): {'; '.join(left_out)}.")
    unfinished = told.segmentation.summary.get("unfinished_folds") if told.segmentation else None
    if unfinished:
        sentences.append(f"Folds that are not finished: {', '.join(map(str, unfinished))}.")
    return tuple(sentences)


_STATES = {"missing": "it was not reached, or has failed", "failed": "it has failed"}


def _why(told: Circumstances, part: str) -> str:
    if told.only is not None and told.only not in ("tables", part):
        return f"this run was asked for --only {told.only}"
    return "the steps that lead to it are not done"
