"""Segmentation training on slabs: stops at any step and goes on exactly.

Every random number of a step (order, augmentation, stochastic depth) is drawn from the preset's seed
and the step's number, so the weights at the end depend on the preset alone, not on interruptions.
"""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.models import ModelEntry, load_model, save_model
from SarcopeniaTraining.augmentation import Sample, slab_transforms
from SarcopeniaTraining.networks import library_unet, slice_network, take_weights
from SarcopeniaTraining.phantom.slabs import FULL_SCALE, SlabPlan, SlabStore, slab_store

if TYPE_CHECKING:
    import torch

    from SarcopeniaTraining.presets import FinetunePreset

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, eq=False)
class SlabSamples:
    """Sample n of a training: which slab, and how it is augmented, follow from n and the seed."""

    store: SlabStore
    preset: FinetunePreset
    transform: Callable[[Sample, int], Sample]

    def __len__(self) -> int:
        return self.preset.steps * self.preset.batch

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Image (1, i, j, s) and outline (1, i, j) of sample `number`."""
        round_, place = divmod(number, len(self.store))
        order = np.random.default_rng([self.preset.seed, round_]).permutation(len(self.store))
        image, outline = self.store.images[order[place]], self.store.outlines[order[place]]
        sample = {"image": _unit(image), "outline": np.array(outline[None])}
        seed = int(np.random.SeedSequence([self.preset.seed, 11, number]).generate_state(1)[0])
        result = self.transform(sample, seed)
        return result["image"].as_tensor().permute(1, 2, 0)[None], result["outline"].as_tensor()


def _unit(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Stored slab (i, j, s) as channels-first 0…1."""
    return np.ascontiguousarray(np.moveaxis(image, -1, 0), np.float32) / np.float32(FULL_SCALE)


