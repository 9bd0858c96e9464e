"""Changed CTs: every voxel still shows the point of the patient that its affine says, on an oblique grid."""

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import LevelError
from SarcopeniaAssessLib.patient import PatientFacts
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.changed_ct import (
    NOISE_HU,
    TURN_DEG,
    changes,
    near,
    slice_at,
    turned,
    with_noise,
    with_slices,
)
from SarcopeniaTraining.phantom.generate import rotation_of

SLOPE = np.array([1.5, -1.1, 2.2])


def patient(points_mm):
    """HU at points (..., 3): linear, so that interpolation and symmetric averages are exact."""
    return 40 + points_mm @ SLOPE


def world(volume):
    """RAS position of every canonical voxel, (I, J, K, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, volume.canonical_shape), indexing="ij"), axis=-1)
    return index @ volume.ras_from_canonical[:3, :3].T + volume.ras_from_canonical[:3, 3]


def hu_of(volume):
    return np.asarray(volume.slab(0, volume.slice_count), np.float64)


@pytest.fixture(scope="module")
def oblique():
    """Unequal shape and spacing, turned by 7° and 4°, stored from head to feet and from left to right."""
    linear = rotation_of((7.0, 4.0, 3.0)) @ np.diag([-2.1, 2.6, -1.7])
    affine = np.eye(4)
    affine[:3, :3] = linear
    shape = (31, 26, 44)
    affine[:3, 3] = np.array([12.0, -8.0, -310.0]) - linear @ ((np.array(shape) - 1) / 2)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    points = index @ linear.T + affine[:3, 3]
    hu = patient(points - np.array([0.0, 0.0, -310.0]))
    return CtVolume.from_array(np.rint(hu).astype(np.int16), affine)


def expected(volume, move=lambda points: points):
    return patient(move(world(volume)) - np.array([0.0, 0.0, -310.0]))


def interior(volume, array):
    """Away from the borders, where a turned or moved grid looks outside the CT."""
    i, j, k = (n // 3 for n in volume.canonical_shape)
    return array[i:-i, j:-j, k:-k]


STAYING = [change for change in changes() if not change.name.startswith(("patient turned", "noise"))]
"""Changes that leave every point of the patient where it lay, with the HU it had or all of them shifted."""


@pytest.mark.parametrize("change", STAYING, ids=lambda change: change.name)
def test_every_voxel_shows_what_lies_at_its_place(oblique, change):
    level_mm = oblique.slice_superior_mm(22)
    changed = change.make(near(oblique, level_mm), level_mm)
    shift = {"HU −10": -10.0, "HU +10": 10.0}.get(change.name, 0.0)
    hu = interior(changed, hu_of(changed))
    apart = (hu - interior(changed, expected(changed)) - shift)[hu > -1000]
    assert hu.size > 300
    assert apart.size > hu.size / 2  # the rest, where the field of view was enlarged, is air
    assert np.abs(apart).max() < 1.6  # two roundings and float32


@pytest.mark.parametrize("change", changes(), ids=lambda change: change.name)
def test_a_slice_passes_through_the_middle_of_the_level_in_every_change(oblique, change):
    middle = oblique.slice_centre_mm(22)
    changed = change.make(near(oblique, middle[2]), middle[2])
    index = np.linalg.inv(changed.ras_from_canonical) @ [*middle, 1.0]
    assert index[2] == pytest.approx(slice_at(changed, middle), abs=1e-3)


def test_near_are_the_slices_whose_centres_lie_within_the_distance():
    part = near(axial(textured(21), 3.0), 130.0, 6.0)
    assert [part.slice_superior_mm(k) for k in range(part.slice_count)] == pytest.approx(
        [124, 127, 130, 133, 136]
    )


def test_what_storage_alone_changes_holds_the_same_voxels(oblique):
    level_mm = oblique.slice_superior_mm(22)
    part = near(oblique, level_mm)
    for name in ("stored with all axes reversed", "stored as sagittal slices"):
        changed = next(change for change in changes() if change.name == name).make(part, level_mm)
        assert np.array_equal(hu_of(changed), hu_of(part))
        assert changed.ras_from_canonical == pytest.approx(part.ras_from_canonical)
        assert changed.ras_from_ijk != pytest.approx(part.ras_from_ijk)


@pytest.mark.parametrize("angle_deg", TURN_DEG)
def test_a_turned_patient_is_turned_by_that_angle_and_the_grid_is_not(oblique, angle_deg):
    level_mm = oblique.slice_superior_mm(22)
    made = turned(oblique, level_mm, angle_deg)
    centre = oblique.slice_centre_mm(22)
    back = rotation_of((0.0, 0.0, -angle_deg))
    apart = hu_of(made) - expected(made, lambda points: (points - centre) @ back.T + centre)
    assert np.abs(interior(made, apart)).max() < 1.6
    assert np.array_equal(made.ras_from_canonical, oblique.ras_from_canonical)


def axial(hu, slice_mm):
    affine = np.diag([2.0, 3.0, slice_mm, 1.0])
    affine[:3, 3] = (-5.0, 4.0, 100.0)
    return CtVolume.from_array(hu, affine)


def textured(slices):
    """HU that differ in the plane and not along the body."""
    plane = np.random.default_rng(5).integers(-120, 90, (5, 7, 1))
    return np.repeat(plane, slices, axis=2).astype(np.int16)


def test_thick_slices_are_averages_and_lose_nothing():
    hu = textured(41)
    hu[:, :, 20] += 300  # one slice of 1 mm at s = 120
    made = with_slices(axial(hu, 1.0), 120.0, 3.0)
    middle = (hu_of(made) - hu[:, :, :1])[2, 3]
    assert middle.max() == 100
    assert middle.sum() == 100
    assert made.slice_superior_mm(int(middle.argmax())) == pytest.approx(120.0)
    assert made.spacing_mm[2] == pytest.approx(3.0)


def test_a_thick_slice_counts_a_part_of_its_end_slices():
    hu = textured(21)
    hu[:, :, 11] += 500  # 3 mm slices; a slice of 5 mm centred on slice 10 reaches 1 mm into it
    made = with_slices(axial(hu, 3.0), 130.0, 5.0)
    k = slice_at(made, made.slice_centre_mm(0) * [1, 1, 0] + [0, 0, 130.0])
    assert np.array_equal(hu_of(made)[:, :, k], hu[:, :, 10] + 100)


def test_slices_as_thick_as_before_are_the_same():
    hu = np.random.default_rng(3).integers(-100, 200, (5, 7, 21)).astype(np.int16)
    made = with_slices(axial(hu, 3.0), 130.0, 3.0)
    assert made.slice_superior_mm(8) == pytest.approx(127.0)
    assert np.array_equal(hu_of(made)[:, :, 8], hu[:, :, 9])


def test_thin_slices_lie_between():
    hu = textured(21)
    hu[:, :, 10] += 90
    made = with_slices(axial(hu, 3.0), 130.0, 1.0)
    heights = np.array([made.slice_superior_mm(k) for k in range(made.slice_count)])
    added = (hu_of(made) - hu[:, :, :1])[1, 1]
    assert added[np.argmin(np.abs(heights - 131.0))] == 60
    assert added[np.argmin(np.abs(heights - 130.0))] == 90


@pytest.mark.parametrize("sd_hu", NOISE_HU)
def test_noise_has_its_strength_and_is_always_the_same(sd_hu):
    hu = np.repeat(np.repeat(textured(9), 12, axis=0), 8, axis=1)
    affine = np.diag([0.7, 0.9, 3.0, 1.0])
    affine[2, 3] = 100.0
    plain = CtVolume.from_array(hu, affine, patient=PatientFacts(age_years=50))
    assert with_noise(plain, 112.0, sd_hu).patient == plain.patient
    first, again = (hu_of(with_noise(plain, 112.0, sd_hu)) - hu for _ in range(2))
    assert np.array_equal(first, again)
    assert first.std() == pytest.approx(sd_hu, rel=0.02)
    assert first.mean() == pytest.approx(0, abs=0.7)
    beside, above = (
        float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
        for a, b in ((first[1:], first[:-1]), (first[:, :, 1:], first[:, :, :-1]))
    )
    assert beside > 0.5  # a grain in the plane
    assert abs(above) < 0.05


def test_a_level_outside_the_scan_is_refused():
    with pytest.raises(LevelError, match="outside"):
        slice_at(axial(textured(9), 3.0), np.array([0.0, 0.0, 300.0]))
