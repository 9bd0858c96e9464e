"""The networks that can be fine-tuned, and the loss that each of them learns by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from SarcopeniaAssessLib.models import SegmentationModel


def slice_network(network: Mapping[str, Any]) -> torch.nn.Module:
    """A fresh network with `slice_logits(x, k)`: x (b, 1, i, j, s) → (b, classes, i, j) of slice k.

    `kind` "smit" is the library's SMIT; "unet" is MONAI's plain U-Net with the slices as channels, the
    baseline that SMIT is measured against.
    """
    fields = {key: value for key, value in network.items() if key != "kind"}
    if network["kind"] == "smit":
        from SarcopeniaAssessLib.smit import SmitConfig, build_smit

        return build_smit(SmitConfig.from_mapping(fields))
    if network["kind"] == "unet":
        return _slices_as_channels(fields)
    raise ModelError(f"there is no network of kind {network['kind']}", "choose smit or unet")


def _slices_as_channels(fields: Mapping[str, Any]) -> torch.nn.Module:
    import torch
    from monai.networks.nets import UNet

    class SliceUnet(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unet = UNet(spatial_dims=2, out_channels=2, **fields)
            self.stride = math.prod(fields["strides"])

        def slice_logits(self, x: torch.Tensor, k: int) -> torch.Tensor:
            if k != x.shape[-1] // 2:
                raise ValueError("the U-Net sees one slab and draws its middle slice")
            image = x[:, 0].permute(0, 3, 1, 2)
            i, j = image.shape[2:]
            padded = torch.nn.functional.pad(image, (0, -j % self.stride, 0, -i % self.stride))
            logits: torch.Tensor = self.unet(padded)[:, :, :i, :j]
            return logits

    return SliceUnet()


def learner(network: torch.nn.Module, *, thin: bool) -> torch.nn.Module:
    """A module whose `forward(image, label)` is the network's loss: what is trained, alone or by a team.

    A thin network learns the middle slice, label (b, 1, i, j); another one every annotated voxel of a
    crop, label (b, 1, i, j, k).
    """
    import torch

    from SarcopeniaTraining.losses import masked_dice_ce

    class Learner(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network: Any = network

        def forward(self, image: torch.Tensor, label: torch.Tensor, half: bool) -> torch.Tensor:
            with torch.autocast(image.device.type, torch.bfloat16, enabled=half):
                if thin:
                    logits = self.network.slice_logits(image, image.shape[-1] // 2)
                else:
                    logits = self.network(image)
            return masked_dice_ce(logits.float(), label)

    return Learner()


def exportable(network: Mapping[str, Any], trained: Any) -> torch.nn.Module:
    """A copy of a trained network, on the CPU in eval mode, as the library's own class."""
    from copy import deepcopy

    if network["kind"] == "unet":
        return library_unet(network, trained)
    copy: torch.nn.Module = deepcopy(trained).cpu().eval()
    return copy


def library_unet(network: Mapping[str, Any], trained: Any) -> torch.nn.Module:
    """The library's own U-Net, which needs no MONAI, with the weights of a trained one."""
    from SarcopeniaAssessLib.unet import UnetConfig, build_unet

    own = build_unet(UnetConfig.from_mapping({k: v for k, v in network.items() if k != "kind"}))
    own.load_state_dict(trained.unet.state_dict())
    return own.eval()


def take_weights(network: torch.nn.Module, model: SegmentationModel) -> None:
    """Fill a fresh network with the weights of a model of the same configuration.

    Raises
    ------
    ModelError
        The model is another network.
    """
    own: Any = getattr(network, "unet", network)
    try:
        own.load_state_dict(model.network.state_dict())
    except RuntimeError:
        raise ModelError(
            f"model {model.entry.name} is another network than the preset's",
            "start from a model of the same configuration",
        ) from None
