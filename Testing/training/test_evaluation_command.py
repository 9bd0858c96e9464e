"""`sarcopenia evaluate` from outside: folds, models, and every wrong input in one line."""

import json
from shutil import copytree, rmtree

import pytest

from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaAssessLib.models import default_model_name
from SarcopeniaTraining.cli import cli
from Testing.training.drawn_run import draw_cohort, draw_run

DEFAULT = default_model_name()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    cohort = draw_cohort(folder / "cohort")
    return draw_run(folder / "run", cohort)


def command(capsys, *words):
    status = run_group(cli, ["evaluate", *map(str, words)])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_run_over_folds(finished, capsys):
    status, out, err = command(capsys, finished, "--jobs", 1)
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "2 folds, 2 test patients each; checkpoints chosen on validation"
    assert lines[-1] == f"tables, figures and scores: {finished / 'evaluation'}"
    assert err.splitlines()[-1] == "3 of 3 done"


def test_as_json_the_summary_alone_is_on_standard_output(finished, capsys):
    status, out, _ = command(capsys, finished, "--jobs", 1, "--json")
    assert status == 0
    assert json.loads(out) == json.loads((finished / "evaluation" / "summary.json").read_text())


def test_a_model_by_name_is_scored_on_phantoms_as_before(capsys):
    status, out, _ = command(capsys, DEFAULT, "--phantoms", 1, "--json")
    assert status == 0
    assert json.loads(out)["held-out phantoms"]["slices"] == 1


@pytest.fixture
def spoiled(finished, tmp_path):
    copytree(finished.parent / "cohort", tmp_path / "cohort")
    copytree(finished, tmp_path / "run")
    return tmp_path


def no_run(folder):
    (folder / "run" / "run.json").unlink()


def no_fold_finished(folder):
    for fold in ("fold-01", "fold-02"):
        (folder / "run" / fold / "best.safetensors").unlink()


def damaged_model(folder):
    (folder / "run" / "fold-01" / "best.safetensors").write_bytes(b"\0" * 100)


def moved_cohort(folder):
    (folder / "cohort").rename(folder / "elsewhere")


def changed_cohort(folder):
    manifest = folder / "cohort" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("female", "male"))


def missing_ct(folder):
    (folder / "cohort" / "D1" / "ct.nii.gz").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_run, "the folder has no run.json; give the --out folder of `sarcopenia finetune COHORT`"),
        (
            no_fold_finished,
            "no fold of this run is finished; give the same `sarcopenia finetune` command again",
        ),
        (damaged_model, "best.safetensors is damaged or no safetensors file"),
        (moved_cohort, "the cohort 'cohort' of this run is not found; say where it lies: --cohort PATH"),
        (changed_cohort, "cohort is not the cohort that this run was trained on"),
        (missing_ct, "D1: "),
    ],
)
def test_what_is_wrong_is_one_line(spoiled, capsys, spoil, words):
    rmtree(spoiled / "run" / "evaluation", ignore_errors=True)
    spoil(spoiled)
    status, out, err = command(capsys, spoiled / "run", "--jobs", 1)
    assert (status, out) == (2, "")
    complaints = [line for line in err.splitlines() if not line.endswith(" done")]  # progress of the others
    assert len(complaints) == 1
    assert complaints[0].startswith("sarcopenia: ")
    assert words in complaints[0]
    assert "Traceback" not in err


def test_a_moved_cohort_is_found_where_it_is_said(spoiled, capsys):
    moved_cohort(spoiled)
    status, out, _ = command(capsys, spoiled / "run", "--jobs", 1, "--cohort", spoiled / "elsewhere")
    assert status == 0
    assert "status right" in out


@pytest.mark.parametrize(
    "words",
    [["--cohort", "x"], ["--all-checkpoints"], ["--beside", "x"], ["--device", "auto"]],
)
def test_options_of_folds_are_refused_for_a_model(capsys, words):
    status, out, err = command(capsys, "smit-slab", *words)
    assert (status, out) == (2, "")
    assert f"{words[0]} is for a folder of folds, which RUN is not" in err


@pytest.mark.parametrize(
    "words",
    [
        ["--publish", "beside"],
        ["--phantoms", "0"],
        ["--first-seed", "0"],
        ["--held-out", "0"],
        ["--out", "x"],
        ["--ct", "a", "b"],
    ],
)
def test_options_of_models_are_refused_for_folds(finished, capsys, words):
    status, _, err = command(capsys, finished, *words)
    assert status == 2
    assert f"{words[0]} is for a single model, which RUN is not" in err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--held-out", "1"], "give it a folder with --out DIR"),
        (["--out", "x"], "--out keeps what --held-out and --ct measure"),
    ],
)
def test_a_folder_is_asked_for_where_something_is_kept_in_it(capsys, words, complaint):
    status, out, err = command(capsys, "smit-slab", *words)
    assert (status, out) == (2, "")
    assert complaint in err


def test_an_unknown_name_is_one_line(capsys):
    status, _, err = command(capsys, "no-such-model")
    assert status == 2
    assert err.count("\n") == 1
