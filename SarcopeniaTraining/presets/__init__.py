"""Every hyper-parameter, by name.

A preset is a JSON file that states its command, its cost and the score it should reach.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.preprocessing import SlabPreset


@dataclass(frozen=True)
class FinetunePreset:
    """One training of a segmentation network on slabs.

    Attributes
    ----------
    network:
        `kind` ("smit" or "unet") and the fields of its configuration.
    patch:
        Pixels (i, j) of a training crop; `slab_shape` those of a stored slab, a margin larger.
    steps, batch, learning_rate, weight_decay, warmup_steps:
        AdamW, linear warm-up, cosine to zero.
    average_decay:
        Decay of the moving average of the weights, which is what is validated and exported.
    precision:
        "bf16" or "f32" for the forward pass.
    start_from:
        Name or .safetensors file of a model of the same network whose weights to start with.
    """

    name: str
    command: str
    cost: str
    expected: str
    network: dict[str, Any]
    slab: SlabPreset
    patch: tuple[int, int]
    slab_shape: tuple[int, int]
    train_seeds: tuple[int, int]
    validation_seeds: tuple[int, int]
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    average_decay: float
    precision: str
    validate_every: int
    seed: int
    start_from: str | None = None


Kind = Literal["finetune", "pretrain"]


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
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise ModelError(f"preset {path.name} is no JSON object that can be read", "correct the file")
    return values


def load_preset(name: str) -> FinetunePreset:
    """A shipped preset of `finetune` by name, or one from a JSON file of the same fields."""
    return preset_from(read_preset("finetune", name))


def preset_from(values: dict[str, Any]) -> FinetunePreset:
    """A preset from its JSON fields."""
    pairs = ("patch", "slab_shape", "train_seeds", "validation_seeds")
    made: dict[str, Any] = {key: tuple(v) if key in pairs else v for key, v in values.items()}
    made["slab"] = SlabPreset.from_mapping(values["slab"])
    return FinetunePreset(**made)
