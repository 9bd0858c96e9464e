"""Held-out scans: scores by hand on arrays, one real scan through `assess`, rows that survive a kill."""

import json
from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import Drawing, GivenFacts, ask, assess, conclude
from SarcopeniaAssessLib.errors import MaskError, OutputError
from SarcopeniaAssessLib.models import default_model_name, load_model
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining import held_out
from SarcopeniaTraining.held_out import FIRST_SEED, HeldOutScore, as_ct, chosen_level, compare, read_scan
from SarcopeniaTraining.held_out_run import ROWS, HeldOutPlan, score_held_out
from SarcopeniaTraining.second_family import draw_l3
from Testing.training.made_scans import PIXEL_CM2, made_scan, made_score


def concluded(scan, change=lambda mask: mask):
    """The truth of the scan's L3, changed, as a given mask through the library's own conclusion."""
    facts = GivenFacts(sex=scan.facts.sex, age_years=scan.facts.age_years)
    volume = as_ct(scan)
    question = ask(volume, facts, l3=chosen_level(scan))
    k = question.level.slice_from_feet
    truth = volume.canonical_slice_mask(scan.muscle, k)
    drawing = Drawing(mask=change(truth.copy()), hu=volume.slab(k, k + 1)[:, :, 0])
    return conclude(question, drawing), truth


def test_the_level_is_the_scans_own_and_the_truth_is_measured_on_it():
    scan = made_scan()
    found, truth = concluded(scan)
    assert found.level.slice_from_feet == 3
    score = compare(scan, found, truth)
    assert score.truth_cm2 == pytest.approx(60 * 40 * PIXEL_CM2)
    assert (score.dice, score.error_percent) == (1.0, pytest.approx(0.0))
    assert score.covered is True


def test_a_shifted_mask_by_hand():
    # 60 × 40 pixels moved by 6 rows: 54 × 40 in common, areas equal.
    found, truth = concluded(made_scan(), lambda mask: np.roll(mask, 6, axis=0))
    score = compare(made_scan(), found, truth)
    assert score.dice == pytest.approx(0.9)
    assert score.error_percent == pytest.approx(0.0)


def test_a_mask_that_is_too_large_is_not_covered_by_a_readers_interval():
    def wider(mask):
        mask[mask.any(axis=1).nonzero()[0].max() + 1, :] = mask.any(axis=0)  # one row of 40 more
        mask[mask.any(axis=1).nonzero()[0].min() - 1, :] = mask.any(axis=0)
        return mask

    found, truth = concluded(made_scan(), wider)
    score = compare(made_scan(), found, truth)
    assert score.error_percent == pytest.approx(100 * 2 / 60)
    assert score.error_cm2 == pytest.approx(2 * 40 * PIXEL_CM2)
    assert score.half_width_percent == pytest.approx(1.9)
    assert score.covered is False


def test_readers_differ_from_the_truth_as_published():
    readers = np.array([made_score(seed=seed).reader_cm2 for seed in range(400)])
    assert np.mean(np.abs(readers - 100.0) <= 1.9) == pytest.approx(0.95, abs=0.03)
    score = made_score(seed=3, interval_low_cm2=0.0, interval_high_cm2=0.0)
    assert replace(score, interval_high_cm2=score.reader_cm2 + 1e-6).covered is True
    assert replace(score, interval_high_cm2=score.reader_cm2 - 1e-6).covered is False


def test_status_by_the_default_criterion_from_each_area():
    found, truth = concluded(made_scan(sex="female"))
    score = compare(made_scan(sex="female"), found, truth)
    assert score.truth_status == "sarcopenic"  # 72 under 92 cm²
    truth[20:80, 20:80] = True
    for sex, status in (("female", "not sarcopenic"), ("male", "sarcopenic")):  # 108 cm²: over 92, under 144
        assert compare(made_scan(sex=sex), found, truth).truth_status == status
    assert replace(score, status="sarcopenic").status_is_right is True
    assert replace(score, status="not sarcopenic").status_is_right is False
    assert replace(score, status="undetermined").status_is_right is None


def test_a_refusal_is_a_row_without_numbers():
    scan = made_scan()
    _, truth = concluded(scan)
    score = compare(scan, MaskError("The model finds no muscle", "check"), truth)
    assert score.refused == "The model finds no muscle"
    assert (score.dice, score.sma_cm2, score.error_percent, score.covered) == (None,) * 4
    assert score.status == "undetermined"
    assert score.truth_cm2 == pytest.approx(72.0)


