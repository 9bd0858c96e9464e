"""The SMIT encoder: a 3-D Swin transformer on tokens (b, i, j, k, c), from image to five feature maps.

Imported only where a network is built (see docs/adr/0003): torch stands at file scope here.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from SarcopeniaAssessLib.smit import SmitConfig, Triple

# Neighbours (i, j, k) in the order in which the published merging concatenates them.
NEIGHBOURS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1), (1, 1, 1))

BLOCKED_AS_PUBLISHED = -100.0
BLOCKED = -1e4  # its exponential is 0 in every precision; that of -100 is a slow subnormal number


def partition(tokens: Tensor, window: Triple) -> Tensor:
    """Cut (b, i, j, k, c) into windows (b·windows, tokens of a window, c); sides are multiples."""
    b, i, j, k, c = tokens.shape
    a, d, e = window
    split = tokens.view(b, i // a, a, j // d, d, k // e, e, c)
    return split.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(-1, a * d * e, c)


def reverse(windows: Tensor, window: Triple, size: Triple, order: str = "exact") -> Tensor:
    """Put windows back as (b, i, j, k, c): the inverse of `partition`, or the published scramble."""
    (a, d, e), (i, j, k) = window, size
    split = windows.view(-1, i // a, j // d, k // e, a, d, e, windows.shape[-1])
    axes = (0, 1, 4, 2, 5, 3, 6, 7) if order == "exact" else (0, 1, 3, 5, 2, 4, 6, 7)
    return split.permute(axes).reshape(-1, i, j, k, windows.shape[-1])


@lru_cache(maxsize=64)
def relative_position_index(table_window: Triple, window: Triple) -> Tensor:
    """Row of the bias table for each pair of tokens of a window: (n, n), int64.

    `window` may be smaller than the one the table was made for (a clamped window).
    """
    position = np.stack(np.meshgrid(*(np.arange(w) for w in window), indexing="ij")).reshape(3, -1)
    offset = position[:, :, None] - position[:, None, :] + np.array(table_window)[:, None, None] - 1
    sides = tuple(2 * w - 1 for w in table_window)
    with torch.inference_mode(False):
        return torch.from_numpy(np.ravel_multi_index(tuple(offset), sides))


@lru_cache(maxsize=64)
def attention_mask(size: Triple, window: Triple, shift: Triple, masked_padding: bool) -> Tensor | None:
    """What keeps tokens apart that only the cyclic shift, or the padding, has put into one window.

    Returns
    -------
    Tensor | None
        (windows, n, n), 0 where attention is free; None if nothing is to be kept apart.
    """
    label = np.zeros((1, 1, 1), dtype=np.int64)
    padding = np.zeros((1, 1, 1), dtype=bool)
    for axis, (length, w, s) in enumerate(zip(size, window, shift, strict=True)):
        padded = -(-length // w) * w
        at = np.arange(padded)
        region = (at >= padded - w).astype(np.int64) + (at >= padded - s) if s else np.zeros(padded, np.int64)
        along = [1, 1, 1]
        along[axis] = padded
        label = 3 * label + region.reshape(along)
        padding = padding | ((at + s) % padded >= length).reshape(along)
    label = np.where(padding & masked_padding, -1, label)
    with torch.inference_mode(False):
        groups = partition(torch.from_numpy(label)[None, ..., None], window)[..., 0]
        apart = groups[:, :, None] != groups[:, None, :]
        if not bool(apart.any()):
            return None
        return apart.to(torch.float32) * (BLOCKED if masked_padding else BLOCKED_AS_PUBLISHED)


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, with a learned bias per relative position."""

    def __init__(self, channels: int, heads: int, config: SmitConfig) -> None:
        super().__init__()
        self.heads = heads
        self.window = config.window_size
        self.scale = (channels // heads) ** -0.5
        rows = int(np.prod([2 * w - 1 for w in self.window]))
        self.bias_table = nn.Parameter(torch.empty(rows, heads))
        self.qkv = nn.Linear(channels, 3 * channels, bias=config.qkv_bias)
        self.proj = nn.Linear(channels, channels)
        nn.init.trunc_normal_(self.bias_table, std=0.02)

    def forward(self, windows: Tensor, window: Triple, mask: Tensor | None) -> Tensor:
        """(m, n, c) → (m, n, c); `mask` (windows of one image, n, n) or None."""
        m, n, c = windows.shape
        index = relative_position_index(self.window, window).to(windows.device)
        bias = self.bias_table[index.view(-1)].view(n, n, self.heads).permute(2, 0, 1)
        q, k, v = self.qkv(windows).view(m, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q * self.scale) @ k.transpose(-2, -1)
        if mask is None:
            scores = scores + bias
        else:
            per_window = bias + mask.to(bias)[:, None]
            scores = (scores.view(-1, *per_window.shape) + per_window).view(scores.shape)
        mixed = scores.softmax(-1) @ v
        return self.proj(mixed.transpose(1, 2).reshape(m, n, c))


class Block(nn.Module):
    """One Swin block: window attention and an MLP, each after a LayerNorm and with a shortcut."""

    def __init__(self, channels: int, heads: int, shifted: bool, drop: float, config: SmitConfig) -> None:
        super().__init__()
        hidden = int(channels * config.mlp_ratio)
        self.window = config.window_size
        self.shift: Triple = tuple(w // 2 for w in self.window) if shifted else (0, 0, 0)  # type: ignore[assignment]
        self.order = config.window_reverse
        self.masked_padding = config.window_padding == "masked"
        self.drop = drop
        self.norm1 = nn.LayerNorm(channels)
        self.attention = WindowAttention(channels, heads, config)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))

    def forward(self, tokens: Tensor) -> Tensor:
        """(b, i, j, k, c) → the same shape."""
        tokens = tokens + self._survive(self._attend(self.norm1(tokens)))
        return tokens + self._survive(self.mlp(self.norm2(tokens)))

    def _attend(self, tokens: Tensor) -> Tensor:
        i, j, k = tokens.shape[1:4]
        size: Triple = (i, j, k)
        window, shift = self.grid(size)
        padded: Triple = tuple(-(-n // w) * w for n, w in zip(size, window, strict=True))  # type: ignore[assignment]
        if padded != size:
            tokens = functional.pad(
                tokens,
                (0, 0, *(n for p, s in zip(padded[::-1], size[::-1], strict=True) for n in (0, p - s))),
            )
        if any(shift):
            tokens = tokens.roll([-s for s in shift], (1, 2, 3))
        mask = attention_mask(size, window, shift, self.masked_padding)
        mask = None if mask is None else mask.to(tokens.device)
        windows = self.attention(partition(tokens, window), window, mask)
        tokens = reverse(windows, window, padded, self.order)
        if any(shift):
            tokens = tokens.roll(shift, (1, 2, 3))
        return tokens[:, : size[0], : size[1], : size[2]] if padded != size else tokens

    def grid(self, size: Triple) -> tuple[Triple, Triple]:
        """Window and shift on tokens of that size; padding that is masked needs no window beyond them."""
        if not self.masked_padding:
            return self.window, self.shift
        window = tuple(min(w, n) for w, n in zip(self.window, size, strict=True))
        shift = tuple(s if n > w else 0 for s, w, n in zip(self.shift, self.window, size, strict=True))
        return window, shift  # type: ignore[return-value]

    def _survive(self, change: Tensor) -> Tensor:
        """Stochastic depth: in training, drop the change of whole samples."""
        if not self.training or self.drop == 0.0:
            return change
        keep = 1.0 - self.drop
        alive = torch.empty((len(change), 1, 1, 1, 1), dtype=change.dtype, device=change.device).bernoulli_(
            keep
        )
        return change * (alive / keep)


class Merging(nn.Module):
    """Concatenate neighbouring tokens, normalise, and project to twice the channels."""

    def __init__(self, channels: int, stride: Triple) -> None:
        super().__init__()
        self.stride = stride
        self.neighbours = [n for n in NEIGHBOURS if all(a < s for a, s in zip(n, stride, strict=True))]
        gathered = len(self.neighbours) * channels
        self.norm = nn.LayerNorm(gathered)
        self.reduction = nn.Linear(gathered, 2 * channels, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(b, i, j, k, c) → (b, i/s, j/s, k/s, 2c); sides are multiples of the stride."""
        a, d, e = self.stride
        parts = [tokens[:, i::a, j::d, k::e] for i, j, k in self.neighbours]
        return self.reduction(self.norm(torch.cat(parts, -1)))


class Stage(nn.Module):
    """Blocks at one resolution, and the merging that follows them."""

    def __init__(self, channels: int, heads: int, drops: list[float], config: SmitConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(channels, heads, n % 2 == 1, drop, config) for n, drop in enumerate(drops)
        )
        self.merging = Merging(channels, config.merging)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens → (tokens after the blocks, tokens after the merging)."""
        for block in self.blocks:
            tokens = block(tokens)
        return tokens, self.merging(tokens)


class PatchEmbedding(nn.Module):
    """Non-overlapping patches of voxels → tokens, normalised."""

    def __init__(self, config: SmitConfig) -> None:
        super().__init__()
        self.proj = nn.Conv3d(config.in_channels, config.embed_dim, config.patch_size, config.patch_size)
        self.norm = nn.LayerNorm(config.embed_dim)

    def forward(self, image: Tensor) -> Tensor:
        """(b, c, i, j, k) → (b, i/p, j/p, k/p, E). A convolution without overlap is one matrix product."""
        b, c, *sides = image.shape
        p, q, r = self.proj.kernel_size
        i, j, k = sides[0] // p, sides[1] // q, sides[2] // r
        patches = (
            image.reshape(b, c, i, p, j, q, k, r).permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(b, i, j, k, -1)
        )
        return self.norm(functional.linear(patches, self.proj.weight.flatten(1), self.proj.bias))


class SmitEncoder(nn.Module):
    """Image → four skip features and the bottleneck."""

    def __init__(self, config: SmitConfig) -> None:
        super().__init__()
        self.patch_embedding = PatchEmbedding(config)
        drops = np.linspace(0.0, config.drop_path_rate, sum(config.depths)).tolist()
        ends = np.cumsum(config.depths).tolist()
        spans = zip([0, *ends[:-1]], ends, strict=True)
        self.stages = nn.ModuleList(
            Stage(channels, heads, drops[start:end], config)
            for channels, heads, (start, end) in zip(
                config.stage_channels, config.num_heads, spans, strict=True
            )
        )
        self.skip_norms = nn.ModuleList(nn.LayerNorm(channels) for channels in config.stage_channels)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor, k: int | None = None) -> tuple[list[Tensor], Tensor]:
        """(b, c, i, j, k) → (skips of stages 1–4, bottleneck), each (b, channels, i, j, k).

        The sides are multiples of the total stride. With `k` only that slice of each feature map is
        returned (its side is 1), which is right where the stride along k is 1.
        """
        tokens = self.patch_embedding(image)
        chosen = slice(None) if k is None else slice(k, k + 1)
        skips = []
        for stage, norm in zip(self.stages, self.skip_norms, strict=True):
            features, tokens = stage(tokens)
            skips.append(norm(features[:, :, :, chosen]).permute(0, 4, 1, 2, 3))
        return skips, tokens[:, :, :, chosen].permute(0, 4, 1, 2, 3)
