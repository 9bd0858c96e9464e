"""What a dry run tells: every step with a cost and its basis; counts of steps reckoned by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from SarcopeniaTraining.classification.architectures import ARCHITECTURES
from SarcopeniaTraining.reproduce_command import subject_of
from SarcopeniaTraining.reproduction_costs import (
    READ_8_CORE_S,
    STEP_OF_8_CORE_S,
    classifier_core_s,
    cost_lines,
    cost_of,
    expected_s,
    on_a100,
)

NOTHING = {"only": None, "weights": None, "encoder": None, "jobs": 2, "cluster": None}


def subject(preset: str, **options):
    return subject_of(None, preset, NOTHING | options)


def costs(preset: str):
    of = subject(preset)
    return {step.name: cost_of(step, of) for step in of.wanted}


@pytest.mark.parametrize("preset", ["smoke", "paper"])
def test_every_step_has_a_cost_on_both_machines_and_says_where_it_is_from(preset):
    for name, cost in costs(preset).items():
        assert cost.seconds, name
        assert cost.a100_s, name
        assert 0 < cost.a100_s <= cost.seconds
        assert cost.basis != "not known"


def test_phantoms_are_drawn_as_fast_as_those_that_were_timed():
    """79 of 30 mm took 422 s on two cores, of 60 mm 721 s: within a twentieth."""
    assert costs("smoke")["phantoms"].seconds == pytest.approx(422, rel=0.05)
    assert costs("paper")["phantoms"].seconds == pytest.approx(721, rel=0.05)


def test_published_folds_are_counted_as_by_hand():
    """47 patients × 4 crops × 200 epochs × 10 folds = 376,000 crops of 14 core-seconds on two cores."""
    cost = costs("paper")["finetune"]
    assert cost.seconds == pytest.approx(376_000 * 7)
    assert cost.basis.startswith("376000 crops of 14 core-seconds")
    # 0.485 TFLOP/s here, three tenths of 156 there: 96.5 times as fast.
    assert cost.a100_s == pytest.approx(376_000 * 7 / 96.5, rel=1e-3)


def test_published_pretraining_counts_each_ct_once_an_epoch():
    assert costs("paper")["pretrain"].basis.startswith("39500 regions")  # 79 × 500


def test_classifiers_are_reckoned_from_each_networks_own_step():
    """One network, two sets, three epochs: 54 learned from and 12 read in each; frozen ones read once."""
    name = "ResNet50"
    step, read = STEP_OF_8_CORE_S[name], READ_8_CORE_S[name]
    preset = {"networks": [name], "sets": [1, 2], "epochs": 3, "schemes": ["unfreezeall"]}
    assert classifier_core_s(preset, 79) == pytest.approx(2 * 3 * (54 * step + 12 * read) / 8)
    assert classifier_core_s(preset | {"schemes": ["freezeall"]}, 79) == pytest.approx(79 * read / 8)


def test_explanations_are_counted_as_by_hand():
    """8 cases × 1,000 samples × (2 × 3 seeds + 1), each 3.2/8 core-seconds on two cores."""
    cost = costs("paper")["explain"]
    assert cost.basis.startswith("56000 images read")
    assert cost.seconds == pytest.approx(56_000 * 3.2 / 8 / 2)


def test_imbalance_trains_one_network_in_four_ways():
    """ResNet50, ten sets, 100 epochs: 54 × 5.7 / 8 + 12 × 1.1 / 8 core-seconds an epoch."""
    epoch = (54 * 5.7 + 12 * 1.1) / 8
    assert costs("paper")["imbalance"].seconds == pytest.approx(4 * 10 * 100 * epoch / 2)


def test_each_of_the_papers_networks_was_measured():
    assert set(STEP_OF_8_CORE_S) == set(READ_8_CORE_S) == set(ARCHITECTURES)


def test_smoke_of_another_cohort_is_scaled_and_said_to_be():
    of = subject("smoke")
    twice = replace(of, inputs=replace(of.inputs, people=158))
    steps = {step.name: step for step in of.wanted}
    assert expected_s(steps["pretrain"], twice) == 2 * expected_s(steps["pretrain"], of)
    assert cost_of(steps["pretrain"], twice).basis.startswith("by size from what was measured with smoke")


def test_an_unknown_preset_has_no_cost_and_is_not_counted():
    of = subject("smoke")
    made = tuple(
        replace(step, preset={**step.preset, "name": "mine"}) if step.preset else step for step in of.wanted
    )
    lines = list(cost_lines(replace(of, wanted=made), tuple(step.name for step in made)))
    assert lines[-1].endswith("4 steps not counted whose cost is not known")


def test_a_dry_run_names_every_step_and_the_sum(tmp_path: Path):
    of = subject("smoke")
    names = tuple(step.name for step in of.wanted)
    lines = list(cost_lines(of, names))
    assert len(lines) == len(names) + 2
    for step, line in zip(of.wanted, lines[1:-1], strict=True):
        assert step.title in line
    done = list(cost_lines(of, ()))
    assert all(line.endswith("up to date") for line in done[1:-1])
    assert done[-1].split()[-4:] == ["0", "s", "0", "s"]


def test_an_a100_is_reckoned_by_products_alone():
    assert on_a100(0) == 0
