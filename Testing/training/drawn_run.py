"""A finished run over folds for the tests: real phantoms, coarse, and bundled models as its checkpoints."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

import numpy as np

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.models import default_model_name, load_model, save_model
from SarcopeniaTraining.cohort import Cohort, read_cohort
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid, phantom
from SarcopeniaTraining.phantom.nifti_files import write_nifti
from SarcopeniaTraining.splits import Fold, Splits, write_splits

DEFAULT = default_model_name()

FIRST_SEED = 2_500_001
PEOPLE = (  # sex, muscularity, storage axes, (columns, rows, slices), spacing in mm, turn in degrees
    ("male", 1.1, "RAS", (214, 176, 3), (1.9, 2.0, 5.0), (0, 0, 0)),
    ("female", 1.1, "LPS", (230, 150, 4), (1.8, 2.2, 4.0), (0, 0, 6)),
    ("male", 0.5, "LAS", (190, 190, 3), (2.1, 1.8, 3.0), (5, 0, 0)),
    ("female", 0.5, "RPS", (220, 168, 5), (1.7, 2.1, 5.0), (0, 4, 0)),
)
"""Case D1 … D4; the two of little muscle are sarcopenic."""


def draw_cohort(folder: Path) -> Cohort:
    """Four CTs with their masks and a manifest."""
    rows = []
    for number, (sex, muscularity, axes, shape, spacing_mm, turn) in enumerate(PEOPLE, start=1):
        person = Person.random(FIRST_SEED + number, sex=sex, muscularity=muscularity)
        grid = Grid.oblique(shape, spacing_mm, rotation_deg=turn, axes=axes)
        drawn = phantom(person, grid)
        (folder / f"D{number}").mkdir(parents=True)
        write_nifti(folder / f"D{number}" / "ct.nii.gz", drawn.hu, grid.ras_from_ijk)
        write_nifti(folder / f"D{number}" / "muscle.nii.gz", drawn.muscle, grid.ras_from_ijk)
        rows.append(
            {
                "case": f"D{number}",
                "ct": f"D{number}/ct.nii.gz",
                "muscle": f"D{number}/muscle.nii.gz",
                "sex": sex,
                "l3_slice_from_feet": 1,
            }
        )
    with (folder / "manifest.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return read_cohort(folder)


@dataclass(frozen=True)
class Checkpoint:
    """A kept epoch: which bundled model it is, and its Dice on validation."""

    epoch: int
    model: str
    validation_dice: float


FOLDS = (
    ((Checkpoint(30, "smit-slab", 0.90), Checkpoint(60, DEFAULT, 0.93)), ("D1", "D4")),
    ((Checkpoint(30, "smit-slab", 0.95), Checkpoint(60, DEFAULT, 0.94)), ("D1", "D3")),
)
"""Checkpoints and test patients of fold 1 and 2; fold 2 is the best, by its SMIT."""


def draw_run(folder: Path, cohort: Cohort, folds=FOLDS, train_patients: int | None = None) -> Path:
    """A run's folder as `sarcopenia finetune COHORT` leaves it; a third fold is not finished."""
    folder.mkdir(parents=True)
    everyone = [case.case for case in cohort.cases]
    parts = []
    for number, (checkpoints, test) in enumerate((*folds, ((), ("D2",))), start=1):
        rest = [case for case in everyone if case not in test]
        parts.append(Fold(number, tuple(rest[1:]), (rest[0],), test))
        if checkpoints:
            _fold(folder / f"fold-{number:02d}", checkpoints)
    write_splits(Splits(tuple(parts), 1, cohort.digest, stratified=False), folder / "splits.json")
    run = {
        "schema": "sarcopenia-run/1",
        "preset": {"name": "drawn"},
        "cohort": {"name": cohort.path.parent.name, "digest": cohort.digest},
        "train_patients": train_patients,
        "folds": [fold.number for fold in parts],
    }
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def _fold(folder: Path, checkpoints: tuple[Checkpoint, ...]) -> None:
    folder.mkdir()
    log, validation = [], {}
    for kept in checkpoints:
        copyfile(resource_path(f"{kept.model}.safetensors"), folder / f"epoch-{kept.epoch:03d}.safetensors")
        validation[f"epoch-{kept.epoch:03d}"] = {"dice": kept.validation_dice}
        log += [{"epoch": kept.epoch - 29, "loss": 1.0}, {"epoch": kept.epoch, "loss": 20 / kept.epoch}]
        log.append({"epoch": kept.epoch, "validation_dice": kept.validation_dice})
    best = max(validation, key=lambda name: validation[name]["dice"])
    copyfile(folder / f"{best}.safetensors", folder / "best.safetensors")
    (folder / "validation.json").write_text(json.dumps({**validation, "best": best}))
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log) + '{"epoch": 7, "lo')


def change_model(path: Path) -> None:
    """Another model in the same file: one weight differs by a hair."""
    model = load_model(path)
    weight = next(tensor for tensor in model.network.state_dict().values() if tensor.is_floating_point())
    weight.view(-1)[0] += np.float32(1e-3)
    save_model(path, model.network, model.entry)
