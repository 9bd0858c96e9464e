"""Checkpoints of a fold: scored by `segment_slices`, the best chosen, whatever was lost or zero."""

import dataclasses
import json

import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.segmentation import segment_slice
from SarcopeniaTraining.cached_cases import CachePlan, cached_cases
from SarcopeniaTraining.finetuning import Training
from SarcopeniaTraining.validation import VALIDATION, FoldValidation
from Testing.training.test_finetuning import TINY as SLABS
from Testing.training.tiny_cohort import tiny_cohort

TINY = dataclasses.replace(SLABS, slab=dataclasses.replace(SLABS.slab, in_plane_mm=6.0))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return tiny_cohort(tmp_path_factory.mktemp("cohort"), 2)


@pytest.fixture
def validation(cohort, tmp_path):
    plan = CachePlan(tmp_path / "cache", TINY.slab, thin=True)
    cases = cached_cases(cohort.cases, plan, jobs=1, tell=lambda line: None)
    (tmp_path / "fold").mkdir()
    told: list[str] = []
    return FoldValidation(tmp_path / "fold", list(cases.values()), "tiny CTs", "cpu", told.append), told


def test_a_score_is_that_of_the_whole_way_from_the_ct(cohort, validation):
    """Areas of `segment_slice` on the CT itself, counted by hand."""
    examine, _ = validation
    found = examine(Training.start(TINY), 2)
    model = load_model(examine.folder / "epoch-002.safetensors")
    errors, dices = [], []
    for case in cohort.cases:
        volume = case.open()
        k = case.slice_from_feet(volume)
        mask, truth = segment_slice(volume, k, model).mask, case.truth(volume, k)
        errors.append(100 * (mask.sum() / truth.sum() - 1))
        dices.append(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
    assert found["validation_sma_error_percent"] == pytest.approx(sum(errors) / 2, abs=1e-3)
    assert found["validation_sma_absolute_error_percent"] == pytest.approx(
        sum(map(abs, errors)) / 2, abs=1e-3
    )
    assert found["validation_dice"] == pytest.approx(sum(dices) / 2, abs=1e-5)


def test_the_best_has_the_highest_dice_and_of_equals_it_is_the_latest(validation):
    examine, told = validation
    for epoch in (1, 2, 3):
        examine(Training.start(dataclasses.replace(TINY, seed=epoch)), epoch)
    scores = {
        "epoch-001": {"dice": 0.7},
        "epoch-002": {"dice": 0.9},
        "epoch-003": {"dice": 0.9},
    }
    (examine.folder / VALIDATION).write_text(json.dumps(scores))
    assert examine.finish() == "epoch-003"
    values = json.loads((examine.folder / VALIDATION).read_text())
    assert values == {**scores, "best": "epoch-003"}
    kept = [(examine.folder / f"{name}.safetensors").read_bytes() for name in ("best", "epoch-003")]
    assert kept[0] == kept[1]
    assert not any("muscle" in line for line in told)


def test_where_no_checkpoint_finds_muscle_there_is_still_a_best_and_it_is_said(validation):
    examine, told = validation
    for epoch in (1, 2):
        examine(Training.start(TINY), epoch)
    zero = {"dice": 0.0, "sma_error_percent": -100.0}
    (examine.folder / VALIDATION).write_text(json.dumps({"epoch-001": zero, "epoch-002": zero}))
    assert examine.finish() == "epoch-002"
    assert "no checkpoint finds any muscle" in told[-1]
    assert load_model(examine.folder / "best.safetensors").entry.training["epoch"] == 2


def test_scores_that_were_lost_are_computed_again(validation):
    examine, _ = validation
    first = examine(Training.start(TINY), 1)
    (examine.folder / VALIDATION).write_text('{"epoch-001": {"di')
    assert examine.finish() == "epoch-001"
    again = json.loads((examine.folder / VALIDATION).read_text())["epoch-001"]
    assert again["dice"] == first["validation_dice"]


def test_without_any_checkpoint_there_is_no_best(validation):
    with pytest.raises(ModelError, match="repeat the command"):
        validation[0].finish()
