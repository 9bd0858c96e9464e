"""Every hyper-parameter, by name.

A preset is a JSON file of one verb's folder that states its command, its cost and the score it reaches.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from SarcopeniaAssessLib import strict_json
from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.preprocessing import SlabPreset

Kind = Literal["classify", "finetune", "pretrain", "reproduce", "spine"]
_SMALL = "finetune/small.json"
WORDS = ("command", "cost", "expected")
"""What a preset says of itself; it changes no weight."""


@dataclass(frozen=True)
class DrawnPhantoms:
    """Phantom slabs to train on where there is no cohort.

    Attributes
    ----------
    train_seeds, validation_seeds:
        First seed and number of persons.
    slab_shape:
        Pixels (i, j) of a stored slab, a margin larger than the preset's patch.
    samples_per_epoch:
        An epoch is so many samples, whatever the number of slabs.
    """

    train_seeds: tuple[int, int]
    validation_seeds: tuple[int, int]
    slab_shape: tuple[int, int]
    samples_per_epoch: int


@dataclass(frozen=True)
class FinetunePreset:
    """One training of a segmentation network.

    Attributes
    ----------
    network:
        `kind` ("smit" or "unet") and the fields of its configuration.
    slab:
        What the network sees, as in assessment.
    patch:
        Pixels of a training crop: (i, j) for a *thin* network, which learns the middle slice of a slab;
        (i, j, k) for one that learns every annotated voxel of a crop.
    epochs, warmup_epochs, learning_rate, weight_decay:
        AdamW, linear warm-up, cosine to zero.
    checkpoint_every:
        Epochs between the checkpoints that are kept and scored; the last epoch's is kept as well.
    crops_per_case, batch:
        Samples that an epoch takes of each case, and samples of a step.
    augmentation:
        "slab" or "paper": a function of `augmentation`.
    average_decay:
        Decay of the moving average of the weights, which is what is validated and kept; 0: the weights.
    precision:
        "half" (bfloat16 in the forward pass, where the device has it) or "single".
    drawn:
        Phantoms that the word `phantom` trains on; None: the preset needs a cohort.
    start_from:
        Name or .safetensors file of a model of the same network whose weights to start with.

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
    slab: SlabPreset
    patch: tuple[int, ...]
    epochs: int
    warmup_epochs: float
    checkpoint_every: int
    crops_per_case: int
    batch: int
    learning_rate: float
    weight_decay: float
    average_decay: float
    precision: Literal["half", "single"]
    augmentation: Literal["slab", "paper"]
    seed: int
    drawn: DrawnPhantoms | None = None
    start_from: str | None = None

    def __post_init__(self) -> None:
        counts = (self.epochs, self.checkpoint_every, self.crops_per_case, self.batch)
        require(
            self.name,
            "finetune/small.json",
            {
                "network": isinstance(self.network, dict) and self.network.get("kind") in ("smit", "unet"),
                "patch": len(self.patch) in (2, 3) and all(whole(n, 1) for n in self.patch),
                "epochs, checkpoint_every, crops_per_case, batch": all(whole(n, 1) for n in counts),
                "warmup_epochs": number(self.warmup_epochs) and 0 <= self.warmup_epochs <= self.epochs,
                "learning_rate": number(self.learning_rate) and self.learning_rate > 0,
                "weight_decay": number(self.weight_decay) and self.weight_decay >= 0,
                "average_decay": number(self.average_decay) and 0 <= self.average_decay < 1,
                "precision": self.precision in ("half", "single"),
                "augmentation": self.augmentation == ("slab" if self.thin else "paper"),
                "seed": whole(self.seed, 0),
            },
        )

    @property
    def thin(self) -> bool:
        """Whether the network learns the middle slice of a slab alone."""
        return len(self.patch) == 2

    @property
    def highest_learning_rate(self) -> float:
        """At the end of the warm-up."""
        return self.learning_rate

    def keeps(self, epoch: int) -> bool:
        """Whether the checkpoint at the end of this epoch, from 1, is kept and scored."""
        return epoch % self.checkpoint_every == 0 or epoch == self.epochs

    @property
    def half(self) -> bool:
        """Whether the forward pass runs in half precision where the device has it."""
        return self.precision == "half"

    def to_mapping(self) -> dict[str, Any]:
        """The fields as JSON holds them; `preset_from` reads them back."""
        mapping: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return mapping


