"""NRRD and MetaImage: nothing ITK would guess is taken, and its noise does not reach the user."""

from __future__ import annotations

import gzip
import hashlib

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from SarcopeniaAssessLib import stored_image
from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.errors import GeometryError, InputError
from Testing.library.ct_files import affine, anatomy, rotation, write_itk

OBLIQUE = affine(rotation(9, -6, 14))


def edited(path, old: bytes, new: bytes):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    return path


def without(path, name: bytes):
    """The file without one line of its header."""
    lines = path.read_bytes().split(b"\n")
    kept = [line for line in lines if not line.startswith(name)]
    assert len(kept) == len(lines) - 1
    path.write_bytes(b"\n".join(kept))
    return path


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["ct.nrrd", "ct.nhdr", "ct.mha", "ct.mhd"])
def test_every_layout_is_read(tmp_path, name, compress):
    volume = open_ct(write_itk(tmp_path / name, anatomy(), OBLIQUE, compress))
    np.testing.assert_allclose(volume.ras_from_ijk, OBLIQUE, atol=1e-6)
    slab = volume.slab(2, 6)
    assert slab.dtype == np.int16
    np.testing.assert_array_equal(slab, anatomy()[:, :, 2:6])


def test_the_hash_of_header_and_data_covers_both(tmp_path):
    path = write_itk(tmp_path / "ct.mhd", anatomy(), affine())
    both = sorted(hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, tmp_path / "ct.raw"))
    assert open_ct(path).input.sha256 == hashlib.sha256("".join(both).encode()).hexdigest()


@pytest.mark.parametrize("space", [b"right-anterior-superior", b"left-anterior-superior", b"LPS"])
def test_spaces_of_the_patient_are_converted(tmp_path, space):
    path = write_itk(tmp_path / "ct.nrrd", anatomy(), affine())
    volume = open_ct(edited(path, b"left-posterior-superior", space))
    # The file's numbers stay −0.9, −1.3 and −ORIGIN; the space says what they mean in RAS.
    signs = {b"right": (-1, -1), b"left-": (1, -1), b"LPS": (1, 1)}[space[:5]]
    assert volume.ras_from_ijk[0, 0] == pytest.approx(signs[0] * 0.9)
    assert volume.ras_from_ijk[1, 1] == pytest.approx(signs[1] * 1.3)
    assert volume.ras_from_ijk[2, 2] == pytest.approx(4.0)
    assert volume.ras_from_ijk[0, 3] == pytest.approx(signs[0] * -11.5)


def test_nrrd_without_the_patients_space_is_refused(tmp_path):
    for number, new in enumerate((b"space: scanner-xyz", b"space dimension: 3")):
        path = write_itk(tmp_path / f"{number}.nrrd", anatomy(), affine())
        with pytest.raises(GeometryError, match="space"):
            open_ct(edited(path, b"space: left-posterior-superior", new))


def test_nrrd_without_directions_is_refused(tmp_path):
    path = write_itk(tmp_path / "ct.nrrd", anatomy(), affine())
    with pytest.raises(GeometryError, match="directions"):
        open_ct(edited(without(path, b"space origin"), b"space directions: (", b"# ("))


@pytest.mark.parametrize("line", [b"ElementSpacing", b"TransformMatrix"])
def test_metaimage_without_spacing_or_orientation_is_refused(tmp_path, line):
    with pytest.raises(GeometryError, match=line.decode()):
        open_ct(without(write_itk(tmp_path / "ct.mha", anatomy(), affine()), line))


