"""JPEG of CT: what dcmtk compresses is decoded here to the same numbers, with nothing left behind."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate

from SarcopeniaAssessLib import dicom_jpeg
from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.errors import InputError
from Testing.library.ct_files import affine, anatomy, store, write_dicom
from Testing.library.dicom_cases import tool

NATIVE, RAS_FROM_IJK = store(anatomy(), affine(), (0, 1, 2), (True, True, False))
LOSSLESS = "1.2.840.10008.1.2.4.70"


def by_dcmtk(folder: Path, option: str, **attributes) -> list[Path]:
    """The series, each file compressed by dcmtk's dcmcjpeg."""
    files = write_dicom(folder, NATIVE, RAS_FROM_IJK, **attributes)
    for file in files:
        made = file.with_suffix(".jpeg")
        said = tool("dcmcjpeg", option, str(file), str(made))
        assert made.exists(), said
        made.replace(file)
    return files


def by_itk(folder: Path, **attributes) -> list[Path]:
    """The series with lossless JPEG of ITK's own writer, which is there wherever SimpleITK is."""
    import SimpleITK as sitk  # noqa: N813 - its usual name

    files = write_dicom(folder, NATIVE, RAS_FROM_IJK, **attributes)
    for file in files:
        dataset = pydicom.dcmread(file)
        image = sitk.GetImageFromArray(dataset.pixel_array[np.newaxis])
        written = file.with_suffix(".dcm")
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(written))
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.Execute(image)
        compressed = pydicom.dcmread(written)
        assert compressed.file_meta.TransferSyntaxUID == LOSSLESS
        dataset.PixelData = compressed.PixelData
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = LOSSLESS
        dataset.save_as(file, enforce_file_format=True)
        written.unlink()
    return files


@pytest.mark.parametrize("option", ["+e1", "+el"])
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize(("signed", "intercept"), [(0, -1024), (1, 0), (1, -1024)])
def test_lossless_jpeg_is_exact(tmp_path, option, bits, signed, intercept):
    stored = {"PixelRepresentation": signed, "RescaleIntercept": intercept}
    by_dcmtk(tmp_path, option, BitsStored=bits, HighBit=bits - 1, **stored)
    volume = open_ct(tmp_path)
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())
    assert volume.findings == ()


@pytest.mark.parametrize(("signed", "intercept"), [(0, -1024), (1, 0)])
def test_lossless_jpeg_of_another_writer_is_exact(tmp_path, signed, intercept):
    by_itk(tmp_path, PixelRepresentation=signed, RescaleIntercept=intercept)
    np.testing.assert_array_equal(open_ct(tmp_path).slab(0, 9), anatomy())


@pytest.mark.parametrize(
    ("option", "off_hu"),
    [("+ee", 20), ("+eb", 120)],  # 12 bits at quality 90; 8 bits, each of them 8 HU wide
)
def test_lossy_jpeg_is_read_and_flagged(tmp_path, option, off_hu):
    by_dcmtk(tmp_path, option)
    volume = open_ct(tmp_path)
    off = np.abs(volume.slab(0, 9).astype(float) - anatomy())
    assert 0 < off.max() < off_hu
    assert off.mean() < off_hu / 5
    assert [f.code for f in volume.findings] == ["lossy_compression"]


