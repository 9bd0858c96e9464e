"""What a careful reader would warn of, on drawn bodies: a clean one is left in peace, each fault is told."""

from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import Finding, Severity
from SarcopeniaAssessLib.field_of_view import border_length_mm, distance_mm, field_of_view, opened
from SarcopeniaAssessLib.level import Level, LevelMethod
from SarcopeniaAssessLib.measurement import measure_slice
from SarcopeniaAssessLib.patient import InputFacts, PatientFacts, Sex
from SarcopeniaAssessLib.quality import QualityInput, check_quality, withholding_reason
from SarcopeniaAssessLib.volume import CtVolume

ADULT = PatientFacts(Sex.MALE, "given", 71.0)
PLAIN = InputFacts(
    "dicom", "0" * 64, kvp=120.0, contrast=False, slice_thickness_mm=5.0, patient_position="HFS"
)


def ellipse(shape, spacing_mm, radii_mm, centre_mm=(0.0, 0.0)):
    """Inside an ellipse about the image's centre; axis 0 to the right, axis 1 to the front."""
    x, y = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing_mm, strict=True))
    dx = (x[:, None] - centre_mm[0]) / radii_mm[0]
    dy = (y[None, :] - centre_mm[1]) / radii_mm[1]
    return dx**2 + dy**2 <= 1.0


def scan(  # noqa: PLR0917
    shape=(220, 200),
    spacing_mm=(1.9, 1.9),
    centre_mm=(0.0, 8.0),
    fat_mm=18.0,
    air=-1000,
    noise_hu=8.0,
    slices=9,
):
    """A torso of 300 × 220 mm and its muscle: fat under skin, a 16 mm wall, a spine, a table. HU, mask."""
    wall = (150.0 - fat_mm, 110.0 - fat_mm)

    def inside(margin_mm):
        return ellipse(shape, spacing_mm, (wall[0] + margin_mm, wall[1] + margin_mm), centre_mm)

    muscle = inside(0) & ~inside(-16)
    hu = np.full(shape, float(air))
    x, y = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing_mm, strict=True))
    back = centre_mm[1] - 110.0
    table = (np.abs(x)[:, None] < 210) & (y[None, :] > back - 30) & (y[None, :] < back - 25)
    hu[table] = 60
    hu[inside(fat_mm)] = 20  # skin
    hu[inside(fat_mm - 2.5)] = -105
    hu[muscle] = 52
    hu[ellipse(shape, spacing_mm, (24, 18), (centre_mm[0], centre_mm[1] - 45))] = 300
    hu[ellipse(shape, spacing_mm, (30, 20), (centre_mm[0] + 20, centre_mm[1] + 45))] = -950  # bowel gas
    hu += np.random.default_rng(5).normal(0, noise_hu, shape)
    volume = np.repeat(np.round(hu).astype(np.int16)[:, :, None], slices, axis=2)
    return volume, muscle


def affine(spacing_mm=(1.9, 1.9), step=(0.0, 0.0, 5.0), tilt_deg=0.0):
    c, s = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.column_stack(
        [(spacing_mm[0], 0, 0), (0, spacing_mm[1], 0), step]
    )
    matrix[:3, 3] = (-137.0, 22.0, 610.0)
    return matrix


def given(hu=None, mask=None, grid=None, k=4, facts=PLAIN, **fields):
    """A quality input, clean unless told otherwise."""
    drawn, muscle = scan()
    hu = drawn if hu is None else hu
    mask = muscle if mask is None else mask
    volume = CtVolume.from_array(hu, affine() if grid is None else grid, patient=ADULT, input=facts)
    values = volume.slab(k, k + 1)[:, :, 0]
    measured = measure_slice(mask, volume.pixel_area_cm2, hu=values)
    level = Level(k, volume.slice_superior_mm(k), LevelMethod.SLICE)
    return QualityInput(volume, level, mask, measured, **{"patient": ADULT, "hu": values} | fields)


def codes(quality_input, *severities):
    wanted = severities or tuple(Severity)
    return {finding.code for finding in check_quality(quality_input) if finding.severity in wanted}


