"""The SMIT network as one module: any image → logits, of the whole slab or of one slice.

Imported only where a network is built (see docs/adr/0003): torch stands at file scope here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.smit import SmitConfig
from SarcopeniaAssessLib.smit_decoder import SmitDecoder
from SarcopeniaAssessLib.smit_encoder import SmitEncoder
from SarcopeniaAssessLib.smit_slice import slice_inference


class Smit(nn.Module):
    """SMIT for segmentation: `encoder` and `decoder` of one `config`."""

    def __init__(self, config: SmitConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = SmitEncoder(config)
        self.decoder = SmitDecoder(config)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of every voxel.

        Parameters
        ----------
        image:
            (b, in_channels, i, j, k), intensities as the model was trained on. Sides need be no
            multiple of anything, except in the official window order.

        Returns
        -------
        Tensor
            (b, out_channels, i, j, k).

        Raises
        ------
        ModelError
            Another number of axes or channels; in the official order a shape it is not defined for.
        """
        i, j, k = self._checked_size(image)
        image = self._padded(image)
        skips, bottleneck = self.encoder(image)
        if self.config.decoder_is_slicewise:
            slices = self.decoder(_as_slices(image), [_as_slices(s) for s in skips], _as_slices(bottleneck))
            logits = slices.unflatten(0, (len(image), -1)).permute(0, 2, 3, 4, 1)
        else:
            logits = self.decoder(image, skips, bottleneck)
        return logits[:, :, :i, :j, :k]

    def slice_logits(self, image: Tensor, k: int) -> Tensor:
        """Logits of slice `k` alone: (b, out_channels, i, j), equal to `forward(image)[..., k]`.

        In eval mode without gradients only what the slice depends on is computed (`smit_slice`; batch norm
        only). In training a slice-wise decoder (thin slab) runs on that slice alone, whose batch norm then
        sees nothing else; other decoders run on the whole image.
        """
        i, j, slices = self._checked_size(image)
        if not 0 <= k < slices:
            raise IndexError(f"slice {k} of an image with {slices} slices")
        local = self.config.decoder_norm == "batch" and not self.training and not torch.is_grad_enabled()
        if local:
            return slice_inference(self, self.config)(self._padded(image), k)[:, :, :i, :j]
        if not self.config.decoder_is_slicewise:
            return self.forward(image)[..., k]
        image = self._padded(image)
        skips, bottleneck = self.encoder(image, k)
        one = image[..., k : k + 1]
        return self.decoder(_as_slices(one), [_as_slices(s) for s in skips], _as_slices(bottleneck))[
            :, :, :i, :j
        ]

    def _checked_size(self, image: Tensor) -> tuple[int, int, int]:
        channels = self.config.in_channels
        if image.dim() != 5 or image.shape[1] != channels or 0 in image.shape:
            raise ModelError(
                f"the network got an image of shape {tuple(image.shape)}", f"give (b, {channels}, i, j, k)"
            )
        i, j, k = image.shape[2:]
        if self.config.window_reverse == "official":
            side, stride = self.config.image_size, self.config.total_stride[0]
            if not i == j == k or i % stride or (side is not None and i != side):
                cube = f"{side}×{side}×{side}" if side else f"cubes with a side of a multiple of {stride}"
                raise ModelError(
                    f"the network got {i}×{j}×{k} voxels, but the official window order mixes up tokens in a "
                    f"way that its weights have learned at one size only",
                    f"give windows of {cube}, or a model in the exact order",
                )
        return i, j, k

    def _padded(self, image: Tensor) -> Tensor:
        """Zeros after the last voxel of each axis, up to a multiple of the total stride."""
        missing = [-n % s for n, s in zip(image.shape[2:], self.config.total_stride, strict=True)]
        if not any(missing):
            return image
        return functional.pad(image, [n for after in reversed(missing) for n in (0, after)])


def _as_slices(x: Tensor) -> Tensor:
    """(b, c, i, j, k) → (b·k, c, i, j), channels last in memory, as the tokens are."""
    return x.permute(0, 4, 2, 3, 1).flatten(0, 1).permute(0, 3, 1, 2)
