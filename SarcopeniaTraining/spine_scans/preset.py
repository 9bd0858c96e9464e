"""The hyper-parameters of the spine finder's training, by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from SarcopeniaAssessLib.spine_unet import SPINE_KIND, SpineUnetConfig
from SarcopeniaTraining.presets import check_fields, number, read_preset, require, whole

_EXAMPLE = "spine/l3-finder.json"


@dataclass(frozen=True)
class SpinePreset:
    """One training of the network that finds the spine.

    Attributes
    ----------
    name, command, cost, expected:
        What the preset says of itself.
    channels:
        Of each level of the network.
    train_seeds, validation_seeds:
        First seed and number of phantoms.
    crop:
        Voxels (i, j, k) of a training crop.
    epochs, warmup_epochs, samples_per_epoch, batch, learning_rate, weight_decay:
        AdamW, linear warm-up, cosine to zero.
    average_decay:
        Decay of the moving average of the weights, which is what is kept.
    start_from:
        A .safetensors file of a first stage whose weights to start with.

    Raises
    ------
    ModelError
        A field that cannot be.
    """

    name: str
    command: str
    cost: str
    expected: str
    channels: tuple[int, ...]
    train_seeds: tuple[int, int]
    validation_seeds: tuple[int, int]
    crop: tuple[int, int, int]
    epochs: int
    warmup_epochs: float
    samples_per_epoch: int
    batch: int
    learning_rate: float
    weight_decay: float
    average_decay: float
    seed: int
    start_from: str | None = None

    def __post_init__(self) -> None:
        SpineUnetConfig.from_mapping({"channels": self.channels})  # refuses what no network has
        stride = 2 ** (len(self.channels) - 1)
        seeds = (self.train_seeds, self.validation_seeds)
        checks = {
            "crop": _wholes(self.crop, 3) and all(n >= 1 and n % stride == 0 for n in self.crop),
            "train_seeds, validation_seeds": all(_wholes(each, 2) and each[1] >= 1 for each in seeds),
            "epochs, samples_per_epoch, batch": all(
                whole(n, 1) for n in (self.epochs, self.samples_per_epoch, self.batch)
            ),
            "warmup_epochs": number(self.warmup_epochs) and 0 <= self.warmup_epochs <= self.epochs,
            "learning_rate": number(self.learning_rate) and self.learning_rate > 0,
            "weight_decay": number(self.weight_decay) and self.weight_decay >= 0,
            "average_decay": number(self.average_decay) and 0 <= self.average_decay < 1,
            "seed": whole(self.seed, 0),
        }
        require(self.name, _EXAMPLE, checks)

    @property
    def highest_learning_rate(self) -> float:
        """At the end of the warm-up."""
        return self.learning_rate

    @property
    def architecture(self) -> dict[str, Any]:
        """The network's kind and configuration, as a model's entry has it."""
        return {"kind": SPINE_KIND, "channels": list(self.channels)}

    def to_mapping(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}


def _wholes(values: object, count: int) -> bool:
    """Whether a field is a list of so many whole numbers from 0."""
    return isinstance(values, tuple) and len(values) == count and all(whole(n, 0) for n in values)


def load_spine_preset(name: str = "l3-finder") -> SpinePreset:
    """A shipped preset by name, or one from a JSON file of the same fields.

    Raises
    ------
    ModelError
        There is none of that name, or its fields are not those of a preset.
    """
    values = read_preset("spine", name)
    check_fields(SpinePreset, values, "the preset", _EXAMPLE)
    made: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return SpinePreset(**made)
