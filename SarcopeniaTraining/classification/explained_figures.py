"""Figures of explanations: maps over the image as the paper's Figure 3, shares, curves, the check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaTraining.classification.explained_numbers import LEVELS, SHOWN, Numbers, TissueShare
from SarcopeniaTraining.classification.explained_readings import Method, Reading, State, by_state
from SarcopeniaTraining.classification.faithfulness import Curves
from SarcopeniaTraining.classification.grad_cam import upsampled
from SarcopeniaTraining.classification.lime_maps import TOP
from SarcopeniaTraining.classification.sanity import Level
from SarcopeniaTraining.classification.tissues import TISSUES, Tissue
from SarcopeniaTraining.figure_style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    SKY,
    VERMILION,
    legend,
    panels,
)
from SarcopeniaTraining.outline_figures import show_grey

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from SarcopeniaTraining.classification.explained_cases import Explained, ExplainedCase

SHOWN_AT_MOST = 4
"""Cases in a figure of maps."""
_HEAT, _TWO_SIDED = "inferno", "PuOr_r"
_FINE = 4
"""Points a pixel along each axis, so that a contour around pixels has steps and no slants."""
_STATUS = {True: "sarcopenic", False: "not sarcopenic"}
_STATE_COLOURS = {State.TRAINED: BLUE, State.RANDOM: VERMILION}
_METHOD_COLOURS = {Method.GRAD_CAM: BLUE, Method.LIME: GREEN}


@dataclass(frozen=True, eq=False)
class Shown:
    """What figures are drawn from: the cases, what was read of them, and their superpixels."""

    explained: Explained
    readings: Sequence[Reading]
    pieces: Mapping[str, NDArray[np.intp]]

    @property
    def cases(self) -> tuple[ExplainedCase, ...]:
        """Those in the figures of maps."""
        return self.explained.cases[:SHOWN_AT_MOST]

    def grey(self, case: str) -> NDArray[np.float64]:
        """The image of a case, (S, S), 0…1."""
        place = self.explained.images.names.index(case)
        grey: NDArray[np.float64] = self.explained.images.rgb[place].mean(axis=2) / 255
        return grey


def maps_figure(shown: Shown, state: State, title: str) -> Figure:
    """A row a case: the image, Grad-CAM, LIME, and both over each other, of the class that is called."""
    from matplotlib.lines import Line2D

    cases, readings = shown.cases, by_state(shown.readings, state)
    figure, axes = panels(len(cases), 4, 2.45 * len(cases) + 1.1, gap=(0.03, 0.02))
    for row, case in enumerate(cases):
        own = axes[4 * row : 4 * row + 4]
        _row(own, shown, case, readings[case.case])
        words = _words(case, readings[case.case])
        own[0].text(0, -0.03, words, transform=own[0].transAxes, va="top", size=9.5, color=INK)
    for axis, name in zip(axes, ("image", "Grad-CAM", "LIME", "both"), strict=False):
        axis.set_title(name)
    lines: list[Artist] = [Line2D([], [], color=GREEN, linewidth=2, label=f"LIME's top {TOP} for the call")]
    if shown.explained.tissues:
        lines.append(Line2D([], [], color=SKY, linewidth=2, label="muscle, segmented"))
    figure.suptitle(title, color=INK)
    legend(figure, 2, lines)
    return figure


def shares_figure(numbers: Numbers, title: str) -> Figure:
    """A panel a method: the attribution's share of each tissue, trained and random, beside the pixels'."""
    figure, axes = panels(1, 2, 4.4)
    places = np.arange(len(TISSUES))
    for axis, method in zip(axes, Method, strict=True):
        for step, state in enumerate(SHOWN):
            rows = [s for s in numbers.shares if s.method is method and s.state is state]
            if not rows:
                continue
            values = np.array([100 * row.share.value for row in rows])
            ends = np.array(
                [[100 * (e if e is not None else row.share.value) for e in (row.share.low, row.share.high)]
                 for row in rows]
            ).T  # fmt: skip
            axis.barh(
                places + 0.27 * (step - 1),
                values,
                height=0.25,
                color=_STATE_COLOURS[state],
                xerr=np.abs(ends - values),
                error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2},
                label=f"attribution, {state.value} network" if axis is axes[0] else None,
            )
        _pixels(axis, places, [s for s in numbers.shares if s.method is method], axis is axes[0])
        axis.set_yticks(places, [tissue.value for tissue in TISSUES] if axis is axes[0] else [])
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set_xlabel("share, %")
        axis.set_title(method.value)
    figure.suptitle(title, color=INK)
    legend(figure, 3)
    return figure


def _pixels(axis: Axes, places: NDArray[Any], rows: Sequence[TissueShare], labelled: bool) -> None:
    """Bars of the tissues' share of the pixels, which is the same for every network that has a map."""
    pixels = {row.tissue: 100 * row.pixels for row in rows}
    if pixels:
        values = [pixels[tissue] for tissue in TISSUES]
        axis.barh(places + 0.27, values, height=0.25, color=GREY, label="pixels" if labelled else None)


