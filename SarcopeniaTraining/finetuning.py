"""The training loop: one, whatever the samples are; it stops at any step and goes on exactly.

Every random number of a step (order, augmentation, stochastic depth) is drawn from the training's seed and
the step's number, so the weights at the end depend on the preset alone, not on interruptions.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.models import load_model
from SarcopeniaTraining.checkpoints import Checkpoints, DivergedError
from SarcopeniaTraining.distributed import ALONE, Team, half_precision
from SarcopeniaTraining.journal import append_lines
from SarcopeniaTraining.networks import learner, slice_network, take_weights
from SarcopeniaTraining.samples import Samples, batches
from SarcopeniaTraining.schedule import Schedule, seed_word

if TYPE_CHECKING:
    import torch

    from SarcopeniaTraining.presets import FinetunePreset

LOG = "log.jsonl"
SAVE_EVERY_S = 120.0
"""A kill costs no more than this."""


@dataclass(eq=False)
class Training:
    """State of one training; `state` and `restore` keep all of it.

    Attributes
    ----------
    average:
        Moving average of the weights: what is validated and kept.
    losses, waiting_s, epoch_s:
        Of the epoch that is under way: loss of each step, seconds spent waiting for samples, seconds.
    """

    preset: FinetunePreset
    network: Any  # a torch module with `slice_logits`
    average: torch.optim.swa_utils.AveragedModel
    optimiser: torch.optim.Optimizer
    seed: tuple[int, ...]
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    waiting_s: float = 0.0
    epoch_s: float = 0.0

    @classmethod
    def start(
        cls,
        preset: FinetunePreset,
        *,
        seed: tuple[int, ...] | None = None,
        device: str = "cpu",
        prepare: Callable[[Any], object] = lambda network: None,
    ) -> Training:
        """A network with fresh, seeded weights, or with those of the model that the preset starts from.

        Parameters
        ----------
        seed:
            The preset's if None.
        prepare:
            Gets the fresh network; may fill a part of it, as `encoders.take_encoder` does.
        """
        import torch
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        seed = seed or (preset.seed,)
        torch.manual_seed(seed_word(*seed))
        network = slice_network(preset.network)
        if preset.start_from is not None:
            take_weights(network, load_model(preset.start_from))
        prepare(network)
        network.to(device)
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(preset.average_decay))
        optimiser = torch.optim.AdamW(
            network.parameters(), preset.learning_rate, weight_decay=preset.weight_decay
        )
        return cls(preset, network, average, optimiser, seed)

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on exactly."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "waiting_s": self.waiting_s,
            "epoch_s": self.epoch_s,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.losses = state["step"], state["seconds"], list(state["losses"])
        self.waiting_s, self.epoch_s = state["waiting_s"], state["epoch_s"]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a training is given besides its own state.

    Attributes
    ----------
    folder:
        Where checkpoints and log stand.
    examine:
        Called with the training and the epoch whenever a checkpoint is kept, on the leading process alone;
        what it returns is logged.
    tell, advance:
        Get a line now and then; are called at each step.
    workers:
        Processes that draw samples ahead.
    """

    folder: Path
    examine: Callable[[Training, int], Mapping[str, float]]
    tell: Callable[[str], None] = lambda line: None
    advance: Callable[[int], None] = lambda step: None
    team: Team = ALONE
    workers: int = 1


def train(training: Training, samples: Samples, schedule: Schedule, around: Surroundings) -> Training:
    """Train to the end, going on from the folder's checkpoint if there is one.

    Raises
    ------
    DivergedError
        The loss or its gradient is no number any more.
    OutputError
        The folder cannot be written; the last good checkpoint stays.
    ModelError
        Checkpoints are there, but damaged; a batch that the team cannot share.
    """
    checkpoints = Checkpoints(around.folder)
    state = checkpoints.load(around.tell)
    if state is not None:
        training.restore(state)
    log = Log(around.folder / LOG, training.step, writes=around.team.leads)
    together = around.team.together(learner(training.network, thin=training.preset.thin))
    saved_at = time.monotonic()
    with checkpoints.told_if_kept():
        for image, label in _timed_batches(training, samples, schedule, around):
            _learn(training, together, (image, label), schedule.learning_rate(training.step), around.team)
            around.advance(training.step)
            epoch, rest = divmod(training.step, schedule.epoch_steps)
            if rest == 0:
                log.write(epoch, training, schedule)
                if training.preset.keeps(epoch):
                    _examine(training, epoch, log, around)
            due = time.monotonic() - saved_at > SAVE_EVERY_S or (rest == 0 and training.preset.keeps(epoch))
            if due and around.team.leads:
                checkpoints.save(training.state())
                saved_at = time.monotonic()
    return training


