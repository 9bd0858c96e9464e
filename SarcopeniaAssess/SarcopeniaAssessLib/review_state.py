"""A `ReviewedResult` as text and back, so that it survives in a saved scene beside the CT it is of.

The CT's voxels are not in it. What is said of the CT (its file's hash, what its header told, its affine to
the last digit) is, so that a result that comes back gives the same record.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib import strict_json
from SarcopeniaAssessLib.assessment import Drawing, Question
from SarcopeniaAssessLib.errors import Finding, GeometryError, RecordError, SarcopeniaError, Severity
from SarcopeniaAssessLib.geometry import CanonicalAxes
from SarcopeniaAssessLib.level import Level, LevelMethod
from SarcopeniaAssessLib.level_choice import MeasuredLevel
from SarcopeniaAssessLib.measurement import Measurement
from SarcopeniaAssessLib.model_file import ModelEntry
from SarcopeniaAssessLib.packed_mask import pack_mask, unpack_mask
from SarcopeniaAssessLib.patient import InputFacts, PatientFacts, Sex
from SarcopeniaAssessLib.review import ReviewedResult
from SarcopeniaAssessLib.uncertainty import Doubt
from SarcopeniaAssessLib.volume import ArraySource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.volume import CtVolume

STATE = "sarcopenia-review/1"
_NEAR = 1e-3
"""mm: corners of one grid read by two programs lie nearer than this."""
_ELSEWHERE = "choose the CT that was assessed, or assess this one"


@dataclass(frozen=True)
class StoredModel:
    """The entry of a model that drew a mask earlier; it has no network."""

    entry: ModelEntry


def to_text(result: ReviewedResult, seen: CtVolume | None = None) -> str:
    """A result as one line of JSON in ASCII.

    Parameters
    ----------
    seen:
        Its CT as it will be given to `from_text`, where that is another reading of it than the question's: in
        another storage order, or with uneven slices on an even grid.
    """
    question, drawing = result.question, result.drawing
    volume = question.volume
    grid, origins = volume if seen is None else seen, volume.slice_origins_mm
    state = {
        "state": STATE,
        "case": question.case,
        "criteria": list(question.criteria),
        "dicom_sex": question.dicom_sex,
        "level": _level(question.level),
        "read_s": question.read_s,
        "ct": {
            "shape": list(volume.shape),
            "ras_from_ijk": volume.ras_from_ijk.tolist(),
            "slice_origins_mm": None if origins is None else origins.tolist(),
            "seen": {
                "shape": list(grid.canonical_shape),
                "ras_from_canonical": grid.ras_from_canonical.tolist(),
            },
            "slice_sha256": _slice_sha256(volume, question.level.slice_from_feet),
            "input": asdict(volume.input),
            "findings": [asdict(finding) for finding in volume.findings],
        },
        "patient": asdict(volume.patient),
        "drawing": {
            "mask": pack_mask(drawing.mask),
            "neighbours": [None if each is None else pack_mask(each) for each in drawing.neighbours],
            "model": None if drawing.model is None else drawing.model.entry.to_mapping(),
            "device": drawing.device,
            "sha256": drawing.sha256,
            "fragments_removed_cm2": drawing.fragments_removed_cm2,
            "timing_s": None if drawing.timing_s is None else dict(drawing.timing_s),
            "probability": None if drawing.probability is None else _packed_shares(drawing.probability),
            "doubt": None if drawing.doubt is None else asdict(drawing.doubt),
            "alternatives": [
                {
                    "level": _level(each.level),
                    "measurement": None if each.measurement is None else asdict(each.measurement),
                }
                for each in drawing.alternatives
            ],
        },
        "assessed": dict(result.assessed),
        "mask": pack_mask(result.mask),
        "decided": None if result.decided is None else dict(result.decided),
        "withdrawn": None if result.withdrawn is None else dict(result.withdrawn),
        "id": result.id,
    }
    return json.dumps(state, allow_nan=False, separators=(",", ":"))


def records_of(text: str) -> dict[str, Any]:
    """`assessed` and `decided` of a stored result, for when its CT is not there.

    Raises
    ------
    RecordError
        It is no stored result.
    """
    state = _parsed(text)
    return {"assessed": state["assessed"], "decided": state["decided"]}


def slice_of(text: str) -> int:
    """Slice from the feet of a stored result, without its CT; errors as `records_of`."""
    try:
        return int(_parsed(text)["level"]["slice_from_feet"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged() from error


def from_text(text: str, volume: CtVolume) -> ReviewedResult:
    """The result on its CT.

    Parameters
    ----------
    text:
        What `to_text` made.
    volume:
        The CT that it is of, whatever program has read it since.

    Raises
    ------
    RecordError
        It is no stored result, or it is damaged.
    GeometryError
        The CT is another one, lies elsewhere now, or has other voxels at the level.
    """
    state = _parsed(text)
    try:
        known = _known(state, volume)
        level = _read_level(state["level"])
        question = Question(
            volume=known,
            level=level,
            dicom_sex=None if state["dicom_sex"] is None else Sex(state["dicom_sex"]),
            criteria=tuple(state["criteria"]),
            case=state["case"],
            started=time.perf_counter(),
            read_s=float(state["read_s"]),
        )
        return ReviewedResult(
            question=question,
            drawing=_read_drawing(state["drawing"], known, level),
            assessed=state["assessed"],
            mask=unpack_mask(state["mask"]),
            decided=state["decided"],
            withdrawn=state["withdrawn"],
            id=state["id"],
        )
    except GeometryError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, SarcopeniaError) as error:
        raise _damaged() from error


def _parsed(text: str) -> dict[str, Any]:
    try:
        state = strict_json.parse(text)
    except (ValueError, TypeError) as error:
        raise _damaged() from error
    if not isinstance(state, dict) or state.get("state") != STATE:
        raise RecordError("A stored result is of another version of this program", "assess the CT again")
    if not isinstance(state.get("assessed"), dict) or not isinstance(state.get("decided"), dict | None):
        raise _damaged()
    return state


def _damaged() -> RecordError:
    return RecordError("A stored result is damaged", "assess the CT again")


def _known(state: Mapping[str, Any], volume: CtVolume) -> CtVolume:
    """The CT, with what was known of it at its assessment."""
    ct = state["ct"]
    shape = volume.canonical_shape
    if list(shape) != ct["seen"]["shape"]:
        raise GeometryError("The result is of a CT with other voxels", _ELSEWHERE)
    seen = np.array(ct["seen"]["ras_from_canonical"], dtype=np.float64)
    corners = np.array([[*(np.array(shape) * corner), 1] for corner in np.ndindex(2, 2, 2)]).T
    if np.abs((seen - volume.ras_from_canonical) @ corners).max() > _NEAR:
        raise GeometryError("The result is of a CT that lay elsewhere", _ELSEWHERE)
    if _slice_sha256(volume, state["level"]["slice_from_feet"]) != ct["slice_sha256"]:
        raise GeometryError("The result is of a CT with other values at its level", _ELSEWHERE)
    affine, origins = np.array(ct["ras_from_ijk"], dtype=np.float64), ct["slice_origins_mm"]
    axes = CanonicalAxes.of(affine)
    return replace(
        volume,
        source=volume.source if axes == volume.axes else ArraySource(volume.stored_as(axes)),
        ras_from_ijk=affine,
        slice_origins_mm=None if origins is None else np.array(origins, dtype=np.float64),
        input=InputFacts(**_only(InputFacts, ct["input"])),
        findings=tuple(
            Finding(each["code"], Severity(each["severity"]), each["message"]) for each in ct["findings"]
        ),
        patient=_read_patient(state["patient"]),
    )


def _slice_sha256(volume: CtVolume, k: int) -> str:
    """Of the HU of one slice, whatever type they are kept in."""
    hu = np.rint(volume.slab(k, k + 1)[:, :, 0]).astype("<i4")
    return hashlib.sha256(np.ascontiguousarray(hu).data).hexdigest()


def _read_patient(values: Mapping[str, Any]) -> PatientFacts:
    sex = values["sex"]
    return PatientFacts(**{**_only(PatientFacts, values), "sex": None if sex is None else Sex(sex)})


def _read_drawing(values: Mapping[str, Any], volume: CtVolume, level: Level) -> Drawing:
    k = level.slice_from_feet
    below, above = (None if each is None else unpack_mask(each) for each in values["neighbours"])
    model, doubt = values["model"], values["doubt"]
    return Drawing(
        mask=unpack_mask(values["mask"]),
        hu=volume.slab(k, k + 1)[:, :, 0],
        neighbours=(below, above),
        model=None if model is None else StoredModel(ModelEntry.from_mapping(model)),
        device=values["device"],
        sha256=values["sha256"],
        fragments_removed_cm2=float(values["fragments_removed_cm2"]),
        timing_s=values["timing_s"],
        probability=None if values["probability"] is None else _read_shares(values["probability"]),
        doubt=None if doubt is None else Doubt(**_only(Doubt, doubt)),
        alternatives=tuple(
            MeasuredLevel(
                _read_level(each["level"]),
                None
                if each["measurement"] is None
                else Measurement(**_only(Measurement, each["measurement"])),
            )
            for each in values["alternatives"]
        ),
    )


def _level(level: Level) -> dict[str, Any]:
    return {
        **{f.name: getattr(level, f.name) for f in fields(Level) if f.name != "alternatives"},
        "alternatives": [_level(each) for each in level.alternatives],
    }


def _read_level(values: Mapping[str, Any]) -> Level:
    return Level(
        **{
            **_only(Level, values),
            "method": LevelMethod(values["method"]),
            "alternatives": tuple(_read_level(each) for each in values["alternatives"]),
        }
    )


def _only(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a class of this version has fields for."""
    known = {f.name for f in fields(kind)}
    return {name: value for name, value in values.items() if name in known}


def _packed_shares(share: NDArray[np.float32]) -> dict[str, Any]:
    """Shares of 0…1 in steps of 1/255: enough for a picture, and all that they are kept for."""
    steps = np.rint(np.clip(share, 0.0, 1.0) * 255.0).astype(np.uint8)
    packed = base64.b64encode(zlib.compress(steps.tobytes(), 9)).decode("ascii")
    return {"shape": list(steps.shape), "steps": packed}


def _read_shares(packed: Mapping[str, Any]) -> NDArray[np.float32]:
    i, j = packed["shape"]
    try:
        content = zlib.decompress(base64.b64decode(packed["steps"], validate=True))
    except zlib.error as error:
        raise ValueError("steps") from error
    share: NDArray[np.float32] = np.frombuffer(content, np.uint8).reshape(i, j).astype(np.float32) / 255.0
    return share
