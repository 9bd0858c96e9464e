"""Every printed number beside this run's: the difference, and whether the two could agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, stdev

from SarcopeniaTraining.classification.printed_classifiers import printed_aucs, printed_tests
from SarcopeniaTraining.classification.table_2 import BEST
from SarcopeniaTraining.printed_paper import printed_agreement, printed_folds, printed_patients
from SarcopeniaTraining.report_page.circumstances import Circumstances
from SarcopeniaTraining.report_page.expectation import (
    BY_NUMBER,
    MIXED_SIGNS,
    UNEXPECTED,
    Expectation,
    classification_expectation,
    segmentation_expectation,
)
from SarcopeniaTraining.report_page.shown_table import ShownTable
from SarcopeniaTraining.table_3 import MEAN_OF_FOLDS
from SarcopeniaTraining.table_files import NOT_KNOWN, decimal_text

Tables = Mapping[str, ShownTable]
HEADLINE = "accuracy"
"""Of Table 2 at a glance, for its first network, the best in print."""
ABSOLUTE_FOLD = 4
"""Of Table 3: its printed area difference is known to be a mean of absolute errors."""


@dataclass(frozen=True)
class Measured:
    """A number as one reads it.

    Attributes
    ----------
    value:
        `None`: not known; `text` may stand for it.
    spread:
        Standard deviation.
    interval:
        95 % interval.
    of:
        How many a count is out of.
    """

    value: float | None
    spread: float | None = None
    interval: tuple[float, float] | None = None
    of: int | None = None
    text: str = ""

    def shown(self, decimals: int, unit: str = "", *, signed: bool = False) -> str:
        """With its spread, interval and unit."""
        if self.value is None:
            return self.text or NOT_KNOWN
        if self.of is not None:
            return f"{self.value:.0f}{_JOIN}of{_JOIN}{self.of}"
        words = decimal_text(self.value, decimals, signed=signed)
        if self.spread is not None:
            words += f"{_JOIN}±{_JOIN}{decimal_text(self.spread, decimals)}"
        if unit:
            words += f"{_JOIN}{unit}"
        if self.interval is not None:
            low, high = (decimal_text(end, decimals) for end in self.interval)
            words += f" ({low}{_JOIN}…{_JOIN}{high})"
        return words


UNKNOWN = Measured(None)
_CONFUSION = ("tp", "fp", "fn", "tn")
_JOIN = "\u00a0"
"""A space at which no line ends."""


@dataclass(frozen=True)
class ComparisonRow:
    """One number, ours and theirs.

    Attributes
    ----------
    headline:
        What it is called at a glance; empty: it is not shown there.
    subtracted:
        Whether a difference means anything.
    """

    quantity: str
    ours: Measured
    printed: Measured
    expectation: Expectation
    decimals: int = 2
    unit: str = ""
    signed: bool = False
    subtracted: bool = True
    headline: str = ""

    @property
    def ours_text(self) -> str:
        """What this run found."""
        return self.ours.shown(self.decimals, self.unit, signed=self.signed)

    @property
    def printed_text(self) -> str:
        """The paper's number."""
        return self.printed.shown(self.decimals, self.unit, signed=self.signed)

    @property
    def difference(self) -> float | None:
        """Ours − theirs; of counts in percentage points; `None` where it cannot be told."""
        ours, theirs = self.ours, self.printed
        if not self.subtracted or ours.value is None or theirs.value is None:
            return None
        if ours.of and theirs.of:
            return 100 * (ours.value / ours.of - theirs.value / theirs.of)
        return ours.value - theirs.value

    @property
    def difference_text(self) -> str:
        """With sign and unit."""
        found = self.difference
        if found is None:
            return NOT_KNOWN
        if self.ours.of is not None:
            return f"{decimal_text(found, 0, signed=True)}{_JOIN}points"
        unit = f"{_JOIN}points" if self.unit == "%" else f"{_JOIN}{self.unit}" if self.unit else ""
        return decimal_text(found, self.decimals, signed=True) + unit


