"""Counting: from the sacrum up, from the ribs down; what is said where the two do not agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from SarcopeniaAssessLib.spine_counting import count_l3, level_name
from Testing.library.spine_cases import chain, ribs_from


def test_both_counts_agree():
    count = count_l3(chain(8, ribs=ribs_from(5, 8)))
    assert count is not None
    assert count.best == 2
    assert count.probability[2] > 0.98
    assert "third vertebra above the sacrum and third below the lowest vertebra with ribs" in count.reason


def test_the_sacrum_alone_is_less_sure_than_both():
    count = count_l3(chain(4))
    assert count is not None
    assert count.best == 2
    assert 0.85 < count.probability[2] < 0.97
    assert "no ribs are seen" in count.reason


@pytest.mark.parametrize(("lowest", "place"), [(4, 1), (5, 2), (3, 0)])
def test_the_ribs_alone_count_downwards(lowest, place):
    count = count_l3(chain(8, ribs=ribs_from(lowest, 8), sacrum=0.0, crest=None))
    assert count is not None
    assert count.best == place
    assert count.probability[place] > 0.7
    assert "the sacrum is not seen" in count.reason


def test_four_without_ribs_leave_two_candidates_and_their_length_decides():
    usual = count_l3(chain(8, ribs=ribs_from(4, 8)))
    short = count_l3(chain(8, ribs={4: 30.0, 5: 95.0, 6: 155.0, 7: 170.0}))
    assert usual is not None
    assert short is not None
    assert usual.best == 1  # four lumbar vertebrae, or L5 grown onto the sacrum
    assert short.best == 2  # a rib of L1
    for count in (usual, short):
        assert {1, 2} == set(list(count.probability)[:2])
        assert "4 vertebrae without ribs above the sacrum, not 5" in count.reason
    assert usual.probability[2] > 0.01


def test_six_without_ribs_are_six_lumbar_or_no_twelfth_rib():
    usual = count_l3(chain(9, ribs=ribs_from(6, 9)))
    long = count_l3(chain(9, ribs={6: 160.0, 7: 170.0, 8: 170.0}))
    assert usual is not None
    assert long is not None
    assert usual.best == 3
    assert long.best == 2
    assert min(usual.probability[2], long.probability[3]) > 0.01


def test_without_the_sacrum_the_crest_speaks_for_a_sixth_lumbar_vertebra():
    """Of six, L6 lies one below the chain: the crest, 1.35 above its foot, is seen at 0.35."""
    ribs = {5: 125.0, 6: 165.0, 7: 170.0}  # of a twelfth or of an eleventh
    low, usual = (count_l3(chain(8, ribs=ribs, sacrum=0.0, crest=crest)) for crest in (0.35, 1.25))
    assert low is not None
    assert usual is not None
    assert usual.probability[2] > 0.9
    # Without what six explain of the crest it would be 0.55: five, or a missing twelfth rib one lower.
    assert 0.59 < low.probability[2] < 0.9


def test_a_crest_at_the_lowest_disc_is_a_fifth_lumbar_vertebra_grown_onto_the_sacrum():
    grown, usual = count_l3(chain(4, crest=0.2)), count_l3(chain(4, crest=1.25))
    assert grown is not None
    assert usual is not None
    assert (grown.best, usual.best) == (1, 2)


def test_six_without_ribs_are_more_than_five_lumbar_vertebrae_explain():
    six, five = count_l3(chain(6)), count_l3(chain(5))
    assert six is not None
    assert five is not None
    assert six.probability[3] > five.probability[3] + 0.2


def test_the_crest_alone_gives_no_certainty():
    count = count_l3(chain(4, sacrum=0.0, crest=0.3))
    assert count is not None
    assert count.best == 1
    assert count.probability[1] < 0.9
    assert "iliac crest" in count.reason


def test_without_anything_to_count_from_there_is_no_count():
    assert count_l3(chain(4, sacrum=0.0, crest=None)) is None


def test_l3_may_lie_outside():
    count = count_l3(chain(5, ribs=ribs_from(1, 5), sacrum=0.0, crest=None))
    assert count is not None
    assert count.best == -2


def test_names_go_on_from_l3():
    assert [level_name(n) for n in (-2, -1, 0, 1, 2, 3, 4)] == ["L5", "L4", "L3", "L2", "L1", "T12", "T11"]
    assert [level_name(n) for n in (14, 15, 21, 22)] == ["T1", "C7", "C1", "C1"]


def test_a_rib_that_stands_alone_is_none():
    """A thick transverse process of L5 taken for a rib, at the vertebra right above the sacrum."""
    alone = count_l3(chain(6, ribs={0: 20.0}))
    without = count_l3(chain(6))
    assert alone is not None
    assert without is not None
    assert alone.best == without.best == 2
    assert alone.probability[2] == pytest.approx(without.probability[2], abs=0.05)


def test_ribs_that_must_be_there_and_are_not_seen_cost_confidence():
    seven, five = count_l3(chain(7)), count_l3(chain(5))
    assert seven is not None
    assert five is not None
    assert seven.best == 2
    assert seven.probability[2] < five.probability[2] - 0.1
    assert "ribs that should be there" in seven.reason


def test_no_more_than_three_vertebrae_lie_below_l3():
    """A crest seen far too high never makes the sixth vertebra of a scan L3."""
    count = count_l3(chain(8, sacrum=0.0, crest=6.0))
    assert count is not None
    assert sum(p for place, p in count.probability.items() if place > 3) < 0.001


def test_two_thick_processes_above_the_sacrum_are_no_row_of_ribs():
    """Of four lumbar vertebrae the lower two look as if they bore ribs, and so does T12, the last seen."""
    thick = count_l3(chain(5, ribs={0: 10.0, 1: 10.0, 4: 89.0}, crest=0.85))
    assert thick is not None
    assert "4 vertebrae without ribs above the sacrum" in thick.reason
    assert thick.best == 1
    without = count_l3(chain(5, ribs={4: 89.0}, crest=0.85))
    assert without is not None
    assert thick.probability[1] == pytest.approx(without.probability[1])


def test_ribs_of_a_scan_that_shows_no_sacrum_may_begin_at_its_lowest_vertebra():
    count = count_l3(chain(4, ribs=ribs_from(0, 4), sacrum=0.0, crest=None))
    assert count is not None
    assert count.best == -3


@pytest.mark.parametrize(("lowest_mm", "next_mm", "place"), [(116.0, 163.0, 3), (165.0, 170.0, 2)])
def test_six_without_ribs_are_told_apart_by_how_far_the_lowest_ribs_reach(lowest_mm, next_mm, place):
    """116 mm is a usual twelfth rib and a very short eleventh; 165 the other way round."""
    ribs = {6: lowest_mm, 7: next_mm, 8: 170.0}
    count = count_l3(chain(9, ribs=ribs))
    assert count is not None
    assert count.best == place
    assert count.probability[place] > 0.55


def seen_as(found, sure):
    """The chain with every rib seen with such probability, and elsewhere one with the rest to 1."""
    vertebrae = (replace(v, ribs=(sure if v.rib_mm else 1 - sure,) * 2) for v in found.vertebrae)
    return replace(found, vertebrae=tuple(vertebrae))


def cut_above(found):
    """The chain whose uppermost vertebra the scan cuts off."""
    *whole, top = found.vertebrae
    return replace(found, vertebrae=(*whole, replace(top, seen_mm=10.0)))


def test_a_network_that_is_wholly_sure_of_ribs_is_believed_no_more_than_one_that_is_nearly():
    usual = chain(8, ribs=ribs_from(4, 8))
    nearly, wholly = (count_l3(seen_as(usual, sure)) for sure in (0.98, 1.0))
    assert nearly is not None
    assert wholly is not None
    assert wholly.probability == nearly.probability


def test_a_reach_between_two_ribs_is_the_one_whose_reach_varies_less():
    """134 mm is 25 from a twelfth rib's mean, whose spread is 42, and 26 from an eleventh's, with 22."""
    count = count_l3(chain(7, ribs={6: 134.0}, crest=1.3))
    assert count is not None
    assert count.best == 2
    assert count.probability[2] > count.probability[3] + 0.1


def test_the_reach_of_a_rib_that_the_scan_cuts_off_tells_nothing():
    short, long = (count_l3(cut_above(chain(7, ribs={6: mm}, crest=1.3))) for mm in (40.0, 160.0))
    assert short is not None
    assert long is not None
    assert short.probability == long.probability


def test_a_vertebra_that_the_scan_cuts_off_breaks_no_row_of_ribs():
    count = count_l3(cut_above(chain(7, ribs={5: 95.0}, sacrum=0.0, crest=None)))
    assert count is not None
    assert count.best == 2
    assert count.probability[2] > 0.7


def test_where_perhaps_nothing_is_seen_to_count_from_the_count_is_less_sure():
    sure, unsure = (count_l3(chain(4, sacrum=seen, crest=None)) for seen in (1.0, 0.6))
    assert sure is not None
    assert unsure is not None
    assert unsure.probability[2] < sure.probability[2] - 0.15
