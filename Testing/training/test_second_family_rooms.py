"""The rooms of the held-out family: each trait draws what it says, painting counts, the truth by hand."""

from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaTraining.second_family import draw_l3, draw_scan, paraspinal, scanner
from SarcopeniaTraining.second_family.attenuation import hu_table, textured
from SarcopeniaTraining.second_family.body import build
from SarcopeniaTraining.second_family.contours import Displacement
from SarcopeniaTraining.second_family.frame import Column, Frame, Stage
from SarcopeniaTraining.second_family.person import Person, Protocol
from SarcopeniaTraining.second_family.raster import Canvas, Shares, rasterise
from SarcopeniaTraining.second_family.tissue import MUSCLES, Tissue, is_muscle, is_outline

PIXEL_MM = 2.0
CANVAS = Canvas((-320.0, -200.0), PIXEL_MM, (320, 200), 2)
PARASPINAL = (Tissue.PSOAS, Tissue.QUADRATUS, Tissue.ILIOCOSTALIS, Tissue.LONGISSIMUS, Tissue.MULTIFIDUS)
WALL = (Tissue.EXTERNAL_OBLIQUE, Tissue.INTERNAL_OBLIQUE, Tissue.TRANSVERSUS)
MALE = Person.random(np.random.default_rng(4), variants=False)
PLAIN = replace(MALE, traits=(), asymmetry=0.0, fattiness=0.1)


def frame_of(*traits, heights=(0.0,), seed=3, **facts):
    person = replace(PLAIN, traits=traits, **facts)
    return build(person, np.array(heights), np.random.default_rng(seed))[0]


def share_of(frame, *labels):
    """(i, j, k): the share of each pixel that these labels fill, by painting them alone as 1 HU."""
    table = np.zeros(256, np.float32)
    table[list(labels)] = 1
    return rasterise(frame, CANVAS, table, 1).hu


def halves_cm2(frame, *labels):
    """Area on the right and on the left, summed over the slices."""
    share = share_of(frame, *labels).sum(axis=(1, 2)) * PIXEL_MM**2 / 100
    return share[160:].sum(), share[:160].sum()


def area_cm2(frame, *labels):
    return sum(halves_cm2(frame, *labels))


def test_atrophy_of_one_side_takes_a_third_of_the_muscles_there():
    sides = set()
    for seed in range(6):
        right, left = halves_cm2(frame_of("one_sided_atrophy", seed=seed), *PARASPINAL)
        assert 0.4 < min(right, left) / max(right, left) < 0.75
        sides.add(right > left)
        right, left = halves_cm2(frame_of(seed=seed), *PARASPINAL)
        assert min(right, left) / max(right, left) > 0.85
    assert sides == {True, False}


def test_atrophy_of_one_side_is_on_the_same_side_of_wall_and_spine():
    wasted, unwasted = set(), []
    for seed in range(6):
        wall, spine = (
            halves_cm2(frame_of("one_sided_atrophy", seed=seed), *labels) for labels in (WALL, PARASPINAL)
        )
        assert 0.55 < min(wall) / max(wall) < 0.85
        assert np.argmin(wall) == np.argmin(spine)
        wasted.add(int(np.argmin(wall)))
        right, left = halves_cm2(frame_of(seed=seed), *WALL)
        unwasted.append(min(right, left) / max(right, left))
    assert wasted == {0, 1}
    assert np.mean(unwasted) > 0.88


def test_a_hernia_lies_before_the_wall_and_is_no_muscle():
    heights = np.arange(-70, 51, 10.0)
    plain, with_sac = frame_of(heights=heights), frame_of("hernia", heights=heights)
    wall = share_of(plain, Tissue.RECTUS, Tissue.LINEA_ALBA).sum(axis=(0, 2))
    front = int(np.flatnonzero(wall).max()) - 2
    fat = [share_of(frame, Tissue.VISCERAL_FAT)[:, front:] for frame in (plain, with_sac)]
    assert fat[0].sum() == 0
    assert fat[1].sum() * PIXEL_MM**2 / 100 > 1
    outline = rasterise(with_sac, CANVAS, np.zeros(256, np.float32), 1).outline[:, front:]
    assert (outline[fat[1] > 0.5] < 0.5).all()


