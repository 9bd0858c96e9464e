"""Block masks of a view: which voxels, tokens and distilled tokens the student does not see.

A mask is drawn as blocks and brought onto each grid by repetition, so all grids agree exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.smit import SmitConfig, Triple

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

DISTILLED_MERGINGS = 3
"""Tokens after the third merging are distilled (16 voxels a side in the published network)."""


def distilled_stride(config: SmitConfig) -> Triple:
    """Voxels along each axis that one distilled token stands for."""
    a, b, c = (p * m**DISTILLED_MERGINGS for p, m in zip(config.patch_size, config.merging, strict=True))
    return a, b, c


@dataclass(frozen=True)
class BlockMasking:
    """Masks for views of one size.

    Attributes
    ----------
    grid:
        Blocks of a view along each axis.
    block:
        Voxels of a block.
    block_tokens, block_distilled:
        Tokens of the patch embedding, and distilled tokens, in a block.
    share:
        Of the blocks that are masked.
    """

    grid: Triple
    block: Triple
    block_tokens: Triple
    block_distilled: Triple
    share: float

    @classmethod
    def of(cls, config: SmitConfig, *, crop: Triple, block: Triple, share: float) -> Self:
        """Masks of views of `crop` voxels in blocks of `block` voxels.

        Raises
        ------
        ModelError
            A crop that is no whole number of blocks or of bottleneck tokens, a block that is no whole
            number of distilled tokens, a share that masks none or all of the blocks.
        """
        stride = distilled_stride(config)
        fits = (
            ("crop", crop, "blocks", block),
            ("crop", crop, "bottleneck tokens", config.total_stride),
            ("block", block, "distilled tokens", stride),
        )
        for what, size, of, unit in fits:
            if len(size) != 3 or any(n < u or n % u for n, u in zip(size, unit, strict=True)):
                raise ModelError(
                    f"a {what} of {size} voxels is no whole number of {of}", f"give multiples of {unit}"
                )
        grid = _divided(crop, block)
        masking = cls(grid, block, _divided(block, config.patch_size), _divided(block, stride), share)
        if not 0 < masking.masked < int(np.prod(grid)):
            raise ModelError(
                f"a share of {share} masks {masking.masked} of {int(np.prod(grid))} blocks",
                "give a share that leaves some of both kinds",
            )
        return masking

    @property
    def masked(self) -> int:
        """Blocks masked in a view."""
        return round(self.share * int(np.prod(self.grid)))

    def draw(self, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Masked blocks of one view, shape `grid`."""
        blocks = np.zeros(int(np.prod(self.grid)), np.bool_)
        blocks[rng.permutation(len(blocks))[: self.masked]] = True
        return blocks.reshape(self.grid)

    def voxels(self, blocks: torch.Tensor) -> torch.Tensor:
        """(b, *grid) bool → (b, i, j, k) of voxels."""
        return _repeated(blocks, self.block)

    def tokens(self, blocks: torch.Tensor) -> torch.Tensor:
        """(b, *grid) bool → (b, i, j, k) of the patch embedding's tokens."""
        return _repeated(blocks, self.block_tokens)

    def distilled(self, blocks: torch.Tensor) -> torch.Tensor:
        """(b, *grid) bool → (b, i, j, k) of the distilled tokens."""
        return _repeated(blocks, self.block_distilled)


def _divided(size: Triple, unit: Triple) -> Triple:
    a, b, c = (n // u for n, u in zip(size, unit, strict=True))
    return a, b, c


def _repeated(blocks: torch.Tensor, times: Triple) -> torch.Tensor:
    for axis, count in enumerate(times, start=1):
        blocks = blocks.repeat_interleave(count, axis)
    return blocks
