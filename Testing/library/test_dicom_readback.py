"""Results read back as verification needs them, by another way than they were built."""

import numpy as np
import pytest

from SarcopeniaAssessLib.dicom_readback import read_report, read_segmentation
from SarcopeniaAssessLib.dicom_results import dicom_results
from SarcopeniaAssessLib.dicom_uids import is_sealed, provenance_uid, read_dicom
from SarcopeniaAssessLib.errors import InputError
from Testing.library.dicom_cases import accepted, assessed, write_ct
from Testing.library.small_case import LEVEL, MUSCLE_CM2, affine, muscle


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return assessed(write_ct(tmp_path_factory.mktemp("read") / "ct"))


@pytest.fixture(scope="module")
def results(made):
    return dicom_results(made.record, made.mask, made.volume, keep_identity=True)


def test_a_segmentation_is_a_mask_with_its_place(made, results):
    read = read_segmentation(results.segmentation)
    np.testing.assert_array_equal(read.pixels, muscle()[:, :, LEVEL] != 0)
    origin = affine()[:3, 3] + LEVEL * affine()[:3, 2]
    assert np.allclose(read.ras_from_ij, [(4, 0, 0), (0, 5, 0), origin])
    assert read.tracking_uid == provenance_uid(made.record["id"])
    assert read.algorithm_type == "AUTOMATIC"
    assert read.about[:3] == ("Planted^Name", "PLANTED-ID", "19480615")
    assert read.uid == read_dicom(results.segmentation).SOPInstanceUID


def test_a_report_is_numbers_codes_and_sentences(made, results):
    read = read_report(results.report)
    assert read.numbers["42798000"] == pytest.approx(MUSCLE_CM2, rel=1e-12)
    assert read.numbers["112031"] == pytest.approx(50.0)
    assert read.evaluations["STATUS"] == "NOT_SARCOPENIC"
    assert ("PROVENANCE", made.record["id"]) in read.texts
    assert not read.is_verified
    assert read.segmentation_uid == read_segmentation(results.segmentation).uid
    assert read.about == read_segmentation(results.segmentation).about
    each = accepted(made)
    assert read_report(dicom_results(each.record, each.mask, each.volume).report).is_verified


@pytest.mark.parametrize("read", [read_segmentation, read_report])
def test_what_is_something_else_is_refused(results, read):
    other = results.report if read is read_segmentation else results.segmentation
    for content in (b"", b"no DICOM", other):
        with pytest.raises(InputError, match="damaged DICOM file, or no"):
            read(content)


@pytest.mark.parametrize("read", [read_segmentation, read_report])
def test_a_file_cut_off_anywhere_is_refused_or_no_longer_sealed(made, results, read):
    kind, content = {
        read_segmentation: ("SEG", results.segmentation),
        read_report: ("SR", results.report),
    }[read]
    for end in range(140, len(content) - 1, 97):
        try:
            read(content[:end])
            assert not is_sealed(content[:end], made.record["id"], kind)
        except InputError:
            continue
