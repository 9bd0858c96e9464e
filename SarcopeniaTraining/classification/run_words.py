"""What every table and figure of a classifier run must say: its name, its start, its leak."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from SarcopeniaTraining.table_files import NOT_KNOWN, Row, Value, decimal_text

if TYPE_CHECKING:
    from SarcopeniaTraining.agreement import Estimate
    from SarcopeniaTraining.classification.classifier_run import Classification

STARTS = {
    "random": "random start",
    "radimagenet": "RadImageNet start",
    "mixed": "RadImageNet start of some networks, random start of others",
}
"""What the networks began from, as every heading says it."""
OTHER_COHORT = (
    "Printed: the paper's 79 patients in its own shuffles, networks from RadImageNet weights. This run: its "
    "own cohort and shuffles."
)
RANDOM_START = (
    "This run: {}. No pretrained weights can be bundled, so its figures cannot be expected to agree with "
    "the printed ones; give RadImageNet's Keras files with --weights."
)
LEAK = (
    "LEAK: this run learned from images with the muscle's outline drawn on them. Its figures say what the "
    "leak brings, and nothing about the muscle."
)
CLASS_WEIGHTS = "This run: class weights on, each class weighs the same in training; the paper had none."


@dataclass(frozen=True)
class RunWords:
    """How tables and figures call a run.

    Attributes
    ----------
    heading:
        Of the run's own block: name, preset, start.
    notes:
        What every table of the run says first.
    """

    heading: str
    notes: tuple[str, ...]


def run_words(run: Classification) -> RunWords:
    """Heading and first notes: what it started from, whether it leaks or weighs classes."""
    preset = str(run.facts["preset"].get("name", "?"))
    start = STARTS[run.start]
    heading = f"this run ({run.name}, preset {preset}, {start}{', LEAK' if run.leak else ''})"
    notes = [LEAK] if run.leak else []
    notes.append(OTHER_COHORT)
    if run.start != "radimagenet":
        notes.append(RANDOM_START.format(start))
    if any(record.class_weights for record in run.records):
        notes.append(CLASS_WEIGHTS)
    return RunWords(heading, tuple(notes))


def interval(low: str, high: str, decimals: int) -> Callable[[Row], str]:
    """Text of a 95 % interval of a row."""

    def text(row: Row) -> str:
        if row.get(low) is None:
            return NOT_KNOWN
        return f"{decimal_text(row[low], decimals)} … {decimal_text(row[high], decimals)}"

    return text


def with_interval(name: str, decimals: int) -> Callable[[Row], str]:
    """Text of a value, in brackets its 95 % interval, from columns NAME, NAME_low_95 and NAME_high_95."""

    def text(row: Row) -> str:
        value = decimal_text(row.get(name), decimals)
        if row.get(f"{name}_low_95") is None:
            return value
        return f"{value} ({interval(f'{name}_low_95', f'{name}_high_95', decimals)(row)})"

    return text


def estimates(named: Mapping[str, Estimate | None]) -> dict[str, Value]:
    """Columns NAME, NAME_low_95 and NAME_high_95 of each; what cannot be told has none of them."""
    columns: dict[str, Value] = {}
    for name, estimate in named.items():
        columns[name] = None if estimate is None else estimate.value
        columns[f"{name}_low_95"] = None if estimate is None else estimate.low
        columns[f"{name}_high_95"] = None if estimate is None else estimate.high
    return columns
