"""The SMIT decoder on the slices that one slice depends on: exact, at a fraction of the cost.

In eval mode every layer of the decoder is local along the body: batch norm is a fixed scale and shift,
a 3×3×3 convolution reaches one slice up and down, a transposed convolution looks at one coarse slice. So the
logits of slice k need a few slices of each level, found from fine to coarse; only those are computed. Volumes
are stacks of slices here, (slices · b, c, i, j) with channels last in memory, and a 3-D convolution is a
sum of 2-D ones, which oneDNN computes near the machine's peak.

Imported only where a network is built (see docs/adr/0003): torch stands at file scope here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from SarcopeniaAssessLib.smit import SmitConfig
from SarcopeniaAssessLib.smit_decoder import SLOPE, ResidualBlock, SmitDecoder, UpBlock


@dataclass(frozen=True)
class Slices:
    """Some consecutive slices of a feature map.

    Attributes
    ----------
    values:
        (len(span) · b, c, i, j), slices first, then the batch.
    span:
        Which slices of the level they are.
    """

    values: Tensor
    span: range

    def part(self, span: range) -> Tensor:
        """Values of a span that lies within."""
        batch = len(self.values) // len(self.span)
        start, stop = span.start - self.span.start, span.stop - self.span.start
        return self.values[start * batch : stop * batch]


def grown(span: range, kernel: int, depth: int) -> range:
    """The slices of a level with `depth` slices that a convolution needs to give those of `span`."""
    half = kernel // 2
    return range(max(span.start - half, 0), min(span.stop + half, depth))


@dataclass(frozen=True)
class Needs:
    """Slices of every level that one slice of logits depends on.

    Attributes
    ----------
    image:
        Of the image.
    skips:
        Of the four stages' features.
    bottleneck:
        Of the bottleneck.
    outputs:
        What each up block must give, from fine to coarse, and last the bottleneck block.
    depths:
        Number of slices of the six levels, image to bottleneck.
    """

    image: range
    skips: tuple[range, ...]
    bottleneck: range
    outputs: tuple[range, ...]
    depths: tuple[int, ...]


def slice_needs(config: SmitConfig, k: int, depth: int) -> Needs:
    """What slice `k` of an image with `depth` slices (a multiple of the total stride) depends on."""
    kernel = config.decoder_kernel[2]
    strides = (config.patch_size[2], *[config.merging[2]] * 4)
    depths = [depth]
    for stride in strides:
        depths.append(depths[-1] // stride)
    outputs, skips = [range(k, k + 1)], []
    for level, stride in enumerate(strides):
        joined = grown(grown(outputs[-1], kernel, depths[level]), kernel, depths[level])
        # The fourth stage's skip enters as it is; the others pass through a residual block of their own.
        raw = joined if level == 4 else grown(grown(joined, kernel, depths[level]), kernel, depths[level])
        skips.append(raw)
        outputs.append(range(joined.start // stride, -(-joined.stop // stride)))
    bottom = grown(grown(outputs[-1], kernel, depths[-1]), kernel, depths[-1])
    return Needs(skips[0], tuple(skips[1:]), bottom, tuple(outputs), tuple(depths))


class SliceConvolution:
    """A 3-D convolution and the batch norm after it, as 2-D convolutions, one for each tap along k."""

    def __init__(self, convolution: nn.Conv3d, norm: nn.Module | None) -> None:
        weight, bias = convolution.weight.detach(), convolution.bias
        offset = torch.zeros_like(weight[:, 0, 0, 0, 0]) if bias is None else bias.detach()
        if norm is not None:
            weight, offset = _folded(weight, offset, norm)
        self.taps = [
            weight[..., n].contiguous(memory_format=torch.channels_last) for n in range(weight.shape[-1])
        ]
        self.bias = offset
        self.padding = (weight.shape[2] // 2, weight.shape[3] // 2)

    @property
    def kernel(self) -> int:
        """Slices that one slice of the result depends on."""
        return len(self.taps)

    def __call__(self, x: Slices, span: range, depth: int) -> Slices:
        """The convolution's slices `span`; beyond the level's first and last slice there are zeros."""
        middle = self.kernel // 2
        batch = len(x.values) // len(x.span)
        total = functional.conv2d(x.part(span), self.taps[middle], self.bias, padding=self.padding)
        for n, tap in enumerate(self.taps):
            shift = n - middle
            inside = range(max(span.start, -shift), min(span.stop, depth - shift))
            if shift == 0 or not inside:
                continue
            source = x.part(range(inside.start + shift, inside.stop + shift))
            start, stop = inside.start - span.start, inside.stop - span.start
            total[start * batch : stop * batch] += functional.conv2d(source, tap, padding=self.padding)
        return Slices(total, span)


def _folded(weight: Tensor, offset: Tensor, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that does what it and the batch norm after it do in eval mode."""
    assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    return weight * scale.view(-1, 1, 1, 1, 1), (offset - norm.running_mean) * scale + norm.bias.detach()


