"""The report: what it says, who says it, and what independent programs make of it."""

import json
import re
from dataclasses import replace

import highdicom
import pytest
from pydicom import dcmread

from SarcopeniaAssessLib.criteria import STATUS_SENTENCES
from SarcopeniaAssessLib.dicom_results import dicom_results
from SarcopeniaAssessLib.dicom_sr import is_verified, person_name
from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE
from Testing.library.dicom_cases import accepted, assessed, pixelmed, reviewed, tool, write, write_ct
from Testing.library.small_case import MUSCLE_CM2


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return assessed(write_ct(tmp_path_factory.mktemp("sr") / "ct"))


@pytest.fixture(scope="module")
def enhanced(tmp_path_factory):
    return assessed(write_ct(tmp_path_factory.mktemp("sr") / "ct", enhanced=True))


def write_sr(tmp_path, made):
    path = tmp_path / "report.dcm"
    path.write_bytes(dicom_results(made.record, made.mask, made.volume).report)
    return path


def tree(item):
    """Every content item: (relationship, value type, name's code, value)."""
    for each in item.get("ContentSequence", []):
        name = each.ConceptNameCodeSequence[0].CodeValue
        kind = each.ValueType
        value = {
            "NUM": lambda each=each: float(each.MeasuredValueSequence[0].NumericValue),
            "CODE": lambda each=each: each.ConceptCodeSequence[0].CodeValue,
            "TEXT": lambda each=each: each.TextValue,
            "PNAME": lambda each=each: str(each.PersonName),
            "UIDREF": lambda each=each: each.UID,
        }.get(kind, lambda: None)()
        yield each.RelationshipType, kind, name, value
        yield from tree(each)


def said(path, kind, name):
    return [value for _, each, code, value in tree(dcmread(path)) if (each, code) == (kind, name)]


def group_of(path):
    (group,) = highdicom.sr.srread(path).content.get_planar_roi_measurement_groups()
    return group


def test_the_numbers_are_the_records_each_with_its_unit(tmp_path, made):
    measurements = {m.name.value: m for m in group_of(write_sr(tmp_path, made)).get_measurements()}
    muscle = made.record["muscle"]
    assert measurements["42798000"].value == pytest.approx(MUSCLE_CM2)
    assert measurements["42798000"].unit.value == "cm2"
    assert measurements["42798000"].unit.scheme_designator == "UCUM"
    assert measurements["112031"].value == pytest.approx(50.0)  # the CT's muscle is 50 HU throughout
    assert measurements["112031"].unit.value == "[hnsf'U]"
    assert measurements["112031"].derivation.value == "373098007"
    assert measurements["SMI"].value == pytest.approx(MUSCLE_CM2 / 1.7**2)
    assert measurements["SMI"].unit.value == "cm2/m2"
    assert measurements["SMI"].name.scheme_designator == "99SARCOPENIA"
    assert [measurements[name].value for name in ("SMA_LOW", "SMA_HIGH")] == muscle["sma_interval_cm2"]
    assert measurements["SMA_BELOW"].value == pytest.approx(134.0)
    assert measurements["SMA_ABOVE"].value == pytest.approx(138.0)
    sites = [site.value.value for each in measurements.values() for site in each.finding_sites]
    assert sites == ["36470004"] * len(measurements)


def test_what_is_not_known_is_not_said(tmp_path, made):
    record = {
        **made.record,
        "muscle": {**made.record["muscle"], "smi_cm2_m2": None, "sma_interval_cm2": None},
    }
    record["patient"] = {**record["patient"], "height_m": None}
    record["l3"] = {**record["l3"], "neighbours_sma_cm2": [None, 138.0]}
    path = write_sr(tmp_path, replace(made, record=record))
    names = {m.name.value for m in group_of(path).get_measurements()}
    assert names == {"42798000", "112031", "SMA_HU", "SMA_ABOVE"}


