"""Agreement and kappa against numbers worked out by hand."""

import pytest

from SarcopeniaAssessLib.overview.agreement import Pair, agreement_of
from SarcopeniaAssessLib.overview.case_row import row_of
from Testing.library.small_case import record

NO = {"borderline": False, "reason": None}


def case(name, status, other=None, *, review="unreviewed", error=False):
    """A case that bhardwaj2025 and perhaps derstine2018_sma judge."""
    low = status == "sarcopenic"
    judged = [] if other is None else [
        {"criterion": "derstine2018_sma", "cutoff": 144.3, "unit": "cm²", "value": other, **NO}
    ]  # fmt: skip
    quality = [{"code": "muscle_cut_off", "severity": "error", "message": "Cut off."}] if error else []
    made = record(
        case=name,
        muscle={"sma_cm2": 130.0 if low else 150.0},
        status={"value": status, **NO},
        other_criteria=judged,
        quality=quality,
        review={"state": review, "at": None if review == "unreviewed" else "2026-01-02T03:04:05+00:00"},
    )
    return row_of(name, made)


def test_kappa_of_a_printed_example():
    """Twenty both, five and ten one of them, fifteen neither: 0.7 agree, 0.5 by chance, so 0.4."""
    pair = Pair(20, 5, 10, 15)
    assert pair.cases == 50
    assert pair.share == pytest.approx(0.7)
    assert pair.kappa == pytest.approx(0.4)


def test_kappa_of_opposites_is_minus_one_and_of_equals_one():
    assert Pair(0, 5, 5, 0).kappa == pytest.approx(-1.0)
    assert Pair(5, 0, 0, 5).kappa == pytest.approx(1.0)


@pytest.mark.parametrize("pair", [Pair(), Pair(both_low=7), Pair(neither=7)])
def test_kappa_is_not_told_where_chance_alone_agrees(pair):
    assert pair.kappa is None


def test_pairs_count_the_cases_that_both_judge():
    rows = [
        case("a", "sarcopenic", "sarcopenic"),
        case("b", "not sarcopenic", "sarcopenic"),
        case("c", "not sarcopenic", "not sarcopenic"),
        case("d", "not sarcopenic"),
        case("e", "not sarcopenic", "undetermined"),
    ]
    found = agreement_of(rows)
    assert found.status_criterion == "bhardwaj2025"
    assert [(c.criterion, c.low, c.judged) for c in found.counts] == [
        ("bhardwaj2025", 1, 5),
        ("derstine2018_sma", 2, 3),
    ]
    assert found.counts[1].with_status == Pair(both_low=1, only_first=1, neither=1)
    assert found.pairs[0][1] == Pair(both_low=1, only_second=1, neither=1)
    assert found.pairs[0][0] == Pair(both_low=1, neither=4)


def test_rejected_cases_and_those_with_an_error_do_not_count():
    rows = [
        case("a", "sarcopenic"),
        case("b", "sarcopenic", review="rejected"),
        case("c", "sarcopenic", error=True),
    ]
    assert agreement_of(rows).counts[0].judged == 1


def test_without_a_status_there_is_nothing_to_compare():
    found = agreement_of([])
    assert (found.status_criterion, found.counts, found.pairs) == (None, (), ())


def test_the_criterion_of_most_cases_is_the_status_and_comes_first():
    first = row_of("x", record(
        muscle={"sma_cm2": 150.0}, quality=[],
        status={"criterion": "martin2013_smi", "value": "not sarcopenic", **NO},
        other_criteria=[{"criterion": "bhardwaj2025", "cutoff": 144.0, "unit": "cm²",
                         "value": "not sarcopenic", **NO}],
    ))  # fmt: skip
    found = agreement_of([first, case("a", "sarcopenic"), case("b", "sarcopenic")])
    assert found.status_criterion == "bhardwaj2025"
    assert [each.criterion for each in found.counts] == ["bhardwaj2025", "martin2013_smi"]
