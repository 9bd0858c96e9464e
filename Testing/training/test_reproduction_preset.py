"""Presets of a reproduction: the shipped ones name parts that are there; what cannot be is refused."""

import json
from dataclasses import replace

import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.presets import preset_names, read_preset
from SarcopeniaTraining.reproduction_preset import load_reproduction_preset
from Testing.training.tiny_reproduction import tiny_presets


def test_the_shipped_presets_are_those_promised_and_name_parts_that_are_there():
    assert preset_names("reproduce") == ["paper", "smoke"]
    for name in ("paper", "smoke"):
        preset = load_reproduction_preset(name)
        assert preset.name == name
        assert preset.command.startswith("sarcopenia reproduce ")
        assert (preset.pretrain, preset.finetune, preset.classify) == (name, name, name)
        assert preset.sizes == (47, 16, 16)
        assert preset.folds == 10
        assert not {"command", "cost", "expected"} & set(preset.fields_of("classify", preset.classify))


def test_parts_of_a_file_are_looked_for_beside_it(tmp_path, monkeypatch):
    path = tiny_presets(tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    preset = load_reproduction_preset("presets/tiny.json")
    assert preset.finetune == str(tmp_path / "presets" / "finetune.json")
    assert preset.fields_of("finetune", preset.finetune)["epochs"] == 2
    assert load_reproduction_preset(str(path)) == preset


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"folds": 0}, "folds, seed, threads"),
        ({"sizes": [47, 16]}, "sizes"),
        ({"phantoms": {"patients": 2, "sarcopenic": 1, "men": 1, "seed": 1}}, "phantoms"),
        (
            {"phantoms": {"patients": 3, "sarcopenic": 1, "men": 1, "seed": 1, "coverage_mm": 0}},
            "coverage_mm",
        ),
        ({"phantoms": {"patients": 20}}, "lacks sarcopenic, men, seed"),
        ({"explain": {"count": 0, "samples": 1, "seeds": 1}}, "explain"),
        ({"surprise": 1}, "unknown fields: surprise"),
        ({"finetune": "missing.json"}, "there is no preset missing"),
        ({"sizes": 3}, "not understood"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path, changed, told):
    path = tiny_presets(tmp_path, **changed)
    with pytest.raises(ModelError, match=told):
        load_reproduction_preset(str(path))


def test_a_missing_field_is_named(tmp_path):
    values = {name: value for name, value in read_preset("reproduce", "smoke").items() if name != "folds"}
    (tmp_path / "less.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match="lacks folds"):
        load_reproduction_preset(str(tmp_path / "less.json"))


def test_nothing_need_be_explained():
    assert replace(load_reproduction_preset("smoke"), explain=None, imbalance=None).explain is None