def test_finding_site_and_codes(tmp_path, made):
    group = group_of(write_sr(tmp_path, made))
    assert group.finding_type.value == "127954009"
    assert [site.value.value for site in group.finding_sites] == ["36470004"]
    codes = {each.name.value: each.value.value for each in group.get_qualitative_evaluations()}
    assert codes["STATUS"] == "NOT_SARCOPENIC"  # 136 cm², a woman's cut-off is 92
    assert codes["BORDERLINE"] == "373067005"
    assert codes["MASK"] == "MASK_MODEL"
    assert codes["REVIEW"] == "UNREVIEWED"


@pytest.mark.parametrize(
    ("value", "code", "borderline", "yes"),
    [("sarcopenic", "SARCOPENIC", True, ["373066001"]), ("undetermined", "UNDETERMINED", None, [])],
)
def test_every_status_has_its_code(tmp_path, made, value, code, borderline, yes):
    status = {**made.record["status"], "value": value, "borderline": borderline, "reason": "needs sex"}
    path = write_sr(tmp_path, replace(made, record={**made.record, "status": status}))
    assert said(path, "CODE", "STATUS") == [code]
    assert said(path, "CODE", "BORDERLINE") == yes
    assert said(path, "TEXT", "REASON") == (["needs sex"] if value == "undetermined" else [])


def test_the_papers_word_never_stands_alone(tmp_path, made):
    path = write_sr(tmp_path, made)
    assert said(path, "TEXT", "MEANING") == list(STATUS_SENTENCES)
    assert said(path, "TEXT", "USE") == [RESEARCH_SENTENCE]
    assert said(path, "TEXT", "CRITERION") == ["Bhardwaj 2025, women: SMA < 92 cm²"]
    assert said(path, "TEXT", "PROVENANCE") == [made.record["id"]]
    remarks = said(path, "TEXT", "REMARK")
    assert len(remarks) == len(made.record["quality"]) > 0
    assert all(entry["message"] in text for entry, text in zip(made.record["quality"], remarks, strict=True))


def test_the_algorithm_is_named_with_its_weights(tmp_path, made):
    path = write_sr(tmp_path, made)
    assert said(path, "TEXT", "111001") == ["by-hand"]
    assert said(path, "TEXT", "111003") == ["3"]
    assert f"weights sha256 {'cd' * 32}" in said(path, "TEXT", "111002")
    assert said(path, "CODE", "111000") == ["123110"]
    given = {**made.record, "model": dict.fromkeys(made.record["model"])}
    given["mask"] = {**given["mask"], "source": "given"}
    assert said(write_sr(tmp_path, replace(made, record=given)), "TEXT", "111001") == []


