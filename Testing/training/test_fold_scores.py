"""Scores of a run: every test patient once, kept, gone on with, and anew where bytes have changed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import copyfile, copytree

import pytest

from SarcopeniaAssessLib.errors import InputError, OutputError
from SarcopeniaTraining import fold_scores
from SarcopeniaTraining.cohort import read_cohort
from SarcopeniaTraining.fold_scores import SCORES, Scoring, score_run
from SarcopeniaTraining.run_folder import read_run
from Testing.training.drawn_run import change_model, draw_cohort, draw_run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A cohort, and a run of which every test patient is scored."""
    folder = tmp_path_factory.mktemp("scores")
    cohort = draw_cohort(folder / "cohort")
    run = read_run(draw_run(folder / "run", cohort))
    return cohort, run, score_run(run, cohort)


@pytest.fixture
def again(scored, tmp_path):
    """A copy of both that a test may change."""
    cohort, run, _ = scored
    copytree(cohort.path.parent, tmp_path / "cohort")
    copytree(run.folder, tmp_path / "run")
    return read_cohort(tmp_path / "cohort"), read_run(tmp_path / "run")


def spy_on_work(monkeypatch):
    """What is scored: patient and (fold, checkpoint) of each model."""
    seen = []
    real = fold_scores.score_patient

    def told(case, models, *rest):
        seen.append((case.case, [(model.fold, model.checkpoint) for model in models]))
        return real(case, models, *rest)

    monkeypatch.setattr(fold_scores, "score_patient", told)
    return seen


def test_each_test_patient_of_each_finished_fold(scored):
    _, run, scores = scored
    assert [(s.fold, s.checkpoint, s.case) for s in scores] == [
        (1, "best", "D1"),
        (1, "best", "D4"),
        (2, "best", "D1"),
        (2, "best", "D3"),
    ]
    kept = json.loads((run.folder / "evaluation" / SCORES).read_text())
    assert kept["schema"] == "sarcopenia-fold-scores/1"
    assert [score["case"] for score in kept["scores"]] == ["D1", "D4", "D1", "D3"]


def test_a_fold_is_read_by_its_own_model(scored):
    _, _, scores = scored
    of_d1 = {score.fold: score for score in scores if score.case == "D1"}
    assert of_d1[1].truth_sma_cm2 == of_d1[2].truth_sma_cm2
    assert of_d1[1].predicted_sma_cm2 != of_d1[2].predicted_sma_cm2


def test_a_ct_is_read_once_for_all_folds(scored, tmp_path, monkeypatch):
    cohort, run, _ = scored
    seen = spy_on_work(monkeypatch)
    (tmp_path / "run").mkdir()
    for name in ("run.json", "splits.json"):
        copyfile(run.folder / name, tmp_path / "run" / name)
    for fold in ("fold-01", "fold-02"):
        copytree(run.folder / fold, tmp_path / "run" / fold)
    score_run(read_run(tmp_path / "run"), cohort)
    assert seen == [
        ("D1", [(1, "best"), (2, "best")]),
        ("D3", [(2, "best")]),
        ("D4", [(1, "best")]),
    ]


def test_what_is_scored_stays(again, monkeypatch):
    cohort, run = again
    seen = spy_on_work(monkeypatch)
    score_run(run, cohort)
    assert seen == []


def test_a_changed_model_is_scored_again_and_no_other(again, monkeypatch):
    cohort, run = again
    change_model(run.folder / "fold-01" / "best.safetensors")
    seen, told = spy_on_work(monkeypatch), []
    score_run(run, cohort, tell=told.append)
    assert seen == [("D1", [(1, "best")]), ("D4", [(1, "best")])]
    assert told == ["2 scores are of other models or truths than those there now: scored again"]


