"""Headers as hospitals have them: odd character sets, private junk, and what would not end."""

from __future__ import annotations

import logging
import os
import struct

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from SarcopeniaAssessLib.ct_io import list_ct, open_ct
from SarcopeniaAssessLib.dicom_attributes import (
    LeftOut,
    find_files,
    numbers,
    quiet_pydicom,
    read_header,
    value,
    whole,
)
from SarcopeniaAssessLib.dicom_files import FileOnDisk
from SarcopeniaAssessLib.errors import InputError
from Testing.library.ct_files import affine, anatomy, dicom_image, save, store, write_dicom

NATIVE, RAS_FROM_IJK = store(anatomy(), affine(), (0, 1, 2), (True, True, False))


@pytest.mark.parametrize(
    ("character_set", "description", "written"),
    [
        (None, b"Abdomen", "Abdomen"),
        ("ISO_IR 100", "Bauch native Übersicht".encode("latin-1"), "Bauch native Übersicht"),
        ("ISO_IR 144", "Живот".encode("iso8859-5"), "Живот"),
        ("ISO_IR 192", "腹部 CT".encode(), "腹部 CT"),
        ("GB18030", "腹部".encode("gb18030"), "腹部"),
        (["", "ISO 2022 IR 87"], b"\x1b$BJ\x22It\x1b(B", "腹部"),
        ("ISO_IR 192", b"Bauch \xdcbersicht", None),  # says UTF-8 and is Latin-1
        ("ISO_IR 999", b"Abdomen", None),  # no such set
        (["", "nonsense"], b"Abdomen \xff\xfe", None),
        (None, b"Bauch \xdcbersicht", None),  # says nothing and is not ASCII
    ],
)
def test_character_sets(tmp_path, capfd, character_set, description, written):
    """A name that cannot be decoded costs a letter in the list of series, never the series."""
    for k in range(9):
        image = dicom_image(NATIVE[:, :, k], RAS_FROM_IJK, k, SeriesDescription=None, PatientName=None)
        image.SpecificCharacterSet = character_set
        image.add_new("SeriesDescription", "LO", description)
        image.add_new("PatientName", "PN", b"M\xfcller^\x1b$BI{\x1b(B")
        image.save_as(tmp_path / str(k), enforce_file_format=True)
    (listed,) = list_ct(tmp_path)
    assert listed.description if written is None else listed.description == written
    np.testing.assert_array_equal(listed.open().slab(3, 5), anatomy()[:, :, 3:5])
    assert capfd.readouterr() == ("", "")


def test_silence_does_not_pile_up():
    """It is asked for with every frame; a service would end with thousands of handlers."""
    quiet_pydicom()
    before = len(logging.getLogger("pydicom").handlers)
    for _ in range(5):
        quiet_pydicom()
    assert len(logging.getLogger("pydicom").handlers) == before


def raw(group: int, element: int, vr: bytes, data: bytes, length: int | None = None) -> bytes:
    """An explicit little-endian element, its length as wished."""
    given = len(data) if length is None else length
    if vr in (b"UN", b"OB", b"SQ", b"OW", b"UT"):
        return struct.pack("<HH2sHL", group, element, vr, 0, given) + data
    return struct.pack("<HH2sH", group, element, vr, given) + data


ITEM_END, SEQUENCE_END = b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)
NESTED = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + raw(0x2B, 0x11, b"LO", b"PLANTED-ID") + ITEM_END
JUNK = {
    "no creator": raw(0x2B, 0x1010, b"LO", b"PLANTED-ID"),
    "odd length": raw(0x2B, 0x1010, b"UN", b"\xff" * 33),
    "large": raw(0x2B, 0x1010, b"OB", os.urandom(300_000)),
    "undefined UN": raw(0x2B, 0x1010, b"UN", NESTED + SEQUENCE_END, 0xFFFFFFFF),
    "undefined SQ": raw(0x2B, 0x1010, b"SQ", NESTED + SEQUENCE_END, 0xFFFFFFFF),
    "not a number": raw(0x2B, 0x1010, b"DS", b"1,5\\\0\xff??"),
    "unknown VR": raw(0x2B, 0x1010, b"ZZ", b"PLANTED-"),
    "group length that lies": raw(0x2B, 0, b"UL", struct.pack("<L", 0x7FFFFFFF)),
    "same creator twice": 2 * raw(0x2B, 0x10, b"LO", b"VENDOR  "),
}


