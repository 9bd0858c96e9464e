"""The distribution of areas as SVG that keeps its letters' size at any width."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.markup import Html, element

if TYPE_CHECKING:
    from SarcopeniaAssessLib.overview.distribution import Distribution, Group

HEIGHT_PX, TOP_PX = 150, 18
_AXIS_PX = 24
_STEPS_CM2 = (10.0, 20.0, 25.0, 50.0, 100.0)
_MOST_TICKS = 9


def histogram(group: Group, distribution: Distribution) -> Html:
    """The bars of one sex, its cut-offs as lines, the axis below; what a filter shows is drawn over all."""
    most = max(group.bins)
    bars = [
        *_bars(group, distribution, "all", most),
        *_bars(group, distribution, "shown", most),
    ]
    base = TOP_PX + HEIGHT_PX
    ground = element("line", x1="0%", x2="100%", y1=base, y2=base, class_="base")
    parts = [ground, *_ticks(distribution), *bars, *_cutoffs(group, distribution)]
    return element(
        "svg",
        *parts,
        width="100%",
        height=base + _AXIS_PX,
        role="img",
        data_sex=group.sex or "null",
        data_height=HEIGHT_PX,
        data_top=TOP_PX,
        aria_label=f"Histogram of the areas, {group.title.lower()}; in words below.",
    )


def _bars(group: Group, distribution: Distribution, name: str, most: int) -> Iterator[Html]:
    width = 100.0 / distribution.bins
    for place, count in enumerate(group.bins):
        if count:
            height = HEIGHT_PX * count / most
            yield element(
                "rect",
                x=f"{place * width + 0.06 * width:.3f}%",
                width=f"{0.88 * width:.3f}%",
                y=f"{TOP_PX + HEIGHT_PX - height:.2f}",
                height=f"{height:.2f}",
                class_=name,
                data_bin=place if name == "shown" else None,
                data_most=most if name == "shown" else None,
            )


def _ticks(distribution: Distribution) -> Iterator[Html]:
    span = distribution.high_cm2 - distribution.low_cm2
    step = next((step for step in _STEPS_CM2 if span / step <= _MOST_TICKS), _STEPS_CM2[-1])
    base = TOP_PX + HEIGHT_PX
    for number in range(math.ceil(distribution.low_cm2 / step), math.floor(distribution.high_cm2 / step) + 1):
        share = distribution.place(number * step)
        if 0.02 <= share <= 0.98:
            x = f"{100 * share:.2f}%"
            yield element("line", x1=x, x2=x, y1=base, y2=base + 5, class_="base")
            yield element("text", f"{number * step:g}", x=x, y=base + 18, text_anchor="middle")


def _cutoffs(group: Group, distribution: Distribution) -> Iterator[Html]:
    for cutoff in sorted(group.cutoffs, key=lambda each: each.is_the_status):
        x = f"{100 * distribution.place(cutoff.cm2):.2f}%"
        name = "cutoff" if cutoff.is_the_status else "cutoff other"
        yield element("line", x1=x, x2=x, y1=TOP_PX, y2=TOP_PX + HEIGHT_PX, class_=name)
        if cutoff.is_the_status:
            yield element("text", f"{cutoff.cm2:g}", x=x, y=TOP_PX - 4, text_anchor="middle", class_="cutoff")
