"""Pre-training: what gradients reach, that it learns, stops and goes on exactly, and ends when it must."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaAssessLib.smit import build_smit
from SarcopeniaTraining.checkpoints import CHECKPOINT, DivergedError
from SarcopeniaTraining.encoders import read_encoder_facts, take_encoder
from SarcopeniaTraining.pretraining import (
    PICTURES,
    Pretraining,
    Surroundings,
    learn,
    losses_of,
    train,
)
from SarcopeniaTraining.pretraining_network import follow, unfolded
from SarcopeniaTraining.pretraining_preset import HeadSize, load_pretrain_preset, pretrain_preset_from
from SarcopeniaTraining.pretraining_run import ENCODER, PretrainingPlan, pretrain
from SarcopeniaTraining.schedule import Schedule
from SarcopeniaTraining.unlabelled_volumes import FULL_SCALE
from SarcopeniaTraining.views import Views
from Testing.training.tiny_cohort import tiny_cohort

SMOKE = load_pretrain_preset("smoke")
TINY = dataclasses.replace(
    SMOKE,
    network={**SMOKE.network, "embed_dim": 4, "num_heads": [1, 1, 1, 1], "drop_path_rate": 0.1},
    region=(80, 64, 4),
    crop=(64, 64, 3),
    block=(32, 32, 1),
    batch=2,
    epochs=3,
    head=HeadSize(16, 8, 12),
    collapse_grace_epochs=3,
    picture_every=2,
)
CUBES = dataclasses.replace(
    TINY,
    network={"kind": "smit", "embed_dim": 4, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]},
    region=(40, 36, 33),
    crop=(32, 32, 32),
    block=(16, 16, 16),
    precision="single",
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Four volumes of unequal shapes, each with a bright ellipse of its own; one smaller than a region."""
    folder = tmp_path_factory.mktemp("volumes")
    paths = []
    for n, shape in enumerate([(90, 77, 6), (70, 60, 5), (85, 66, 4), (95, 80, 9)]):
        i, j = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
        inside = np.hypot((i - shape[0] / 2) / (12 + 5 * n), (j - shape[1] / 2) / 20) < 1
        image = np.repeat(np.where(inside, 0.8, 0.1)[..., None], shape[2], -1)
        paths.append(folder / f"{n}.npy")
        np.save(paths[-1], np.rint(image * FULL_SCALE).astype(np.uint16))
    return paths


def prepared(files, preset=TINY):
    training, views = Pretraining.start(preset), Views(files, preset)
    return training, views, Schedule.of(preset, len(views))


def test_views_depend_on_number_and_seed_alone_and_masks_are_independent(files):
    views, again = Views(files, TINY), Views(files, TINY)
    batch = views.batch([0, 1, 2])
    assert batch.image.shape == (6, 1, 64, 64, 3)
    assert torch.equal(batch.image, again.batch([0, 1, 2]).image)
    assert not torch.equal(batch.image, views.batch([4, 5, 6]).image)
    assert batch.blocks.flatten(1).sum(1).tolist() == [8] * 6  # 0.7 of 12
    masks = [views.batch([n]).blocks for n in range(12)]
    assert all(not torch.equal(first, second) for first, second in masks[:1])
    assert len({m.numpy().tobytes() for pair in masks for m in pair}) > 20


def test_every_volume_is_taken_once_an_epoch(files):
    views = Views(files, TINY)
    means = {round(float(views.batch([n]).image.mean()), 3) for n in range(4)}
    assert len(means) == 4


@pytest.mark.parametrize("preset", [TINY, CUBES], ids=["slabs", "cubes"])
def test_gradients_reach_the_mask_token_and_all_of_the_student_but_not_the_teacher(files, preset):
    training, views, _ = prepared(files, preset)
    training.student.train()
    losses, _, _ = losses_of(training, views.batch([0, 1]), epoch=0)
    sum(losses.values()).backward()
    assert training.student.mask_token.grad.abs().sum() > 0
    lacking = {n for n, p in training.student.named_parameters() if p.grad is None}
    assert all("skip_norms" in name for name in lacking)
    assert all(p.grad is None and not p.requires_grad for p in training.teacher.parameters())
    assert not training.teacher.training


def test_the_image_loss_ignores_what_is_visible_and_the_student_what_is_masked(files):
    training, views, _ = prepared(files, dataclasses.replace(TINY, precision="single"))
    training.student.eval()
    batch = views.batch([0, 1])
    masked = TINY.masking.voxels(batch.blocks)[:, None]
    tokens = TINY.masking.tokens(batch.blocks)
    changed = torch.where(masked, torch.rand_like(batch.image), batch.image)
    with torch.no_grad():
        assert torch.allclose(
            training.student(batch.image, tokens)[1], training.student(changed, tokens)[1], atol=1e-6
        )
        visible = torch.where(masked, batch.image, torch.rand_like(batch.image))
        assert not torch.allclose(
            training.student(batch.image, tokens)[1], training.student(visible, tokens)[1], atol=1e-4
        )


