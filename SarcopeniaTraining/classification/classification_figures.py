"""Figures of a classifier run: AUC beside the printed one, calls, ROC curves, reliability, training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaTraining.classification.classifier_calibration import calibration
from SarcopeniaTraining.classification.classifier_scores import Confusion, roc_curve
from SarcopeniaTraining.classification.over_sets import confusion_over_sets
from SarcopeniaTraining.classification.printed_classifiers import printed_aucs
from SarcopeniaTraining.figure_style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PAPER,
    VERMILION,
    legend,
    panels,
    two_columns,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from SarcopeniaTraining.classification.run_scores import ChosenRun, Combination, RunScore

PALE = "#A9C9E4"
_GRID, _SLACK = np.linspace(0, 1, 1001), 1e-9
"""Shares of false positives at which curves are averaged; at a step the height above it counts."""


def auc_figure(runs: Sequence[Combination]) -> Figure:
    """AUC of every network and scheme: each set a dot, their mean with its interval, and the printed one."""
    own = {(one.network, one.scheme): one for one in runs}
    printed = {(one.network, one.scheme): one for one in printed_aucs()}
    rows = [names for names in {**printed, **own} if names in own]
    figure, (axis,) = panels(1, 1, 1.6 + 0.42 * len(rows))
    for place, names in enumerate(reversed(rows)):
        _sets_of(axis, own[names], place)
        if names in printed:
            axis.errorbar(
                printed[names].mean,
                place - 0.26,
                xerr=printed[names].sd,
                fmt="s",
                color=ORANGE,
                markersize=5,
                capsize=3,
            )
    axis.axvline(0.5, color=GREY, linestyle=":", linewidth=1.2)
    axis.set_yticks(range(len(rows)), [f"{network}, {scheme}" for network, scheme in reversed(rows)])
    axis.set_ylim(-0.7, len(rows) - 0.3)
    axis.set_xlim(min(0.3, axis.get_xlim()[0]), 1.03)
    axis.set_xlabel("AUC on test patients")
    axis.grid(visible=False, axis="y")
    axis.plot([], [], "o", color=BLUE, alpha=0.35, markersize=5, label="this run, a set")
    axis.errorbar(
        [], [], xerr=[], fmt="o", color=BLUE, markersize=7, label="this run, mean and 95 % interval"
    )
    axis.errorbar([], [], xerr=[], fmt="s", color=ORANGE, markersize=5, label="printed, mean ± sd over sets")
    axis.plot([], [], color=GREY, linestyle=":", label="chance")
    legend(figure, 4)
    return figure


def confusion_figure(chosen: Sequence[ChosenRun]) -> Figure:
    """Calls by truth: above of each network's best run, below of all sets of its scheme."""
    figure, axes = panels(2, len(chosen), 5.6 if len(chosen) > 2 else 7.0)
    for place, one in enumerate(chosen):
        best, combination = one.best, one.combination
        _matrix(axes[place], best.calls)
        axes[place].set_title(f"{one.network}\n{best.record.scheme}, set {best.record.set}", size=10.5)
        below = axes[len(chosen) + place]
        _matrix(below, confusion_over_sets(combination.tests))
        below.set_title(f"all {len(combination.runs)} sets", size=10.5)
    for row in (0, len(chosen)):
        axes[row].set_ylabel("truth")
        axes[row].set_yticks([0, 1], ["sarcopenic", "not"], rotation=90, va="center")
    for axis in axes[len(chosen) :]:
        axis.set_xlabel("called")
    return figure


def roc_figure(chosen: Sequence[ChosenRun]) -> Figure:
    """ROC curves of each network's chosen scheme: a thin line a set, their mean, and the calls above 0.5."""
    figure, axes = two_columns(len(chosen), 4.2)
    for axis, one in zip(axes, chosen, strict=True):
        curves = [(run, roc_curve(run.test.truth, run.test.probability)) for run in one.combination.runs]
        told = [(run, curve) for run, curve in curves if curve is not None]
        for run, curve in told:
            best = run is one.best
            axis.plot(
                curve.false_positive,
                curve.true_positive,
                color=VERMILION if best else PALE,
                linewidth=1.6 if best else 1.0,
                zorder=3 if best else 1,
            )
        if told:
            heights = [np.interp(_GRID + _SLACK, c.false_positive, c.true_positive) for _, c in told]
            axis.plot([0, *_GRID], [0, *np.mean(heights, axis=0)], color=BLUE, linewidth=2.4, zorder=2)
        axis.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.2)
        calls = one.best.calls
        if calls.recall is not None and calls.specificity is not None:
            axis.plot(1 - calls.specificity, calls.recall, "o", color=VERMILION, markersize=8, zorder=4)
        axis.set_title(f"{one.network}, {one.combination.scheme}\n{_area(one.combination)}", size=10.5)
        axis.set_aspect("equal")
        axis.set_xlabel("1 − specificity")
        axis.set_ylabel("recall (sensitivity)")
    first = axes[0]
    first.plot([], [], color=PALE, label="a set")
    first.plot([], [], color=BLUE, linewidth=2.4, label="mean of sets")
    first.plot([], [], color=VERMILION, marker="o", label="best set on validation, and its calls above 0.5")
    legend(figure, 3, first.get_legend_handles_labels()[0])
    return figure


