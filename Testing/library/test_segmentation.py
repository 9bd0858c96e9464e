"""From logits to the delivered mask: geometry, the HU carve, and devices."""

from types import SimpleNamespace

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import DeviceError
from SarcopeniaAssessLib.segmentation import body_window, carve, choose_device, segment_slices
from SarcopeniaAssessLib.volume import CtVolume
from Testing.library.test_preprocessing import OBLIQUE, affine_of, rotation

PREPROCESSING = {"in_plane_mm": 1.3, "slice_mm": 5.0, "slices": 3}


class Brightness:
    """Draws as muscle what is brighter than −30 HU: its area is known for any bright shape."""

    def slice_logits(self, image, k):
        import torch

        margin = (image[:, 0, :, :, k] - (145 / 425)) * 40
        return torch.stack([torch.zeros_like(margin), margin], 1)


MODEL = SimpleNamespace(network=Brightness(), entry=SimpleNamespace(preprocessing=PREPROCESSING))


def disc_volume(affine, shape, radius_mm):
    """A disc of 50 HU and the given radius in fat of −100 HU, in every slice, across the slice's normal."""
    volume = CtVolume.from_array(np.zeros(shape, np.int16), affine)
    points = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"))
    ras = np.tensordot(affine[:3, :3], points, 1)
    middle = affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    off = ras - middle.reshape(3, 1, 1, 1)
    normal = volume.slice_normal.reshape(3, 1, 1, 1)
    off = off - normal * (off * normal).sum(0)
    # Step along the slices is not along the normal where the grid is sheared: measure within each slice.
    distance = np.linalg.norm(off, axis=0)
    edge = np.clip(radius_mm - distance + 0.5, 0, 1)
    return CtVolume.from_array(np.rint(-100 + 150 * edge).astype(np.int16), affine)


