"""The masked loss: MONAI's where all is annotated, blind elsewhere, and a mean of samples."""

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss

from SarcopeniaTraining.losses import UNANNOTATED, masked_dice_ce


def pair(shape: tuple[int, ...], seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(0, 2, (shape[0], 2, *shape[1:])), dtype=torch.float32)
    label = torch.tensor(rng.integers(0, 2, (shape[0], 1, *shape[1:])), dtype=torch.uint8)
    return logits, label


@pytest.mark.parametrize("shape", [(3, 7, 5), (2, 6, 5, 4)])
def test_it_equals_monais_where_all_is_annotated(shape):
    logits, label = pair(shape)
    monai = DiceCELoss(to_onehot_y=True, softmax=True, squared_pred=True)
    assert masked_dice_ce(logits, label).item() == pytest.approx(monai(logits, label).item(), abs=1e-6)


def test_an_unannotated_voxel_has_no_gradient_and_an_annotated_one_has():
    logits, label = pair((2, 6, 5, 4))
    label[:, :, :, :, [0, 1, 3]] = UNANNOTATED
    logits.requires_grad_()
    masked_dice_ce(logits, label).backward()
    assert torch.count_nonzero(logits.grad[..., [0, 1, 3]]) == 0
    assert torch.count_nonzero(logits.grad[..., 2]) == logits.grad[..., 2].numel()


def test_only_the_annotated_slice_counts():
    """A volume with one annotated slice has the loss of that slice alone."""
    logits, label = pair((2, 6, 5, 4))
    alone = masked_dice_ce(logits[..., 2], label[..., 2])
    label[..., [0, 1, 3]] = UNANNOTATED
    assert masked_dice_ce(logits, label).item() == pytest.approx(alone.item(), abs=1e-6)


def test_it_is_the_mean_of_the_samples_however_much_of_each_is_annotated():
    logits, label = pair((2, 6, 5))
    label[0, :, :4] = UNANNOTATED
    each = [masked_dice_ce(logits[n : n + 1], label[n : n + 1]).item() for n in range(2)]
    assert masked_dice_ce(logits, label).item() == pytest.approx(np.mean(each), abs=1e-6)


def test_a_sample_without_annotation_costs_nothing():
    logits, label = pair((1, 4, 4))
    label[:] = UNANNOTATED
    logits.requires_grad_()
    loss = masked_dice_ce(logits, label)
    loss.backward()
    assert loss.item() == 0
    assert torch.count_nonzero(logits.grad) == 0


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_most():
    _, label = pair((2, 6, 5))
    right = torch.cat([1 - label.float(), label.float()], 1) * 40 - 20
    assert masked_dice_ce(right, label).item() < 1e-4
    assert masked_dice_ce(-right, label).item() > 30