@pytest.mark.parametrize(
    ("trait", "labels", "heights", "least_cm2"),
    [
        ("ascites", (Tissue.ASCITES,), (0.0,), 5),
        ("arms", (Tissue.ARM_MUSCLE,), (0.0,), 15),
        ("metal", (Tissue.METAL,), (-36.0, 0.0, 36.0), 0.3),
        ("aneurysm", (Tissue.THROMBUS,), (0.0,), 1),
        ("calcified_aorta", (Tissue.CALCIUM,), tuple(range(-20, 60, 4)), 0.02),
        ("bowel_contrast", (Tissue.ORAL_CONTRAST,), (0.0, 20.0), 2),
        ("kidney_cyst", (Tissue.CYST,), tuple(range(-20, 90, 10)), 1),
    ],
)
def test_a_trait_draws_its_tissue_and_without_it_there_is_none(trait, labels, heights, least_cm2):
    found = [area_cm2(frame_of(trait, heights=heights, seed=seed), *labels) for seed in range(4)]
    assert np.median(found) > least_cm2
    assert area_cm2(frame_of(heights=heights), *labels) == 0


@pytest.mark.parametrize(
    ("label", "heights", "least_cm2"),
    [
        (Tissue.KIDNEY_CORTEX, (30.0, 50.0), 20),
        (Tissue.KIDNEY_MEDULLA, (30.0, 50.0), 3),
        (Tissue.LIVER, (90.0,), 60),
        (Tissue.SPLEEN, (100.0,), 5),
        (Tissue.AORTA, (0.0,), 1),
        (Tissue.CAVA, (0.0,), 1),
        (Tissue.BOWEL_WALL, (0.0,), 5),
        (Tissue.DURAL_SAC, (0.0,), 0.5),
    ],
)
def test_everybody_has_their_organs(label, heights, least_cm2):
    for seed in range(3):
        assert area_cm2(frame_of(heights=heights, seed=seed), label) > least_cm2


def test_arms_lie_beside_the_body_and_touch_no_muscle_of_it():
    frame = frame_of("arms")
    arm = share_of(frame, Tissue.ARM_MUSCLE)[:, :, 0].sum(axis=1) > 0
    body = share_of(frame, *MUSCLES)[:, :, 0].sum(axis=1) > 0
    inner = np.flatnonzero(body)
    assert arm.any()
    assert not arm[inner.min() - 3 : inner.max() + 4].any()


def test_a_scoliosis_bends_the_spine_and_others_hardly():
    heights = np.arange(-150, 151, 10.0)
    swings = {
        trait: np.median(
            [
                np.ptp(Frame.random(replace(PLAIN, traits=(trait,)), heights, rng).spine[:, 0, 0])
                for rng in map(np.random.default_rng, range(20))
            ]
        )
        for trait in ("scoliosis", "stool")
    }
    assert swings["scoliosis"] > 10
    assert swings["stool"] < 4


def test_organs_flat_on_the_wall_have_room_up_to_it():
    """What lies between the wall and the organs' room is labelled as the fat outside the wall is."""
    fat = [
        np.mean([area_cm2(frame_of(*traits, seed=seed), Tissue.SUBCUTANEOUS_FAT) for seed in range(3)])
        for traits in ((), ("organs_on_wall",))
    ]
    assert fat[1] < fat[0] - 10


@pytest.mark.parametrize(
    ("numbering", "lumbar", "uppermost_without_rib"),
    [("normal", 5, 31), ("L4", 4, 31), ("L6", 6, 31), ("T13", 5, 30), ("no_T12_rib", 5, 32)],
)
def test_numbering_variants_have_their_vertebrae_and_ribs(numbering, lumbar, uppermost_without_rib):
    column = Column.of(replace(PLAIN, numbering=numbering))
    numbers = [v.number for v in column.vertebrae]
    assert numbers == list(range(36, 31 - lumbar, -1))
    assert max(v.number for v in column.vertebrae if not v.rib) == uppermost_without_rib
    l3 = next(v for v in column.vertebrae if v.number == 29)
    assert l3.middle_mm == 0
    assert column.vertebrae[-1].is_lowest_lumbar
    assert not column.vertebrae[-2].is_lowest_lumbar


def test_the_skin_goes_round_the_latissimus_on_long_scans_too():
    heights = (-25.0, 0.0, 60.0, 100.0)
    for seed in range(4):
        frame = frame_of(heights=heights, seed=seed, subcutaneous_mm=(6.0, 6.0, 6.0))
        air, muscle = share_of(frame, Tissue.AIR) > 0.9, share_of(frame, Tissue.LATISSIMUS) > 0.4
        beside = np.zeros_like(air)
        for axis in (0, 1):
            for step in (1, -1):
                beside |= np.roll(air, step, axis)
        assert muscle.sum() > 50
        assert not (muscle & beside).any()