@pytest.mark.parametrize(
    ("affine", "shape"),
    [
        (np.diag([0.7, 0.9, 4.0, 1.0]), (170, 140, 3)),
        (OBLIQUE, (140, 150, 3)),
        (affine_of(np.diag([-0.8, 0.8, -3.0]), (9, 9, 9)), (150, 150, 5)),
        (affine_of(rotation((0, 0, 1), 31) @ np.diag([3.0, 3.0, 3.0]), (0, 0, 0)), (50, 48, 5)),
    ],
    ids=["anisotropic", "oblique", "flipped", "coarse, turned"],
)
def test_the_area_of_a_disc_survives_the_way_to_the_slab_and_back(affine, shape):
    volume = disc_volume(affine, shape, 40.0)
    found = segment_slices(volume, [shape[2] // 2], MODEL)[0]
    assert found.mask.shape == volume.canonical_shape[:2]
    assert found.mask.sum() * volume.pixel_area_cm2 == pytest.approx(np.pi * 4.0**2, rel=0.02)


def test_the_slice_that_is_asked_for_is_the_one_that_is_drawn():
    affine = np.diag([0.8, 0.8, 5.0, 1.0])
    discs = [
        disc_volume(affine, (140, 130, 5), radius).slab(0, 5)[:, :, 0] for radius in (15, 25, 35, 45, 30)
    ]
    volume = CtVolume.from_array(np.stack(discs, -1), affine)
    areas = [found.mask.sum() * volume.pixel_area_cm2 for found in segment_slices(volume, [1, 2, 3], MODEL)]
    assert areas == pytest.approx([np.pi * r**2 for r in (2.5, 3.5, 4.5)], rel=0.02)


@pytest.mark.parametrize("tile", [None, 48])
def test_the_network_sees_the_plane_as_the_models_preprocessing_says(tile):
    class Watched(Brightness):
        def __init__(self):
            self.seen = []

        def slice_logits(self, image, k):
            self.seen.append(tuple(image.shape))
            return super().slice_logits(image, k)

    volume = disc_volume(np.diag([0.8, 0.8, 5.0, 1.0]), (140, 130, 5), 35.0)
    network = Watched()
    model = SimpleNamespace(
        network=network, entry=SimpleNamespace(preprocessing={**PREPROCESSING, "slices": 4, "tile": tile})
    )
    found = segment_slices(volume, [2], model)[0]
    assert found.mask.sum() * volume.pixel_area_cm2 == pytest.approx(np.pi * 3.5**2, rel=0.02)
    if tile is None:
        assert len(network.seen) == 1
        assert min(network.seen[0][2:4]) > 48
    else:
        assert len(network.seen) > 1
        assert set(network.seen) == {(1, 1, 48, 48, 4)}


def test_several_slices_at_once_equal_one_at_a_time():
    volume = disc_volume(np.diag([0.7, 0.9, 4.0, 1.0]), (170, 140, 5), 40.0)
    together = segment_slices(volume, [1, 2, 3], MODEL)
    for k, both in zip((1, 2, 3), together, strict=True):
        assert np.array_equal(both.mask, segment_slices(volume, [k], MODEL)[0].mask)


def test_islands_of_the_outline_under_60_mm2_are_dropped_and_counted():
    volume = disc_volume(np.diag([1.0, 1.0, 4.0, 1.0]), (150, 140, 3), 30.0)
    hu = np.array(volume.slab(0, 3))
    hu[5:12, 5:11] = 50  # 42 mm²
    marked = CtVolume.from_array(hu, np.diag([1.0, 1.0, 4.0, 1.0]))
    found = segment_slices(marked, [1], MODEL)[0]
    assert not found.mask[5:12, 5:11].any()
    assert found.fragments_removed_cm2 == pytest.approx(0.42, abs=0.15)


def test_carve_keeps_what_smoothed_hu_allow():
    outline = np.zeros((40, 40), bool)
    outline[5:35, 5:35] = True
    hu = np.full((40, 40), 50, np.int16)
    hu[10:20, 10:30] = -100  # fat inside the compartment
    hu[25:30, 10:30] = 400  # bone
    mask, dropped = carve(outline, hu)
    assert not mask[11:19, 11:29].any()
    assert not mask[26:29, 11:29].any()
    assert mask[22, 15]
    assert not (mask & ~outline).any()
    assert dropped == 0


def test_carve_forgives_single_noisy_pixels():
    outline = np.ones((30, 30), bool)
    hu = np.full((30, 30), 50, np.int16)
    hu[15, 15] = -60  # smoothed by 0.6 pixel: 50 − 110·0.43 > −29
    assert carve(outline, hu)[0].all()


def test_carve_drops_pieces_under_12_pixels():
    outline = np.zeros((40, 40), bool)
    outline[2:5, 2:5] = True  # 9 pixels
    outline[20:24, 20:23] = True  # 12 pixels
    mask, dropped = carve(outline, np.full((40, 40), 50, np.int16))
    assert mask.sum() == 12
    assert dropped == 9


def test_auto_is_a_device_that_works():
    import torch

    assert torch.zeros(1, device=choose_device("auto")).device.type in ("cpu", "cuda")


@pytest.mark.parametrize("spec", ["gpu", "cuda:x", "cpu:0", "", "mps:1", "cuda:-1"])
def test_an_unknown_device_is_refused(spec):
    with pytest.raises(DeviceError, match="choose auto"):
        choose_device(spec)


def test_a_gpu_that_is_not_there_is_refused():
    import torch

    with pytest.raises(DeviceError, match="torch finds"):
        choose_device(f"cuda:{torch.cuda.device_count()}")


def test_the_body_window_leaves_out_air_and_table():
    image = np.zeros((120, 100, 3), np.float32)
    image[30:80, 25:60] = 0.3
    image[5:110, 85:87] = 0.6  # table
    assert body_window(image) == (slice(19, 91), slice(14, 71))


def test_without_a_body_the_window_is_the_whole_slab():
    assert body_window(np.zeros((12, 9, 3), np.float32)) == (slice(0, 12), slice(0, 9))
