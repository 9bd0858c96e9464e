"""The plain residual U-Net that SMIT is measured against: its configuration, and the way to build one.

The slab's slices are its input channels; it draws the middle slice. Keys and results equal those of
MONAI's `UNet` in two dimensions with residual units, which trains it, so that running it needs torch
alone. This file knows no torch (see docs/adr/0003).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import ModelError

if TYPE_CHECKING:
    from SarcopeniaAssessLib.unet_network import SliceUnet


@dataclass(frozen=True)
class UnetConfig:
    """Shape of a U-Net.

    Attributes
    ----------
    in_channels:
        Slices of the slab, an odd number.
    channels, strides:
        Channels of each level, and the stride between one level and the next.
    num_res_units:
        Convolutions of a residual unit.
    out_channels:
        Classes of the logits.

    Raises
    ------
    ModelError
        A field that no such U-Net can have.
    """

    in_channels: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    num_res_units: int = 2
    out_channels: int = 2

    def __post_init__(self) -> None:
        whole = (self.in_channels, self.num_res_units, self.out_channels, *self.channels, *self.strides)
        good = (
            all(isinstance(n, int) and 1 <= n <= 4096 for n in whole)
            and len(self.channels) >= 2
            and len(self.strides) == len(self.channels) - 1
            and self.in_channels % 2 == 1
        )
        if not good:
            raise ModelError(
                f"no U-Net has the configuration {asdict(self)}",
                "give whole numbers, an odd number of slices, and one stride less than channels",
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> UnetConfig:
        """Read a configuration from JSON fields.

        Raises
        ------
        ModelError
            A field that no U-Net has, or one that is missing.
        """
        return cls(**config_fields(cls, values, "U-Net"))


def config_fields(config: type, values: Mapping[str, Any], network: str) -> dict[str, Any]:
    """JSON fields as arguments of a configuration; lists become tuples.

    Parameters
    ----------
    config:
        A dataclass of numbers and tuples of them.
    network:
        What a message calls it.

    Raises
    ------
    ModelError
        A field that it has not, one that is missing, or a number where a list belongs.
    """
    is_list = {f.name: str(f.type).startswith("tuple") for f in fields(config)}
    needed = {f.name for f in fields(config) if f.default is MISSING}
    fit = needed <= set(values) <= set(is_list)
    if not (fit and all(isinstance(v, list | tuple) == is_list[name] for name, v in values.items())):
        given = ", ".join(f"{name}={value!r}" for name, value in sorted(values.items()))
        lists = ", ".join(name for name in is_list if is_list[name])
        raise ModelError(
            f"{network} configuration: the fields are {given or 'none'}",
            f"give {', '.join(is_list)}; lists as {lists}",
        )
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def build_unet(config: UnetConfig) -> SliceUnet:
    """Build the network with fresh weights, on torch's current default device, in training mode."""
    from SarcopeniaAssessLib.unet_network import SliceUnet

    return SliceUnet(config)