def table_1_rows(tables: Tables, told: Circumstances) -> tuple[ComparisonRow, ...]:
    """The twelve combinations: mean AUC over the sets."""
    table, rows = tables.get("table1"), list[ComparisonRow]()
    for printed in printed_aucs():
        own = _row(table, network=printed.network, scheme=printed.scheme)
        ours = Measured(
            _number(own, "auc_mean"), _number(own, "auc_sd"), _interval(own, "auc_low_95", "auc_high_95")
        )
        rows.append(
            ComparisonRow(
                f"{printed.network}, {printed.scheme}",
                ours,
                Measured(printed.mean, printed.sd),
                _expected(ours, classification_expectation(told, printed.network, printed.scheme)),
                headline="" if rows else f"AUC, {printed.network}, {printed.scheme}",
            )
        )
    return tuple(rows)


def table_2_rows(tables: Tables, told: Circumstances) -> tuple[ComparisonRow, ...]:
    """Accuracy, precision, F1 and confusion of each network's run that was best on validation."""
    table, rows = tables.get("table2"), list[ComparisonRow]()
    for printed in printed_tests():
        own = _row(table, network=printed.network, readings=BEST)
        expectation = classification_expectation(told, printed.network, (own or {}).get("scheme", ""))
        for words, column, value in (
            ("accuracy", "accuracy", printed.accuracy),
            ("precision", "precision", printed.precision),
            ("F1", "f1", printed.f1),
        ):
            ours = Measured(_number(own, column))
            expected = _expected(ours, expectation)
            if own is not None and ours.value is None:
                ours, expected = Measured(None, text="undefined"), expectation
            name = f"{printed.network}: {words}"
            headline = f"{words.capitalize()}, {printed.network}" if words == HEADLINE and not rows else ""
            rows.append(ComparisonRow(name, ours, Measured(value), expected, headline=headline))
        confusion = [_number(own, name) for name in _CONFUSION]
        ours = Measured(None, text=_confusion_text(confusion))
        rows.append(
            ComparisonRow(
                f"{printed.network}: TP/FP/FN/TN",
                ours,
                Measured(None, text=_confusion_text([getattr(printed.calls, name) for name in _CONFUSION])),
                expectation if own is not None else UNEXPECTED,
                subtracted=False,
            )
        )
    return tuple(rows)


def table_3_rows(tables: Tables, told: Circumstances) -> tuple[ComparisonRow, ...]:
    """Mean over folds, then each fold's Dice and area difference."""
    table, expectation = tables.get("table3"), segmentation_expectation(told)
    mean = _row(table, fold=MEAN_OF_FOLDS)
    printed = [fold.dice_mean for fold in printed_folds()]
    ours = Measured(_number(mean, "dice_mean"), _number(mean, "dice_sd"))
    rows = [
        ComparisonRow(
            "Dice, mean of the folds ± sd over folds",
            ours,
            Measured(sum(printed) / len(printed), stdev(printed)),
            _expected(ours, expectation),
            3,
            headline="Dice, mean of the folds",
        )
    ]
    for fold in printed_folds():
        own = _row(table, fold=str(fold.fold))
        ours = Measured(_number(own, "dice_mean"), _number(own, "dice_sd"))
        rows.append(
            ComparisonRow(
                f"fold {fold.fold}: Dice, mean ± sd over patients",
                ours,
                Measured(fold.dice_mean, fold.dice_sd),
                _expected(ours, expectation.without_pair(BY_NUMBER)),
            )
        )
    rows.extend(_fold_areas(table, expectation))
    return tuple(rows)


