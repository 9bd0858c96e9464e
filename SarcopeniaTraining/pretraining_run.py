"""A pre-training on a cohort, in its own folder: cache, training, and the encoder that is left."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.checkpoints import provenance
from SarcopeniaTraining.cohort import Cohort
from SarcopeniaTraining.encoders import save_encoder
from SarcopeniaTraining.machine import use_machine
from SarcopeniaTraining.presets import preset_difference
from SarcopeniaTraining.pretraining import Pretraining, Surroundings, train
from SarcopeniaTraining.pretraining_preset import PretrainPreset
from SarcopeniaTraining.progress import TrainingProgress
from SarcopeniaTraining.schedule import Schedule
from SarcopeniaTraining.unlabelled_volumes import VolumeCache, cached_volumes
from SarcopeniaTraining.views import Views

SCHEMA, RUN, ENCODER = "sarcopenia-pretraining/1", "run.json", "encoder.safetensors"


@dataclass(frozen=True)
class PretrainingPlan:
    """What is to be trained.

    Attributes
    ----------
    cache:
        Where volumes are kept.
    jobs, threads:
        CTs read at the same time; threads of the network, 0: torch's choice.
    """

    preset: PretrainPreset
    cohort: Cohort
    out: Path
    cache: Path
    device: str = "cpu"
    jobs: int = 1
    threads: int = 0


def pretrain(plan: PretrainingPlan) -> tuple[Pretraining, Path, str]:
    """Train to the end, going on where the folder's training was stopped.

    Returns
    -------
    tuple[Pretraining, Path, str]
        The training, the encoder's file and its SHA-256.

    Raises
    ------
    SarcopeniaError
        CTs that cannot be read, a folder of another training, a training that diverged or collapsed.
    """
    use_machine(plan.threads)
    plan.out.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(plan.out)
    try:
        _claim(plan)
        views = Views(_volumes(plan), plan.preset)
        training = Pretraining.start(plan.preset, plan.device)
        steps = Schedule.of(plan.preset, len(views)).steps
        with TrainingProgress("pre-training", steps) as progress:
            around = Surroundings(plan.out, progress.tell, progress.advance)
            train(training, views, around)
        path = plan.out / ENCODER
        digest = save_encoder(
            path, training.student.branch.encoder, plan.preset.config, _facts(plan, training)
        )
        return training, path, digest
    finally:
        lock.release()


def _volumes(plan: PretrainingPlan) -> list[Path]:
    cache = VolumeCache(plan.cache, plan.preset.slab(plan.preset.region[2]))
    started = time.monotonic()
    with TrainingProgress("reading CTs", len(plan.cohort.cases)) as progress:
        volumes = cached_volumes(
            plan.cohort.cases, cache, jobs=plan.jobs, tell=progress.tell, advance=progress.advance
        )
        progress.tell(f"{len(volumes)} CTs ready in {time.monotonic() - started:.0f} s")
    return volumes


def _facts(plan: PretrainingPlan, training: Pretraining) -> dict[str, Any]:
    return {
        "preset": plan.preset.to_mapping(),
        "seed": plan.preset.seed,
        "steps": training.step,
        "cohort_digest": plan.cohort.digest,
        "cases": len(plan.cohort.cases),
        "provenance": provenance(),
    }


def _claim(plan: PretrainingPlan) -> None:
    """Make the folder this plan's, or make sure that it is."""
    path = plan.out / RUN
    mine = plan.preset.to_mapping()
    if not path.is_file():
        folder = plan.cohort.path.resolve().parent.name
        identity = {
            "schema": SCHEMA,
            "preset": mine,
            "cohort": {"name": folder, "digest": plan.cohort.digest},
            "provenance": provenance(),
        }
        write_whole(path, (json.dumps(identity, indent=1, ensure_ascii=False) + "\n").encode())
        return
    held = _read(path)
    other = preset_difference(mine, held["preset"])
    other += ["cohort"] if held["cohort"]["digest"] != plan.cohort.digest else []
    if other:
        raise OutputError(
            f"the folder holds another pre-training (it differs in {', '.join(other)})",
            "give another --out, or what this one was started with",
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        held: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if held["schema"] == SCHEMA:
            return held
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise OutputError("the folder holds a run of another kind", "give another --out")
