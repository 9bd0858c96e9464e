"""The folder of classifier runs: read back as it was written, refused where it is none."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError, ModelError
from SarcopeniaTraining.classification.classifier_run import (
    Prediction,
    best_by_network,
    is_classification,
    load_classifier,
    read_classification,
    record_from,
)
from SarcopeniaTraining.classification.kept_weights import keep_best
from Testing.training.classification.one_run import SPLITS, predicted, record, write_run

PLANNED = {"ResNet50-unfreezeall": [1, 2], "ResNet50-freezeall": [1]}


def test_a_record_is_read_back_as_it_is_written():
    one = record(val_loss=(0.5, 0.25, 0.3))
    again = record_from(json.loads(json.dumps(one.to_mapping())))
    assert again == one
    assert (one.best_epoch, one.validation_loss) == (2, 0.25)


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan])
def test_a_prediction_is_a_probability(value):
    with pytest.raises(ValueError, match="no probability"):
        Prediction("a", True, value)


@pytest.mark.parametrize(
    "change",
    [
        {"start": "imagenet"},
        {"best_epoch": 0},
        {"best_epoch": 3},
        {"epochs": 3},
        {"history": {"loss": (1.0, 1.0), "val_loss": (1.0,)}},
        {"test": ()},
    ],
)
def test_an_invalid_record_cannot_exist(change):
    with pytest.raises(ValueError, match=r"start|epoch|history|part"):
        dataclasses.replace(record(), **change)


def test_auc_by_hand():
    """Pairs (c, d), (c, f), (e, d), (e, f): right, right, a tie, wrong."""
    assert record(validation=predicted(c=0.9, e=0.4, d=0.4, f=0.6)).validation_auc == (1 + 1 + 0.5 + 0) / 4
    assert record(validation=predicted(c=0.9, e=0.4)).validation_auc is None
    assert record(validation=predicted(d=0.9)).validation_auc is None


def test_the_best_is_chosen_on_validation_by_auc_then_loss_then_scheme_then_set():
    right, wrong = predicted(c=0.7, d=0.4), predicted(c=0.4, d=0.7)
    low_loss = record(number=3, validation=wrong, val_loss=(0.1,))
    first = record(number=2, validation=right, val_loss=(0.5,))
    lower = record(number=4, validation=right, val_loss=(0.4,))
    assert best_by_network([low_loss, first])["ResNet50"] is first
    assert best_by_network([low_loss, first, lower])["ResNet50"] is lower
    frozen = record(scheme="freezeall", number=1, validation=right, val_loss=(0.4,))
    assert best_by_network([frozen, lower])["ResNet50"] is lower
    same = record(number=1, validation=right, val_loss=(0.4,))
    assert best_by_network([lower, same])["ResNet50"] is same


def test_the_best_looks_at_no_test_prediction():
    wrong_in_test = dataclasses.replace(record(number=1), test=predicted(e=0.0, f=1.0))
    right_in_test = dataclasses.replace(
        record(number=2, validation=predicted(c=0.4, d=0.7)), test=predicted(e=1.0, f=0.0)
    )
    assert best_by_network([right_in_test, wrong_in_test])["ResNet50"] is wrong_in_test


def test_a_run_without_an_auc_is_the_last_choice():
    one_class = record(number=1, validation=predicted(c=0.9), val_loss=(0.01,))
    other = record(number=2, validation=predicted(c=0.4, d=0.7))
    assert best_by_network([one_class, other])["ResNet50"] is other


def test_each_network_has_its_own_best():
    found = best_by_network([record("ResNet50"), record("DenseNet121", number=2)])
    assert {name: one.set for name, one in found.items()} == {"ResNet50": 1, "DenseNet121": 2}


def test_a_folder_is_read_with_what_is_not_finished(tmp_path):
    made = [record(number=2), record(scheme="freezeall")]
    found = read_classification(write_run(tmp_path / "run", made, PLANNED))
    assert found.records == tuple(made)
    assert found.unfinished == (("ResNet50", "unfreezeall", 1),)
    assert (found.name, found.start, found.leak, found.splits) == ("run", "random", False, SPLITS)
    assert found.facts["images"]["side"] == 32


def test_runs_are_in_the_order_of_their_sets_whatever_ended_first(tmp_path):
    folder = write_run(tmp_path / "run", [record(number=2), record(number=1)], PLANNED)
    assert [one.set for one in read_classification(folder).records] == [1, 2]


def test_weights_of_a_run_that_a_kill_kept_from_its_journal_are_told(tmp_path):
    folder = write_run(tmp_path / "run", [record(number=2)], PLANNED)
    weight = SimpleNamespace(name="kernel", shape=(2,), numpy=lambda: np.zeros(2, np.float32))
    model = SimpleNamespace(name="resnet50", layers=[SimpleNamespace(name="status", weights=[weight])])
    keep_best(folder, model, record(number=1))
    with pytest.raises(ModelError, match="weights of ResNet50 are of is not finished; give"):
        load_classifier(folder, "ResNet50")


def test_a_line_that_a_kill_cut_off_is_a_run_that_is_not_finished(tmp_path):
    folder = write_run(tmp_path / "run", [record(number=1), record(number=2)], PLANNED)
    path = folder / "runs" / "ResNet50-unfreezeall.jsonl"
    path.write_text(path.read_text()[:-30])
    assert [one.set for one in read_classification(folder).records] == [1]


def test_a_damaged_journal_is_refused(tmp_path):
    folder = write_run(tmp_path / "run", [record()], PLANNED)
    path = folder / "runs" / "ResNet50-unfreezeall.jsonl"
    path.write_text(path.read_text().replace('"epochs": 2', '"epochs": 7'))
    with pytest.raises(InputError, match=r"ResNet50-unfreezeall\.jsonl is damaged"):
        read_classification(folder)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "has no run.json"),
        ("{", "run.json is damaged"),
        ('{"schema": "sarcopenia-run/1"}', "says schema 'sarcopenia-run/1'"),
        ('{"schema": "sarcopenia-classification/1"}', "run.json is damaged"),
    ],
)
def test_what_is_no_such_folder_is_refused(tmp_path, text, told):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=told):
        read_classification(tmp_path)


def test_a_folder_of_classifiers_is_told_from_others(tmp_path):
    assert is_classification(write_run(tmp_path / "run", [], PLANNED))
    assert not is_classification(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": "sarcopenia-run/1"}')
    assert not is_classification(tmp_path)


@pytest.mark.parametrize(
    ("start", "word"),
    [
        ({"ResNet50": "random"}, "random"),
        ({"ResNet50": {"file": "R.h5", "sha256": "0"}}, "radimagenet"),
        ({"ResNet50": {"file": "R.h5", "sha256": "0"}, "DenseNet121": "random"}, "mixed"),
    ],
)
def test_the_start_in_a_word(tmp_path, start, word):
    found = read_classification(write_run(tmp_path / "run", [], PLANNED))
    assert dataclasses.replace(found, facts={**found.facts, "start": start}).start == word


def test_weights_that_are_not_there_are_told_before_keras_is_asked(tmp_path):
    folder = write_run(tmp_path / "run", [record()], PLANNED)
    told = r"weights of ResNet50 are not there, or were altered; remove runs/ResNet50-\*\.jsonl .* again"
    with pytest.raises(ModelError, match=told):
        load_classifier(folder, "resnet50")
