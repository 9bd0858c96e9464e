"""`run.json` and `splits.json` of a folder of classifier runs: written once, compared whenever it goes on.

Which networks, schemes and sets are wanted may change from call to call; what a run is made of may not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.checkpoints import provenance
from SarcopeniaTraining.classification.classifier_run import (
    RUN_FILE,
    SCHEMA,
    SPLITS_FILE,
    as_json,
    read_facts,
)
from SarcopeniaTraining.classification.classify_preset import PLANNED
from SarcopeniaTraining.presets import WORDS, preset_difference
from SarcopeniaTraining.splits import read_splits, write_splits

if TYPE_CHECKING:
    from SarcopeniaTraining.splits import Splits

_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "sarcopenia-assess")
_FREE = {"name", *WORDS, *PLANNED}
_OTHER = "give another --out, or what this one was started with"


def claim(folder: Path, facts: Mapping[str, Any], splits: Splits) -> str:
    """Make the folder this experiment's, or make sure that it is; add what is newly planned.

    Parameters
    ----------
    facts:
        Those of `run.json` but for schema and software: preset, cohort, start, images, seed, leak, planned.

    Returns
    -------
    str
        SHA-256 of what every later call must share, for the journals.

    Raises
    ------
    OutputError
        The folder holds another experiment, or cannot be written to.
    """
    path = folder / RUN_FILE
    if path.is_file():
        held = read_facts(folder)
        _compare(folder, held, facts, splits)
        merged = {
            **held,
            "start": {**held["start"], **facts["start"]},
            "planned": _union(held["planned"], facts["planned"]),
        }
        if merged != held:
            write_whole(path, as_json(merged))
    else:
        write_splits(splits, folder / SPLITS_FILE)
        write_whole(path, as_json({"schema": SCHEMA, **facts, "software": provenance(_PACKAGES)}))
    return identity(facts, splits)


def identity(facts: Mapping[str, Any], splits: Splits) -> str:
    """SHA-256 of what a run is made of, whichever others are planned and whatever the preset is called."""
    held_fast = {**_held_fast(facts), "folds": [fold.parts for fold in splits.folds]}
    return hashlib.sha256(json.dumps(held_fast, sort_keys=True).encode()).hexdigest()


def _held_fast(facts: Mapping[str, Any]) -> dict[str, Any]:
    preset = {key: value for key, value in facts["preset"].items() if key not in _FREE}
    kinds = sorted({"random" if start == "random" else "radimagenet" for start in facts["start"].values()})
    return {
        "preset": preset,
        "cohort": facts["cohort"]["digest"],
        "start": kinds,
        "images": facts["images"],
        "leak": facts["leak"],
    }


def _compare(folder: Path, held: Mapping[str, Any], facts: Mapping[str, Any], splits: Splits) -> None:
    mine, theirs = _held_fast(facts), _held_fast(held)
    other = preset_difference(mine["preset"], theirs["preset"])
    other += [key for key in ("cohort", "images", "leak") if mine[key] != theirs[key]]
    shared = held["start"].keys() & facts["start"].keys()
    if mine["start"] != theirs["start"] or any(held["start"][n] != facts["start"][n] for n in shared):
        other.append("start (--weights)")
    if read_splits(folder / SPLITS_FILE).folds != splits.folds:
        other.append("splits")
    if other:
        raise OutputError(
            f"the folder holds other classifier runs (they differ in {', '.join(other)})", _OTHER
        )


def _union(held: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, list[int]]:
    return {name: sorted({*held.get(name, ()), *more.get(name, ())}) for name in {**held, **more}}
