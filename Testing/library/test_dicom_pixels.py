"""DICOM pixels: rescaling, padding, unused bits, compression, and nothing decoded that is not asked for."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from SarcopeniaAssessLib import dicom_pixels
from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.errors import InputError, IntensityError
from Testing.library.ct_files import (
    affine,
    anatomy,
    dicom_image,
    save,
    set_pixels,
    store,
    write_dicom,
    write_enhanced,
)

NATIVE, RAS_FROM_IJK = store(anatomy(), affine(), (0, 1, 2), (True, True, False))


def series(folder, **attributes):
    write_dicom(folder, NATIVE, RAS_FROM_IJK, **attributes)
    return open_ct(folder)


@pytest.fixture
def decoded(monkeypatch):
    """Every frame decoded, as (file name, frame index)."""
    frames = []
    original = dicom_pixels._pixel_array

    def watched(frame, options):
        frames.append((frame.file.path.name, frame.index))
        return original(frame, options)

    monkeypatch.setattr(dicom_pixels, "_pixel_array", watched)
    return frames


def test_only_the_slices_asked_for_are_decoded_and_once(tmp_path, decoded):
    volume = series(tmp_path)
    assert decoded == []
    volume.slab(2, 5)
    volume.slab(3, 4)
    volume.padding(2, 4)
    assert decoded == [("image_3", 0), ("image_4", 0), ("image_5", 0)]


def test_only_the_frames_asked_for_are_decoded(tmp_path, decoded):
    path = write_enhanced(tmp_path / "e", NATIVE, RAS_FROM_IJK, [8, 7, 6, 5, 4, 3, 2, 1, 0])
    np.testing.assert_array_equal(open_ct(path).slab(1, 3), anatomy()[:, :, 1:3])
    assert decoded == [("e", 7), ("e", 6)]


def test_damage_outside_the_slab_does_not_matter_and_inside_is_said(tmp_path):
    files = write_dicom(tmp_path, NATIVE, RAS_FROM_IJK)
    data = files[7].read_bytes()
    files[7].write_bytes(data[: len(data) - 200])
    volume = open_ct(tmp_path)
    np.testing.assert_array_equal(volume.slab(2, 7), anatomy()[:, :, 2:7])
    with pytest.raises(InputError, match="truncated") as caught:
        volume.slab(6, 9)
    assert "image_8" not in str(caught.value)


def test_slope_and_intercept_are_those_of_each_slice(tmp_path):
    for k in range(9):
        rescale = {"RescaleSlope": 1 + k % 2, "RescaleIntercept": -1000 - 2 * k}
        even = (NATIVE[:, :, k] // 2) * 2
        save(dicom_image(even, RAS_FROM_IJK, k, **rescale), tmp_path / str(k))
    slab = open_ct(tmp_path).slab(0, 9)
    np.testing.assert_array_equal(slab, (anatomy() // 2) * 2)
    assert slab.dtype.kind == "i"


def test_a_fractional_slope_is_exact_in_float32(tmp_path):
    stored = np.arange(30 * 22).reshape(22, 30) % 60 + 1990
    for k in range(9):
        image = dicom_image(NATIVE[:, :, k], RAS_FROM_IJK, k, PixelRepresentation=0)
        image.RescaleSlope, image.RescaleIntercept = "2.0002442", "-4047"
        set_pixels(image, stored)
        save(image, tmp_path / str(k))
    hu = open_ct(tmp_path).source.read(2, 0, 1)[:, :, 0]
    assert hu.dtype == np.float32
    np.testing.assert_array_equal(hu, (stored.T * 2.0002442 - 4047).astype(np.float32))


@pytest.mark.parametrize(
    ("attributes", "dtype"),
    [
        ({"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}, np.int16),
        ({"PixelRepresentation": 0}, np.int32),  # 16 unsigned bits − 1024 do not fit into 16 signed ones
        ({"RescaleIntercept": 0}, np.int16),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, np.int32),
    ],
)
def test_integers_stay_integers_as_wide_as_needed(tmp_path, attributes, dtype):
    slab = series(tmp_path, **attributes).slab(0, 9)
    assert slab.dtype == dtype
    np.testing.assert_array_equal(slab, anatomy())


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_above_bits_stored_are_no_pixels(tmp_path, signed):
    """Old scanners keep an overlay there; signed pixels need not repeat their sign."""
    for k in range(9):
        image = dicom_image(
            NATIVE[:, :, k], RAS_FROM_IJK, k, BitsStored=13, HighBit=12, PixelRepresentation=signed,
            RescaleIntercept=0 if signed else -1024,
        )  # fmt: skip
        pixels = np.frombuffer(image.PixelData, "<u2") & 0x1FFF
        image.PixelData = (pixels | (0x6000 if k % 2 else 0)).astype("<u2").tobytes()
        save(image, tmp_path / str(k))
    np.testing.assert_array_equal(open_ct(tmp_path).slab(0, 9), anatomy())


def padded(folder, stored_value: int, **attributes):
    """A series whose four columns at each side hold a stored padding value."""
    for k in range(9):
        image = dicom_image(NATIVE[:, :, k], RAS_FROM_IJK, k, **attributes)
        kind = "<i2" if image.PixelRepresentation else "<u2"
        pixels = np.frombuffer(image.PixelData, kind).reshape(22, 30).copy()
        pixels[:, :4] = pixels[:, -4:] = np.array(stored_value).astype(kind)
        image.PixelData = pixels.tobytes()
        save(image, folder / str(k))
    return open_ct(folder)


@pytest.mark.parametrize(
    ("stored", "attributes"),
    [
        (-2000, {"RescaleIntercept": 0}),  # not declared at all
        (-2000, {"RescaleIntercept": 0, "PixelPaddingValue": -2000}),
        (-3024, {"RescaleIntercept": -24, "PixelPaddingValue": -3000, "PixelPaddingRangeLimit": -3100}),
        (0, {"PixelPaddingValue": 0, "PixelRepresentation": 0}),
        (1000, {"PixelPaddingValue": 1000, "PixelRepresentation": 0}),  # would read as −24 HU
    ],
)
def test_padding_is_honoured(tmp_path, stored, attributes):
    volume = padded(tmp_path, stored, **attributes)
    slab = volume.slab(3, 5)
    assert (slab[:4] == -1024).all()
    assert (slab[-4:] == -1024).all()
    np.testing.assert_array_equal(slab[4:-4], anatomy()[4:-4, :, 3:5])
    if stored != 0:
        assert volume.padding(3, 5)[:4].all()
    assert not volume.padding(3, 5)[4:-4].any()


def test_unsigned_padding_over_signed_pixels_is_read_by_its_bits(tmp_path):
    write_dicom(tmp_path, np.where(NATIVE < -900, -2000, NATIVE), RAS_FROM_IJK, RescaleIntercept=0)
    for file in tmp_path.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.add_new("PixelPaddingValue", "US", 63536)
        dataset.save_as(file)
    slab = open_ct(tmp_path).slab(0, 9)
    np.testing.assert_array_equal(slab, np.where(anatomy() < -900, -1024, anatomy()))


def test_padding_may_lie_in_the_bits_that_pixels_do_not_use(tmp_path):
    """Of −32768 the lowest twelve bits are 0, which is water here."""
    volume = padded(tmp_path, -32768, RescaleIntercept=0, BitsStored=12, HighBit=11, PixelPaddingValue=-32768)
    slab = volume.slab(3, 5)
    assert (slab[:4] == -1024).all()
    assert (slab[-4:] == -1024).all()
    np.testing.assert_array_equal(slab[4:-4], anatomy()[4:-4, :, 3:5])


def test_a_padding_value_inside_tissue_does_not_pierce_it(tmp_path):
    """Some exporters declare 0 as padding over signed HU, where 0 is water."""
    volume = padded(tmp_path, 0, RescaleIntercept=0, PixelPaddingValue=0)
    hu = anatomy()[:, :, 3:5]
    slab = volume.slab(3, 5)
    assert (slab[:4] == -1024).all()
    np.testing.assert_array_equal(slab[4:-4][hu[4:-4] == 0], 0)


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless, JPEG2000, JPEGLSNearLossless]
)
def test_compressed_pixels_are_decoded(tmp_path, syntax):
    large = NATIVE.repeat(3, 0).repeat(3, 1)  # OpenJPEG encodes no smaller picture
    files = write_dicom(tmp_path, large, RAS_FROM_IJK, PixelRepresentation=0)
    for file in files:
        dataset = pydicom.dcmread(file)
        options = {"jls_error": 2} if syntax == JPEGLSNearLossless else {}
        options |= {"j2k_cr": [2.0]} if syntax == JPEG2000 else {}
        dataset.compress(syntax, generate_instance_uid=False, **options)
        dataset.save_as(file)
    volume = open_ct(tmp_path)
    lossy = syntax in (JPEG2000, JPEGLSNearLossless)
    off = np.abs(volume.slab(3, 6).astype(int)[::3, ::3] - anatomy()[:, :, 3:6]).max()
    assert off <= (60 if syntax == JPEG2000 else 2 if lossy else 0)
    assert [f.code for f in volume.findings] == (
        ["lossy_compression"] if syntax == JPEGLSNearLossless else []
    )


def test_loss_that_the_header_admits_is_flagged(tmp_path):
    assert [f.code for f in series(tmp_path, LossyImageCompression="01").findings] == ["lossy_compression"]


def test_what_is_decoded_is_told(monkeypatch):
    for number in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203):
        assert dicom_pixels.is_decoded(f"1.2.840.10008.1.2.4.{number}")
    assert dicom_pixels.is_decoded(RLELossless)
    for other in ("1.2.840.10008.1.2.4.102", "1.2.840.113619.5.2", "1.2.840.10008.1.2.1"):
        assert not dicom_pixels.is_decoded(other)
    monkeypatch.setattr(get_decoder(JPEG2000Lossless), "_available", {"pillow": print})
    assert not dicom_pixels.is_decoded(JPEG2000Lossless)


def test_a_missing_plug_in_is_named(tmp_path, monkeypatch):
    """Whatever else would decode it: pillow does, and its pixels would be another computer's."""
    for file in write_dicom(tmp_path, NATIVE.repeat(3, 0).repeat(3, 1), RAS_FROM_IJK, PixelRepresentation=0):
        dataset = pydicom.dcmread(file)
        dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
        dataset.save_as(file)
    volume = open_ct(tmp_path)
    decoder = get_decoder(JPEG2000Lossless)
    available = {name: f for name, f in decoder._available.items() if name != "pylibjpeg"}
    monkeypatch.setattr(decoder, "_available", available)
    with pytest.raises(InputError, match=r"JPEG 2000.*pip install pylibjpeg pylibjpeg-openjpeg"):
        volume.slab(0, 1)