def test_each_token_draws_its_own_voxels():
    voxels = torch.arange(2 * 3 * 4 * 6).view(1, 2, 3, 1, 24).float()
    image = unfolded(voxels, (2, 3, 4))
    assert image.shape == (1, 1, 4, 9, 4)
    assert torch.equal(image[0, 0, 2:4, 3:6, 0:4].flatten(), voxels[0, 1, 1, 0])


def test_the_moving_average_by_hand(files):
    training, _, _ = prepared(files)
    with torch.no_grad():
        training.teacher.norm.weight.fill_(2.0)
        training.student.branch.norm.weight.fill_(4.0)
    follow(training.teacher, training.student, 0.75)
    assert training.teacher.norm.weight.tolist() == [2.5] * len(training.teacher.norm.weight)


def test_in_the_first_epoch_the_last_layers_stay(files):
    training, views, schedule = prepared(files, dataclasses.replace(TINY, weight_decay=0.0))
    heads = (training.student.branch.image_head, training.student.branch.patch_head)
    before = [head.last.detach().clone() for head in heads]
    for step in range(schedule.epoch_steps):
        learn(training, views.batch(schedule.numbers(step)), schedule)
    assert all(torch.equal(head.last, b) for head, b in zip(heads, before, strict=True))
    learn(training, views.batch(schedule.numbers(2)), schedule)
    assert not any(torch.equal(head.last, b) for head, b in zip(heads, before, strict=True))


def test_learning_rate_at_its_ends(files):
    _, _, schedule = prepared(files, dataclasses.replace(TINY, epochs=10, warmup_epochs=2))
    highest = TINY.learning_rate_per_sample * 2
    assert schedule.steps == 20
    assert schedule.learning_rate(0) == pytest.approx(highest / 4)
    assert schedule.learning_rate(4) == pytest.approx(highest)
    assert schedule.learning_rate(12) == pytest.approx(highest / 2)
    assert schedule.learning_rate(20) == pytest.approx(0)


