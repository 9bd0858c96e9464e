"""Every statistic one a row: signed apart from absolute, people apart from readings."""

import math

import pytest

from SarcopeniaTraining.agreement_table import agreement_table, statistics
from SarcopeniaTraining.table_files import markdown_text
from Testing.training.made_scores import score

BEST = [
    score("P1", (100.0, 103.0), 0.90),
    score("P2", (150.0, 149.0), 0.95),
    score("P3", (200.0, 206.0), 0.97),
    score("P4", (145.0, 143.0), 0.80),
]
OTHERS = [
    score("P1", (100.0, 97.0), 0.92, fold=2),
    score("P4", (145.0, 150.0), 0.91, fold=2),
    score("P5", (90.0, 91.0), 0.93, fold=2, sex="female"),
]


@pytest.fixture(scope="module")
def found():
    return {(s.readings, s.name): s for s in statistics(BEST, [*BEST, *OTHERS], 1)}


def test_signed_and_absolute_are_rows_of_their_own(found):
    value = {name: s.estimate.value for (readings, name), s in found.items() if readings == "best fold (1)"}
    assert value["sma_error_mean_cm2"] == pytest.approx((3 - 1 + 6 - 2) / 4)
    assert value["sma_abs_error_mean_cm2"] == pytest.approx(3.0)
    assert value["sma_abs_error_median_cm2"] == pytest.approx(2.5)
    assert value["sma_abs_error_p95_cm2"] == 6.0
    assert value["sma_error_mean_percent"] == pytest.approx((3 - 2 / 3 + 3 - 200 / 145) / 4)
    assert not any("abs" in name and "sd" in name for name in value)


def test_limits_by_hand(found):
    sd = math.sqrt((1.5**2 + 2.5**2 + 4.5**2 + 3.5**2) / 3)
    upper = found["best fold (1)", "bland_altman_upper_limit_cm2"].estimate
    assert upper.value == pytest.approx(1.5 + 1.96 * sd)
    assert upper.low < upper.value < upper.high


def test_status_of_people_and_of_readings(found):
    share = found["best fold (1)", "status_right_share"]
    assert (share.estimate.value, share.count) == (0.75, 4)
    # Truth: one sarcopenic of four; predicted two. Agreement 3/4, by chance (1·2 + 3·2)/16.
    assert found["best fold (1)", "status_kappa"].estimate.value == pytest.approx((0.75 - 0.5) / 0.5)
    # P4 is right in one fold and wrong in the other.
    of_people = found["all folds", "patients_status_right_share"]
    assert (of_people.estimate.value, of_people.count) == (0.8, 5)


def test_all_folds_have_the_readings_and_intervals_by_people(found):
    bias = found["all folds", "bland_altman_bias_cm2"]
    assert bias.count == 7
    assert bias.estimate.value == pytest.approx((3 - 1 + 6 - 2 - 3 + 5 + 1) / 7)
    assert bias.estimate.low < bias.estimate.value < bias.estimate.high
    slope = found["all folds", "regression_slope"].estimate.value
    x = [100, 150, 200, 145, 100, 145, 90]
    y = [103, 149, 206, 143, 97, 150, 91]
    mean_x, mean_y = sum(x) / 7, sum(y) / 7
    products = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    assert slope == pytest.approx(products / sum((a - mean_x) ** 2 for a in x))


def test_one_patient_alone_has_numbers_and_no_intervals():
    table = agreement_table(BEST[:1], BEST[:1], 1)
    names = [row["statistic"] for row in table.rows]
    assert "dice_mean" in names
    assert "bland_altman_bias_cm2" not in names
    assert "| best fold (1) | Dice, mean | 0.900 | – | 1 |" in markdown_text(table)


def test_several_cases_of_one_person_are_one_person():
    scores = [score(f"C{n}", (140.0, 150.0), person="one") for n in range(4)]
    names = [(s.readings, s.name) for s in statistics(scores, scores, 1)]
    assert ("all folds", "bland_altman_bias_cm2") not in names


def test_a_person_is_right_if_so_in_every_case():
    scores = [
        score("C1", (140.0, 141.0), person="one"),
        score("C2", (140.0, 150.0), person="one"),
        *(score(f"D{n}", (150.0 + n, 151.0), person=f"other {n}") for n in range(3)),
    ]
    found = {(s.readings, s.name): s for s in statistics(scores, scores, 1)}
    share = found["all folds", "patients_status_right_share"]
    assert (share.estimate.value, share.count) == (0.75, 4)
