"""Training of the network that finds the spine.

The command is `python -m SarcopeniaTraining.spine_scans.training --out DIR`.

Stopped at any step, it goes on exactly: every crop is drawn from the preset's seed and its number.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.model_file import ModelEntry, read_entry, read_network, save_model
from SarcopeniaAssessLib.spine_grid import GRID_MM, HIGH_HU, LOW_HU
from SarcopeniaAssessLib.spine_unet import SpineClass, SpineUnetConfig, build_spine_unet
from SarcopeniaTraining.checkpoints import Checkpoints, DivergedError, claim_folder
from SarcopeniaTraining.finetuning import LOG, SAVE_EVERY_S, Log
from SarcopeniaTraining.schedule import Schedule, seed_word
from SarcopeniaTraining.spine_scans.preset import SpinePreset, load_spine_preset
from SarcopeniaTraining.spine_scans.samples import Crops, PhantomStore, draw_ahead

VALIDATED_EVERY = 4
"""Epochs from one validation to the next."""


@dataclass(eq=False)
class SpineTraining:
    """State of one training.

    Attributes
    ----------
    network, average:
        The learner, and the moving average of its weights and norms, which is what is kept.
    losses:
        Of each step of the epoch that is under way.
    """

    preset: SpinePreset
    network: Any
    average: Any
    optimiser: Any
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)

    @classmethod
    def start(cls, preset: SpinePreset) -> SpineTraining:
        """A network with fresh, seeded weights."""
        import torch
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        torch.manual_seed(seed_word(preset.seed))
        network = build_spine_unet(SpineUnetConfig(preset.channels))
        if preset.start_from is not None:
            path = Path(preset.start_from)
            network.load_state_dict(read_network(read_entry(path), path).state_dict())
        average = AveragedModel(
            network, multi_avg_fn=get_ema_multi_avg_fn(preset.average_decay), use_buffers=True
        )
        optimiser = torch.optim.AdamW(
            network.parameters(), preset.learning_rate, weight_decay=preset.weight_decay
        )
        return cls(preset, network, average, optimiser)

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on exactly."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimiser")}
        return {**parts, "step": self.step, "seconds": self.seconds, "losses": self.losses}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name in ("network", "average", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.seconds, self.losses = state["step"], state["seconds"], list(state["losses"])

    def advance(self, crops: Crops, schedule: Schedule, loss: Callable[..., Any]) -> None:
        """One step.

        Raises
        ------
        DivergedError
            The loss or its gradient is no number any more.
        """
        import torch

        started = time.monotonic()
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.learning_rate(self.step)
        drawn = [crops.sample(number) for number in schedule.numbers(self.step)]
        image = torch.from_numpy(np.stack([image for image, _ in drawn]))[:, None]
        truth = torch.from_numpy(np.stack([classes for _, classes in drawn]).astype(np.int64))[:, None]
        value = loss(self.network(image), truth)
        self.optimiser.zero_grad(set_to_none=True)
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        if not (math.isfinite(value.item()) and math.isfinite(norm.item())):
            raise DivergedError(
                f"step {self.step + 1} diverged (loss {value.item():g}, gradient {norm.item():g})",
                "train again in another folder with a lower learning_rate",
            )
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1
        self.losses.append(float(value.item()))
        self.seconds += time.monotonic() - started

    def kept(self) -> Any:
        """The averaged network in eval mode."""
        return self.average.module.eval()


def train_spine(
    preset: SpinePreset, out: Path, *, cache: Path, tell: Callable[[str], None] = print
) -> SpineTraining:
    """Train, going on from `out` where it was stopped; phantoms are drawn ahead by a second process.

    Raises
    ------
    OutputError
        The folder holds a training of another preset, or cannot be written.
    ModelError
        Checkpoints are there, but damaged; the model to start from cannot be read.
    DivergedError
        The loss or its gradient is no number any more; the last good checkpoint stays.
    """
    claim_folder(out, preset.to_mapping())
    checkpoints = Checkpoints(out)
    training = SpineTraining.start(preset)
    if (state := checkpoints.load(tell)) is not None:
        training.restore(state)
        tell(f"going on from step {training.step}")
    store = PhantomStore(cache)
    stop = multiprocessing.get_context("spawn").Event()
    drawing = multiprocessing.get_context("spawn").Process(
        target=_draw, args=(store, preset.train_seeds, stop, os.getpid()), daemon=True
    )
    drawing.start()
    try:
        with checkpoints.told_if_kept():
            _run(training, store, checkpoints, tell)
    finally:
        stop.set()
        drawing.join()
    return training


def _draw(store: PhantomStore, seeds: tuple[int, int], stop: Any, parent: int) -> None:
    draw_ahead(store, seeds, lambda: stop.is_set() or os.getppid() != parent)


def _run(
    training: SpineTraining, store: PhantomStore, checkpoints: Checkpoints, tell: Callable[[str], None]
) -> None:
    from monai.losses.dice import DiceCELoss

    preset = training.preset
    schedule = Schedule.of(preset, preset.samples_per_epoch)
    loss = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True, lambda_ce=2.0)
    crops = Crops(store, preset.train_seeds, preset.crop, preset.seed)
    validation = Crops(store, preset.validation_seeds, preset.crop, preset.seed + 1)
    log = Log(checkpoints.newest.parent / LOG, training.step)
    saved = time.monotonic()
    while training.step < schedule.steps:
        training.advance(crops, schedule, loss)
        epoch, rest = divmod(training.step, schedule.epoch_steps)
        if rest == 0:
            figures = {
                "epoch": epoch,
                "step": training.step,
                "loss": round(float(np.mean(training.losses)), 4),
                "minutes": round(training.seconds / 60, 1),
                **(validate(training, validation) if epoch % VALIDATED_EVERY == 0 else {}),
            }
            training.losses = []
            log.add(figures)
            tell("  ".join(f"{name} {figure:g}" for name, figure in figures.items()))
        if rest == 0 or time.monotonic() - saved > SAVE_EVERY_S:
            checkpoints.save(training.state())
            saved = time.monotonic()


def validate(training: SpineTraining, crops: Crops) -> dict[str, float]:
    """Dice of each class over one crop of every validation phantom, pooled."""
    import torch

    network = training.kept()
    both, sizes = np.zeros(len(SpineClass)), np.zeros(len(SpineClass))
    with torch.inference_mode():
        for number in range(crops.seeds[1]):
            image, truth = crops.sample(number)
            drawn = network(torch.from_numpy(image)[None, None]).argmax(1)[0].numpy()
            for kind in SpineClass:
                both[kind] += 2 * np.count_nonzero((drawn == kind) & (truth == kind))
                sizes[kind] += np.count_nonzero(drawn == kind) + np.count_nonzero(truth == kind)
    return {
        f"dice_{kind.name.lower()}": round(float(both[kind] / max(sizes[kind], 1)), 4)
        for kind in SpineClass
        if kind is not SpineClass.OTHER
    }


def export_spine(training: SpineTraining, out: Path) -> ModelEntry:
    """Write the averaged network, in half precision, as OUT/NAME.safetensors with its entry."""
    preset = training.preset
    entry = ModelEntry(
        name=preset.name,
        version="1",
        architecture=preset.architecture,
        preprocessing={"grid_mm": GRID_MM, "hu_low": LOW_HU, "hu_high": HIGH_HU},
        trained_on="procedural phantoms only; no patient data",
        licence="Apache-2.0; research use only",
        training={
            "command": preset.command,
            "seed": preset.seed,
            "start_from": preset.start_from,
            "steps": training.step,
            "minutes": round(training.seconds / 60),
            "phantom_seeds": f"{preset.train_seeds[0]}…{sum(preset.train_seeds) - 1}",
        },
    )
    return save_model(out / f"{preset.name}.safetensors", training.kept().half(), entry)


def main(arguments: list[str] | None = None) -> int:
    """Train and export; one line on standard error where it cannot be."""
    parser = argparse.ArgumentParser(description="Train the network that finds L3, on drawn phantoms.")
    parser.add_argument("--preset", default="l3-finder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="where phantoms are kept; OUT/phantoms if left out")
    given = parser.parse_args(arguments)
    try:
        preset = load_spine_preset(given.preset)
        training = train_spine(preset, given.out, cache=given.cache or given.out / "phantoms")
        entry = export_spine(training, given.out)
    except SarcopeniaError as error:
        print(f"sarcopenia: {error}", file=sys.stderr)  # noqa: T201 - a command's own line
        return 2
    print(f"{entry.file}  sha256 {entry.sha256}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
