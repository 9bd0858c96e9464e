"""Training: a killed run goes on exactly, losses fall, and what is exported can be assessed with."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.models import load_model
from SarcopeniaTraining.finetuning import CHECKPOINT, Training, export, finetune
from SarcopeniaTraining.presets import load_preset, preset_from, preset_names

TINY = dataclasses.replace(
    load_preset("smoke"),
    steps=6,
    validate_every=2,
    batch=2,
    train_seeds=(10_000, 4),
    validation_seeds=(1_000_000, 1),
    patch=(64, 64),
    slab_shape=(80, 80),
    slab=dataclasses.replace(load_preset("smoke").slab, in_plane_mm=5.0),
)

RUN = """
import sys, json, dataclasses, torch
torch.set_num_threads(1)
from pathlib import Path
from SarcopeniaTraining.finetuning import finetune
from SarcopeniaTraining.presets import preset_from
finetune(preset_from(json.loads(sys.argv[1])), Path(sys.argv[2]), cache=Path(sys.argv[3]))
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums are rounded otherwise with another number of threads: bit for bit holds for an equal number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("slabs")


@pytest.fixture(scope="module")
def whole_run(cache, tmp_path_factory) -> tuple[Training, Path]:
    out = tmp_path_factory.mktemp("whole")
    return finetune(TINY, out, cache=cache), out


def test_a_run_killed_at_any_step_ends_with_the_same_weights(whole_run, cache, tmp_path):
    """SIGKILL as soon as the first checkpoint lies there, then go on."""
    out = tmp_path / "killed"
    preset = json.dumps(dataclasses.asdict(TINY))
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, preset, str(out), str(cache)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    while not (out / CHECKPOINT).exists() and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    before = Training.start(TINY)
    before.load(out / CHECKPOINT)
    assert 2 <= before.step <= 6

    resumed = finetune(TINY, out, cache=cache)

    assert resumed.step == 6
    for name, tensor in whole_run[0].network.state_dict().items():
        assert tensor.equal(resumed.network.state_dict()[name]), name
    for name, tensor in whole_run[0].average.state_dict().items():
        assert tensor.equal(resumed.average.state_dict()[name]), name


def test_another_seed_gives_other_weights(whole_run, cache, tmp_path):
    other = finetune(dataclasses.replace(TINY, seed=2, steps=2), tmp_path, cache=cache)
    name = next(n for n, t in other.network.state_dict().items() if t.is_floating_point() and t.dim() > 1)
    assert not other.network.state_dict()[name].equal(whole_run[0].network.state_dict()[name])


def test_the_log_tells_losses_and_scores(whole_run):
    lines = [json.loads(line) for line in (whole_run[1] / "log.jsonl").read_text().splitlines()]
    scored = [line for line in lines if "dice" in line]
    assert [line["step"] for line in scored] == [2, 4, 6]
    assert all(0 <= line["dice"] <= 1 for line in scored)
    run = json.loads((whole_run[1] / "run.json").read_text())
    assert preset_from(run["preset"]) == TINY
    assert run["torch"]


def test_training_learns(cache):
    """Twenty-five steps on one batch of one slab: the loss falls to less than half."""
    import torch
    from monai.losses import DiceCELoss

    from SarcopeniaTraining.augmentation import slab_transforms
    from SarcopeniaTraining.finetuning import SlabSamples, _plan
    from SarcopeniaTraining.phantom.slabs import slab_store

    preset = dataclasses.replace(TINY, steps=1000, warmup_steps=1, precision="f32", learning_rate=5e-3)
    store = slab_store(_plan(TINY, TINY.train_seeds), cache / "train")
    image, outline = SlabSamples(store, preset, slab_transforms(preset.patch))[0]
    training = Training.start(preset)
    loss = DiceCELoss(to_onehot_y=True, softmax=True, squared_pred=True)
    pair = torch.stack([image, image]), torch.stack([outline, outline])
    losses = [training.learn(*pair, loss) for _ in range(25)]
    assert losses[-1] < losses[0] / 2


def test_an_exported_model_loads_with_its_entry_and_the_averaged_weights(whole_run):
    training, out = whole_run
    entry = export(training, out)
    model = load_model(out / entry.file)
    assert "no patient data" in model.entry.trained_on
    assert model.entry.preprocessing == TINY.slab.to_mapping()
    name, tensor = next(iter(training.average.module.state_dict().items()))
    assert np.allclose(model.network.state_dict()[name], tensor, atol=2e-3)


def test_a_training_can_start_from_a_model(whole_run):
    training, out = whole_run
    entry = export(training, out)
    started = Training.start(dataclasses.replace(TINY, start_from=str(out / entry.file)))
    for name, tensor in started.network.state_dict().items():
        assert np.allclose(tensor, training.average.module.state_dict()[name], atol=2e-3), name
        assert tensor.equal(started.average.module.state_dict()[name]), name


def test_a_start_from_another_network_is_refused(whole_run):
    training, out = whole_run
    entry = export(training, out)
    wider = dataclasses.replace(
        TINY, start_from=str(out / entry.file), network={**TINY.network, "mlp_ratio": 3.0}
    )
    with pytest.raises(ModelError, match="another network"):
        Training.start(wider)


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
    from SarcopeniaTraining.evaluation import HELD_OUT_SEED

    for name in preset_names():
        preset = load_preset(name)
        (a, n), (b, m) = preset.train_seeds, preset.validation_seeds
        assert a + n <= b
        assert b + m <= HELD_OUT_SEED
