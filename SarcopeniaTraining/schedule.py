"""Steps of a training, its learning rate, and the random numbers of each step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Paced(Protocol):
    """What a schedule asks of a preset."""

    @property
    def epochs(self) -> int:
        """Of the whole training."""

    @property
    def warmup_epochs(self) -> float:
        """Of them, with a rising learning rate."""

    @property
    def batch(self) -> int:
        """Samples of a step."""

    @property
    def highest_learning_rate(self) -> float:
        """At the end of the warm-up."""


@dataclass(frozen=True)
class Schedule:
    """Steps and learning rate of a training.

    Attributes
    ----------
    epoch_steps:
        Steps of one epoch.
    """

    preset: Paced
    epoch_steps: int

    @classmethod
    def of(cls, preset: Paced, samples_per_epoch: int) -> Schedule:
        """An epoch takes each sample once; its last step may take some of the next epoch's."""
        return cls(preset, max(math.ceil(samples_per_epoch / preset.batch), 1))

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.preset.epochs * self.epoch_steps

    def epoch(self, step: int) -> int:
        """Epochs that have ended before this step."""
        return step // self.epoch_steps

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then a cosine to zero."""
        highest = self.preset.highest_learning_rate
        warmup = round(self.preset.warmup_epochs * self.epoch_steps)
        if step < warmup:
            return highest * (step + 1) / warmup
        part = (step - warmup) / max(self.steps - warmup, 1)
        return highest * 0.5 * (1 + math.cos(math.pi * part))

    def numbers(self, step: int) -> list[int]:
        """Numbers of the samples of a step."""
        return list(range(step * self.preset.batch, (step + 1) * self.preset.batch))


def seed_word(*numbers: int) -> int:
    """One seed from several numbers: the preset's, what is drawn, the step."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