@pytest.mark.parametrize("kind", JUNK)
def test_private_junk_before_the_geometry_changes_nothing(tmp_path, capfd, kind):
    junk = JUNK[kind].replace(b"\x2b\0", b"\x0b\0", 1) if kind == "large" else JUNK[kind]
    for file in write_dicom(tmp_path, NATIVE, RAS_FROM_IJK):
        data = file.read_bytes()
        at = data.index(b"\x28\0\x02\0US")  # SamplesPerPixel
        file.write_bytes(data[:at] + junk + data[at:])
    volume = open_ct(tmp_path)
    np.testing.assert_array_equal(volume.slab(2, 5), anatomy()[:, :, 2:5])
    assert volume.findings == ()
    assert capfd.readouterr() == ("", "")


def test_malformed_values_are_absent_not_errors(tmp_path):
    image = dicom_image(NATIVE[:, :, 0], RAS_FROM_IJK, 0)
    path = save(image, tmp_path / "one")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"IS\x02\x004 ", b"IS\x02\x00x?"))  # SeriesNumber
    header = read_header(FileOnDisk(path))
    assert whole(header, "SeriesNumber") is None
    assert numbers(header, "PixelSpacing", 3) is None
    assert value(None, "Rows") is None
    path.write_bytes(data.replace(b"\x20\0\x11\0IS", b"\x20\0\x11\0ZZ"))  # a type that does not exist
    assert value(read_header(FileOnDisk(path)), "SeriesNumber") is None
    assert open_ct(path).slice_count == 1


@pytest.mark.parametrize("depth", [50, 5000])
def test_sequences_within_sequences_end(tmp_path, depth):
    """5,000 levels, each of a few bytes: more than Python's own stack."""
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    opened = depth * (raw(0x40, 0x275, b"SQ", b"", 0xFFFFFFFF) + item)
    files = write_dicom(tmp_path, NATIVE, RAS_FROM_IJK)
    data = files[0].read_bytes()
    at = data.index(b"\x28\0\x02\0US")
    files[0].write_bytes(data[:at] + opened + depth * (ITEM_END + SEQUENCE_END) + data[at:])
    assert open_ct(tmp_path).slice_count == (9 if depth == 50 else 8)


def test_a_header_that_pydicom_cannot_read_is_left_out(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(
        bytes(128) + b"DICM" + raw(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0") + b"\x08\0\x16\0SQ\0\0"
    )
    with pytest.raises(LeftOut):
        read_header(FileOnDisk(path))
    with pytest.raises(InputError, match="damaged"):
        open_ct(path)


def test_only_regular_files_are_found(tmp_path):
    files = write_dicom(tmp_path / "ct", NATIVE, RAS_FROM_IJK)
    os.mkfifo(tmp_path / "ct" / "pipe")
    (tmp_path / "ct" / "zero").symlink_to("/dev/zero")
    (tmp_path / "ct" / "lost").symlink_to(tmp_path / "nowhere")
    (tmp_path / "ct" / "round").symlink_to(tmp_path / "ct")
    assert sorted(find_files(tmp_path / "ct")) == sorted(files)
    assert open_ct(tmp_path / "ct").slice_count == 9


def test_values_of_gigabytes_in_a_sequence_are_not_read(tmp_path):
    files = write_dicom(tmp_path, NATIVE, RAS_FROM_IJK)
    dataset = pydicom.dcmread(files[0])
    item = Dataset()
    item.add_new((0x0018, 0x0010), "LO", "agent")
    dataset.ContrastBolusAgentSequence = Sequence([item])
    dataset.save_as(files[0])
    data = files[0].read_bytes()
    at = data.index(b"\x18\0\x12\0SQ")
    with files[0].open("wb") as stream:
        stream.write(data[: at + 8] + struct.pack("<L", 0xFFFFFFFF))
        stream.write(b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + raw(0x18, 0x10, b"UT", b"", 2 << 30))
        stream.truncate(2 << 30)
    assert open_ct(tmp_path).slice_count == 8