def test_unreviewed_the_device_alone_observes(tmp_path, made):
    path = write_sr(tmp_path, made)
    read = dcmread(path)
    assert said(path, "CODE", "121005") == ["121007"]
    assert said(path, "PNAME", "121008") == []
    assert (read.VerificationFlag, read.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert "VerifyingObserverSequence" not in read


def test_accepted_for_an_organization_it_is_verified_by_the_person(tmp_path, made):
    path = write_sr(tmp_path, accepted(made))
    read = dcmread(path)
    assert said(path, "CODE", "121005") == ["121006", "121007"]
    assert said(path, "PNAME", "121008") == ["Dr. Ada Müller^"]
    assert said(path, "TEXT", "121009") == ["Royal Hospital"]
    assert said(path, "CODE", "REVIEW") == ["ACCEPTED"]
    assert (read.VerificationFlag, read.PreliminaryFlag) == ("VERIFIED", "FINAL")
    (observer,) = read.VerifyingObserverSequence
    assert str(observer.VerifyingObserverName) == "Dr. Ada Müller^"
    assert observer.VerifyingOrganization == "Royal Hospital"
    assert observer.VerificationDateTime == "20300102003015+0000"
    assert (read.ContentDate, read.ContentTime) == ("20300102", "003015")
    assert read.SeriesDate == made.record["assessed_at"][:10].replace("-", "")


@pytest.mark.parametrize(
    ("organization", "state", "code", "preliminary"),
    [
        (None, "accepted", "ACCEPTED_NO_ORG", "FINAL"),
        ("Royal Hospital", "rejected", "REJECTED", "PRELIMINARY"),
    ],
)
def test_otherwise_it_stays_unverified_and_says_so(tmp_path, made, organization, state, code, preliminary):
    each = reviewed(accepted(made, organization), state=state)
    path = write_sr(tmp_path, each)
    read = dcmread(path)
    assert not is_verified(each.record)
    assert (read.VerificationFlag, read.PreliminaryFlag) == ("UNVERIFIED", preliminary)
    assert said(path, "CODE", "REVIEW") == [code]
    (meaning,) = re.findall(r"not verified", str(read).replace("\n", " "))[:1]
    assert meaning


@pytest.mark.parametrize(
    ("typed", "name"),
    [("Ada Müller", "Ada Müller^"), (" A^B=C\\D ", "A B C D^"), ("x" * 80, "x" * 63 + "^")],
)
def test_a_typed_name_is_one_component_of_a_person_name(typed, name):
    assert person_name(typed) == name


def test_it_refers_to_the_segmentation_and_lists_both_as_evidence(tmp_path, enhanced):
    folder = write(tmp_path / "out", enhanced)
    read, seg = (dcmread(folder / name) for name in ("report.sr.dcm", "muscle.seg.dcm"))
    images = {}
    for item in read.ContentSequence[-1].ContentSequence[0].ContentSequence:
        if item.ValueType == "IMAGE":
            images[item.ConceptNameCodeSequence[0].CodeValue] = item.ReferencedSOPSequence[0]
    assert images["121214"].ReferencedSOPInstanceUID == seg.SOPInstanceUID
    assert images["121214"].ReferencedFrameNumber == 1
    assert all("ReferencedSegmentNumber" not in item for item in images.values())
    assert images["121233"].ReferencedFrameNumber == 7
    assert images["121233"].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2.1"
    (study,) = read.CurrentRequestedProcedureEvidenceSequence
    listed = [item for series in study.ReferencedSeriesSequence for item in series.ReferencedSOPSequence]
    assert {item.ReferencedSOPInstanceUID for item in listed} == {
        seg.SOPInstanceUID,
        images["121233"].ReferencedSOPInstanceUID,
    }
    assert all("ReferencedFrameNumber" not in item for item in listed)
    assert study.StudyInstanceUID == seg.StudyInstanceUID == read.StudyInstanceUID


def states(made):
    return {
        "unreviewed": made,
        "accepted": accepted(made),
        "without": accepted(made, None),
        "rejected": reviewed(accepted(made), state="rejected", comment="a wrong slice"),
    }


@pytest.mark.parametrize("state", ["unreviewed", "accepted", "without", "rejected"])
def test_dciodvfy_and_dsrdump_find_no_error(tmp_path, enhanced, state):
    path = write_sr(tmp_path, states(enhanced)[state])
    told = tool("dciodvfy", str(path))
    assert "Comprehensive3DSR" in told
    assert "Error" not in told
    told = tool("dsrdump", "-Ec", "-Er", str(path))
    assert "Comprehensive 3D SR Document" in told
    assert '"Area")="136' in told
    assert not re.search(r"^[EF]:", told, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["unreviewed", "accepted"])
def test_pixelmed_validates_it_against_the_template(tmp_path, made, state):
    told = pixelmed(write_sr(tmp_path, states(made)[state]))
    assert "Found Root Template TID_1500" in told
    assert "Root Template Validation Complete" in told
    assert "Error" not in told


def test_dcmqi_reads_the_measurements(tmp_path, made):
    tool(
        "tid1500reader", "--inputDICOM", str(write_sr(tmp_path, made)),
        "--outputMetadata", str(tmp_path / "read.json"),
    )  # fmt: skip
    (group,) = json.loads((tmp_path / "read.json").read_text())["Measurements"]
    values = {item["quantity"]["CodeValue"]: item["value"] for item in group["measurementItems"]}
    assert float(values["42798000"]) == pytest.approx(made.record["muscle"]["sma_cm2"], rel=1e-3)
    assert group["FindingSite"]["CodeValue"] == "36470004"
    assert group["measurementAlgorithmIdentification"]["AlgorithmName"] == "by-hand"
