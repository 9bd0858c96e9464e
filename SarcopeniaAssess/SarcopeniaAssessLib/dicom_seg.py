"""The mask as a DICOM Segmentation (PS3.3 A.51): one binary frame on the slice that was measured.

Built by highdicom. Segment: tissue, skeletal muscle, at the L3 vertebra; drawn AUTOMATIC, or SEMIAUTOMATIC
once a person has edited it, or MANUAL where it was given.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib import dicom_codes as codes
from SarcopeniaAssessLib.dicom_moments import made_at, set_moments
from SarcopeniaAssessLib.dicom_source import UTF8
from SarcopeniaAssessLib.dicom_uids import derived_uid, fixed_uid, provenance_uid
from SarcopeniaAssessLib.overlay import CONTOUR
from SarcopeniaAssessLib.wording import mask_text, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from pydicom import Dataset

    from SarcopeniaAssessLib.dicom_codes import Term
    from SarcopeniaAssessLib.dicom_source import SourceSlice

SERIES_NUMBER = 7501
LABEL = "Skeletal muscle at L3"
MANUFACTURER = "sarcopenia-assess (research use only)"
ALGORITHM_TYPES = {"model": "AUTOMATIC", "edited": "SEMIAUTOMATIC", "given": "MANUAL"}
"""By who drew the mask; of a given one nothing more is known."""
_WHOLE_INSTANCES = {"ReferencedSeriesSequence", "CurrentRequestedProcedureEvidenceSequence"}
"""Lists of what a result rests on name whole files, not their frames."""
_LO = 64
"""Characters of a long string (PS3.5, LO)."""


def concept(term: Term) -> Any:
    """A term as highdicom takes it."""
    from highdicom.sr import CodedConcept

    return CodedConcept(term.value, term.scheme, term.meaning)


def build_segmentation(record: Mapping[str, Any], pixels: NDArray[np.bool_], source: SourceSlice) -> Dataset:
    """The mask as a segmentation; its own UID is still to be sealed.

    Parameters
    ----------
    pixels:
        (rows, columns) of the slice as its file stores it, bool.
    source:
        The slice.
    """
    from highdicom.seg import Segmentation
    from pydicom.uid import ExplicitVRLittleEndian

    provenance = record["id"]
    made = Segmentation(
        source_images=[source.image],
        pixel_array=pixels,
        segmentation_type="BINARY",
        segment_descriptions=[_segment(record)],
        series_instance_uid=series_uid(record, source, "SEG"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=provenance_uid(provenance),
        instance_number=1,
        content_label="MUSCLE_L3",
        content_description=f"{LABEL}, research use only",
        series_description=f"{LABEL}: segmentation",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        omit_empty_frames=False,
        **equipment(record),
    )
    made.SpecificCharacterSet = UTF8  # highdicom before 0.28 takes another
    made.SegmentSequence[0].SegmentDescription = f"{mask_text(record)}; provenance id {provenance}"
    _fix_dimensions(made, derived_uid(provenance, "dimensions"))
    made.SourceImageSequence = deepcopy(list(made.SourceImageSequence))  # highdicom shares its items
    refer_to(made, source)
    set_moments(made, made_at(record), made_at(record))
    return made


def series_uid(record: Mapping[str, Any], source: SourceSlice, kind: str) -> str:
    """UID of the series that a result of this record is in; one with and one without the identity."""
    identity = "identity kept" if source.keeps_identity else "identity blank"
    return derived_uid(record["id"], kind, "series", identity, str(source.image.SeriesInstanceUID))


def equipment(record: Mapping[str, Any]) -> dict[str, Any]:
    """Who made a result, as highdicom's arguments; the weights' hash stands for a device's serial number."""
    software, model = record["software"], record["model"]
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": shortened(software["name"], _LO),
        "software_versions": shortened(software["version"], _LO),
        "device_serial_number": (model["sha256"] or "no model")[:_LO],
    }


def device_uid(record: Mapping[str, Any]) -> str:
    """UID of the observing device: this software in its version, with the weights it used."""
    software, model = record["software"], record["model"]
    return fixed_uid("device", software["name"], software["version"], model["sha256"] or "no model")


def references(instance: Dataset, *within: str) -> Iterator[tuple[tuple[str, ...], Dataset]]:
    """Every reference to an instance, with the keywords of the sequences that it stands in."""
    for element in instance:
        if element.VR != "SQ":
            continue
        path = (*within, element.keyword)
        for item in element.value:
            if "ReferencedSOPInstanceUID" in item:
                yield path, item
            yield from references(item, *path)


def refer_to(instance: Dataset, source: SourceSlice) -> None:
    """Let every reference to the slice say its true class and, of a multi-frame file, its frame."""
    for path, item in references(instance):
        if item.ReferencedSOPInstanceUID != source.image.SOPInstanceUID:
            continue
        item.ReferencedSOPClassUID = source.sop_class_uid
        if source.frame_number is not None and not _WHOLE_INSTANCES & set(path):
            item.ReferencedFrameNumber = source.frame_number


def _segment(record: Mapping[str, Any]) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription

    model, kind = record["model"], ALGORITHM_TYPES[record["mask"]["source"]]
    algorithm = None
    if kind != "MANUAL":
        algorithm = AlgorithmIdentificationSequence(
            name=shortened(model["name"], _LO),
            family=concept(codes.ARTIFICIAL_INTELLIGENCE),
            version=shortened(model["version"], _LO),
            source=MANUFACTURER,
            parameters={"weights sha256": model["sha256"] or "not known"},
        )
    return SegmentDescription(
        segment_number=1,
        segment_label=LABEL,
        segmented_property_category=concept(codes.TISSUE),
        segmented_property_type=concept(codes.SKELETAL_MUSCLE),
        algorithm_type=kind,
        algorithm_identification=algorithm,
        tracking_uid=provenance_uid(record["id"]),
        tracking_id=tracking_id(record),
        anatomic_regions=[concept(codes.L3_VERTEBRA)],
        display_color=CIELabColor.from_rgb(*CONTOUR[:3]),
    )


def tracking_id(record: Mapping[str, Any]) -> str:
    """What segment and measurements are tracked by, in words; as a UID it is the provenance id itself."""
    return f"{LABEL}, {record['id']}"


def _fix_dimensions(made: Dataset, uid: str) -> None:
    """Put a UID that follows from the record where highdicom drew one by lot."""
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for index in made.DimensionIndexSequence:
        index.DimensionOrganizationUID = uid
