"""CtVolume: one anatomy seen the same through all 48 storages, and nothing invalid can exist."""

from __future__ import annotations

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import (
    Finding,
    GeometryError,
    IntensityError,
    MaskError,
    PatientError,
    Severity,
)
from SarcopeniaAssessLib.volume import CtVolume, InputFacts, PatientFacts, Sex
from Testing.library.ct_files import ORIGIN_MM, SHAPE, SPACING_MM, STORAGES, affine, anatomy, rotation, store

OBLIQUE = affine(rotation(9, -6, 14))


def codes(volume: CtVolume) -> set[str]:
    return {finding.code for finding in volume.findings}


@pytest.mark.parametrize(("order", "flips"), STORAGES)
def test_every_storage_gives_the_same_canonical_slab_and_takes_its_mask_back(order, flips):
    native, ras_from_ijk = store(anatomy(), OBLIQUE, order, flips)
    volume = CtVolume.from_array(native, ras_from_ijk)
    np.testing.assert_allclose(volume.ras_from_canonical, OBLIQUE, atol=1e-9)
    assert volume.canonical_shape == SHAPE
    np.testing.assert_array_equal(volume.slab(2, 5), anatomy()[:, :, 2:5])

    slice_mask = (anatomy()[:, :, 3] > 0) & (anatomy()[:, :, 3] < 100)
    mask = volume.native_mask(slice_mask, 3)
    assert mask.shape == native.shape
    assert mask.dtype == np.uint8
    assert mask.sum() == slice_mask.sum()
    np.testing.assert_array_equal(mask.astype(bool), (native > 0) & (native < 100) & mask.astype(bool))
    np.testing.assert_array_equal(volume.canonical_slice_mask(mask, 3), slice_mask)
    assert not volume.canonical_slice_mask(mask, 4).any()

    other, ras = store(anatomy(), OBLIQUE, (2, 0, 1), (True, False, True))
    restored = volume.stored_as(CtVolume.from_array(other, ras).axes)
    np.testing.assert_array_equal(restored, other)
    assert np.shares_memory(restored, native)


def test_slab_is_a_view_that_keeps_the_stored_integers():
    native, ras_from_ijk = store(anatomy().astype(np.int32), affine(), (2, 0, 1), (True, False, True))
    volume = CtVolume.from_array(native, ras_from_ijk)
    assert volume.slab(0, 2).dtype == np.int32
    assert np.shares_memory(volume.source.read(0, 0, 2), native)


def test_only_the_slices_asked_for_are_read():
    class Watched:
        shape = (9, 30, 22)
        dtype = np.dtype(np.int16)

        def __init__(self):
            self.asked = []

        def read(self, axis, start, stop):
            self.asked.append((axis, start, stop))
            return np.flip(anatomy().transpose(2, 0, 1), 0)[start:stop]

    _, ras_from_ijk = store(anatomy(), affine(), (2, 0, 1), (True, False, False))
    source = Watched()
    volume = CtVolume(source, ras_from_ijk)
    np.testing.assert_array_equal(volume.slab(1, 3), anatomy()[:, :, 1:3])
    assert source.asked == [(0, 6, 8)]  # 9 slices stored from the head: canonical 1, 2 are native 7, 6


@pytest.mark.parametrize(
    ("order", "flips", "letters"),
    [
        ((0, 1, 2), (False, False, False), "RAS"),
        ((0, 1, 2), (True, True, False), "LPS"),
        ((2, 0, 1), (True, False, True), "IRP"),
    ],
)
def test_orientation_and_spacing_are_the_native_ones(order, flips, letters):
    native, ras_from_ijk = store(anatomy(), affine(), order, flips)
    volume = CtVolume.from_array(native, ras_from_ijk)
    assert volume.orientation == letters
    assert volume.spacing_mm == pytest.approx([SPACING_MM[axis] for axis in order])


def test_slice_centre_is_where_it_was_put():
    volume = CtVolume.from_array(anatomy(), affine())
    assert volume.slice_superior_mm(5) == pytest.approx(ORIGIN_MM[2] + 5 * 4.0)
    expected = OBLIQUE @ [29 / 2, 21 / 2, 5, 1]
    assert CtVolume.from_array(anatomy(), OBLIQUE).slice_superior_mm(5) == pytest.approx(expected[2])


