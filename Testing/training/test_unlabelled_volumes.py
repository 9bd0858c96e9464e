"""CTs for pre-training: made once, named by what they are made of, on the preset's grid."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.preprocessing import SlabPreset
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.cohort import CohortCase
from SarcopeniaTraining.unlabelled_volumes import FULL_SCALE, VolumeCache, cached_volumes, whole_volume

SLAB = SlabPreset(in_plane_mm=2.0, slice_mm=3.0, slices=4)
LPS = np.diag([-1.0, -1.5, 1.5, 1.0])


def box(slices):
    """A box of 37.5 HU, halfway of −175…250, in air; each slice 1.5 mm."""
    hu = np.full((60, 50, slices), -1000, np.int16)
    hu[10:50, 12:40] = 38
    return hu


@pytest.fixture
def cases(tmp_path):
    made = []
    for n, slices in enumerate((9, 14)):
        path = tmp_path / f"{n}.nii.gz"
        nib.save(nib.Nifti1Image(box(slices), LPS), path)
        made.append(CohortCase(f"C{n}", path))
    return made


def test_the_volume_is_the_body_on_the_presets_grid():
    image = whole_volume(CtVolume.from_array(box(14), LPS), SLAB)
    # 40 × 1 mm and 28 × 1.5 mm of body in pixels of 2 mm; 13 steps of 1.5 mm hold 6 of 3 mm.
    assert image.shape[0] == pytest.approx(20, abs=1)
    assert image.shape[1] == pytest.approx(21, abs=1)
    assert image.shape[2] in (6, 7)
    assert image[5:15, 5:15] == pytest.approx((38 + 175) / 425, abs=1e-6)


def test_a_short_scan_is_filled_up_with_its_last_slices():
    image = whole_volume(CtVolume.from_array(box(3), LPS), replace(SLAB, slices=8))
    assert image.shape[2] == 8
    assert image[5:15, 5:15] == pytest.approx((38 + 175) / 425, abs=1e-6)


def test_each_is_made_once_and_a_half_made_cache_goes_on(cases, tmp_path):
    cache = VolumeCache(tmp_path / "cache", SLAB)
    first = cached_volumes(cases[:1], cache)
    stamp = first[0].stat().st_mtime_ns
    both = cached_volumes(cases, cache, jobs=2)
    assert both[0] == first[0]
    assert first[0].stat().st_mtime_ns == stamp
    assert both[0] != both[1]
    stored = np.load(both[1])
    assert stored.dtype == np.uint16
    assert stored[10, 10, 2] == pytest.approx((38 + 175) / 425 * FULL_SCALE, abs=1)
    assert not list((tmp_path / "cache").glob(".*"))


def test_another_grid_or_another_ct_is_another_file(cases, tmp_path):
    cache = VolumeCache(tmp_path, SLAB)
    place = cache.place(cases[0])
    assert cache.place(replace(cases[0], case="renamed")) == place
    assert VolumeCache(tmp_path, replace(SLAB, in_plane_mm=1.5)).place(cases[0]) != place
    assert cache.place(cases[1]) != place


def test_a_ct_that_cannot_be_read_is_told_and_the_others_are_kept(cases, tmp_path):
    cases[0].ct.write_bytes(b"no CT")
    told = []
    with pytest.raises(InputError, match=r"1 of 2 CTs cannot be read \(C0\); .*nothing was trained"):
        cached_volumes(cases, VolumeCache(tmp_path / "cache", SLAB), tell=told.append)
    assert [line[:4] for line in told] == ["C0: "]
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 1
