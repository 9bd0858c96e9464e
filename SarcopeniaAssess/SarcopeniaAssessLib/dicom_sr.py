"""A record as a Comprehensive 3D SR (PS3.3 A.35.13): template TID 1500 with one measurement group, TID 1410.

Built by highdicom from the record alone; of the CT it takes references. The observer is the device until a
person has accepted the result; VERIFIED is only what was accepted for an organization.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib import dicom_codes as codes
from SarcopeniaAssessLib.criteria import STATUS_SENTENCES, load_criteria
from SarcopeniaAssessLib.dicom_moments import decided_at, made_at, set_moments, with_zone
from SarcopeniaAssessLib.dicom_seg import (
    LABEL,
    MANUFACTURER,
    concept,
    device_uid,
    equipment,
    refer_to,
    references,
    series_uid,
    tracking_id,
)
from SarcopeniaAssessLib.dicom_source import UTF8
from SarcopeniaAssessLib.dicom_uids import provenance_uid
from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE, criterion_text, level_text, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydicom import Dataset

    from SarcopeniaAssessLib.dicom_codes import Term
    from SarcopeniaAssessLib.dicom_source import SourceSlice

SERIES_NUMBER = 7502
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


@dataclass(frozen=True)
class Text:
    """A sentence of the report and what it is about."""

    name: Term
    value: str


def build_report(record: Mapping[str, Any], source: SourceSlice, segmentation: Dataset) -> Dataset:
    """The record as a report; its own UID is still to be sealed.

    Parameters
    ----------
    source:
        The slice that was measured.
    segmentation:
        The sealed segmentation that the report refers to.
    """
    from highdicom.coding_schemes import CodingSchemeIdentificationItem
    from highdicom.sr import Comprehensive3DSR
    from pydicom.uid import ExplicitVRLittleEndian

    verified = is_verified(record)
    review = record["review"]
    made = Comprehensive3DSR(
        evidence=[source.image, segmentation],
        content=_content(record, source, segmentation)[0],
        series_instance_uid=series_uid(record, source, "SR"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=provenance_uid(record["id"]),
        instance_number=1,
        is_complete=True,
        is_final=review["state"] == "accepted",
        is_verified=verified,
        verifying_observer_name=person_name(review["reviewer"]) if verified else None,
        verifying_organization=review["organization"][:64] if verified else None,
        series_description=f"{LABEL}: report",
        coding_schemes=[
            CodingSchemeIdentificationItem(
                designator=codes.SCHEME,
                name=codes.SCHEME_NAME,
                version=codes.SCHEME_VERSION,
                responsible_organization="sarcopenia-assess",
            )
        ],
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **equipment(record),
    )
    if verified:
        made.VerifyingObserverSequence[0].VerificationDateTime = with_zone(decided_at(record))
    made.SpecificCharacterSet = UTF8  # highdicom before 0.28 takes another
    _drop_segment_numbers(made)
    refer_to(made, source)
    set_moments(made, made_at(record), decided_at(record))
    return made


def is_verified(record: Mapping[str, Any]) -> bool:
    """Whether a person has accepted the record for an organization, which DICOM asks for."""
    review = record["review"]
    return bool(review["state"] == "accepted" and review["reviewer"] and review["organization"])


def person_name(text: str) -> str:
    """A name as it was typed, whole in the first component of a PN value, whose separators become spaces."""
    for separator in "^=\\":
        text = text.replace(separator, " ")
    return " ".join(text.split())[:63] + "^"


def numbers(record: Mapping[str, Any]) -> Iterator[tuple[Term, float, Term]]:
    """What was measured, as far as it is known: name, value, unit. The area comes first."""
    muscle, neighbours = record["muscle"], record["l3"]["neighbours_sma_cm2"]
    low, high = muscle["sma_interval_cm2"] or (None, None)
    known = (
        (codes.AREA, muscle["sma_cm2"], codes.SQUARE_CM),
        (codes.AREA_LOW, low, codes.SQUARE_CM),
        (codes.AREA_HIGH, high, codes.SQUARE_CM),
        (codes.ATTENUATION, muscle["mean_hu"], codes.HU),
        (codes.SMI, muscle["smi_cm2_m2"], codes.SQUARE_CM_PER_SQUARE_M),
        (codes.AREA_IN_RANGE, muscle["sma_hu_m29_150_cm2"], codes.SQUARE_CM),
        (codes.SLICE_BELOW, neighbours[0], codes.SQUARE_CM),
        (codes.SLICE_ABOVE, neighbours[1], codes.SQUARE_CM),
    )
    for name, value, unit in known:
        if value is not None:
            yield name, float(value), unit


def evaluations(record: Mapping[str, Any]) -> Iterator[tuple[Term, Term]]:
    """What is said of it in codes: status, borderline, who drew, who reviewed."""
    status, review = record["status"], record["review"]["state"]
    yield codes.STATUS, codes.STATUS_VALUES[status["value"]]
    if status["borderline"] is not None:
        yield codes.BORDERLINE, codes.YES if status["borderline"] else codes.NO
    yield codes.MASK, codes.MASK_VALUES[record["mask"]["source"]]
    unverified = review == "accepted" and not is_verified(record)
    yield codes.REVIEW, codes.REVIEW_VALUES["accepted, not verified" if unverified else review]


def sentences(record: Mapping[str, Any]) -> Iterator[Text]:
    """What is said of it in words; no sentence names the patient."""
    yield Text(codes.CRITERION, criterion_text(record))
    status = status_of(record)
    if record["status"]["value"] == "undetermined" and status.reason:
        yield Text(codes.REASON, status.reason)
    for sentence in STATUS_SENTENCES:
        yield Text(codes.MEANING, sentence)
    for block in record["other_criteria"]:
        if block["value"] != "undetermined":
            yield Text(codes.OTHER_CRITERION, _other(block))
    yield Text(codes.LEVEL, level_text(record))
    for entry in record["quality"]:
        yield Text(codes.REMARK, f"{entry['severity']}: {entry['message']} ({entry['code']})")
    if record["review"]["comment"]:
        yield Text(codes.COMMENT, record["review"]["comment"])
    yield Text(codes.USE, RESEARCH_SENTENCE)
    yield Text(codes.PROVENANCE, record["id"])


def _other(block: Mapping[str, Any]) -> str:
    criterion = load_criteria().get(block["criterion"])
    title = block["criterion"] if criterion is None else criterion.title
    borderline = ", borderline" if block["borderline"] else ""
    return f"{title}: {block['value']}{borderline} (cut-off {block['cutoff']:g} {block['unit']})"


def _content(record: Mapping[str, Any], source: SourceSlice, segmentation: Dataset) -> Any:
    from highdicom.sr import (
        FindingSite,
        MeasurementReport,
        PlanarROIMeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
        ReferencedSegmentationFrame,
        SourceImageForSegmentation,
        TrackingIdentifier,
    )

    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(provenance_uid(record["id"]), tracking_id(record)),
        referenced_segment=ReferencedSegmentationFrame(
            sop_class_uid=_SEGMENTATION,
            sop_instance_uid=str(segmentation.SOPInstanceUID),
            frame_number=1,
            segment_number=1,
            source_image=SourceImageForSegmentation(
                str(source.image.SOPClassUID), str(source.image.SOPInstanceUID)
            ),
        ),
        finding_category=concept(codes.TISSUE),
        finding_type=concept(codes.SKELETAL_MUSCLE),
        finding_sites=[FindingSite(concept(codes.L3_VERTEBRA))],
        algorithm_id=_algorithm(record),
        measurements=[_measurement(*each) for each in numbers(record)],
        qualitative_evaluations=[
            QualitativeEvaluation(concept(name), concept(value)) for name, value in evaluations(record)
        ],
    )
    group[0].ContentSequence.extend(_text_item(each) for each in sentences(record))
    return MeasurementReport(
        observation_context=_observers(record),
        procedure_reported=concept(codes.CT_PROCEDURE),
        imaging_measurements=[group],
        title=concept(codes.REPORT_TITLE),
    )


def _measurement(name: Term, value: float, unit: Term) -> Any:
    from highdicom.sr import FindingSite, Measurement

    return Measurement(
        name=concept(name),
        value=value,
        unit=concept(unit),
        derivation=concept(codes.MEAN) if name is codes.ATTENUATION else None,
        finding_sites=[FindingSite(concept(codes.L3_VERTEBRA))],
    )


def _text_item(text: Text) -> Any:
    from highdicom.sr import TextContentItem

    return TextContentItem(name=concept(text.name), value=text.value, relationship_type="CONTAINS")


def _algorithm(record: Mapping[str, Any]) -> Any:
    """The network that drew, TID 4019; `None` where none did."""
    from highdicom.sr import AlgorithmIdentification, CodeContentItem, TextContentItem

    model = record["model"]
    if model["name"] is None:
        return None
    parameters = [f"weights sha256 {model['sha256']}", f"input sha256 {record['input']['sha256']}"]
    made = AlgorithmIdentification(name=model["name"], version=model["version"], parameters=parameters)
    # By hand: highdicom takes both from 0.28 on, Slicer 5.12 brings 0.27.
    maker = TextContentItem(concept(codes.ALGORITHM_MANUFACTURER), MANUFACTURER, "HAS CONCEPT MOD")
    family = concept(codes.ARTIFICIAL_INTELLIGENCE)
    made.insert(2, maker)
    made.append(CodeContentItem(concept(codes.ALGORITHM_FAMILY), family, "HAS CONCEPT MOD"))
    return made


def _observers(record: Mapping[str, Any]) -> Any:
    """The device that measured and, once a person has accepted, that person too."""
    from highdicom.sr import (
        DeviceObserverIdentifyingAttributes,
        ObservationContext,
        ObserverContext,
        PersonObserverIdentifyingAttributes,
    )

    review, made_by = record["review"], equipment(record)
    device = ObserverContext(
        concept(codes.DEVICE_OBSERVER),
        DeviceObserverIdentifyingAttributes(
            uid=device_uid(record),
            name=made_by["manufacturer_model_name"],
            manufacturer_name=made_by["manufacturer"],
            model_name=f"{made_by['manufacturer_model_name']} {made_by['software_versions']}",
            serial_number=made_by["device_serial_number"],
        ),
    )
    person = None
    if review["state"] == "accepted":
        person = ObserverContext(
            concept(codes.PERSON_OBSERVER),
            PersonObserverIdentifyingAttributes(
                name=person_name(review["reviewer"]), organization_name=review["organization"] or None
            ),
        )
    return ObservationContext(observer_person_context=person, observer_device_context=device)


def _drop_segment_numbers(made: Dataset) -> None:
    """Name a segmentation's frame alone: highdicom names the segment too, one is allowed (PS3.3 C.18.4)."""
    for _, item in references(made):
        if "ReferencedFrameNumber" in item and "ReferencedSegmentNumber" in item:
            del item.ReferencedSegmentNumber
