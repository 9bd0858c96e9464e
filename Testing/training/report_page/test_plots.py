"""Plots of dots: where a number lies, and what is drawn."""

import math
import re

import pytest

from SarcopeniaTraining.report_page.comparison_rows import ComparisonRow, Measured
from SarcopeniaTraining.report_page.expectation import Expectation, Verdict
from SarcopeniaTraining.report_page.plots import Axis, axis_of, dot_plot

NO = Expectation(Verdict.NO)


def row(ours, printed, name="a"):
    return ComparisonRow(name, ours, printed, NO)


@pytest.mark.parametrize(
    ("values", "greatest", "wanted"),
    [
        ((0.31, 0.92), math.inf, (0.2, 1.0, 0.2)),
        ((0.31, 1.08), 1.0, (0.2, 1.0, 0.2)),
        ((0.84, 1.03), math.inf, (0.8, 1.05, 0.05)),
        ((-0.2, 0.95), math.inf, (0.0, 1.0, 0.2)),
        ((0.5, 0.5), math.inf, (0.5, 0.51, 0.01)),
    ],
)
def test_an_axis_of_round_numbers(values, greatest, wanted):
    axis = axis_of(values, greatest)
    assert (axis.low, axis.high, axis.step) == pytest.approx(wanted)


def test_places_and_ticks():
    axis = Axis(0.2, 1.0, 0.2)
    assert [axis.place(value) for value in (0.2, 0.6, 1.0, 1.4)] == ["3.00%", "50.00%", "97.00%", "97.00%"]
    assert axis.ticks == (0.2, 0.4, 0.6, 0.8, 1.0)


def test_both_marks_where_the_numbers_are():
    # Ends 0.4 and 0.8: ours 0.6 in the middle, printed 0.7 at three quarters.
    plot = dot_plot([row(Measured(0.6, 0.2), Measured(0.7))], "Words.", "AUC")
    assert re.search(r'<circle cx="50\.00%"', plot)
    assert re.search(r'<svg x="73\.50%"', plot)
    assert re.search(r'<line x1="3\.00%" x2="97\.00%"[^>]*class="spread"', plot)


def test_a_number_that_is_missing_has_no_mark():
    plot = dot_plot([row(Measured(None), Measured(0.7))], "Words.", "AUC")
    assert '<circle cx="50' not in plot
    assert plot.count('class="plot-row"') == 2


def test_chance_is_drawn_only_where_it_is_told():
    rows = [row(Measured(0.6), Measured(0.7))]
    assert dot_plot(rows, "Words.", "AUC", 0.5).count('class="chance"') == 1
    assert "chance" not in dot_plot(rows, "Words.", "AUC")


def test_words_for_who_does_not_see_it():
    plot = dot_plot([row(Measured(0.6), Measured(0.7), "<net>")], "AUC of <all>.", "AUC")
    assert 'role="img" aria-label="Dot plot. AUC of &lt;all&gt;.' in plot
    assert "<span>&lt;net&gt;</span>" in plot


def test_nothing_known_draws_nothing():
    assert dot_plot([row(Measured(None), Measured(None))], "Words.", "AUC") == ""
