"""The segmentation: every pixel where it belongs, said by independent programs too."""

import json
from itertools import product

import highdicom
import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

from SarcopeniaAssessLib.dicom_results import dicom_results
from Testing.library.ct_files import rotation
from Testing.library.dicom_cases import MODEL, assessed, tool, write, write_ct
from Testing.library.small_case import LEVEL, MUSCLE_CM2, SHAPE, affine, muscle


def write_seg(tmp_path, made):
    path = tmp_path / "seg.dcm"
    path.write_bytes(dicom_results(made.record, made.mask, made.volume).segmentation)
    return path


def places(path):
    """RAS mm of every pixel inside, from the file's own attributes by PS3.3 C.7.6.2.1.1."""
    read = dcmread(path)
    shared, frame = read.SharedFunctionalGroupsSequence[0], read.PerFrameFunctionalGroupsSequence[0]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    rows_mm, columns_mm = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    origin = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
    j, i = np.nonzero(read.pixel_array.reshape(read.Rows, read.Columns))
    lps = origin + i[:, None] * columns_mm * row + j[:, None] * rows_mm * column
    return lps * (-1, -1, 1)


def expected(ras, k=LEVEL):
    i, j = np.nonzero(muscle()[:, :, k])
    return (ras @ np.stack([i, j, np.full_like(i, k), np.ones_like(i)]))[:3].T


def in_order(points):
    return points[np.lexsort(points.round(3).T)]


@pytest.mark.parametrize("flips", list(product((False, True), repeat=3)))
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_pixels_lie_where_the_muscle_is_whatever_the_storage(tmp_path, order, flips):
    path = write_seg(tmp_path, assessed(write_ct(tmp_path / "ct", order, flips)))
    assert np.allclose(in_order(places(path)), in_order(expected(affine())), atol=1e-3)


@pytest.mark.parametrize("enhanced", [False, True])
def test_pixels_lie_where_the_muscle_is_in_an_oblique_scan(tmp_path, enhanced):
    turned = rotation(9, -6, 14)
    made = assessed(
        write_ct(tmp_path / "ct", (1, 0, 2), (True, False, True), turned=turned, enhanced=enhanced)
    )
    ras = affine()
    ras[:3, :3] = turned @ ras[:3, :3]
    assert np.allclose(in_order(places(write_seg(tmp_path, made))), in_order(expected(ras)), atol=1e-3)


def test_it_refers_to_the_slice_in_study_and_frame_of_reference_of_the_ct(tmp_path):
    folder = write_ct(tmp_path / "ct", FrameOfReferenceUID="1.2.3.4")
    read = dcmread(write_seg(tmp_path, assessed(folder)))
    (source,) = (
        each
        for each in map(dcmread, folder.iterdir())
        if float(each.ImagePositionPatient[2]) == affine()[2, 3] + 6 * LEVEL
    )
    assert (read.StudyInstanceUID, read.FrameOfReferenceUID) == (source.StudyInstanceUID, "1.2.3.4")
    assert read.SeriesInstanceUID != source.SeriesInstanceUID
    frame = read.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    series = read.ReferencedSeriesSequence[0]
    assert frame.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert "ReferencedFrameNumber" not in frame
    shared = read.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert float(shared.SpacingBetweenSlices) == float(shared.SliceThickness) == 6.0


def test_of_a_multi_frame_ct_it_names_class_and_frame_but_lists_the_file(tmp_path):
    read = dcmread(write_seg(tmp_path, assessed(write_ct(tmp_path / "ct", enhanced=True))))
    frame = read.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    listed = read.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]
    assert frame.ReferencedFrameNumber == 7  # slice 3 is the last of 4 2 0 6 1 5 3
    assert frame.ReferencedSOPClassUID == listed.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2.1"
    assert "ReferencedFrameNumber" not in listed


@pytest.mark.parametrize(
    ("source", "wanted"), [("model", "AUTOMATIC"), ("edited", "SEMIAUTOMATIC"), ("given", "MANUAL")]
)
def test_how_it_was_drawn_is_said(tmp_path, source, wanted):
    made = assessed(write_ct(tmp_path / "ct"), None if source == "given" else MODEL)
    made.record["mask"]["source"] = source
    (segment,) = dcmread(write_seg(tmp_path, made)).SegmentSequence
    assert segment.SegmentAlgorithmType == wanted
    assert ("SegmentAlgorithmName" in segment) == (source != "given")
    if source != "given":
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("by-hand", "3")
        assert "cd" * 32 in algorithm.AlgorithmParameters


def test_the_terms_are_tissue_skeletal_muscle_and_l3(tmp_path):
    made = assessed(write_ct(tmp_path / "ct"))
    (segment,) = dcmread(write_seg(tmp_path, made)).SegmentSequence
    told = [
        (item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning)
        for (item,) in (
            segment.SegmentedPropertyCategoryCodeSequence,
            segment.SegmentedPropertyTypeCodeSequence,
            segment.AnatomicRegionSequence,
        )
    ]
    assert told == [
        ("85756007", "SCT", "Tissue"),
        ("127954009", "SCT", "Skeletal muscle"),
        ("36470004", "SCT", "L3 vertebra"),
    ]
    assert made.record["id"] in segment.SegmentDescription
    assert made.record["id"] in segment.TrackingID


@pytest.mark.parametrize("enhanced", [False, True])
@pytest.mark.parametrize("keep_identity", [False, True])
def test_dciodvfy_finds_no_error(tmp_path, enhanced, keep_identity):
    folder = write(
        tmp_path / "out", assessed(write_ct(tmp_path / "ct", enhanced=enhanced)), keep_identity=keep_identity
    )
    told = tool("dciodvfy", str(folder / "muscle.seg.dcm"))
    assert "Segmentation" in told
    assert "Error" not in told


def test_dcmqi_reads_the_same_mask_and_the_same_area(tmp_path):
    made = assessed(write_ct(tmp_path / "ct", (1, 0, 2), (True, False, True), turned=rotation(9, -6, 14)))
    (tmp_path / "read").mkdir()
    tool(
        "segimage2itkimage", "--inputDICOM", str(write_seg(tmp_path, made)),
        "--outputDirectory", str(tmp_path / "read"), "-t", "nifti",
    )  # fmt: skip
    image = nib.load(tmp_path / "read" / "1.nii.gz")
    pixel_cm2 = np.linalg.norm(np.cross(image.affine[:3, 0], image.affine[:3, 1])) / 100
    area_cm2 = np.count_nonzero(image.dataobj) * pixel_cm2
    assert area_cm2 == pytest.approx(MUSCLE_CM2, rel=1e-3)
    assert area_cm2 == pytest.approx(made.record["muscle"]["sma_cm2"], rel=1e-3)
    (told,) = json.loads((tmp_path / "read" / "meta.json").read_text())["segmentAttributes"][0]
    assert told["SegmentAlgorithmType"] == "AUTOMATIC"


def test_highdicom_reads_it_back(tmp_path):
    read = highdicom.seg.segread(write_seg(tmp_path, assessed(write_ct(tmp_path / "ct"))))
    assert read.segmentation_type == highdicom.seg.SegmentationTypeValues.BINARY
    assert read.number_of_segments == 1
    volume = read.get_volume(combine_segments=True)
    assert np.count_nonzero(volume.array) == np.count_nonzero(muscle()[:, :, LEVEL]) == MUSCLE_CM2 / 0.2
    assert volume.array.shape == (1, SHAPE[1], SHAPE[0])
