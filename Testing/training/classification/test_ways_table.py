"""Ways side by side: scores by hand, what cannot be told, the files that are left."""

import csv
from pathlib import Path

import pytest

from SarcopeniaTraining.classification.classifier_scores import THRESHOLD
from SarcopeniaTraining.classification.experiment import ClassificationPlan
from SarcopeniaTraining.classification.run_scores import combinations, score_runs
from SarcopeniaTraining.classification.study import Way
from SarcopeniaTraining.classification.ways_table import way_row, ways_figure, ways_table, write_study
from Testing.training.classification.made_ways import SIDE, cases, images_of, preset_of, record, two_sets
from Testing.training.pictures import texts

NAMES = cases(16, 6)
SAID = {
    # Set 1 tests S05, S06, N09, N10 and set 2 S03, S04, N03, N04.
    "S05": 0.9,
    "S06": 0.4,
    "N09": 0.45,
    "N10": 0.1,
    "S03": 0.3,
    "S04": 0.2,
    "N03": 0.1,
    "N04": 0.05,
}


def way(*, moves=False):
    plan = ClassificationPlan(
        preset=preset_of(),
        cohort={"name": "made", "digest": "digest", "people": {}},
        splits=two_sets(),
        out=Path("nowhere"),
        images={SIDE: images_of(NAMES, [name.startswith("S") for name in NAMES])},
    )
    return Way("moved" if moves else "printed", "moved" if moves else "as printed", plan, moves)


def runs(said):
    records = [record(fold, said) for fold in two_sets().folds]
    (combination,) = combinations(score_runs(records, {}))
    return combination


def test_scores_of_a_way_by_hand():
    row = way_row(way(), runs(lambda name: SAID.get(name, 0.5)))
    # Set 1: of four pairs S06 < N09 alone is wrong; set 2: none is. Above 0.5 only S05.
    assert row["auc"] == pytest.approx((0.75 + 1) / 2)
    assert row["auc_sd"] == pytest.approx(0.25 / 2**0.5)
    assert (row["tp"], row["fp"], row["fn"], row["tn"]) == (1, 0, 3, 4)
    assert row["sensitivity"] == 0.25
    assert row["specificity"] == 1
    assert row["f1"] == pytest.approx(2 / 5)
    assert row["balanced_accuracy"] == pytest.approx(0.625)
    assert row["threshold"] == THRESHOLD
    assert (row["trained_sarcopenic"], row["trained_other"]) == (2, 6)
    assert row["sets"] == 2


def test_a_moved_threshold_comes_from_the_own_validation_of_each_set():
    # Each network calls what it validated otherwise than the other network calls the same cases in its test.
    first, second = two_sets().folds
    of_first = {**SAID, "S03": 0.3, "S04": 0.2, "N07": 0.1, "N08": 0.0}
    of_second = {**SAID, "S01": 0.9, "S02": 0.8, "N01": 0.6, "N02": 0.55}
    records = [record(first, of_first.__getitem__), record(second, of_second.__getitem__)]
    (combination,) = combinations(score_runs(records, {}))
    row = way_row(way(moves=True), combination)
    # Middles between the classes: 0.15 and 0.7. Set 1 then calls S05, S06 and N09, set 2 nobody.
    assert row["threshold"] == pytest.approx((0.15 + 0.7) / 2)
    assert (row["tp"], row["fp"], row["fn"], row["tn"]) == (2, 1, 2, 3)
    printed = way_row(way(), combination)
    assert printed["threshold"] == THRESHOLD
    assert (printed["tp"], printed["fp"], printed["fn"], printed["tn"]) == (1, 0, 3, 4)


def test_what_cannot_be_told_is_left_open():
    table = ways_table("made", "Made", "this study", [(way(), runs(lambda name: 0.2))], ("A note.",))
    (row,) = table.rows
    assert row["f1"] is None
    assert row["sensitivity"] == 0
    assert row["auc"] == 0.5
    assert table.notes[0] == "A note."


def test_the_study_leaves_table_figure_and_caption(tmp_path):
    results = [
        (way(), runs(lambda name: SAID.get(name, 0.5))),
        (way(moves=True), runs(lambda name: SAID.get(name, 0.5))),
    ]
    table = ways_table("made", "Made", "this study", results, ())
    made = write_study(table, tmp_path, "Words.")
    assert {path.relative_to(tmp_path).as_posix() for path in made} == {
        "made.csv",
        "made.md",
        "made.tex",
        "figures/made.png",
        "figures/captions.md",
    }
    assert (tmp_path / "figures" / "captions.md").read_text() == "**made.png** Words.\n"
    with (tmp_path / "made.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["way"] for row in rows] == ["as printed", "moved"]
    assert float(rows[0]["sensitivity"]) == 0.25
    assert "0.25 (" in (tmp_path / "made.md").read_text()
    row = {"way": "made", "auc": 0.6, "auc_low_95": 0.5, "auc_high_95": 0.9, "sensitivity": 0.7}
    auc_panel, sensitivity_panel = ways_figure([row]).axes[:2]
    assert [0.5, 0.9] in [list(line.get_xdata()) for line in auc_panel.lines]
    assert [list(line.get_xdata()) for line in sensitivity_panel.lines] == [[0.7]]
    shown = texts(ways_figure(table.rows))
    for words in ("as printed", "moved", "AUC", "sensitivity", "specificity", "balanced\naccuracy"):
        assert words in shown
