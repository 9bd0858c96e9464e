"""Requests to a worker and its answers, there and back: what JSON can say of them, arrays in files.

Numbers are exact, for JSON writes a float with all the digits that it has. A question crosses without its
patient: drawing needs voxels, geometry, level and, for the index of an alternative level, the height.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from SarcopeniaAssessLib.assessment import Drawing, Question
from SarcopeniaAssessLib.level import Level, LevelMethod
from SarcopeniaAssessLib.level_choice import MeasuredLevel
from SarcopeniaAssessLib.measurement import Measurement
from SarcopeniaAssessLib.models import ModelEntry
from SarcopeniaAssessLib.patient import InputFacts, PatientFacts
from SarcopeniaAssessLib.uncertainty import Doubt
from SarcopeniaAssessLib.volume import ArraySource, CtVolume
from SarcopeniaAssessLib.worker_files import mapped_array

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, eq=False)
class DrawRequest:
    """Draw the muscle on a question's slice.

    Parameters
    ----------
    question:
        As `assessment.ask` makes it.
    model, device:
        A registered name, a file, or `None` for the default; `auto`, `cpu`, `cuda[:N]` or `mps`.
    untiled:
        Show the network the whole plane at once (`models.untiled`).
    """

    question: Question
    model: str | Path | None = None
    device: str = "auto"
    untiled: bool = False


@dataclass(frozen=True, eq=False)
class LevelRequest:
    """Find L3 in a CT by itself."""

    volume: CtVolume


@dataclass(frozen=True)
class HelloRequest:
    """Ask what the worker is: versions and devices."""


Request = DrawRequest | LevelRequest | HelloRequest


@dataclass(frozen=True)
class RemoteModel:
    """The model that drew in another process: what a record says of it, without its network."""

    entry: ModelEntry


def volume_to_wire(volume: CtVolume, hu: Path) -> dict[str, Any]:
    """A CT whose voxels lie in a file; of its patient the height alone, which the index needs."""
    origins = volume.slice_origins_mm
    return {
        "hu": str(hu),
        "ras_from_ijk": volume.ras_from_ijk.tolist(),
        "slice_origins_mm": None if origins is None else origins.tolist(),
        "height_m": volume.patient.height_m,
    }


def volume_from_wire(wire: Mapping[str, Any]) -> CtVolume:
    """The CT, its voxels mapped.

    Raises
    ------
    OSError
        The file is not there, or cannot be mapped.
    """
    origins = wire["slice_origins_mm"]
    return CtVolume(
        ArraySource(mapped_array(Path(wire["hu"]))),
        np.array(wire["ras_from_ijk"], np.float64),
        PatientFacts(height_m=wire["height_m"]),
        InputFacts("memory", ""),
        slice_origins_mm=None if origins is None else np.array(origins, np.float64),
    )


def level_to_wire(level: Level) -> dict[str, Any]:
    """A level with its alternatives."""
    return {**asdict(level), "alternatives": [level_to_wire(each) for each in level.alternatives]}


def level_from_wire(wire: Mapping[str, Any]) -> Level:
    """A level with its alternatives."""
    alternatives = tuple(level_from_wire(each) for each in wire["alternatives"])
    return Level(**{**wire, "method": LevelMethod(wire["method"]), "alternatives": alternatives})


def request_to_wire(request: Request, hu: Path | None, answer: Path) -> dict[str, Any]:
    """A request; `hu` holds the CT's voxels, arrays of the answer will lie in `answer`."""
    if isinstance(request, HelloRequest):
        return {"do": "hello"}
    assert hu is not None
    if isinstance(request, LevelRequest):
        return {"do": "find_level", "volume": volume_to_wire(request.volume, hu)}
    model = request.model
    return {
        "do": "draw",
        "volume": volume_to_wire(request.question.volume, hu),
        "level": level_to_wire(request.question.level),
        "model": str(model.absolute()) if isinstance(model, Path) else model,
        "model_is_file": isinstance(model, Path),
        "device": request.device,
        "untiled": request.untiled,
        "answer": str(answer),
    }


def request_from_wire(wire: Mapping[str, Any]) -> Request:
    """A request as the worker sees it: its question knows no more than drawing needs."""
    if wire["do"] == "hello":
        return HelloRequest()
    if wire["do"] == "find_level":
        return LevelRequest(volume_from_wire(wire["volume"]))
    if wire["do"] != "draw":
        raise ValueError(f"unknown request {wire['do']!r}")
    question = Question(
        volume=volume_from_wire(wire["volume"]),
        level=level_from_wire(wire["level"]),
        dicom_sex=None,
        criteria=(),
        case="ct",
        started=0.0,
        read_s=0.0,
    )
    model = Path(wire["model"]) if wire["model_is_file"] else wire["model"]
    return DrawRequest(question, model, wire["device"], wire["untiled"])


def drawing_to_wire(drawing: Drawing, answer: Path) -> dict[str, Any]:
    """A drawing of a model; its arrays are written to `answer`, its HU are the asker's own.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    assert drawing.model is not None
    assert drawing.probability is not None
    arrays: dict[str, Any] = {"mask": drawing.mask, "probability": drawing.probability}
    arrays |= {
        name: mask
        for name, mask in zip(("below", "above"), drawing.neighbours, strict=True)
        if mask is not None
    }
    with answer.open("wb") as file:
        np.savez(file, **arrays)
    return {
        "arrays": str(answer),
        "entry": drawing.model.entry.to_mapping(),
        "device": drawing.device,
        "fragments_removed_cm2": float(drawing.fragments_removed_cm2),
        "timing_s": dict(drawing.timing_s or {}),
        "doubt": None if drawing.doubt is None else asdict(drawing.doubt),
        "alternatives": [
            None if each.measurement is None else asdict(each.measurement) for each in drawing.alternatives
        ],
    }


def drawing_from_wire(wire: Mapping[str, Any], question: Question) -> Drawing:
    """The drawing of a question, as `assessment.draw` would have made it here.

    Raises
    ------
    OSError, ValueError, KeyError
        The arrays are not there or not whole.
    """
    try:
        with np.load(Path(wire["arrays"]), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (BadZipFile, EOFError) as error:
        raise ValueError("the arrays are not whole") from error
    k = question.level.slice_from_feet
    alternatives = zip(question.level.alternatives, wire["alternatives"], strict=True)
    return Drawing(
        mask=arrays["mask"],
        hu=question.volume.slab(k, k + 1)[:, :, 0],
        neighbours=(arrays.get("below"), arrays.get("above")),
        model=RemoteModel(ModelEntry.from_mapping(wire["entry"])),
        device=wire["device"],
        fragments_removed_cm2=wire["fragments_removed_cm2"],
        timing_s=wire["timing_s"],
        probability=arrays["probability"],
        doubt=None if wire["doubt"] is None else Doubt(**wire["doubt"]),
        alternatives=tuple(
            MeasuredLevel(level, None if measured is None else Measurement(**measured))
            for level, measured in alternatives
        ),
    )


def without_network(drawing: Drawing) -> Drawing:
    """A drawing that keeps of its model the entry alone, so that the network can be freed."""
    assert drawing.model is not None
    return replace(drawing, model=RemoteModel(drawing.model.entry))