def curves_figure(shown: Shown, title: str) -> Figure:
    """Mean deletion and insertion curves of the trained network's maps, and of random maps."""
    figure, axes = panels(1, 2, 4.2)
    trained = list(by_state(shown.readings, State.TRAINED).values())
    for axis, name in zip(axes, ("deletion", "insertion"), strict=True):
        for method in Method:
            _mean_curve(
                axis, [each.curves[method] for each in trained], name, (method.value, _METHOD_COLOURS[method])
            )
        drawn = [each.random_curves for each in trained]
        single = [_mean([case[n] for case in drawn], name) for n in range(len(drawn[0]))]
        axis.fill_between(
            100 * np.linspace(0, 1, len(single[0])),
            np.min(single, axis=0),
            np.max(single, axis=0),
            color=GREY,
            alpha=0.35,
            linewidth=0,
            label=f"{len(single)} random maps" if axis is axes[0] else None,
        )
        axis.set_ylim(-0.02, 1.02)
        axis.set_title(f"{name}: {'large' if name == 'insertion' else 'small'} area is better")
        axis.set_xlabel(f"pixels {'shown' if name == 'insertion' else 'taken away'}, %")
    axes[0].set_ylabel("probability of the call, mean")
    figure.suptitle(title, color=INK)
    legend(figure, 3)
    return figure


def check_figure(
    shown: Shown, correlations: Mapping[tuple[Method, Level], float | None], title: str
) -> Figure:
    """The first case's maps as trained, with a random head, and with random weights all over."""
    case = shown.cases[0]
    grey = shown.grey(case.case)
    trained = by_state(shown.readings, State.TRAINED)[case.case]
    figure, axes = panels(2, 3, 6.6, gap=(0.03, 0.05))
    for row, method in enumerate(Method):
        states = [State.TRAINED, *(LEVELS[level] for level in Level)]
        for axis, state in zip(axes[3 * row : 3 * row + 3], states, strict=True):
            reading = by_state(shown.readings, state)[case.case]
            show_grey(axis, grey)
            if method is Method.GRAD_CAM:
                _heat(axis, upsampled(reading.cells[trained.called], len(grey)))
            else:
                pieces = shown.pieces[case.case]
                _two_sided(axis, reading.lime(pieces, trained.called).painted())
            level = next((one for one, its in LEVELS.items() if its is state), None)
            axis.set_title(_check_words(method, level, correlations), size=11)
    figure.suptitle(title, color=INK)
    return figure


def _row(axes: Sequence[Axes], shown: Shown, case: ExplainedCase, reading: Reading) -> None:
    grey, pieces = shown.grey(case.case), shown.pieces[case.case]
    for axis in axes:
        show_grey(axis, grey)
    tissues = shown.explained.tissues.get(case.case)
    if tissues is not None:
        muscle = tissues.shares[TISSUES.index(Tissue.MUSCLE)]
        axes[0].contour(muscle, levels=[0.5], colors=[SKY], linewidths=[0.9])
    heat = upsampled(reading.cells[reading.called], len(grey))
    lime = reading.lime(pieces, reading.called)
    _bar(axes[1], _heat(axes[1], heat), ("none", "most"))
    _bar(axes[2], _two_sided(axes[2], lime.painted()), ("against", "for"))
    _heat(axes[3], heat)
    top = [place for place in np.argsort(-lime.mean, kind="stable")[:TOP] if lime.mean[place] > 0]
    inside = np.kron(np.isin(pieces, top), np.ones((_FINE, _FINE)))
    if inside.any():
        side = len(grey)
        axes[3].contour(
            inside,
            levels=[0.5],
            colors=[GREEN],
            linewidths=[1.6],
            extent=(-0.5, side - 0.5, -0.5, side - 0.5),
        )


def _heat(axis: Axes, heat: NDArray[np.float32]) -> Any:
    """Grad-CAM over the image: from see-through where nothing speaks to opaque at its maximum."""
    share = heat / max(float(heat.max()), 1e-12)
    return axis.imshow(share, cmap=_HEAT, vmin=0, vmax=1, alpha=0.25 + 0.45 * share, interpolation="bilinear")


def _two_sided(axis: Axes, weights: NDArray[np.float64]) -> Any:
    """LIME's weights over the image: one colour for what speaks for the call, one for what is against it."""
    most = max(float(np.abs(weights).max()), 1e-12)
    strength = np.abs(weights) / most
    return axis.imshow(
        weights / most, cmap=_TWO_SIDED, vmin=-1, vmax=1, alpha=0.75 * strength, interpolation="nearest"
    )


def _bar(axis: Axes, image: Any, ends: tuple[str, str]) -> None:
    from matplotlib.cm import ScalarMappable

    scale = ScalarMappable(norm=image.norm, cmap=image.cmap)
    bar = axis.figure.colorbar(scale, cax=axis.inset_axes((0.3, -0.09, 0.4, 0.04)), orientation="horizontal")
    bar.set_ticks([])
    bar.outline.set_visible(False)
    for place, words, side in ((0.27, ends[0], "right"), (0.73, ends[1], "left")):
        axis.text(place, -0.07, words, transform=axis.transAxes, ha=side, va="center", size=9, color=INK)


def _words(case: ExplainedCase, reading: Reading) -> str:
    called = _STATUS[bool(reading.called)]
    sure = reading.probability if reading.called else 1 - reading.probability
    return f"{case.case}: {_STATUS[case.sarcopenic]}\ncalled {called} ({sure:.2f})"


def _mean(values: Sequence[Curves], name: str) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean([getattr(each, name) for each in values], axis=0)
    return mean


def _mean_curve(axis: Axes, values: Sequence[Curves], name: str, look: tuple[str, str]) -> None:
    mean = _mean(values, name)
    label = look[0] if name == "deletion" else None
    axis.plot(100 * np.linspace(0, 1, len(mean)), mean, color=look[1], linewidth=2, label=label)


def _check_words(
    method: Method, level: Level | None, correlations: Mapping[tuple[Method, Level], float | None]
) -> str:
    if level is None:
        return f"{method.value}, as trained"
    value = correlations[method, level]
    told = "–" if value is None else f"{value:.2f}".replace("-", "−")
    what = "random head" if level is Level.HEAD else "all random"
    return f"{what}: rank correlation {told}"
