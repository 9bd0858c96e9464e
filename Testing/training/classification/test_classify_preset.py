"""Presets of the classifiers: each says what it costs and reaches, and refuses what cannot be trained."""

import dataclasses

import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.classification.classify_preset import classify_preset_from, load_classify_preset
from SarcopeniaTraining.presets import preset_names

NETWORKS = ("InceptionV3", "DenseNet121", "ResNet50", "InceptionResNetV2")
SCHEMES = ("unfreezeall", "freezeall", "unfreezetop10")


@pytest.mark.parametrize("name", preset_names("classify"))
def test_a_preset_states_command_cost_and_score(name):
    preset = load_classify_preset(name)
    assert preset.name == name
    assert f"sarcopenia classify COHORT --preset {name} " in preset.command
    assert preset.cost
    assert preset.expected
    assert "to be measured" not in preset.cost + preset.expected


@pytest.mark.parametrize("name", preset_names("classify"))
def test_a_preset_is_read_back_as_it_is_written(name):
    preset = load_classify_preset(name)
    assert classify_preset_from(preset.to_mapping()) == preset


def test_the_printed_settings_are_those_of_the_paper():
    """§ 3.3 and Table 1: 4 networks × 3 schemes × 10 sets, Adam 5e-5, batch 8, no class weights."""
    paper = load_classify_preset("paper")
    assert (paper.networks, paper.schemes, paper.sets) == (NETWORKS, SCHEMES, tuple(range(1, 11)))
    assert (paper.learning_rate, paper.batch, paper.class_weights) == (5e-5, 8, False)
    assert paper.side is None


def test_the_smoke_preset_makes_the_same_runs_on_small_images():
    paper, smoke = load_classify_preset("paper"), load_classify_preset("smoke")
    planned = ("networks", "schemes", "sets", "learning_rate", "batch", "class_weights", "field_mm")
    assert all(getattr(paper, name) == getattr(smoke, name) for name in planned)
    assert 75 <= smoke.side < 224


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("networks", ()),
        ("networks", ("ResNet18",)),
        ("networks", ("ResNet50", "ResNet50")),
        ("schemes", ("freezesome",)),
        ("sets", ()),
        ("sets", (0,)),
        ("sets", (2, 2)),
        ("side", 16),
        ("side", 80.5),
        ("epochs", 0),
        ("patience", True),
        ("batch", 0),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("class_weights", 1),
        ("seed", -1),
        ("field_mm", 42),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(field, value):
    with pytest.raises(ModelError, match=rf"preset smoke cannot be trained \(.*{field}"):
        dataclasses.replace(load_classify_preset("smoke"), **{field: value})


def test_images_too_small_for_one_of_its_networks_are_refused():
    tiny = dataclasses.replace(load_classify_preset("smoke"), networks=("ResNet50",), side=32)
    assert tiny.side_of("ResNet50") == 32
    with pytest.raises(ModelError, match="InceptionV3 cannot see images of 32×32"):
        dataclasses.replace(tiny, networks=("ResNet50", "InceptionV3"))


def test_a_network_has_its_published_side_where_none_is_given():
    paper = load_classify_preset("paper")
    assert [paper.side_of(network) for network in NETWORKS] == [299, 224, 224, 299]


def test_missing_and_unknown_fields_are_named():
    values = load_classify_preset("smoke").to_mapping()
    with pytest.raises(ModelError, match="unknown fields: dropout"):
        classify_preset_from({**values, "dropout": 0.5})
    del values["batch"]
    with pytest.raises(ModelError, match="lacks batch"):
        classify_preset_from(values)
    with pytest.raises(ModelError, match="not understood"):
        classify_preset_from({**values, "batch": 8, "sets": 3})
