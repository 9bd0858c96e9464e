"""NIfTI: what a header may say, what damage looks like, and that integers stay integers."""

from __future__ import annotations

import gzip
import hashlib
import struct

import nibabel as nib
import numpy as np
import pytest

from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.errors import GeometryError, InputError, Severity
from Testing.library.ct_files import affine, anatomy, write_nifti

PIXDIM = 76
QFORM_CODE, SFORM_CODE = 252, 254
SLOPE, INTERCEPT = 112, 116


def patched(path, offset: int, layout: str, *values: float):
    """A NIfTI-1 file with header bytes replaced."""
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, offset, *values)
    path.write_bytes(data)
    return path


@pytest.fixture
def nii(tmp_path):
    return write_nifti(tmp_path / "ct.nii", anatomy(), affine())


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64, ">i2", ">f4", np.int8])
@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_stored_types_and_byte_orders_give_the_same_values(tmp_path, dtype, name):
    hu = np.clip(anatomy(), -128, 127) if dtype is np.int8 else anatomy()
    image = nib.Nifti1Image(hu.astype(dtype), affine(), dtype=np.dtype(dtype).newbyteorder("="))
    if np.dtype(dtype).byteorder == ">":
        image = nib.Nifti1Image(hu.astype(dtype), affine(), nib.Nifti1Header(endianness=">"))
        image.header.set_data_dtype(dtype)
    nib.save(image, tmp_path / name)
    volume = open_ct(tmp_path / name)
    slab = volume.slab(0, 9)
    np.testing.assert_array_equal(slab, hu)
    wanted = np.float32 if np.dtype(dtype).kind == "f" else np.dtype(dtype).newbyteorder("=")
    assert slab.dtype == wanted == volume.source.dtype
    assert slab.dtype.isnative


def test_nifti_2_is_read(tmp_path):
    nib.save(nib.Nifti2Image(anatomy(), affine()), tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(open_ct(tmp_path / "ct.nii.gz").slab(3, 6), anatomy()[:, :, 3:6])


def test_a_whole_slope_and_intercept_keep_integers(nii):
    patched(nii, SLOPE, "<ff", 2.0, -24.0)
    volume = open_ct(nii)
    assert volume.slab(0, 9).dtype == np.int32
    np.testing.assert_array_equal(volume.slab(0, 9), np.maximum(anatomy().astype(int) * 2 - 24, -1024))


def test_a_fractional_slope_gives_float32(nii):
    patched(nii, SLOPE, "<ff", 0.5, 0.25)
    slab = open_ct(nii).slab(0, 9)
    assert slab.dtype == np.float32
    np.testing.assert_array_equal(slab, anatomy() * 0.5 + 0.25)


def test_an_uncompressed_file_is_mapped_not_read(nii):
    assert isinstance(open_ct(nii).source.raw.base, np.memmap | np.ndarray)
    base = open_ct(nii).source.raw
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_the_hash_is_the_files(tmp_path, name):
    path = write_nifti(tmp_path / name, anatomy(), affine())
    assert open_ct(path).input.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_several_gzip_members_and_zero_padding_are_one_stream(tmp_path, nii):
    data = nii.read_bytes()
    joined = gzip.compress(data[:5000]) + gzip.compress(data[5000:]) + bytes(700)
    (tmp_path / "joined.nii.gz").write_bytes(joined)
    np.testing.assert_array_equal(open_ct(tmp_path / "joined.nii.gz").slab(0, 9), anatomy())


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
def test_a_truncated_file_is_one_clean_error(tmp_path, nii, kept):
    packed = write_nifti(tmp_path / "packed.nii.gz", anatomy(), affine())
    for path in (nii, packed):
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * kept)])
        with pytest.raises(InputError, match=r"truncated|cut off"):
            open_ct(path)


def test_a_missing_last_byte_of_the_checksum_is_noticed(tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz", anatomy(), affine())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="truncated"):
        open_ct(path)


def test_a_flipped_byte_is_noticed(tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz", anatomy(), affine())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged|truncated"):
        open_ct(path)


@pytest.mark.parametrize("shape", [(30, 22), (30, 22, 9, 2), (30, 22, 9, 1, 3)])
def test_other_dimensions_are_refused(tmp_path, shape):
    path = write_nifti(tmp_path / "ct.nii.gz", np.zeros(shape, np.int16), affine())
    with pytest.raises(InputError, match=f"{len(shape)} dimensions"):
        open_ct(path)


def test_a_fourth_dimension_of_one_is_none(tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz", anatomy()[..., None], affine())
    assert open_ct(path).shape == anatomy().shape


def test_complex_and_coloured_voxels_are_refused(tmp_path):
    path = write_nifti(tmp_path / "complex.nii.gz", anatomy().astype(np.complex64), affine())
    with pytest.raises(InputError, match="complex"):
        open_ct(path)
    rgb = np.zeros(anatomy().shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    path = write_nifti(tmp_path / "colour.nii.gz", rgb, affine())
    with pytest.raises(InputError, match="colours"):
        open_ct(path)


def test_without_orientation_nibabels_guess_is_not_taken(nii):
    patched(nii, QFORM_CODE, "<hh", 0, 0)
    with pytest.raises(GeometryError, match="no orientation"):
        open_ct(nii)


def test_the_qform_is_used_where_there_is_no_sform(tmp_path):
    image = nib.Nifti1Image(anatomy(), None)
    image.set_qform(affine(), code=1)
    image.set_sform(None, code=0)
    nib.save(image, tmp_path / "ct.nii")
    np.testing.assert_allclose(open_ct(tmp_path / "ct.nii").ras_from_ijk, affine(), atol=1e-4)


@pytest.mark.parametrize("spacing", [0.0, -0.9, float("nan")])
def test_zero_or_negative_spacing_is_refused_not_repaired(nii, spacing):
    patched(nii, PIXDIM + 4, "<f", spacing)
    with pytest.raises(GeometryError, match="spacing"):
        open_ct(nii)


def test_a_singular_sform_is_refused(nii):
    patched(nii, 280, "<4f", 0.0, 0.0, 0.0, 0.0)
    with pytest.raises(GeometryError):
        open_ct(nii)


def test_two_statements_of_the_pixel_size_withhold_the_status(nii):
    patched(nii, PIXDIM + 4, "<f", 1.0)
    volume = open_ct(nii)
    assert [(f.code, f.severity) for f in volume.findings] == [("spacing_disagrees", Severity.ERROR)]
    assert volume.spacing_mm[0] == pytest.approx(0.9)


def test_half_an_analyze_pair_is_refused(nii):
    patched(nii, 344, "<4s", b"ni1\0")
    with pytest.raises(InputError, match="two-file"):
        open_ct(nii)


def test_a_header_that_makes_no_sense_is_refused(nii):
    patched(nii, 70, "<h", 9999)
    with pytest.raises(InputError, match="no sense"):
        open_ct(nii)


def test_an_absurd_scaling_is_refused(nii):
    patched(nii, SLOPE, "<ff", 1.0, 1e30)
    with pytest.raises(InputError, match="scales"):
        open_ct(nii)
