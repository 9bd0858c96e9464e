"""What `evaluate MODEL` takes: also the folder of a training, known by the checkpoint that it holds."""

import dataclasses
import hashlib

import pytest
import torch

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.models import default_model_name, load_model
from SarcopeniaTraining.checkpoints import CHECKPOINT
from SarcopeniaTraining.drawn_training import finetune
from SarcopeniaTraining.presets import DrawnPhantoms, load_preset
from SarcopeniaTraining.scoring import load_run

DEFAULT = default_model_name()


def tiny(name):
    preset = load_preset(name)
    return dataclasses.replace(
        preset,
        epochs=1,
        warmup_epochs=0.5,
        checkpoint_every=1,
        batch=2,
        patch=(64, 64),
        slab=dataclasses.replace(preset.slab, in_plane_mm=5.0),
        drawn=DrawnPhantoms((10_000, 2), (1_000_000, 1), (80, 80), samples_per_epoch=2),
    )


@pytest.mark.parametrize("name", ["smoke", "unet-smoke"])
def test_a_folder_is_the_averaged_network_known_by_its_checkpoint(tmp_path, name):
    preset = tiny(name)
    training = finetune(preset, tmp_path / "run", cache=tmp_path / "slabs")
    model = load_run(str(tmp_path / "run"))
    assert model.entry.sha256 == hashlib.sha256((tmp_path / "run" / CHECKPOINT).read_bytes()).hexdigest()
    average, own = training.average.module.state_dict(), model.network.state_dict()
    assert all(torch.equal(average[name], own[name]) for name in average)
    assert dict(model.entry.preprocessing) == preset.slab.to_mapping()
    assert model.entry.architecture == preset.network


def test_a_name_is_the_registered_model():
    assert load_run(DEFAULT).entry == load_model(DEFAULT).entry


def test_a_folder_without_a_training_is_refused(tmp_path):
    with pytest.raises(ModelError, match="holds no training"):
        load_run(str(tmp_path))
