"""The modules of a pre-training: student, teacher, and their heads.

Imported only where a network is built (docs/adr/0003): torch stands at file scope here.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from SarcopeniaAssessLib.smit import SmitConfig, Triple
from SarcopeniaAssessLib.smit_encoder import SmitEncoder
from SarcopeniaTraining.masking import DISTILLED_MERGINGS
from SarcopeniaTraining.pretraining_preset import HeadSize


class ProjectionHead(nn.Module):
    """Three layers, normalisation, and a weight-normalised layer without bias (DINO, arXiv 2104.14294)."""

    def __init__(self, channels: int, size: HeadSize) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, size.hidden),
            nn.GELU(),
            nn.Linear(size.hidden, size.hidden),
            nn.GELU(),
            nn.Linear(size.hidden, size.bottleneck),
        )
        self.last = nn.Parameter(torch.empty(size.outputs, size.bottleneck))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.last)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, channels) → (…, outputs): cosines with the outputs' directions, since lengths are 1."""
        unit = functional.normalize(self.layers(tokens), dim=-1)
        return functional.linear(unit, functional.normalize(self.last, dim=-1))


class Distilled(NamedTuple):
    """What one view becomes.

    Attributes
    ----------
    image:
        (b, outputs) of the image token.
    patches:
        (b, i, j, k, outputs) of the distilled tokens.
    bottleneck:
        (b, i, j, k, 16E) tokens.
    """

    image: Tensor
    patches: Tensor
    bottleneck: Tensor


class Branch(nn.Module):
    """Encoder and heads: the teacher is one, the student has one."""

    def __init__(self, config: SmitConfig, head: HeadSize) -> None:
        super().__init__()
        channels = config.stage_channels[-1]  # 8E: the third merging doubles the third stage's 4E
        self.encoder = SmitEncoder(config)
        self.norm = nn.LayerNorm(channels)
        self.image_head = ProjectionHead(channels, head)
        self.patch_head = ProjectionHead(channels, head)

    def forward(
        self, image: Tensor, masked: Tensor | None = None, mask_token: Tensor | None = None
    ) -> Distilled:
        """(b, c, i, j, k), tokens that are masked (b, i, j, k) bool, and what replaces them (E,)."""
        tokens = self.encoder.patch_embedding(image)
        if masked is not None and mask_token is not None:
            tokens = torch.where(masked[..., None], mask_token.to(tokens.dtype), tokens)
        distilled = tokens
        stages: Any = self.encoder.stages
        for number, stage in enumerate(stages, start=1):
            for block in stage.blocks:
                tokens = block(tokens)
            tokens = stage.merging(tokens)
            if number == DISTILLED_MERGINGS:
                distilled = self.norm(tokens)
        return Distilled(self.image_head(distilled.mean((1, 2, 3))), self.patch_head(distilled), tokens)


class Student(nn.Module):
    """A branch that sees masked views, and predicts their voxels."""

    def __init__(self, config: SmitConfig, head: HeadSize) -> None:
        super().__init__()
        self.branch = Branch(config, head)
        self.mask_token = nn.Parameter(torch.zeros(config.embed_dim))
        self.stride: Triple = config.total_stride
        voxels = config.in_channels * self.stride[0] * self.stride[1] * self.stride[2]
        self.prediction = nn.Linear(16 * config.embed_dim, voxels)
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def forward(self, image: Tensor, masked: Tensor) -> tuple[Distilled, Tensor]:
        """Image and masked tokens → distilled outputs, and the predicted image."""
        out = self.branch(image, masked, self.mask_token)
        return out, unfolded(self.prediction(out.bottleneck), self.stride)


def unfolded(voxels: Tensor, stride: Triple) -> Tensor:
    """(b, i, j, k, c·p·q·r), each token's voxels → (b, c, i·p, j·q, k·r)."""
    b, i, j, k, n = voxels.shape
    p, q, r = stride
    split = voxels.view(b, i, j, k, n // (p * q * r), p, q, r)
    return split.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(b, -1, i * p, j * q, k * r)


def teacher_of(student: Student) -> Branch:
    """A copy of the student's branch that no gradient reaches, in eval mode."""
    teacher = deepcopy(student.branch).eval()
    return teacher.requires_grad_(False)


@torch.no_grad()
def follow(teacher: Branch, student: Student, momentum: float) -> None:
    """Moving average: teacher ← momentum · teacher + (1 − momentum) · student."""
    pairs = zip(teacher.parameters(), student.branch.parameters(), strict=True)
    for mean, own in pairs:
        mean.mul_(momentum).add_(own, alpha=1 - momentum)
