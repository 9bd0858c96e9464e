"""The steps as data: each after what it reads from; `--only` leaves out whole parts; no path is told."""

from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import pytest

from SarcopeniaTraining.reproduction_preset import Phantoms, load_reproduction_preset
from SarcopeniaTraining.reproduction_steps import Inputs, Manner, Part, plain, steps_of

SMOKE = load_reproduction_preset("smoke")
PHANTOMS = Inputs(79)


def names(only=None, inputs=PHANTOMS, preset=SMOKE):
    return [step.name for step in steps_of(preset, inputs, Manner(), only)]


def test_the_whole_paper_in_order():
    assert names() == [
        "phantoms",
        "splits",
        "pretrain",
        "finetune",
        "evaluate",
        "classify",
        "evaluate-classifiers",
        "imbalance",
        "two-routes",
        "explain",
        "gather",
        "report",
    ]


@pytest.mark.parametrize(
    ("only", "left_out"),
    [
        (Part.TABLES, {"imbalance", "two-routes", "explain"}),
        (Part.CLASSIFY, {"splits", "pretrain", "finetune", "evaluate", "two-routes"}),
        (
            Part.SEGMENT,
            {"classify", "evaluate-classifiers", "imbalance", "two-routes", "explain"},
        ),
    ],
)
def test_only_a_part_leaves_out_the_others(only, left_out):
    assert names(only) == [name for name in names() if name not in left_out]


def test_a_given_cohort_is_not_drawn_and_a_given_encoder_not_pretrained(tmp_path):
    encoder, cohort = tmp_path / "smit.pt", tmp_path / "patients"
    inputs = Inputs(79, cohort, (cohort / "manifest.csv",), encoder=encoder)
    found = {step.name: step for step in steps_of(SMOKE, inputs, Manner())}
    assert not {"phantoms", "pretrain"} & set(found)
    assert found["finetune"].given == (cohort / "manifest.csv", encoder)
    assert found["finetune"].arguments[1] == str(cohort)
    assert str(encoder) in found["finetune"].arguments
    assert "cohort/**/*" not in found["finetune"].reads


def test_every_step_reads_what_an_earlier_one_leaves():
    """By folder: the first part of a pattern is left by a step before, or is the reproduction's own file."""
    left = {"reproduction.json"}
    for step in steps_of(SMOKE, PHANTOMS, Manner()):
        for pattern in step.reads:
            assert pattern.split("/")[0] in left, (step.name, pattern)
        left |= {pattern.split("/")[0] for pattern in step.leaves}
    assert {"tables", "figures", "report.html"} <= left


def test_phantoms_are_drawn_as_the_preset_says():
    drawn = Phantoms(patients=7, sarcopenic=2, men=3, seed=11, coverage_mm=25)
    step, *_ = steps_of(replace(SMOKE, phantoms=drawn), PHANTOMS, Manner())
    assert step.arguments == (
        *("phantom", "cohort", "--patients", "7", "--sarcopenic", "2", "--men", "3"),
        *("--seed", "11", "--coverage", "25"),
    )


def test_only_trainings_have_a_folder_to_set_aside():
    found = {step.name: step.folder for step in steps_of(SMOKE, PHANTOMS, Manner()) if step.folder}
    assert found == {
        "phantoms": "cohort",
        "pretrain": "pretrain",
        "finetune": "finetune",
        "classify": "classify",
        "imbalance": "imbalance",
        "explain": "explanations",
    }


def test_how_the_work_is_shared_out_is_no_part_of_what_is_made():
    alone, many = Manner(1), Manner(8, "10.0.0.7:6379")
    for one, other in zip(steps_of(SMOKE, PHANTOMS, alone), steps_of(SMOKE, PHANTOMS, many), strict=True):
        assert one.arguments == other.arguments
        spread = "--cluster" in other.manner
        assert spread == (one.name in ("finetune", "classify"))


def test_sets_of_another_cohort_are_of_the_same_proportions():
    """Of 158 patients twice 47+16+16; of 40: 8.1 to choose on and to test on, the rest to learn from."""
    for people, sizes in ((79, "47,16,16"), (158, "94,32,32"), (40, "24,8,8")):
        splits = {step.name: step for step in steps_of(SMOKE, Inputs(people), Manner())}["splits"]
        assert splits.arguments[splits.arguments.index("--sizes") + 1] == sizes


def test_slabs_and_checkpoints_are_no_results():
    finetune = {step.name: step for step in steps_of(SMOKE, PHANTOMS, Manner())}["finetune"]
    for name in ("finetune/slabs", "finetune/fold-03/checkpoint.pt", "finetune/evaluation"):
        assert any(fnmatch(name, pattern) for pattern in finetune.left_out)
    for name in ("finetune/run.json", "finetune/fold-03/best.safetensors"):
        assert not any(fnmatch(name, pattern) for pattern in finetune.left_out)


def test_what_is_told_of_a_command_names_no_folder_of_this_machine(tmp_path):
    cohort, weights = tmp_path / "patients", tmp_path / "radimagenet"
    inputs = Inputs(79, cohort, weights=weights)
    told = " ".join(step.told for step in steps_of(SMOKE, inputs, Manner()))
    assert str(tmp_path) not in told
    assert "classify patients --preset smoke --out classify --weights radimagenet" in told
    assert plain("finetune/run.json") == "finetune/run.json"
    assert plain(str(Path("/a/b.json").absolute())) == "b.json"
