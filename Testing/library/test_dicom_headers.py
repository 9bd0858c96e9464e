"""What a header says of a picture: classic, enhanced, converted; and what is no CT picture."""

from __future__ import annotations

import warnings

import numpy as np
import pydicom
import pytest

from SarcopeniaAssessLib import dicom_files, dicom_pixels
from SarcopeniaAssessLib.ct_io import list_ct, open_ct
from SarcopeniaAssessLib.dicom_attributes import LeftOut
from SarcopeniaAssessLib.dicom_files import FileOnDisk
from SarcopeniaAssessLib.dicom_headers import frames_of
from SarcopeniaAssessLib.errors import InputError, IntensityError
from Testing.library.ct_files import affine, anatomy, dicom_image, save, store, write_dicom, write_enhanced

NATIVE, RAS_FROM_IJK = store(anatomy(), affine(), (0, 1, 2), (True, True, False))
LATER = (NATIVE + np.where(NATIVE > 0, 30, 0)).astype(np.int16)


def enhanced(path, change=lambda dataset: None):
    """An enhanced file with something changed."""
    write_enhanced(path, NATIVE, RAS_FROM_IJK, [8, 3, 1, 0, 2, 5, 4, 7, 6])
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def test_highdicoms_conversion_to_enhanced_is_the_same_ct(tmp_path):
    """Made by highdicom of a classic series, every slice of it rescaled in its own way."""
    from highdicom.legacy import LegacyConvertedEnhancedCTImage

    classic = []
    extra = {"FrameOfReferenceUID": "1.2.3.9", "PositionReferenceIndicator": "", "StudyID": "1"}
    extra |= {"StudyDate": "20240301", "StudyTime": "1015", "PatientSex": "F", "AccessionNumber": ""}
    extra |= {
        "Manufacturer": "ACME",
        "SliceThickness": "4",
        "KVP": "120",
        "PatientPosition": "HFS",
        "ConvolutionKernel": "B30f",
    }
    for k in range(9):
        image = dicom_image(NATIVE[:, :, k], RAS_FROM_IJK, k, RescaleIntercept=-1000 - k, **extra)
        classic.append(pydicom.dcmread(save(image, tmp_path / "classic" / str(k))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = LegacyConvertedEnhancedCTImage(classic, "1.2.826.0.1.7", 7, "1.2.826.0.1.7.1", 1)
    converted.save_as(tmp_path / "converted")
    one, other = open_ct(tmp_path / "converted"), open_ct(tmp_path / "classic")
    np.testing.assert_array_equal(one.slab(0, 9), anatomy())
    np.testing.assert_allclose(one.ras_from_ijk, other.ras_from_ijk)
    assert one.findings == ()
    assert one.patient == other.patient
    assert (one.input.kvp, one.input.kernel) == (other.input.kvp, other.input.kernel) == (120, "B30f")


@pytest.mark.parametrize(
    ("image_type", "reason"), [("LOCALIZER", "localizer"), ("MIP", "projection or rendering")]
)
def test_a_frame_type_of_its_own_leaves_an_enhanced_file_out(tmp_path, image_type, reason):
    def change(dataset):
        item = pydicom.Dataset()
        kind = pydicom.Dataset()
        kind.FrameType = ["ORIGINAL", "PRIMARY", image_type, "NONE"]
        item.CTImageFrameTypeSequence = [kind]
        for name, value in item.items():
            dataset.SharedFunctionalGroupsSequence[0][name] = value

    with pytest.raises(InputError, match=reason):
        open_ct(enhanced(tmp_path / "e", change))


def test_an_enhanced_file_without_rescaling_is_refused(tmp_path):
    def change(dataset):
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            del frame.PixelValueTransformationSequence

    with pytest.raises(IntensityError, match="rescale"):
        open_ct(enhanced(tmp_path / "e", change))


@pytest.mark.parametrize(
    ("sequence", "name"),
    [
        ("FrameContentSequence", "StackID"),
        ("FrameContentSequence", "FrameAcquisitionNumber"),
        ("UnassignedPerFrameConvertedAttributesSequence", "AcquisitionNumber"),
    ],
)
def test_two_passes_of_one_enhanced_file_are_two_series(tmp_path, sequence, name):
    """Twice over the same stretch in one file, frame by frame in turn; the last is a converted image's."""
    both = np.stack([NATIVE, LATER], axis=3).reshape(30, 22, 18)
    path = write_enhanced(tmp_path / "e", both, RAS_FROM_IJK)
    dataset = pydicom.dcmread(path)
    for n, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        position = (np.diag([-1.0, -1.0, 1.0, 1.0]) @ RAS_FROM_IJK @ [0, 0, n // 2, 1])[:3]
        frame.PlanePositionSequence[0].ImagePositionPatient = [f"{p:.8g}" for p in position]
        told = pydicom.Dataset()
        setattr(told, name, str(1 + n % 2) if name == "StackID" else 1 + n % 2)
        setattr(frame, sequence, [told])
    dataset.save_as(path)
    listed = list_ct(path.parent)
    assert [one.slices for one in listed] == [9, 9]
    np.testing.assert_array_equal(listed[0].open().slab(0, 9), anatomy())
    np.testing.assert_array_equal(listed[1].open().slab(0, 9), np.flip(LATER, (0, 1)))


def test_groups_of_frames_that_are_not_there(tmp_path):
    def change(dataset):
        dataset.NumberOfFrames = 7
        dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) * 7 // 9]

    with pytest.raises(InputError, match="damaged"):
        open_ct(enhanced(tmp_path / "e", change)).slab(0, 9)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "secondary capture"),
        ({"SamplesPerPixel": 3}, "secondary capture"),
        ({"Rows": 0}, "damaged"),
        ({"BitsStored": 60_000}, "damaged"),
        ({"BitsStored": 17}, "damaged"),
        ({"BitsAllocated": 1}, "damaged"),
        ({"BitsAllocated": 24}, "damaged"),
        ({"BitsAllocated": 64}, "damaged"),
        ({"Rows": 60_000, "Columns": 60_000}, "damaged"),
        ({"NumberOfFrames": 30}, "multi-frame"),
        ({"RescaleSlope": "0"}, "rescale"),
        ({"RescaleIntercept": "-1e30"}, "rescale"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "position, orientation"),
        ({"ImagePositionPatient": ["1", "2"]}, "position, orientation"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2", "Modality": "CT"}, "no CT image"),
    ],
)
def test_what_is_no_picture_of_a_ct(tmp_path, attributes, reason):
    image = dicom_image(NATIVE[:, :, 0], RAS_FROM_IJK, 0)
    for name, value in attributes.items():
        setattr(image, name, value)
    with pytest.raises(LeftOut, match=reason):
        frames_of(FileOnDisk(save(image, tmp_path / "one")))


def test_monochrome1_concerns_the_display_alone(tmp_path):
    write_dicom(tmp_path, NATIVE, RAS_FROM_IJK, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(open_ct(tmp_path).slab(0, 9), anatomy())


class CountedBytes:
    """How many bytes of which files were asked for."""

    def __init__(self, monkeypatch):
        self.of: dict[str, int] = {}
        original = dicom_files.LimitedStream.read
        open_raw = dicom_files.FileOnDisk.open_raw
        opened: dict[int, str] = {}

        def watched_open(file):
            raw = open_raw(file)
            opened[id(raw)] = file.path.name
            return raw

        def watched_read(stream, size=-1):
            data = original(stream, size)
            name = opened.get(id(stream.raw), "?")
            self.of[name] = self.of.get(name, 0) + len(data)
            return data

        monkeypatch.setattr(dicom_files.FileOnDisk, "open_raw", watched_open)
        monkeypatch.setattr(dicom_files.LimitedStream, "read", watched_read)


def test_only_headers_are_read_to_choose_and_only_the_slab_is_decoded(tmp_path, monkeypatch):
    """Two phases, a localizer, a mask and an MR: a frame of each CT series tells masks, no more."""
    large = {"RescaleIntercept": 0}
    big = NATIVE.repeat(8, 0).repeat(8, 1)  # 84 kB a file, of which the header is 1.4 kB
    for n, hu in enumerate((big, big + np.int16(3))):
        uid = {"SeriesInstanceUID": f"1.2.{n}"}
        write_dicom(tmp_path / str(n), hu, RAS_FROM_IJK, [f"ct{n}-{k}" for k in range(9)], **uid, **large)
    names = [f"mask-{k}" for k in range(9)]
    write_dicom(tmp_path / "m", (big > 0) * 1, RAS_FROM_IJK, names, SeriesInstanceUID="1.2.3", **large)
    kinds = {"loc": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "mr": {"Modality": "MR"}}
    for name, kind in kinds.items():
        names = [f"{name}-{k}" for k in range(9)]
        write_dicom(tmp_path / name, big, RAS_FROM_IJK, names, SeriesInstanceUID="1.2.7", **kind, **large)
    counted, decoded, original = CountedBytes(monkeypatch), [], dicom_pixels._pixel_array
    monkeypatch.setattr(
        dicom_pixels,
        "_pixel_array",
        lambda frame, options: decoded.append(frame.file.path.name) or original(frame, options),
    )
    volume = list_ct(tmp_path)[0]
    assert decoded == ["ct0-4", "ct1-4", "mask-4"]
    assert max(n for name, n in counted.of.items() if name not in decoded) < 40_000  # the first 16 kB twice
    assert len(counted.of) == 45
    decoded.clear()
    opened = volume.open()
    assert decoded == []
    opened.slab(2, 5)
    opened.slab(3, 4)
    assert decoded == ["ct0-2", "ct0-3", "ct0-4"]