def require(name: str, compare: str, checks: Mapping[str, bool]) -> None:
    """Refuse a preset whose fields, by name, are not all what they can be; `compare`: as of `check_fields`.

    Raises
    ------
    ModelError
        Names the first of them.
    """
    for field, good in checks.items():
        if not good:
            raise ModelError(
                f"preset {name} cannot be trained ({field})",
                f"compare its fields with presets/{compare}",
            )


def number(value: object) -> bool:
    """Whether a field is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def whole(value: object, least: int) -> bool:
    """Whether a field is a whole number of at least that."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def preset_difference(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """`preset (a, b)` for fields that two presets have otherwise; none if they train the same."""
    keys = sorted({*mine, *theirs} - {*WORDS})
    other = [key for key in keys if mine.get(key) != theirs.get(key)]
    return [f"preset ({', '.join(other)})"] if other else []


def preset_names(kind: Kind = "finetune") -> list[str]:
    """Names of the presets of one verb that are shipped."""
    return sorted(path.stem for path in (Path(__file__).parent / kind).glob("*.json"))


def read_preset(kind: Kind, name: str) -> dict[str, Any]:
    """The fields of a shipped preset by name, or of a JSON file; each verb makes its own preset of them.

    Raises
    ------
    ModelError
        There is no such preset, or the file is no JSON object.
    """
    shipped = Path(__file__).parent / kind / f"{name}.json"
    path = Path(name) if name.endswith(".json") else shipped
    if not path.is_file():
        raise ModelError(f"there is no preset {path.stem}", f"choose one of {', '.join(preset_names(kind))}")
    try:
        values = strict_json.read(path)
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise ModelError(f"preset {path.name} is no JSON object that can be read", "correct the file")
    return values


def check_fields(kind: type, values: object, part: str, compare: str) -> None:
    """Refuse fields that a preset, or a part of it, lacks or does not know.

    Parameters
    ----------
    kind:
        The dataclass to be made of the fields.
    part:
        What the message calls them: "the preset", "the preset's slab".
    compare:
        The shipped preset to compare with.

    Raises
    ------
    ModelError
        A field is missing or unknown, each named; or these are no fields at all.
    """
    remedy = f"compare its fields with presets/{compare}"
    if not isinstance(values, dict):
        raise ModelError(f"{part} is no JSON object", remedy)
    known = {f.name: f.default is MISSING for f in fields(kind)}
    missing = [name for name, needed in known.items() if needed and name not in values]
    unknown = [name for name in values if name not in known]
    for word, names in (("lacks", missing), ("has unknown fields:", unknown)):
        if names:
            raise ModelError(f"{part} {word} {', '.join(names)}", remedy)


def _slab(values: dict[str, Any]) -> SlabPreset:
    check_fields(SlabPreset, values, "the preset's slab", _SMALL)
    try:
        return SlabPreset(**values)
    except (ModelError, TypeError):
        raise ModelError(
            f"the preset's slab cannot be used ({json.dumps(values)})",
            "give numbers: in_plane_mm within 0.2–10, slice_mm within 0.2–20, slices 1 or more, "
            "hu_low below hu_high, tile 1 or more or null",
        ) from None


def load_preset(name: str) -> FinetunePreset:
    """A shipped preset of `finetune` by name, or one from a JSON file of the same fields."""
    return preset_from(read_preset("finetune", name))


def preset_from(values: dict[str, Any]) -> FinetunePreset:
    """A preset of `finetune` from its JSON fields."""
    check_fields(FinetunePreset, values, "the preset", _SMALL)
    try:
        made = {**values, "slab": _slab(values["slab"]), "patch": tuple(values["patch"])}
        if values.get("drawn") is not None:
            pairs = ("train_seeds", "validation_seeds", "slab_shape")
            drawn: dict[str, Any] = {
                key: tuple(v) if key in pairs else v for key, v in values["drawn"].items()
            }
            check_fields(DrawnPhantoms, drawn, "the preset's drawn", "finetune/smit-slab.json")
            made["drawn"] = DrawnPhantoms(**drawn)
        return FinetunePreset(**made)
    except (AttributeError, TypeError) as error:
        raise ModelError(
            f"the preset is not understood ({error})", "compare its fields with presets/finetune/small.json"
        ) from None
