"""The slab: every pixel where it claims to be, and back."""

import itertools

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.preprocessing import SlabPreset, make_slab, slab_plane
from SarcopeniaAssessLib.volume import CtVolume

PRESET = SlabPreset(in_plane_mm=1.3, slice_mm=4.0, slices=3)


def rotation(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """Rodrigues' formula."""
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def ramp(ras: np.ndarray) -> np.ndarray:
    """A HU field that is linear in the world: interpolation and smoothing leave it as it is."""
    return 1.2 * ras[0] - 0.8 * ras[1] + 0.3 * ras[2]


def ramp_volume(shape: tuple[int, int, int], affine: np.ndarray) -> CtVolume:
    points = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"))
    ras = np.tensordot(affine[:3, :3], points, 1) + affine[:3, 3].reshape(3, 1, 1, 1)
    return CtVolume.from_array(ramp(ras).astype(np.float32), affine)


def affine_of(linear: np.ndarray, origin: tuple[float, float, float]) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = origin
    return affine


OBLIQUE = affine_of(rotation((0.2, -0.4, 1), 14) @ np.diag([0.9, 0.7, 2.5]), (-60, -33, 12))
SHEARED = affine_of(np.array([[0.8, 0.15, 0.3], [0.0, 0.9, 0.6], [0, 0.05, 3.0]]), (-50, -40, 5))
FLIPPED = affine_of(np.diag([-0.9, 0.7, -2.5]), (60, -33, 12))


@pytest.mark.parametrize("affine", [OBLIQUE, SHEARED, FLIPPED], ids=["oblique", "sheared", "flipped"])
def test_slab_pixels_lie_where_the_affine_says(affine):
    volume = ramp_volume((130, 111, 9), affine)
    slab = make_slab(volume, 4, PRESET)
    i, j, s = (n // 2 for n in slab.image.shape)
    for di, dj, ds in itertools.product((-14, 0, 11), (-9, 0, 13), (-1, 0, 1)):
        ras = slab.ras_from_slab @ [i + di, j + dj, s + ds, 1]
        expected = (ramp(ras[:3]) + 175) / 425
        assert slab.image[i + di, j + dj, s + ds] == pytest.approx(expected, abs=0.4 / 425)


@pytest.mark.parametrize("affine", [OBLIQUE, SHEARED], ids=["oblique", "sheared"])
def test_slab_axes_follow_the_patient_and_have_the_standard_spacing(affine):
    _, ras = slab_plane(ramp_volume((130, 111, 9), affine), PRESET)
    right, anterior = ras[:3, 0], ras[:3, 1]
    assert np.linalg.norm(right) == pytest.approx(1.3)
    assert np.linalg.norm(anterior) == pytest.approx(1.3)
    assert right @ anterior == pytest.approx(0, abs=1e-9)
    # As close to the patient's right as the slice plane allows: no component along it is left out.
    normal = np.cross(right, anterior) / 1.69
    assert np.allclose(np.cross(normal, [1, 0, 0]) @ right, 0, atol=1e-9)


@pytest.mark.parametrize("affine", [OBLIQUE, SHEARED, FLIPPED], ids=["oblique", "sheared", "flipped"])
def test_what_comes_back_lies_on_the_native_slice(affine):
    volume = ramp_volume((130, 111, 9), affine)
    plane, _ = slab_plane(volume, PRESET)
    native = np.asarray(volume.slab(4, 5)[:, :, 0])
    back = plane.unsample(plane.sample(native, outside=0, smooth=False), outside=0)
    inner = (slice(20, -20), slice(20, -20))
    assert back.shape == native.shape
    assert np.abs(back[inner] - native[inner]).max() < 0.1


def test_a_ct_of_the_standard_spacing_is_not_touched():
    rng = np.random.default_rng(3)
    hu = rng.integers(-120, 200, (40, 31, 3)).astype(np.int16)
    volume = CtVolume.from_array(hu, affine_of(np.diag([1.3, 1.3, 4.0]), (-7, 3, 50)))
    slab = make_slab(volume, 1, PRESET)
    assert np.array_equal(slab.image, np.clip((hu.astype(np.float32) + 175) / 425, 0, 1))


def test_window_is_clipped_to_0_and_1():
    hu = np.zeros((20, 20, 3), np.int16)
    hu[:5], hu[15:] = -1000, 1500
    slab = make_slab(CtVolume.from_array(hu, np.diag([1.3, 1.3, 4, 1])), 1, PRESET)
    assert slab.image[2, 5, 1] == 0
    assert slab.image[17, 5, 1] == 1


def test_beyond_the_scan_the_last_slice_repeats():
    hu = np.stack([np.full((20, 24), v, np.int16) for v in (0, 50, 100)], -1)
    hu[0, 0] = -1000
    volume = CtVolume.from_array(hu, np.diag([1.3, 1.3, 4.0, 1]))
    layers = make_slab(volume, 2, PRESET).image[10, 12]
    assert layers == pytest.approx([(50 + 175) / 425, (100 + 175) / 425, (100 + 175) / 425])


def test_neighbours_are_interpolated_between_native_slices():
    hu = np.stack([np.full((20, 24), v, np.int16) for v in (0, 40, 80, 120, 160)], -1)
    hu[0, 0] = -1000
    volume = CtVolume.from_array(hu, np.diag([1.3, 1.3, 5.0, 1]))
    # 4 mm of a 5 mm step: four fifths of the way from 80 to 40 and to 120.
    layers = make_slab(volume, 2, PRESET).image[10, 12] * 425 - 175
    assert layers == pytest.approx([48, 80, 112], abs=0.01)


def test_of_an_even_number_of_slices_the_native_one_is_the_upper_middle():
    hu = np.stack([np.full((20, 24), v, np.int16) for v in (0, 40, 80, 120, 160)], -1)
    hu[0, 0] = -1000
    volume = CtVolume.from_array(hu, np.diag([1.3, 1.3, 5.0, 1]))
    slab = make_slab(volume, 2, SlabPreset(in_plane_mm=1.3, slice_mm=2.5, slices=4))
    assert slab.image[10, 12] * 425 - 175 == pytest.approx([40, 60, 80, 100], abs=0.01)
    assert slab.ras_from_slab[2, 3] == pytest.approx(10 - 2 * 2.5)


class CountingSource:
    """A source that remembers what was decoded."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.decoded = array, set()

    @property
    def shape(self):
        return self.array.shape

    @property
    def dtype(self):
        return self.array.dtype

    def read(self, axis, start, stop):
        self.decoded |= set(range(start, stop))
        return self.array[(slice(None),) * axis + (slice(start, stop),)]


def test_only_the_slices_of_the_slab_are_decoded():
    rng = np.random.default_rng(0)
    source = CountingSource(rng.integers(-900, 100, (30, 25, 60)).astype(np.int16))
    make_slab(CtVolume(source, np.diag([1.3, 1.3, 2.0, 1])), 30, PRESET)
    assert source.decoded == {28, 29, 30, 31, 32}


def test_all_48_storage_orders_give_the_same_slab():
    rng = np.random.default_rng(1)
    hu = rng.integers(-150, 220, (41, 33, 7)).astype(np.int16)
    affine = affine_of(rotation((0.1, 0.3, 1), 9) @ np.diag([1.1, 0.8, 3.0]), (-20, 8, 100))
    expected = make_slab(CtVolume.from_array(hu, affine), 3, PRESET).image
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            stored = hu.transpose(order)
            matrix = affine[:, [*order, 3]].copy()
            for axis, flip in enumerate(flips):
                if flip:
                    stored = np.flip(stored, axis)
                    matrix[:, 3] += matrix[:, axis] * (stored.shape[axis] - 1)
                    matrix[:, axis] *= -1
            image = make_slab(CtVolume.from_array(stored, matrix), 3, PRESET).image
            assert np.allclose(image, expected, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"slices": 0}, {"tile": 0}, {"in_plane_mm": 0.0}, {"hu_low": 300.0}])
def test_an_unusable_preset_cannot_exist(wrong):
    with pytest.raises(ModelError):
        SlabPreset(**{"in_plane_mm": 1.3, "slice_mm": 5.0, "slices": 3, **wrong})


def test_a_preset_with_unknown_fields_is_refused():
    with pytest.raises(ModelError, match="not understood"):
        SlabPreset.from_mapping({"in_plane_mm": 1.3, "slice_mm": 5, "slices": 3, "window": "lung"})
