"""The SMIT network: its configuration, its named instances, and the way to build one.

SMIT is a 3-D Swin transformer encoder with a convolutional decoder (Jiang et al., *Self-supervised 3D
anatomy segmentation using self-distilled masked image transformer*, MICCAI 2022, arXiv 2205.10342).
It is written here from the published facts. This file knows no torch, so that a configuration can be
read and checked at once; `build_smit` imports the layers (`smit_network`, `smit_encoder`,
`smit_decoder`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self

from SarcopeniaAssessLib.errors import ModelError

if TYPE_CHECKING:
    from SarcopeniaAssessLib.smit_network import Smit

STAGES = 4
MOST = 4096  # of anything: a configuration read from a file must not exhaust the memory

Triple = tuple[int, int, int]

# Names of the published code and of MONAI's SwinUNETR → ours.
OFFICIAL_NAMES: Mapping[str, str] = {
    "img_size": "image_size",
    "in_chans": "in_channels",
    "num_classes": "out_channels",
    "feature_size": "embed_dim",
    "norm_name": "decoder_norm",
    "dropout_path_rate": "drop_path_rate",
}
# What the published code can be asked for and this network has in one way only.
OFFICIAL_FIXED: Mapping[str, object] = {
    "ape": False,
    "spe": False,
    "patch_norm": True,
    "qk_scale": None,
    "pat_merg_rf": 4,
    "out_indices": (0, 1, 2, 3),
    "spatial_dims": 3,
    "res_block": True,
}
# What the published code does not use, or in training alone, where this one has no such part.
OFFICIAL_IDLE = frozenset(
    {
        *("drop_rate", "attn_drop_rate", "use_checkpoint", "if_transskip", "if_convskip", "reg_head_chan"),
        *("pretrain_img_size", "frozen_stages", "mlp_dim", "pos_embed", "conv_block"),
    }
)


@dataclass(frozen=True)
class SmitConfig:
    """Everything that decides the shape of a SMIT network; the defaults are the published network.

    Axes are (i, j, k); k runs along the body. A *thin slab* network has 1 as the k entry of
    `patch_size`, `merging` and `decoder_kernel`: slices then mix by attention alone.

    Attributes
    ----------
    in_channels, out_channels:
        Channels of the image and classes of the logits.
    embed_dim:
        Channels of the first stage (E); stage n has E·2ⁿ, the bottleneck 16 E.
    depths, num_heads:
        Blocks and attention heads of the four stages; heads divide the stage's channels.
    window_size:
        Tokens of one attention window; every odd block shifts it by half.
    patch_size, merging:
        Voxels of one token, and the stride of the merging after each stage (1 or 2 an axis).
    mlp_ratio, qkv_bias, drop_path_rate:
        Width of the MLP over the stage's channels; bias of query, key and value; stochastic depth of
        the last block (it rises linearly from 0), active in training only.
    window_reverse:
        "exact" undoes the window partition. "official" scrambles the tokens as the published code does:
        needed for the published weights, defined for cubes of `image_size` only.
    window_padding:
        What stands where a window reaches beyond the tokens. "masked": nothing, no token attends to it,
        and a window longer than an axis is clamped to it and not shifted. "zeros": zero tokens that
        take part, as published.
    image_size:
        Side of the cube that the official order was trained on; None elsewhere, and where any cube goes.
    decoder_kernel, decoder_norm:
        Kernel of the decoder's convolutions, and "batch" (local in eval mode) or "instance".
    decoder_channels:
        Channels at full resolution and at the resolution of the four stages; None as published:
        (E, E, 2E, 4E, 8E).

    Raises
    ------
    ModelError
        A field outside what the network can have.
    """

    in_channels: int = 1
    out_channels: int = 2
    embed_dim: int = 48
    depths: tuple[int, int, int, int] = (2, 2, 4, 2)
    num_heads: tuple[int, int, int, int] = (4, 4, 4, 4)
    window_size: Triple = (4, 4, 4)
    patch_size: Triple = (2, 2, 2)
    merging: Triple = (2, 2, 2)
    mlp_ratio: float = 4.0
    qkv_bias: bool = False
    drop_path_rate: float = 0.3
    window_reverse: Literal["exact", "official"] = "exact"
    window_padding: Literal["masked", "zeros"] = "masked"
    image_size: int | None = None
    decoder_kernel: Triple = (3, 3, 3)
    decoder_norm: Literal["batch", "instance"] = "batch"
    decoder_channels: tuple[int, int, int, int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels", "embed_dim"):
            self._require(name, _whole(getattr(self, name)), "a whole number above 0")
        for name, length in (("depths", 4), ("num_heads", 4), ("window_size", 3), ("patch_size", 3)):
            good = _whole_numbers(getattr(self, name), length)
            self._require(name, good, f"{length} whole numbers above 0")
        for name, allowed in (("merging", (1, 2)), ("decoder_kernel", (1, 3, 5))):
            value = getattr(self, name)
            good = _whole_numbers(value, 3) and all(n in allowed for n in value)
            self._require(name, good, f"3 numbers out of {allowed}")
        self._require("window_size", math.prod(self.window_size) <= MOST, f"at most {MOST} tokens")
        heads_fit = all(c % h == 0 for c, h in zip(self.stage_channels, self.num_heads, strict=True))
        self._require("num_heads", heads_fit, f"divisors of the channels {self.stage_channels}")
        self._require(
            "mlp_ratio", _number(self.mlp_ratio) and 0 < self.mlp_ratio <= 16, "above 0, at most 16"
        )
        drop_fits = _number(self.drop_path_rate) and 0 <= self.drop_path_rate < 1
        self._require("drop_path_rate", drop_fits, "0 or more, below 1")
        self._require("qkv_bias", isinstance(self.qkv_bias, bool), "true or false")
        self._require("window_reverse", self.window_reverse in ("exact", "official"), "exact or official")
        self._require("window_padding", self.window_padding in ("masked", "zeros"), "masked or zeros")
        self._require("decoder_norm", self.decoder_norm in ("batch", "instance"), "batch or instance")
        channels = self.decoder_channels
        self._require("decoder_channels", channels is None or _whole_numbers(channels, 5), "5 whole numbers")
        self._require("image_size", self.image_size is None or _whole(self.image_size), "a whole number")
        if self.window_reverse == "official":
            self._check_official_order()

    def _check_official_order(self) -> None:
        stride = self.total_stride
        self._require("window_padding", self.window_padding == "zeros", "zeros in the official order")
        self._require("merging", len(set(stride)) == 1, "equal strides on all axes in the official order")
        narrow = min(self.window_size) == 1 < max(self.window_size)
        self._require("window_size", not narrow, "2 or more on every axis in the official order")
        fits = self.image_size is None or self.image_size % stride[0] == 0
        self._require("image_size", fits, f"a multiple of {stride[0]}")

    def _require(self, name: str, good: bool, expected: str) -> None:
        if not good:
            raise ModelError(f"SMIT configuration: {name} is {getattr(self, name)}", f"give {expected}")

    @property
    def stage_channels(self) -> tuple[int, int, int, int]:
        """Channels of the four stages: E, 2E, 4E, 8E."""
        e = self.embed_dim
        return e, 2 * e, 4 * e, 8 * e

    @property
    def total_stride(self) -> Triple:
        """Voxels along each axis that one bottleneck token stands for."""
        a, b, c = (p * m**STAGES for p, m in zip(self.patch_size, self.merging, strict=True))
        return a, b, c

    @property
    def decoder_is_slicewise(self) -> bool:
        """Whether the decoder's logits of a slice depend on that slice's features alone (eval mode)."""
        return self.total_stride[2] == 1 and self.decoder_kernel[2] == 1 and self.decoder_norm == "batch"

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Read a configuration from JSON fields; lists become tuples, one number stands for three.

        Raises
        ------
        ModelError
            A field that no SMIT has, or a value it cannot take.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ModelError(
                f"SMIT configuration: no field {', '.join(unknown)}", f"known are {', '.join(sorted(known))}"
            )
        return cls(**{name: _from_json(name, value) for name, value in values.items()})

    @classmethod
    def from_official(cls, values: Mapping[str, Any]) -> Self:
        """Read the fields of an official configuration, under the names of the published code or of MONAI.

        The window order and padding are the official ones unless the mapping says otherwise. A field that
        could change the logits is taken or refused; those that cannot (`OFFICIAL_IDLE`) are passed over.

        Raises
        ------
        ModelError
            A field that is not known, contradicts another, or asks for a part that this network lacks.
        """
        given = _without_official_names(values)
        size = given.pop("image_size", None)
        sides = set(size) if isinstance(size, tuple) else {size}
        if given["window_reverse"] == "official":
            if len(sides) != 1:
                raise ModelError(
                    f"SMIT configuration: img_size is {size}, but the official window order needs a cube",
                    "give the side of the cube that the weights were trained on",
                )
            given["image_size"] = sides.pop()
        hidden = given.pop("hidden_size", None)
        config = cls.from_mapping(given)
        if hidden not in (None, 16 * config.embed_dim):
            raise ModelError(
                f"SMIT configuration: hidden_size is {hidden}",
                f"give 16 × embed_dim, {16 * config.embed_dim}",
            )
        return config

    def to_mapping(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them; `from_mapping` reads them back."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def _whole_numbers(value: object, length: int) -> bool:
    return isinstance(value, tuple) and len(value) == length and all(_whole(n) for n in value)


def _from_json(name: str, value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        value = value.tolist()
    if name in ("window_size", "patch_size", "merging", "decoder_kernel") and _whole(value):
        return (value, value, value)
    if isinstance(value, list):
        return tuple(value)
    return value


def _without_official_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields under our names, the official order as their default; what is fixed is checked, not kept."""
    given: dict[str, Any] = {}
    for official, raw in values.items():
        name, value = OFFICIAL_NAMES.get(official, official), _from_json(official, raw)
        if name in given and given[name] != value:
            raise ModelError(
                f"SMIT configuration: {official} is {value}, but {name} is {given[name]}", "give one of them"
            )
        if name in OFFICIAL_FIXED and value != OFFICIAL_FIXED[name]:
            raise ModelError(
                f"SMIT configuration: {official} is {value}, which this network is not built for",
                f"its weights cannot be used here; {OFFICIAL_FIXED[name]} is supported",
            )
        if name not in OFFICIAL_FIXED and name not in OFFICIAL_IDLE:
            given[name] = value
    return {"window_reverse": "official", "window_padding": "zeros", **given}


CONFIGURATIONS: Mapping[str, SmitConfig] = {
    # As published, 62.90 M parameters; in the exact window order, since it is trained here.
    "smit-base": SmitConfig(window_padding="zeros"),
    # Three slices; everything is thin along the body, so the decoder runs on the L3 slice alone.
    "smit-slab": SmitConfig(
        embed_dim=24,
        depths=(2, 2, 2, 2),
        num_heads=(2, 4, 4, 8),
        window_size=(4, 4, 3),
        patch_size=(2, 2, 1),
        merging=(2, 2, 1),
        decoder_kernel=(3, 3, 1),
        drop_path_rate=0.1,
    ),
}


def build_smit(config: SmitConfig) -> Smit:
    """Build the network with fresh weights, on torch's current default device, in training mode."""
    from SarcopeniaAssessLib.smit_network import Smit

    return Smit(config)
