"""Dice + cross-entropy on annotated voxels only.

Equal to MONAI's `DiceCELoss(to_onehot_y, softmax, squared_pred)` where everything is annotated. MONAI's
`MaskedDiceLoss` masks logits before the softmax, which leaves a gradient outside the mask; here it is
exactly zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

UNANNOTATED = 255
"""Label of a voxel that nobody has judged."""
_SMOOTH = 1e-5


def masked_dice_ce(logits: Tensor, label: Tensor) -> Tensor:
    """Mean over the samples of (1 − Dice) + cross-entropy, each over the annotated voxels of its sample.

    A mean of samples, not of voxels: a batch shared out over processes then has the same gradient.

    Parameters
    ----------
    logits:
        (b, classes, …), float32.
    label:
        (b, 1, …), classes 0, 1, …, or `UNANNOTATED`.

    Returns
    -------
    Tensor
        Scalar; 0 for a sample without any annotated voxel.
    """
    import torch
    from torch.nn import functional

    target = label[:, 0].long()
    known = target != UNANNOTATED
    entropy = functional.cross_entropy(logits, target, ignore_index=UNANNOTATED, reduction="none").flatten(1)
    per_sample = entropy.sum(1) / known.flatten(1).sum(1).clamp(min=1)

    one_hot = functional.one_hot(torch.where(known, target, 0), logits.shape[1]).movedim(-1, 1)
    mask = known[:, None]
    truth = (one_hot * mask).float().flatten(2)
    chance = (torch.softmax(logits, 1) * mask).flatten(2)
    shared = (chance * truth).sum(-1)
    both = (chance**2).sum(-1) + (truth**2).sum(-1)
    dice = 1 - (2 * shared + _SMOOTH) / (both + _SMOOTH)
    return (dice.mean(1) + per_sample).mean()
