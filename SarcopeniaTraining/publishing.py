"""From a trained network to a bundled model: weights and measured scores into the library's registry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.models import ModelEntry, load_model, save_model
from SarcopeniaTraining.evaluation import SliceScore

CALIBRATION_SEED = 2_100_000
"""First seed of the phantoms that calibrate the interval: neither trained, validated nor scored on."""
HALF_WIDTH_SCORE = "sma_relative_halfwidth_95"


def half_width_95(scores: Sequence[SliceScore]) -> float:
    """Relative SMA error that 95 % of new slices of the same kind stay under (split conformal).

    The k-th smallest absolute error with k = ⌈0.95 (n + 1)⌉ (Vovk et al., *Algorithmic learning in a
    random world*, 2005).

    Raises
    ------
    ModelError
        Fewer than 19 scores, from which no such bound can be told.
    """
    errors = np.sort([abs(s.error_percent) / 100 for s in scores])
    k = int(np.ceil(0.95 * (len(errors) + 1)))
    if k > len(errors):
        raise ModelError(f"{len(errors)} phantoms cannot calibrate a 95 % interval", "score at least 19")
    return round(float(errors[k - 1]), 4)


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
    registry = resource_path("Models.json")
    listed = json.loads(registry.read_text("utf-8"))
    others = [m for m in listed["models"] if m["name"] != saved.name]
    listed["models"] = sorted([*others, saved.to_mapping()], key=lambda m: str(m["name"]))
    listed["default"] = saved.name if default else listed["default"]
    registry.write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", "utf-8")
