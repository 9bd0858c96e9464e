"""The chain of vertebrae in a map of classes: where each is, and what tells it from the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib.spine_chain import _with_cut_off, cut_into_vertebrae, read_chain
from SarcopeniaAssessLib.spine_course import SpineCourse, follow_spine
from SarcopeniaAssessLib.spine_unet import SpineClass
from Testing.library.spine_cases import PITCH_MM, class_map


@pytest.mark.parametrize("lean", [0.0, 0.25, -0.2])
def test_every_vertebra_is_met_at_its_middle(lean):
    probability, grid, middles = class_map(lean=lean)
    chain = read_chain(probability, grid)
    assert chain is not None
    assert len(chain.vertebrae) == 7
    for vertebra, middle in zip(chain.vertebrae, middles, strict=True):
        assert np.linalg.norm(vertebra.centre_mm - middle) < 4.0
        assert vertebra.whole


def test_sacrum_crest_and_ribs_are_told():
    probability, grid, _ = class_map()
    chain = read_chain(probability, grid)
    assert chain is not None
    assert chain.sacrum > 0.9
    assert chain.crest is not None
    assert (chain.crest - chain.vertebrae[0].bottom) / PITCH_MM == pytest.approx(1.25, abs=0.15)
    bears = [v.bears_ribs for v in chain.vertebrae]
    assert max(bears[:5]) < 0.05
    assert min(bears[5:]) > 0.95
    assert chain.vertebrae[5].rib_mm < chain.vertebrae[6].rib_mm


def test_a_fused_disc_does_not_make_two_vertebrae_one():
    probability, grid, middles = class_map(missing_disc=3)
    chain = read_chain(probability, grid)
    assert chain is not None
    assert len(chain.vertebrae) == 7
    assert abs(chain.vertebrae[2].centre_mm[2] - middles[2][2]) < 6.0


def test_a_rib_on_one_side_is_a_rib():
    probability, grid, _ = class_map()
    left = probability.shape[1] // 2
    for kind in (SpineClass.RIB, SpineClass.RIB_ROOT):
        probability[kind, :left] = 0
    chain = read_chain(probability, grid)
    assert chain is not None
    assert chain.vertebrae[5].ribs[0] < 0.05
    assert chain.vertebrae[5].ribs[1] > 0.95


def test_a_vertebra_that_the_scan_cuts_is_not_whole():
    probability, grid, _ = class_map()
    top = round((80 + 3.6 * PITCH_MM) / 4)
    chain = read_chain(probability[..., :top], grid)
    assert chain is not None
    assert [v.whole for v in chain.vertebrae[:3]] == [True] * 3
    assert not any(v.whole for v in chain.vertebrae[3:])


def test_without_a_spine_there_is_no_chain():
    probability, grid, _ = class_map()
    nothing = np.zeros_like(probability)
    nothing[SpineClass.OTHER] = 1
    assert read_chain(nothing, grid) is None
    assert read_chain(probability[..., :22], grid) is None  # the sacrum and its upper disc alone


@pytest.mark.parametrize(("planes", "seen"), [(1, False), (7, False), (8, True)])
def test_a_spine_is_followed_where_eight_planes_of_it_are_seen(planes, seen):
    probability, grid, _ = class_map()
    column = probability[[SpineClass.BODY, SpineClass.DISC]]
    probability[[SpineClass.BODY, SpineClass.DISC]] = 0
    probability[SpineClass.BODY, ..., 30 : 30 + planes] = column.sum(axis=0)[..., 30 : 30 + planes]
    assert (follow_spine(probability, grid) is not None) == seen


def test_what_is_near_the_spine_is_no_iliac_wing():
    probability, grid, _ = class_map()
    true = read_chain(probability, grid)
    probability[SpineClass.ILIUM, 26:38, 10:16, 20:] = 1  # dense arches taken for it, up to the top
    false = read_chain(probability, grid)
    assert true is not None
    assert false is not None
    assert false.crest == true.crest


@pytest.mark.parametrize("lean", [0.0, 0.4])
def test_what_metal_hides_is_bridged(lean):
    """Two thirds of a vertebra are not seen; those above it are followed all the same."""
    probability, grid, middles = class_map(lean=lean)
    hidden = slice(round((80 + 2 * PITCH_MM) / 4) + 1, round((80 + 2 * PITCH_MM) / 4) + 7)
    probability[[SpineClass.BODY, SpineClass.DISC], :, :, hidden] = 0
    chain = read_chain(probability, grid)
    assert chain is not None
    assert len(chain.vertebrae) == 7
    for vertebra, middle in zip(chain.vertebrae, middles, strict=True):
        assert np.linalg.norm(vertebra.centre_mm - middle) < 4.0


def test_the_longer_of_two_ribs_is_told():
    probability, grid, _ = class_map()
    true = read_chain(probability, grid)
    right = probability.shape[1] // 2
    probability[SpineClass.RIB, right:] = 0  # their roots stay
    cut = read_chain(probability, grid)
    assert true is not None
    assert cut is not None
    assert cut.vertebrae[6].rib_mm == pytest.approx(true.vertebrae[6].rib_mm)


@pytest.mark.parametrize(("planes", "least", "most"), [(3, 0.0, 0.3), (5, 0.9, 1.0)])
def test_a_stump_is_a_transverse_process_unless_it_is_thick(planes, least, most):
    """384 mm³ of root, and 640, that reach no farther than 13 mm."""
    probability, grid, middles = class_map()
    for kind in (SpineClass.RIB, SpineClass.RIB_ROOT):
        probability[kind] = 0
    k = round(float(grid.index_of(middles[4])[2]))
    for side in (1, -1):
        i = round(float(grid.index_of(middles[4] + [side * 30.0, 0, 0])[0]))
        probability[SpineClass.RIB_ROOT, i, 15:17, k - planes // 2 : k + planes // 2 + 1] = 1
    chain = read_chain(probability, grid)
    assert chain is not None
    assert least <= chain.vertebrae[4].bears_ribs <= most


def test_a_few_voxels_are_no_sacrum():
    probability, grid, _ = class_map()
    few = np.zeros(probability.shape[1:], bool)
    few[29:35, 20:25, 15:19] = True
    sacrum = probability[SpineClass.SACRUM]
    assert 0 < (sacrum * few).sum() * 64 < 8000
    sacrum[~few] = 0
    chain = read_chain(probability, grid)
    assert chain is not None
    assert chain.sacrum == 0


def test_a_crest_is_the_mean_of_both_wings_and_none_where_the_scan_ends():
    probability, grid, _ = class_map()
    true = read_chain(probability, grid)
    assert true is not None
    assert true.crest is not None
    top = int(np.flatnonzero(probability[SpineClass.ILIUM].any(axis=(0, 1)))[-1])
    lower = probability.copy()
    lower[SpineClass.ILIUM, probability.shape[1] // 2 :, :, top - 5 :] = 0  # 24 mm lower on the right
    uneven = read_chain(lower, grid)
    assert uneven is not None
    assert uneven.crest == pytest.approx(true.crest - 12, abs=2)
    higher = probability.copy()
    higher[SpineClass.ILIUM, :, :, top:] = probability[SpineClass.ILIUM, :, :, top, None]
    beyond = read_chain(higher, grid)
    assert beyond is not None
    assert beyond.crest is None


@pytest.mark.parametrize(("shown", "vertebrae"), [(0.5, 6), (0.1, 5)])
def test_a_vertebra_cut_off_at_the_top_shows_its_ribs(shown, vertebrae):
    """The sixth bears ribs in its lower half; of it the scan shows 18 mm or 4 mm."""
    probability, grid, _ = class_map()
    for kind in (SpineClass.RIB, SpineClass.RIB_ROOT):
        probability[kind] = np.roll(probability[kind], -3, axis=2)
    chain = read_chain(probability[..., : round((80 + (5 + shown) * PITCH_MM) / 4)], grid)
    assert chain is not None
    assert len(chain.vertebrae) == vertebrae
    assert [v.whole for v in chain.vertebrae[:5]] == [True] * 5
    if vertebrae == 6:
        assert not chain.vertebrae[5].whole
        assert chain.vertebrae[5].bears_ribs > 0.95


def course_with_discs(seen: dict[int, float], length: int) -> SpineCourse:
    """A straight course: by place, how clearly a disc of 8 mm is seen there; bodies between."""
    along = np.arange(length)
    disc = np.max(
        [sure * np.exp(-0.5 * ((along - place) / 3.0) ** 2) for place, sure in seen.items()], axis=0
    )
    disc[along > max(seen) + 4] = 0
    body = np.where((along > min(seen)) & (along < max(seen)), 1 - disc, 0.0)
    points = np.stack([0 * along, 0 * along, along], axis=1).astype(float)
    up = np.tile([0.0, 0.0, 1.0], (length, 1))
    return SpineCourse(points, up, 0.95 * body, disc, 0 * disc, np.ones(length, bool))


def test_a_disc_that_is_not_seen_does_not_shrink_all_vertebrae_above_it():
    """34, 33, 34, 24 mm; two of 30 and 29 with no disc seen between, not three of 20; 27 and 26 mm."""
    seen = {54: 0.8, 88: 0.8, 121: 0.8, 155: 0.8, 179: 0.7, 198: 0.2, 218: 0.15, 238: 0.7, 257: 0.3}
    cuts = cut_into_vertebrae(course_with_discs(seen, 290))
    assert [cut for cut in cuts if 190 < cut < 230] == pytest.approx([209], abs=3)


def test_a_crushed_vertebra_is_one_all_the_same():
    cuts = cut_into_vertebrae(course_with_discs(dict.fromkeys([54, 88, 122, 140, 173, 205], 0.85), 250))
    assert cuts == pytest.approx([54, 88, 122, 140, 173, 205], abs=2)


@pytest.mark.parametrize(("shown_mm", "body", "counts"), [(12, 0.9, True), (6, 0.9, False), (12, 0.2, False)])
def test_of_a_vertebra_cut_off_at_the_top_enough_must_be_seen_and_be_bone(shown_mm, body, counts):
    course = course_with_discs(dict.fromkeys([54, 88], 0.85), 140)
    course = replace(course, body=np.full(140, body), in_scan=np.arange(140) < 88 + shown_mm)
    assert _with_cut_off(course, [54, 88]) == ([54, 88, 122] if counts else [54, 88])


@pytest.mark.parametrize(("planes_back", "least", "most"), [(5, 0.9, 1.0), (9, 0.0, 0.4)])
def test_a_sacrum_that_bends_backwards_is_one_and_what_lies_far_behind_is_none(planes_back, least, most):
    """Moved by 20 mm the line below the lowest disc meets its front alone; by 36 mm next to nothing."""
    probability, grid, _ = class_map()
    probability[SpineClass.SACRUM] = np.roll(probability[SpineClass.SACRUM], -planes_back, axis=1)
    chain = read_chain(probability, grid)
    assert chain is not None
    assert least <= chain.sacrum <= most


@pytest.mark.parametrize(("planes", "least", "most"), [(3, 0.9, 1.0), (8, 0.0, 0.3)])
def test_a_sacrum_begins_right_below_the_lowest_disc(planes, least, most):
    """14 mm below the disc's middle it is that of this spine; 34 mm below, a vertebra is not seen between."""
    probability, grid, _ = class_map()
    probability[SpineClass.SACRUM, :, :, 20 - planes :] = 0
    chain = read_chain(probability, grid)
    assert chain is not None
    assert least <= chain.sacrum <= most