def reliability_figure(chosen: Sequence[ChosenRun]) -> Figure:
    """Share of sarcopenic readings against the probability told, over all sets of each network's scheme."""
    figure, axes = two_columns(len(chosen), 4.0)
    for axis, one in zip(axes, chosen, strict=True):
        truth = np.concatenate([test.truth for test in one.combination.tests])
        probability = np.concatenate([test.probability for test in one.combination.tests])
        found = calibration(truth, probability)
        most = max(part.count for part in found.bins)
        axis.bar(
            [(part.low + part.high) / 2 for part in found.bins],
            [0.3 * part.count / most for part in found.bins],
            width=0.09,
            color="#DADDE2",
            zorder=0,
        )
        axis.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.2)
        axis.axhline(float(truth.mean()), color=ORANGE, linewidth=1.2)
        axis.plot(
            [part.mean_probability for part in found.bins],
            [part.share for part in found.bins],
            color=BLUE,
            marker="o",
            markersize=6,
        )
        slope = "" if found.slope is None else f", slope {found.slope:.2f}".replace("-", "−")
        axis.set_title(
            f"{one.network}, {one.combination.scheme}\nBrier {found.brier:.3f} "
            f"({found.brier_of_share:.3f} by the share alone){slope}",
            size=10.5,
        )
        axis.set_xlim(-0.02, 1.02)
        axis.set_ylim(-0.02, 1.02)
        axis.set_xlabel("probability told")
        axis.set_ylabel("share sarcopenic")
    first = axes[0]
    first.plot([], [], color=BLUE, marker="o", label="readings by tenths of probability")
    first.plot([], [], color=ORANGE, label="share of all readings")
    first.bar([0], [0], color="#DADDE2", label="how many readings")
    legend(figure, 3, first.get_legend_handles_labels()[0])
    return figure


def training_figure(runs: Sequence[Combination]) -> Figure:
    """Loss by epoch in training and on validation: a row a network, a column a scheme, a line a set."""
    networks = list(dict.fromkeys(one.network for one in runs))
    schemes = list(dict.fromkeys(one.scheme for one in runs))
    figure, axes = panels(len(networks), len(schemes), 0.8 + 2.2 * len(networks))
    own = {(one.network, one.scheme): one for one in runs}
    for place, axis in enumerate(axes):
        names = networks[place // len(schemes)], schemes[place % len(schemes)]
        if names not in own:
            axis.set_axis_off()
            continue
        for run in own[names].runs:
            _losses(axis, run)
        axis.set_title(", ".join(names), size=10)
        axis.set_ylim(bottom=0)
        if place % len(schemes) == 0:
            axis.set_ylabel("cross-entropy")
        if place // len(schemes) == len(networks) - 1:
            axis.set_xlabel("epoch")
    first = axes[0]
    first.plot([], [], color=BLUE, label="training")
    first.plot([], [], color=VERMILION, label="validation")
    first.plot([], [], "o", color=INK, markersize=4, label="epoch whose weights were taken")
    legend(figure, 3, first.get_legend_handles_labels()[0])
    return figure


def _sets_of(axis: Axes, one: Combination, place: float) -> None:
    """Dots of the sets, and their mean with its interval."""
    values = [run.test_auc.value for run in one.runs if run.test_auc is not None]
    axis.plot(values, np.full(len(values), place + 0.24), "o", color=BLUE, alpha=0.35, markersize=5, zorder=1)
    over = one.test_auc
    if over is None:
        return
    mean = over.mean
    around = (
        None if mean.low is None or mean.high is None else [[mean.value - mean.low], [mean.high - mean.value]]
    )
    axis.errorbar(mean.value, place, xerr=around, fmt="o", color=BLUE, markersize=7, capsize=4, zorder=3)


def _matrix(axis: Axes, calls: Confusion) -> None:
    """Counts, shaded by the share of their row."""
    counts = np.array([[calls.tp, calls.fn], [calls.fp, calls.tn]], float)
    whole = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, whole, out=np.zeros_like(counts), where=whole > 0)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1.25)
    for row, column in np.ndindex(2, 2):
        dark = shares[row, column] > 0.72
        axis.text(
            column,
            row,
            f"{counts[row, column]:.0f}\n{100 * shares[row, column]:.0f} %",
            ha="center",
            va="center",
            size=12,
            color=PAPER if dark else INK,
        )
    axis.set_xticks([0, 1], ["sarcopenic", "not"])
    axis.set_yticks([])
    axis.grid(visible=False)


def _losses(axis: Axes, run: RunScore) -> None:
    from matplotlib.ticker import MaxNLocator

    record = run.record
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    epochs = np.arange(1, record.epochs + 1)
    axis.plot(epochs, record.history["loss"], color=BLUE, linewidth=0.9, alpha=0.7)
    axis.plot(epochs, record.history["val_loss"], color=VERMILION, linewidth=0.9, alpha=0.7)
    axis.plot(record.best_epoch, record.validation_loss, "o", color=INK, markersize=3.5, zorder=3)


def _area(one: Combination) -> str:
    over = one.test_auc
    if over is None:
        return "no set has both classes"
    text = f"AUC {over.mean.value:.2f}"
    if over.sd is not None:
        text += f" ± {over.sd:.2f}"
    if over.mean.low is not None and over.mean.high is not None:
        text += f", 95 % {over.mean.low:.2f} … {over.mean.high:.2f}"
    return text
