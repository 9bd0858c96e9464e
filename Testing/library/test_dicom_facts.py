"""Facts of a header: what is read, what is ignored and said so, and what is never invented."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from SarcopeniaAssessLib.dicom_facts import input_facts, is_lossy, patient_facts
from SarcopeniaAssessLib.volume import Sex


def header(**attributes) -> Dataset:
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def test_everything_that_is_there_is_read():
    facts, findings = patient_facts(
        header(PatientSex="F", PatientAge="076Y", PatientSize="1.62", PatientWeight="58.5")
    )
    assert (facts.sex, facts.sex_source) == (Sex.FEMALE, "dicom")
    assert (facts.age_years, facts.height_m, facts.weight_kg) == (76, 1.62, 58.5)
    assert findings == ()


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PatientSex": "", "PatientAge": "", "PatientSize": None, "PatientWeight": None},
        {"PatientSize": "0", "PatientAge": "000Y"},
    ],
)
def test_what_is_absent_stays_unknown(attributes):
    facts, findings = patient_facts(header(**attributes))
    assert (facts.sex, facts.sex_source, facts.age_years, facts.height_m, facts.weight_kg) == (None,) * 5
    assert findings == ()


@pytest.mark.parametrize(("sex", "expected"), [("M", Sex.MALE), ("F", Sex.FEMALE), ("O", None), ("X", None)])
def test_only_m_and_f_are_a_sex(sex, expected):
    assert patient_facts(header(PatientSex=sex))[0].sex is expected


@pytest.mark.parametrize(
    ("age", "years"), [("018M", 1.5), ("003D", 3 / 365.25), ("026W", 26 * 7 / 365.25), ("100Y", 100)]
)
def test_ages_come_in_four_units(age, years):
    assert patient_facts(header(PatientAge=age))[0].age_years == pytest.approx(years)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize(
    ("name", "value", "option"),
    [
        ("PatientAge", "76", "--age"),
        ("PatientAge", "999Y", "--age"),
        ("PatientAge", "Y", "--age"),
        ("PatientSize", "175", "--height"),
        ("PatientSize", "0.1", "--height"),
        ("PatientWeight", "5000", "--weight"),
        ("PatientWeight", "-70", "--weight"),
    ],
)
def test_what_cannot_be_true_is_ignored_and_said(name, value, option):
    facts, findings = patient_facts(header(PatientSex="M", **{name: value}))
    assert (facts.age_years, facts.height_m, facts.weight_kg) == (None, None, None)
    assert facts.sex is Sex.MALE
    assert [f.code for f in findings] == ["header_fact_ignored"]
    assert name in findings[0].message
    assert option in findings[0].message


def test_acquisition_facts_are_read():
    facts = input_facts(
        header(
            KVP="120",
            SliceThickness="5",
            ConvolutionKernel=["I41f", "2"],
            ContrastBolusAgent="Omnipaque",
            PatientPosition="FFP",
        ),
        "ab" * 32,
    )
    assert (facts.kvp, facts.slice_thickness_mm, facts.kernel) == (120, 5, "I41f\\2")
    assert (facts.contrast, facts.patient_position, facts.format) == (True, "FFP", "dicom")


@pytest.mark.parametrize(
    ("attributes", "contrast"),
    [
        ({}, None),
        ({"ContrastBolusAgent": ""}, None),
        ({"ContrastBolusAgent": "NONE"}, False),
        ({"ContrastBolusAgent": "CONTRAST"}, True),
        ({"ContrastBolusAgentSequence": Sequence([Dataset()])}, True),
    ],
)
def test_contrast_is_yes_no_or_unknown(attributes, contrast):
    assert input_facts(header(**attributes), "").contrast is contrast


def test_nonsense_is_left_out():
    facts = input_facts(header(KVP="0", SliceThickness="-3", PatientPosition="PLANTED"), "")
    assert (facts.kvp, facts.slice_thickness_mm, facts.patient_position, facts.kernel) == (
        None,
        None,
        None,
        None,
    )


def test_enhanced_headers_keep_facts_in_functional_groups():
    shared = header(
        CTReconstructionSequence=Sequence([header(ConvolutionKernel="B30f")]),
        CTXRayDetailsSequence=Sequence([header(KVP=100)]),
        PixelMeasuresSequence=Sequence([header(SliceThickness="2.5")]),
    )
    facts = input_facts(header(SharedFunctionalGroupsSequence=Sequence([shared])), "")
    assert (facts.kvp, facts.kernel, facts.slice_thickness_mm) == (100, "B30f", 2.5)


@pytest.mark.parametrize(
    ("admitted", "syntax", "lossy"),
    [
        ("01", "1.2.840.10008.1.2.1", True),
        ("00", "1.2.840.10008.1.2.1", False),
        ("", "1.2.840.10008.1.2.4.81", True),
        ("", "1.2.840.10008.1.2.4.90", False),
    ],
)
def test_loss_is_told_by_the_header_or_the_syntax(admitted, syntax, lossy):
    dataset = header(LossyImageCompression=admitted)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    assert is_lossy(dataset) is lossy
