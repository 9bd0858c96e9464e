"""The printed figures, and what follows from them by hand."""

import pytest

from SarcopeniaTraining.agreement import spread
from SarcopeniaTraining.printed_paper import printed_agreement, printed_folds, printed_patients


def test_ten_folds_with_a_mean_of_0_901():
    folds = printed_folds()
    assert [fold.fold for fold in folds] == list(range(1, 11))
    assert (folds[1].dice_mean, folds[1].dice_sd) == (0.98, 0.05)
    assert (folds[4].area_difference_percent_mean, folds[4].area_difference_percent_sd) == (-3.16, 11.38)
    assert spread([fold.dice_mean for fold in folds]).mean == pytest.approx(0.901)


def test_sixteen_patients_with_three_sarcopenic():
    patients = printed_patients()
    assert [patient.row for patient in patients] == list(range(1, 17))
    assert sum(patient.truth_sarcopenic for patient in patients) == 3
    assert all(patient.truth_sarcopenic == patient.predicted_sarcopenic for patient in patients)


def test_row_4_is_a_misprint_and_only_it():
    errors = {p.row: abs(p.recomputed_error_percent) - p.error_percent for p in printed_patients()}
    assert errors.pop(4) == pytest.approx(110.18 - 2.32, abs=0.01)
    assert all(abs(error) < 0.02 for error in errors.values())


def test_means_with_the_misprint_corrected():
    found = printed_agreement()
    assert round(found.abs_error_mean_percent, 3) == 3.173
    assert round(found.error_mean_percent, 2) == -2.02
    assert round(found.error_sd_percent, 2) == 3.28
    assert found.dice_mean == pytest.approx(14.84 / 16)