class SliceResidualBlock:
    """`smit_decoder.ResidualBlock` on some slices."""

    def __init__(self, block: ResidualBlock) -> None:
        self.conv1 = SliceConvolution(block.conv1, block.norm1)
        self.conv2 = SliceConvolution(block.conv2, block.norm2)
        self.shortcut = SliceConvolution(block.conv3, block.norm3) if block.projected else None

    def __call__(self, x: Slices, span: range, depth: int) -> Slices:
        """The block's slices `span` from those of `x` that they depend on."""
        between = self.conv1(x, grown(span, self.conv2.kernel, depth), depth)
        functional.leaky_relu(between.values, SLOPE, inplace=True)
        result = self.conv2(between, span, depth).values
        result += x.part(span) if self.shortcut is None else self.shortcut(x, span, depth).values
        return Slices(functional.leaky_relu(result, SLOPE, inplace=True), span)


class SliceUpsampling:
    """A transposed convolution whose kernel is its stride, on some slices: one matrix product for each."""

    def __init__(self, up: nn.ConvTranspose3d) -> None:
        weight = up.weight.detach()  # (coarse channels, fine channels, a, d, taps along k)
        self.stride = tuple(weight.shape[2:])
        # The taps of one fine slice: (fine channels · a · d, coarse channels, 1, 1).
        self.taps = [
            weight[..., n].permute(2, 3, 1, 0).flatten(0, 2)[..., None, None].contiguous()
            for n in range(weight.shape[-1])
        ]
        self.channels = weight.shape[1]

    def into(self, joined: Tensor, x: Slices, span: range) -> None:
        """Write the fine slices `span` to the first channels of `joined` (slices · b, c, i, j)."""
        a, d, e = self.stride
        batch = len(x.values) // len(x.span)
        for place, fine in enumerate(span):
            coarse = x.part(range(fine // e, fine // e + 1))
            blocks = functional.conv2d(coarse, self.taps[fine % e])
            i, j = blocks.shape[2:]
            blocks = blocks.view(batch, a, d, self.channels, i, j).permute(0, 3, 4, 1, 5, 2)
            target = joined[place * batch : (place + 1) * batch, : self.channels]
            target.view(batch, self.channels, i, a, j, d).copy_(blocks)


class SliceUpBlock:
    """`smit_decoder.UpBlock` on some slices."""

    def __init__(self, block: UpBlock) -> None:
        self.up = SliceUpsampling(block.up)
        self.block = SliceResidualBlock(block.block)

    def __call__(self, x: Slices, skip: Slices, span: range, depth: int) -> Slices:
        """The block's slices `span`; the skip holds all slices that they depend on."""
        n, c, i, j = skip.values.shape
        joined = skip.values.new_empty((n, i, j, self.up.channels + c)).permute(0, 3, 1, 2)
        self.up.into(joined, x, skip.span)
        joined[:, self.up.channels :] = skip.values
        return self.block(Slices(joined, skip.span), span, depth)


class SliceDecoder:
    """`smit_decoder.SmitDecoder` in eval mode, for one slice; needs batch norm."""

    def __init__(self, decoder: SmitDecoder, config: SmitConfig) -> None:
        self.config = config
        skip_blocks = [decoder.image_block, *decoder.skip_blocks]
        self.skip_blocks = [SliceResidualBlock(b) for b in skip_blocks]
        self.bottleneck_block = SliceResidualBlock(decoder.bottleneck_block)
        self.up_blocks = [SliceUpBlock(b) for b in decoder.up_blocks]  # type: ignore[arg-type]
        self.head = SliceConvolution(decoder.head, None)

    def __call__(self, needs: Needs, skips: list[Tensor], bottleneck: Tensor) -> Tensor:
        """Image and stages' features, each on its span of `needs`, and the bottleneck → (b, out, i, j)."""
        kernel = self.config.decoder_kernel[2]
        depths, outputs = needs.depths, needs.outputs
        spans = (needs.image, *needs.skips)
        x = self.bottleneck_block(Slices(bottleneck, needs.bottleneck), outputs[5], depths[5])
        for level in (4, 3, 2, 1, 0):
            skip = Slices(skips[level], spans[level])
            if level < 4:
                joined = grown(grown(outputs[level], kernel, depths[level]), kernel, depths[level])
                skip = self.skip_blocks[level](skip, joined, depths[level])
            x = self.up_blocks[4 - level](x, skip, outputs[level], depths[level])
        return self.head(x, outputs[0], depths[0]).values
