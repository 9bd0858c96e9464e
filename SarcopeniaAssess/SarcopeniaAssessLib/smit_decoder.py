"""The SMIT decoder: residual convolution blocks from the bottleneck up to the logits, joined by skips.

Every layer takes (b, c, i, j, k) or, where nothing mixes slices, slices as (b, c, i, j): the two are
equal and the latter is faster. Imported only where a network is built (see docs/adr/0003).
"""

from __future__ import annotations

from torch import Tensor, cat, nn
from torch.nn import functional

from SarcopeniaAssessLib.smit import SmitConfig, Triple

SLOPE = 0.01


class Convolution(nn.Conv3d):
    """A convolution that keeps the size, of volumes or of slices."""

    def __init__(self, inputs: int, outputs: int, kernel: Triple, *, bias: bool = False) -> None:
        i, j, k = (n // 2 for n in kernel)
        super().__init__(inputs, outputs, kernel, padding=(i, j, k), bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, i, j, k) or (b, c, i, j) → the same with other channels."""
        if x.dim() == 4:
            return functional.conv2d(x, self.weight[..., 0], self.bias, padding=self.padding[:2])
        return super().forward(x)


class Upsampling(nn.ConvTranspose3d):
    """A transposed convolution whose kernel is its stride: every voxel becomes a block."""

    def __init__(self, inputs: int, outputs: int, stride: Triple) -> None:
        super().__init__(inputs, outputs, stride, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # never asked for another size
        """(b, c, i, j, k) or (b, c, i, j) → sides times the stride."""
        if x.dim() == 4:
            return functional.conv_transpose2d(x, self.weight[..., 0], stride=self.stride[:2])
        return super().forward(x)


class BatchNorm(nn.BatchNorm3d):
    """Batch norm of volumes or of slices."""

    def _check_input_dim(self, x: Tensor) -> None:
        if x.dim() not in (4, 5):
            raise ValueError(f"expected 4 or 5 axes, got {x.dim()}")


def _norm(kind: str, channels: int) -> nn.Module:
    return BatchNorm(channels) if kind == "batch" else nn.InstanceNorm3d(channels)


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut, projected where the channels change."""

    def __init__(self, inputs: int, outputs: int, config: SmitConfig) -> None:
        super().__init__()
        self.conv1 = Convolution(inputs, outputs, config.decoder_kernel)
        self.norm1 = _norm(config.decoder_norm, outputs)
        self.conv2 = Convolution(outputs, outputs, config.decoder_kernel)
        self.norm2 = _norm(config.decoder_norm, outputs)
        self.projected = inputs != outputs
        if self.projected:
            self.conv3 = Convolution(inputs, outputs, (1, 1, 1))
            self.norm3 = _norm(config.decoder_norm, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Channels `inputs` → `outputs`, the same size."""
        shortcut = self.norm3(self.conv3(x)) if self.projected else x
        x = functional.leaky_relu(self.norm1(self.conv1(x)), SLOPE, inplace=True)
        return functional.leaky_relu(self.norm2(self.conv2(x)) + shortcut, SLOPE, inplace=True)


class UpBlock(nn.Module):
    """Upsample, concatenate the skip, convolve."""

    def __init__(self, inputs: int, skip: int, outputs: int, stride: Triple, config: SmitConfig) -> None:
        super().__init__()
        self.up = Upsampling(inputs, outputs, stride)
        self.block = ResidualBlock(outputs + skip, outputs, config)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """`x` of the coarser level and the skip of this one → features of this level."""
        return self.block(cat((self.up(x), skip), 1))


class SmitDecoder(nn.Module):
    """Image, four skip features and the bottleneck → logits."""

    def __init__(self, config: SmitConfig) -> None:
        super().__init__()
        e = config.embed_dim
        full, *levels = config.decoder_channels or (e, *config.stage_channels)
        stages = config.stage_channels
        self.image_block = ResidualBlock(config.in_channels, full, config)
        self.skip_blocks = nn.ModuleList(
            ResidualBlock(s, n, config) for s, n in zip(stages[:3], levels[:3], strict=True)
        )
        self.bottleneck_block = ResidualBlock(16 * e, 16 * e, config)
        # Coarse to fine; the skip of the fourth stage comes as it is, the others through their blocks.
        inputs = (16 * e, levels[3], levels[2], levels[1], levels[0])
        skips = (stages[3], levels[2], levels[1], levels[0], full)
        outputs = (levels[3], levels[2], levels[1], levels[0], full)
        strides = (config.merging,) * 4 + (config.patch_size,)
        self.up_blocks = nn.ModuleList(
            UpBlock(i, s, o, stride, config)
            for i, s, o, stride in zip(inputs, skips, outputs, strides, strict=True)
        )
        self.head = Convolution(full, config.out_channels, (1, 1, 1), bias=True)

    def forward(self, image: Tensor, skips: list[Tensor], bottleneck: Tensor) -> Tensor:
        """Features as the encoder gives them, all with k or all without → logits (b, out, i, j[, k])."""
        fine = [
            self.image_block(image),
            *(b(s) for b, s in zip(self.skip_blocks, skips[:3], strict=True)),
            skips[3],
        ]
        x = self.bottleneck_block(bottleneck)
        for block in self.up_blocks:
            x = block(x, fine.pop())
        return self.head(x)
