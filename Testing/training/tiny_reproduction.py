"""A reproduction of minutes: tiny CTs, networks of a few channels, one classifier, two folds."""

from __future__ import annotations

import json
from pathlib import Path

from SarcopeniaTraining.presets import read_preset
from Testing.training.tiny_cohort import case_files, write_manifest

CASES = 12
CHANNELS = {"embed_dim": 8, "num_heads": [1, 1, 2, 2], "decoder_channels": [8, 8, 8, 8, 8]}


def tiny_cohort_of_both(folder: Path, cases: int = CASES) -> Path:
    """Every second patient is sarcopenic by the manifest."""
    rows = [case_files(folder, number) for number in range(1, cases + 1)]
    write_manifest(folder, [row | {"sarcopenic": ("no", "yes")[n % 2]} for n, row in enumerate(rows)])
    return folder


def tiny_presets(folder: Path, **changes: object) -> Path:
    """Presets of the parts, and the one of the reproduction, as JSON files beside each other."""
    finetune, pretrain, classify = (
        dict(read_preset(kind, "smoke")) for kind in ("finetune", "pretrain", "classify")
    )
    finetune |= {"epochs": 2, "warmup_epochs": 0.5, "checkpoint_every": 1, "batch": 2, "patch": [64, 64]}
    finetune |= {"network": finetune["network"] | CHANNELS, "slab": finetune["slab"] | {"in_plane_mm": 6.0}}
    finetune.pop("drawn")
    pretrain |= {"epochs": 2, "warmup_epochs": 0.5, "batch": 2, "region": [72, 72, 4], "crop": [64, 64, 3]}
    pretrain |= {"in_plane_mm": 6.0, "temperature_rise_epochs": 1, "patch_rise_starts_epoch": 1}
    pretrain |= {"network": pretrain["network"] | CHANNELS}
    pretrain |= {"head": {"hidden": 16, "bottleneck": 8, "outputs": 16}}
    classify |= {"networks": ["ResNet50"], "schemes": ["freezeall"], "sets": [1, 2], "side": 32, "epochs": 1}
    whole = dict(read_preset("reproduce", "smoke")) | {"folds": 2, "sizes": [6, 3, 3], "imbalance": None}
    whole |= {"explain": None, "pretrain": "pretrain.json", "finetune": "finetune.json"}
    whole |= {"classify": "classify.json", **changes}
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"finetune": finetune, "pretrain": pretrain, "classify": classify, "tiny": whole}
    for name, fields in parts.items():
        (folder / f"{name}.json").write_text(json.dumps(fields | {"name": "tiny"}))
    return folder / "tiny.json"
