"""Bland–Altman and regression plots of predicted against true muscle area."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaTraining.agreement import bland_altman, regression
from SarcopeniaTraining.figure_style import BLUE, GREY, INK, VERMILION, legend, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from SarcopeniaTraining.agreement import Estimate
    from SarcopeniaTraining.patient_scores import PatientScore

_MARKERS = {"male": "^", "female": "o", None: "s"}
_SEXES = {"male": "men", "female": "women", None: "sex not known"}


def bland_altman_figure(best: Sequence[PatientScore], others: Sequence[PatientScore], fold: int) -> Figure:
    """Difference against mean of both areas; bias and limits are the best fold's.

    Parameters
    ----------
    best, others:
        Readings of the best fold, and of the other folds, which are drawn pale behind them.
    """
    figure, (axis,) = panels(1, 1, 5.2)
    difference, middle = _predicted(others) - _truth(others), (_predicted(others) + _truth(others)) / 2
    axis.scatter(middle, difference, s=18, color="#A3A9B3", label="other folds", zorder=1)
    if len(best) > 1:
        limits = bland_altman(_truth(best), _predicted(best))
        for estimate, words, style in (
            (limits.upper, "+1.96 sd", "--"),
            (limits.bias, "bias", "-"),
            (limits.lower, "−1.96 sd", "--"),
        ):
            _level(axis, estimate, words, style)
    axis.axhline(0, color=GREY, linewidth=0.8)
    _people(axis, best, lambda score: ((score.predicted_sma_cm2 + score.truth_sma_cm2) / 2, score.error_cm2))
    axis.set_xlabel("mean of true and predicted area (cm²)")
    axis.set_ylabel("predicted − true area (cm²)")
    axis.set_title(f"Bland–Altman, test patients of fold {fold}; bands: 95 % intervals")
    axis.margins(y=0.12)
    legend(figure, columns=5)
    return figure


def regression_figure(best: Sequence[PatientScore], others: Sequence[PatientScore], fold: int) -> Figure:
    """Predicted against true area with the best fold's line and the line of identity."""
    figure, (axis,) = panels(1, 1, 5.8)
    axis.scatter(_truth(others), _predicted(others), s=18, color="#A3A9B3", label="other folds", zorder=1)
    everything = np.concatenate([_truth([*best, *others]), _predicted([*best, *others])])
    low, high = everything.min() - 5, everything.max() + 5
    axis.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle=":", label="identity")
    line = regression(_truth(best), _predicted(best))
    if line is not None:
        ends = np.array([_truth(best).min(), _truth(best).max()])
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


def _level(axis: Axes, estimate: Estimate, words: str, style: str) -> None:
    """A horizontal line with its interval as a band, named beside the plot."""
    if estimate.low is not None and estimate.high is not None:
        axis.axhspan(estimate.low, estimate.high, color=GREY, alpha=0.14, linewidth=0, zorder=0)
    axis.axhline(estimate.value, color=INK, linewidth=1.2, linestyle=style, zorder=2)
    axis.annotate(
        f"{words}\n{_signed(estimate.value)}",
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


def _truth(scores: Sequence[PatientScore]) -> NDArray[np.float64]:
    return np.array([score.truth_sma_cm2 for score in scores])


def _predicted(scores: Sequence[PatientScore]) -> NDArray[np.float64]:
    return np.array([score.predicted_sma_cm2 for score in scores])


def _interval(estimate: Estimate, decimals: int) -> str:
    text = f"{estimate.value:.{decimals}f}"
    if estimate.low is not None and estimate.high is not None:
        text += f" [{estimate.low:.{decimals}f}, {estimate.high:.{decimals}f}]"
    return text.replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.1f} cm²".replace("-", "−")
