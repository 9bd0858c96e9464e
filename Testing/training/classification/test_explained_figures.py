"""The figures show what they say: words, both networks, pixels beside shares, random maps."""

import numpy as np
import pytest

from SarcopeniaTraining.classification import explained_numbers
from SarcopeniaTraining.classification.explained_figures import (
    Shown,
    check_figure,
    curves_figure,
    maps_figure,
    shares_figure,
)
from SarcopeniaTraining.classification.explained_numbers import numbers_of
from SarcopeniaTraining.classification.explained_readings import ExplainPlan, Method, State
from SarcopeniaTraining.classification.lime_maps import LimeSettings
from SarcopeniaTraining.classification.sanity import Level
from SarcopeniaTraining.figure_style import BLUE, GREEN, GREY, SKY, VERMILION
from Testing.training.classification.made_readings import PIECES, explained, readings
from Testing.training.pictures import pixels, share, texts


@pytest.fixture
def shown():
    return Shown(explained(), readings(), PIECES)


def test_maps_say_the_truth_and_the_call(shown):
    figure = maps_figure(shown, State.TRAINED, "of the tests")
    words = texts(figure)
    for wanted in ("A: sarcopenic", "called sarcopenic (0.90)", "called not sarcopenic (0.80)", "Grad-CAM",
                   "LIME", "both", "muscle, segmented", "of the tests"):  # fmt: skip
        assert wanted in words
    drawn = pixels(figure)
    assert share(drawn, SKY) > 0.0005
    assert share(drawn, GREEN) > 0.0005
    without = Shown(explained(tissues=False), readings(), PIECES)
    assert "muscle" not in texts(maps_figure(without, State.RANDOM, ""))


def test_the_maps_of_the_other_network_are_others(shown):
    trained, random = (pixels(maps_figure(shown, state, "")) for state in (State.TRAINED, State.RANDOM))
    assert (np.abs(trained.astype(int) - random).max(axis=2) > 60).mean() > 0.01


def test_shares_have_bars_of_both_networks_and_of_the_pixels(shown, monkeypatch):
    monkeypatch.setattr(explained_numbers, "superpixels_of", lambda images, plan: PIECES)
    numbers = numbers_of(shown.explained, shown.readings, ExplainPlan("seen", LimeSettings(50, (1, 2))))
    figure = shares_figure(numbers, "where")
    # in both panels half of the pixels are muscle and half are fat: the grey bars are 50 %
    widths = [bar.get_width() for axis in figure.axes for bar in axis.patches]
    assert sum(width == pytest.approx(50) for width in widths) >= 4
    drawn = pixels(figure)
    assert all(share(drawn, colour) > 0.005 for colour in (BLUE, VERMILION, GREY))
    assert "outside the body" in texts(figure)


def test_curves_start_where_they_must_and_random_maps_are_a_band(shown):
    figure = curves_figure(shown, "curves")
    deletion, insertion = figure.axes
    assert [list(line.get_ydata()) for line in deletion.lines] == [[1.0, 0.2, 0.2]] * 2
    assert [list(line.get_ydata()) for line in insertion.lines] == [[0.0, 0.8, 1.0]] * 2
    assert "2 random maps" in texts(figure)


def test_the_check_tells_each_correlation(shown):
    told = {(method, level): None for method in Method for level in Level}
    told[Method.LIME, Level.HEAD] = -0.25
    words = texts(check_figure(shown, told, "check"))
    assert "random head: rank correlation −0.25" in words
    assert words.count("rank correlation –") == 3
    assert "Grad-CAM, as trained" in words
