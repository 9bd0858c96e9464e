"""A mask held against its record."""

import nibabel as nib
import numpy as np
import pytest

from SarcopeniaAssessLib.mask_verification import check_mask, read_mask
from SarcopeniaAssessLib.packed_mask import pack_mask
from Testing.library.dicom_cases import assessed, write, write_ct


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return assessed(write_ct(tmp_path_factory.mktemp("mask") / "ct", flips=(True, False, True)))


@pytest.fixture
def folder(made, tmp_path):
    return write(tmp_path / "one", made)


def codes(folder, record):
    mask, problem = read_mask(folder)
    return [problem] if mask is None else [finding.code for finding in check_mask(record, mask)]


def changed(folder, change):
    path = folder / "muscle.nii.gz"
    image = nib.load(path)
    labels, affine = np.asanyarray(image.dataobj).copy(), image.affine.copy()
    labels, affine = change(labels, affine) or (labels, affine)
    nib.save(nib.Nifti1Image(labels, affine), path)


def test_the_mask_of_a_case_agrees(made, folder):
    assert codes(folder, made.record) == []
    packed = {**made.record, "mask": {**made.record["mask"], "pixels": pack_mask(made.slice_mask)}}
    assert codes(folder, packed) == []


def one_pixel_more(labels, affine):
    i, j, k = np.argwhere(labels == 0)[0][0], 0, np.argwhere(labels)[0][2]
    labels[i, j, k] = 1


def another_value(labels, affine):
    labels[labels == 1] = 2


def another_slice(labels, affine):
    return np.roll(labels, 1, axis=2), affine


def two_slices(labels, affine):
    return np.maximum(labels, np.roll(labels, 1, axis=2)), affine


def nothing(labels, affine):
    labels[:] = 0


def larger_pixels(labels, affine):
    affine[:3, 0] *= 1.01


def higher(labels, affine):
    affine[2, 3] += 3


def cropped(labels, affine):
    return labels[:-1], affine


def mirrored(labels, affine):
    return labels[::-1].copy(), affine @ np.array(
        [[-1, 0, 0, labels.shape[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    )


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (one_pixel_more, ["area_contradicts"]),
        (another_value, ["mask_values"]),
        (another_slice, ["mask_slice_differs"]),
        (two_slices, ["mask_slice_differs"]),
        (nothing, ["mask_slice_differs"]),
        (larger_pixels, ["mask_grid_differs", "area_contradicts"]),
        (higher, ["mask_level_differs"]),
        (cropped, ["mask_grid_differs"]),
        (mirrored, ["mask_grid_differs"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_change_of_the_mask_is_told(made, folder, change, wanted):
    changed(folder, change)
    assert codes(folder, made.record) == wanted


def test_pixels_of_the_record_that_are_others_are_told(made, folder):
    moved = np.roll(made.slice_mask, 1, axis=0)
    for packed in (pack_mask(moved), {"shape": [2, 2], "bits": "AAAA"}):
        record = {**made.record, "mask": {**made.record["mask"], "pixels": packed}}
        assert codes(folder, record) == ["mask_pixels_differ"]


def test_a_mask_that_cannot_be_read_says_why(folder):
    (folder / "muscle.nii.gz").write_bytes(b"no image")
    mask, problem = read_mask(folder)
    assert mask is None
    assert problem
    (folder / "muscle.nii.gz").unlink()
    assert "no such file" in read_mask(folder)[1]