@pytest.mark.parametrize("syntax", ["1.2.840.113619.5.2", "1.2.840.10008.1.2.4.102", "1.2.3", "1\\2.3"])
def test_an_unknown_transfer_syntax_is_said(tmp_path, syntax):
    """A vendor's own, a video's, none at all, and two."""
    for file in write_dicom(tmp_path, NATIVE, RAS_FROM_IJK):
        dataset = pydicom.dcmread(file)
        dataset.file_meta.TransferSyntaxUID = syntax.replace("\\", ".")
        if syntax.startswith("1.2.840.10008"):
            dataset.PixelData = encapsulate([dataset.PixelData])
            dataset["PixelData"].is_undefined_length = True
        dataset.save_as(file, implicit_vr=False, little_endian=True)
        file.write_bytes(file.read_bytes().replace(b"1.2.3\0", syntax.encode() + b"\0", 1))
    with pytest.raises(InputError, match="unknown way"):
        open_ct(tmp_path).slab(0, 1)


@pytest.mark.parametrize("declared", ["SS", "US"])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_big_endian_series_are_read(tmp_path, bits, declared):
    """With a padding value over signed pixels, given as either type."""
    hu = np.where(NATIVE < -900, -2000, NATIVE) if bits > 8 else NATIVE // 8 * 8
    rescale = {"RescaleIntercept": 0} if bits > 8 else {"RescaleSlope": 8, "RescaleIntercept": 0}
    for k in range(9):
        image = dicom_image(
            hu[:, :, k], RAS_FROM_IJK, k, BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1, **rescale
        )  # fmt: skip
        if bits == 16:
            image.add_new("PixelPaddingValue", declared, -2000 if declared == "SS" else 63536)
        stored = np.frombuffer(image.PixelData, f"<i{bits // 8}")
        image.PixelData = stored.astype(f">i{bits // 8}").tobytes()
        image["PixelData"].VR = "OB" if bits == 8 else "OW"
        image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        image.save_as(tmp_path / str(k), implicit_vr=False, little_endian=False, enforce_file_format=True)
    volume = open_ct(tmp_path)
    expected = np.flip(np.maximum(hu, -1024), (0, 1))
    np.testing.assert_array_equal(volume.slab(2, 5), expected[:, :, 2:5])
    if bits == 16:
        np.testing.assert_array_equal(volume.padding(2, 5), np.flip(hu == -2000, (0, 1))[:, :, 2:5])


