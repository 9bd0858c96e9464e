"""`sarcopenia reproduce`: what is refused before anything is made, the dry run, the help."""

import json

import pytest
from click.testing import CliRunner

from SarcopeniaAssessLib.errors import InputError, ModelError
from SarcopeniaTraining.cli import cli
from SarcopeniaTraining.reproduce_command import reproduce, subject_of
from SarcopeniaTraining.reproduction_steps import Part
from Testing.training.tiny_cohort import tiny_cohort

NOTHING = {"only": None, "weights": None, "encoder": None, "jobs": 2, "cluster": None}


def pictures(folder):
    (folder / "a.png").write_bytes(b"x")
    (folder / "manifest.csv").write_text("case,image,sarcopenic\nA,a.png,yes\n")
    return folder


def test_a_dry_run_names_every_step_and_makes_nothing(tmp_path):
    out = tmp_path / "out"
    done = CliRunner().invoke(reproduce, ["--preset", "paper", "--out", str(out), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert len(done.output.splitlines()) == 14
    assert "376000 crops" in done.output
    assert not out.exists()


def test_a_dry_run_needs_no_folder_and_the_work_does():
    told = CliRunner().invoke(reproduce, ["--preset", "paper", "--dry-run"])
    assert told.exit_code == 0, told.output
    assert "up to date" not in told.output
    refused = CliRunner().invoke(reproduce, ["--preset", "smoke"])
    assert refused.exit_code == 2
    assert "--out is missing" in refused.output


def test_the_command_is_a_verb_whose_help_is_of_one_page():
    assert "reproduce" in cli.list_commands(None)
    told = CliRunner().invoke(reproduce, ["--help"]).output
    for option in (
        "--preset",
        "--out",
        "--only",
        "--jobs",
        "--cluster",
        "--dry-run",
        "--weights",
        "--encoder",
    ):
        assert option in told


def test_pictures_are_classified_and_not_segmented(tmp_path):
    cohort = pictures(tmp_path)
    for only in (None, "tables", "segment"):
        with pytest.raises(InputError, match="no CT with a mask to segment; give --only classify"):
            subject_of(cohort, "smoke", NOTHING | {"only": only})
    names = [step.name for step in subject_of(cohort, "smoke", NOTHING | {"only": "classify"}).wanted]
    assert names == ["classify", "evaluate-classifiers", "imbalance", "explain", "gather", "report"]


def test_without_tensorflow_the_classifiers_are_refused_and_the_rest_is_not(monkeypatch):
    monkeypatch.setattr("SarcopeniaTraining.reproduce_command.find_spec", lambda name: None)
    for only in (None, "tables", "classify"):
        with pytest.raises(ModelError, match=r"sarcopenia-assess\[classification\]"):
            subject_of(None, "smoke", NOTHING | {"only": only})
    assert subject_of(None, "smoke", NOTHING | {"only": "segment"}).only is Part.SEGMENT


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"holds no \.h5 file"):
        subject_of(None, "smoke", NOTHING | {"weights": tmp_path})


def test_a_given_cohort_is_counted_by_its_persons(tmp_path):
    tiny_cohort(tmp_path / "clinic")
    subject = subject_of(tmp_path / "clinic", "smoke", NOTHING)
    assert subject.inputs.people == 8
    assert subject.cohort.name == "clinic"
    assert subject.command == "sarcopenia reproduce COHORT --preset smoke --out OUT"
    assert str(tmp_path) not in json.dumps(subject.cohort.to_mapping())


def test_a_folder_of_another_preset_is_told_in_one_line(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "reproduction.json").write_text(json.dumps({"preset": {"name": "paper"}, "cohort": {}}))
    (out / "steps").mkdir()
    done = CliRunner().invoke(reproduce, ["--out", str(out)])
    assert str(done.exception).startswith("the folder holds a reproduction by preset paper; ")
