"""Statistics against published worked examples and against sums done by hand."""

import math

import numpy as np
import pytest

from SarcopeniaTraining.agreement import (
    bland_altman,
    clustered,
    icc_2_1,
    regression,
    signed_rank_p,
    spread,
    status_agreement,
    wilson,
)

# Peak expiratory flow of 17 people by two meters, first readings (Bland & Altman, Lancet 1986;1:307-10).
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]

# Six people, four judges (Shrout & Fleiss, Psychol Bull 1979;86:420-8, table 2).
JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def test_bland_and_altman_1986():
    found = bland_altman(MINI, WRIGHT)
    assert round(found.bias.value, 1) == -2.1
    assert round(found.sd, 1) == 38.8
    assert round(found.bias.low, 1) == -22.0
    assert round(found.bias.high, 1) == 17.8
    # By hand: −2.118 ± 1.96 · 38.765 and 2.1199 · 38.765 · √(1/17 + 1.96²/32) = 34.757.
    assert found.lower.value == pytest.approx(-78.097, abs=0.01)
    assert found.upper.value == pytest.approx(73.862, abs=0.01)
    assert found.upper.high - found.upper.value == pytest.approx(34.757, abs=0.01)
    assert found.lower.value - found.lower.low == pytest.approx(34.757, abs=0.01)


def test_bland_and_altman_1986_correlation():
    assert round(regression(MINI, WRIGHT).r.value, 2) == 0.94


def test_predicted_minus_truth():
    assert bland_altman([100, 100, 100], [103, 101, 105]).bias.value == pytest.approx(3)


def test_icc_of_shrout_and_fleiss():
    found = icc_2_1(JUDGES)
    assert round(found.value, 2) == 0.29
    assert found.low == pytest.approx(0.019, abs=0.001)
    assert found.high == pytest.approx(0.761, abs=0.001)


def test_icc_of_equal_readings_is_one_and_of_a_constant_unknown():
    assert icc_2_1(np.array([[1.0, 1], [2, 2], [5, 5]])).value == pytest.approx(1)
    assert icc_2_1(np.ones((4, 2))) is None
    # A reader who always adds a large constant does not agree.
    assert icc_2_1(np.array([[1.0, 11], [2, 12], [3, 13]])).value < 0.05


def test_regression_by_hand():
    # x 1 2 3 4, y 2 4 5 9: Sxx 5, Sxy 11, Syy 26, means 2.5 and 5.
    found = regression([1, 2, 3, 4], [2, 4, 5, 9])
    assert found.slope.value == pytest.approx(2.2)
    assert found.intercept.value == pytest.approx(-0.5)
    assert found.r.value == pytest.approx(11 / math.sqrt(5 * 26))
    # Residual sum 26 − 11²/5 = 1.8, s² 0.9, t(2) = 4.3027: slope ± 4.3027 · √(0.9/5).
    assert found.slope.high == pytest.approx(2.2 + 4.30265 * math.sqrt(0.18), abs=1e-4)
    assert found.intercept.low == pytest.approx(
        -0.5 - 4.30265 * math.sqrt(0.9 * (1 / 4 + 2.5**2 / 5)), abs=1e-4
    )
    # Fisher: atanh r ± 1.95996/√1.
    assert found.r.low == pytest.approx(math.tanh(math.atanh(11 / math.sqrt(130)) - 1.959964), abs=1e-5)


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 2]), ([3, 3, 3], [1, 2, 3]), ([1, 2, 3], [4, 4, 4])])
def test_a_line_that_cannot_be_told(x, y):
    assert regression(x, y) is None


def test_all_right_of_sixteen():
    found = status_agreement([True] * 3 + [False] * 13, [True] * 3 + [False] * 13)
    assert (found.right, found.count, found.kappa) == (16, 16, 1.0)
    # Wilson at p = 1: n/(n + z²).
    assert found.share.low == pytest.approx(16 / (16 + 1.959964**2), abs=1e-6)
    assert found.share.high == pytest.approx(1)


def test_kappa_by_hand():
    truth = [True] * 25 + [False] * 25
    predicted = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    found = status_agreement(truth, predicted)
    assert found.right == 35
    assert found.kappa == pytest.approx((0.7 - 0.5) / 0.5)


def test_one_status_has_no_kappa():
    assert status_agreement([False] * 4, [False] * 4).kappa is None


def test_spread_by_hand():
    found = spread([4, 1, 2, 9])
    assert (found.count, found.mean, found.median, found.least, found.greatest) == (4, 4, 3, 1, 9)
    assert found.sd == pytest.approx(math.sqrt(38 / 3))
    assert found.p95 == 9
    assert spread([2]).sd is None


def test_the_95th_percentile_is_a_value_that_occurred():
    assert spread(range(1, 102)).p95 == 96
    assert spread([1] * 10 + [7]).p95 == 7


def test_repeated_readings_of_a_person_do_not_narrow_the_interval():
    rng = np.random.default_rng(3)
    own = rng.normal(0, 1, 12)
    once = clustered([str(n) for n in range(12)], lambda chosen: float(own[chosen].mean()))
    people = [str(n) for n in range(12) for _ in range(10)]
    tenfold = np.repeat(own, 10)
    again = clustered(people, lambda chosen: float(tenfold[chosen].mean()))
    assert again.value == pytest.approx(own.mean())
    # By hand: ± 1.96 · sd/√12 with the plug-in sd, whatever the number of readings each.
    width = 2 * 1.96 * own.std() / math.sqrt(12)
    assert again.high - again.low == pytest.approx(width, rel=0.15)
    assert (again.high + again.low) / 2 == pytest.approx(own.mean(), abs=0.1)
    assert once.high - once.low == pytest.approx(width, rel=0.15)


def test_signed_rank_by_hand():
    # Five differences of one sign: 2 of the 2⁵ sign patterns are as extreme.
    assert signed_rank_p([1, 2, 3, 4, 5]) == pytest.approx(2 / 32)
    assert signed_rank_p([0, 0, 0]) is None


@pytest.mark.parametrize("values", [[], [1, float("nan")], [[1, 2], [3, 4]]])
def test_what_is_no_list_of_numbers_is_refused(values):
    with pytest.raises(ValueError, match="finite numbers"):
        spread(values)


def test_unequal_numbers_are_no_pairs():
    with pytest.raises(ValueError, match="no pairs"):
        bland_altman([1, 2, 3], [1, 2])


def test_wilson_of_the_papers_twelve_of_thirteen():
    found = wilson(12, 13)
    z = 1.959964
    centre = (12 + z**2 / 2) / (13 + z**2)
    half = z / (13 + z**2) * math.sqrt(12 * 1 / 13 + z**2 / 4)
    assert (found.value, found.low, found.high) == pytest.approx((12 / 13, centre - half, centre + half))
    assert wilson(0, 0) is None