def test_nothing_of_the_patient_passes_through_the_temporary_file_and_it_is_removed(tmp_path, monkeypatch):
    by_itk(tmp_path / "ct")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    seen, original = [], dicom_jpeg._picture
    monkeypatch.setattr(
        dicom_jpeg, "_picture", lambda src, runner: seen.append(original(src, runner)) or seen[-1]
    )
    open_ct(tmp_path / "ct").slab(4, 5)
    assert len(seen) == 1
    text = str(seen[0]).lower()
    for planted in ("planted", "1948", "1.2.826", "abdomen"):
        assert planted not in text
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("change", ["header alone", "cut off", "end missing", "start"])
def test_a_damaged_frame_is_said_and_nothing_else_is(tmp_path, capfd, change):
    for file in by_itk(tmp_path):
        dataset = pydicom.dcmread(file)
        frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
        changes = {
            "header alone": frame[:20],
            "cut off": frame[: len(frame) // 2],
            "end missing": frame[:-60],
            "start": bytes(40) + frame[40:],
        }
        dataset.PixelData = encapsulate([changes[change]])
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(file)
    capfd.readouterr()
    with pytest.raises(InputError, match="damaged"):
        open_ct(tmp_path).slab(0, 9)
    assert capfd.readouterr() == ("", "")


def test_a_frame_of_another_size_is_refused(tmp_path):
    for file in by_itk(tmp_path):
        dataset = pydicom.dcmread(file)
        dataset.Rows, dataset.Columns = 23, 30
        dataset.save_as(file)
    with pytest.raises(InputError, match="damaged"):
        open_ct(tmp_path).slab(0, 9)


def frame_header(**changes) -> bytes:
    """Markers of a lossless JPEG of 30 × 22 pixels of 16 bits up to its scan, as ITU-T T.81 B.2 has them."""
    sides = changes.get("sides", (22, 30))
    sof = struct.pack(">BHHB", changes.get("precision", 16), *sides, changes.get("components", 1))
    counts = changes.get("counts", bytes((0, 2, 2, *13 * [0])))
    parts = [
        (changes.get("marker", 0xC3), sof + b"\x01\x11\x00"),
        (0xC4, b"\x00" + counts + changes.get("values", bytes(4))),
        *changes.get("more", []),
        (0xDA, changes.get("scan", b"\x01\x01\x00\x01\x00\x00")),
    ]
    made = b"".join(struct.pack(">BBH", 0xFF, marker, 2 + len(part)) + part for marker, part in parts)
    return changes.get("start", b"\xff\xd8") + made


RUNNER = SimpleNamespace(rows=22, columns=30, bits_allocated=16)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": 12},
        {"marker": 0xC1, "precision": 12},
        {"marker": 0xF7},
        {"more": [(0xE0, b"JFIF"), (0xFE, b"a comment"), (0xDD, b"\0\0"), (0xF8, bytes(11))]},
    ],
)
def test_frames_that_are_such_a_picture_are_let_through(changes):
    dicom_jpeg._check_frame(frame_header(**changes) + bytes(9), RUNNER)


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": 228},  # ends GDCM's process
        {"precision": 0},
        {"marker": 0xC0, "precision": 12},
        {"marker": 0xC9},  # arithmetic coding
        {"marker": 0xC2, "precision": 8},  # progressive
        {"sides": (60_000, 60_000)},
        {"sides": (30, 22)},
        {"components": 3},
        {"more": [(0xC3, struct.pack(">BHHB", 16, 22, 30, 1) + b"\x01\x11\x00")]},
        {"counts": bytes((3, *15 * [0])), "values": bytes(3)},  # three codes of one bit
        {"counts": bytes((0, 2, 200, *13 * [0])), "values": bytes(202)},
        {"values": bytes(2)},
        {"scan": b"\x03\x01\x00\x01\x00\x00"},
        {"scan": b"\x01"},
        {"start": b"\xff\xd9"},
        {"more": [(0xF8, bytes(4))]},
    ],
)
def test_frames_that_are_none_never_reach_the_decoder(changes):
    with pytest.raises(RuntimeError):
        dicom_jpeg._check_frame(frame_header(**changes) + bytes(9), RUNNER)


def test_more_bits_than_a_pixel_has_room_for_never_reach_the_decoder():
    runner = SimpleNamespace(rows=22, columns=30, bits_allocated=8)
    dicom_jpeg._check_frame(frame_header(precision=8), runner)
    with pytest.raises(RuntimeError, match="announces"):
        dicom_jpeg._check_frame(frame_header(precision=9), runner)


def test_a_header_that_ends_is_refused_wherever_it_does():
    whole = frame_header()
    for end in range(len(whole)):
        with pytest.raises(RuntimeError):
            dicom_jpeg._check_frame(whole[:end], RUNNER)


def test_a_damaged_precision_ends_no_process(tmp_path):
    for file in by_itk(tmp_path):
        dataset = pydicom.dcmread(file)
        frame = bytearray(pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1))
        frame[frame.index(b"\xff\xc3") + 4] = 228
        dataset.PixelData = encapsulate([bytes(frame)])
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(file)
    with pytest.raises(InputError, match="damaged"):
        open_ct(tmp_path).slab(0, 1)
