"""Zip archives as the input: read in place, refused where they cannot be trusted, nothing left behind."""

from __future__ import annotations

import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from SarcopeniaAssessLib import dicom_archive
from SarcopeniaAssessLib.ct_io import list_ct, may_hold_several, open_ct
from SarcopeniaAssessLib.errors import InputError
from Testing.library.ct_files import affine, anatomy, store, write_dicom, write_nifti

NATIVE, RAS_FROM_IJK = store(anatomy(), affine(), (0, 1, 2), (True, True, False))


def zipped(path: Path, folder: Path, method: int = zipfile.ZIP_DEFLATED, under: str = "") -> Path:
    """An archive of a folder's files, as a hospital's viewer writes it."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, under + file.relative_to(folder).as_posix())
    return path


@pytest.fixture
def series(tmp_path):
    write_dicom(tmp_path / "ct" / "SE0", NATIVE, RAS_FROM_IJK)
    (tmp_path / "ct" / "readme.txt").write_text("not DICOM, and longer than a preamble " * 9)
    return tmp_path / "ct"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_is_the_folder_that_was_packed(tmp_path, series, method):
    path = zipped(tmp_path / "study.zip", series, method)
    volume, folder = open_ct(path), open_ct(series)
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())
    np.testing.assert_array_equal(volume.ras_from_ijk, folder.ras_from_ijk)
    assert volume.input.sha256 == folder.input.sha256
    assert volume.findings == ()


def test_content_tells_an_archive_not_its_name(tmp_path, series):
    path = zipped(tmp_path / "study.nii.gz", series)
    assert may_hold_several(path)
    assert open_ct(path).input.format == "dicom"
    assert may_hold_several(series)
    for other in (next((series / "SE0").iterdir()), tmp_path / "nowhere", tmp_path / "a\0b"):
        assert not may_hold_several(other)


def test_dicom_is_no_archive_whatever_its_preamble_begins_with(tmp_path):
    (image, *_) = write_dicom(tmp_path, NATIVE, RAS_FROM_IJK)
    image.write_bytes(b"PK\x03\x04" + image.read_bytes()[4:])
    assert not may_hold_several(image)
    assert open_ct(image).slice_count == 1


def test_a_few_blank_pictures_are_no_bomb(tmp_path):
    write_dicom(tmp_path / "ct", np.full((500, 500, 3), -1024), RAS_FROM_IJK)
    path = zipped(tmp_path / "study.zip", tmp_path / "ct")
    assert path.stat().st_size * dicom_archive.LARGEST_RATIO < 3 * 500 * 500 * 2
    assert list_ct(path)[0].slices == 3


def test_several_series_of_an_archive_are_listed(tmp_path, series):
    write_dicom(series / "SE1", NATIVE, RAS_FROM_IJK, SeriesInstanceUID="1.2.9")
    path = zipped(tmp_path / "study.zip", series)
    assert [(one.uid, one.slices) for one in list_ct(path)] == [("1.2.826.0.1.1.4", 9), ("1.2.9", 9)]
    np.testing.assert_array_equal(open_ct(path, series="1.2.9").slab(3, 4), anatomy()[:, :, 3:4])


def test_only_the_slab_is_inflated_to_be_decoded(tmp_path, series, monkeypatch):
    volume = open_ct(zipped(tmp_path / "study.zip", series))
    opened, original = [], dicom_archive.ZipMember.open_raw
    monkeypatch.setattr(
        dicom_archive.ZipMember, "open_raw", lambda self: opened.append(self.number) or original(self)
    )
    volume.slab(2, 5)
    assert len(opened) == 3


def test_names_that_lead_out_of_the_archive_lead_nowhere(tmp_path, series, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path = tmp_path / "inbox" / "study.zip"
    path.parent.mkdir()
    zipped(path, series, under="../../planted/")
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd" + " " * 200)
        archive.writestr("/absolute", (series / "SE0" / "image_1").read_bytes())  # the same instance again
        archive.writestr("C:\\drive", (series / "SE0" / "image_1").read_bytes())
    before = sorted(tmp_path.rglob("*"))
    volume = open_ct(path)
    assert volume.slice_count == 9
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())
    assert sorted(tmp_path.rglob("*")) == before
    assert list(temporary.iterdir()) == []


def test_a_bomb_is_refused_before_anything_is_inflated(tmp_path, monkeypatch):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ct.dcm", bytes(128) + b"DICM" + bytes(80 << 20))
    monkeypatch.setattr(dicom_archive.ZipMember, "open_raw", lambda _: pytest.fail("inflated"))
    with pytest.raises(InputError, match="no scan does"):
        open_ct(path)


def test_a_member_gives_no_more_than_the_directory_says(tmp_path, series):
    """A directory that understates a member's size would hide a bomb: the rest is never inflated."""
    path = tmp_path / "liar.zip"
    content = (series / "SE0" / "image_1").read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ct.dcm", content + bytes(50 << 20))
    data = path.read_bytes()
    central = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[: central + 24] + struct.pack("<L", len(content)) + data[central + 28 :])
    member = dicom_archive.dicom_members(path)[0]
    with member.open_raw() as stream, pytest.raises(OSError, match="damaged"):  # the checksum is of the whole
        stream.read(1 << 20)
    with pytest.raises(InputError, match="damaged"):
        open_ct(path)


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [
        ("MOST_FILES", 9, "files: 10"),
        ("LARGEST_MEMBER_BYTES", 1000, "no scan does"),
        ("LARGEST_DIRECTORY_BYTES", 300, "more files than a scan"),
    ],
)
def test_limits(tmp_path, series, monkeypatch, limit, value, says):
    path = zipped(tmp_path / "study.zip", series)
    monkeypatch.setattr(dicom_archive, limit, value)
    monkeypatch.setattr(dicom_archive._ArchiveFile, "longest", dicom_archive.LARGEST_DIRECTORY_BYTES)
    with pytest.raises(InputError, match=says):
        open_ct(path)


