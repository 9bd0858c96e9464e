"""Weights of the run of each network that did best on validation so far, and which run that is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.model_file import file_sha256, write_whole
from SarcopeniaAssessLib.output_lock import lock_file
from SarcopeniaTraining.classification.classifier_run import RUNS, as_json, selection_key

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_run import RunRecord

WEIGHTS = "weights"
CANDIDATE = "candidate-"
"""Before the name of weights that are being written; what a kill left of them is nobody's."""
_LOCK_WAIT_S = 600.0


def weights_path(folder: Path, network: str) -> Path:
    """Where the best weights of a network are kept."""
    return folder / WEIGHTS / f"{network}.safetensors"


def read_best(folder: Path, network: str) -> dict[str, Any] | None:
    """Which run the kept weights of a network are of; `None`: there are none.

    While the weights are replaced the file names both runs; the weights' checksum tells which they are of.
    """
    path = weights_path(folder, network)
    try:
        held = json.loads(path.with_suffix(".json").read_text("utf-8"))
        known = [each for each in (held, held.get("before")) if each is not None]
        digest = file_sha256(path) if path.is_file() else None
        return next((each for each in known if each["sha256"] == digest), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def clear_half_written(folder: Path) -> None:
    """Remove what a kill left; only where no other process writes."""
    for place in (folder, folder / WEIGHTS, folder / RUNS):
        for path in (*place.glob(f"{CANDIDATE}*"), *place.glob(".writing-*")):  # the second: of `write_whole`
            path.unlink(missing_ok=True)


def keep_best(folder: Path, model: Any, record: RunRecord) -> bool:
    """Keep a run's weights where it did better on validation than the run whose weights are kept.

    Several processes may ask at a time. A kill at any moment leaves the weights of either run, and its name.

    Returns
    -------
    bool
        Whether they are kept.

    Raises
    ------
    OutputError
        There is no room, or another process writes for too long.
    """
    path = weights_path(folder, record.network)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock_file(path.with_name(f".{record.network}.lock"), _LOCK_WAIT_S):
            held = read_best(folder, record.network)
            if held is not None and not record.selection_key < _key_of(held):
                return False
            _replace(path, model, record, held)
            return True
    except OSError as error:
        raise OutputError(
            f"{path.name} cannot be written ({error.strerror})",
            "make room, then repeat the command: it goes on",
        ) from None


def _replace(path: Path, model: Any, record: RunRecord, held: Mapping[str, Any] | None) -> None:
    from SarcopeniaTraining.classification.networks import save_weights

    told = path.with_suffix(".json")
    candidate = path.with_name(f"{CANDIDATE}{path.name}")
    now = {
        "network": record.network,
        "scheme": record.scheme,
        "set": record.set,
        "seed": record.seed,
        "validation_auc": record.validation_auc,
        "validation_loss": record.validation_loss,
        "sha256": save_weights(model, candidate),
    }
    before = None if held is None else {key: held[key] for key in now}
    write_whole(told, as_json({**now, "before": before}))
    candidate.replace(path)
    write_whole(told, as_json(now))  # as an undisturbed run leaves it, whatever was kept before


def _key_of(held: Mapping[str, Any]) -> tuple[float, float, int, int]:
    return selection_key(held["validation_auc"], held["validation_loss"], held["scheme"], held["set"])