def test_a_share_is_counted_in_the_plane_and_through_the_slice():
    """A square of muscle on three of four sub-slices, its border in the middle of pixels, by hand."""
    heights = np.arange(4.0)
    frame = replace(frame_of(heights=heights), pile=[])
    frame.displacement = replace(frame.displacement, fields=())
    square = np.repeat(np.array([[(-9.0, -9.0), (10.5, -9.0), (10.5, 10.5), (-9.0, 10.5)]]), 4, axis=0)
    frame.put(Stage.OUTER, Tissue.RECTUS, square, heights < 3)
    shares = rasterise(frame, Canvas((-20.0, -20.0), 2.0, (20, 20), 4), np.zeros(256, np.float32), 4)
    assert shares.muscle.shape == (20, 20, 1)
    assert shares.muscle[10, 10, 0] == pytest.approx(0.75)
    assert shares.muscle.sum() * 4 == pytest.approx(0.75 * 19.5**2, rel=0.005)
    assert shares.muscle[5, 10, 0] == pytest.approx(0.375, abs=0.02), (
        "half of the pixel, three quarters of the slice"
    )


def test_the_truth_of_a_scan_is_that_of_its_hu_after_the_point_spread(monkeypatch):
    """With noise, artefacts and table away, what is stored is what the truth was taken from, rounded."""
    for name in ("furniture", "artefacts", "noisy"):
        monkeypatch.setattr(scanner, name, lambda hu, *_: hu)
    scan = draw_l3(5_000_904)
    hu, inside = scan.hu.astype(float), scan.outline > 0
    clear = inside & (np.abs(hu + 29) > 0.6) & (np.abs(hu - 150) > 0.6)
    assert np.array_equal(scan.muscle[clear] > 0, (hu[clear] > -29) & (hu[clear] < 150))
    assert 0.7 < scan.muscle.sum() / inside.sum() < 1


def test_a_body_lies_at_the_same_place_whatever_the_voxels_are():
    """The middle of what is muscle, in world mm about L3, in fine and in coarse pixels and slices."""
    middles = []
    for in_plane_mm, slice_mm in ((1.0, 4.0), (3.0, 8.0)):
        scan = draw_scan(5_200_903, in_plane_mm=in_plane_mm, slice_mm=slice_mm, coverage_mm=(-16.0, 16.0))
        where = scan.ras_from_ijk[:3, :3] @ np.argwhere(scan.outline).mean(axis=0) + scan.ras_from_ijk[:3, 3]
        middles.append(where - [0, 0, scan.facts.l3_superior_mm])
    assert middles[0] == pytest.approx(middles[1], abs=0.5)


def test_l3_lies_at_the_same_height_in_thin_and_in_thick_slices():
    heights = []
    for slice_mm in (2.0, 8.0):
        scan = draw_scan(5_200_903, in_plane_mm=3.0, slice_mm=slice_mm, coverage_mm=(-40.0, 40.0))
        k = np.argwhere(scan.vertebrae == 29)[:, 2].mean()
        heights.append(scan.ras_from_ijk[2, 2] * k + scan.ras_from_ijk[2, 3] - scan.facts.l3_superior_mm)
    assert heights[0] == pytest.approx(heights[1], abs=1.5)


def test_traits_come_as_often_as_it_is_said():
    persons = [Person.random(np.random.default_rng(seed), variants=True) for seed in range(1500)]
    for trait, chance in (("stool", 0.6), ("bowel_contrast", 0.2), ("arms", 0.1), ("hernia", 0.05)):
        assert np.mean([p.has(trait) for p in persons]) == pytest.approx(chance, abs=0.03)
    assert not any(p.has("aneurysm") or p.has("calcified_aorta") for p in persons if p.age_years <= 40)
    assert np.mean([p.numbering == "normal" for p in persons]) == pytest.approx(0.82, abs=0.03)


def test_a_displacement_is_as_strong_and_as_smooth_as_it_is_asked_to_be():
    field = Displacement.random(np.random.default_rng(3), ((40.0, 2.0),))
    points = np.random.default_rng(4).uniform(-150, 150, (4000, 2))
    z = np.random.default_rng(5).uniform(-150, 150, 4000)
    shift = field.moved(points, z) - points
    assert shift.std(axis=0) == pytest.approx([2, 2], rel=0.35)
    beside = field.moved(points + 1, z) - points - 1
    assert np.abs(beside - shift).max() < 0.7


