"""The SMIT encoder in eval mode, a few windows at a time: the same numbers with far less memory traffic.

Written layer by layer, an encoder of 12 channels a head moves each token through main memory dozens of
times. Here a chunk of windows is gathered (shift and partition are one index), goes through the whole block
in the processor's cache, and is put back. Tokens are rows (n, c) of one image, in (i, j, k) order.

Imported only where a network is built (see docs/adr/0003): torch stands at file scope here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from SarcopeniaAssessLib.fast_linear import fast_linear
from SarcopeniaAssessLib.smit import Triple
from SarcopeniaAssessLib.smit_encoder import (
    Block,
    Merging,
    PatchEmbedding,
    SmitEncoder,
    attention_mask,
    partition,
    relative_position_index,
    reverse,
)

CHUNK_BYTES = 1 << 21
"""Of the widest layer's values of one chunk, a thread: about what a core's own caches hold (measured)."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Where the tokens of each window lie.

    Attributes
    ----------
    source:
        (windows, n) row of each token; rows beyond the last are padding. Windows without a mask first.
    target:
        (windows, n) row that each token's attention is added to: its own, but for the published order.
    mask:
        (masked windows, n, n) added to the scores of the last windows, or None.
    padded:
        Whether any window holds padding.
    """

    source: Tensor
    target: Tensor
    mask: Tensor | None
    padded: bool


@lru_cache(maxsize=32)
def windows_of(size: Triple, block: tuple[Triple, Triple, bool, str], device: torch.device) -> Windows:
    """Windows of a map of tokens of `size`; `block` = (window, shift, padding is masked, order)."""
    window, shift, masked_padding, order = block
    padded: Triple = tuple(-(-n // w) * w for n, w in zip(size, window, strict=True))  # type: ignore[assignment]
    count = int(np.prod(size))
    with torch.inference_mode(False):
        rows = torch.full(padded, count)
        rows[: size[0], : size[1], : size[2]] = torch.arange(count).view(size)
        rolled = rows.roll([-s for s in shift], (0, 1, 2))
        source = partition(rolled[None, ..., None], window)[..., 0]
        # What stands at place p of the windows is put to place q of the map: the row at q is its target.
        places = torch.arange(source.numel()).view(source.shape)[..., None]
        put = reverse(places, window, padded, order)[0, ..., 0].roll(shift, (0, 1, 2))
        target = torch.empty_like(source).flatten()
        target[put.flatten()] = rows.flatten()
        target = target.view(source.shape)
        mask = attention_mask(size, window, shift, masked_padding)
        if mask is not None:
            kept_apart = (mask != 0).flatten(1).any(1)
            sequence = torch.argsort(kept_apart.to(torch.int8), stable=True)
            source, target = source[sequence], target[sequence]
            mask = mask[kept_apart]
    mask = None if mask is None else mask.to(device)
    return Windows(source.to(device), target.to(device), mask, padded != size)


class FastAttention:
    """`smit_encoder.WindowAttention` on chunks: rows (m · n, c) → the same."""

    def __init__(self, block: Block) -> None:
        attention = block.attention
        self.heads, self.window = attention.heads, attention.window
        self.scale = attention.scale
        self.bias_table = attention.bias_table.detach()
        self.qkv, self.proj = fast_linear(attention.qkv), fast_linear(attention.proj)

    def bias(self, window: Triple) -> Tensor:
        """(heads, n, n) for windows of that size, which may be clamped."""
        index = relative_position_index(self.window, window).to(self.bias_table.device)
        n = len(index)
        return self.bias_table[index.view(-1)].view(n, n, self.heads).permute(2, 0, 1).contiguous()

    def __call__(self, rows: Tensor, bias: Tensor, mask: Tensor | None) -> Tensor:
        """Attention within each n rows; `bias` (heads, n, n), `mask` (m, n, n) or None."""
        n, c = bias.shape[-1], rows.shape[-1]
        m = len(rows) // n
        q, k, v = self.qkv(rows).view(m, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        added = bias[None].expand(m, -1, -1, -1) if mask is None else bias + mask[:, None]
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=added, scale=self.scale)
        return self.proj(mixed.transpose(1, 2).reshape(m * n, c))


class FastBlock:
    """`smit_encoder.Block` in eval mode on rows, changed in place."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.attention = FastAttention(block)
        first, activation, second = block.mlp
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        assert isinstance(activation, nn.GELU)
        self.first, self.second = fast_linear(first, gelu=True), fast_linear(second)
        self.widest = max(first.out_features, 3 * first.in_features)

    def __call__(self, rows: Tensor, size: Triple) -> None:
        """Rows (tokens + 1, c) in place; the last row is scrap for padding."""
        window, shift = self.block.grid(size)
        windows = windows_of(size, (window, shift, self.block.masked_padding, self.block.order), rows.device)
        bias = self.attention.bias(window)
        moved = self.block.order != "exact"
        result = rows.clone() if moved else rows
        for source, target, mask in self._chunks(windows):
            tokens = rows.index_select(0, source)
            change = self._attend(tokens, source, bias, mask, padded=windows.padded, last=len(rows) - 1)
            if moved:
                result.index_add_(0, target, change.to(result.dtype))
            else:
                tokens += change
                tokens += self._mlp(tokens)
                result.index_copy_(0, target, tokens)
        if moved:
            for part in result.split(self._rows_at_once()):
                part.add_(self._mlp(part))
            rows.copy_(result)

    def _attend(
        self, tokens: Tensor, source: Tensor, bias: Tensor, mask: Tensor | None, *, padded: bool, last: int
    ) -> Tensor:
        normed = self.block.norm1(tokens)
        if padded:
            normed = normed.masked_fill((source == last)[:, None], 0)
        return self.attention(normed, bias, mask)

    def _mlp(self, tokens: Tensor) -> Tensor:
        return self.second(self.first(self.block.norm2(tokens)))

    def _rows_at_once(self) -> int:
        return max(CHUNK_BYTES * torch.get_num_threads() // (4 * self.widest), 1)

    def _chunks(self, windows: Windows) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """(source rows, target rows, mask) of some windows at a time, those with a mask apart."""
        count, n = windows.source.shape
        step = max(self._rows_at_once() // n, 1) if windows.source.device.type == "cpu" else count
        free = count if windows.mask is None else count - len(windows.mask)
        for start, stop in ((0, free), (free, count)):
            for at in range(start, stop, step):
                part = slice(at, min(at + step, stop))
                mask = (
                    None if at < free or windows.mask is None else windows.mask[at - free : part.stop - free]
                )
                yield windows.source[part].flatten(), windows.target[part].flatten(), mask


class FastMerging:
    """`smit_encoder.Merging` on rows; the neighbours are taken in memory order, the weights follow."""

    def __init__(self, merging: Merging) -> None:
        self.stride = merging.stride
        _, d, e = self.stride
        channels = merging.norm.normalized_shape[0] // len(merging.neighbours)
        published = [i * d * e + j * e + k for i, j, k in merging.neighbours]
        columns = torch.argsort(torch.tensor(published, device=merging.norm.weight.device))
        taken = (columns[:, None] * channels + torch.arange(channels, device=columns.device)).flatten()
        self.norm_weight, self.norm_bias = (
            merging.norm.weight.detach()[taken],
            merging.norm.bias.detach()[taken],
        )
        self.eps = merging.norm.eps
        reordered = nn.Linear(1, 1, bias=False, device="meta")
        reordered.in_features, reordered.out_features = len(taken), merging.reduction.out_features
        reordered.weight = nn.Parameter(merging.reduction.weight.detach()[:, taken], requires_grad=False)
        self.reduction = fast_linear(reordered)

    def __call__(self, rows: Tensor, size: Triple) -> Tensor:
        """Rows of `size` (the scrap row left out) → rows of the merged map."""
        (i, j, k), (a, d, e) = size, self.stride
        split = rows.view(i // a, a, j // d, d, k // e, e, -1).permute(0, 2, 4, 1, 3, 5, 6)
        gathered = split.reshape(i * j * k // (a * d * e), -1)
        return self.reduction(
            functional.layer_norm(gathered, gathered.shape[-1:], self.norm_weight, self.norm_bias, self.eps)
        )


class FastEncoder:
    """`smit_encoder.SmitEncoder` in eval mode: only the slices that are asked for leave it."""

    def __init__(self, encoder: SmitEncoder) -> None:
        self.patch_embedding: PatchEmbedding = encoder.patch_embedding
        stages = list(encoder.stages)
        self.blocks = [[FastBlock(block) for block in stage.blocks] for stage in stages]  # type: ignore[union-attr]
        self.mergings = [FastMerging(stage.merging) for stage in stages]  # type: ignore[arg-type]
        self.norms = list(encoder.skip_norms)

    def __call__(self, image: Tensor, skips: tuple[range, ...], bottleneck: range) -> list[Tensor]:
        """(1, c, i, j, k) → features of the four stages and the bottleneck on the given slices.

        Each is (slices, channels, i, j), channels last in memory. Sides are multiples of the total stride.
        """
        tokens = self.patch_embedding(image)[0]
        features = []
        for blocks, merging, norm, span in zip(self.blocks, self.mergings, self.norms, skips, strict=True):
            size: Triple = tuple(tokens.shape[:3])
            rows = functional.pad(tokens.reshape(-1, tokens.shape[-1]), (0, 0, 0, 1))
            for block in blocks:
                block(rows, size)
            tokens = rows[:-1].view(*size, -1)
            features.append(as_slices(norm(tokens[:, :, span.start : span.stop])))
            fine = [n // s for n, s in zip(size, merging.stride, strict=True)]
            tokens = merging(tokens, size).view(*fine, -1)
        return [*features, as_slices(tokens[:, :, bottleneck.start : bottleneck.stop])]


def as_slices(tokens: Tensor) -> Tensor:
    """(i, j, k, c) → (k, c, i, j), channels last in memory."""
    return tokens.permute(2, 0, 1, 3).contiguous().permute(0, 3, 1, 2)
