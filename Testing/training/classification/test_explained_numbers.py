"""Shares, curves and checks of readings written by hand."""

import pytest

from SarcopeniaTraining.classification import explained_numbers
from SarcopeniaTraining.classification.explained_numbers import changed_by, known_mean, numbers_of
from SarcopeniaTraining.classification.explained_readings import ExplainPlan, Method, State
from SarcopeniaTraining.classification.lime_maps import LimeSettings
from SarcopeniaTraining.classification.sanity import Level
from SarcopeniaTraining.classification.tissues import Tissue
from Testing.training.classification.made_readings import PIECES, explained, readings

PLAN = ExplainPlan("seen", LimeSettings(50, (1, 2)))


@pytest.fixture
def numbers(monkeypatch):
    monkeypatch.setattr(explained_numbers, "superpixels_of", lambda images, plan: PIECES)
    return numbers_of(explained(), readings(), PLAN)


def share(numbers, state, method, tissue):
    return next(s for s in numbers.shares if (s.state, s.method, s.tissue) == (state, method, tissue))


def test_shares_are_those_of_what_speaks_for_the_call(numbers):
    # A, mean weights 0.4 −0.2 0.2 0.2: for it 0.6 left, 0.2 right; B is called not so: 0.4, all of it right
    muscle = share(numbers, State.TRAINED, Method.LIME, Tissue.MUSCLE)
    assert muscle.share.value == pytest.approx((0.6 / 0.8 + 0) / 2)
    assert muscle.pixels == pytest.approx(0.5)
    assert muscle.times_chance == pytest.approx(0.375 / 0.5)
    assert muscle.cases == 2
    fat = share(numbers, State.TRAINED, Method.LIME, Tissue.FAT)
    assert fat.share.value == pytest.approx((0.2 / 0.8 + 1) / 2)
    assert share(numbers, State.TRAINED, Method.LIME, Tissue.BONE).times_chance is None


def test_grad_cam_is_interpolated_before_it_is_shared(numbers):
    # columns of A's cells 3 2 / 1 0 weigh 4 and 2; at four pixels a row 4, 3.5, 2.5, 2 of 12
    muscle = share(numbers, State.TRAINED, Method.GRAD_CAM, Tissue.MUSCLE)
    of_a, of_b = 7.5 / 12, (2 + 2.5) / 12  # B: class 0, columns 2 and 4
    assert muscle.share.value == pytest.approx((of_a + of_b) / 2)


def test_a_case_in_which_nothing_speaks_for_the_call_is_left_out(numbers):
    assert share(numbers, State.RANDOM, Method.LIME, Tissue.MUSCLE).cases == 1
    assert share(numbers, State.RANDOM, Method.GRAD_CAM, Tissue.MUSCLE).cases == 2


def test_areas_and_what_the_maps_gain_over_random_ones(numbers):
    check = next(c for c in numbers.checks if c.method is Method.LIME and c.state is State.TRAINED)
    assert check.deletion == pytest.approx(0.4)
    assert check.insertion == pytest.approx(0.65)
    assert check.random_deletion == pytest.approx((0.55 + 0.65) / 2)
    assert check.random_insertion == pytest.approx((0.5 + 0.4) / 2)
    assert check.gain.value == pytest.approx(0.65 - 0.4 - (0.45 - 0.6))
    assert check.fit == pytest.approx(0.5)


def test_seeds_agree_by_the_class_called(numbers):
    check = next(c for c in numbers.checks if c.method is Method.LIME and c.state is State.TRAINED)
    # A: ranks 4 1 3 2 and 4 1 2 3, so 1 − 6 · 2 / 60; B: the same twice
    # what speaks for the call: in A three superpixels, the same twice; in B two, and one of them
    assert check.stability.rank_correlation == pytest.approx((0.8 + 1) / 2)
    assert check.stability.top_overlap == pytest.approx((1 + 1 / 2) / 2)
    other = next(c for c in numbers.checks if c.method is Method.GRAD_CAM and c.state is State.TRAINED)
    assert other.stability.rank_correlation is None
    assert other.fit is None


def test_maps_before_and_after_are_of_one_class_and_mean_over_draws(numbers):
    made = readings()
    # LIME of A: the first head has the opposite order, the second the same
    assert changed_by(made, Method.LIME, Level.HEAD, PIECES) == pytest.approx({"A": 0, "B": 1})
    # Grad-CAM of A by class 1: the first head has the classes' maps exchanged
    assert changed_by(made, Method.GRAD_CAM, Level.HEAD, PIECES) == pytest.approx({"A": 0, "B": 1})
    assert changed_by(made, Method.LIME, Level.ALL, PIECES)["A"] is None  # the random weights are all alike
    check = next(c for c in numbers.checks if c.method is Method.LIME and c.state is State.TRAINED)
    assert check.unchanged[Level.HEAD] == (pytest.approx(0.5), False)
    random = next(c for c in numbers.checks if c.state is State.RANDOM)
    assert random.unchanged == {}


def test_without_tissues_there_are_no_shares(monkeypatch):
    monkeypatch.setattr(explained_numbers, "superpixels_of", lambda images, plan: PIECES)
    numbers = numbers_of(explained(tissues=False), readings(), PLAN)
    assert numbers.shares == ()
    assert len(numbers.checks) == 4


def test_the_mean_of_what_is_known():
    assert known_mean([1.0, None, 2.0]) == 1.5
    assert known_mean([None]) is None
