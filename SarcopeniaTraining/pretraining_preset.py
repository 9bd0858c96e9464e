"""Every hyper-parameter of a pre-training, by name.

Published values: Jiang et al., MICCAI 2022 (arXiv 2205.10342), preset `paper`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.preprocessing import SlabPreset
from SarcopeniaAssessLib.smit import SmitConfig, Triple
from SarcopeniaTraining.masking import BlockMasking
from SarcopeniaTraining.presets import check_fields, number, read_preset, require, whole

_SMALL = "pretrain/small.json"
_TUPLES = ("region", "crop", "block", "teacher_temperature")


@dataclass(frozen=True)
class HeadSize:
    """A projection head: an MLP of three layers, and a weight-normalised layer onto the outputs."""

    hidden: int
    bottleneck: int
    outputs: int


@dataclass(frozen=True)
class LossWeights:
    """What each loss counts."""

    image_prediction: float
    patch_distillation: float
    image_distillation: float


@dataclass(frozen=True)
class PretrainPreset:
    """One pre-training of a SMIT encoder.

    Attributes
    ----------
    network:
        `kind` "smit" and the fields of `SmitConfig`; those of the decoder are free.
    in_plane_mm, slice_mm, hu_low, hu_high:
        What the encoder sees, as in `SlabPreset`.
    region, crop, block:
        Voxels (i, j, k): two random crops of one region are the two views; masks consist of blocks.
    mask_share:
        Of the blocks of a view.
    regions_per_case, batch:
        Regions that an epoch takes of each CT, and regions of a step.
    epochs, warmup_epochs, learning_rate_per_sample, weight_decay, gradient_norm:
        AdamW: linear warm-up to learning_rate_per_sample × batch, cosine to zero; gradients are clipped.
    head, loss_weights:
        Of both kinds of tokens, which have a head of their own.
    student_temperature, teacher_temperature:
        The teacher's rises from the first to the second value.
    temperature_rise_epochs, patch_rise_starts_epoch:
        Over so many epochs; for patch tokens it starts later.
    teacher_momentum:
        Of the moving average at the first step; a cosine takes it to 1 over all steps.
    centre_momentum:
        Of the running mean that is taken from the teacher's outputs.
    frozen_last_layer_epochs:
        The heads' last layers learn nothing so long.
    collapse_grace_epochs, collapse_patience_epochs:
        After so many epochs, so many in a row whose teacher's outputs ignore the input end the training.
    picture_every:
        Epochs between pictures of reconstructions.
    precision:
        "half" (bfloat16 in the forward pass, where the device has it) or "single".

    Raises
    ------
    ModelError
        A field that is missing, unknown, or cannot be.
    """

    name: str
    command: str
    cost: str
    expected: str
    network: dict[str, Any]
    in_plane_mm: float
    slice_mm: float
    hu_low: float
    hu_high: float
    region: Triple
    crop: Triple
    block: Triple
    mask_share: float
    regions_per_case: int
    batch: int
    epochs: int
    warmup_epochs: float
    learning_rate_per_sample: float
    weight_decay: float
    gradient_norm: float
    head: HeadSize
    loss_weights: LossWeights
    student_temperature: float
    teacher_temperature: tuple[float, float]
    temperature_rise_epochs: int
    patch_rise_starts_epoch: int
    teacher_momentum: float
    centre_momentum: float
    frozen_last_layer_epochs: int
    collapse_grace_epochs: int
    collapse_patience_epochs: int
    picture_every: int
    precision: Literal["half", "single"]
    seed: int

    def __post_init__(self) -> None:
        counts = (self.regions_per_case, self.epochs, self.picture_every, self.collapse_patience_epochs)
        rises = (self.temperature_rise_epochs, self.patch_rise_starts_epoch)
        low, high = self.teacher_temperature
        checks = {
            "network": isinstance(self.network, dict),
            "seed": whole(self.seed, 0),
            "weight_decay": number(self.weight_decay) and self.weight_decay >= 0,
            "regions_per_case, epochs, picture_every": all(whole(n, 1) for n in counts),
            "batch": whole(self.batch, 2),  # of one sample, dependence on the input cannot be told
            "region": all(r >= c for r, c in zip(self.region, self.crop, strict=True)),
            "warmup_epochs": 0 <= self.warmup_epochs <= self.epochs,
            "temperature_rise_epochs": all(whole(n, 0) for n in rises),
            "teacher_temperature": 0 < low <= high and self.student_temperature > 0,
            "teacher_momentum": 0 <= self.teacher_momentum <= 1 and 0 <= self.centre_momentum < 1,
            "precision": self.precision in ("half", "single"),
            "head": all(whole(n, 2) for n in asdict(self.head).values()),
            "learning_rate_per_sample": self.learning_rate_per_sample > 0 and self.gradient_norm > 0,
        }
        require(self.name, "pretrain/small.json", checks)
        self._check_official_order()
        assert self.masking  # refuses blocks and crops that do not fit the network

    def _check_official_order(self) -> None:
        config = self.config
        cube = {*self.crop} == {config.image_size or self.crop[0]}
        if config.window_reverse == "official" and not cube:
            raise ModelError(
                f"preset {self.name}: the official window order needs cubes, crop is {self.crop}",
                'take "window_reverse": "exact", or a cube of image_size',
            )

    @cached_property
    def config(self) -> SmitConfig:
        """The network's."""
        return SmitConfig.from_mapping({k: v for k, v in self.network.items() if k != "kind"})

    @cached_property
    def masking(self) -> BlockMasking:
        """Masks of one view."""
        return BlockMasking.of(self.config, crop=self.crop, block=self.block, share=self.mask_share)

    @property
    def highest_learning_rate(self) -> float:
        """At the end of the warm-up: a rate for each sample of a step."""
        return self.learning_rate_per_sample * self.batch

    @property
    def half(self) -> bool:
        """Whether the forward pass runs in half precision where the device has it."""
        return self.precision == "half"

    def slab(self, slices: int) -> SlabPreset:
        """What the library's preprocessing is asked for."""
        return SlabPreset(self.in_plane_mm, self.slice_mm, slices, self.hu_low, self.hu_high)

    def to_mapping(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        mapping: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return mapping


def pretrain_preset_from(values: dict[str, Any]) -> PretrainPreset:
    """A preset from its JSON fields.

    Raises
    ------
    ModelError
        A field that is missing, unknown, or cannot be.
    """
    check_fields(PretrainPreset, values, "the preset", _SMALL)
    for name, kind in (("head", HeadSize), ("loss_weights", LossWeights)):
        check_fields(kind, values[name], f"the preset's {name}", _SMALL)
    try:
        made: dict[str, Any] = {key: tuple(v) if key in _TUPLES else v for key, v in values.items()}
        made["head"] = HeadSize(**values["head"])
        made["loss_weights"] = LossWeights(**values["loss_weights"])
        return PretrainPreset(**made)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the preset is not understood ({error})", f"compare its fields with presets/{_SMALL}"
        ) from None


def load_pretrain_preset(name: str) -> PretrainPreset:
    """A shipped preset of `pretrain` by name, or one from a JSON file of the same fields."""
    return pretrain_preset_from(read_preset("pretrain", name))