def test_which_tissues_count():
    for label in (Tissue.RECTUS, Tissue.PSOAS, Tissue.LATISSIMUS, Tissue.INTERCOSTAL, Tissue.ILIACUS):
        assert is_muscle()[label]
    for label in (Tissue.CRUS, Tissue.ARM_MUSCLE, Tissue.FASCIA, Tissue.LINEA_ALBA, Tissue.VISCERAL_FAT):
        assert not is_outline()[label]
    assert is_outline()[Tissue.INTERMUSCULAR_FAT]
    assert not is_muscle()[Tissue.INTERMUSCULAR_FAT]


def table(phase="none", kvp=120, **facts):
    return hu_table(replace(PLAIN, **facts), Protocol(phase, "soft", kvp, 9.0), np.random.default_rng(5))


def test_contrast_and_voltage_move_hu_as_they_should():
    plain, arterial, portal = (table(phase) for phase in ("none", "arterial", "portal"))
    assert arterial[Tissue.AORTA] > plain[Tissue.AORTA] + 100
    assert portal[Tissue.LIVER] > plain[Tissue.LIVER] + 25 > arterial[Tissue.LIVER]
    assert 0 < portal[Tissue.PSOAS] - plain[Tissue.PSOAS] < 15
    assert table(kvp=80)[Tissue.SUBCUTANEOUS_FAT] < table(kvp=140)[Tissue.SUBCUTANEOUS_FAT] - 15
    assert table("arterial", 80)[Tissue.AORTA] > arterial[Tissue.AORTA] + 80
    assert table(traits=("oedema",))[Tissue.VISCERAL_FAT] == pytest.approx(plain[Tissue.VISCERAL_FAT] + 14)


def test_fatty_muscle_is_streaked_with_fat():
    ones = np.ones((60, 60, 2), np.float32)
    none = 0 * ones
    shares = Shares(60 * ones, ones, ones, none, none, none, none, none, none.astype(np.uint8))
    fat = [
        (
            textured(shares, replace(PLAIN, fattiness=f), (0.8, 0.8, 3.0), np.random.default_rng(2)) < -29
        ).mean()
        for f in (0.05, 0.9)
    ]
    assert fat[0] < 0.01
    assert 0.05 < fat[1] < 0.6


def test_a_soft_kernel_is_wider_than_a_sharp_one_that_overshoots():
    step = np.where(np.arange(80)[:, None, None] < 40, -100.0, 50.0).astype(np.float32) * np.ones((1, 9, 1))
    soft, sharp = (
        scanner.spread(step.astype(np.float32), 0.7, kernel)[:, 4, 0] for kernel in ("soft", "sharp")
    )
    assert soft.max() < 51
    assert sharp.max() > 55
    between = [((edge > -80) & (edge < 30)).sum() for edge in (soft, sharp)]
    assert between[0] > between[1]


def test_noise_follows_the_protocol_and_leaves_the_mean():
    x = np.arange(-100, 101, 1.0)
    bench = scanner.Bench(x[:, None], x[None, :], -80.0, 90.0, 160.0)
    flat = np.full((201, 201, 2), 50, np.float32)
    quiet, loud = (
        scanner.noisy(flat, Protocol("none", "medium", 120, hu), bench, np.random.default_rng(1))[
            80:120, 80:120
        ]
        for hu in (5.0, 20.0)
    )
    assert loud.std() == pytest.approx(4 * quiet.std(), rel=0.01)
    assert 4 < quiet.std() < 6
    assert quiet.mean() == pytest.approx(50, abs=1)


def test_table_and_blanket_are_where_air_was():
    x = np.arange(-200, 201, 2.0)
    bench = scanner.Bench(x[:, None], x[None, :], -80.0, 120.0, 160.0)
    hu = np.full((201, 201, 1), -1000, np.float32)
    hu[40:160, 60:140] = 40
    person = replace(PLAIN, traits=("blanket",))
    after = scanner.furniture(hu, person, bench, np.random.default_rng(1))
    assert np.array_equal(after[hu > 0], hu[hu > 0])
    assert after[100, :60].max() > -100
    assert (after[40:160, 141:] > -950).any()
    assert not (scanner.furniture(hu, PLAIN, bench, np.random.default_rng(1))[40:160, 141:] > -950).any()


def test_muscle_grows_with_its_factor():
    small, large = (area_cm2(frame_of(muscle=m), *PARASPINAL) for m in (0.5, 1.0))
    assert 0.45 < small / large < 0.75
    right, left = paraspinal.sides(frame_of(asymmetry=0.1), np.random.default_rng(0))
    assert right.area / left.area == pytest.approx(1.1 / 0.9)