def _fold_areas(table: ShownTable | None, expectation: Expectation) -> Iterator[ComparisonRow]:
    for fold in printed_folds():
        own = _row(table, fold=str(fold.fold))
        absolute = fold.fold == ABSOLUTE_FOLD
        column = "sma_abs_error" if absolute else "sma_error"
        spread = None if absolute else _number(own, f"{column}_sd_percent")
        ours = Measured(_number(own, f"{column}_mean_percent"), spread)
        reason = BY_NUMBER if absolute else MIXED_SIGNS
        yield ComparisonRow(
            f"fold {fold.fold}: area error, {'mean of absolute errors' if absolute else 'signed here'}",
            ours,
            Measured(fold.area_difference_percent_mean, fold.area_difference_percent_sd),
            _expected(ours, expectation.without_pair(reason)),
            2,
            "%",
            signed=not absolute,
            subtracted=absolute,
        )


def table_4_rows(tables: Tables, told: Circumstances) -> tuple[ComparisonRow, ...]:
    """The best fold's test patients as a group: single patients are other people."""
    table, expectation = tables.get("table4"), segmentation_expectation(told)
    own = [row for row in (table.values if table else ()) if row.get("case")]
    signed = [value for row in own if (value := _number(row, "sma_error_percent")) is not None]
    absolute, dice = [abs(value) for value in signed], [_number(row, "dice") for row in own]
    printed, agreed = printed_agreement(), printed_patients()
    errors = [patient.error_percent for patient in agreed]
    known = [value for value in dice if value is not None]

    def row(
        words: str, ours: Measured, theirs: Measured, decimals: int = 2, headline: str = ""
    ) -> ComparisonRow:
        expected = _expected(ours, expectation)
        unit = "%" if "error" in words else ""
        return ComparisonRow(
            words, ours, theirs, expected, decimals, unit, signed="signed" in words, headline=headline
        )

    return (
        row(
            "Dice, mean over patients",
            Measured(_mean(known)),
            Measured(printed.dice_mean),
            3,
            "Dice, best fold",
        ),
        row(
            "absolute area error, mean",
            Measured(_mean(absolute)),
            Measured(printed.abs_error_mean_percent),
            headline="Absolute area error, best fold",
        ),
        row(
            "absolute area error, median",
            Measured(median(absolute) if absolute else None),
            Measured(median(errors)),
        ),
        row("absolute area error, least", Measured(min(absolute, default=None)), Measured(min(errors))),
        row("absolute area error, greatest", Measured(max(absolute, default=None)), Measured(max(errors))),
        row(
            "signed area error, mean ± sd",
            Measured(_mean(signed), stdev(signed) if len(signed) > 1 else None),
            Measured(printed.error_mean_percent, printed.error_sd_percent),
        ),
        row("status right", _right(own), Measured(16, of=16), 0, "Status right, best fold"),
    )


def _right(rows: Sequence[Mapping[str, str]]) -> Measured:
    judged = [
        row["truth_sarcopenic"] == row["predicted_sarcopenic"]
        for row in rows
        if {row.get("truth_sarcopenic"), row.get("predicted_sarcopenic")} <= {"yes", "no"}
    ]
    return Measured(float(sum(judged)), of=len(judged)) if judged else UNKNOWN


def _row(table: ShownTable | None, **wanted: str) -> Mapping[str, str] | None:
    return None if table is None else table.row(**wanted)


def _number(row: Mapping[str, str] | None, column: str) -> float | None:
    text = "" if row is None else row.get(column, "")
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _interval(row: Mapping[str, str] | None, low: str, high: str) -> tuple[float, float] | None:
    ends = _number(row, low), _number(row, high)
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _expected(ours: Measured, expectation: Expectation) -> Expectation:
    """What is expected of a number; of one that is not there, that it is not there."""
    return expectation if ours.value is not None else UNEXPECTED


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _confusion_text(confusion: Sequence[float | None]) -> str:
    if any(value is None for value in confusion):
        return ""
    return "/".join(f"{value:.0f}" for value in confusion if value is not None)
