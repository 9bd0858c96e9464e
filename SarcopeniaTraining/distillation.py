"""Losses and schedules of self-distillation, and whether it has collapsed.

DINO (Caron et al., arXiv 2104.14294) for centring, sharpening and collapse; SMIT (Jiang et al., arXiv
2205.10342) for the three losses together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from SarcopeniaTraining.pretraining_preset import PretrainPreset


def masked_l1(prediction: torch.Tensor, image: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of masked voxels; the others do not count.

    Parameters
    ----------
    prediction, image:
        (b, c, i, j, k).
    masked:
        (b, i, j, k) bool.
    """
    inside = masked[:, None].expand_as(image)
    return (prediction.float() - image)[inside].abs().mean()


def cross_entropy(teacher: torch.Tensor, student_log: torch.Tensor) -> torch.Tensor:
    """Mean over samples of −Σ teacher · log student; probabilities and log-probabilities (…, K)."""
    return -(teacher * student_log).sum(-1).mean()


def across_views(teacher: torch.Tensor, student_log: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each view's student with the other view's teacher; (2b, K), first views first."""
    return cross_entropy(teacher.roll(len(teacher) // 2, 0), student_log)


def sharpened(outputs: torch.Tensor, centre: torch.Tensor, temperature: float) -> torch.Tensor:
    """The teacher's probabilities: centred, then divided by its temperature."""
    return ((outputs.float() - centre) / temperature).softmax(-1)


def moved_centre(centre: torch.Tensor, outputs: torch.Tensor, momentum: float) -> torch.Tensor:
    """Running mean of the teacher's outputs (…, K) → (K,)."""
    return centre * momentum + outputs.float().flatten(0, -2).mean(0) * (1 - momentum)


def teacher_momentum(preset: PretrainPreset, step: int, steps: int) -> float:
    """A cosine from the preset's value to 1 over all steps of the training."""
    return 1 - (1 - preset.teacher_momentum) * (math.cos(math.pi * step / steps) + 1) / 2


def teacher_temperature(preset: PretrainPreset, epoch: int, *, patch: bool) -> float:
    """Linear rise over the preset's epochs, from 0; that of patch tokens starts later."""
    low, high = preset.teacher_temperature
    since = epoch - (preset.patch_rise_starts_epoch if patch else 0)
    last = max(preset.temperature_rise_epochs - 1, 1)
    return low + (high - low) * min(max(since, 0) / last, 1.0)


@dataclass(frozen=True)
class OutputUse:
    """How a head's teacher uses its outputs in one step.

    Attributes
    ----------
    entropy:
        Mean entropy of a sample's distribution, as a share of log K (0: one output, 1: uniform).
    dependence:
        Mutual information of sample and output, entropy of the mean minus mean entropy, as a share of
        the most that so many samples can have, log min(n, K). 0: every input gives the same.
    agreement:
        Share of samples whose likeliest output is the student's too.
    """

    entropy: float
    dependence: float
    agreement: float


def output_use(teacher: torch.Tensor, student: torch.Tensor) -> OutputUse:
    """Of probabilities (n, K), n ≥ 2, and the student's outputs (n, K) that were to be like them."""
    samples, outputs = teacher.shape
    mean = _entropy(teacher.mean(0))
    each = _entropy(teacher)
    return OutputUse(
        entropy=float(each.mean()) / math.log(outputs),
        dependence=float(mean - each.mean()) / math.log(min(samples, outputs)),
        agreement=float((teacher.argmax(-1) == student.argmax(-1)).float().mean()),
    )


def _entropy(probabilities: torch.Tensor) -> torch.Tensor:
    return -(probabilities * probabilities.clamp_min(1e-30).log()).sum(-1)


COLLAPSED_BELOW = 0.01
"""Dependence on the input that counts as none."""
ONE_OUTPUT_BELOW = 0.5
"""Entropy, as a share of log K, that tells one output from the uniform distribution."""


def collapsed(entropy: float, dependence: float) -> str | None:
    """What has become of a head whose teacher ignores its input, in words; None if it does not.

    DINO, section 5.3: a constant output is a collapse; its entropy tells whether one dimension dominates
    (no centring) or all are equal (no sharpening).
    """
    if dependence >= COLLAPSED_BELOW:
        return None
    return "one output for every input" if entropy < ONE_OUTPUT_BELOW else "the same outputs for every input"