def test_a_sheared_nrrd_keeps_its_area(tmp_path):
    path = write_itk(tmp_path / "ct.nrrd", anatomy(), affine())
    text = path.read_bytes()
    begin, end = text.index(b"space directions:"), text.index(b"\nkinds")
    sheared = b"space directions: (0.9,0,0) (0.4,1.3,0) (0,0.8,4)"
    path.write_bytes(text[:begin] + sheared + text[end:])
    volume = open_ct(path)
    assert volume.pixel_area_cm2 == pytest.approx(0.9 * 1.3 / 100)
    np.testing.assert_allclose(volume.ras_from_ijk[:3, 2], (0, -0.8, 4), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ct.mha", b"ElementSpacing = 0.9", b"ElementSpacing = 0"),
        ("ct.mha", b"ElementSpacing = 0.9", b"ElementSpacing = -0.9"),
        ("ct.mha", b"TransformMatrix = -1 0 0 0 -1", b"TransformMatrix = -1 0 0 -1 0"),
        ("ct.nrrd", b"(-0.9", b"(0.0"),
        ("ct.nrrd", b"(0,-1.3", b"(-1.3,0"),
    ],
)
def test_flat_geometry_is_refused(tmp_path, name, old, new):
    path = write_itk(tmp_path / name, anatomy(), affine())
    text = (
        path.read_bytes()
        .replace(b"0.90000000000000002", b"0.9")
        .replace(b"-0 ", b"0 ")
        .replace(b" -0", b" 0")
    )
    path.write_bytes(text.replace(b"-0.9,-0,-0", b"-0.9,0,0").replace(b"(-0,", b"(0,"))
    with pytest.raises(GeometryError):
        open_ct(edited(path, old, new))


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha"])
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.98])
def test_a_truncated_file_is_one_clean_error_and_itk_stays_silent(tmp_path, capfd, name, compress, kept):
    path = write_itk(tmp_path / name, anatomy(), affine(), compress)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises((InputError, GeometryError)) as caught:
        open_ct(path)
    assert str(tmp_path) not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_missing_data_file_is_said(tmp_path):
    for name in ("ct.mhd", "ct.nhdr"):
        path = write_itk(tmp_path / name, anatomy(), affine())
        (tmp_path / "ct.raw").unlink()
        with pytest.raises(InputError, match="side by side"):
            open_ct(path)


def test_a_metaimage_whose_last_line_has_no_value_is_cut_off(tmp_path):
    path = write_itk(tmp_path / "ct.mha", anatomy(), affine())
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"ElementDataFile") + len("ElementDataFile")])
    with pytest.raises(InputError, match="cut off"):
        open_ct(path)


def test_room_is_made_for_what_a_scan_can_have_and_a_computer_holds(monkeypatch):
    """Of one byte zlib makes at most 1032; here 100 bytes and limits of 103,200 and of 5,000."""
    assert stored_image.room_for_voxels(100, 103_200).shape == (103_200,)
    with pytest.raises(InputError, match="truncated"):
        stored_image.room_for_voxels(100, 103_201)
    monkeypatch.setattr(stored_image, "LARGEST_VOXEL_BYTES", 5_000)
    assert stored_image.room_for_voxels(100, 5_000).dtype == np.uint8
    with pytest.raises(InputError, match="crop it"):
        stored_image.room_for_voxels(100, 5_001)
    monkeypatch.setattr(stored_image, "LARGEST_VOXEL_BYTES", 1 << 62)
    with pytest.raises(InputError, match=r"needs 1152921504\.6 GB.*crop it"):
        stored_image.room_for_voxels(1 << 60, 1 << 60)  # more than an address space


def test_several_values_a_voxel_are_refused(tmp_path):
    colours = sitk.GetImageFromArray(np.zeros((9, 22, 30, 3), np.uint8), isVector=True)
    for name in ("ct.mha", "ct.nrrd"):
        sitk.WriteImage(colours, str(tmp_path / name))
        with pytest.raises(InputError):
            open_ct(tmp_path / name)


def test_four_dimensions_are_refused(tmp_path):
    series = sitk.GetImageFromArray(np.zeros((2, 9, 22, 30), np.int16), isVector=False)
    for name in ("ct.mha", "ct.nrrd"):
        sitk.WriteImage(series, str(tmp_path / name))
        with pytest.raises(InputError, match="4 dimensions"):
            open_ct(tmp_path / name)


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha", "ct.mhd"])
def test_damage_inside_compressed_voxels_is_noticed(tmp_path, capfd, name):
    """ITK inflates a damaged MetaImage as far as it gets and hands it out."""
    path = write_itk(tmp_path / name, anatomy(), affine(), compress=True)
    voxels = tmp_path / "ct.zraw" if name == "ct.mhd" else path
    data = bytearray(voxels.read_bytes())
    data[-400] ^= 0xFF
    voxels.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        open_ct(path)
    assert capfd.readouterr() == ("", "")


