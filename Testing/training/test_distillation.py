"""Losses, schedules and the signs of a collapse, against values worked out by hand."""

import dataclasses
import math

import pytest
import torch

from SarcopeniaTraining.distillation import (
    across_views,
    collapsed,
    cross_entropy,
    masked_l1,
    moved_centre,
    output_use,
    sharpened,
    teacher_momentum,
    teacher_temperature,
)
from SarcopeniaTraining.pretraining_preset import load_pretrain_preset

PAPER = load_pretrain_preset("paper")


def test_the_image_loss_is_the_mean_over_masked_voxels_alone():
    image = torch.zeros(1, 1, 2, 1, 2)
    prediction = torch.tensor([0.5, -0.25, 9.0, 0.0]).view(1, 1, 2, 1, 2)
    masked = torch.tensor([True, True, False, False]).view(1, 2, 1, 2)
    assert masked_l1(prediction, image, masked).item() == pytest.approx(0.375)
    changed = prediction.clone()
    changed[0, 0, 1] = -77.0
    assert masked_l1(changed, image, masked).item() == pytest.approx(0.375)


def test_cross_entropy_by_hand():
    teacher = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    student = torch.tensor([[0.5, 0.5], [0.2, 0.8]]).log()
    expected = (math.log(2) + math.log(5)) / 2
    assert cross_entropy(teacher, student).item() == pytest.approx(expected, rel=1e-5)


def test_image_tokens_are_compared_with_the_other_view_of_the_same_region():
    teacher = torch.eye(4)  # views 1 of regions A, B; views 2 of A, B
    student = torch.full((4, 4), 1e-6)
    for view, other in enumerate((2, 3, 0, 1)):
        student[view, other] = 1.0
    assert across_views(teacher, student.log()).item() == pytest.approx(0.0, abs=1e-6)


def test_the_teacher_is_centred_then_sharpened():
    outputs, centre = torch.tensor([[0.3, 0.1]]), torch.tensor([0.1, 0.0])
    expected = 1 / (1 + math.exp(-(0.2 - 0.1) / 0.05))
    assert sharpened(outputs, centre, 0.05)[0, 0].item() == pytest.approx(expected, rel=1e-5)


def test_the_centre_is_a_running_mean_over_all_tokens():
    outputs = torch.tensor([[[1.0, 0.0], [3.0, 2.0]]])
    moved = moved_centre(torch.tensor([1.0, 1.0]), outputs, 0.9)
    assert moved.tolist() == pytest.approx([0.9 + 0.2, 0.9 + 0.1])


def test_momentum_rises_by_a_cosine_over_all_steps():
    assert teacher_momentum(PAPER, 0, 1000) == pytest.approx(0.996)
    assert teacher_momentum(PAPER, 500, 1000) == pytest.approx(0.998)
    assert teacher_momentum(PAPER, 1000, 1000) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("epoch", "image", "patch"), [(0, 0.04, 0.04), (29, 0.07, 0.04), (30, 0.07, 0.04), (59, 0.07, 0.07)]
)
def test_temperatures_rise_over_30_epochs_and_that_of_patches_30_later(epoch, image, patch):
    assert teacher_temperature(PAPER, epoch, patch=False) == pytest.approx(image)
    assert teacher_temperature(PAPER, epoch, patch=True) == pytest.approx(patch)


def test_of_distinct_certain_samples_entropy_is_0_and_dependence_1():
    use = output_use(torch.eye(4), torch.eye(4)[[0, 1, 2, 0]])
    assert use.entropy == pytest.approx(0.0, abs=1e-6)
    assert use.dependence == pytest.approx(1.0)
    assert use.agreement == 0.75


def test_half_certain_samples():
    teacher = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]])
    use = output_use(teacher, teacher)
    assert use.entropy == pytest.approx(0.5)  # log 2 of log 4
    assert use.dependence == pytest.approx(1.0)  # which half: log 2 of log 2


@pytest.mark.parametrize(("row", "told"), [([1.0, 0, 0, 0], "one output"), ([0.25] * 4, "same outputs")])
def test_a_planted_collapse_is_told_by_its_kind(row, told):
    use = output_use(torch.tensor([row] * 6), torch.tensor([row] * 6))
    assert told in collapsed(use.entropy, use.dependence)


def test_a_uniform_mean_of_certain_samples_is_no_collapse():
    use = output_use(torch.eye(4), torch.eye(4))
    assert collapsed(use.entropy, use.dependence) is None


def test_the_printed_values_are_in_the_preset():
    assert (PAPER.region, PAPER.crop, PAPER.block) == ((128,) * 3, (96,) * 3, (16,) * 3)
    assert (PAPER.mask_share, PAPER.batch, PAPER.epochs, PAPER.warmup_epochs) == (0.7, 6, 500, 20)
    assert PAPER.learning_rate_per_sample * PAPER.batch == pytest.approx(6e-4)
    assert dataclasses.astuple(PAPER.head) == (2048, 256, 8192)
    assert dataclasses.astuple(PAPER.loss_weights) == (1.0, 0.1, 0.1)
    assert (PAPER.student_temperature, PAPER.teacher_temperature) == (0.1, (0.04, 0.07))
    assert (PAPER.teacher_momentum, PAPER.centre_momentum, PAPER.frozen_last_layer_epochs) == (0.996, 0.9, 1)
