"""JPEG of CT: what dcmtk compresses is decoded here to the same numbers, with nothing left behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

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
