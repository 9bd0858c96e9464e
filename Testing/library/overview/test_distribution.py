"""Bins, quartiles and cut-offs against numbers worked out by hand."""

import re

import pytest

from SarcopeniaAssessLib.overview.case_row import row_of
from SarcopeniaAssessLib.overview.distribution import bin_of, distribution_of
from SarcopeniaAssessLib.overview.plots import HEIGHT_PX, histogram
from Testing.library.small_case import record


def case(sma_cm2, sex="male"):
    patient = {"sex": sex, "sex_source": None if sex is None else "given"}
    return row_of("a", record(muscle={"sma_cm2": sma_cm2}, patient=patient))


def test_men_and_women_lie_on_one_axis_with_their_own_cutoffs():
    found = distribution_of([case(151.0), case(154.9), case(155.0), case(81.0, "female")], "bhardwaj2025")
    assert (found.low_cm2, found.high_cm2, found.bins) == (80.0, 160.0, 16)
    men, women = found.groups
    assert (men.title, women.title) == ("Men", "Women")
    assert {place: count for place, count in enumerate(men.bins) if count} == {14: 2, 15: 1}
    assert {place: count for place, count in enumerate(women.bins) if count} == {0: 1}
    assert [(each.cm2, each.is_the_status) for each in men.cutoffs] == [
        (134.0, False),
        (144.0, True),
        (144.3, False),
    ]
    assert [each.cm2 for each in women.cutoffs] == [89.2, 92.0, 92.2]


def test_a_cutoff_counts_the_cases_that_it_calls_low():
    found = distribution_of([case(sma) for sma in (133.9, 134.0, 143.9, 144.0, 144.2)], "bhardwaj2025")
    assert [(each.cm2, each.sign, each.low) for each in found.groups[0].cutoffs] == [
        (134.0, "<", 1),
        (144.0, "<", 3),
        (144.3, "<", 5),
    ]


def test_without_a_sex_there_is_no_cutoff():
    found = distribution_of([case(100.0, None)], "bhardwaj2025")
    assert [(group.title, group.cutoffs) for group in found.groups] == [("Sex not known", ())]
    assert found.bins == 1


def test_quartiles_lie_between_neighbours():
    group = distribution_of([case(sma) for sma in (100.0, 110.0, 130.0, 170.0)], None).groups[0]
    assert group.quantile(0.5) == pytest.approx(120.0)
    assert group.quantile(0.25) == pytest.approx(107.5)
    assert group.quantile(1.0) == 170.0
    assert distribution_of([case(101.0)], None).groups[0].quantile(0.75) == 101.0


def test_an_absurd_area_neither_stretches_the_axis_nor_is_lost():
    found = distribution_of([case(150.0), case(1e9)], None)
    assert found.high_cm2 == 400.0
    assert found.groups[0].bins[-1] == 1
    assert sum(found.groups[0].bins) == 2


def test_a_bin_holds_its_lower_edge():
    assert [bin_of(cm2, 80.0, 4) for cm2 in (80.0, 84.99, 85.0, 99.99, 100.0)] == [0, 0, 1, 3, 3]


def test_no_case_has_no_group():
    assert distribution_of([], None).groups == ()


def test_places_lie_between_the_ends_of_the_axis():
    found = distribution_of([case(150.0), case(1e9)], None)
    assert (found.low_cm2, found.high_cm2) == (130.0, 400.0)
    assert [found.place(cm2) for cm2 in (130.0, 265.0, 400.0, 1e9)] == [0.0, 0.5, 1.0, 1.0]


def test_bars_and_lines_are_as_high_and_as_far_as_they_are_to_be():
    found = distribution_of([case(151.0), case(154.9), case(155.0)], "bhardwaj2025")
    assert (found.low_cm2, found.high_cm2) == (130.0, 160.0)
    plot = histogram(found.groups[0], found)
    bars = re.findall(r'height="([\d.]+)" class="all"', plot)
    assert [float(height) for height in bars] == [HEIGHT_PX, HEIGHT_PX / 2]
    lines = re.findall(r'x1="([\d.]+)%"[^>]*class="cutoff"', plot)
    assert [float(x) for x in lines] == [46.67]  # (144 - 130) / 30
