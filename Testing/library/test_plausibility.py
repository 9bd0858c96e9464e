"""What is no CT of an adult's lumbar trunk is told as an error; adults as they come, not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from SarcopeniaAssessLib.errors import Severity
from SarcopeniaAssessLib.plausibility import SliceFacts, Spine, implausibility, slice_facts
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid, phantom
from Testing.library import implausible_cts as made
from Testing.library.implausible_cts import PIXEL_MM
from Testing.library.small_case import LEVEL, SPACING_MM, ct

WIDE_MM = (1.1, 0.9)


@pytest.fixture(scope="module")
def adult():
    """A phantom at L3, on pixels of unequal sides."""
    grid = Grid.axial((440, 420, 1), (*WIDE_MM, 5.0))
    return phantom(Person.random(2_300_004), grid).hu[:, :, 0]


def code_of(hu, spacing_mm=PIXEL_MM):
    found = implausibility(slice_facts(hu, spacing_mm))
    assert found is None or found.severity is Severity.ERROR
    return found and found.code


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (made.head, "head"),
        (made.chest, "chest"),
        (made.thighs, "two_legs"),
        (made.pelvis, "pelvis"),
        (made.hips, "no_vertebra"),
        (made.water, "uniform"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_another_part_of_the_body_or_none_is_told(image, code):
    assert code_of(image()) == code


def test_an_adult_is_left_in_peace(adult):
    assert code_of(adult, WIDE_MM) is None


@pytest.mark.parametrize("noise_hu", [20, 45])
def test_an_adult_in_noise_is_left_in_peace(adult, noise_hu):
    noise = gaussian_filter(np.random.default_rng(3).standard_normal(adult.shape), 0.7)
    assert code_of(adult + noise_hu * noise / noise.std(), WIDE_MM) is None


@pytest.mark.parametrize("shift_hu", [-15, 15])
def test_an_adult_on_a_badly_calibrated_scanner_is_left_in_peace(adult, shift_hu):
    assert code_of(adult + shift_hu, WIDE_MM) is None


@pytest.mark.parametrize("density", [0.8, 0.6, 0.4])
def test_an_adult_with_thin_bone_is_left_in_peace(adult, density):
    """What lies above 60 HU is drawn nearer to it, as osteoporosis leaves it: the arch is still dense."""
    assert code_of(np.where(adult > 60, 60 + (adult - 60) * density, adult), WIDE_MM) is None


def test_a_body_of_blocks_that_has_all_a_ct_has_is_left_in_peace():
    assert code_of(ct()[:, :, LEVEL], SPACING_MM[:2]) is None


@pytest.mark.parametrize("scaled", [False, True], ids=["as stored", "disguised"])
def test_mr_is_told(adult, scaled):
    assert code_of(made.as_mr(adult, scaled=scaled), WIDE_MM) == "not_ct"


def test_values_without_the_rescale_intercept_are_told(adult):
    assert code_of(adult + 1024, WIDE_MM) == "not_ct"


def test_a_child_is_told_by_its_size_also_where_pixels_are_too_small(adult):
    assert code_of(made.shrunk(adult, 0.55), WIDE_MM) == "child_size"
    assert code_of(adult, (0.55 * WIDE_MM[0], 0.55 * WIDE_MM[1])) == "child_size"


def test_upside_down_is_told_and_left_right_is_not(adult):
    assert code_of(adult[:, ::-1], WIDE_MM) == "upside_down"
    assert code_of(adult[::-1], WIDE_MM) is None


def test_streaks_of_metal_are_told_and_metal_alone_is_not(adult):
    middle = (np.array(adult.shape) // 2).tolist()
    places = [(middle[0] - 25, middle[1] - 60), (middle[0] + 25, middle[1] - 60)]
    assert code_of(made.with_metal(adult, places, streak_hu=0), WIDE_MM) is None
    assert code_of(made.with_metal(adult, places, streak_hu=300), WIDE_MM) == "metal_streaks"


@pytest.mark.parametrize("hu", [-1000, -500])
def test_an_empty_slice_is_told_as_such(hu):
    assert code_of(np.full((300, 280), hu, np.int16)) == "no_body"


def test_padding_is_no_background(adult):
    padding = adult < -500
    assert slice_facts(adult, WIDE_MM).outside_hu < -950
    assert slice_facts(adult, WIDE_MM, padding).outside_hu is None
    # Of a disguised MR the background is what the scanner measured, not the padding around it.
    beside = np.zeros_like(padding)
    beside[:, -40:] = padding[:, -40:]
    grey = np.where(beside, -500, adult)
    assert slice_facts(grey, WIDE_MM, padding & ~beside).outside_hu == -500


def test_gas_within_a_body_that_fills_the_image_is_no_background():
    hu = np.full(made.SHAPE, -100.0)
    hu[made.ellipse((80, 60))] = -900
    facts = slice_facts(hu, PIXEL_MM)
    assert facts.outside_hu is None
    assert facts.body_cm2 == 1360.0
    assert facts.gas == pytest.approx(np.pi * 8 * 6 / 1360, rel=0.06)


def test_the_facts_of_a_body_that_is_known():
    hu = np.full(made.SHAPE, -1000.0)
    hu[made.ellipse((150, 100))] = -100
    hu[made.ellipse((120, 70))] = 50
    made.vertebra(hu, (0, -30))
    facts = slice_facts(hu, PIXEL_MM)
    assert facts.body_cm2 == pytest.approx(np.pi * 15 * 10, rel=0.02)
    assert facts.soft == pytest.approx(0.53, abs=0.06)
    assert facts.outside_hu == -1000
    (spine,) = facts.spines
    assert spine.width_mm == pytest.approx(80, abs=6)
    assert spine.depth == pytest.approx((100 - 40) / 200, abs=0.06)
    # The body of 25 × 18 mm half axes, and as much of the arch as is no thinner than 12 mm.
    assert np.pi * 2.5 * 1.8 < spine.body_cm2 < 23


def body():
    """Fat, and nothing in it; a slow border, as a thick slice has it."""
    return gaussian_filter(np.where(made.ellipse((150, 100)), -100.0, -1000.0), 1.5)


def test_skin_and_table_are_left_out():
    facts = slice_facts(body(), PIXEL_MM)
    assert facts.no_tissue == facts.lung == facts.streak_hu == 0
    assert facts.fat == pytest.approx(1, abs=0.001)
    on_a_table = body()
    on_a_table[:, 66:74] = 100
    assert slice_facts(on_a_table, PIXEL_MM).body_cm2 == pytest.approx(facts.body_cm2, rel=0.02)


def test_a_hollow_or_broken_vertebra_is_one_body_and_the_pieces_at_a_disc_are_one_spine():
    whole, hollow, broken, disc = (body() for _ in range(4))
    for hu in (whole, hollow, broken, disc):
        hu[made.ellipse((25, 18), (0, -30))] = 450
    hollow[made.ellipse((22, 15), (0, -30))] = 60
    broken[:, 140:142] = np.minimum(broken[:, 140:142], 100)
    disc[made.ellipse((12, 12), (0, -75))] = 400
    (plain,), (emptied,), (split,), (pieces,) = (
        slice_facts(hu, PIXEL_MM).spines for hu in (whole, hollow, broken, disc)
    )
    assert plain.body_cm2 == pytest.approx(np.pi * 2.5 * 1.8, rel=0.12)
    assert emptied == plain
    assert split.body_cm2 == pytest.approx(plain.body_cm2, rel=0.05)
    areas = plain.area_cm2, np.pi * 1.2**2
    assert pieces.area_cm2 == pytest.approx(sum(areas), rel=0.04)
    assert pieces.body_cm2 == plain.body_cm2
    assert pieces.width_mm == plain.width_mm
    assert pieces.depth == pytest.approx(np.average([0.35, 0.125], weights=areas), abs=0.02)


def test_a_ring_is_told_by_true_angles():
    right, front = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in made.SHAPE), indexing="ij")
    radius = np.hypot(right, front)
    hu = np.where(radius < 100, 30.0, -1000.0)
    hu[(np.abs(radius - 92) < 5) & (np.abs(right) > np.abs(front))] = 1000  # half of all directions
    for step in (1, 3):
        assert slice_facts(hu[:, ::step], (1.0, float(step))).ring == pytest.approx(0.5, abs=0.06)


BACK = Spine(area_cm2=20.0, width_mm=80.0, depth=0.3, body_cm2=15.0)
NORMAL = SliceFacts(600.0, outside_hu=-1000.0, fat=0.4, soft=0.5, lung=0.02, gas=0.03, spines=(BACK,))


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, None),
        ({"lung": 0.3, "gas": 0.3}, "chest"),
        ({"lung": 0.0, "gas": 0.4}, "chest"),
        ({"no_tissue": 0.3, "lung": 0.3, "gas": 0.3}, "chest"),
        ({"outside_hu": 0.0}, "not_ct"),
        ({"outside_hu": None}, None),
        ({"no_tissue": 0.3}, "not_ct"),
        ({"fat": 0.0}, "not_ct"),
        ({"spines": (replace(BACK, width_mm=190.0),)}, "pelvis"),
        ({"spines": (replace(BACK, area_cm2=3.0, body_cm2=0.0), replace(BACK, depth=0.7))}, "upside_down"),
        ({"spines": (replace(BACK, area_cm2=4.4, body_cm2=4.0), replace(BACK, depth=0.7))}, None),
        # A disc behind, and a large bowel full of contrast in front of it.
        ({"spines": (replace(BACK, area_cm2=6.0, body_cm2=0.0), replace(BACK, depth=0.7))}, None),
        ({"metal_cm2": 1.0, "streak_hu": 60.0}, "metal_streaks"),
        ({"metal_cm2": 1.0, "streak_hu": 20.0}, None),
        ({"metal_cm2": 0.1, "streak_hu": 60.0}, None),
        ({"body_cm2": 0.0}, "no_body"),
        ({"soft": 0.98, "spines": ()}, "uniform"),
        ({"ring": 0.8, "body_cm2": 300.0}, "head"),
        ({"ring": 0.8}, None),
        ({"second_piece": 0.5}, "two_legs"),
        ({"spines": ()}, "no_vertebra"),
        ({"spines": (replace(BACK, body_cm2=4.0),), "body_cm2": 250.0}, "child_size"),
        ({"spines": (replace(BACK, body_cm2=4.0),)}, None),
        ({"spines": (replace(BACK, body_cm2=0.0),), "body_cm2": 250.0}, None),  # a disc of a slim adult
        ({"body_cm2": 140.0}, "child_size"),
        # Streaks make other facts untrue: they are told first.
        ({"metal_cm2": 1.0, "streak_hu": 60.0, "fat": 0.0, "spines": ()}, "metal_streaks"),
    ],
    ids=str,
)
def test_each_fact_alone_is_enough(changed, code):
    found = implausibility(replace(NORMAL, **changed))
    assert (found and found.code) == code
    if found is not None:  # one sentence for a tired radiologist: what is seen, what follows, what to do
        assert found.message.count(".") == 1
        assert found.message.endswith(".")
        seen, to_do = found.message.split("no status is given: ")
        assert len(seen) > 20
        assert to_do.split()[0] in {"check", "choose", "correct", "load", "measure"}