def test_no_rib_is_told_to_reach_farther_than_170_mm():
    """Where the network takes several ribs for one, the part that is seen is longer than any rib."""
    probability, grid, _ = class_map()
    rib = probability[SpineClass.RIB]
    k = int(np.flatnonzero(rib.any(axis=(0, 1)))[-1])
    rib[2:20, 16, k] = 1
    rib[2, 16, 5:k] = 1
    chain = read_chain(probability, grid)
    assert chain is not None
    assert chain.vertebrae[6].rib_mm == 170


def test_a_few_voxels_are_no_iliac_wing():
    probability, grid, _ = class_map()
    probability[SpineClass.ILIUM] = 0
    probability[SpineClass.ILIUM, 54:58, 20:24, 28:31] = 1
    few = read_chain(probability, grid)
    probability[SpineClass.ILIUM, 54:58, 20:26, 28:31] = 1
    enough = read_chain(probability, grid)
    assert few is not None
    assert enough is not None
    assert few.crest is None
    assert enough.crest is not None


@pytest.mark.parametrize("aside", [slice(30, 34), slice(46, 50)], ids=["in the midline", "far out"])
def test_what_looks_like_a_root_but_is_not_beside_a_body_is_no_rib(aside):
    probability, grid, middles = class_map()
    k = round(float(grid.index_of(middles[3])[2]))
    probability[SpineClass.RIB_ROOT, aside, 14:18, k - 2 : k + 3] = 1
    chain = read_chain(probability, grid)
    assert chain is not None
    assert chain.vertebrae[3].bears_ribs < 0.05
