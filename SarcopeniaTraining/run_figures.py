"""Curves of a run's trainings, and runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaTraining.agreement import spread
from SarcopeniaTraining.comparison import MEASURES, PairedMeasure, ScoredRun, paired
from SarcopeniaTraining.figure_style import GREY, INK, RUN_COLOURS, VERMILION, legend, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from SarcopeniaTraining.run_folder import FoldRun, Run

_SCATTER_SEED = 7


def curves_figure(run: Run) -> Figure:
    """Loss and validation Dice of every fold by epoch; the chosen checkpoint is marked."""
    figure, (loss, dice) = panels(1, 2, 4.2)
    for fold in run.folds:
        lines = list(fold.log())
        best = fold.number == run.best.number
        look: dict[str, Any] = {"color": VERMILION if best else GREY, "linewidth": 1.8 if best else 0.9}
        look |= {"alpha": 1.0 if best else 0.65, "zorder": 3 if best else 2}
        look |= {"label": f"fold {fold.number} (best)" if best else None}
        _curve(loss, lines, "loss", look)
        _curve(dice, lines, "validation_dice", look)
        _mark_chosen(dice, fold, look)
    for axis, words in ((loss, "training loss"), (dice, "validation Dice")):
        axis.set_xlabel("epoch")
        axis.set_title(words)
    if len(run.folds) > 1:
        loss.plot([], [], color=GREY, linewidth=0.9, label="other folds")
    dice.plot(
        [], [], color=INK, marker="o", linestyle="none", markersize=6, label="checkpoint chosen on validation"
    )
    legend(figure, columns=4)
    return figure


def comparison_figure(own: ScoredRun, others: Sequence[ScoredRun]) -> Figure:
    """Dice and area errors of the same patients by each run: every patient a line between two runs."""
    figure, axes = panels(len(others), len(MEASURES), 3.6 * len(others) + 0.4)
    for row, other in enumerate(others):
        for column, measure in enumerate(paired(own, other)):
            _paired(axes[row * len(MEASURES) + column], measure, (own.name, other.name))
    figure.suptitle("The same test patients by each run; bars: mean; p: Wilcoxon's signed-rank test", size=12)
    return figure


def learning_curve_figure(runs: Sequence[ScoredRun]) -> Figure:
    """Dice and absolute area error over the number of training patients; mean and sd over folds."""
    figure, axes = panels(1, 2, 4.2)
    presets = sorted({run.run.preset for run in runs})
    for axis, (_, words, value) in zip(axes, (MEASURES[0], MEASURES[2]), strict=True):
        for preset, colour in zip(presets, RUN_COLOURS * len(presets), strict=False):
            own = sorted(
                (run for run in runs if run.run.preset == preset), key=lambda run: run.run.train_patients
            )
            folds = [spread(run.fold_means(value)) for run in own]
            axis.errorbar(
                [run.run.train_patients for run in own],
                [fold.mean for fold in folds],
                [fold.sd or 0.0 for fold in folds],
                color=colour,
                marker="o",
                capsize=4,
                label=preset if axis is axes[0] else None,
            )
        axis.set_xlabel("training patients")
        axis.set_title(words)
        axis.set_xticks(sorted({run.run.train_patients for run in runs}))
    figure.suptitle("Test patients; mean and standard deviation over folds", size=12)
    legend(figure, columns=3)
    return figure


def _curve(axis: Axes, lines: Sequence[Mapping[str, Any]], name: str, look: Mapping[str, Any]) -> None:
    points = [(line["epoch"], line[name]) for line in lines if "epoch" in line and line.get(name) is not None]
    if points:
        x, y = np.array(points, float).T
        axis.plot(x, y, **{**look, "label": look["label"] if name == "loss" else None})


def _mark_chosen(axis: Axes, fold: FoldRun, look: Mapping[str, Any]) -> None:
    digits = "".join(sign for sign in fold.best_epoch if sign.isdigit())
    if digits:
        axis.plot(int(digits), fold.validation_dice, marker="o", color=look["color"], markersize=6, zorder=4)


def _paired(axis: Axes, measure: PairedMeasure, names: tuple[str, str]) -> None:
    rng = np.random.default_rng(_SCATTER_SEED)
    shift = rng.uniform(-0.06, 0.06, len(measure.patients))
    for own, other, aside in zip(measure.own, measure.other, shift, strict=True):
        axis.plot([aside, 1 + aside], [own, other], color="#D4D8DE", linewidth=0.7, zorder=1)
    for place, values in enumerate((measure.own, measure.other)):
        axis.scatter(place + shift, values, s=20, color=RUN_COLOURS[place], zorder=2)
        axis.hlines(values.mean(), place - 0.2, place + 0.2, color=INK, linewidth=2.2, zorder=3)
    axis.set_xticks([0, 1], names)
    axis.set_xlim(-0.45, 1.45)
    p = measure.p
    told = "no difference" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    axis.set_title(f"{measure.words}\n{len(measure.patients)} patients, {told}", size=11)
    axis.grid(visible=False, axis="x")