def test_hounsfield_units_are_judged_where_decoded(tmp_path):
    write_dicom(tmp_path, NATIVE + np.int16(1024), RAS_FROM_IJK)
    volume = open_ct(tmp_path)
    with pytest.raises(IntensityError, match="intercept"):
        volume.slab(0, 3)


@pytest.mark.parametrize("name", ["CT_small.dcm", "explicit_VR-UN.dcm", "693_J2KI.dcm", "JPEG2000.dcm"])
def test_files_of_pydicom_are_read_or_refused_with_a_reason(name, capfd):
    path = get_testdata_file(name)
    if path is None:
        pytest.skip(f"{name} is not installed (pydicom-data)")
    stored = pydicom.dcmread(path)
    if stored.Modality != "CT" or "RescaleSlope" not in stored:
        with pytest.raises(InputError):
            open_ct(path)
    else:
        slab = open_ct(path).source.read(2, 0, 1)
        expected = stored.pixel_array.T * float(stored.RescaleSlope) + float(stored.RescaleIntercept)
        inside = stored.get("PixelPaddingValue", -99999) != stored.pixel_array.T
        np.testing.assert_allclose(slab[:, :, 0][inside], expected[inside], atol=1)
    assert capfd.readouterr().err == ""


def test_an_enhanced_ct_that_is_not_in_hounsfield_units_is_refused():
    path = get_testdata_file("eCT_Supplemental.dcm")
    if path is None:
        pytest.skip("eCT_Supplemental.dcm is not installed (pydicom-data)")
    with pytest.raises((InputError, IntensityError)):
        open_ct(path).slab(0, 1)


