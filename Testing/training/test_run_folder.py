"""A run's folder as it is read: finished folds, the best on validation, the cohort wherever it lies."""

import json
from shutil import copytree, rmtree

import pytest

from SarcopeniaAssessLib.errors import InputError, ModelError
from SarcopeniaTraining.run_folder import find_cohort, is_fold_run, read_run
from Testing.training.drawn_run import draw_cohort, draw_run


@pytest.fixture
def drawn(tmp_path):
    cohort = draw_cohort(tmp_path / "data" / "cohort")
    return cohort, draw_run(tmp_path / "runs" / "mine", cohort)


def rewrite(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_finished_folds_and_the_best_on_validation(drawn):
    run = read_run(drawn[1])
    assert [fold.number for fold in run.folds] == [1, 2]
    assert run.unfinished == (3,)
    assert (run.best.number, run.best.best_epoch, run.best.validation_dice) == (2, "epoch-030", 0.95)
    assert (run.name, run.preset, run.train_patients) == ("mine", "drawn", 1)
    assert run.folds[0].checkpoints() == ("epoch-030", "epoch-060")
    assert run.folds[0].fold.test == ("D1", "D4")


def test_of_equally_good_folds_the_first(drawn):
    for fold in ("fold-01", "fold-02"):
        path = drawn[1] / fold / "validation.json"
        rewrite(path, **{json.loads(path.read_text())["best"]: {"dice": 0.9}})
    assert read_run(drawn[1]).best.number == 1


def test_a_cut_off_line_of_the_log_is_passed_over(drawn):
    lines = list(read_run(drawn[1]).folds[0].log())
    assert len(lines) == 6
    assert lines[-1] == {"epoch": 60, "validation_dice": 0.93}


def test_a_limited_training_set(drawn):
    rewrite(drawn[1] / "run.json", train_patients=7)
    assert read_run(drawn[1]).train_patients == 7


def test_a_fold_between_the_last_score_and_the_choice_is_not_finished(drawn):
    path = drawn[1] / "fold-02" / "validation.json"
    path.write_text('{"epoch-030": {"dice": 0.95}}')
    assert read_run(drawn[1]).unfinished == (2, 3)
    path.write_text('{"best": "epoch-090", "epoch-030": {"dice": 0.95}}')
    with pytest.raises(ModelError, match="fold 2 has no Dice of its best checkpoint"):
        read_run(drawn[1])


def test_no_finished_fold(drawn):
    for fold in ("fold-01", "fold-02"):
        (drawn[1] / fold / "best.safetensors").unlink()
    with pytest.raises(ModelError, match="no fold of this run is finished"):
        read_run(drawn[1])


@pytest.mark.parametrize(
    ("content", "words"), [("{", "is damaged"), ("[1]", "is damaged"), ("{}", "schema None")]
)
def test_what_is_no_run(drawn, content, words):
    (drawn[1] / "run.json").write_text(content)
    with pytest.raises(InputError, match=words):
        read_run(drawn[1])
    (drawn[1] / "run.json").unlink()
    with pytest.raises(InputError, match=r"no run\.json"):
        read_run(drawn[1])


def test_which_folders_are_runs_over_folds(drawn, tmp_path):
    assert is_fold_run(drawn[1])
    assert not is_fold_run(tmp_path)
    assert not is_fold_run(drawn[1] / "run.json")


def test_the_cohort_is_found_near_the_run_or_here_or_where_it_is_said(drawn, tmp_path, monkeypatch):
    cohort, folder = drawn
    run = read_run(folder)
    monkeypatch.chdir(tmp_path / "data")
    assert find_cohort(run, None).digest == cohort.digest
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match="'cohort' of this run is not found; say where it lies: --cohort PATH"
    ):
        find_cohort(run, None)
    assert find_cohort(run, tmp_path / "data" / "cohort").digest == cohort.digest
    copytree(tmp_path / "data" / "cohort", tmp_path / "cohort")
    assert find_cohort(run, None).path == tmp_path / "cohort" / "manifest.csv"


def test_a_relative_path_of_the_training_is_seen_from_the_working_directory(drawn, tmp_path, monkeypatch):
    _, folder = drawn
    facts = json.loads((folder / "run.json").read_text())
    rewrite(folder / "run.json", cohort={**facts["cohort"], "path": "data/cohort/manifest.csv"})
    run = read_run(folder)
    monkeypatch.chdir(tmp_path / "runs")
    with pytest.raises(InputError, match=r"'cohort' of this run is not found; .*--cohort PATH"):
        find_cohort(run, None)
    monkeypatch.chdir(tmp_path)
    assert find_cohort(run, None).digest == facts["cohort"]["digest"]


def test_the_way_from_the_run_leads_to_the_cohort_from_anywhere(drawn, tmp_path, monkeypatch):
    _, folder = drawn
    facts = json.loads((folder / "run.json").read_text())
    way = "../../data/cohort/manifest.csv"
    rewrite(folder / "run.json", cohort={**facts["cohort"], "from_run": way})
    monkeypatch.chdir("/")
    assert find_cohort(read_run(folder), None).digest == facts["cohort"]["digest"]


def test_another_cohort_is_refused(drawn, tmp_path):
    manifest = tmp_path / "data" / "cohort" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("female", "male"))
    with pytest.raises(InputError, match="cohort is not the cohort that this run was trained on"):
        find_cohort(read_run(drawn[1]), manifest.parent)
    rmtree(manifest.parent)
    with pytest.raises(InputError):
        find_cohort(read_run(drawn[1]), manifest.parent)