def test_it_learns_to_draw_what_it_does_not_see(files, tmp_path):
    preset = dataclasses.replace(
        TINY, epochs=25, learning_rate_per_sample=3e-3, precision="single", collapse_grace_epochs=25
    )
    train(Pretraining.start(preset), Views(files, preset), Surroundings(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["image_prediction"] < 0.6 * lines[0]["image_prediction"]
    assert {"loss", "patch_distillation", "image_distillation", "image_entropy", "patch_entropy"} <= set(
        lines[0]
    )
    assert {"image_agreement", "patch_agreement", "image_dependence", "teacher_momentum"} <= set(lines[0])


class Stopped(BaseException):
    """Not an error that anything catches."""


def same(one, other):
    pairs = [(one.student, other.student), (one.teacher, other.teacher)]
    return all(
        t.equal(b.state_dict()[n]) for a, b in pairs for n, t in a.state_dict().items()
    ) and torch.equal(one.patch_centre, other.patch_centre)


@pytest.mark.parametrize("at", [1, 2, 5])
def test_stopped_at_any_step_it_ends_with_the_same_weights_and_log(files, tmp_path, at, monkeypatch):
    whole = train(Pretraining.start(TINY), Views(files, TINY), Surroundings(tmp_path / "whole"))
    monkeypatch.setattr("SarcopeniaTraining.pretraining.SAVE_EVERY_S", 0.0)

    def stop(step):
        if step == at:
            raise Stopped

    folder = tmp_path / "stopped"
    with pytest.raises(Stopped):
        train(Pretraining.start(TINY), Views(files, TINY), Surroundings(folder, advance=stop))
    again = train(Pretraining.start(TINY), Views(files, TINY), Surroundings(folder))
    assert again.step == 6
    assert same(again, whole)
    logs = [
        [{**json.loads(line), "seconds": 0} for line in (f / "log.jsonl").read_text().splitlines()]
        for f in (folder, tmp_path / "whole")
    ]
    assert logs[0] == logs[1]
    assert sorted(p.name for p in (folder / PICTURES).iterdir()) == ["epoch-002.png", "epoch-003.png"]


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(files, tmp_path, monkeypatch):
    monkeypatch.setattr("SarcopeniaTraining.pretraining.SAVE_EVERY_S", 0.0)
    training = Pretraining.start(TINY)

    def spoil(step):
        if step == 3:
            with torch.no_grad():
                training.student.mask_token.fill_(float("nan"))

    monkeypatch.setattr("SarcopeniaTraining.pretraining.Checkpoints.save", _saving_finite())
    with pytest.raises(DivergedError, match=r"step 4 diverged.*the last good checkpoint is kept"):
        train(training, Views(files, TINY), Surroundings(tmp_path, advance=spoil))
    assert (tmp_path / CHECKPOINT).is_file()


def test_nothing_is_said_to_be_kept_where_it_diverges_before_any_checkpoint(files, tmp_path):
    training = Pretraining.start(TINY)
    with torch.no_grad():
        training.student.mask_token.fill_(float("nan"))
    with pytest.raises(DivergedError, match="train again") as error:
        train(training, Views(files, TINY), Surroundings(tmp_path))
    assert not (tmp_path / CHECKPOINT).exists()
    assert "is kept" not in str(error.value)


def _saving_finite():
    from SarcopeniaTraining.checkpoints import Checkpoints

    save = Checkpoints.save

    def only(self, state):
        if torch.isfinite(state["student"]["mask_token"]).all():
            save(self, state)

    return only


def test_a_collapse_stops_the_training_before_it_is_kept(files, tmp_path, monkeypatch):
    monkeypatch.setattr("SarcopeniaTraining.pretraining.SAVE_EVERY_S", 0.0)
    preset = dataclasses.replace(TINY, epochs=9, collapse_grace_epochs=2, collapse_patience_epochs=2)
    training = Pretraining.start(preset)
    told = []

    def plant(step):
        if step >= 4:  # features that no longer depend on the image
            with torch.no_grad():
                for branch in (training.student.branch, training.teacher):
                    branch.norm.weight.zero_()

    with pytest.raises(DivergedError, match="collapsed by epoch 4"):
        train(training, Views(files, preset), Surroundings(tmp_path, told.append, plant))
    assert len(told) == 2
    again = Pretraining.start(preset)
    again.restore(torch.load(_payload(tmp_path / CHECKPOINT), weights_only=True))
    assert again.step == 5  # of epoch 3, which was suspect at its end, step 6


def _payload(path):
    import io

    return io.BytesIO(path.read_bytes()[len(b"SARCOPENIA-CHECKPOINT-1\n") + 32 :])


@pytest.mark.parametrize("wrong", [{"seed": "x"}, {"weight_decay": "x"}, {"network": 3}])
def test_a_preset_of_other_kinds_of_values_is_told(wrong):
    with pytest.raises(ModelError, match=f"cannot be trained .{next(iter(wrong))}"):
        pretrain_preset_from({**TINY.to_mapping(), **wrong})


def test_a_preset_comes_back_from_its_json():
    assert pretrain_preset_from(TINY.to_mapping()) == TINY


CHILD = """
import json, sys, torch
from pathlib import Path
import SarcopeniaTraining.pretraining as p
from SarcopeniaTraining.cohort import read_cohort
from SarcopeniaTraining.pretraining_preset import pretrain_preset_from
from SarcopeniaTraining.pretraining_run import PretrainingPlan, pretrain
p.SAVE_EVERY_S = 0.0
cohort, out, preset = sys.argv[1:]
out = Path(out)
preset = pretrain_preset_from(json.loads(preset))
pretrain(PretrainingPlan(preset, read_cohort(cohort), out, out / "v", threads=1))
"""


@pytest.mark.slow
def test_killed_with_sigkill_a_run_ends_with_the_same_encoder(tmp_path):
    preset = dataclasses.replace(TINY, in_plane_mm=5.0, collapse_grace_epochs=9, epochs=4)
    cohort = tiny_cohort(tmp_path / "cohort", 4)
    (tmp_path / "whole").mkdir()
    _, path, digest = pretrain(
        PretrainingPlan(preset, cohort, tmp_path / "whole", tmp_path / "cache", threads=1)
    )
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", CHILD, str(cohort.path), str(killed), json.dumps(preset.to_mapping())]
    child = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    while child.poll() is None and not (killed / CHECKPOINT).is_file():
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (killed / ENCODER).exists()
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    one, other = (build_smit(preset.config) for _ in range(2))
    report = take_encoder(one, path)
    take_encoder(other, killed / ENCODER)
    assert all(torch.equal(t, other.encoder.state_dict()[n]) for n, t in one.encoder.state_dict().items())
    assert all(name.startswith("encoder.") for name in report.matched)
    facts = read_encoder_facts(path)
    assert (facts["seed"], facts["steps"], facts["cohort_digest"]) == (1, 8, cohort.digest)
    assert len(digest) == 64
    with pytest.raises(OutputError, match=r"preset \(seed\)"):
        pretrain(
            PretrainingPlan(
                dataclasses.replace(preset, seed=2), cohort, killed, tmp_path / "cache", threads=1
            )
        )
