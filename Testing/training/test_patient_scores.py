"""One patient's scores: distances and areas by hand, statuses by the library's rule."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.errors import MaskError
from SarcopeniaAssessLib.model_file import file_sha256
from SarcopeniaAssessLib.models import default_model_name
from SarcopeniaTraining.patient_scores import (
    ModelToScore,
    PatientScore,
    read_patient,
    score_patient,
    surface_distances_mm,
)
from Testing.training.drawn_run import draw_cohort

DEFAULT = default_model_name()

SCORE = PatientScore(
    fold=1,
    checkpoint="best",
    model_sha256="a" * 64,
    case="P001",
    person="P001",
    sex="male",
    truth_sma_cm2=150.0,
    predicted_sma_cm2=141.0,
    dice=0.9,
    truth_status="not sarcopenic",
    predicted_status="sarcopenic",
    cutoff_cm2=144.0,
    mean_surface_distance_mm=0.5,
    surface_distance_95_mm=2.0,
    mask_sha256="b" * 64,
)


def bar(shape, rows, columns):
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize(("axis", "expected_mm"), [(0, 3 * 0.7), (1, 3 * 2.5)])
def test_two_lines_three_pixels_apart_at_unequal_spacing(axis, expected_mm):
    # Single-pixel lines: every border pixel of one lies three pixels from the other, along one axis.
    lines = [bar((20, 20), 4, slice(0, 20)), bar((20, 20), 7, slice(0, 20))]
    first, second = (line if axis == 0 else line.T for line in lines)
    mean_mm, far_mm = surface_distances_mm(first, second, (0.7, 2.5))
    assert mean_mm == pytest.approx(expected_mm, rel=1e-5)
    assert far_mm == pytest.approx(expected_mm, rel=1e-5)


def test_the_mean_is_over_both_borders_and_the_percentile_the_larger_way():
    # One pixel against a row of 41: from the pixel 0 mm; from the row 0, 1 × 2, … 20 × 2 mm each way, twice.
    point, row = bar((9, 61), 4, 30), bar((9, 61), 4, slice(10, 51))
    mean_mm, far_mm = surface_distances_mm(point, row, (0.5, 2.0))
    assert mean_mm == pytest.approx(2 * 2.0 * sum(range(21)) / 42, rel=1e-5)
    # 41 sorted distances, 95 % of 40 is place 38: the 39th is 19 pixels.
    assert far_mm == pytest.approx(2.0 * 19, rel=1e-5)


def test_equal_masks_touch_and_an_empty_one_has_no_distance():
    mask = bar((12, 9), slice(2, 7), slice(3, 8))
    assert surface_distances_mm(mask, mask, (1.0, 2.0)) == (0.0, 0.0)
    assert surface_distances_mm(np.zeros_like(mask), mask, (1.0, 2.0)) == (None, None)


def test_errors_and_statuses():
    assert SCORE.error_cm2 == -9.0
    assert SCORE.error_percent == pytest.approx(-6.0)
    assert (SCORE.sarcopenic, SCORE.predicted_sarcopenic, SCORE.status_is_right) == (False, True, False)
    unknown = replace(SCORE, truth_status="undetermined")
    assert (unknown.sarcopenic, unknown.status_is_right) == (None, None)


def test_json_and_back():
    later = {**SCORE.to_mapping(), "a field of later versions": 1}
    assert PatientScore.from_mapping(later) == SCORE
    with pytest.raises(KeyError):
        PatientScore.from_mapping({"fold": 1})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return draw_cohort(tmp_path_factory.mktemp("patients") / "cohort")


def model(name, fold=1, checkpoint="best"):
    path = resource_path(f"{name}.safetensors")
    return ModelToScore(fold, checkpoint, path, file_sha256(path))


@pytest.mark.parametrize("case", ["D1", "D2", "D3", "D4"])
def test_a_patient_through_the_real_library(cohort, case):
    patient = cohort[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a reader of the command's output is not bothered by others' plans
        (score,) = score_patient(patient, [model(DEFAULT)], "b" * 64)
    volume = patient.open()
    truth = patient.truth(volume, 1)
    # Pixel area by hand from the native affine: |column × row| of the two in-plane axes, which are i and j.
    native = volume.ras_from_ijk[:3]
    area_cm2 = np.linalg.norm(np.cross(native[:, 0], native[:, 1])) / 100
    assert score.truth_sma_cm2 == pytest.approx(truth.sum() * area_cm2)
    drawn = read_patient(patient, _loaded(DEFAULT))
    assert np.array_equal(drawn.truth, truth)
    both = (drawn.truth & drawn.predicted).sum()
    assert score.dice == pytest.approx(2 * both / (drawn.truth.sum() + drawn.predicted.sum()))
    assert score.dice > 0.9
    assert score.predicted_sma_cm2 == pytest.approx(drawn.predicted.sum() * area_cm2)
    cutoff = {"male": 144, "female": 92}[score.sex]
    assert score.cutoff_cm2 == cutoff
    assert score.sarcopenic is bool(score.truth_sma_cm2 < cutoff)
    assert 0 < score.mean_surface_distance_mm < 2


def _loaded(name):
    from SarcopeniaAssessLib.models import load_model

    return load_model(name)


def test_the_spacing_is_that_of_the_canonical_plane(cohort, monkeypatch):
    from SarcopeniaTraining import patient_scores

    seen = []

    def spy(predicted, truth, spacing):
        seen.append(spacing)
        return 1.0, 2.0

    monkeypatch.setattr(patient_scores, "surface_distances_mm", spy)
    score_patient(cohort["D2"], [model(DEFAULT)], "b" * 64)
    assert seen == [pytest.approx((1.8, 2.2), rel=1e-5)]


def test_a_copied_checkpoint_is_run_once_and_named_twice(cohort, monkeypatch):
    from SarcopeniaTraining import patient_scores

    runs = []
    real = patient_scores.segment_slices

    def counted(*arguments):
        runs.append(1)
        return real(*arguments)

    monkeypatch.setattr(patient_scores, "segment_slices", counted)
    names = [(1, "best"), (1, "epoch-060"), (4, "best")]
    scores = score_patient(cohort["D3"], [model(DEFAULT, *name) for name in names], "b" * 64)
    assert [(score.fold, score.checkpoint) for score in scores] == names
    assert len(runs) == 1
    assert len({score.dice for score in scores}) == 1


def test_a_mask_that_does_not_fit_is_refused(cohort):
    other = replace(cohort["D1"], mask=cohort["D2"].mask)
    with pytest.raises(MaskError):
        score_patient(other, [model(DEFAULT)], "b" * 64)
