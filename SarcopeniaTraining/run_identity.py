"""`run.json` and `splits.json` of a run over folds: written once, compared whenever the run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaAssessLib.model_file import file_sha256, write_whole
from SarcopeniaTraining.checkpoints import provenance
from SarcopeniaTraining.presets import preset_difference
from SarcopeniaTraining.splits import read_splits, write_splits

if TYPE_CHECKING:
    from SarcopeniaTraining.folds import FoldsPlan

SCHEMA, RUN, SPLITS = "sarcopenia-run/1", "run.json", "splits.json"


def claim_run(plan: FoldsPlan, tell: Callable[[str], None]) -> None:
    """Make the folder this plan's, or make sure that it is.

    Raises
    ------
    OutputError
        It holds a training of another preset, cohort, splits, encoder or number of patients.
    """
    path = plan.out / RUN
    if path.is_file():
        held = _read(path)
        _compare(plan, held)
        folds = sorted({*held["folds"], *plan.numbers})
        if folds != held["folds"]:
            write_whole(path, _json({**held, "folds": folds}))
        return
    encoder = _encoder(plan)
    if encoder is not None:
        report = encoder["report"]
        tell(
            f"encoder {encoder['source']}: {len(report['matched'])} tensors matched, "
            f"{len(report['fresh'])} of the network left fresh, {len(report['unused'])} of the file unused"
        )
        if encoder["warning"]:
            tell(f"WARNING: {encoder['warning']}")
    write_splits(plan.splits, plan.out / SPLITS)
    identity = {
        "schema": SCHEMA,
        "preset": plan.preset.to_mapping(),
        "cohort": _cohort(plan),
        "provenance": provenance(),
        "encoder": encoder,
        "train_patients": plan.train_patients,
        "folds": sorted(plan.numbers),
    }
    write_whole(path, _json(identity))


def _encoder(plan: FoldsPlan) -> dict[str, Any] | None:
    """What becomes of the encoder's file in the preset's network."""
    if plan.encoder is None:
        return None
    if plan.preset.network["kind"] != "smit":
        raise ModelError(
            f"preset {plan.preset.name} is no SMIT and has no such encoder", "leave --encoder out"
        )
    from SarcopeniaTraining.encoders import other_order, take_encoder
    from SarcopeniaTraining.networks import slice_network

    network: Any = slice_network(plan.preset.network)
    report = take_encoder(network, plan.encoder)
    return {
        "source": plan.encoder.name,
        "sha256": file_sha256(plan.encoder),
        "warning": other_order(network, plan.encoder),
        "report": {name: list(getattr(report, name)) for name in ("matched", "fresh", "unused")},
    }


def _compare(plan: FoldsPlan, held: Mapping[str, Any]) -> None:
    other = preset_difference(plan.preset.to_mapping(), held["preset"])
    encoder = None if plan.encoder is None else file_sha256(plan.encoder)
    held_encoder = held["encoder"] and held["encoder"]["sha256"]
    different = {
        "cohort": held["cohort"]["digest"] != plan.cohort.digest,
        "splits": read_splits(plan.out / SPLITS) != plan.splits,
        "encoder": encoder != held_encoder,
        "train_patients": held["train_patients"] != plan.train_patients,
    }
    other += [name for name, differs in different.items() if differs]
    if other:
        raise OutputError(
            f"the folder holds another training (it differs in {', '.join(other)})",
            "give another --out, or what this one was started with",
        )


def _read(path: Path) -> dict[str, Any]:
    wanted = {"schema", "preset", "cohort", "encoder", "train_patients", "folds"}
    try:
        held = json.loads(path.read_text("utf-8"))
    except ValueError:
        held = None
    if not isinstance(held, dict) or not wanted <= set(held) or held["schema"] != SCHEMA:
        raise OutputError(f"{path.name} in the folder is damaged or of another kind", "give another --out")
    return held


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def _cohort(plan: FoldsPlan) -> dict[str, str]:
    """Name, digest, and the way to it: as it was given if that is relative, and as seen from the run."""
    path = plan.cohort.path
    way = {} if path.is_absolute() else {"path": path.as_posix()}
    with suppress(ValueError):  # another drive: --cohort says where it is
        way["from_run"] = Path(os.path.relpath(path.resolve(), plan.out.resolve())).as_posix()
    return {"name": _name(path), **way, "digest": plan.cohort.digest}


def _name(path: Path) -> str:
    resolved = path.resolve()
    return resolved.name if resolved.is_dir() else resolved.parent.name