def test_the_limit_is_of_the_directory_not_of_the_files(tmp_path, monkeypatch):
    write_dicom(tmp_path / "ct", NATIVE.repeat(10, 0).repeat(10, 1), RAS_FROM_IJK)
    path = zipped(tmp_path / "study.zip", tmp_path / "ct", zipfile.ZIP_STORED)
    monkeypatch.setattr(
        dicom_archive._ArchiveFile, "longest", 1000
    )  # nine entries of 53 bytes; files of 132 kB
    assert open_ct(path).slab(0, 9).shape == (300, 220, 9)


def test_a_directory_of_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "directory.zip"
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 3 << 30, 0, 0)
    with path.open("wb") as stream:
        stream.write(b"PK\x03\x04")
        stream.seek(3 << 30)  # sparse: takes no room on the disk
        stream.write(end)
    with pytest.raises(InputError, match="more files than a scan"):
        open_ct(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_zipfile_inflates_without_a_limit_is_not_inflated(tmp_path, series, monkeypatch, method):
    path = zipped(tmp_path / "study.zip", series, method)
    monkeypatch.setattr(dicom_archive.ZipMember, "open_raw", lambda _: pytest.fail("inflated"))
    with pytest.raises(InputError, match=r"cannot be read.*unpack it"):
        open_ct(path)


def test_a_later_version_of_the_format_is_not_called_damage(tmp_path, series):
    path = zipped(tmp_path / "study.zip", series)
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 6, 64)  # version needed; 6.3 is the last
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be read.*unpack it"):
        open_ct(path)


def test_a_password_and_an_unknown_packing_are_said(tmp_path, series):
    path = zipped(tmp_path / "study.zip", series)
    data = path.read_bytes()
    for place, value, says in ((8, 1, "password"), (10, 9, "cannot be read")):  # flags; Deflate64
        changed, at = bytearray(data), -1
        while (at := changed.find(b"PK\x01\x02", at + 1)) >= 0:
            struct.pack_into("<H", changed, at + place, value)
        path.write_bytes(changed)
        with pytest.raises(InputError, match=f"{says}.*unpack it"):
            open_ct(path)


def test_archives_without_dicom_say_so(tmp_path):
    for name in ("other", "empty"):
        (tmp_path / name).mkdir()
    write_nifti(tmp_path / "other" / "ct.nii.gz", NATIVE, RAS_FROM_IJK)
    for name in ("other", "empty"):
        with pytest.raises(InputError, match="holds no DICOM"):
            open_ct(zipped(tmp_path / f"{name}.zip", tmp_path / name))


def test_a_folder_of_archives_is_told_how_to_be_given(tmp_path, series):
    (tmp_path / "archives").mkdir()
    zipped(tmp_path / "archives" / "a.zip", series)
    zipped(tmp_path / "archives" / "b.zip", series)
    with pytest.raises(InputError, match=r"only archives \(2\).*--each"):
        open_ct(tmp_path / "archives")


def test_a_truncated_archive_is_damaged(tmp_path, series):
    path = zipped(tmp_path / "study.zip", series)
    data = path.read_bytes()
    for cut in (6, 30, 200, len(data) // 2, len(data) - 3):
        path.write_bytes(data[:cut])
        with pytest.raises(InputError, match="damaged"):
            open_ct(path)


def damaged_member(path: Path) -> Path:
    """Eight bytes in the middle of the sixth file's packed data are turned over."""
    with zipfile.ZipFile(path) as archive:
        member = archive.infolist()[5]
    data = bytearray(path.read_bytes())
    middle = member.header_offset + 30 + len(member.filename) + member.compress_size // 2
    data[middle : middle + 8] = bytes(byte ^ 0xFF for byte in data[middle : middle + 8])
    path.write_bytes(data)
    return path


def test_a_member_whose_header_is_damaged_is_left_out_and_counted(tmp_path, series):
    volume = open_ct(damaged_member(zipped(tmp_path / "study.zip", series)))
    assert volume.slice_count == 8
    assert {f.code for f in volume.findings} == {"missing_slices", "left_out"}
    assert "damaged DICOM file (1 image)" in volume.findings[-1].message


def test_damaged_pixels_are_told_without_names(tmp_path):
    write_dicom(tmp_path / "ct", NATIVE.repeat(10, 0).repeat(10, 1), RAS_FROM_IJK)
    path = zipped(tmp_path / "Planted.zip", tmp_path / "ct", zipfile.ZIP_STORED)
    with pytest.raises(InputError, match="damaged") as caught:
        open_ct(damaged_member(path))
    assert "planted" not in str(caught.value).lower()
    assert "image_" not in str(caught.value)