def _timed_batches(
    training: Training, samples: Samples, schedule: Schedule, around: Surroundings
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches that are left, on the training's device; adds up the time waited and passed."""
    device = next(training.network.parameters()).device
    numbers = [around.team.share(schedule.numbers(n)) for n in range(training.step, schedule.steps)]
    if not numbers:
        return
    drawn = batches(samples, numbers, workers=around.workers)
    for _ in numbers:
        started = time.perf_counter()
        image, label = (part.to(device) for part in next(drawn))
        training.waiting_s += time.perf_counter() - started
        yield image, label


def _learn(
    training: Training,
    together: torch.nn.Module,
    batch: tuple[torch.Tensor, torch.Tensor],
    learning_rate: float,
    team: Team,
) -> None:
    """One step on images (b, 1, i, j, s) and labels (b, 1, i, j) or (b, 1, i, j, s)."""
    import torch

    started = time.perf_counter()
    torch.manual_seed(seed_word(*training.seed, 13, training.step, *([team.rank] if team.rank else [])))
    for group in training.optimiser.param_groups:
        group["lr"] = learning_rate
    training.network.train()
    # bfloat16 3-D convolutions on a CPU give infinite gradients now and then (torch 2.13); 2-D ones do not.
    half = training.preset.half and (training.preset.thin or batch[0].device.type != "cpu")
    loss = together(*batch, half_precision(half, batch[0].device))
    training.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(training.network.parameters(), 5.0)
    value = team.mean(loss)
    if not (math.isfinite(value) and bool(torch.isfinite(norm))):
        raise DivergedError(
            f"step {training.step + 1} diverged (loss {value:g}, gradient {float(norm):g})",
            'train again in another folder with a lower learning_rate, or with "precision": "single"',
        )
    training.optimiser.step()
    training.average.update_parameters(training.network)
    training.step += 1
    training.losses.append(value)
    passed = time.perf_counter() - started
    training.epoch_s += passed
    training.seconds += passed


def _examine(training: Training, epoch: int, log: Log, around: Surroundings) -> None:
    if around.team.leads:
        log.add({"epoch": epoch, "step": training.step, **around.examine(training, epoch)})
    around.team.wait()


class Log:
    """A training's lines of JSON; what a kill wrote beyond the checkpoint is written again.

    Parameters
    ----------
    step:
        The training goes on from here: later lines are dropped.
    writes:
        False: this process is silent.
    """

    def __init__(self, path: Path, step: int, *, writes: bool = True) -> None:
        self._path, self._writes = path, writes
        if writes and path.is_file():
            lines = [line for line in path.read_text("utf-8").splitlines() if _step_of(line) <= step]
            write_whole(path, "".join(f"{line}\n" for line in lines).encode())

    def write(self, epoch: int, training: Training, schedule: Schedule) -> None:
        """The line of an epoch that has ended; its sums start anew."""
        line = {
            "epoch": epoch,
            "step": training.step,
            "loss": float(np.mean(training.losses)),
            "learning_rate": schedule.learning_rate(training.step - 1),
            "seconds": round(training.epoch_s + training.waiting_s, 3),
            "waiting_s": round(training.waiting_s, 3),
        }
        training.losses, training.waiting_s, training.epoch_s = [], 0.0, 0.0
        self.add(line)

    def add(self, line: Mapping[str, Any]) -> None:
        """Any line; it needs `step`."""
        if self._writes:
            append_lines(self._path, [line])


def _step_of(line: str) -> float:
    """Step of a line of the log; infinite for one that a kill cut off."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
