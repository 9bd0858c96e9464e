"""The layers of the spine's 3-D U-Net: small, with sums where others concatenate.

Batch norm, not instance norm: what a voxel is must not depend on how much of the body the scan shows.
Imported only where a network is built (see docs/adr/0003): torch stands at file scope here.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from SarcopeniaAssessLib.spine_unet import SpineUnetConfig


class _Convolution(nn.Sequential):
    """3×3×3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.add_module("conv", nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False))
        self.add_module("norm", nn.BatchNorm3d(outputs, momentum=0.05))
        self.add_module("act", nn.ReLU(inplace=True))


class SpineUnet(nn.Module):
    """Logits of every voxel of a coarse grid."""

    def __init__(self, config: SpineUnetConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = 2 ** (len(config.channels) - 1)
        self.stem = _Convolution(1, config.channels[0])
        self.down, self.lift, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for fine, coarse in pairwise(config.channels):
            self.down.append(nn.Sequential(_Convolution(fine, coarse, 2), _Convolution(coarse, coarse)))
            self.lift.append(nn.Conv3d(coarse, fine, 1))
            self.up.append(_Convolution(fine, fine))
        self.classes = nn.Conv3d(config.channels[0], config.classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(b, 1, i, j, k), sides multiples of `stride` → (b, classes, i, j, k)."""
        levels = [self.stem(image)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for lift, up in zip(reversed(self.lift), reversed(self.up), strict=True):
            x = functional.interpolate(lift(x), scale_factor=2.0, mode="trilinear", align_corners=False)
            x = up(levels.pop() + x)
        logits: Tensor = self.classes(x)
        return logits
