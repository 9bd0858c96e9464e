"""`sarcopenia finetune phantom`: a training on drawn slabs, and the model that it exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaAssessLib.errors import InputError, ModelError
from SarcopeniaAssessLib.hounsfield import MUSCLE_HU_HIGH, MUSCLE_HU_LOW
from SarcopeniaAssessLib.models import ModelEntry, load_model, save_model
from SarcopeniaAssessLib.preprocessing import SlabPreset
from SarcopeniaTraining.checkpoints import Checkpoints, claim_folder
from SarcopeniaTraining.finetuning import Surroundings, Training, train
from SarcopeniaTraining.networks import exportable
from SarcopeniaTraining.phantom.slabs import GENERATOR, OUTLINE, SlabPlan, SlabStore, slab_store
from SarcopeniaTraining.presets import FinetunePreset
from SarcopeniaTraining.samples import DrawnSlabs, Samples
from SarcopeniaTraining.schedule import Schedule

VALIDATED = 60
"""Held-out slabs that a checkpoint is scored on."""


@dataclass(frozen=True, eq=False)
class SlabValidation:
    """Scores the averaged network's masks on held-out slabs: outlines, carved by HU; called by the loop."""

    store: SlabStore

    def __call__(self, training: Training, epoch: int) -> Mapping[str, float]:
        """Mean Dice of masks, and the mean area errors as fractions."""
        import torch
        from monai.metrics.meandice import compute_dice

        network: Any = training.average.module
        network.eval()
        device = next(network.parameters()).device
        patch, shape = training.preset.patch, self.store.outlines.shape[1:]
        margin = [(a - b) // 2 for a, b in zip(shape, patch, strict=True)]
        cut = tuple(slice(m, m + p) for m, p in zip(margin, patch, strict=True))
        source = DrawnSlabs(self.store)
        muscle = muscle_window(training.preset.slab)
        dice, error = [], []
        with torch.inference_mode():
            for number in range(min(VALIDATED, len(self.store))):
                slab, _ = source.slab(number, np.random.default_rng(0))
                image = torch.from_numpy(np.ascontiguousarray(slab[cut])).to(device)[None, None]
                middle = slab[cut][..., slab.shape[-1] // 2]
                plausible = torch.from_numpy((middle >= muscle[0]) & (middle <= muscle[1]))[None, None]
                outline = torch.from_numpy(np.array(self.store.outlines[number][cut]) == OUTLINE)[None, None]
                truth = outline.to(device) & plausible.to(device)
                drawn = network.slice_logits(image, image.shape[-1] // 2).argmax(1, keepdim=True) == 1
                drawn &= plausible.to(device)
                dice.append(float(compute_dice(drawn, truth)))
                error.append(float(drawn.sum() / truth.sum()) - 1)
        return {
            "validation_dice": float(np.mean(dice)),
            "validation_area_error": float(np.mean(error)),
            "validation_area_abs_error": float(np.mean(np.abs(error))),
        }


def muscle_window(preset: SlabPreset) -> tuple[float, float]:
    """−29 and 150 HU on a slab's scale."""
    low, high = (
        (hu - preset.hu_low) / (preset.hu_high - preset.hu_low) for hu in (MUSCLE_HU_LOW, MUSCLE_HU_HIGH)
    )
    return low, high


def finetune(
    preset: FinetunePreset,
    out: Path,
    *,
    cache: Path,
    jobs: int = 1,
    device: str = "cpu",
    tell: Callable[[str], None] = lambda line: None,
) -> Training:
    """Train on the preset's phantoms, going on from `out` where it was stopped.

    Writes `run.json` (preset, versions, commit), `log.jsonl` and the checkpoints to `out`.

    Raises
    ------
    InputError
        The preset draws no phantoms.
    ModelError
        The model that the preset starts from is not there, or is another network.
    OutputError
        The folder holds a training of another preset, or cannot be written.
    """
    drawn = preset.drawn
    if drawn is None:
        raise InputError(f"preset {preset.name} draws no phantoms", "give a cohort, or a preset with `drawn`")
    training = Training.start(preset, device=device)  # a start that is not there is told before the drawing
    claim_folder(out, preset.to_mapping())
    train_store = slab_store(slab_plan(preset, drawn.train_seeds), cache / "train", jobs=jobs)
    held_out = slab_store(slab_plan(preset, drawn.validation_seeds), cache / "validation", jobs=jobs)
    samples = Samples(DrawnSlabs(train_store), preset.patch, training.seed)
    around = Surroundings(out, SlabValidation(held_out), tell)
    return train(training, samples, Schedule.of(preset, drawn.samples_per_epoch), around)


def trained(preset: FinetunePreset, folder: Path) -> Training:
    """The training of a folder as it stands, not going on.

    Raises
    ------
    ModelError
        The folder holds no checkpoint.
    """
    state = Checkpoints(folder).load(lambda line: None)
    if state is None:
        raise ModelError("the folder holds no training", "give the --out folder of `sarcopenia finetune`")
    training = Training.start(preset)
    training.restore(state)
    return training


def slab_plan(preset: FinetunePreset, seeds: tuple[int, int]) -> SlabPlan:
    """The slabs of a preset that draws phantoms: from the first seed on, so many."""
    assert preset.drawn is not None
    return SlabPlan(seeds[0], seeds[1], preset.drawn.slab_shape, preset.slab)


def export(training: Training, out: Path) -> ModelEntry:
    """Write the averaged network as OUT/NAME.safetensors, in half precision, with its entry."""
    preset = training.preset
    seeds = preset.drawn.train_seeds if preset.drawn is not None else (0, 0)
    entry = ModelEntry(
        name=preset.name,
        version="1",
        architecture=preset.network,
        preprocessing=preset.slab.to_mapping(),
        trained_on="procedural phantoms only; no patient data",
        licence="Apache-2.0; research use only",
        training={
            "command": preset.command,
            "seed": preset.seed,
            "steps": training.step,
            "minutes": round(training.seconds / 60),
            "start_from": preset.start_from,
            "phantom_generator": GENERATOR,
            "phantom_seeds": f"{seeds[0]}…{sum(seeds) - 1}",
            **_first_stage(preset),
        },
    )
    network = exportable(preset.network, training.average.module)
    return save_model(out / f"{preset.name}.safetensors", network.half(), entry)


def _first_stage(preset: FinetunePreset) -> dict[str, Any]:
    """The training of the model that a preset starts from, whose own earlier ones are in it."""
    if preset.start_from is None:
        return {}
    return {"first_stage": dict(load_model(preset.start_from).entry.training)}
