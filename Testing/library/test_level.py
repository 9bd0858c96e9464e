"""The level of L3: counted from the feet in any storage, and at mid-height of the body from labels."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.errors import LevelError
from SarcopeniaAssessLib.level import LevelMethod, find_level
from SarcopeniaAssessLib.volume import CtVolume
from Testing.library.ct_files import (
    STORAGES,
    affine,
    anatomy,
    dicom_image,
    rotation,
    save,
    store,
    write_itk,
    write_nifti,
)

DATA = Path(os.environ.get("SARCOPENIA_TEST_DATA", Path(__file__).parents[2] / "../shared/data")) / "abdomen"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real CT: set SARCOPENIA_TEST_DATA")
OBLIQUE = affine(rotation(6, -5, 14))


@pytest.fixture
def ct():
    return CtVolume.from_array(anatomy(), affine())


@pytest.mark.parametrize(("order", "flips"), STORAGES)
def test_slices_count_from_the_feet_and_coordinates_are_of_their_centres(order, flips):
    volume = CtVolume.from_array(*store(anatomy(), OBLIQUE, order, flips))
    centre_mm = float((OBLIQUE @ [14.5, 10.5, 2, 1])[2])
    level = find_level("slice:2", volume)
    assert (level.slice_from_feet, level.method, level.confidence) == (2, LevelMethod.SLICE, None)
    assert level.superior_mm == pytest.approx(centre_mm)
    assert find_level(f"s:{centre_mm + 1.5}", volume).slice_from_feet == 2


def test_a_coordinate_finds_the_nearest_slice(ct):
    # Slice centres lie at −301, −297, … −269 mm.
    for asked, k in (("-301", 0), ("-299.1", 0), ("-298.9", 1), ("-269", 8), ("-302.9", 0), ("-267.1", 8)):
        level = find_level(f"s:{asked}", ct)
        assert level.slice_from_feet == k
        assert level.superior_mm == pytest.approx(-301 + 4 * k)
        assert level.method is LevelMethod.S


@pytest.mark.parametrize("asked", ["-303.1", "-266.9", "0"])
def test_beyond_half_a_spacing_outside_the_scan_is_refused(ct, asked):
    with pytest.raises(LevelError, match=r"-301\.0 and -269\.0"):
        find_level(f"s:{asked}", ct)


@pytest.mark.parametrize("k", ["-1", "9", "100"])
def test_a_slice_outside_the_scan_is_refused_with_its_range(ct, k):
    with pytest.raises(LevelError, match="0…8"):
        find_level(f"slice:{k}", ct)


@pytest.mark.parametrize(
    "spec", ["slice", "slice:", "slice:2.5", "s:", "s:nan", "s:up", "k:3", "71", "auto:1"]
)
def test_without_a_usable_level_the_ways_are_named(ct, spec):
    with pytest.raises(LevelError) as caught:
        find_level(spec, ct)
    for way in ("auto", "slice:K", "s:MM", "labels:FILE"):
        assert way in str(caught.value)


@pytest.mark.parametrize("spec", [None, "", " auto ", "AUTO"])
def test_nothing_given_is_a_level_by_itself_and_a_few_slices_have_none(ct, spec):
    with pytest.raises(LevelError, match=r"cannot be counted in 9 slices over 32 mm.*slice:K"):
        find_level(spec, ct)


FINE = (40, 36, 30)
FINE_MM = (2.0, 2.0, 2.0)


def vertebra(value: int = 29, bottom: int = 12, top: int = 22) -> np.ndarray:
    """Labels (40, 36, 30): a body on slices bottom…top−1 and a spinous process hanging 6 slices lower."""
    labels = np.zeros(FINE, np.uint8)
    i, j = np.meshgrid(np.arange(40), np.arange(36), indexing="ij")
    body = ((i - 20) / 11) ** 2 + ((j - 22) / 8) ** 2 < 1
    labels[body, bottom:top] = value
    process = (abs(i - 20) < 2) & (j > 4) & (j < 15)
    labels[process, max(0, bottom - 6) : bottom + 4] = value
    return labels


def fine_affine(turned=None) -> np.ndarray:
    made = np.eye(4)
    made[:3, :3] = (np.eye(3) if turned is None else turned) * FINE_MM
    made[:3, 3] = (-30.0, 12.0, 100.0)
    return made


def fine_ct(turned=None) -> CtVolume:
    hu = np.full(FINE, -1000, np.int16)
    hu[6:34, 6:30] = 40
    hu[6:34, 6:30, ::2] = -90
    return CtVolume.from_array(hu, fine_affine(turned))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True), (False, True, True)])
def test_labels_give_the_middle_of_the_body_not_of_the_vertebra(tmp_path, order, flips):
    # Body on slices 12…21: middle 16.5, so 16 or 17; the whole label's middle would be 13.5.
    native, ras_from_ijk = store(vertebra(), fine_affine(), order, flips)
    path = write_nifti(tmp_path / "l.nii.gz", native, ras_from_ijk)
    level = find_level(f"labels:{path}", fine_ct())
    assert level.slice_from_feet in (16, 17)
    assert level.method is LevelMethod.LABELS
    native, ras_from_ijk = store(vertebra(top=23), fine_affine(), order, flips)
    path = write_itk(tmp_path / "l.nrrd", native, ras_from_ijk)
    assert find_level(f"labels:{path}=29", fine_ct()).slice_from_feet == 17


def test_a_label_map_on_another_grid_is_met_in_the_world(tmp_path):
    path = write_nifti(tmp_path / "l.nii.gz", vertebra(top=23), fine_affine())
    ct_affine = np.diag([0.7, 0.7, 5.0, 1.0])
    ct_affine[:3, 3] = (0.0, 40.0, 52.0)
    hu = np.full((70, 60, 20), -1000, np.int16)
    hu[10:60, 10:50] = 40
    # Middle at slice 17 of the labels: 134 mm; the CT's slices lie at 52, 57 … so 132 mm is slice 16.
    assert find_level(f"labels:{path}", CtVolume.from_array(hu, ct_affine)).slice_from_feet == 16


def test_in_an_oblique_scan_the_plane_through_the_body_counts(tmp_path):
    turned = rotation(12, 0, 0)
    path = write_nifti(tmp_path / "l.nii.gz", vertebra(top=23), fine_affine(turned))
    assert find_level(f"labels:{path}", fine_ct(turned)).slice_from_feet == 17


def test_in_an_uneven_series_labels_and_coordinates_meet_true_positions(tmp_path):
    native, ras_from_ijk = store(anatomy(), affine(), (0, 1, 2), (True, True, False))
    heights_mm = [0.0, 4, 8, 12, 15, 18, 21, 24, 27]
    for k, height in enumerate(heights_mm):
        save(
            dicom_image(native[:, :, k], ras_from_ijk, height / 4, InstanceNumber=k), tmp_path / "ct" / str(k)
        )
    volume = open_ct(tmp_path / "ct")
    assert find_level("s:-280", volume).slice_from_feet == 6
    label_affine = np.diag([1.0, 1.0, 1.0, 1.0])
    label_affine[:3, 3] = (-8.0, 25.0, -301.0)
    labels = np.zeros((20, 20, 30), np.uint8)
    labels[5:15, 5:15, 15:22] = 1  # −286 … −280: middle −283, slice 5 at −301 + 18
    path = write_nifti(tmp_path / "l.nii.gz", labels, label_affine)
    assert find_level(f"labels:{path}", volume).slice_from_feet == 5


@pytest.mark.parametrize("k", [0, 7, 29])
def test_a_binary_mask_of_one_slice_is_that_slice(tmp_path, k):
    labels = np.zeros(FINE, np.uint8)
    labels[10:20, 10:20, k] = 1
    path = write_nifti(tmp_path / "l.nii.gz", labels, fine_affine())
    assert find_level(f"labels:{path}", fine_ct()).slice_from_feet == k


def test_a_label_map_of_a_single_slice_works(tmp_path):
    labels = np.ones((10, 10, 1), np.uint8)
    at_slice_7 = fine_affine()
    at_slice_7[2, 3] += 7 * 2.0
    path = write_nifti(tmp_path / "l.nii.gz", labels, at_slice_7)
    assert find_level(f"labels:{path}", fine_ct()).slice_from_feet == 7


def several() -> np.ndarray:
    labels = vertebra()
    labels[15:25, 20:26, 1:6] = 28
    labels[15:25, 20:26, 24:29] = 30
    return labels


def test_of_several_labels_one_must_be_named(tmp_path):
    path = write_nifti(tmp_path / "l.nii.gz", several(), fine_affine())
    with pytest.raises(LevelError, match=r"28, 29, 30.*FILE=V"):
        find_level(f"labels:{path}", fine_ct())
    assert find_level(f"labels:{path}=30", fine_ct()).slice_from_feet == 26
    with pytest.raises(LevelError, match=r"no label 7, only 28, 29, 30"):
        find_level(f"labels:{path}=7", fine_ct())
    with pytest.raises(LevelError, match="whole number as V"):
        find_level(f"labels:{path}=L3", fine_ct())


def test_a_file_name_may_hold_an_equals_sign(tmp_path):
    path = write_nifti(tmp_path / "vertebra=29.nii.gz", several(), fine_affine())
    assert find_level(f"labels:{path}=28", fine_ct()).slice_from_feet in (2, 3)
    single = write_nifti(tmp_path / "a=b.nii.gz", vertebra(), fine_affine())
    assert find_level(f"labels:{single}", fine_ct()).slice_from_feet in (16, 17)
    ends_in_a_number = single.rename(tmp_path / "mask=3")
    assert find_level(f"labels:{ends_in_a_number}", fine_ct()).slice_from_feet in (16, 17)


def test_labels_without_l3_say_which_levels_there_are(tmp_path):
    labels = several()
    labels[labels == 29] = 0
    path = write_nifti(tmp_path / "l.nii.gz", labels, fine_affine())
    with pytest.raises(LevelError, match="L4, L2, not L3"):
        find_level(f"labels:{path}=29", fine_ct())


@pytest.mark.parametrize(
    ("slices", "says", "shown"), [(slice(0, 9), "above", "L4"), (slice(22, 30), "below", "L2")]
)
def test_l3_outside_the_scan_is_refused_with_the_levels_it_shows(tmp_path, slices, says, shown):
    path = write_nifti(tmp_path / "l.nii.gz", several(), fine_affine())
    full = fine_ct()
    part_affine = fine_affine()
    part_affine[2, 3] += 2.0 * slices.start
    part = CtVolume.from_array(full.source.array[:, :, slices], part_affine)
    with pytest.raises(LevelError, match=f"{says} it.*{shown}"):
        find_level(f"labels:{path}=29", part)


def test_a_body_cut_off_by_the_scan_is_refused_unless_most_of_it_is_seen(tmp_path):
    path = write_nifti(tmp_path / "l.nii.gz", vertebra(bottom=25, top=30), fine_affine())  # 10 mm
    with pytest.raises(LevelError, match="upper end"):
        find_level(f"labels:{path}", fine_ct())
    path = write_nifti(tmp_path / "l.nii.gz", vertebra(bottom=0, top=12), fine_affine())  # 24 mm
    assert find_level(f"labels:{path}", fine_ct()).slice_from_feet in (5, 6)


def test_labels_of_another_place_are_refused(tmp_path):
    elsewhere = fine_affine()
    elsewhere[0, 3] += 500
    path = write_nifti(tmp_path / "l.nii.gz", vertebra(), elsewhere)
    with pytest.raises(LevelError, match="beside"):
        find_level(f"labels:{path}", fine_ct())


def test_an_empty_or_unreadable_label_map_is_refused_without_its_path(tmp_path, ct):
    empty = write_nifti(tmp_path / "Planted.nii.gz", np.zeros(FINE, np.uint8), fine_affine())
    (tmp_path / "Planted.txt").write_text("x")
    for file, says in (
        (empty, "empty"),
        (tmp_path / "Planted.txt", "no NIfTI"),
        (tmp_path / "none", "no such file"),
    ):
        with pytest.raises(LevelError, match=says) as caught:
            find_level(f"labels:{file}", ct)
        assert str(tmp_path) not in str(caught.value)
        assert "Planted" not in str(caught.value)


@needs_data
def test_the_real_vertebrae_are_met_at_their_bodies():
    """L3's label spans slices 65–79 with its process, its body 70–78; bodies lie 10–13 slices apart."""
    volume = open_ct(DATA / "ct.nii.gz")
    found = [find_level(f"labels:{DATA}/anatomy.nii.gz={v}", volume).slice_from_feet for v in range(27, 33)]
    assert 71 <= found[2] <= 74
    assert all(9 <= upper - lower <= 14 for lower, upper in pairwise(found))


@needs_data
def test_the_upper_half_of_the_real_scan_ends_above_l3():
    with pytest.raises(LevelError, match=r"below it.*L2, L1, T12"):
        find_level(f"labels:{DATA}/anatomy.nii.gz=29", open_ct(DATA / "ct_upper.nii.gz"))
