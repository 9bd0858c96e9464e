"""The result of an assessment: `assessment.json`, built from typed parts, valid before it is written.

The record is a plain dict, so that any program can read it. Its schema is published beside the library
(`sarcopenia-assessment-1.schema.json`); `record_rules` holds what a schema cannot say. It has no place
for a name, an identifier, a path or a UID.
"""

from __future__ import annotations

import json
import platform
import sys
import uuid
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from SarcopeniaAssessLib import __version__, strict_json
from SarcopeniaAssessLib.errors import Finding, RecordError
from SarcopeniaAssessLib.record_rules import in_schema_order, validate_record

if TYPE_CHECKING:
    from pathlib import Path

    from SarcopeniaAssessLib.criteria import Judgement, Status
    from SarcopeniaAssessLib.level import Level
    from SarcopeniaAssessLib.level_choice import MeasuredLevel
    from SarcopeniaAssessLib.measurement import Measurement
    from SarcopeniaAssessLib.model_file import ModelEntry
    from SarcopeniaAssessLib.patient import PatientFacts
    from SarcopeniaAssessLib.uncertainty import Doubt
    from SarcopeniaAssessLib.volume import CtVolume

__all__ = [
    "SCHEMA",
    "SOFTWARE_NAME",
    "InputBlock",
    "MaskBlock",
    "RecordParts",
    "accept",
    "as_entry",
    "build_record",
    "read_record",
    "record_json",
    "reject",
    "validate_record",
]

SCHEMA = "sarcopenia-assessment/1"
SOFTWARE_NAME = "sarcopenia-assess"
TIMINGS = ("read", "preprocess", "network", "write", "total")


@dataclass(frozen=True)
class InputBlock:
    """What was measured: native shape and spacing (mm), orientation such as "RAS", SHA-256 in hex."""

    format: Literal["nifti", "nrrd", "metaimage", "dicom"]
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str
    sha256: str
    kvp: float | None = None
    contrast: bool | None = None
    slice_thickness_mm: float | None = None

    @classmethod
    def of(cls, volume: CtVolume) -> InputBlock:
        """The block of a CT; a volume made in memory counts as NIfTI, whose conventions it follows."""
        facts = volume.input
        return cls(
            "nifti" if facts.format == "memory" else facts.format,
            volume.shape,
            volume.spacing_mm,
            volume.orientation,
            facts.sha256,
            facts.kvp,
            facts.contrast,
            facts.slice_thickness_mm,
        )


@dataclass(frozen=True)
class MaskBlock:
    """Who drew the mask, and how far it is from what the model had drawn."""

    source: Literal["model", "edited", "given"]
    dice_with_model: float | None = None
    pixels_changed: int | None = None


@dataclass(frozen=True)
class RecordParts:
    """Everything a record is built from; what is unknown is `None`, never left out.

    Parameters
    ----------
    case, input, patient, level, measurement, judgement, findings, mask:
        As their rooms made them.
    neighbours_sma_cm2:
        Area one slice below and above.
    interval:
        Low and high of the area, cm².
    candidates:
        Where the count of vertebrae is not certain: what was measured on each slice that may be at L3.
    doubt:
        What the network doubts on the slice; `None` for a given mask.
    model:
        The model that drew the mask; `None` for a given mask.
    device:
        Where the network ran, e.g. "cpu" or "cuda:0"; `None`: no network ran, torch is not recorded.
    timing_s:
        Seconds by stage; `read`, `preprocess`, `network`, `write`, `total` are `null` if absent.
    id:
        Provenance id, UUID version 4.
    assessed_at:
        Now, ISO 8601 with zone; the dates of DICOM results are made of it.
    """

    case: str
    input: InputBlock
    patient: PatientFacts
    level: Level
    measurement: Measurement
    judgement: Judgement
    findings: tuple[Finding, ...]
    mask: MaskBlock
    neighbours_sma_cm2: tuple[float | None, float | None] = (None, None)
    interval: tuple[float, float] | None = None
    candidates: tuple[MeasuredLevel, ...] = ()
    doubt: Doubt | None = None
    model: ModelEntry | None = None
    device: str | None = None
    timing_s: Mapping[str, float | None] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    assessed_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


def build_record(parts: RecordParts) -> dict[str, Any]:
    """The record of an assessment, unreviewed, numbers unrounded.

    Raises
    ------
    RecordError
        The parts contradict each other or the schema.
    """
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "id": parts.id,
        "case": parts.case,
        "assessed_at": parts.assessed_at,
        "input": _input(parts.input),
        "patient": _patient(parts.patient),
        "l3": _level(parts),
        "muscle": _muscle(parts),
        "status": _status(parts.judgement.status),
        "other_criteria": [_status(status) for status in parts.judgement.others],
        "quality": [as_entry(finding) for finding in parts.findings],
        "model": _model(parts.model),
        "mask": {
            "source": parts.mask.source,
            "dice_with_model": _number(parts.mask.dice_with_model),
            "pixels_changed": None if parts.mask.pixels_changed is None else int(parts.mask.pixels_changed),
        },
        "review": _review("unreviewed"),
        "software": _software(parts.device),
        "timing_s": _timing(parts.timing_s),
    }
    validate_record(record)
    return record


def accept(
    record: Mapping[str, Any],
    reviewer: str,
    organization: str = "",
    comment: str = "",
    seconds: float | None = None,
) -> dict[str, Any]:
    """A copy of the record, accepted now by a person.

    Parameters
    ----------
    reviewer, organization, comment:
        Who accepts, for whom, and why; only the reviewer is needed.
    seconds:
        From Assess to this decision; `None`: not known.

    Raises
    ------
    RecordError
        The reviewer is empty, the record is accepted already, or it is not valid.
    """
    return _reviewed(record, _review("accepted", reviewer, organization, comment, seconds))


