"""Streams of DICOM files: deflated data sets inflated within a limit, absurd lengths never read."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from SarcopeniaAssessLib import dicom_files
from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.dicom_files import FileOnDisk, begins_like_dicom, open_header, open_pixels
from SarcopeniaAssessLib.errors import InputError
from Testing.library.ct_files import affine, anatomy, store, write_dicom

NATIVE, RAS_FROM_IJK = store(anatomy(), affine(), (0, 1, 2), (True, True, False))


def deflated(folder) -> list:
    files = write_dicom(folder, NATIVE, RAS_FROM_IJK)
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(file, enforce_file_format=True)
    return files


def meta(*elements: tuple[int, bytes, bytes]) -> bytes:
    """A preamble and file meta elements: (element, VR, value)."""
    made = bytes(128) + b"DICM"
    for element, vr, value in elements:
        if vr in (b"OB", b"UN"):
            made += struct.pack("<HH2sHL", 2, element, vr, 0, len(value)) + value
        else:
            made += struct.pack("<HH2sH", 2, element, vr, len(value)) + value
    return made


def stream_of(tmp_path, data: bytes, opening=open_header):
    path = tmp_path / "file"
    path.write_bytes(data)
    return opening(FileOnDisk(path))


def test_a_deflated_series_is_read(tmp_path):
    deflated(tmp_path)
    volume = open_ct(tmp_path)
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())
    assert volume.findings == ()


def test_pydicom_never_inflates_by_itself(tmp_path, monkeypatch):
    """It would inflate a data set as a whole, however large."""
    deflated(tmp_path)
    monkeypatch.setattr(pydicom.filereader.zlib, "decompress", lambda *_: pytest.fail("without a limit"))
    assert open_ct(tmp_path).slab(0, 9).shape == (30, 22, 9)


DEFLATED = b"1.2.840.10008.1.2.1.99"


@pytest.mark.parametrize(
    "elements",
    [
        [(0x10, b"UI", DEFLATED)],
        [(0x00, b"UL", bytes(4)), (0x10, b"UI", DEFLATED + b"\0\0")],
        [(0x10, b"UI", b"1.2.840.10008.1.2\0"), (0x10, b"UI", DEFLATED)],  # the last one counts
        [(0x102, b"OB", bytes(3000)), (0x10, b"UI", DEFLATED)],
    ],
)
def test_a_deflated_bomb_is_cut_off(tmp_path, monkeypatch, elements):
    monkeypatch.setattr(dicom_files, "LONGEST_INFLATED_BYTES", 1 << 20)
    bomb = zlib.compress(bytes(3 << 20), 9)[2:-4]
    for opening in (open_header, open_pixels):
        with pytest.raises(OSError, match="damaged"):
            stream_of(tmp_path, meta(*elements) + bomb, opening)
    with pytest.raises(InputError, match="damaged"):
        open_ct(tmp_path / "file")


def test_a_transfer_syntax_hidden_behind_a_long_meta_group_is_refused(tmp_path):
    data = meta((0x10, b"UI", b"1.2.840.10008.1.2\0"), (0x102, b"OB", bytes(20_000)), (0x10, b"UI", DEFLATED))
    with pytest.raises(OSError, match="damaged"):
        stream_of(tmp_path, data)


def test_data_that_do_not_inflate_are_damaged(tmp_path):
    with pytest.raises(OSError, match="damaged"):
        stream_of(tmp_path, meta((0x10, b"UI", DEFLATED)) + b"\xff" * 400)


def test_reads_have_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_files, "LONGEST_READ_BYTES", 1000)
    monkeypatch.setattr(dicom_files, "_META_BYTES", 500)
    with stream_of(tmp_path, bytes(5000), open_pixels) as stream:
        assert len(stream.read(1000)) == 1000
        for size in (1001, 0xFFFFFFF0, -1, None):
            with pytest.raises(OSError, match="damaged"):
                stream.read(size)
        stream.seek(4500)
        assert len(stream.read()) == 500


def test_a_header_ends_somewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_files, "LONGEST_HEADER_BYTES", 40_000)
    monkeypatch.setattr(dicom_files, "LONGEST_READ_BYTES", 20_000)
    with stream_of(tmp_path, bytes(99_000)) as stream:
        stream.read(20_000)
        with pytest.raises(OSError, match="damaged"):
            stream.read(20_000)  # the first 16 kB were looked through before
    with stream_of(tmp_path, bytes(99_000), open_pixels) as stream:
        assert sum(len(stream.read(20_000)) for _ in range(5)) == 99_000


def test_an_element_of_gigabytes_is_not_read(tmp_path):
    """A sparse file: 3 GB that a header says are one text."""
    files = write_dicom(tmp_path, NATIVE, RAS_FROM_IJK)
    data = files[0].read_bytes()
    at = data.index(b"\x08\0\x60\0CS")  # Modality
    with files[0].open("wb") as stream:
        stream.write(data[:at] + b"\x08\0\x60\0UT\0\0" + struct.pack("<L", 3 << 30))
        stream.truncate(3 << 30)
    volume = open_ct(tmp_path)
    assert volume.slice_count == 8
    assert "damaged DICOM file (1 image)" in volume.findings[0].message


@pytest.mark.parametrize(
    ("first", "like"),
    [
        (bytes(128) + b"DICM", True),
        (b"II*\0" + bytes(124) + b"DICM", True),  # a TIFF's preamble
        (b"\x08\0\x05\0CS\x0a\0ISO_IR 100", True),
        (b"\x02\0\0\0UL\x04\0" + bytes(20), True),
        (b"\0\x08\0\x05CS\0\x0aISO_IR 100", True),  # big-endian
        (b"\0\x08\0\x05" + bytes(30), False),
        (b"\x02\0\x10\x27UI" + bytes(24), False),  # an element that the group does not have
        (b"\x08\0", False),
        (b"", False),
        (bytes(132), False),
    ],
)
def test_what_begins_like_dicom(first, like):
    assert begins_like_dicom(first) is like
