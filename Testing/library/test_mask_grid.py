"""A mask finds its slices whatever way either is stored, or is refused with what differs."""

import numpy as np
import pytest

from SarcopeniaAssessLib.ct_io import LabelMap
from SarcopeniaAssessLib.errors import MaskError
from SarcopeniaAssessLib.mask_grid import place_mask
from SarcopeniaAssessLib.patient import InputFacts
from SarcopeniaAssessLib.volume import CtVolume
from Testing.library.ct_files import SHAPE, SPACING_MM, STORAGES, affine, anatomy, rotation, store

OBLIQUE = affine(rotation(9, -5, 14))


def drawn():
    """A canonical mask that no flip and no other slice has: a block that grows with k, on slices 2…6."""
    mask = np.zeros(SHAPE, np.uint8)
    for k in range(2, 7):
        mask[4 : 9 + k, 6:13, k] = 1
    return mask


def ct(order=(0, 1, 2), flips=(False, False, False), ras=OBLIQUE):
    return CtVolume.from_array(*store(anatomy(), ras, order, flips))


def label_map(canonical, ras=OBLIQUE, order=(0, 1, 2), flips=(False, False, False)):
    return LabelMap(*store(canonical, ras, order, flips), InputFacts("memory", ""))


def moved(ras, by_mm):
    made = ras.copy()
    made[:3, 3] += made[:3, :3] / np.linalg.norm(made[:3, :3], axis=0) @ by_mm
    return made


def lone(k, ras=OBLIQUE, slice_mm=SPACING_MM[2]):
    """Slice k alone, with a slice thickness of its own."""
    made = moved(ras, (0, 0, k * SPACING_MM[2]))
    made[:3, 2] *= slice_mm / SPACING_MM[2]
    return drawn()[:, :, k : k + 1], made


@pytest.mark.parametrize(("order", "flips"), STORAGES[::5], ids=str)
def test_storage_of_ct_and_mask_do_not_matter(order, flips):
    for volume in (ct(), ct(order, flips)):
        for storage in (((0, 1, 2), (False,) * 3), (order, flips)):
            placed = place_mask(label_map(drawn(), OBLIQUE, *storage), volume)
            assert placed.marked == (2, 3, 4, 5, 6)
            np.testing.assert_array_equal(placed.whole(9), drawn() == 1)
            np.testing.assert_array_equal(placed.at(5), drawn()[:, :, 5] == 1)


@pytest.mark.parametrize(("order", "flips"), STORAGES[::7], ids=str)
@pytest.mark.parametrize("slice_mm", [1.0, 4.0, 10.0])
def test_a_lone_slice_is_placed_by_its_affine(order, flips, slice_mm):
    canonical, ras = lone(5, slice_mm=slice_mm)
    placed = place_mask(label_map(canonical, ras, order, flips), ct((0, 1, 2), (True, True, False)))
    assert placed.levels == placed.marked == (5,)
    np.testing.assert_array_equal(placed.at(5), drawn()[:, :, 5] == 1)
    with pytest.raises(MaskError, match=r"empty on slice 4, it is marked on 5 \(from the feet\)"):
        placed.at(4)


def test_every_second_slice_of_a_ct_is_placed():
    ras = moved(OBLIQUE, (0, 0, SPACING_MM[2]))
    ras[:3, 2] *= 2
    placed = place_mask(label_map(drawn()[:, :, 1::2], ras), ct())
    assert placed.levels == (1, 3, 5, 7)
    expected = np.zeros(SHAPE, bool)
    expected[:, :, 1::2] = drawn()[:, :, 1::2]
    np.testing.assert_array_equal(placed.whole(9), expected)


def test_slices_beyond_the_scan_are_left_out():
    placed = place_mask(label_map(drawn(), moved(OBLIQUE, (0, 0, 3 * SPACING_MM[2]))), ct())
    assert placed.levels == (3, 4, 5, 6, 7, 8)
    np.testing.assert_array_equal(placed.at(8), drawn()[:, :, 5] == 1)


def test_an_uneven_series_is_met_at_its_own_positions():
    step = OBLIQUE[:3, 2]
    origins = OBLIQUE[:3, 3] + np.outer([0, 1, 2, 3, 4, 4.5, 5, 5.5, 6], step)
    even = ct()
    uneven = CtVolume(even.source, OBLIQUE, slice_origins_mm=origins)
    ras = OBLIQUE.copy()
    ras[:3, 3] = origins[7]
    assert place_mask(label_map(drawn()[:, :, 5:6], ras), uneven).levels == (7,)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (label_map(drawn()[1:]), r"29×22 pixels, of the CT 30×22"),
        (label_map(drawn().transpose(1, 0, 2)), r"22×30 pixels, of the CT 30×22"),
        (label_map(drawn(), OBLIQUE @ np.diag([1.02, 1, 1, 1])), r"0\.918 × 1\.3 mm, the CT's 0\.9 × 1\.3"),
        (label_map(drawn(), affine(rotation(9, -5, 16))), "turned against"),
        (label_map(*lone(4, affine(rotation(9, -4, 14)))), "turned against"),
        (label_map(drawn(), moved(OBLIQUE, (0.4, 0, 0))), r"shifted by 0\.4 mm .* mostly to right"),
        (label_map(drawn(), moved(OBLIQUE, (0, -0.6, 0))), r"shifted by 0\.6 mm .* mostly to posterior"),
        (label_map(drawn(), moved(OBLIQUE, (0, 0, 1.2))), r"1\.2 mm above slice 0, between two slices"),
        (label_map(*lone(3, moved(OBLIQUE, (0, 0, -1.6)))), r"1\.6 mm below slice 3, between two slices"),
        (label_map(*lone(4, moved(OBLIQUE, (0, 0, 40)))), r"fits nowhere in the CT: it lies 24 mm above"),
        (label_map(drawn(), moved(OBLIQUE, (0, 0, -50))), r"fits nowhere in the CT: it lies 18 mm below"),
        (label_map(0 * drawn()), "The mask is empty"),
        (label_map(drawn() + (drawn() > 0) * (np.arange(9) > 4)), "several labels: 1, 2"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_mask_of_another_ct_is_refused_with_what_differs(mask, words):
    with pytest.raises(MaskError, match=words) as refused:
        place_mask(mask, ct())
    assert refused.value.remedy


def test_rounding_is_no_difference():
    ras = OBLIQUE.copy()
    ras[:3] = np.round(ras[:3], 4)
    assert place_mask(label_map(drawn(), moved(ras, (0.05, -0.05, 0.05))), ct()).marked == (2, 3, 4, 5, 6)


def test_one_label_of_several_is_chosen():
    labels = drawn() * 7
    labels[20:25, 15:18, 3] = 2
    np.testing.assert_array_equal(place_mask(label_map(labels), ct(), label=7).whole(9), drawn() == 1)
    with pytest.raises(MaskError, match="no label 3, only 2, 7"):
        place_mask(label_map(labels), ct(), label=3)
