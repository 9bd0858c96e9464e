"""The held-out family: reproducible, its truth agrees with its HU, plausible sizes, ordered vertebrae."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

import SarcopeniaTraining.second_family as family
from SarcopeniaTraining.second_family import draw_l3, draw_scan

SEEDS = range(5_000_900, 5_000_908)


@pytest.fixture(scope="module")
def stacks():
    return [draw_l3(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def whole():
    return draw_scan(5_200_902, in_plane_mm=2.5, slice_mm=4.0, coverage_mm=(-150.0, 130.0))


def area_cm2(scan, mask, k=2):
    return mask[:, :, k].sum() * scan.ras_from_ijk[0, 0] * scan.ras_from_ijk[1, 1] / 100


def test_the_same_seed_draws_the_same_scan():
    first, second = draw_l3(5_000_901), draw_l3(5_000_901)
    for name in ("hu", "ras_from_ijk", "outline", "muscle", "vertebrae"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert first.facts == second.facts
    assert not np.array_equal(first.hu, draw_l3(5_000_902).hu)


def test_arrays_are_what_the_interface_says(stacks):
    for scan in stacks:
        assert scan.hu.shape == (512, 512, 5)
        assert scan.hu.dtype == np.int16
        assert 0.65 <= scan.ras_from_ijk[0, 0] <= 0.95
        assert scan.ras_from_ijk[2, 2] == scan.facts.slice_mm
        assert all(mask.dtype == np.uint8 for mask in (scan.outline, scan.muscle, scan.vertebrae))
        assert {f.name for f in dataclasses.fields(scan.facts)} >= {"seed", "traits", "l3_superior_mm"}


def test_truth_lies_in_the_outline_and_shows_muscle(stacks):
    for scan in stacks:
        assert not (scan.muscle > scan.outline).any()
        hu = scan.hu[scan.muscle > 0]
        assert 10 < np.median(hu) < 85
        assert (np.abs(hu - np.median(hu)) < 4 * scan.facts.noise_hu + 60).mean() > 0.95


def test_outline_has_no_bone(stacks):
    for scan in stacks:
        assert not ((scan.outline > 0) & (scan.vertebrae > 0)).any()


def test_areas_fit_the_sex(stacks):
    areas = {"male": [], "female": []}
    for scan in stacks:
        areas[scan.facts.sex].append(area_cm2(scan, scan.muscle))
    assert all(75 < area < 240 for area in areas["male"])
    assert all(50 < area < 175 for area in areas["female"])
    assert np.mean(areas["male"]) > np.mean(areas["female"])


def test_borders_carry_partial_volume(stacks):
    """Between muscle and fat lie voxels that are neither, more of them than noise alone would make."""
    scan = min(stacks, key=lambda one: one.facts.noise_hu)
    outline = scan.outline[:, :, 2] > 0
    rim = outline & ~np.roll(outline, 1, 0)
    between = np.abs(scan.hu[:, :, 2][rim] + 25.0) < 35
    assert between.mean() > 0.2
    assert (
        np.abs(scan.hu[:, :, 2][outline & np.roll(outline, 1, 0)] + 25.0) < 35
    ).mean() < between.mean() / 2


def test_vertebrae_follow_each_other_from_below(whole):
    numbers = [n for n in np.unique(whole.vertebrae) if n]
    assert {25, 27, 28, 29, 30, 31, 32} <= set(numbers)
    heights = [np.nonzero(whole.vertebrae == n)[2].mean() for n in numbers]
    assert heights == sorted(heights)


def test_l3_lies_where_the_facts_say(whole):
    k = np.nonzero(whole.vertebrae == 29)[2]
    middle = whole.ras_from_ijk[2, 2] * k + whole.ras_from_ijk[2, 3]
    assert whole.facts.off_l3_mm == 0
    assert middle.min() < whole.facts.l3_superior_mm < middle.max()
    body = whole.vertebrae[:, :, round((whole.facts.l3_superior_mm - whole.ras_from_ijk[2, 3]) / 4.0)]
    assert (body == 29).sum() * 2.5**2 > 800


def test_the_middle_slice_lies_off_the_middle_of_l3_and_the_facts_tell_how_far(stacks):
    offs = [scan.facts.off_l3_mm for scan in stacks]
    for scan, off in zip(stacks, offs, strict=True):
        middle = scan.ras_from_ijk[2, 3] + 2 * scan.facts.slice_mm
        assert middle - scan.facts.l3_superior_mm == pytest.approx(off)
    assert all(-10 <= off <= 10 for off in offs)
    assert min(offs) < -3
    assert max(offs) > 3


def test_a_cut_field_hides_truth_too():
    scan = draw_l3(5_000_013)
    assert "truncated" in scan.facts.traits
    outside = scan.hu[:, :, 2] == -1024
    assert outside.sum() > 1000
    assert not scan.outline[:, :, 2][outside].any()


@pytest.mark.parametrize(("seed", "numbering", "lowest"), [(5_200_812, "L4", 28), (5_200_802, "L6", 26)])
def test_numbering_variants_keep_l3_third_below_the_ribs(seed, numbering, lowest):
    scan = draw_scan(seed, in_plane_mm=2.5, slice_mm=6.0, coverage_mm=(-160.0, 60.0))
    assert scan.facts.numbering == numbering
    numbers = set(np.unique(scan.vertebrae).tolist()) - {0, 25}
    assert min(numbers) == lowest
    assert numbers >= {28, 29, 30}


def test_a_coverage_upside_down_is_refused():
    with pytest.raises(ValueError, match="lowest height first"):
        draw_scan(5_200_902, coverage_mm=(40.0, -40.0))


def test_left_and_right(whole):
    """The liver is on the right: high i of a RAS-canonical array."""
    upper = whole.hu[:, :, -4]
    soft = (upper > 30) & (upper < 190)
    middle = int(np.nonzero(whole.vertebrae)[0].mean())
    assert soft[middle:].sum() > 1.1 * soft[:middle].sum()


def test_the_first_family_is_not_imported():
    for path in Path(family.__file__).parent.glob("*.py"):
        assert not re.search(r"(from|import)\s+SarcopeniaTraining\.phantom", path.read_text())
