"""A folder of classifier runs to its evaluation: files, summary, words, and every wrong input in one line."""

import json
from dataclasses import replace

import pytest

from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.classification.classification_evaluation import evaluate_classification, told
from SarcopeniaTraining.classification.table_2 import ALL_SETS
from SarcopeniaTraining.cli import cli
from Testing.training.classification.made_runs import draw_classification, random_records, record
from Testing.training.classification.made_segmentation import TOLD, VALIDATION, folders
from Testing.training.made_scores import score

FILES = [
    *(f"figures/{name}.png" for name in ("auc", "confusion", "reliability", "roc", "training")),
    "figures/captions.md",
    *(f"{name}.{kind}" for name in ("runs", "table1", "table2") for kind in ("csv", "md", "tex")),
    "summary.json",
]
GIVEN = {"unfinished": {"ResNet50-unfreezetop10": [1, 2]}, "people": {"P01": "anna"}}


@pytest.fixture(scope="module")
def records():
    return random_records(networks=("ResNet50", "DenseNet121"), schemes=("unfreezeall", "freezeall"), sets=3)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, records):
    folder = draw_classification(tmp_path_factory.mktemp("evaluation") / "made", records, **GIVEN)
    return folder, evaluate_classification(folder)


def test_every_file_is_there_and_nothing_else(finished):
    folder, evaluation = finished
    out = folder / "evaluation"
    assert evaluation.folder == out
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()) == sorted(FILES)
    captions = (out / "figures" / "captions.md").read_text()
    assert [part.split("**")[1] for part in captions.strip().split("\n\n")] == [
        *("auc.png", "confusion.png", "roc.png", "reliability.png", "training.png"),
    ]


def test_the_summary_holds_the_tables_and_the_choice(finished):
    folder, evaluation = finished
    found = json.loads((folder / "evaluation" / "summary.json").read_text())
    assert found == evaluation.summary
    assert found["schema"] == "sarcopenia-classification-evaluation/1"
    assert (found["preset"], found["start"], found["leak"], found["chosen_on"]) == (
        *("made", "random", False, "validation"),
    )
    assert (found["networks"], found["sets"], found["finished_runs"]) == (
        ["ResNet50", "DenseNet121"],
        [1, 2, 3],
        12,
    )
    assert found["unfinished_runs"] == [["ResNet50", "unfreezetop10", 1], ["ResNet50", "unfreezetop10", 2]]
    assert len(found["table1"]) == 12
    assert [row["readings"] for row in found["table2"]].count(ALL_SETS) == 2
    assert len(found["runs"]) == 12
    assert set(found["chosen"]) == {"ResNet50", "DenseNet121"}
    assert sum(part["count"] for part in found["chosen"]["ResNet50"]["calibration"]["bins"]) == 39
    assert found["two_routes"] is None


def test_slower_and_elsewhere_the_same_bytes(records, finished, tmp_path):
    """What a run took in seconds and memory is not the same twice, and stands in no table."""
    slower = [replace(one, seconds=one.seconds + 100, resident_mb=1.0) for one in records]
    folder = draw_classification(tmp_path / "made", slower, **GIVEN)
    evaluate_classification(folder)
    for name in FILES:
        assert (folder / "evaluation" / name).read_bytes() == (finished[0] / "evaluation" / name).read_bytes()


def test_a_person_of_two_images_is_one_reading(tmp_path):
    folder = draw_classification(tmp_path / "made", [record()], people={"S1": "anna", "S2": "anna"})
    (row,) = [row for row in evaluate_classification(folder).summary["table1"] if row.get("sets")]
    assert (row["test_readings"], row["test_sarcopenic"]) == (4, 1)


def test_told_in_plain_words(finished):
    lines = told(finished[1])
    assert lines[0] == (
        "12 runs over 3 shuffled sets, random start; each network's best run chosen on validation"
    )
    assert lines[1].startswith("ResNet50, unfreezeall: test AUC 0.")
    assert lines[-1] == "not finished, left out: 2 of the runs planned"
    assert sum("chosen on test, optimistic" in line for line in lines) == 2


def test_a_leak_is_the_first_word(tmp_path):
    folder = draw_classification(tmp_path / "made", [record()], leak=True)
    assert told(evaluate_classification(folder))[0].startswith("LEAK: ")


def test_both_routes_beside_each_other(tmp_path):
    segmentation, classification = folders(tmp_path)
    evaluation = evaluate_classification(classification, segmentation)
    assert [table.name for table in evaluation.tables][-2:] == ["two_routes", "two_routes_patients"]
    assert evaluation.summary["two_routes"]["patients"] == 5
    captions = (evaluation.folder / "figures" / "captions.md").read_text()
    assert "**two_routes.png** " in captions
    assert (evaluation.folder / "figures" / "two_routes.png").is_file()


def test_a_wrong_run_beside_it_writes_nothing(tmp_path):
    areas = [score("X", (150.0, 150.0))]
    segmentation, classification = folders(tmp_path, areas)
    with pytest.raises(Exception, match="no tested patient in common"):
        evaluate_classification(classification, segmentation)
    assert not (classification / "evaluation" / "table1.csv").exists()


def test_no_finished_run_is_told(tmp_path):
    folder = draw_classification(tmp_path / "made", [], unfinished={"ResNet50-freezeall": [1]})
    with pytest.raises(ModelError, match="no run of these classifiers is finished; give the same"):
        evaluate_classification(folder)
    assert not (folder / "evaluation").exists()


def called(capsys, *words):
    status = run_group(cli, ["evaluate", *map(str, words)])
    out, err = capsys.readouterr()
    return status, out, err


def test_the_command_in_words_and_as_json(tmp_path, capsys):
    segmentation, classification = folders(tmp_path)
    status, out, _ = called(capsys, classification)
    assert (status, out.splitlines()[-1]) == (0, f"tables and figures: {classification / 'evaluation'}")
    status, out, _ = called(capsys, classification, "--json", "--beside", segmentation)
    assert (status, json.loads(out)["two_routes"]["patients"]) == (0, 5)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "run.json").unlink(), "the folder has no run.json"),
        (lambda folder: (folder / "run.json").write_text("{"), "run.json is damaged"),
        (
            lambda folder: (folder / "runs" / "ResNet50-unfreezeall.jsonl").write_text("{}\n{\n"),
            "ResNet50-unfreezeall.jsonl is damaged",
        ),
        (lambda folder: (folder / "evaluation").write_text(""), "the folder evaluation cannot be made"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, capsys, spoil, words):
    folder = draw_classification(tmp_path / "made", [record(test=TOLD, validation=VALIDATION)])
    spoil(folder)
    status, out, err = called(capsys, folder)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


def test_sarcopenia_evaluate_knows_such_a_folder_by_its_run_json(tmp_path, capsys):
    folder = draw_classification(tmp_path / "made", [record()])
    assert run_group(cli, ["evaluate", str(folder)]) == 0
    assert "ResNet50, unfreezeall: test AUC" in capsys.readouterr().out
    assert run_group(cli, ["evaluate", str(folder), "--all-checkpoints"]) == 2
    assert "--all-checkpoints is not for a folder of classifier runs" in capsys.readouterr().err


def test_two_runs_beside_it_are_refused(tmp_path, capsys):
    _, classification = folders(tmp_path)
    status, _, err = called(capsys, classification, "--beside", "a", "--beside", "b")
    assert status == 2
    assert "give one fine-tuning run --beside" in err