def test_a_corrected_truth_is_scored_again(again, monkeypatch):
    import nibabel as nib

    cohort, run = again
    mask = nib.load(cohort["D4"].mask)
    data = mask.get_fdata().astype("uint8")
    data[:, : data.shape[1] // 2] = 0
    nib.save(nib.Nifti1Image(data, mask.affine), cohort["D4"].mask)
    seen = spy_on_work(monkeypatch)
    scores = score_run(run, cohort)
    assert [case for case, _ in seen] == ["D4"]
    assert next(score for score in scores if score.case == "D4").dice < 0.8


def test_every_checkpoint_only_if_wanted(again, monkeypatch):
    cohort, run = again
    seen = spy_on_work(monkeypatch)
    scores = score_run(run, cohort, Scoring(all_checkpoints=True))
    assert seen[1] == ("D3", [(2, "epoch-030"), (2, "epoch-060")])
    assert len(scores) == 12
    assert len(score_run(run, cohort)) == 4


@pytest.mark.slow
def test_two_processes_give_the_same_scores(again, scored):
    cohort, run = again
    (run.folder / "evaluation" / SCORES).unlink()
    told = []
    assert score_run(run, cohort, Scoring(jobs=2), advance=lambda *at: told.append(at)) == scored[2]
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_failure_names_the_patient_and_keeps_the_rest(again, jobs):
    cohort, run = again
    (run.folder / "evaluation" / SCORES).unlink()
    cohort["D1"].ct.write_bytes(b"no CT")  # the first of them
    with pytest.raises(InputError, match=r"^D1: "):
        score_run(run, cohort, Scoring(jobs=jobs))
    kept = json.loads((run.folder / "evaluation" / SCORES).read_text())
    assert sorted({score["case"] for score in kept["scores"]}) == ["D3", "D4"]


KILLED = """
import sys, time
from pathlib import Path
from SarcopeniaTraining import fold_scores
from SarcopeniaTraining.cohort import read_cohort
from SarcopeniaTraining.run_folder import read_run

def stay(done, everyone):
    print(done, flush=True)
    time.sleep(60)

fold_scores.score_run(read_run(Path(sys.argv[1])), read_cohort(sys.argv[2]), advance=stay)
"""


def test_a_killed_evaluation_goes_on_and_ends_with_the_same_scores(again, scored, monkeypatch):
    cohort, run = again
    (run.folder / "evaluation" / SCORES).unlink()
    path = os.pathsep.join([str(ROOT / "SarcopeniaAssess"), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(run.folder), str(cohort.path.parent)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout.readline() == b"1\n"
    with pytest.raises(OutputError, match="Another run"):
        score_run(run, cohort)
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen = spy_on_work(monkeypatch)
    assert score_run(run, cohort) == scored[2]
    assert [case for case, _ in seen] == ["D3", "D4"]
    assert process.returncode == -signal.SIGKILL


def test_a_full_disk_keeps_what_was_there(again, monkeypatch):
    cohort, run = again
    before = (run.folder / "evaluation" / SCORES).read_bytes()
    change_model(run.folder / "fold-02" / "best.safetensors")

    def full(path, content):
        raise OutputError(f"{path.name} cannot be written (No space left on device)", "make room")

    monkeypatch.setattr(fold_scores, "write_whole", full)
    with pytest.raises(OutputError, match="No space left"):
        score_run(run, cohort)
    assert (run.folder / "evaluation" / SCORES).read_bytes() == before


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "other/1", "scores": []}', '{"schema": 1}'])
def test_a_damaged_score_file_is_told(again, content):
    cohort, run = again
    (run.folder / "evaluation" / SCORES).write_text(content)
    with pytest.raises(OutputError, match=r"scores\.json is (damaged|of another version)"):
        score_run(run, cohort)


def test_a_damaged_model_is_told(again):
    cohort, run = again
    path = run.folder / "fold-01" / "best.safetensors"
    scores = run.folder / "evaluation" / SCORES
    before = scores.read_bytes()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"^fold-01: .*best\.safetensors is damaged"):
        score_run(run, cohort)
    assert scores.read_bytes() == before


def test_a_patient_without_a_mask_is_told(again):
    cohort, run = again
    cases = tuple(replace(case, mask=None) if case.case == "D3" else case for case in cohort.cases)
    with pytest.raises(InputError, match="D3 has no mask"):
        score_run(run, replace(cohort, cases=cases))
