"""`make model`: stages in order, their cost said first, and (slow) a tiny model from nothing."""

import json
from pathlib import Path

import click
import pytest

from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.model_file import file_sha256, read_entry
from SarcopeniaAssessLib.models import default_model_name
from SarcopeniaTraining.presets import load_preset
from SarcopeniaTraining.rebuilding import command, plan_text, rebuild, stages

TINY = {
    "network": {"kind": "unet", "in_channels": 3, "channels": [4, 8], "strides": [2], "num_res_units": 1},
    "slab": {"in_plane_mm": 4.0, "slice_mm": 5.0, "slices": 3, "hu_low": -175.0, "hu_high": 250.0},
    "patch": [96, 80],
    "batch": 2,
}


@pytest.fixture
def two_stages(tmp_path):
    """Presets of two stages on coarse slabs, the second starting from the first."""
    base = json.loads(json.dumps(_fields("unet-slab-2"))) | TINY
    drawn = {**base["drawn"], "slab_shape": [104, 88]}
    first = base | {"name": "stage-1", "drawn": drawn, "start_from": None, "cost": "an hour"}
    second = first | {"name": "stage-2", "start_from": "runs/stage-1/stage-1.safetensors"}
    for values in (first, second):
        (tmp_path / f"{values['name']}.json").write_text(json.dumps(values))
    return tmp_path


def _fields(name):
    return load_preset(name).to_mapping()


def test_stages_of_a_shipped_preset_come_in_order(tmp_path):
    made = stages("unet-slab-2", tmp_path)
    assert [stage.preset.name for stage in made] == ["unet-slab", "unet-slab-2"]
    assert made[0].preset.start_from is None
    assert made[1].preset.start_from == str(tmp_path / "unet-slab" / "unet-slab.safetensors")
    assert made[1].preset.epochs == load_preset("unet-slab-2").epochs


def test_the_default_model_can_be_rebuilt():
    assert stages(default_model_name(), Path("runs"))[-1].preset.name == default_model_name()


def test_costs_are_said_before_anything_starts(two_stages, capsys):
    group = click.Group(commands={"rebuild": command})
    words = ["rebuild", str(two_stages / "stage-2.json"), "--out", str(two_stages / "runs"), "--dry-run"]
    assert run_group(group, words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["1. stage-1: an hour", "2. stage-2: an hour"]
    assert "calibration on 400 phantoms" in lines[2]
    assert run_group(group, [*words, "--smoke"]) == 0
    assert "calibration on 40 phantoms" in capsys.readouterr().out
    assert run_group(group, [*words, "--smoke", "--calibrated-on", "25"]) == 0
    assert "calibration on 25 phantoms" in capsys.readouterr().out
    assert not (two_stages / "runs").exists()


def test_a_preset_without_phantoms_or_an_end_is_refused(two_stages):
    with pytest.raises(InputError, match="draws no phantoms"):
        stages("paper", two_stages)
    values = json.loads((two_stages / "stage-1.json").read_text())
    (two_stages / "stage-1.json").write_text(json.dumps(values | {"start_from": "x/stage-2.safetensors"}))
    with pytest.raises(InputError, match="starts from itself"):
        stages(str(two_stages / "stage-2.json"), two_stages / "runs")


def test_smoke_changes_how_much_and_not_what(tmp_path):
    whole, small = (stages("unet-slab-2", tmp_path, smoke=smoke)[1].preset for smoke in (False, True))
    assert small.drawn.train_seeds == (whole.drawn.train_seeds[0], 4)
    assert (small.network, small.slab, small.start_from) == (whole.network, whole.slab, whole.start_from)
    assert "smoke" in plan_text(stages("unet-slab-2", tmp_path, smoke=True), 40, smoke=True)[0]


@pytest.mark.slow
def test_a_tiny_model_from_nothing_to_its_interval(two_stages):
    """Untrained, so that the interval is wide; a second call does nothing again and gives the same file."""
    told = []
    made = stages(str(two_stages / "stage-2.json"), two_stages / "runs", smoke=True)
    file = rebuild(made, 2, 40, told.append)
    entry = read_entry(file)
    assert entry.name == "stage-2"
    assert 0 < entry.calibration["cases"] < 40  # the others fitted its scale
    assert entry.training["start_from"] == str(made[0].file)
    assert entry.training["first_stage"] == read_entry(made[0].file).training
    sha256, kept = file_sha256(file), list((made[1].folder / "calibration").iterdir())
    assert rebuild(made, 2, 40) == file
    assert file_sha256(file) == sha256
    assert list((made[1].folder / "calibration").iterdir()) == kept
    assert [line.split(":")[0] for line in told][-1] == "stage-2"