def reject(
    record: Mapping[str, Any], reviewer: str, organization: str = "", comment: str = ""
) -> dict[str, Any]:
    """A copy of the record, rejected now by a person; errors as `accept`."""
    return _reviewed(record, _review("rejected", reviewer, organization, comment))


def record_json(record: Mapping[str, Any], *, indent: int | None = 2) -> str:
    """The record as JSON text: fields in the schema's order, UTF-8 signs as they are, never NaN.

    Parameters
    ----------
    indent:
        `None`: one line, for JSON Lines.

    Raises
    ------
    RecordError
        The record is not valid: nothing invalid is ever written.
    """
    validate_record(record)
    return json.dumps(in_schema_order(record), ensure_ascii=False, allow_nan=False, indent=indent)


def read_record(path: Path) -> dict[str, Any]:
    """A valid record from a file.

    Raises
    ------
    RecordError
        The file cannot be read, is not JSON, or is not a valid record.
    """
    remedy = "give an assessment.json of this program"
    try:
        content = strict_json.read(path)
    except OSError as error:
        raise RecordError(f"The record cannot be read ({error.strerror or 'error'})", remedy) from error
    except ValueError as error:
        raise RecordError("The record is not JSON, or it is cut off", remedy) from error
    if not isinstance(content, dict):
        raise RecordError("The record is not a JSON object", remedy)
    validate_record(content)
    for other in content["other_criteria"]:  # the schema asks for it of the status alone
        other.setdefault("borderline", None)
    return content


def _input(block: InputBlock) -> dict[str, Any]:
    return {
        "format": block.format,
        "shape": [int(side) for side in block.shape],
        "spacing_mm": [float(spacing) for spacing in block.spacing_mm],
        "orientation": block.orientation,
        "sha256": block.sha256,
        "kvp": _number(block.kvp),
        "contrast": block.contrast,
        "slice_thickness_mm": _number(block.slice_thickness_mm),
    }


def _patient(patient: PatientFacts) -> dict[str, Any]:
    return {
        "sex": None if patient.sex is None else patient.sex.value,
        "sex_source": patient.sex_source,
        "age_years": _number(patient.age_years),
        "height_m": _number(patient.height_m),
        "weight_kg": _number(patient.weight_kg),
    }


def _level(parts: RecordParts) -> dict[str, Any]:
    return {
        "superior_mm": float(parts.level.superior_mm),
        "slice_from_feet": int(parts.level.slice_from_feet),
        "method": parts.level.method.value,
        "confidence": _number(parts.level.confidence),
        "reason": parts.level.reason or None,
        "candidates": [each.to_mapping() for each in parts.candidates] or None,
        "neighbours_sma_cm2": [_number(area) for area in parts.neighbours_sma_cm2],
    }


def _muscle(parts: RecordParts) -> dict[str, Any]:
    measured, interval = parts.measurement, parts.interval
    return {
        "sma_cm2": float(measured.sma_cm2),
        "sma_interval_cm2": None if interval is None else [float(bound) for bound in interval],
        "mean_hu": _number(measured.mean_hu),
        "sma_hu_m29_150_cm2": _number(measured.sma_hu_m29_150_cm2),
        "smi_cm2_m2": _number(measured.smi_cm2_m2),
        "doubt": None if parts.doubt is None else asdict(parts.doubt),
    }


def _status(status: Status) -> dict[str, Any]:
    return {
        "criterion": status.criterion,
        "cutoff": _number(status.cutoff),
        "unit": status.unit,
        "value": status.value.value,
        "borderline": status.borderline,
        "reason": status.reason,
    }


def as_entry(finding: Finding) -> dict[str, Any]:
    """A finding as an entry of the record's `quality` list."""
    return {"code": finding.code, "severity": finding.severity.value, "message": finding.message}


def _model(model: ModelEntry | None) -> dict[str, Any]:
    names = ("name", "version", "sha256", "trained_on")
    return {name: None if model is None else getattr(model, name) for name in names}


def _review(
    state: Literal["unreviewed", "accepted", "rejected"],
    reviewer: str = "",
    organization: str = "",
    comment: str = "",
    seconds: float | None = None,
) -> dict[str, Any]:
    return {
        "state": state,
        "reviewer": reviewer.strip() or None,
        "organization": organization.strip() or None,
        "at": None if state == "unreviewed" else datetime.now(UTC).isoformat(timespec="seconds"),
        "comment": comment.strip() or None,
        "seconds_to_accept": _number(seconds),
    }


def _reviewed(record: Mapping[str, Any], review: dict[str, Any]) -> dict[str, Any]:
    if review["reviewer"] is None:
        raise RecordError("A review needs a reviewer", "give the name of who decides")
    validate_record(record)
    if record["review"]["state"] == "accepted":
        raise RecordError(
            "The record is accepted already and cannot be reviewed again", "assess the CT again"
        )
    reviewed = deepcopy(dict(record)) | {"review": review}
    validate_record(reviewed)
    return reviewed


def _software(device: str | None) -> dict[str, Any]:
    return {
        "name": SOFTWARE_NAME,
        "version": __version__,
        "python": platform.python_version(),
        "torch": None if device is None else _torch_version(),
        "device": device,
    }


def _torch_version() -> str | None:
    """Asked of the running torch, else of the installed one: a record must not import it."""
    from importlib import metadata

    if "torch" in sys.modules:
        return str(sys.modules["torch"].__version__)
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return None


def _timing(timing_s: Mapping[str, float | None]) -> dict[str, float | None]:
    return {
        name: _number(timing_s.get(name)) for name in (*TIMINGS, *(n for n in timing_s if n not in TIMINGS))
    }


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