class TestCleanBodies:
    def test_nothing_is_said(self):
        assert check_quality(given(neighbours_sma_cm2=(None, None))) == ()

    def test_unknown_contrast_is_the_only_info_of_a_file_without_header(self):
        assert codes(given(facts=InputFacts("nifti", "0" * 64))) == {"contrast_unknown"}

    @pytest.mark.parametrize("air", [-1000, -1024])
    @pytest.mark.parametrize("noise_hu", [0.0, 25.0])
    @pytest.mark.parametrize("fat_mm", [3.0, 45.0])
    def test_thin_and_obese_quiet_and_noisy(self, fat_mm, noise_hu, air):
        hu, mask = scan(fat_mm=fat_mm, noise_hu=noise_hu, air=air)
        assert check_quality(given(hu, mask)) == ()

    @pytest.mark.parametrize("outside", [-1024, -2000, -3024])
    def test_a_reconstruction_circle_around_the_body(self, outside):
        hu, mask = scan(shape=(200, 200))
        hu[~ellipse((200, 200), (1.9, 1.9), (190, 190))] = outside
        assert check_quality(given(hu, mask)) == ()

    @pytest.mark.parametrize("background", [-1024, -2000])
    def test_a_body_whose_background_was_blanked(self, background):
        hu, mask = scan()
        hu[~ellipse((220, 200), (1.9, 1.9), (150, 110), (0, 8))] = background
        assert check_quality(given(hu, mask)) == ()

    def test_a_round_body_on_blanked_background(self):
        body, mask = (ellipse((200, 200), (1.9, 1.9), (r, r)) for r in (130, 90))
        mask &= ~ellipse((200, 200), (1.9, 1.9), (70, 70))
        hu = np.where(mask, 50, np.where(body, -100, -2000)).astype(np.int16)
        hu[ellipse((200, 200), (1.9, 1.9), (24, 18), (0, -40))] = 300  # a vertebra
        assert check_quality(given(np.repeat(hu[:, :, None], 9, axis=2), mask)) == ()

    def test_a_table_along_the_border_that_a_tube_joins_to_the_body(self):
        hu, mask = scan()
        hu[:, 30:32] = 40
        hu[108:110, 30:48] = 40
        assert check_quality(given(hu[:, 30:], mask[:, 30:])) == ()

    def test_a_square_image_without_circle_whose_corner_the_body_reaches(self):
        hu, mask = scan(shape=(200, 200), centre_mm=(35.0, 75.0))
        assert check_quality(given(hu, mask)) == ()

    def test_storage_order_does_not_matter(self):
        hu, mask = scan()
        canonical = CtVolume.from_array(hu, affine(), input=PLAIN)
        stored = np.ascontiguousarray(hu.transpose(2, 0, 1)[::-1, ::-1, :])
        grid = affine()[:, [2, 0, 1, 3]] @ np.array(
            [[-1, 0, 0, 8], [0, -1, 0, 219], [0, 0, 1, 0], [0, 0, 0, 1.0]]
        )
        flipped = given(stored, mask, grid)
        assert np.allclose(flipped.volume.ras_from_canonical, canonical.ras_from_canonical)
        assert check_quality(flipped) == ()


