"""What `evaluate MODEL` takes: also the folder of a training, known by the checkpoint that it holds."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.models import default_model_name, load_model
from SarcopeniaTraining import scoring
from SarcopeniaTraining.checkpoints import CHECKPOINT
from SarcopeniaTraining.drawn_training import finetune
from SarcopeniaTraining.evaluation import SliceScore
from SarcopeniaTraining.presets import DrawnPhantoms, load_preset
from SarcopeniaTraining.scoring import load_run, score_files
from Testing.library import small_case

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


def test_slices_that_nobody_drew_on_are_left_out_and_dice_is_pooled_over_pixels(tmp_path, monkeypatch):
    """20 pixels in common of 20 and 20, 10 of 30 and 10: 60 of 80 in all, where the mean of both is 0.75."""
    told = []

    def score_ct(model, volume, slices, levels):
        told.append(([int(slices[:, :, n].sum()) for n in range(slices.shape[2])], list(levels)))
        return [SliceScore("a", 1.0, 20.0, 20.0), SliceScore("b", 0.5, 30.0, 10.0)]

    monkeypatch.setattr(scoring, "score_ct", score_ct)
    ct, mask = tmp_path / "ct.nii", tmp_path / "mask.nii"
    small_case.write_nifti(ct, small_case.ct())
    drawn = np.zeros(small_case.ct().shape, np.uint8)
    drawn[4:6, 5:8, 1], drawn[4:6, 5, 3] = 1, 1
    small_case.write_nifti(mask, drawn)
    scores, pooled = score_files(None, ct, mask)
    assert told == [([6, 2], [1, 3])]
    assert [score.name for score in scores] == ["a", "b"]
    assert pooled == pytest.approx(60 / 80)
