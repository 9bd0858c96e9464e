"""What the folder of a reproduction tells of its making."""

import json

import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.report_page.circumstances import Data, read_circumstances
from Testing.training.reproduced_folder import DIGEST, draw_reproduction


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = draw_reproduction(tmp_path_factory.mktemp("told") / "whole", pictures=False)
    return read_circumstances(folder)


def test_the_cohort(told):
    own = told.cohort
    assert (own.data, own.patients, own.sarcopenic, own.men, own.seed) == (Data.PHANTOMS, 79, 18, 52, 5)
    assert own.digest == DIGEST


def test_the_segmentation(told):
    run = told.segmentation
    assert (run.name, run.sizes, run.encoder) == ("smoke", (47, 16, 16), "encoder.safetensors")
    assert not run.encoder_given
    assert run.summary["schema"] == "sarcopenia-evaluation/1"


def test_the_classifiers(told):
    run = told.classification
    assert (run.name, run.side, run.sizes, run.seed, run.leak) == ("smoke", 80, (54, 12, 13), 7, False)
    assert len(run.random_networks) == 4


def test_the_steps(told):
    assert (told.steps[0].name, told.steps[0].state, told.steps[0].seconds) == ("phantoms", "done", 12.5)


def test_an_empty_folder_tells_nothing(tmp_path):
    told = read_circumstances(tmp_path)
    assert (told.preset, told.segmentation, told.classification, told.steps) == (None, None, None, ())
    assert told.cohort.data is Data.UNTOLD


def test_fewer_training_patients_and_a_given_encoder(tmp_path):
    (tmp_path / "finetune").mkdir()
    run = {"preset": {"name": "paper"}, "train_patients": 20, "encoder": {"source": "smit.safetensors"}}
    (tmp_path / "finetune" / "run.json").write_text(json.dumps(run))
    folds = [{"number": 1, "train": ["a"] * 47, "validation": ["b"] * 16, "test": ["c"] * 16}]
    (tmp_path / "finetune" / "splits.json").write_text(json.dumps({"folds": folds, "seed": 4}))
    start = {"start": {"encoder": {"file": "smit.safetensors"}}}
    (tmp_path / "reproduction.json").write_text(json.dumps(start))
    found = read_circumstances(tmp_path).segmentation
    assert (found.sizes, found.split_seed, found.encoder_given) == ((20, 16, 16), 4, True)


def test_a_radimagenet_start_is_not_random(tmp_path):
    (tmp_path / "classify").mkdir()
    start = {"ResNet50": "random", "DenseNet121": {"file": "DenseNet121_notop.h5", "sha256": "a"}}
    (tmp_path / "classify" / "run.json").write_text(json.dumps({"start": start}))
    assert read_circumstances(tmp_path).classification.random_networks == ("ResNet50",)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "classify").mkdir()
    (tmp_path / "classify" / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"classify/run\.json is damaged; give the same"):
        read_circumstances(tmp_path)