class TestFieldOfView:
    @pytest.mark.parametrize(("side", "start", "stop"), [("left", 48, 220), ("right", 0, 172)])
    def test_muscle_cut_at_one_side_withholds_the_status(self, side, start, stop):
        # The wall's outer face lies 132 mm, 69.5 pixels, from the middle and 40 from the border: 15 mm go.
        hu, mask = scan()
        found = check_quality(given(hu[start:stop], mask[start:stop]))
        told = next(finding for finding in found if finding.code == "fov_cuts_muscle")
        assert (told.severity, f"({side})" in told.message) == (Severity.ERROR, True)
        assert withholding_reason(found).startswith(f"The field of view cuts muscle off ({side})")

    @pytest.mark.parametrize(("side", "crop"), [("front", np.s_[:, :145]), ("back", np.s_[:, 60:])])
    def test_front_and_back_are_the_patients(self, side, crop):
        hu, mask = scan()
        told = [f for f in check_quality(given(hu[crop], mask[crop])) if f.code == "fov_cuts_muscle"]
        assert f"({side})" in told[0].message

    def test_muscle_that_the_mask_misses_at_the_edge_is_still_seen(self):
        hu, mask = scan(fat_mm=3.0)
        hu, mask = hu[35:], mask[35:].copy()
        mask[:25] = False  # the model gave up there
        assert "fov_cuts_muscle" in codes(given(hu, mask), Severity.ERROR)

    def test_fat_cut_alone_keeps_the_status(self):
        hu, mask = scan(fat_mm=45.0)  # wall up to 105 mm, skin up to 150 mm from the middle
        found = check_quality(given(hu[45:], mask[45:]))  # the image ends at 123 mm: 18 mm of fat are left
        assert [(f.code, f.severity) for f in found] == [("fov_cuts_body", Severity.WARNING)]
        assert "(left)" in found[0].message
        assert withholding_reason(found) is None

    @pytest.mark.parametrize("outside", [-1024, -3024])
    def test_the_reconstruction_circle_cuts_where_the_border_does_not(self, outside):
        # The body ends 5 mm before the right and front border but reaches 205 mm between; the circle 190.
        hu, mask = scan(shape=(200, 200), centre_mm=(35.0, 75.0), fat_mm=3.0)
        circle = ellipse((200, 200), (1.9, 1.9), (190, 190))
        hu[~circle] = outside
        told = [f for f in check_quality(given(hu, mask & circle)) if f.severity is Severity.ERROR]
        assert [f.code for f in told] == ["fov_cuts_muscle"]
        assert "(right and front)" in told[0].message

    def test_a_circle_within_the_body_all_around(self):
        hu, mask = scan(shape=(90, 90), centre_mm=(0.0, 0.0))
        hu[~ellipse((90, 90), (1.9, 1.9), (85.5, 85.5))] = -2000
        assert "fov_cuts_muscle" in codes(given(hu, mask), Severity.ERROR)

    def test_skin_along_the_border_is_no_muscle(self):
        hu, mask = scan(noise_hu=0.0)  # skin from 147.5 to 150 mm; the image ends at 150
        found = check_quality(given(hu[31:], mask[31:]))
        assert [(f.code, f.severity) for f in found] == [("fov_cuts_body", Severity.WARNING)]

    def test_muscle_that_only_just_lies_inside_cannot_be_called_whole(self):
        hu, mask = scan()  # the wall's first pixel is 41
        assert not mask[40].any()
        assert mask[41].any()
        assert "fov_cuts_muscle" in codes(given(hu[40:], mask[40:]), Severity.ERROR)

    def test_a_small_circle_within_padding_cuts_too(self):
        hu, mask = scan(shape=(230, 230), centre_mm=(0.0, 0.0))
        circle = ellipse((230, 230), (1.9, 1.9), (120, 120))  # the wall reaches 132 mm to either side
        hu[~circle] = -2000
        assert "fov_cuts_muscle" in codes(given(hu, mask & circle), Severity.ERROR)

    def test_a_field_of_view_of_the_spine_alone(self):
        hu, _ = scan(fat_mm=25.0)
        window = np.s_[85:135, 70:116]  # inside the wall, fat all around the spine
        spine = np.zeros((50, 46), dtype=bool)
        spine[20:30, 20:30] = True
        hu[window][20:30, 20:30] = 55
        assert "fov_cuts_muscle" in codes(given(hu[window], spine), Severity.ERROR)

    def test_an_arm_beside_the_body_may_be_cut(self):
        hu, mask = scan()
        hu[ellipse((220, 200), (1.9, 1.9), (25, 25), (-205, 0))] = 45
        assert codes(given(hu, mask), Severity.ERROR, Severity.WARNING) == set()

    def test_nothing_but_air_at_the_level(self):
        hu, _ = scan()
        with_air = given(hu)
        empty = replace(with_air, hu=np.full((220, 200), -1000))
        assert "no_body" in codes(empty, Severity.ERROR)


