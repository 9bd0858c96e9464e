"""What the figures draw, from runs by hand."""

import numpy as np
import pytest

from SarcopeniaTraining.classification.classification_figures import (
    auc_figure,
    confusion_figure,
    reliability_figure,
    roc_figure,
    training_figure,
)
from SarcopeniaTraining.classification.run_scores import choose, combinations, score_runs
from SarcopeniaTraining.figure_style import BLUE, VERMILION
from Testing.training.classification.made_runs import random_records, record
from Testing.training.pictures import pixels, texts

# AUC 1 in set 1, the best on validation; 2 of 4 pairs in set 2.
FIRST = record(number=1, test=((0.9, 0.4), (0.3, 0.1)), validation=((0.8, 0.7), (0.2, 0.1)))
SECOND = record(number=2, test=((0.9, 0.2), (0.6, 0.7)), validation=((0.8, 0.1), (0.2, 0.3)))
SCORES = score_runs([FIRST, SECOND], {})


def test_auc_of_sets_their_mean_and_the_printed_one():
    figure = auc_figure(combinations(SCORES))
    (axis,) = figure.axes
    places = [set(np.round(np.atleast_1d(line.get_xdata()).astype(float), 3)) for line in axis.lines]
    assert {1.0, 0.5} in places  # sets
    assert {0.75} in places  # mean
    assert {0.83} in places  # printed
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["ResNet50, unfreezeall"]


def test_calls_of_the_best_run_and_of_all_sets():
    figure = confusion_figure(choose(SCORES))
    above, below = figure.axes
    assert [text.get_text().split("\n")[0] for text in above.texts] == ["1", "1", "0", "2"]
    assert [text.get_text().split("\n")[0] for text in below.texts] == ["2", "2", "2", "2"]
    assert [text.get_text().split("\n")[1] for text in above.texts] == ["50 %", "50 %", "0 %", "100 %"]
    assert above.get_title() == "ResNet50\nunfreezeall, set 1"
    assert below.get_title() == "all 2 sets"


def test_roc_curves_of_sets_and_the_calls_of_the_best():
    (axis,) = roc_figure(choose(SCORES)).axes
    drawn = [(line.get_color(), list(line.get_xdata()), list(line.get_ydata())) for line in axis.lines]
    assert (VERMILION, [0, 0, 0, 0.5, 1], [0, 0.5, 1, 1, 1]) in drawn
    assert (VERMILION, [0.0], [0.5]) in drawn  # above 0.5: one of two found, nobody wrong
    (mean,) = [(x, y) for colour, x, y in drawn if colour == BLUE and len(x) > 2]
    heights = dict(zip(np.round(mean[0], 3).tolist(), mean[1], strict=True))
    # Set 1 has found both from the first; set 2 one, and the other only with everybody.
    assert (heights[0.25], heights[0.75], heights[1.0]) == (0.75, 0.75, 1)
    assert axis.get_title() == "ResNet50, unfreezeall\nAUC 0.75 ± 0.35"


def test_a_network_that_says_the_same_of_everybody_has_the_diagonal_as_its_mean_curve():
    (axis,) = roc_figure(choose(score_runs([record(test=((0.5, 0.5), (0.5, 0.5)))], {}))).axes
    (mean,) = [line for line in axis.lines if line.get_color() == BLUE and len(line.get_xdata()) > 2]
    assert mean.get_ydata() == pytest.approx(mean.get_xdata(), abs=1e-6)


def test_the_best_on_validation_is_marked_not_the_best_on_test():
    poor = record(number=1, test=((0.9, 0.2), (0.6, 0.7)), validation=((0.8, 0.7), (0.2, 0.1)))
    good = record(number=2, test=((0.9, 0.8), (0.2, 0.1)), validation=((0.8, 0.1), (0.2, 0.3)))
    chosen = choose(score_runs([poor, good], {}))
    (axis,) = roc_figure(chosen).axes
    (best,) = [line for line in axis.lines if line.get_color() == VERMILION and len(line.get_xdata()) > 1]
    assert list(best.get_ydata()) == [0, 0.5, 0.5, 0.5, 1]
    assert confusion_figure(chosen).axes[0].get_title().endswith("set 1")


def test_reliability_of_all_sets():
    (axis,) = reliability_figure(choose(SCORES)).axes
    (line,) = [line for line in axis.lines if line.get_color() == BLUE and len(line.get_xdata())]
    # By tenths: 0.1; 0.2; 0.3; 0.4; 0.6; 0.7; 0.9 twice.
    assert list(line.get_xdata()) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.9])
    assert list(line.get_ydata()) == [0, 1, 0, 1, 0, 0, 1]
    assert "Brier" in axis.get_title()


def test_losses_and_the_epoch_taken():
    (axis,) = training_figure(combinations(SCORES)).axes
    drawn = [(line.get_color(), list(line.get_xdata()), list(line.get_ydata())) for line in axis.lines]
    assert (VERMILION, [1, 2, 3], [0.7, 0.5, 0.6]) in drawn
    assert any(x == [2] and y == [0.5] for _, x, y in drawn)


def test_four_networks_three_schemes_and_one_that_is_missing():
    records = random_records(sets=2)
    scores = score_runs(
        [one for one in records if (one.network, one.scheme) != ("ResNet50", "freezeall")], {}
    )
    figure = training_figure(combinations(scores))
    assert len([axis for axis in figure.axes if axis.axison]) == 11
    assert pixels(figure).shape[1] == 1350
    assert len(confusion_figure(choose(scores)).axes) == 8
    assert "InceptionResNetV2, unfreezetop10" in texts(auc_figure(combinations(scores)))
    three = choose([score for score in scores if score.record.network != "ResNet50"])
    assert len([axis for axis in roc_figure(three).axes if axis.axison]) == 3


def test_one_class_is_drawn_and_said():
    scores = score_runs([record(test={"N1": (False, 0.7)})], {})
    assert "no set has both classes" in texts(roc_figure(choose(scores)))
    for figure in (auc_figure(combinations(scores)), reliability_figure(choose(scores))):
        assert pixels(figure).size
