"""The network that sees the skeleton on a coarse grid: its classes, configuration, and the way to build one.

This file knows no torch (see docs/adr/0003).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.unet import config_fields

if TYPE_CHECKING:
    from SarcopeniaAssessLib.spine_network import SpineUnet

SPINE_KIND = "spine-unet"
"""`kind` of the architecture in a model's entry: it finds L3 and draws no muscle."""


class SpineClass(IntEnum):
    """What a voxel of the coarse grid belongs to; the order of the network's classes."""

    OTHER = 0
    BODY = 1
    DISC = 2
    ARCH = 3
    SACRUM = 4
    ILIUM = 5
    RIB_ROOT = 6
    RIB = 7


@dataclass(frozen=True)
class SpineUnetConfig:
    """Shape of the network.

    Attributes
    ----------
    channels:
        Of each level, the finest first; each level halves the sides of the one before.
    classes:
        Of the logits.

    Raises
    ------
    ModelError
        A field that no such network can have.
    """

    channels: tuple[int, ...]
    classes: int = len(SpineClass)

    def __post_init__(self) -> None:
        whole = (self.classes, *self.channels)
        if not (all(isinstance(n, int) and 1 <= n <= 4096 for n in whole) and 2 <= len(self.channels) <= 6):
            raise ModelError(
                f"no spine U-Net has the configuration {asdict(self)}", "give whole numbers and 2 to 6 levels"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> SpineUnetConfig:
        """Read a configuration from JSON fields.

        Raises
        ------
        ModelError
            A field that no such network has, or one that is missing.
        """
        return cls(**config_fields(cls, values, "spine U-Net"))


def build_spine_unet(config: SpineUnetConfig) -> SpineUnet:
    """Build the network with fresh weights, on torch's current default device, in training mode."""
    from SarcopeniaAssessLib.spine_network import SpineUnet

    return SpineUnet(config)
