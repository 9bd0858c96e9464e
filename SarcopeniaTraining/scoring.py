"""What `sarcopenia evaluate` scores: a registered model, a weights file or the folder of a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from SarcopeniaAssessLib.ct_io import open_ct, read_label_map
from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.mask_grid import place_mask
from SarcopeniaAssessLib.model_file import SegmentationNetwork, file_sha256
from SarcopeniaAssessLib.models import ModelEntry, SegmentationModel, load_model
from SarcopeniaTraining.checkpoints import CHECKPOINT, RUN
from SarcopeniaTraining.drawn_training import trained
from SarcopeniaTraining.evaluation import SliceScore, score_ct
from SarcopeniaTraining.presets import FinetunePreset, preset_from


def load_run(run: str) -> SegmentationModel:
    """Model of that name or file; of a folder, the averaged network of its checkpoint."""
    folder = Path(run)
    if not folder.is_dir():
        return load_model(run)
    if not (folder / RUN).is_file():
        raise ModelError("the folder holds no training", "give the --out folder of `sarcopenia finetune`")
    preset = preset_from(json.loads((folder / RUN).read_text())["preset"])
    training = trained(preset, folder)
    return SegmentationModel(
        cast(SegmentationNetwork, training.average.module.eval()), _entry(preset, folder)
    )


def _entry(preset: FinetunePreset, folder: Path) -> ModelEntry:
    """How to feed the network, and the checksum of its checkpoint; a run is no registered model."""
    return ModelEntry(
        name=preset.name,
        version="run",
        architecture=preset.network,
        preprocessing=preset.slab.to_mapping(),
        trained_on="a training in progress",
        sha256=file_sha256(folder / CHECKPOINT),
    )


def score_files(model: SegmentationModel, ct: Path, mask: Path) -> tuple[list[SliceScore], float]:
    """Scores of every slice of a CT on which the mask has pixels, and the Dice pooled over them.

    A slice without any was not drawn on; whether it holds muscle, the mask does not say.

    Raises
    ------
    MaskError
        The mask is empty, its pixels are not the CT's, or none of its slices is.
    """
    volume = open_ct(ct)
    placed = place_mask(read_label_map(mask), volume)
    drawn = [n for n in range(len(placed.levels)) if placed.slices[:, :, n].any()]
    scores = score_ct(model, volume, placed.slices[:, :, drawn], [placed.levels[n] for n in drawn])
    overlap = sum(s.dice * (s.truth_cm2 + s.predicted_cm2) for s in scores)
    return scores, round(overlap / sum(s.truth_cm2 + s.predicted_cm2 for s in scores), 4)
