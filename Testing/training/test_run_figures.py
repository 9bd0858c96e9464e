"""Curves, comparisons and learning curves: what is drawn, from logs and scores by hand."""

import json

import numpy as np
import pytest

from SarcopeniaTraining.comparison import ScoredRun
from SarcopeniaTraining.figure_style import VERMILION
from SarcopeniaTraining.run_figures import comparison_figure, curves_figure, learning_curve_figure
from Testing.training.made_scores import run_of, score
from Testing.training.pictures import pixels, texts


def log(folder, lines):
    folder.mkdir(parents=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_loss_and_validation_of_every_fold(tmp_path):
    log(tmp_path / "fold-01", [{"epoch": 1, "loss": 0.9}, {"epoch": 2, "loss": 0.5}])
    log(
        tmp_path / "fold-02",
        [{"epoch": 1, "loss": 0.8}, {"epoch": 60, "validation_dice": 0.93}, {"epoch": 61, "loss": None}],
    )
    figure = curves_figure(run_of({1: 0.91, 2: 0.93}, tmp_path))
    loss, dice = figure.axes
    drawn = {tuple(line.get_xdata()): list(line.get_ydata()) for line in loss.lines}
    assert drawn[1, 2] == [0.9, 0.5]
    assert drawn[1,] == [0.8]
    marks = [line for line in dice.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in marks] == [(60, 0.91), (60, 0.93)]
    assert marks[1].get_color() == VERMILION
    assert "fold 2 (best)" in texts(figure)


def test_a_run_without_logs_has_axes_and_no_curves(tmp_path):
    assert pixels(curves_figure(run_of({1: 0.9}, tmp_path))).size


def scored(name, dice, patients, preset):
    run = run_of({1: 0.9, 2: 0.9}, train_patients=patients, preset=preset)
    own = tuple(
        score(f"P{n}", (100.0, 100.0 + n), dice + 0.01 * n, fold=fold) for fold in (1, 2) for n in (1, 2, 3)
    )
    return ScoredRun(name, run, own)


def test_paired_patients_side_by_side():
    figure = comparison_figure(scored("ours", 0.9, 47, "smit"), [scored("u-net", 0.8, 47, "unet")])
    dice = figure.axes[0]
    ends = np.array([line.get_ydata() for line in dice.lines], float)
    assert ends == pytest.approx(np.array([[0.91, 0.81], [0.92, 0.82], [0.93, 0.83]]))
    assert "Dice\n3 patients, p = 0.250" in texts(figure)
    assert [tick.get_text() for tick in dice.get_xticklabels()] == ["ours", "u-net"]
    assert len(figure.axes) == 3


def test_the_learning_curve_joins_runs_of_one_preset_in_order():
    runs = [scored("a", 0.9, 47, "smit"), scored("b", 0.7, 5, "smit"), scored("c", 0.8, 47, "unet")]
    figure = learning_curve_figure(runs)
    dice = figure.axes[0]
    curves = {
        tuple(line.get_xdata()): np.round(np.array(line.get_ydata(), float), 3).tolist()
        for line in dice.lines
        if line.get_marker() == "o"
    }
    assert curves == {(5, 47): [0.72, 0.92], (47,): [0.82]}
    assert "smit" in texts(figure)
