"""Ours beside the printed numbers as a plot of dots, in SVG that keeps its letters' size at any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from SarcopeniaAssessLib.markup import Html, element, joined
from SarcopeniaTraining.report_page.comparison_rows import ComparisonRow, Measured
from SarcopeniaTraining.table_files import decimal_text

_HEIGHT, _OURS_AT, _PRINTED_AT = 34, 11, 24
_AXIS_HEIGHT = 22
_TICKS = 5
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, with a tick every `step`."""

    low: float
    high: float
    step: float

    def place(self, value: float) -> str:
        """Where a value lies, in per cent of the width, with a margin of 3 % on either side."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return f"{3 + 94 * share:.2f}%"

    @property
    def ticks(self) -> tuple[float, ...]:
        """Values with a line."""
        count = round((self.high - self.low) / self.step)
        return tuple(round(self.low + n * self.step, 6) for n in range(count + 1))


def axis_of(values: Sequence[float], greatest: float = math.inf) -> Axis:
    """An axis of round numbers that holds all values from nought up to the greatest that can be."""
    low, high = max(min(values), 0.0), min(max(values), greatest)
    step = next((s for s in _STEPS if (high - low) / s <= _TICKS), _STEPS[-1])
    first, last = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Axis(round(first, 6), round(last if last > first else first + step, 6), step)


def dot_plot(rows: Sequence[ComparisonRow], words: str, unit: str, chance: float | None = None) -> Html:
    """A row a number: ours a filled circle, theirs a hollow diamond, lines the standard deviations.

    Parameters
    ----------
    words:
        What is plotted, for the caption.
    unit:
        Below the axis.
    chance:
        Of a share: what guessing gives, as a dashed line; nothing is drawn above 1.
    """
    known = [row for row in rows if row.ours.value is not None or row.printed.value is not None]
    if not known:
        return joined()
    ends = [end for row in known for each in (row.ours, row.printed) for end in _ends(each)]
    axis = axis_of(ends) if chance is None else axis_of([chance, *ends], 1.0)
    body = [
        element("div", element("span", row.quantity), _row(row, axis, chance), class_="plot-row")
        for row in known
    ]
    body.append(element("div", element("span", unit, class_="unit"), _axis(axis), class_="plot-row"))
    key = element(
        "p",
        element("span", _sample("ours", _circle("8", 8)), "this run"),
        element("span", _sample("printed", _diamond("8", 8)), "printed"),
        element("span", "lines: standard deviation"),
        None if chance is None else element("span", "dashed: chance"),
        class_="key",
    )
    label = f"Dot plot. {words} The numbers stand in the table of comparison below."
    return element(
        "figure",
        element("div", *body, role="img", aria_label=label, class_="plot"),
        element("figcaption", words, key),
        class_="dots",
    )


def _row(row: ComparisonRow, axis: Axis, chance: float | None) -> Html:
    grid = [_line(axis.place(tick), 0, _HEIGHT, "grid") for tick in axis.ticks]
    grid += [] if chance is None else [_line(axis.place(chance), 0, _HEIGHT, "chance")]
    marks = [
        _mark(each, axis, height, name)
        for each, height, name in ((row.ours, _OURS_AT, "ours"), (row.printed, _PRINTED_AT, "printed"))
        if each.value is not None
    ]
    return element("svg", *grid, *marks, width="100%", height=_HEIGHT, aria_hidden="true")


def _axis(axis: Axis) -> Html:
    decimals = max(0, -math.floor(math.log10(axis.step) + 1e-9))
    if round(axis.step * 10**decimals, 6) % 1:
        decimals += 1
    texts = [
        element("text", decimal_text(tick, decimals), x=axis.place(tick), y=15, text_anchor="middle")
        for tick in axis.ticks
    ]
    return element("svg", *texts, width="100%", height=_AXIS_HEIGHT, aria_hidden="true")


def _mark(each: Measured, axis: Axis, height: int, name: str) -> Html:
    value = each.value or 0.0
    low, high = _ends(each)
    spread = element("line", x1=axis.place(low), x2=axis.place(high), y1=height, y2=height, class_="spread")
    shape = (_circle if name == "ours" else _diamond)(axis.place(value), height)
    return element("g", spread, shape, class_=name)


def _circle(x: str, y: int) -> Html:
    return element("circle", cx=x, cy=y, r=5)


def _diamond(x: str, y: int) -> Html:
    """A square on its corner; a nested SVG, because a transform knows no per cent."""
    corner = element("path", d="M0 -6 L6 0 L0 6 L-6 0 Z")
    return element("svg", corner, x=x, y=y, overflow="visible")


def _sample(name: str, shape: Html) -> Html:
    return element(
        "svg", element("g", shape, class_=name), width=16, height=16, aria_hidden="true", class_="sample"
    )


def _line(x: str, top: int, bottom: int, name: str) -> Html:
    return element("line", x1=x, x2=x, y1=top, y2=bottom, class_=name)


def _ends(each: Measured) -> tuple[float, ...]:
    if each.value is None:
        return ()
    spread = each.spread or 0.0
    return each.value - spread, each.value + spread
