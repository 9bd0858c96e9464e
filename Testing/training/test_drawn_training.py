"""`finetune phantom`: a killed run goes on exactly, and what is exported can be assessed with."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError, ModelError, OutputError
from SarcopeniaAssessLib.models import load_model
from SarcopeniaTraining.checkpoints import CHECKPOINT
from SarcopeniaTraining.drawn_training import SlabValidation, export, finetune, muscle_window, trained
from SarcopeniaTraining.finetuning import LOG, Training
from SarcopeniaTraining.phantom import slabs
from SarcopeniaTraining.phantom.slabs import FULL_SCALE, OUTLINE, RIM, SlabStore
from SarcopeniaTraining.presets import DrawnPhantoms, load_preset, preset_from

SMOKE = load_preset("smoke")
TINY = dataclasses.replace(
    SMOKE,
    epochs=3,
    warmup_epochs=0.5,
    checkpoint_every=1,
    batch=2,
    patch=(64, 64),
    slab=dataclasses.replace(SMOKE.slab, in_plane_mm=5.0),
    drawn=DrawnPhantoms((10_000, 4), (1_000_000, 1), (80, 80), samples_per_epoch=4),
)

RUN = """
import sys, json, dataclasses, torch
torch.set_num_threads(1)
from pathlib import Path
from SarcopeniaTraining.drawn_training import finetune
from SarcopeniaTraining.presets import preset_from
finetune(preset_from(json.loads(sys.argv[1])), Path(sys.argv[2]), cache=Path(sys.argv[3]))
"""


pytestmark = pytest.mark.usefixtures("one_thread")


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
    assert 2 <= trained(TINY, out).step <= 6

    resumed = finetune(TINY, out, cache=cache)

    assert resumed.step == 6
    for name, tensor in whole_run[0].network.state_dict().items():
        assert tensor.equal(resumed.network.state_dict()[name]), name
    for name, tensor in whole_run[0].average.state_dict().items():
        assert tensor.equal(resumed.average.state_dict()[name]), name


def test_the_window_of_muscle_on_a_slabs_scale():
    slab = dataclasses.replace(TINY.slab, hu_low=-175.0, hu_high=250.0)
    assert muscle_window(slab) == pytest.approx((146 / 425, 325 / 425))


def test_validation_carves_outlines_by_hu_and_the_rim_is_no_truth():
    """Drawn is all of a square and its rim; by hand 360 pixels are muscle, and 10 of the rim look like it."""
    import torch

    class DrawsAllButAir(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def slice_logits(self, image, middle):
            drawn = (image[..., middle] > 0.01).float()
            return torch.cat([1 - drawn, drawn], dim=1)

    hu, outline = np.full((80, 80), -1000.0), np.zeros((80, 80), np.uint8)
    hu[29:51, 29:51], outline[29:51, 29:51] = -60, RIM
    hu[30:50, 30:50], outline[30:50, 30:50] = 50, OUTLINE
    hu[30:34, 30:40] = -100
    hu[29, 30:40] = -20
    low, high = TINY.slab.hu_low, TINY.slab.hu_high
    image = np.rint(np.clip((hu - low) / (high - low), 0, 1) * FULL_SCALE).astype(np.uint16)
    store = SlabStore(np.repeat(image[None, :, :, None], TINY.slab.slices, axis=-1), outline[None])
    training = SimpleNamespace(average=SimpleNamespace(module=DrawsAllButAir()), preset=TINY)
    scores = SlabValidation(store)(training, 1)
    assert scores["validation_dice"] == pytest.approx(2 * 360 / (360 + 370))
    assert scores["validation_area_error"] == pytest.approx(10 / 360)
    assert scores["validation_area_abs_error"] == pytest.approx(10 / 360)


def test_another_seed_gives_other_weights(whole_run, cache, tmp_path):
    other = finetune(dataclasses.replace(TINY, seed=2, epochs=1), tmp_path, cache=cache)
    name = next(n for n, t in other.network.state_dict().items() if t.is_floating_point() and t.dim() > 1)
    assert not other.network.state_dict()[name].equal(whole_run[0].network.state_dict()[name])


def test_the_log_tells_losses_and_scores(whole_run):
    lines = [json.loads(line) for line in (whole_run[1] / LOG).read_text().splitlines()]
    scored = [line for line in lines if "validation_dice" in line]
    assert [line["step"] for line in scored] == [2, 4, 6]
    assert all(0 <= line["validation_dice"] <= 1 for line in scored)
    run = json.loads((whole_run[1] / "run.json").read_text())
    assert preset_from(run["preset"]) == TINY
    assert run["provenance"]["torch"]


def test_a_folder_of_another_preset_is_refused_and_said_why(whole_run, cache):
    with pytest.raises(OutputError, match=r"differs in preset \(learning_rate, seed\)"):
        finetune(dataclasses.replace(TINY, seed=9, learning_rate=1.0), whole_run[1], cache=cache)


def test_a_preset_without_phantoms_is_refused(tmp_path):
    with pytest.raises(InputError, match="draws no phantoms"):
        finetune(dataclasses.replace(TINY, drawn=None), tmp_path / "new", cache=tmp_path)
    assert not (tmp_path / "new").exists()


def test_an_exported_model_loads_with_its_entry_and_the_averaged_weights(whole_run):
    training, out = whole_run
    entry = export(training, out)
    model = load_model(out / entry.file)
    assert "no patient data" in model.entry.trained_on
    assert model.entry.preprocessing == TINY.slab.to_mapping()
    assert model.entry.training["phantom_generator"] == slabs.GENERATOR
    first, count = TINY.drawn.train_seeds
    assert model.entry.training["phantom_seeds"] == f"{first}…{first + count - 1}"
    name, tensor = next(iter(training.average.module.state_dict().items()))
    assert np.allclose(model.network.state_dict()[name], tensor, atol=2e-3)


def test_a_training_can_start_from_a_model(whole_run):
    training, out = whole_run
    entry = export(training, out)
    started = Training.start(dataclasses.replace(TINY, start_from=str(out / entry.file)))
    for name, tensor in started.network.state_dict().items():
        assert np.allclose(tensor, training.average.module.state_dict()[name], atol=2e-3), name
        assert tensor.equal(started.average.module.state_dict()[name]), name


def test_what_started_from_a_model_tells_how_that_was_trained(whole_run, tmp_path):
    training, _ = whole_run
    first = export(training, tmp_path)
    started = Training.start(dataclasses.replace(TINY, name="second", start_from=str(tmp_path / first.file)))
    assert "first_stage" not in first.training
    assert export(started, tmp_path).training["first_stage"] == first.training


def test_a_start_that_is_not_there_is_told_before_anything_is_drawn_or_written(tmp_path):
    preset = dataclasses.replace(TINY, start_from=str(tmp_path / "gone.safetensors"))
    with pytest.raises(ModelError, match="gone"):
        finetune(preset, tmp_path / "out", cache=tmp_path / "slabs")
    assert list(tmp_path.iterdir()) == []


def test_a_start_from_another_network_is_refused(whole_run):
    training, out = whole_run
    entry = export(training, out)
    wider = dataclasses.replace(
        TINY, start_from=str(out / entry.file), network={**TINY.network, "mlp_ratio": 3.0}
    )
    with pytest.raises(ModelError, match="another network"):
        Training.start(wider)