@dataclass(eq=False)
class Training:
    """State of one training; `save` and `load` keep all of it."""

    preset: FinetunePreset
    network: Any  # a torch module with `slice_logits`
    average: torch.optim.swa_utils.AveragedModel
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def start(cls, preset: FinetunePreset) -> Training:
        """A network with fresh, seeded weights, or with those of the model that the preset starts from."""
        import torch
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        torch.manual_seed(preset.seed)
        network = slice_network(preset.network)
        if preset.start_from is not None:
            take_weights(network, load_model(preset.start_from))
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(preset.average_decay))
        optimiser = torch.optim.AdamW(
            network.parameters(), preset.learning_rate, weight_decay=preset.weight_decay
        )
        return cls(preset, network, average, optimiser)

    def save(self, path: Path) -> None:
        """Write the checkpoint by one rename."""
        import torch

        part = path.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
            },
            part,
        )
        part.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        import torch

        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    def learning_rate(self) -> float:
        """Linear warm-up, then a cosine to zero."""
        preset = self.preset
        if self.step < preset.warmup_steps:
            return preset.learning_rate * (self.step + 1) / preset.warmup_steps
        part = (self.step - preset.warmup_steps) / max(preset.steps - preset.warmup_steps, 1)
        return preset.learning_rate * 0.5 * (1 + float(np.cos(np.pi * part)))

    def learn(self, image: torch.Tensor, outline: torch.Tensor, loss: torch.nn.Module) -> float:
        """One step on images (b, 1, i, j, s) and outlines (b, 1, i, j); the loss."""
        import torch

        torch.manual_seed(int(np.random.SeedSequence([self.preset.seed, 13, self.step]).generate_state(1)[0]))
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.network.train()
        half = self.preset.precision == "bf16"
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = self.network.slice_logits(image, image.shape[-1] // 2)
        value = loss(logits.float(), outline)
        self.optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return float(value.detach())


def validate(training: Training, store: SlabStore, count: int) -> dict[str, float]:
    """Mean Dice of the averaged network on the outlines of held-out slabs, and the mean area error."""
    import torch
    from monai.metrics.meandice import compute_dice

    network: Any = training.average.module
    network.eval()
    margin = [(a - b) // 2 for a, b in zip(training.preset.slab_shape, training.preset.patch, strict=True)]
    cut = tuple(slice(m, m + p) for m, p in zip(margin, training.preset.patch, strict=True))
    dice, error = [], []
    with torch.inference_mode():
        for number in range(min(count, len(store))):
            image = torch.from_numpy(_unit(store.images[number][cut])).permute(1, 2, 0)[None, None]
            truth = torch.from_numpy(np.array(store.outlines[number][cut]))[None, None]
            drawn = network.slice_logits(image, image.shape[-1] // 2).argmax(1, keepdim=True)
            dice.append(float(compute_dice(drawn, truth)))
            error.append(float(drawn.sum() / truth.sum()) - 1)
    return {
        "dice": float(np.mean(dice)),
        "area_error": float(np.mean(error)),
        "area_abs_error": float(np.mean(np.abs(error))),
    }


def finetune(preset: FinetunePreset, out: Path, *, cache: Path, jobs: int = 1) -> Training:
    """Train as the preset says, going on from `out` where it was stopped.

    Writes `run.json` (preset, versions, commit), `log.jsonl` (a line every 20 steps and every
    validation) and the checkpoint to `out`.
    """
    out.mkdir(parents=True, exist_ok=True)
    training = Training.start(preset)
    if (out / CHECKPOINT).exists():
        training.load(out / CHECKPOINT)
    else:
        (out / "run.json").write_text(json.dumps(provenance(preset), indent=1))
    train = slab_store(_plan(preset, preset.train_seeds), cache / "train", jobs=jobs)
    held_out = slab_store(_plan(preset, preset.validation_seeds), cache / "validation", jobs=jobs)
    _loop(training, train, held_out, out)
    return training


def _loop(training: Training, train: SlabStore, held_out: SlabStore, out: Path) -> None:
    from monai.losses import DiceCELoss

    preset = training.preset
    loss = DiceCELoss(to_onehot_y=True, softmax=True, squared_pred=True)
    started, losses = time.monotonic() - training.seconds, []
    for image, outline in _batches(training, train):
        losses.append(training.learn(image, outline, loss))
        training.seconds = time.monotonic() - started
        if training.step % 20 == 0:
            _log(out, training, loss=float(np.mean(losses)))
            losses.clear()
        if training.step % preset.validate_every == 0 or training.step == preset.steps:
            training.save(out / CHECKPOINT)
            _log(out, training, **validate(training, held_out, 60))


def _batches(training: Training, store: SlabStore) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    from torch.utils.data import DataLoader

    preset = training.preset
    samples: Any = SlabSamples(store, preset, slab_transforms(preset.patch))
    numbers = [
        list(range(step * preset.batch, (step + 1) * preset.batch))
        for step in range(training.step, preset.steps)
    ]
    return iter(DataLoader(samples, batch_sampler=numbers, num_workers=1, prefetch_factor=3))


def _plan(preset: FinetunePreset, seeds: tuple[int, int]) -> SlabPlan:
    return SlabPlan(seeds[0], seeds[1], preset.slab_shape, preset.slab)


def _log(out: Path, training: Training, **values: float) -> None:
    line = {
        "step": training.step,
        "seconds": round(training.seconds, 1),
        "lr": training.learning_rate(),
        **values,
    }
    with (out / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")


def provenance(preset: FinetunePreset) -> dict[str, Any]:
    """What a run must say of itself: preset, seed, commit, versions."""
    import monai
    import torch

    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return {
        "preset": asdict(preset),
        "commit": commit.stdout.strip() or None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "monai": monai.__version__,
        "numpy": np.__version__,
    }


def export(training: Training, out: Path) -> ModelEntry:
    """Write the averaged network as OUT/NAME.safetensors, in half precision, with its entry."""
    from copy import deepcopy

    preset = training.preset
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
            "phantom_seeds": f"{preset.train_seeds[0]}…{sum(preset.train_seeds) - 1}",
        },
    )
    network = deepcopy(training.average.module)
    if preset.network["kind"] == "unet":
        network = library_unet(preset.network, network)
    return save_model(out / f"{preset.name}.safetensors", network.half(), entry)
