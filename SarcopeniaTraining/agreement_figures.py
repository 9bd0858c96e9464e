"""Bland–Altman and regression plots of predicted against true muscle area."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaTraining.agreement import bland_altman, regression
from SarcopeniaTraining.agreement_table import limits_over_folds, predictions, truths
from SarcopeniaTraining.figure_style import BLUE, GREY, INK, VERMILION, legend, panels

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from SarcopeniaTraining.agreement import BlandAltman, Estimate
    from SarcopeniaTraining.patient_scores import PatientScore

_MARKERS = {"male": "^", "female": "o", None: "s"}
PALE = "#A3A9B3"
_SEXES = {"male": "men", "female": "women", None: "sex not known"}


def bland_altman_figure(best: Sequence[PatientScore], others: Sequence[PatientScore], fold: int) -> Figure:
    """Difference against mean of both areas, with bias and limits: of the best fold, and of all folds.

    Parameters
    ----------
    best, others:
        Readings of the best fold, and of the other folds.
    """
    figure, axes = panels(1, 2, 5.0)
    everyone = [*best, *others]
    of_best = bland_altman(truths(best), predictions(best)) if len(best) > 1 else None
    _difference_panel(axes[0], best, of_best)
    _difference_panel(axes[1], everyone, limits_over_folds(everyone))
    axes[0].set_title(f"fold {fold}, the best on validation")
    axes[1].set_title("all folds")
    axes[0].set_ylabel("predicted − true area (cm²)")
    low, high = axes[1].get_ylim()
    axes[0].set_ylim(min(low, axes[0].get_ylim()[0]), max(high, axes[0].get_ylim()[1]))
    axes[0].set_xlim(axes[1].get_xlim())
    axes[1].set_ylim(axes[0].get_ylim())
    named: dict[str, Artist] = {}
    for axis in axes:
        named |= {word: mark for mark, word in zip(*axis.get_legend_handles_labels(), strict=True)}
    legend(figure, 4, list(named.values()))
    return figure


def _difference_panel(axis: Axes, scores: Sequence[PatientScore], limits: BlandAltman | None) -> None:
    axis.axhline(0, color=GREY, linewidth=0.8)
    if limits is not None:
        _level(axis, limits.upper, "--")
        _level(axis, limits.bias, "-")
        _level(axis, limits.lower, "--")
    _people(
        axis, scores, lambda score: ((score.predicted_sma_cm2 + score.truth_sma_cm2) / 2, score.error_cm2)
    )
    axis.set_xlabel("mean of true and predicted area (cm²)")
    axis.margins(y=0.12)
    axis.plot([], [], color=INK, label="bias")
    axis.plot([], [], color=INK, linestyle="--", label="bias ± 1.96 sd")


def regression_figure(best: Sequence[PatientScore], others: Sequence[PatientScore], fold: int) -> Figure:
    """Predicted against true area with the best fold's line and the line of identity."""
    figure, (axis,) = panels(1, 1, 5.8)
    if others:
        axis.scatter(truths(others), predictions(others), s=18, color=PALE, label="other folds", zorder=1)
    everything = np.concatenate([truths([*best, *others]), predictions([*best, *others])])
    low, high = everything.min() - 5, everything.max() + 5
    axis.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle=":", label="identity")
    line = regression(truths(best), predictions(best))
    if line is not None:
        ends = np.array([truths(best).min(), truths(best).max()])
        axis.plot(ends, line.intercept.value + line.slope.value * ends, color=INK, linewidth=1.4, label="fit")
        words = "\n".join(
            [
                f"slope {_interval(line.slope, 3)}",
                f"intercept {_interval(line.intercept, 1)} cm²",
                f"r {_interval(line.r, 3)}",
            ]
        )
        axis.text(0.03, 0.97, words, transform=axis.transAxes, va="top", size=10.5)
    _people(axis, best, lambda score: (score.truth_sma_cm2, score.predicted_sma_cm2))
    axis.set_xlabel("true area (cm²)")
    axis.set_ylabel("predicted area (cm²)")
    axis.set_title(f"Regression, test patients of fold {fold}; in brackets 95 % intervals")
    axis.set_aspect("equal")
    axis.set_xlim(low, high)
    axis.set_ylim(low, high)
    axis.legend(loc="lower right", frameon=False)
    return figure


def _level(axis: Axes, estimate: Estimate, style: str) -> None:
    """A horizontal line with its interval as a band, its value beside the plot."""
    if estimate.low is not None and estimate.high is not None:
        axis.axhspan(estimate.low, estimate.high, color=GREY, alpha=0.14, linewidth=0, zorder=0)
    axis.axhline(estimate.value, color=INK, linewidth=1.2, linestyle=style, zorder=2)
    axis.annotate(
        _signed(estimate.value),
        (1, estimate.value),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        size=10,
        color=INK,
    )


def _people(
    axis: Axes, scores: Sequence[PatientScore], place: Callable[[PatientScore], tuple[float, float]]
) -> None:
    """Men and women by shape, sarcopenic and not by colour; a ring where the status is wrong."""
    kinds = sorted({(score.sex, score.sarcopenic) for score in scores}, key=str)
    for sex, sarcopenic in kinds:
        own = [place(score) for score in scores if (score.sex, score.sarcopenic) == (sex, sarcopenic)]
        status = {True: "sarcopenic", False: "not sarcopenic", None: "status not known"}[sarcopenic]
        x, y = np.array(own).T
        axis.scatter(
            x,
            y,
            marker=_MARKERS[sex],
            s=52,
            color=VERMILION if sarcopenic else BLUE,
            edgecolor="white",
            linewidth=0.7,
            label=f"{_SEXES[sex]}, {status}",
            zorder=3,
        )
    wrong = [place(score) for score in scores if score.status_is_right is False]
    if wrong:
        x, y = np.array(wrong).T
        axis.scatter(x, y, s=170, facecolor="none", edgecolor=INK, label="status wrong", zorder=4)


def _interval(estimate: Estimate, decimals: int) -> str:
    text = f"{estimate.value:.{decimals}f}"
    if estimate.low is not None and estimate.high is not None:
        text += f" [{estimate.low:.{decimals}f}, {estimate.high:.{decimals}f}]"
    return text.replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.1f} cm²".replace("-", "−")
