"""`sarcopenia classify`: arguments, splits in proportion, one line for what is wrong; the real networks."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest

import SarcopeniaAssessLib
from SarcopeniaAssessLib.errors import InputError, ModelError
from SarcopeniaTraining.classification import classify_command
from SarcopeniaTraining.classification.classifier_run import read_classification
from SarcopeniaTraining.classification.classify_command import numbers_of, splits_of
from SarcopeniaTraining.classification.classify_preset import load_classify_preset
from SarcopeniaTraining.cohort import Cohort, CohortCase
from SarcopeniaTraining.splits import write_splits
from SarcopeniaTraining.spreading import Place
from Testing.training.tiny_cohort import tiny_cohort

ROOTS = [str(Path(SarcopeniaAssessLib.__file__).parents[1]), str(Path(__file__).parents[3])]
NONE = dict.fromkeys(
    ("networks", "schemes", "sets", "side", "epochs", "patience", "seed", "class_weights"), None
)


def command(*arguments, **environment) -> subprocess.CompletedProcess[str]:
    code = "from SarcopeniaTraining.cli import main; main()"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(ROOTS)} | environment
    return subprocess.run(
        [sys.executable, "-c", code, "classify", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )


def people(count: int, sarcopenic: int) -> Cohort:
    cases = tuple(CohortCase(f"C{n:03d}", Path("ct.nii.gz"), sarcopenic=n < sarcopenic) for n in range(count))
    return Cohort(Path("cohort/manifest.csv"), cases, "c" * 64)


@pytest.mark.parametrize(
    ("spec", "numbers"),
    [
        ("1-10", tuple(range(1, 11))),
        ("1,3", (1, 3)),
        ("3,1", (1, 3)),
        ("2-3, 7,2", (2, 3, 7)),
        ("4", (4,)),
    ],
)
def test_sets_by_number_and_by_range(spec, numbers):
    assert numbers_of(spec) == numbers


@pytest.mark.parametrize("spec", ["", "a", "1-", "-3", "0", "0-2", "5-3", "1.5"])
def test_what_are_no_sets_is_a_usage_error(spec):
    with pytest.raises(click.UsageError, match="--sets"):
        numbers_of(spec)


def test_options_stand_in_for_the_preset_s_fields():
    asked = {"networks": "resnet50,INCEPTIONV3", "schemes": "FreezeAll", "sets": "2-3", "side": 96}
    made = classify_command._preset("smoke", {**NONE, **asked, "seed": 0, "class_weights": True})
    assert made.networks == ("ResNet50", "InceptionV3")
    assert (made.schemes, made.sets, made.side, made.seed) == (("freezeall",), (2, 3), 96, 0)
    assert made.class_weights
    assert made.epochs == classify_command._preset("smoke", NONE).epochs
    with pytest.raises(ModelError, match="no network 'VGG16'"):
        classify_command._preset("smoke", {**NONE, "networks": "VGG16"})
    with pytest.raises(ModelError, match="no scheme 'all'"):
        classify_command._preset("smoke", {**NONE, "schemes": "all"})


def test_the_papers_cohort_is_split_as_printed(tmp_path):
    """§ 3.3: 79 patients, 18 of them sarcopenic, give 54, 12 and 13."""
    splits = splits_of(people(79, 18), tmp_path)
    assert len(splits.folds) == 10
    assert {tuple(map(len, fold.parts)) for fold in splits.folds} == {(54, 12, 13)}
    positive = {sum(int(case[1:]) < 18 for case in fold.test) for fold in splits.folds}
    assert positive == {3}


def test_another_cohort_is_split_in_proportion(tmp_path):
    """40 patients: 12/79 and 13/79 of them are 6.1 and 6.6."""
    splits = splits_of(people(40, 10), tmp_path)
    assert {tuple(map(len, fold.parts)) for fold in splits.folds} == {(27, 6, 7)}


def test_given_splits_come_first_then_those_of_the_folder(tmp_path):
    cohort = people(40, 10)
    own = splits_of(cohort, tmp_path)
    write_splits(own, tmp_path / "splits.json")
    assert splits_of(cohort, tmp_path) == own
    write_splits(dataclasses.replace(own, cohort_digest="d" * 64), tmp_path / "other.json")
    with pytest.raises(InputError, match="splits are of another cohort"):
        splits_of(cohort, tmp_path, tmp_path / "other.json")


def test_too_few_of_a_class_is_told(tmp_path):
    with pytest.raises(InputError, match="40 patients 2 are sarcopenic"):
        splits_of(people(40, 2), tmp_path)


def test_tensorflow_is_missed_before_a_cohort_is_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match="need TensorFlow"):
        classify_command._plan(tmp_path / "nowhere", load_classify_preset("smoke"), tmp_path, {})


def test_help_needs_no_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('imported')")
    ran = command("--help", PYTHONPATH=os.pathsep.join([str(tmp_path), *ROOTS]))
    assert ran.returncode == 0, ran.stderr
    assert "--class-weights" in ran.stdout


def test_what_is_wrong_is_one_line_before_any_training(tmp_path):
    """An image cohort with a file that is no picture; then a network that there is not."""
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(12):
        Image.fromarray(np.full((40, 50), 20 * n, np.uint8)).save(folder / f"C{n}.bmp")
    (folder / "C7.bmp").write_bytes(b"BM but no picture")
    rows = [f"C{n},C{n}.bmp,{'yes' if n % 3 == 0 else 'no'}" for n in range(12)]
    (folder / "manifest.csv").write_text("case,image,sarcopenic\n" + "\n".join(rows) + "\n")
    ran = command(folder, "--out", tmp_path / "run", "--side", 80)
    assert ran.returncode == 2
    assert "C7: the image cannot be read; export it again as BMP or PNG" in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith(
        "sarcopenia: 1 of 12 cases have no image to learn from (C7)"
    )
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "run").exists()
    ran = command(folder, "--out", tmp_path / "run", "--networks", "VGG16")
    assert ran.stderr.startswith("sarcopenia: there is no network 'VGG16'; take one of InceptionV3")
    assert len(ran.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    tiny_cohort(folder, 20)
    return folder


def runs_of(folder: Path) -> list[dict]:
    """All runs as they lie on disk, without what the clock and the memory say."""
    found = []
    for path in sorted((folder / "runs").glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found += [{k: v for k, v in each.items() if k not in ("seconds", "resident_mb")} for each in lines]
    return found


def test_options_reach_the_plan(cohort, tmp_path, monkeypatch):
    loaded = []

    def load(cohort, side, field_mm, tell, *, annotated):
        loaded.append((side, field_mm, annotated))

    monkeypatch.setattr("SarcopeniaTraining.classification.classifier_images.load_images", load)
    preset = dataclasses.replace(load_classify_preset("paper"), field_mm=300.0)
    options = {"splits": None, "annotated": True, "weights": tmp_path, "jobs": 3, "threads": 2}
    plan = classify_command._plan(cohort, preset, tmp_path / "run", {**options, "cluster": "auto"})
    assert loaded == [(224, 300.0, True), (299, 300.0, True)]
    assert (plan.leak, plan.weights, plan.threads) == (True, tmp_path, 2)
    assert plan.place == Place(jobs=3, cluster="auto", cores=2)
    assert plan.out == tmp_path / "run"
    plain = {**options, "annotated": False, "weights": None, "cluster": None}
    plan = classify_command._plan(cohort, preset, tmp_path / "run", plain)
    assert (plan.leak, plan.weights, loaded[-1][2]) == (False, None, False)


@pytest.mark.parametrize(
    ("network", "side"),
    [("ResNet50", 32), ("DenseNet121", 32), ("InceptionV3", 75), ("InceptionResNetV2", 75)],
)
def test_one_run_of_each_network_at_its_least_size(cohort, tmp_path, network, side):
    """The real networks, each in a process of its own; about 20 core-seconds each."""
    out = tmp_path / "run"
    asked = ("--networks", network, "--schemes", "unfreezetop10", "--sets", 1, "--side", side, "--epochs", 1)
    ran = command(cohort, "--out", out, *asked)
    assert ran.returncode == 0, ran.stderr
    assert "1 runs in" in ran.stdout
    assert "random start, without RadImageNet's weights" in ran.stdout
    (run,) = read_classification(out).records
    assert (run.network, run.scheme, run.epochs) == (network, "unfreezetop10", 1)
    assert all(0 <= each.probability <= 1 for each in run.test)
    assert (out / "weights" / f"{network}.safetensors").is_file()


@pytest.mark.slow
def test_killed_between_runs_it_ends_as_if_it_had_not_been(cohort, tmp_path):
    """ResNet50 at 32 pixels, two schemes on two sets: killed before any run, after one, after three."""
    asked = ("--networks", "ResNet50", "--schemes", "freezeall,unfreezetop10")
    asked += ("--sets", "1-2", "--side", 32, "--epochs", 2)
    whole = tmp_path / "whole"
    assert command(cohort, "--out", whole, *asked).returncode == 0
    out = tmp_path / "killed"
    code = "from SarcopeniaTraining.cli import main; main()"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(ROOTS)}
    words = [sys.executable, "-c", code, "classify", *map(str, (cohort, "--out", out, *asked))]
    for runs in (0, 1, 3):
        child = subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while child.poll() is None and (not (out / "run.json").is_file() or runs_done(out) < runs):
            time.sleep(0.05)
        child.kill()
        child.wait()
        assert runs <= runs_done(out) < 4
    assert command(cohort, "--out", out, *asked).returncode == 0
    assert runs_of(out) == runs_of(whole)
    for name in ("ResNet50.json", "ResNet50.safetensors"):
        assert (out / "weights" / name).read_bytes() == (whole / "weights" / name).read_bytes()


def runs_done(folder: Path) -> int:
    """Whole lines below the journals' heads."""
    texts = [path.read_text() for path in (folder / "runs").glob("*.jsonl")]
    return sum(max(text.count("\n") - 1, 0) for text in texts)


@pytest.mark.slow
def test_all_120_runs_at_smoke_size_and_memory_does_not_grow(tmp_path):
    """79 patients in the preset's own size, two processes: minutes (docs/classification.md says how many)."""
    folder = tmp_path / "cohort"
    tiny_cohort(folder, 79)
    out = tmp_path / "run"
    ran = command(folder, "--preset", "smoke", "--out", out, "--jobs", 2)
    assert ran.returncode == 0, ran.stderr
    found = read_classification(out)
    assert len(found.records) == 120
    assert found.unfinished == ()
    for network in ("InceptionV3", "DenseNet121", "ResNet50", "InceptionResNetV2"):
        assert (out / "weights" / f"{network}.safetensors").is_file()
        for scheme in ("unfreezeall", "freezeall", "unfreezetop10"):
            memory = [
                each.resident_mb for each in found.records if (each.network, each.scheme) == (network, scheme)
            ]
            assert max(memory[2:]) < 1.05 * memory[1], (network, scheme, memory)
    before = runs_of(out)
    again = command(folder, "--preset", "smoke", "--out", out, "--jobs", 2)
    assert again.returncode == 0
    assert runs_of(out) == before
    shutil.rmtree(out)
