"""Presets: each says what it costs and reaches, and is read back as it is written."""

import dataclasses

import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.evaluation import HELD_OUT_SEED
from SarcopeniaTraining.presets import load_preset, preset_difference, preset_from, preset_names, read_preset
from SarcopeniaTraining.pretraining_preset import pretrain_preset_from


def test_presets_state_command_cost_and_score():
    for name in preset_names():
        preset = load_preset(name)
        assert preset.name == name
        assert f"--preset {name}" in preset.command
        assert preset.cost
        assert preset.expected
        assert "to be measured" not in preset.cost + preset.expected


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ModelError, match="smit-slab"):
        load_preset("huge")


def test_training_and_validation_seeds_never_meet():
    for name in preset_names():
        drawn = load_preset(name).drawn
        if drawn is None:
            continue
        (a, n), (b, m) = drawn.train_seeds, drawn.validation_seeds
        assert a + n <= b
        assert b + m <= HELD_OUT_SEED


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_read_back_as_it_is_written(name):
    assert preset_from(load_preset(name).to_mapping()) == load_preset(name)


def test_the_printed_settings_are_those_of_the_paper():
    paper = load_preset("paper")
    assert (paper.epochs, paper.learning_rate, paper.weight_decay) == (200, 1e-4, 1e-5)
    assert (paper.warmup_epochs, paper.checkpoint_every) == (50, 30)
    assert paper.patch == (96, 96, 96)
    assert (paper.slab.in_plane_mm, paper.slab.slice_mm) == (1.5, 2.0)
    assert (paper.slab.hu_low, paper.slab.hu_high) == (-175.0, 250.0)
    assert (paper.crops_per_case, paper.slab.tile) == (4, 96)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"patch": (96,)},
        {"precision": "f16"},
        {"augmentation": "paper"},
        {"batch": 0},
        {"checkpoint_every": True},
        {"learning_rate": "fast"},
        {"learning_rate": -1},
        {"weight_decay": "x"},
        {"seed": "x"},
        {"network": {}},
    ],
)
def test_what_cannot_be_trained_is_no_preset(wrong):
    with pytest.raises(ModelError, match="cannot be trained"):
        dataclasses.replace(load_preset("small"), **wrong)


def test_fields_that_are_missing_or_unknown_are_told():
    values = read_preset("finetune", "small")
    with pytest.raises(ModelError, match=r"the preset has unknown fields: steps;"):
        preset_from({**values, "steps": 5})
    del values["batch"], values["seed"]
    with pytest.raises(ModelError, match=r"the preset lacks batch, seed;"):
        preset_from(values)


def test_fields_of_a_pretraining_that_are_missing_or_unknown_are_told():
    values = read_preset("pretrain", "small")
    with pytest.raises(ModelError, match=r"the preset has unknown fields: steps;"):
        pretrain_preset_from({**values, "steps": 5})
    with pytest.raises(ModelError, match=r"the preset's head lacks hidden, bottleneck, outputs;"):
        pretrain_preset_from({**values, "head": {}})
    del values["crop"]
    with pytest.raises(ModelError, match=r"the preset lacks crop;"):
        pretrain_preset_from(values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"in_plane_mm": 50}, "slab cannot be used"),
        ({"slices": "three"}, "slab cannot be used"),
        ({"thickness": 5}, "slab has unknown fields: thickness;"),
    ],
)
def test_a_wrong_slab_is_the_presets_fault(change, said):
    values = read_preset("finetune", "small")
    with pytest.raises(ModelError, match=f"the preset's {said}"):
        preset_from({**values, "slab": {**values["slab"], **change}})


def test_a_file_that_is_no_preset_is_told(tmp_path):
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(ModelError, match="no JSON object"):
        load_preset(str(tmp_path / "x.json"))


def test_presets_differ_in_what_changes_a_weight_and_not_in_their_words():
    mine = load_preset("smoke").to_mapping()
    told = mine | {"cost": "other", "expected": "other", "command": "other"}
    assert preset_difference(mine, told) == []
    assert preset_difference(mine, told | {"seed": 9, "batch": 3}) == ["preset (batch, seed)"]
    assert preset_difference(mine, {k: v for k, v in mine.items() if k != "drawn"}) == ["preset (drawn)"]
