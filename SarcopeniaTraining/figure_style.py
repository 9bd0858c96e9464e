"""One look for every figure: light ground, colours for colour-blind readers too, legible at 900 px."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.model_file import write_whole

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette; the two outlines differ in lightness as well.
BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
)
GREY, INK, PAPER = "#8A8F98", "#22262B", "#FFFFFF"
RUN_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
TRUTH, PREDICTED = SKY, ORANGE
WIDTH_INCHES, DOTS_PER_INCH = 9.0, 150
_STYLE: Any = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": PAPER,
    "axes.grid": True,
    "grid.color": "#E4E6EA",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def panels(
    rows: int, columns: int, height_inches: float, gap: tuple[float, float] = (0.03, 0.03)
) -> tuple[Figure, list[Axes]]:
    """A figure without a window, and its axes row by row; `gap` is a share of a panel, across and down."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with rc_context(_STYLE):
        layout = ConstrainedLayoutEngine(wspace=gap[0], hspace=gap[1], w_pad=0.06, h_pad=0.06)
        figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DOTS_PER_INCH, layout=layout)
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def two_columns(count: int, row_inches: float) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, two in a row, and their axes."""
    rows = (count + 1) // 2
    figure, axes = panels(rows, min(count, 2), 0.6 + row_inches * rows)
    for axis in axes[count:]:
        axis.set_axis_off()
    return figure, axes[:count]


def legend(figure: Figure, columns: int, handles: list[Artist] | None = None) -> None:
    """The legend of a whole figure below it, without a frame."""
    given: Any = {} if handles is None else {"handles": handles}
    figure.legend(loc="outside lower center", frameon=False, labelcolor=INK, ncols=columns, **given)


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG by one rename; nothing in it tells of the machine or the day.

    Raises
    ------
    OutputError
        The folder is full or not writable.
    """
    from matplotlib import rc_context

    content = io.BytesIO()
    with rc_context(_STYLE):
        figure.savefig(content, format="png", metadata={"Software": None})
    write_whole(path, content.getvalue())
    return path
