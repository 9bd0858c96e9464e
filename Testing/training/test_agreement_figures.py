"""Bland–Altman and regression plots: lines and points where the numbers say."""

import numpy as np
import pytest

from SarcopeniaTraining.agreement_figures import bland_altman_figure, regression_figure
from SarcopeniaTraining.figure_style import BLUE, VERMILION
from Testing.training.made_scores import score
from Testing.training.pictures import pixels, share, texts

BEST = [
    score("P1", (100.0, 103.0), sex="female"),
    score("P2", (150.0, 142.0)),
    score("P3", (200.0, 206.0)),
    score("P4", (85.0, 84.0), sex="female"),
]
OTHERS = [score("P5", (120.0, 110.0), fold=2)]


def points(figure, panel=0):
    axis = figure.axes[panel]
    return {drawn.get_label(): np.asarray(drawn.get_offsets()) for drawn in axis.collections}


def test_differences_over_means():
    found = points(bland_altman_figure(BEST, OTHERS, 1))
    assert found["men, not sarcopenic"] == pytest.approx(np.array([[146, -8], [203, 6]]))
    assert found["women, sarcopenic"] == pytest.approx(np.array([[84.5, -1]]))
    assert found["women, sarcopenic"].shape == (1, 2)
    assert points(bland_altman_figure(BEST, OTHERS, 1), 1)["men, sarcopenic"] == pytest.approx(
        np.array([[115, -10]])
    )
    assert found["status wrong"] == pytest.approx(np.array([[146, -8]]))


def test_bias_and_limits_are_the_best_folds():
    figure = bland_altman_figure(BEST, OTHERS, 7)
    heights = sorted(line.get_ydata()[0] for line in figure.axes[0].lines if len(line.get_ydata()))
    difference = np.array([3, -8, 6, -1])
    sd = difference.std(ddof=1)
    assert heights == pytest.approx([-1.96 * sd, 0, 0, 1.96 * sd])
    assert f"−{1.96 * sd:.1f} cm²" in texts(figure)
    assert "fold 7" in texts(figure)


def test_predicted_over_true_with_the_line():
    figure = regression_figure(BEST, OTHERS, 1)
    found = points(figure)
    assert found["women, not sarcopenic"] == pytest.approx(np.array([[100, 103]]))
    fit = next(line for line in figure.axes[0].lines if line.get_label() == "fit")
    slope, intercept = np.polyfit([100, 150, 200, 85], [103, 142, 206, 84], 1)
    assert fit.get_ydata() == pytest.approx(intercept + slope * np.array([85, 200]))
    assert f"slope {slope:.3f} [" in texts(figure)


def test_sarcopenic_and_not_have_colours_apart():
    drawn = pixels(regression_figure(BEST, [], 1))
    assert share(drawn, BLUE, 12) > 0.0003
    assert share(drawn, VERMILION, 12) > 0.0001


@pytest.mark.parametrize("make", [bland_altman_figure, regression_figure])
def test_one_patient_is_a_point_without_lines_of_agreement(make):
    assert pixels(make(BEST[:1], [], 1)).size


def test_limits_over_all_folds_stand_beside_those_of_the_best():
    figure = bland_altman_figure(BEST, OTHERS, 1)
    heights = sorted(line.get_ydata()[0] for line in figure.axes[1].lines if len(line.get_ydata()))
    difference = np.array([3, -8, 6, -1, -10])
    middle, sd = difference.mean(), difference.std(ddof=1)
    assert heights == pytest.approx([middle - 1.96 * sd, middle, 0, middle + 1.96 * sd])
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
