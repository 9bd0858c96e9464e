"""Self-supervised pre-training of a SMIT encoder: masked image prediction and self-distillation.

Every random number of a step (regions, masks, stochastic depth) is drawn from the preset's seed and the
step's number, so the weights at the end do not depend on interruptions. docs/pretraining.md describes it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaTraining.checkpoints import Checkpoints, DivergedError
from SarcopeniaTraining.distillation import (
    across_views,
    collapsed,
    cross_entropy,
    masked_l1,
    moved_centre,
    output_use,
    sharpened,
    teacher_momentum,
    teacher_temperature,
)
from SarcopeniaTraining.distributed import half_precision
from SarcopeniaTraining.finetuning import LOG, SAVE_EVERY_S, Log
from SarcopeniaTraining.pretraining_pictures import reconstruction_picture
from SarcopeniaTraining.schedule import Schedule, seed_word
from SarcopeniaTraining.views import ViewBatch, Views

if TYPE_CHECKING:
    import torch

    from SarcopeniaTraining.pretraining_network import Branch, Student
    from SarcopeniaTraining.pretraining_preset import PretrainPreset

PICTURES = "pictures"


@dataclass(eq=False)
class Pretraining:
    """State of one pre-training; `state` and `restore` keep all of it.

    Attributes
    ----------
    image_centre, patch_centre:
        (K,), running means of the teacher's outputs.
    sums, epoch_steps_done:
        Of the epoch that is under way: each figure of its log line, summed over steps; number of steps.
    suspect_epochs:
        Epochs in a row whose teacher ignored its input.
    """

    preset: PretrainPreset
    student: Student
    teacher: Branch
    optimiser: torch.optim.Optimizer
    image_centre: torch.Tensor
    patch_centre: torch.Tensor
    step: int = 0
    seconds: float = 0.0
    epoch_s: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    epoch_steps_done: int = 0
    suspect_epochs: int = 0

    @classmethod
    def start(cls, preset: PretrainPreset, device: str = "cpu") -> Pretraining:
        """Fresh, seeded weights; the teacher starts as the student."""
        import torch

        from SarcopeniaTraining.pretraining_network import Student, teacher_of

        torch.manual_seed(seed_word(preset.seed))
        student = Student(preset.config, preset.head).to(device)
        optimiser = torch.optim.AdamW(
            student.parameters(), preset.learning_rate_per_sample, weight_decay=preset.weight_decay
        )
        zeros = torch.zeros(preset.head.outputs, device=device)
        return cls(preset, student, teacher_of(student), optimiser, zeros, zeros.clone())

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on exactly."""
        return {
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "image_centre": self.image_centre,
            "patch_centre": self.patch_centre,
            **{name: getattr(self, name) for name in _COUNTS},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.student.load_state_dict(state["student"])
        self.teacher.load_state_dict(state["teacher"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.image_centre = state["image_centre"].to(self.image_centre.device)
        self.patch_centre = state["patch_centre"].to(self.patch_centre.device)
        for name in _COUNTS:
            setattr(self, name, state[name])
        self.sums = dict(self.sums)


_COUNTS = ("step", "seconds", "epoch_s", "sums", "epoch_steps_done", "suspect_epochs")


@dataclass(frozen=True)
class Surroundings:
    """What a pre-training is given besides its own state.

    Attributes
    ----------
    folder:
        Where checkpoints, log and pictures stand.
    tell, advance:
        Get a line now and then; are called at each step.
    """

    folder: Path
    tell: Callable[[str], None] = lambda line: None
    advance: Callable[[int], None] = lambda step: None


def train(training: Pretraining, views: Views, around: Surroundings) -> Pretraining:
    """Train to the end, going on from the folder's checkpoint if there is one.

    Raises
    ------
    DivergedError
        The loss is no number any more, or the teacher has collapsed; the last good checkpoint stays.
    OutputError
        The folder cannot be written.
    ModelError
        Checkpoints are there, but damaged.
    """
    schedule = Schedule.of(training.preset, len(views))
    checkpoints = Checkpoints(around.folder)
    state = checkpoints.load(around.tell)
    if state is not None:
        training.restore(state)
    log = Log(around.folder / LOG, training.step)
    saved_at = time.monotonic()
    with checkpoints.told_if_kept():
        while training.step < schedule.steps:
            started = time.perf_counter()
            learn(training, views.batch(schedule.numbers(training.step)), schedule)
            passed = time.perf_counter() - started
            training.epoch_s += passed
            training.seconds += passed
            around.advance(training.step)
            ended = training.step % schedule.epoch_steps == 0
            if ended:
                _end_epoch(training, schedule, views, (log, around))
            last = training.step == schedule.steps
            # A teacher that ignores its input is not kept as the last good state.
            if training.suspect_epochs == 0 and (last or time.monotonic() - saved_at > SAVE_EVERY_S):
                checkpoints.save(training.state())
                saved_at = time.monotonic()
    return training


def learn(training: Pretraining, batch: ViewBatch, schedule: Schedule) -> None:
    """One step.

    Raises
    ------
    DivergedError
        The loss or its gradient is no number any more; nothing was changed by this step.
    """
    import torch

    from SarcopeniaTraining.pretraining_network import follow

    preset, epoch = training.preset, schedule.epoch(training.step)
    torch.manual_seed(seed_word(preset.seed, 13, training.step))
    rate = schedule.learning_rate(training.step)
    for group in training.optimiser.param_groups:
        group["lr"] = rate
    training.student.train()
    device = training.image_centre.device
    losses, use, outputs = losses_of(training, ViewBatch(*(part.to(device) for part in batch)), epoch)
    weights = asdict(preset.loss_weights)
    loss = sum((weights[name] * value for name, value in losses.items()), torch.zeros((), device=device))
    training.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if epoch < preset.frozen_last_layer_epochs:
        for head in (training.student.branch.image_head, training.student.branch.patch_head):
            head.last.grad = None
    norm = torch.nn.utils.clip_grad_norm_(training.student.parameters(), preset.gradient_norm)
    value = float(loss.detach())
    if not (math.isfinite(value) and math.isfinite(float(norm))):
        raise DivergedError(
            f"step {training.step + 1} diverged (loss {value:g}, gradient {float(norm):g})",
            "train again in another folder with a lower "
            'learning_rate_per_sample, or with "precision": "single"',
        )
    training.optimiser.step()
    follow(training.teacher, training.student, teacher_momentum(preset, training.step, schedule.steps))
    training.image_centre = moved_centre(training.image_centre, outputs[0], preset.centre_momentum)
    training.patch_centre = moved_centre(training.patch_centre, outputs[1], preset.centre_momentum)
    training.step += 1
    training.epoch_steps_done += 1
    figures = {"loss": value, **{name: float(one.detach()) for name, one in losses.items()}, **use}
    for name, figure in figures.items():
        training.sums[name] = training.sums.get(name, 0.0) + figure


def losses_of(
    training: Pretraining, batch: ViewBatch, epoch: int
) -> tuple[dict[str, torch.Tensor], dict[str, float], tuple[torch.Tensor, torch.Tensor]]:
    """The three losses of a batch by name, how the teacher's outputs are used, and these outputs.

    The outputs are those of image tokens (2b, K) and of patch tokens (2b, i, j, k, K).
    """
    import torch

    preset, masking = training.preset, training.preset.masking
    half = half_precision(preset.half, batch.image.device)
    with torch.autocast(batch.image.device.type, torch.bfloat16, enabled=half):
        with torch.no_grad():
            seen = training.teacher(batch.image)
        guessed, prediction = training.student(batch.image, masking.tokens(batch.blocks))
    masked = masking.distilled(batch.blocks)
    image = sharpened(seen.image, training.image_centre, teacher_temperature(preset, epoch, patch=False))
    patches = sharpened(
        seen.patches[masked], training.patch_centre, teacher_temperature(preset, epoch, patch=True)
    )
    cool = preset.student_temperature
    image_log = (guessed.image.float() / cool).log_softmax(-1)
    patches_log = (guessed.patches[masked].float() / cool).log_softmax(-1)
    losses = {
        "image_prediction": masked_l1(prediction, batch.image, masking.voxels(batch.blocks)),
        "patch_distillation": cross_entropy(patches, patches_log),
        "image_distillation": across_views(image, image_log),
    }
    with torch.no_grad():
        of_image = output_use(image.roll(len(image) // 2, 0), image_log)
        of_patches = output_use(patches, patches_log)
    use = {f"image_{name}": value for name, value in asdict(of_image).items()}
    use |= {f"patch_{name}": value for name, value in asdict(of_patches).items()}
    return losses, use, (seen.image, seen.patches)


def _end_epoch(
    training: Pretraining, schedule: Schedule, views: Views, place: tuple[Log, Surroundings]
) -> None:
    """The epoch's line of the log, its picture, and the end of a collapsed training."""
    log, around = place
    preset, epoch = training.preset, schedule.epoch(training.step)
    means = {name: value / training.epoch_steps_done for name, value in training.sums.items()}
    last = training.step - 1
    line = {
        "epoch": epoch,
        "step": training.step,
        **{name: round(value, 6) for name, value in means.items()},
        "learning_rate": schedule.learning_rate(last),
        "teacher_momentum": teacher_momentum(preset, last, schedule.steps),
        "image_temperature": teacher_temperature(preset, epoch - 1, patch=False),
        "patch_temperature": teacher_temperature(preset, epoch - 1, patch=True),
        "seconds": round(training.epoch_s, 3),
    }
    log.add(line)
    training.sums, training.epoch_steps_done, training.epoch_s = {}, 0, 0.0
    if epoch % preset.picture_every == 0 or epoch == preset.epochs:
        reconstruction_picture(training, views, around.folder / PICTURES / f"epoch-{epoch:03d}.png")
    _watch(training, epoch, means, around)


def _watch(training: Pretraining, epoch: int, means: Mapping[str, float], around: Surroundings) -> None:
    """Count epochs whose teacher ignored its input; too many in a row end the training."""
    found = {
        head: words
        for head in ("image", "patch")
        if (words := collapsed(means[f"{head}_entropy"], means[f"{head}_dependence"]))
    }
    if not found or epoch <= training.preset.collapse_grace_epochs:
        training.suspect_epochs = 0
        return
    training.suspect_epochs += 1
    told = ", ".join(f"the {head} head gives {words}" for head, words in found.items())
    around.tell(f"epoch {epoch}: {told}; not kept as a checkpoint")
    if training.suspect_epochs >= training.preset.collapse_patience_epochs:
        raise DivergedError(
            f"the self-distillation has collapsed by epoch {epoch}: {told}",
            "train again in another folder with a lower "
            "learning_rate_per_sample, a longer warm-up, or a teacher_temperature that is "
            "higher against one output, lower against the uniform distribution",
        )