def test_pixel_area_is_that_of_a_parallelogram():
    assert CtVolume.from_array(anatomy(), OBLIQUE).pixel_area_cm2 == pytest.approx(0.9 * 1.3 / 100)
    sheared = affine()
    sheared[0, 1] = 0.3  # columns move 0.3 mm to the right a row: base and height, so the area, stay
    assert CtVolume.from_array(anatomy(), sheared).pixel_area_cm2 == pytest.approx(0.9 * 1.3 / 100)
    sheared[1, 1] = 1.2
    assert CtVolume.from_array(anatomy(), sheared).pixel_area_cm2 == pytest.approx(0.9 * 1.2 / 100)


def test_tilted_slices_are_flagged_above_ten_degrees_and_refused_above_thirty():
    assert CtVolume.from_array(anatomy(), affine(rotation(9, 0, 40))).findings == ()
    tilted = CtVolume.from_array(anatomy(), affine(rotation(21, 0, 0)))
    assert tilted.tilt_deg == pytest.approx(21)
    assert codes(tilted) == {"tilted_slices"}
    CtVolume.from_array(anatomy(), affine(rotation(0, 29.9, 0)))
    with pytest.raises(GeometryError, match=r"31.*axial series"):
        CtVolume.from_array(anatomy(), affine(rotation(31, 0, 0)))


def test_an_image_cut_from_another_plane_gets_an_error_finding():
    coronal = np.diag([0.8, 3.0, 0.8, 1.0])
    found = CtVolume.from_array(anatomy(), coronal).findings
    assert [(f.code, f.severity) for f in found] == [("resampled_plane", Severity.ERROR)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a.__setitem__((slice(None), 0), 0.0), "spacing of 0"),
        (lambda a: a.__setitem__((0, 0), np.nan), "finite"),
        (lambda a: a.__setitem__((3, 0), 0.5), "last row"),
        (lambda a: a.__setitem__((slice(0, 3), 1), a[:3, 0]), "one plane"),
        (lambda a: a.__setitem__((0, 0), 0.05), "0.05"),
        (lambda a: a.__setitem__((2, 2), 25.0), "25"),
    ],
)
def test_an_affine_without_area_is_refused(change, says):
    bad = affine()
    change(bad)
    with pytest.raises(GeometryError, match=says):
        CtVolume.from_array(anatomy(), bad)


@pytest.mark.parametrize("shape", [(5, 5), (4, 4, 4, 2), (30, 1, 9), (0, 4, 4)])
def test_what_is_not_three_dimensional_is_refused(shape):
    with pytest.raises(GeometryError):
        CtVolume.from_array(np.zeros(shape, np.int16), affine())


def test_complex_voxels_are_refused():
    with pytest.raises(GeometryError, match="complex"):
        CtVolume.from_array(anatomy().astype(complex), affine())


def test_padding_becomes_air_and_can_be_told_from_it():
    hu = anatomy()
    hu[:3, :, :] = -3024
    volume = CtVolume.from_array(hu, affine())
    slab = volume.slab(2, 4)
    assert (slab[:3] == -1024).all()
    np.testing.assert_array_equal(slab[3:], anatomy()[3:, :, 2:4])
    padding = volume.padding(2, 4)
    assert padding[:3].all()
    assert not padding[3:].any()


def test_hounsfield_units_are_judged_where_they_are_decoded():
    hu = anatomy().astype(np.float32)
    hu[4, 4, 7] = np.nan
    volume = CtVolume.from_array(hu, affine())
    volume.slab(0, 7)
    with pytest.raises(IntensityError, match="not numbers"):
        volume.slab(6, 8)


def test_masks_of_another_shape_are_refused():
    volume = CtVolume.from_array(anatomy(), affine())
    with pytest.raises(MaskError):
        volume.native_mask(np.zeros((22, 30), bool), 0)
    with pytest.raises(MaskError):
        volume.canonical_slice_mask(np.zeros((30, 22, 8), np.uint8), 0)


@pytest.mark.parametrize("k", [-1, 9])
def test_a_slice_that_is_not_there_is_a_programming_error(k):
    volume = CtVolume.from_array(anatomy(), affine())
    with pytest.raises(IndexError):
        volume.slice_superior_mm(k)
    with pytest.raises(IndexError):
        volume.slab(k, k + 1)


