"""Area, mean HU and index: expectations worked out by hand on anisotropic, oblique and sheared grids."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from SarcopeniaAssessLib.errors import GeometryError, MaskError, PatientError
from SarcopeniaAssessLib.geometry import pixel_area_cm2
from SarcopeniaAssessLib.measurement import Measurement, area_interval_cm2, measure_slice


def affine(*columns_mm, origin=(-83.0, 41.0, 712.0)):
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack(columns_mm)
    matrix[:3, 3] = origin
    return matrix


def rotation(angles_rad):
    result = np.eye(3)
    for axis, angle in enumerate(angles_rad):
        a, b = (other for other in range(3) if other != axis)
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        result = result @ turn
    return result


def mask_of(pixels, shape=(11, 17)):
    mask = np.zeros(shape[0] * shape[1], dtype=bool)
    mask[:pixels] = True
    return mask.reshape(shape)


class TestPixelArea:
    def test_anisotropic_axial(self):
        # 0.8 mm × 1.5 mm = 1.2 mm² = 0.012 cm²; the 7 mm between slices must not enter.
        assert pixel_area_cm2(affine((0.8, 0, 0), (0, 1.5, 0), (0, 0, 7)), 2) == pytest.approx(0.012)

    @pytest.mark.parametrize(
        ("slice_axis", "expected_cm2"),
        [(0, 0.015 * 7), (1, 0.008 * 7), (2, 0.008 * 1.5)],  # the other two spacings, mm² / 100
    )
    def test_any_native_axis_may_be_the_slice_axis(self, slice_axis, expected_cm2):
        grid = affine((0.8, 0, 0), (0, -1.5, 0), (0, 0, 7))
        assert pixel_area_cm2(grid, slice_axis) == pytest.approx(expected_cm2)

    def test_sheared_in_plane(self):
        # column (2, 0, 0), row (1, 3, 0): base 2, height 3 → 6 mm², though the row is √10 mm long.
        assert pixel_area_cm2(affine((2, 0, 0), (1, 3, 0), (0, 0, 5)), 2) == pytest.approx(0.06)

    def test_gantry_tilt_shears_the_slice_axis_only(self):
        # A step between slices that leans by 1.2 mm to anterior leaves 0.7 × 0.9 = 0.63 mm² as it is.
        grid = affine((0.7, 0, 0), (0, 0.9, 0), (0, 1.2, 5))
        assert pixel_area_cm2(grid, 2) == pytest.approx(0.0063)

    def test_oblique_anisotropic_sheared(self):
        # column (1, 2, 2), row (0, 3, 4): cross = (2·4−2·3, 2·0−1·4, 1·3−2·0) = (2, −4, 3), length √29.
        grid = affine((1, 2, 2), (0, 3, 4), (2, -1, 0.5))
        assert pixel_area_cm2(grid, 2) == pytest.approx(math.sqrt(29) / 100)
        # The same pixel when the slice axis is stored first: column and row are axes 1 and 2.
        first = affine((2, -1, 0.5), (1, 2, 2), (0, 3, 4))
        assert pixel_area_cm2(first, 0) == pytest.approx(math.sqrt(29) / 100)

    def test_image_tilted_by_10_degrees_keeps_the_native_pixel(self):
        # 0.8 × 1.5 mm on the tilted plane: 1.2 mm², not 1.2·cos 10°, the projection on the axial plane.
        c, s = math.cos(math.radians(10)), math.sin(math.radians(10))
        grid = affine((0.8, 0, 0), (0, 1.5 * c, 1.5 * s), (0, -5 * s, 5 * c))
        assert pixel_area_cm2(grid, 2) == pytest.approx(0.012)

    @given(
        angles=st.tuples(*[st.floats(-3.2, 3.2)] * 3),
        spacing=st.tuples(*[st.floats(0.2, 10.0)] * 3),
        order=st.permutations(range(3)),
        signs=st.tuples(*[st.sampled_from((-1, 1))] * 3),
    )
    def test_invariant_under_rotation_permutation_and_flips(self, angles, spacing, order, signs):
        axes = rotation(angles) @ np.diag(spacing)
        stored = affine(*(signs[a] * axes[:, a] for a in order))
        slice_axis = order.index(2)
        assert pixel_area_cm2(stored, slice_axis) == pytest.approx(spacing[0] * spacing[1] / 100, rel=1e-9)

    @pytest.mark.parametrize(
        ("grid", "axis"),
        [
            (affine((1, 0, 0), (2, 0, 0), (0, 0, 5)), 2),  # column and row in one line
            (affine((1, 0, 0), (0, np.nan, 0), (0, 0, 5)), 2),
            (np.eye(3), 2),
            (np.eye(4), 3),
            (np.eye(4), -1),
        ],
    )
    def test_refuses_what_has_no_area(self, grid, axis):
        with pytest.raises(GeometryError):
            pixel_area_cm2(grid, axis)


class TestMeasureSlice:
    def test_area_is_pixels_times_pixel_area(self):
        # 37 pixels of 0.8 × 1.5 mm: 37 · 1.2 mm² = 44.4 mm² = 0.444 cm².
        measured = measure_slice(mask_of(37), 0.012)
        assert measured == Measurement(pytest.approx(0.444), None, None, None)

    def test_the_classical_mistakes_would_be_seen(self):
        grid = affine((0.8, 0, 0), (0, 1.5, 0), (0, 0, 7))
        sma_cm2 = measure_slice(mask_of(37), pixel_area_cm2(grid, 2)).sma_cm2
        forgotten_hundred, unit_spacing, three_spacings = 44.4, 0.37, 37 * 0.8 * 1.5 * 7 / 100
        assert sma_cm2 == pytest.approx(0.444)
        assert all(abs(sma_cm2 - wrong) > 0.05 for wrong in (forgotten_hundred, unit_spacing, three_spacings))

    def test_hu_bounds_are_inclusive_and_the_rest_is_left_out_of_the_mean(self):
        hu = np.full((11, 17), 60, dtype=np.int16)
        hu.reshape(-1)[:6] = (-30, -29, 0, 150, 151, 3000)
        measured = measure_slice(mask_of(6), 0.5, hu=hu)
        assert measured.sma_cm2 == pytest.approx(3.0)  # the delivered mask, whatever its HU
        assert measured.sma_hu_m29_150_cm2 == pytest.approx(1.5)  # −29, 0 and 150
        assert measured.mean_hu == pytest.approx(121 / 3)  # (−29 + 0 + 150) / 3

    def test_fractional_hu_just_outside_are_outside(self):
        hu = np.array([[-29.01, -29.0], [150.0, 150.01]])
        measured = measure_slice(np.ones((2, 2), dtype=bool), 1.0, hu=hu)
        assert (measured.sma_hu_m29_150_cm2, measured.mean_hu) == (2.0, pytest.approx(60.5))

    def test_int16_sums_do_not_overflow(self):
        hu = np.full((300, 400), 149, dtype=np.int16)  # the sum is 17,880,000
        assert measure_slice(np.ones((300, 400), dtype=bool), 0.01, hu=hu).mean_hu == 149.0

    def test_small_floats_keep_their_precision(self):
        low, high = np.float32(-28.7), np.float32(149.9)
        hu = np.tile(np.array([[low, high]]), (400, 150))
        mean_hu = measure_slice(np.ones((400, 300), dtype=bool), 0.01, hu=hu).mean_hu
        assert mean_hu == pytest.approx((float(low) + float(high)) / 2, abs=1e-10)

    def test_no_pixel_in_range_has_no_mean(self):
        measured = measure_slice(mask_of(4), 0.5, hu=np.full((11, 17), -100))
        assert measured == Measurement(2.0, None, 0.0, None)

    def test_empty_mask(self):
        measured = measure_slice(mask_of(0), 0.5, hu=np.full((11, 17), 50), height_m=1.8)
        assert measured == Measurement(0.0, None, 0.0, 0.0)

    def test_index_is_area_by_height_squared(self):
        # 196 cm² at 1.75 m: 196 / 3.0625 = 64 cm²/m².
        assert measure_slice(mask_of(98), 2.0, height_m=1.75).smi_cm2_m2 == pytest.approx(64.0)

    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
    def test_zero_one_masks_of_any_type(self, dtype):
        assert measure_slice(mask_of(5).astype(dtype), 0.1).sma_cm2 == pytest.approx(0.5)

    @pytest.mark.parametrize(
        ("mask", "hu"),
        [
            (np.ones((2, 3, 4), dtype=bool), None),
            (np.full((2, 3), 2), None),
            (np.array([[0.0, 0.6]]), None),
            (np.array([[0.0, np.nan]]), None),
            (np.ones((2, 3), dtype=bool), np.zeros((3, 2))),
        ],
    )
    def test_refuses_what_is_not_one_mask_on_one_grid(self, mask, hu):
        with pytest.raises(MaskError):
            measure_slice(mask, 0.1, hu=hu)

    @pytest.mark.parametrize("area", [0.0, -0.1, math.nan, math.inf])
    def test_refuses_an_impossible_pixel(self, area):
        with pytest.raises(GeometryError):
            measure_slice(mask_of(3), area)

    @pytest.mark.parametrize("height_m", [175.0, 0.0, -1.7, math.nan])
    def test_refuses_an_impossible_height_and_explains_the_unit(self, height_m):
        with pytest.raises(PatientError, match=r"give metres, e\.g\. 1\.75"):
            measure_slice(mask_of(3), 0.1, height_m=height_m)

    def test_arguments_are_left_alone_and_the_result_cannot_change(self):
        mask, hu = mask_of(7), np.arange(187.0).reshape(11, 17)
        mask.flags.writeable = hu.flags.writeable = False
        measured = measure_slice(mask, 0.1, hu=hu)
        with pytest.raises(dataclasses.FrozenInstanceError):
            measured.sma_cm2 = 1.0


class TestInterval:
    def test_of_a_given_mask_is_reader_variability(self):
        # 1.9 % of 200 cm² is 3.8 cm².
        assert area_interval_cm2(200.0) == pytest.approx((196.2, 203.8))

    def test_of_a_model_adds_its_error_in_squares(self):
        # √(1.9² + 4.0²) % = 4.428 % of 100 cm².
        low, high = area_interval_cm2(100.0, model_error=0.04)
        assert (low, high) == (pytest.approx(95.5716, abs=1e-3), pytest.approx(104.4284, abs=1e-3))

    def test_never_reaches_below_nothing(self):
        assert area_interval_cm2(10.0, model_error=3.0)[0] == 0.0

    @pytest.mark.parametrize("error", [-0.1, math.nan])
    def test_refuses_an_impossible_error(self, error):
        with pytest.raises(ValueError, match="impossible"):
            area_interval_cm2(100.0, model_error=error)
