"""Steps, learning rate and seeds: the same for every training."""

import dataclasses
import math

import pytest

from SarcopeniaTraining.presets import load_preset
from SarcopeniaTraining.pretraining_preset import load_pretrain_preset
from SarcopeniaTraining.schedule import Schedule, seed_word

TEN = dataclasses.replace(load_preset("smoke"), epochs=10, warmup_epochs=2, learning_rate=1.0, batch=4)


def test_the_schedule_warms_up_linearly_and_falls_by_a_cosine():
    schedule = Schedule(TEN, 5)
    assert schedule.steps == 50
    assert [schedule.learning_rate(n) for n in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert schedule.learning_rate(10) == pytest.approx(1.0)
    assert schedule.learning_rate(30) == pytest.approx(0.5)
    assert schedule.learning_rate(49) == pytest.approx(0.5 * (1 + math.cos(math.pi * 39 / 40)))


def test_pre_trainings_rate_counts_the_samples_of_a_step():
    preset = dataclasses.replace(
        load_pretrain_preset("smoke"), batch=8, learning_rate_per_sample=0.25, warmup_epochs=1
    )
    assert Schedule(preset, 4).learning_rate(3) == pytest.approx(2.0)


def test_an_epoch_takes_every_sample_once_and_its_last_step_is_filled_up():
    schedule = Schedule.of(TEN, 10)
    assert (schedule.epoch_steps, schedule.steps) == (3, 30)
    assert [schedule.epoch(n) for n in (0, 2, 3, 29)] == [0, 0, 1, 9]
    assert [n for step in range(2) for n in schedule.numbers(step)] == list(range(8))
    assert Schedule.of(TEN, 1).epoch_steps == 1


def test_seeds_of_other_numbers_are_others():
    assert seed_word(1, 13, 0) == seed_word(1, 13, 0)
    assert len({seed_word(*numbers) for numbers in ((1, 13, 0), (1, 13, 1), (2, 13, 0), (13, 1, 0))}) == 4