class TestMaskPlace:
    def test_reaching_the_border(self):
        _, mask = scan()
        mask[0, 50:60] = True
        assert "mask_touches_border" in codes(given(mask=mask), Severity.ERROR)

    def test_without_a_ct_it_is_a_warning_and_nothing_is_told_of_the_ct(self):
        _, mask = scan()
        mask[0, 50:60] = True
        alone = replace(given(mask=mask, facts=InputFacts("nifti", "0" * 64)), hu=None)
        assert codes(alone) == {"mask_touches_border"}
        assert codes(alone, Severity.WARNING) == {"mask_touches_border"}

    def test_a_speck_at_the_border_is_none(self):
        _, mask = scan()
        mask[0, 100] = True
        assert "mask_touches_border" not in codes(given(mask=mask))

    def test_arms_in_the_mask(self):
        hu, mask = scan()
        arm = ellipse((220, 200), (1.9, 1.9), (20, 20), (-180, 0))
        hu[arm] = 45
        assert "mask_outside_body" in codes(given(hu, mask | arm), Severity.WARNING)

    def test_a_mask_of_another_place(self):
        _, mask = scan()
        assert "mask_off_body" in codes(given(mask=np.roll(mask, 100, axis=0)), Severity.ERROR)

    def test_a_mask_over_fat(self):
        elsewhere = ellipse((220, 200), (1.9, 1.9), (145, 105), (0, 8)) & ~ellipse(
            (220, 200), (1.9, 1.9), (134, 94), (0, 8)
        )
        assert "mask_not_muscle" in codes(given(mask=elsewhere), Severity.WARNING)


class TestNumbers:
    @pytest.mark.parametrize(
        ("sma_cm2", "told"), [(39.9, True), (40.0, False), (350.0, False), (350.1, True)]
    )
    def test_area(self, sma_cm2, told):
        quality_input = given()
        changed = replace(quality_input, measurement=replace(quality_input.measurement, sma_cm2=sma_cm2))
        assert ("sma_implausible" in codes(changed, Severity.WARNING)) == told

    @pytest.mark.parametrize(("mean_hu", "told"), [(-5.0, True), (12.0, False), (79.0, False), (95.0, True)])
    def test_mean_hu(self, mean_hu, told):
        quality_input = given()
        changed = replace(quality_input, measurement=replace(quality_input.measurement, mean_hu=mean_hu))
        assert ("mean_hu_implausible" in codes(changed, Severity.WARNING)) == told

    @pytest.mark.parametrize(
        ("factors", "told"),
        [((1.04, 0.96), None), ((None, 1.04), None), ((1.06, None), "6 %"), ((1.0, 0.88), "12 %")],
    )
    def test_neighbours(self, factors, told):
        quality_input = given()
        sma_cm2 = quality_input.measurement.sma_cm2
        near = tuple(None if factor is None else factor * sma_cm2 for factor in factors)
        messages = [f.message for f in check_quality(replace(quality_input, neighbours_sma_cm2=near))]
        assert (messages == []) if told is None else (told in messages[0])

    @pytest.mark.parametrize(
        ("removed", "severity"), [(0.3, None), (2.0, Severity.INFO), (30.0, Severity.WARNING)]
    )
    def test_fragments(self, removed, severity):
        found = check_quality(given(fragments_removed_cm2=removed))
        assert [(f.code, f.severity) for f in found] == (
            [("fragments_removed", severity)] if severity else []
        )

    def test_metal(self):
        hu, mask = scan()
        hu[100:106, 60:66] = 3000  # 36 pixels, 1.3 cm²
        assert "metal" in codes(given(hu, mask), Severity.WARNING)