def test_damaged_compressed_pixels_are_not_taken_for_a_missing_plug_in(tmp_path):
    for file in write_dicom(tmp_path, NATIVE, RAS_FROM_IJK):
        dataset = pydicom.dcmread(file)
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
        dataset.PixelData = dataset.PixelData[:60] + bytes(200) + dataset.PixelData[260:]
        dataset.save_as(file)
    with pytest.raises(InputError, match="damaged"):
        open_ct(tmp_path).slab(0, 2)


def test_damaged_rle_ends_no_process(tmp_path):
    """A segment that runs on behind its picture: one decoder panics there, past every `except Exception`."""
    for file in write_dicom(tmp_path, NATIVE, RAS_FROM_IJK):
        dataset = pydicom.dcmread(file)
        dataset.compress(RLELossless, generate_instance_uid=False)
        first = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
        dataset.PixelData = encapsulate([first[:64] + b"\x7f" + bytes(128) + first[64:]])
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(file)
    with pytest.raises(InputError, match="damaged"):
        open_ct(tmp_path).slab(0, 2)


def test_files_without_meta_header_are_decoded(tmp_path):
    """As some research archives keep them: implicit little-endian data and nothing before it."""
    for k in range(9):
        image = dicom_image(NATIVE[:, :, k], RAS_FROM_IJK, k)
        del image.file_meta
        image.save_as(tmp_path / str(k), implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(open_ct(tmp_path).slab(2, 5), anatomy()[:, :, 2:5])