def test_other_patient_facts_change_nothing_else():
    given = (Finding("doubled_positions", Severity.INFO, "Two."),)
    facts = InputFacts("nifti", "ab" * 32)
    volume = CtVolume.from_array(anatomy(), affine(rotation(15, 0, 0)), input=facts, findings=given)
    other = volume.with_patient(PatientFacts(Sex.FEMALE, "given", height_m=1.62))
    assert other.patient.sex is Sex.FEMALE
    assert other.findings == volume.findings
    assert [f.code for f in other.findings] == ["doubled_positions", "tilted_slices"]
    assert other.input is facts
    assert other.source is volume.source


def test_the_hash_of_an_array_depends_on_its_values_not_on_its_memory_order():
    made = CtVolume.from_array(anatomy(), affine()).input.sha256
    assert CtVolume.from_array(np.asfortranarray(anatomy()), affine()).input.sha256 == made
    changed = anatomy()
    changed[0, 0, 0] += 1
    assert CtVolume.from_array(changed, affine()).input.sha256 != made


def uneven(flip: bool) -> tuple[CtVolume, list[float]]:
    """Slices at 0, 4, 8, 12, 15, 18, 21, 24, 27 mm; stored from the head down if `flip`."""
    heights = [0.0, 4, 8, 12, 15, 18, 21, 24, 27]
    stored = heights[::-1] if flip else heights
    hu = anatomy()[:, :, ::-1] if flip else anatomy()
    ras_from_ijk = np.diag([0.9, 1.3, -3.0 if flip else 3.0, 1.0])
    origins = np.array([[0.0, 0.0, h] for h in stored])
    base = CtVolume.from_array(hu, ras_from_ijk)
    return CtVolume(base.source, ras_from_ijk, slice_origins_mm=origins), heights


@pytest.mark.parametrize("flip", [False, True])
def test_an_uneven_series_is_exact_around_the_slice_asked_for(flip):
    volume, heights = uneven(flip)
    assert [volume.slice_superior_mm(k) for k in range(9)] == pytest.approx(heights)
    for k, step in ((0, 4.0), (2, 4.0), (4, 3.0), (3, 3.5), (8, 3.0)):
        around = volume.around(k)
        centre = around.ras_from_canonical @ [0, 0, k, 1]
        assert centre[2] == pytest.approx(heights[k])
        assert around.ras_from_canonical[2, 2] == pytest.approx(step)
        assert around.slice_superior_mm(k) == pytest.approx(heights[k])
        assert around.slice_superior_mm(6) == pytest.approx(heights[6])


def test_a_gap_is_refused_beside_the_slice_only():
    ras_from_ijk = np.diag([0.9, 1.3, 3.0, 1.0])
    origins = np.array([[0.0, 0.0, h] for h in (0, 3, 6, 9, 15, 18, 21, 24, 27)])
    source = CtVolume.from_array(anatomy(), ras_from_ijk).source
    volume = CtVolume(source, ras_from_ijk, slice_origins_mm=origins)
    volume.around(2)
    volume.around(5)
    for k in (3, 4):
        with pytest.raises(GeometryError, match="missing"):
            volume.around(k)


def test_an_even_volume_is_its_own_surroundings():
    volume = CtVolume.from_array(anatomy(), affine())
    assert volume.around(3) is volume


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"height_m": 175}, r"175 metres.*give metres, 1\.75"),
        ({"height_m": 0.3}, r"0\.3 metres"),
        ({"age_years": 131}, "131 years"),
        ({"age_years": -1}, "-1 years"),
        ({"weight_kg": 820}, "820 kilograms"),
        ({"weight_kg": float("nan")}, "nan"),
        ({"sex": Sex.MALE}, "source"),
        ({"sex_source": "given"}, "source"),
        ({"sex": "m", "sex_source": "given"}, "male or female"),
    ],
)
def test_facts_no_person_can_have_are_refused(facts, says):
    with pytest.raises(PatientError, match=says):
        PatientFacts(**facts)


def test_a_lone_axial_slice_is_a_volume():
    volume = CtVolume.from_array(anatomy()[:, :, 4:5], affine())
    assert volume.slice_count == 1
    np.testing.assert_array_equal(volume.slab(0, 1)[:, :, 0], anatomy()[:, :, 4])
