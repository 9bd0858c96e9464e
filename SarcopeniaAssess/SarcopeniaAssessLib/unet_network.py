"""The layers of the plain residual U-Net, named as in MONAI so that weights pass between the two.

Imported only where a network is built (see docs/adr/0003): torch stands at file scope here.
"""

from __future__ import annotations

import math

from torch import Tensor, cat, nn
from torch.nn import functional

from SarcopeniaAssessLib.unet import UnetConfig


class _Activation(nn.Sequential):
    """Instance norm and PReLU; only the latter has a weight."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.add_module("N", nn.InstanceNorm2d(channels))
        self.add_module("A", nn.PReLU())


def _convolution(inputs: int, outputs: int, stride: int, *, bare: bool = False) -> nn.Sequential:
    unit = nn.Sequential()
    unit.add_module("conv", nn.Conv2d(inputs, outputs, 3, stride, 1))
    if not bare:
        unit.add_module("adn", _Activation(outputs))
    return unit


def _upsampling(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    unit = nn.Sequential()
    unit.add_module("conv", nn.ConvTranspose2d(inputs, outputs, 3, stride, 1, stride - 1))
    unit.add_module("adn", _Activation(outputs))
    return unit


class _Residual(nn.Module):
    """Convolutions and a shortcut; the first carries the stride, the last may be bare (the logits)."""

    def __init__(self, inputs: int, outputs: int, stride: int, units: int, *, bare: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        for n in range(units):
            first = n == 0
            unit = _convolution(
                inputs if first else outputs, outputs, stride if first else 1, bare=bare and n == units - 1
            )
            self.conv.add_module(f"unit{n}", unit)
        self.residual: nn.Module = nn.Identity()
        if stride != 1:
            self.residual = nn.Conv2d(inputs, outputs, 3, stride, 1)
        elif inputs != outputs:
            self.residual = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, inputs, i, j) → (b, outputs, i/stride, j/stride)."""
        y: Tensor = self.conv(x) + self.residual(x)
        return y


class _Skip(nn.Module):
    """A deeper level beside its input."""

    def __init__(self, submodule: nn.Module) -> None:
        super().__init__()
        self.submodule = submodule

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the input and what the deeper level makes of it."""
        return cat((x, self.submodule(x)), 1)


def _level(config: UnetConfig, n: int, inputs: int, outputs: int) -> nn.Sequential:
    """Level n with all below it: inputs → outputs at the same size."""
    here, stride, units = config.channels[n], config.strides[n], config.num_res_units
    if n < len(config.channels) - 2:
        deeper: nn.Module = _level(config, n + 1, here, here)
        joined = 2 * here
    else:
        deeper = _Residual(here, config.channels[n + 1], 1, units)
        joined = here + config.channels[n + 1]
    up = nn.Sequential(_upsampling(joined, outputs, stride), _Residual(outputs, outputs, 1, 1, bare=n == 0))
    return nn.Sequential(_Residual(inputs, here, stride, units), _Skip(deeper), up)


class SliceUnet(nn.Module):
    """The middle slice's logits of a slab whose slices are channels."""

    def __init__(self, config: UnetConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = math.prod(config.strides)
        self.model = _level(config, 0, config.in_channels, config.out_channels)

    def forward(self, image: Tensor) -> Tensor:
        """(b, 1, i, j, slices) → logits of the middle slice, (b, classes, i, j, 1)."""
        return self.slice_logits(image, image.shape[-1] // 2)[..., None]

    def slice_logits(self, image: Tensor, k: int) -> Tensor:
        """Logits (b, classes, i, j) of slice `k`, which can only be the middle one.

        Sides that are no multiple of the total stride are padded with zeros and cut back.
        """
        slices = self.config.in_channels
        if image.dim() != 5 or image.shape[1] != 1 or image.shape[-1] != slices or k != slices // 2:
            raise ValueError(f"the U-Net draws slice {slices // 2} of (b, 1, i, j, {slices})")
        i, j = image.shape[2:4]
        x = functional.pad(image[:, 0].permute(0, 3, 1, 2), (0, -j % self.stride, 0, -i % self.stride))
        logits: Tensor = self.model(x)[:, :, :i, :j]
        return logits