class TestLevel:
    @pytest.mark.parametrize(
        ("k", "end"), [(0, "lower"), (1, "lower"), (2, None), (6, None), (7, "upper"), (8, "upper")]
    )
    def test_near_the_scans_end(self, k, end):
        found = {f.code: f.message for f in check_quality(given(k=k))}
        assert ("level_near_end" in found) == (end is not None)
        assert end is None or f"the {end} end" in found["level_near_end"]

    def test_of_thin_slices_more_must_lie_beyond(self):
        hu, mask = scan(slices=30)
        grid = affine(step=(0, 0, 1.25))
        assert "level_near_end" in codes(given(hu, mask, grid, k=7))  # 8.75 mm
        assert "level_near_end" not in codes(given(hu, mask, grid, k=8))  # 10 mm

    def test_a_single_slice(self):
        hu, mask = scan(slices=1)
        assert codes(given(hu, mask, k=0)) == {"single_slice"}

    @pytest.mark.parametrize(
        ("confidence", "told"), [(0.3, True), (0.94, True), (0.96, False), (None, False)]
    )
    def test_confidence(self, confidence, told):
        quality_input = given()
        level = replace(quality_input.level, confidence=confidence)
        assert ("level_uncertain" in codes(replace(quality_input, level=level))) == told

    def test_an_uncertain_count_says_what_it_rests_on(self):
        level = replace(given().level, confidence=0.9, reason="no ribs are seen")
        told = {f.code: f.message for f in check_quality(replace(given(), level=level))}
        assert "90 % (no ribs are seen): check" in told["level_uncertain"]


class TestGeometry:
    @pytest.mark.parametrize(("tilt_deg", "told"), [(9.0, False), (12.0, True)])
    def test_tilt(self, tilt_deg, told):
        found = codes(given(grid=affine(tilt_deg=tilt_deg)), Severity.WARNING)
        assert ("tilted_slices" in found) == told

    def test_resampled_from_another_plane_withholds(self):
        hu, mask = scan(shape=(220, 80), spacing_mm=(1.9, 4.75))
        found = check_quality(given(hu, mask, affine((1.9, 4.75), (0, 0, 1.9))))
        assert "resampled_plane" in {f.code for f in found if f.severity is Severity.ERROR}
        assert withholding_reason(found).endswith("no status is given")

    def test_slightly_uneven_pixels_are_an_info(self):
        hu, mask = scan(spacing_mm=(1.9, 1.6), shape=(220, 240))
        assert codes(given(hu, mask, affine((1.9, 1.6)))) == {"non_square_pixels"}

    def test_coarse_pixels(self):
        hu, mask = scan(spacing_mm=(3.0, 3.0), shape=(140, 120))
        assert codes(given(hu, mask, affine((3.0, 3.0)))) == {"coarse_pixels"}

    @pytest.mark.parametrize(
        ("step", "thickness_mm", "told"),
        [
            ((0, 0, 5.0), 5.0, None),
            ((0, 0, 7.0), 5.0, "7 mm apart"),
            ((0, 0, 5.0), 8.0, "8 mm thick"),
            ((0, 0, 7.5), None, "7.5 mm apart"),
            ((0, 3.0, 4.9), None, None),  # a sheared step of 5.7 mm between planes 4.9 mm apart
        ],
    )
    def test_thick_slices(self, step, thickness_mm, told):
        facts = replace(PLAIN, slice_thickness_mm=thickness_mm)
        messages = [f.message for f in check_quality(given(grid=affine(step=step), facts=facts))]
        assert (messages == []) if told is None else (told in messages[0])


class TestPatientAndScanner:
    @pytest.mark.parametrize(("age", "withheld"), [(None, False), (18.0, False), (17.9, True)])
    def test_children(self, age, withheld):
        found = check_quality(given(patient=replace(ADULT, age_years=age)))
        assert (withholding_reason(found) is not None) == withheld
        assert ("under_18" in {f.code for f in found}) == withheld

    @pytest.mark.parametrize(
        ("dicom_sex", "code"), [(Sex.FEMALE, "sex_contradicts"), (Sex.MALE, None), (None, None)]
    )
    def test_contradicting_sex(self, dicom_sex, code):
        assert codes(given(dicom_sex=dicom_sex), Severity.WARNING) == ({code} if code else set())

    def test_unknown_sex(self):
        assert codes(given(patient=PatientFacts())) == {"sex_unknown"}

    @pytest.mark.parametrize(
        ("change", "code", "severity"),
        [
            ({"contrast": None}, "contrast_unknown", Severity.INFO),
            ({"contrast": True}, "contrast_given", Severity.INFO),
            ({"kvp": 100.0}, "other_kvp", Severity.INFO),
            ({"patient_position": "FFP"}, "not_supine", Severity.WARNING),
            ({"patient_position": "HFDL"}, "not_supine", Severity.WARNING),
        ],
    )
    def test_acquisition(self, change, code, severity):
        found = check_quality(given(facts=replace(PLAIN, **change)))
        assert [(f.code, f.severity) for f in found] == [(code, severity)]

    @pytest.mark.parametrize("position", ["FFS", "HFS", None, ""])
    def test_supine_or_unknown(self, position):
        assert check_quality(given(facts=replace(PLAIN, patient_position=position))) == ()