def packed_by_hand(path, header: str, voxels: bytes):
    """A file of a header and voxels."""
    path.write_bytes(header.encode() + voxels)
    return path


NRRD = (
    "NRRD0004\ntype: {type}\ndimension: 3\nspace: RAS\nsizes: 30 22 9\n"
    "space directions: (0.9,0,0) (0,1.3,0) (0,0,4)\nspace origin: (1,2,3)\n"
    "endian: {endian}\nencoding: {encoding}\n{more}\n"
)
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = {binary}\nBinaryDataByteOrderMSB = {big}\n"
    "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\nElementSpacing = 0.9 1.3 4\nDimSize = 30 22 9\n"
    "ElementType = {type}\n{more}ElementDataFile = LOCAL\n"
)


def test_nrrd_of_two_bytes_a_voxel_says_their_order(tmp_path):
    header = NRRD.format(type="short", endian="", encoding="raw", more="").replace("endian: \n", "")
    path = packed_by_hand(tmp_path / "a.nrrd", header, anatomy().tobytes(order="F"))
    with pytest.raises(InputError, match="type of voxels"):
        open_ct(path)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("short", "<i2"), ("int16", ">i2"), ("int32_t", ">i4"), ("float", "<f4"), ("double", ">f8")],
)
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_types_and_byte_orders_of_nrrd(tmp_path, name, dtype, encoding):
    voxels = anatomy().astype(dtype).tobytes(order="F")
    endian = "big" if dtype[0] == ">" else "little"
    header = NRRD.format(type=name, endian=endian, encoding=encoding, more="")
    path = packed_by_hand(
        tmp_path / "a.nrrd", header, gzip.compress(voxels) if encoding == "gzip" else voxels
    )
    volume = open_ct(path)
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())
    np.testing.assert_allclose(volume.ras_from_ijk[:3, 3], (1, 2, 3))


@pytest.mark.parametrize(
    ("name", "dtype"), [("MET_SHORT", "<i2"), ("MET_SHORT", ">i2"), ("MET_DOUBLE", ">f8")]
)
def test_types_and_byte_orders_of_metaimage(tmp_path, name, dtype):
    voxels = anatomy().astype(dtype).tobytes(order="F")
    header = META.format(type=name, binary=True, big=dtype[0] == ">", more="")
    volume = open_ct(packed_by_hand(tmp_path / "a.mha", header, voxels))
    # LPS: the first axis runs to the left and the second to posterior, against the canonical ones.
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy()[::-1, ::-1])
    np.testing.assert_allclose(volume.ras_from_ijk[:3, 3], (-1, -2, 3))


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        (NRRD, {"type": "block"}),
        (NRRD, {"endian": "middle"}),
        (NRRD, {"more": "byte skip: 4\n"}),
        (NRRD, {"more": "line skip: 1\n"}),
        (NRRD, {"encoding": "ascii"}),
        (META, {"binary": False}),
        (META, {"type": "MET_STRING"}),
        (META, {"more": "HeaderSize = 4\n"}),
        (META, {"more": "ElementToIntensityFunctionSlope = 2\n"}),
        (META, {"more": "ElementToIntensityFunctionOffset = -1024\n"}),
    ],
)
def test_what_would_give_the_bytes_another_meaning_is_refused(tmp_path, form, changes):
    usual = {"encoding": "raw", "endian": "little", "binary": True, "big": False, "more": ""}
    given = {**usual, "type": "int16" if form is NRRD else "MET_SHORT"}
    voxels = anatomy().tobytes(order="F") + bytes(8)
    usual_file = packed_by_hand(tmp_path / "usual", form.format(**given), voxels)
    turned = slice(None) if form is NRRD else slice(None, None, -1)
    np.testing.assert_array_equal(open_ct(usual_file).slab(0, 9), anatomy()[turned, turned])
    with pytest.raises(InputError):
        open_ct(packed_by_hand(tmp_path / "other", form.format(**{**given, **changes}), voxels))
