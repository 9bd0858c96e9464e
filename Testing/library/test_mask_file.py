"""The mask's file, read back by nibabel and ITK: the same voxels at the same places."""

import gzip
import io

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from SarcopeniaAssessLib.mask_file import write_mask
from Testing.library.ct_files import rotation

SHAPE = (7, 5, 4)
MASK = (np.random.default_rng(3).random(SHAPE) > 0.6).astype(np.uint8)
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = rotation(11, -7, 23) * (0.75, 1.25, 5.0)
OBLIQUE[:3, 3] = (-10.5, 20.25, -301.0)
FLIPPED = OBLIQUE @ np.diag([-1.0, 1, 1, 1])
SHEARED = OBLIQUE.copy()
SHEARED[:3, 2] += 1.5 * OBLIQUE[:3, 1]


def written(mask, affine):
    buffer = io.BytesIO()
    write_mask(buffer, mask, affine)
    return buffer.getvalue()


@pytest.mark.parametrize("affine", [OBLIQUE, FLIPPED, SHEARED], ids=["oblique", "left-handed", "sheared"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_nibabel_reads_what_was_written(affine, order):
    image = nib.Nifti1Image.from_bytes(gzip.decompress(written(np.array(MASK, order=order), affine)))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), MASK)
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_allclose(image.affine, affine, rtol=1e-6, atol=1e-5)
    assert image.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("affine", [OBLIQUE, FLIPPED], ids=["oblique", "left-handed"])
def test_both_of_niftis_affines_agree(affine):
    header = nib.Nifti1Image.from_bytes(gzip.decompress(written(MASK, affine))).header
    np.testing.assert_allclose(header.get_qform(coded=False), affine, atol=1e-4)
    assert header["qform_code"] == header["sform_code"] == 1


def test_a_shear_that_a_qform_cannot_say_is_not_said_wrongly():
    header = nib.Nifti1Image.from_bytes(gzip.decompress(written(MASK, SHEARED))).header
    assert header["qform_code"] == 0
    assert header["sform_code"] == 1


def test_itk_reads_the_same_places(tmp_path):
    (tmp_path / "mask.nii.gz").write_bytes(written(MASK, FLIPPED))
    image = SimpleITK.ReadImage(str(tmp_path / "mask.nii.gz"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), MASK.T)
    lps = image.TransformIndexToPhysicalPoint((6, 1, 3))
    np.testing.assert_allclose(lps, (FLIPPED @ [6, 1, 3, 1])[:3] * (-1, -1, 1), atol=1e-3)


def test_affine_of_a_nifti_survives_to_the_last_bit(tmp_path):
    nib.save(nib.Nifti1Image(MASK, SHEARED), tmp_path / "ct.nii")
    read = nib.load(tmp_path / "ct.nii").affine
    image = nib.Nifti1Image.from_bytes(gzip.decompress(written(MASK, read)))
    np.testing.assert_array_equal(image.affine, read)


def test_the_file_tells_no_time_and_no_name():
    content = written(MASK, OBLIQUE)
    assert content[3] & 0x08 == 0  # no file name
    assert content[4:8] == bytes(4)  # no time
    assert content == written(MASK, OBLIQUE)


def test_a_long_empty_mask_is_a_small_file():
    mask = np.zeros((256, 256, 100), np.uint8, order="F")
    mask[100:150, 90:140, 50] = 1
    assert len(written(mask, OBLIQUE)) < 60_000