def test_findings_are_kept_by_severity():
    found, truth = concluded(made_scan(age_years=15))
    score = compare(made_scan(age_years=15), found, truth)
    assert "under_18" in score.errors
    assert score.status == "undetermined"
    assert "under_18" not in score.warnings


def test_a_row_survives_json():
    score = made_score(traits=("arms", "stool"), errors=("fov_cuts_muscle",), sma_cm2=None, dice=None)
    assert HeldOutScore.from_mapping(json.loads(json.dumps(score.to_mapping()))) == score


def test_the_ct_has_the_facts_of_a_header():
    facts = as_ct(made_scan(phase="none", kvp=100, slice_mm=1.25)).input
    assert (facts.contrast, facts.kvp, facts.slice_thickness_mm) == (False, 100.0, 1.25)
    assert as_ct(made_scan(phase="arterial")).input.contrast is True


def test_a_held_out_scan_is_scored_by_what_assess_says():
    scan, model = draw_l3(FIRST_SEED), load_model()
    reading = read_scan(scan, model)
    assert reading.k == 2, "the middle of five slices, wherever L3 is"
    score, facts = reading.score, scan.facts
    record = assess(as_ct(scan), sex=facts.sex, l3=chosen_level(scan), model=model, device="cpu").record
    assert score.status == record["status"]["value"] != "undetermined"
    assert score.borderline == record["status"]["borderline"]
    assert score.sma_cm2 == record["muscle"]["sma_cm2"]
    assert [score.interval_low_cm2, score.interval_high_cm2] == record["muscle"]["sma_interval_cm2"]
    assert score.dice > 0.85
    assert reading.drawn.sum() * reading.volume.pixel_area_cm2 == pytest.approx(score.sma_cm2)
    assert reading.truth.sum() * reading.volume.pixel_area_cm2 == pytest.approx(score.truth_cm2)


def test_a_scan_that_is_refused_is_read_all_the_same(monkeypatch):
    def refuse(volume, **asked):
        assert (asked["sex"], asked["l3"]) == ("male", chosen_level(made_scan()))
        raise MaskError("The model finds no muscle", "check")

    monkeypatch.setattr(held_out, "assess", refuse)
    reading = read_scan(made_scan(), None)
    assert reading.score.refused == "The model finds no muscle"
    assert reading.drawn is None
    assert reading.k == 3
    assert reading.truth.sum() == 60 * 40


def test_a_folder_that_another_run_uses_is_refused(tmp_path):
    lock = FolderLock(tmp_path)
    try:
        with pytest.raises(OutputError, match="Another run is writing"):
            score_held_out(HeldOutPlan(default_model_name(), ()), tmp_path)
    finally:
        lock.release()


@pytest.mark.parametrize("row", ["{}", '{"seed": 4}', "[2]"])
def test_a_row_that_is_no_score_is_refused(tmp_path, row):
    plan = HeldOutPlan(default_model_name(), ())
    score_held_out(plan, tmp_path)
    with (tmp_path / ROWS).open("a") as rows:
        rows.write(f"{row}\n")
    with pytest.raises(OutputError, match=rf"{ROWS} is damaged"):
        score_held_out(plan, tmp_path)


def test_rows_of_another_model_are_refused(tmp_path):
    score_held_out(HeldOutPlan(default_model_name(), ()), tmp_path)
    with pytest.raises(OutputError, match="belongs to another model"):
        score_held_out(HeldOutPlan("smit-slab", ()), tmp_path)


def test_a_run_goes_on_where_it_stopped(tmp_path):
    told = []
    model = default_model_name()
    first, subject = score_held_out(HeldOutPlan(model, (FIRST_SEED,)), tmp_path)
    both, _ = score_held_out(
        HeldOutPlan(model, (FIRST_SEED + 1, FIRST_SEED)), tmp_path, lambda *done: told.append(done)
    )
    assert both[1] == first[0]  # its seconds too: not scored again
    assert [score.seed for score in both] == [FIRST_SEED + 1, FIRST_SEED]
    assert told == [(1, 1)]
    assert subject["model"]["sha256"] == load_model().entry.sha256
    assert set(subject) == {"schema", "model", "family_sha256", "library_sha256"}
    assert json.loads((tmp_path / ROWS).read_text().splitlines()[0]) == subject


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path):
    seeds = tuple(range(FIRST_SEED, FIRST_SEED + 4))
    alone, _ = score_held_out(HeldOutPlan(default_model_name(), seeds), tmp_path / "one")
    two, _ = score_held_out(HeldOutPlan(default_model_name(), seeds, jobs=2), tmp_path / "two")
    assert [replace(score, seconds=0.0) for score in two] == [replace(score, seconds=0.0) for score in alone]
