"""The whole evaluation of a run: every file, whose numbers agree with one another."""

import csv
import json
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaTraining.fold_scores import Scoring
from SarcopeniaTraining.run_evaluation import Request, evaluate_run, told
from Testing.training.drawn_run import FOLDS, draw_cohort, draw_run

FILES = {
    *(
        f"{table}.{kind}"
        for table in ("table3", "table4", "agreement", "comparison")
        for kind in ("csv", "md", "tex")
    ),
    *("scores.json", "summary.json"),
    *(
        f"figures/{name}"
        for name in (
            "outlines_not_sarcopenic.png",
            "bland_altman.png",
            "regression.png",
            "curves.png",
            "comparison.png",
            "learning_curve.png",
            "captions.md",
        )
    ),
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run evaluated beside one of fewer training patients, with every checkpoint."""
    folder = tmp_path_factory.mktemp("evaluation")
    cohort = draw_cohort(folder / "cohort")
    run = draw_run(folder / "run", cohort, train_patients=2)
    other = draw_run(folder / "fewer" / "run", cohort, FOLDS[:1], train_patients=1)
    said = []
    request = Request(run, folder / "cohort", (other,), Scoring(all_checkpoints=True))
    return evaluate_run(request, said.append), said


def table(done, name):
    with (done[0].folder / f"{name}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_file_is_there(done):
    folder = done[0].folder
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found - {"figures/outlines_sarcopenic.png"} == FILES


def test_table_3_is_of_the_scores(done):
    scores = json.loads((done[0].folder / "scores.json").read_text())["scores"]
    for number in (1, 2):
        own = [s for s in scores if s["fold"] == number and s["checkpoint"] == "best"]
        (row,) = [row for row in table(done, "table3") if row["fold"] == str(number)]
        assert float(row["dice_mean"]) == pytest.approx(np.mean([s["dice"] for s in own]))
        errors = [100 * (s["predicted_sma_cm2"] / s["truth_sma_cm2"] - 1) for s in own]
        assert float(row["sma_error_mean_percent"]) == pytest.approx(np.mean(errors))
        assert float(row["sma_abs_error_mean_percent"]) == pytest.approx(np.mean(np.abs(errors)))


def test_table_4_is_of_the_fold_that_did_best_on_validation(done):
    rows = [row for row in table(done, "table4") if row["case"]]
    assert sorted(row["case"] for row in rows) == ["D1", "D3"]
    assert done[0].best.run.number == 2


def test_agreement_is_of_the_best_fold_and_of_all(done):
    rows = {row["readings"]: row for row in table(done, "agreement") if row["statistic"] == "dice_mean"}
    assert {name: row["count"] for name, row in rows.items()} == {"best fold (2)": "2", "all folds": "4"}


def test_choosing_on_test_stands_beside(done):
    # Fold 2 validated best with its SMIT; on test the U-Net of epoch 60 is better.
    (row,) = [row for row in table(done, "table3") if row["fold"] == "2"]
    assert (row["checkpoint"], row["test_chosen_checkpoint"]) == ("epoch-030", "epoch-060")
    assert float(row["test_chosen_dice_mean"]) > float(row["dice_mean"])


def test_runs_side_by_side_share_fold_1_alone(done):
    rows = table(done, "comparison")
    assert [row["measure"] for row in rows] == ["dice", "sma_error_percent", "sma_abs_error_percent"]
    assert {row["other_run"] for row in rows} == {"run (2)"}
    assert {row["patients"] for row in rows} == {"2"}
    assert float(rows[0]["difference_mean"]) == 0


def test_the_summary_for_machines(done):
    summary = json.loads((done[0].folder / "summary.json").read_text())
    assert summary["schema"] == "sarcopenia-evaluation/1"
    assert (summary["folds"], summary["unfinished_folds"], summary["best_fold"]) == ([1, 2], [3], 2)
    assert summary["chosen_on"] == "validation"
    means = {
        int(row["fold"]): float(row["dice_mean"]) for row in table(done, "table3") if row["fold"] in "12"
    }
    assert summary["best_fold_on_test"] == max(means, key=means.__getitem__)
    assert str(summary["table3"][0]["dice_mean"]) == table(done, "table3")[0]["dice_mean"]
    assert summary["table4"][0]["case"] == table(done, "table4")[0]["case"]


def test_what_is_said(done):
    lines = told(done[0])
    assert lines[0] == "2 folds, 2 test patients each; checkpoints chosen on validation"
    assert any(line.startswith("choosing on test would have given Dice 0.9") for line in lines)
    assert [line for line in lines if "Bhardwaj" in line] == [
        "printed, Bhardwaj et al. 2025, their patients: Dice 0.901 ± 0.033 (mean over folds)"
    ]
    assert lines[-1] == "not finished, left out: fold 3"


def test_figures_are_pictures_and_name_no_one(done):
    for path in (done[0].folder / "figures").glob("*.png"):
        with Image.open(path) as image:
            assert image.width == 1350
            assert set(image.info) <= {"dpi"}
    captions = (done[0].folder / "figures" / "captions.md").read_text()
    assert captions.count(".png**") == len(list((done[0].folder / "figures").glob("*.png")))


def test_an_evaluation_again_writes_the_same(done, tmp_path):
    evaluation = done[0]
    copytree(evaluation.run.folder, tmp_path / "run")
    cohort = evaluation.run.folder.parent / "cohort"
    again = evaluate_run(Request(tmp_path / "run", cohort, (), Scoring(all_checkpoints=True)))
    for name in ("scores.json", "table3.csv", "table4.tex", "agreement.md", "figures/regression.png"):
        assert (again.folder / name).read_bytes() == (evaluation.folder / name).read_bytes(), name


def test_a_run_with_nothing_in_common_is_told(done, tmp_path):
    evaluation = done[0]
    cohort = draw_cohort(tmp_path / "cohort")
    folds = ((FOLDS[0][0], ("D2",)),)
    other = draw_run(tmp_path / "other", cohort, folds)
    said = []
    evaluate_run(Request(evaluation.run.folder, tmp_path / "cohort", (other,)), said.append)
    assert said == ["other has no fold with a test patient in common: it is not compared patient by patient"]


def test_no_run_beside(done, tmp_path):
    with pytest.raises(SarcopeniaError, match=r"no run\.json"):
        evaluate_run(Request(done[0].run.folder, None, (tmp_path,)))
