"""A folder of classifier runs belongs to one experiment, which may grow and not change."""

import copy
import dataclasses
import json

import pytest

from SarcopeniaAssessLib.errors import InputError, OutputError
from SarcopeniaTraining.classification.run_claim import claim, identity
from SarcopeniaTraining.splits import Splits, read_splits
from Testing.training.classification.tiny_experiment import PRESET, tiny_splits

FACTS = {
    "preset": PRESET.to_mapping(),
    "cohort": {"name": "tiny", "digest": "c" * 64, "people": {"C01": "P1"}},
    "start": {"ResNet50": "random"},
    "images": {"side": 32, "field_mm": 420.0, "source": "ct", "learned_from": "ct"},
    "seed": 1,
    "leak": False,
    "planned": {"ResNet50-freezeall": [1, 2]},
}


def changed(**other):
    """FACTS with other values; a dotted name reaches into a part."""
    facts = copy.deepcopy(FACTS)
    for name, value in other.items():
        part, _, field = name.partition("__")
        if field:
            facts[part][field] = value
        else:
            facts[part] = value
    return facts


def held(folder) -> dict:
    return json.loads((folder / "run.json").read_text())


def test_it_is_written_once_as_documented(tmp_path):
    claim(tmp_path, FACTS, tiny_splits())
    found = held(tmp_path)
    assert found["schema"] == "sarcopenia-classification/1"
    assert {name: found[name] for name in FACTS} == FACTS
    assert {"commit", "python", "tensorflow-cpu", "keras", "numpy", "platform"} <= set(found["software"])
    assert len(found["software"]["platform"].split()) == 2  # system and processor, no machine's name
    assert read_splits(tmp_path / "splits.json") == tiny_splits()


def test_the_same_again_changes_no_byte(tmp_path):
    first = claim(tmp_path, FACTS, tiny_splits())
    before = (tmp_path / "run.json").read_bytes()
    assert claim(tmp_path, FACTS, tiny_splits()) == first
    assert (tmp_path / "run.json").read_bytes() == before


def test_more_networks_schemes_and_sets_are_added(tmp_path):
    first = claim(tmp_path, FACTS, tiny_splits())
    more = changed(
        planned={"ResNet50-freezeall": [1], "DenseNet121-unfreezeall": [3]},
        start={"DenseNet121": "random"},
        preset__networks=["DenseNet121"],
        preset__name="other",
        preset__cost="none",
    )
    assert claim(tmp_path, more, tiny_splits()) == first
    found = held(tmp_path)
    assert found["planned"] == {"ResNet50-freezeall": [1, 2], "DenseNet121-unfreezeall": [3]}
    assert found["start"] == {"ResNet50": "random", "DenseNet121": "random"}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"preset__epochs": 7, "preset__side": 48}, r"preset \(epochs, side\)"),
        ({"preset__class_weights": True}, r"preset \(class_weights\)"),
        ({"cohort__digest": "d" * 64}, "cohort"),
        ({"images__source": "pictures"}, "images"),
        ({"images__learned_from": "annotated pictures"}, "images"),
        ({"leak": True}, "leak"),
        ({"start": {"ResNet50": {"file": "R.h5", "sha256": "1"}}}, "start"),
        ({"start": {"DenseNet121": {"file": "D.h5", "sha256": "1"}}}, "start"),
    ],
)
def test_another_experiment_is_refused_by_what_differs(tmp_path, other, told):
    first = claim(tmp_path, FACTS, tiny_splits())
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(OutputError, match=rf"they differ in {told}.*; give another --out"):
        claim(tmp_path, changed(**other), tiny_splits())
    assert (tmp_path / "run.json").read_bytes() == before
    assert identity(changed(**other), tiny_splits()) != first


def test_other_weights_of_the_same_network_are_refused(tmp_path):
    claim(tmp_path, changed(start={"ResNet50": {"file": "R.h5", "sha256": "1"}}), tiny_splits())
    with pytest.raises(OutputError, match="differ in start"):
        claim(tmp_path, changed(start={"ResNet50": {"file": "R.h5", "sha256": "2"}}), tiny_splits())


def test_other_splits_are_refused(tmp_path):
    splits = tiny_splits()
    first = claim(tmp_path, FACTS, splits)
    fold = splits.folds[0]
    swapped = dataclasses.replace(fold, validation=fold.test, test=fold.validation)
    other = Splits((swapped, *splits.folds[1:]), 1, splits.cohort_digest)
    with pytest.raises(OutputError, match="differ in splits"):
        claim(tmp_path, FACTS, other)
    assert identity(FACTS, other) != first


def test_a_folder_of_another_kind_is_left_alone(tmp_path):
    (tmp_path / "run.json").write_text('{"schema": "sarcopenia-run/1"}')
    with pytest.raises(InputError, match="says schema 'sarcopenia-run/1'"):
        claim(tmp_path, FACTS, tiny_splits())
    assert held(tmp_path) == {"schema": "sarcopenia-run/1"}
