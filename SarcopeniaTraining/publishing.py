"""From a trained network to a bundled model: weights and measured scores into the library's registry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.models import REGISTRY, ModelEntry, load_model, save_model
from SarcopeniaTraining.calibration import conformal_quantile
from SarcopeniaTraining.evaluation import SliceScore


def half_width_95(scores: Sequence[SliceScore]) -> float:
    """Relative SMA error that 95 % of new slices of the same kind stay under (split conformal).

    Raises
    ------
    ModelError
        Fewer than 19 scores, from which no such bound can be told.
    """
    return round(conformal_quantile([abs(score.error_percent) / 100 for score in scores]), 4)


def publish(weights: Path, scores: Mapping[str, Any], *, default: bool) -> ModelEntry:
    """Copy a model into the library's resources and list it, with its scores, in `Models.json`.

    An entry of the same name is replaced; `default` makes it the model that is used where none is named.
    """
    model = load_model(weights)
    entry = replace(model.entry, scores={**scores})
    network: Any = model.network
    saved = save_model(resource_path(f"{entry.name}.safetensors"), network.half(), entry)
    enlist(saved, default=default)
    return saved


def enlist(saved: ModelEntry, *, default: bool = False) -> None:
    """List a model whose weights lie in the library's resources; an entry of the same name is replaced."""
    registry = resource_path(REGISTRY)
    listed = json.loads(registry.read_text("utf-8"))
    others = [m for m in listed["models"] if m["name"] != saved.name]
    listed["models"] = sorted([*others, saved.to_mapping()], key=lambda m: str(m["name"]))
    listed["default"] = saved.name if default else listed["default"]
    write_registry(registry, listed)


def write_registry(registry: Path, listed: Mapping[str, Any]) -> None:
    """Write a `Models.json`, whole or not at all."""
    write_whole(registry, (json.dumps(listed, indent=1, ensure_ascii=False) + "\n").encode())