class TestReporting:
    def test_the_volumes_findings_come_first_and_are_not_repeated(self):
        hu, mask = scan(slices=1)
        quality_input = given(hu, mask, k=0)
        own = (
            Finding("left_out", Severity.INFO, "Left out of the folder: 1 localizer."),
            Finding("left_out", Severity.INFO, "Left out of the folder: 2 masks."),
            Finding("single_slice", Severity.INFO, "The series is one slice."),
        )
        volume = replace(quality_input.volume, findings=own)
        assert check_quality(replace(quality_input, volume=volume)) == own

    def test_the_reason_is_the_first_error_without_its_full_stop(self):
        findings = (
            Finding("a", Severity.WARNING, "Look."),
            Finding("b", Severity.ERROR, "Muscle is cut off; no status."),
            Finding("c", Severity.ERROR, "Later."),
        )
        assert withholding_reason(findings) == "Muscle is cut off; no status"
        assert withholding_reason(findings[:1]) is None
        assert withholding_reason(()) is None

    def test_every_message_is_one_sentence_that_ends(self):
        hu, mask = scan(fat_mm=3.0)
        bad = given(
            hu[35:], mask[35:], affine((1.9, 1.9), (0, 0, 8), tilt_deg=15), k=0,
            facts=InputFacts("dicom", "0" * 64, kvp=80, contrast=True, patient_position="HFP"),
            patient=PatientFacts(Sex.MALE, "given", 12.0), dicom_sex=Sex.FEMALE,
            neighbours_sma_cm2=(1.0, 500.0), fragments_removed_cm2=40.0,
        )  # fmt: skip
        found = check_quality(bad)
        assert len({f.code for f in found}) >= 10
        for finding in found:
            assert finding.message.endswith(".")
            assert "\n" not in finding.message
            assert finding.code == finding.code.lower()
            assert 20 < len(finding.message) < 250


class TestBuildingBlocks:
    def test_distance_is_in_mm_along_each_axis(self):
        inside = np.zeros((5, 7), dtype=bool)
        inside[2, 3] = True
        distances = distance_mm(inside, (2.0, 0.5))
        assert (distances[4, 3], distances[2, 6], distances[2, 3]) == (4.0, 1.5, 0.0)
        assert np.isinf(distance_mm(np.zeros((3, 4), dtype=bool), (1.0, 1.0))).all()

    def test_opening_drops_what_is_thin_but_nothing_at_the_border(self):
        inside = np.zeros((40, 50), dtype=bool)
        inside[:, 10:12] = True  # 2 mm thin, from border to border
        inside[:, 35:] = True  # thick, up to three borders
        kept = opened(inside, 3.0, (1.0, 1.0))
        assert not kept[:, 10:12].any()
        assert kept[:, 35:].all()

    def test_border_length(self):
        mask = np.zeros((6, 8), dtype=bool)
        mask[0, 2:5] = True  # three pixels along axis 1
        assert border_length_mm(mask, (2.0, 0.5)) == pytest.approx(1.5)

    def test_a_cut_shorter_than_15_mm_is_none(self):
        hu, mask = scan(shape=(160, 200))  # the image ends 152 mm, the body 150 mm from the middle
        view = field_of_view(hu[:, :, 0], mask, (1.9, 1.9))
        assert (view.sides, view.cut.any(), view.cuts_muscle) == ((), False, False)
        assert view.body.any()

    def test_without_muscle_the_body_is_the_largest_piece(self):
        hu, _ = scan()
        hu[ellipse((220, 200), (1.9, 1.9), (22, 22), (-180, 0))] = 45
        view = field_of_view(hu[:, :, 0], np.zeros((220, 200), dtype=bool), (1.9, 1.9))
        assert view.body[109, 100]
        assert not view.body[15, 99]
