"""The folder that `sarcopenia finetune COHORT --out RUN` leaves, as the evaluation reads it.

docs/evaluation.md lists its files. Nothing is written here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import InputError, ModelError
from SarcopeniaTraining.cohort import Cohort, read_cohort
from SarcopeniaTraining.splits import Fold, read_splits

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_FILE, SPLITS_FILE, VALIDATION_FILE = "run.json", "splits.json", "validation.json"
LOG_FILE = "log.jsonl"
SCHEMA = "sarcopenia-run/1"
BEST = "best"
"""Name of the checkpoint that was chosen on validation: `best.safetensors`."""
_UNFINISHED_REMEDY = "give the same `sarcopenia finetune` command again: it goes on"


@dataclass(frozen=True)
class FoldRun:
    """One fold whose training is finished.

    Attributes
    ----------
    fold:
        Number and patients of its three parts.
    folder:
        `RUN/fold-NN`.
    best_epoch:
        Name of the kept checkpoint (`epoch-090`) that did best on validation.
    validation_dice:
        Of that checkpoint.
    """

    fold: Fold
    folder: Path
    best_epoch: str
    validation_dice: float

    @property
    def number(self) -> int:
        """Number of the fold, from 1."""
        return self.fold.number

    def model_file(self, checkpoint: str = BEST) -> Path:
        """Weights of a checkpoint."""
        return self.folder / f"{checkpoint}.safetensors"

    def checkpoints(self) -> tuple[str, ...]:
        """Names of the kept checkpoints, oldest first, without `best`."""
        return tuple(sorted(path.stem for path in self.folder.glob("epoch-*.safetensors")))

    def log(self) -> Iterator[Mapping[str, Any]]:
        """Lines of the training's log; a line that a kill cut off is passed over."""
        path = self.folder / LOG_FILE
        for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict):
                yield values


@dataclass(frozen=True)
class Run:
    """A training over folds.

    Attributes
    ----------
    facts:
        What `run.json` says.
    folds:
        Those that are finished, by number; at least one.
    unfinished:
        Numbers of the folds that the splits name and that are not finished.
    """

    folder: Path
    facts: Mapping[str, Any]
    folds: tuple[FoldRun, ...]
    unfinished: tuple[int, ...]

    @property
    def name(self) -> str:
        """What tables and figures call it: the folder's name."""
        return self.folder.resolve().name

    @property
    def preset(self) -> str:
        """Name of the preset."""
        return str(self.facts.get("preset", {}).get("name", "?"))

    @property
    def train_patients(self) -> int:
        """How many patients each fold was trained on."""
        given = self.facts.get("train_patients")
        return len(self.folds[0].fold.train) if given is None else int(given)

    @property
    def best(self) -> FoldRun:
        """The fold whose best checkpoint did best on validation; of equals, the first."""
        return max(self.folds, key=lambda run: (run.validation_dice, -run.number))


def is_fold_run(folder: Path) -> bool:
    """Whether a folder is one of folds over a cohort, and not a training on drawn slabs."""
    return folder.is_dir() and (any(folder.glob("fold-*")) or (folder / SPLITS_FILE).is_file())


def read_run(folder: Path) -> Run:
    """Read a run.

    Raises
    ------
    InputError
        It is no run, or of another version.
    ModelError
        No fold is finished; a fold's validation cannot be read.
    """
    facts = _json(folder / RUN_FILE)
    if facts.get("schema") != SCHEMA:
        raise InputError(
            f"{RUN_FILE} says schema {facts.get('schema')!r}, not {SCHEMA!r}",
            "give the --out folder of `sarcopenia finetune COHORT`",
        )
    splits = read_splits(folder / SPLITS_FILE)
    finished = [run for fold in splits.folds if (run := _fold_run(folder, fold)) is not None]
    if not finished:
        raise ModelError("no fold of this run is finished", _UNFINISHED_REMEDY)
    numbers = {run.number for run in finished}
    missing = tuple(fold.number for fold in splits.folds if fold.number not in numbers)
    return Run(folder, facts, tuple(sorted(finished, key=lambda run: run.number)), missing)


def find_cohort(run: Run, given: Path | None) -> Cohort:
    """The cohort that a run was trained on: at the path given, else found by what the run says of it.

    It is looked for at the relative path that the training was given, seen from the working directory,
    then where it lay as seen from the run, then by its name near the run and here.

    Raises
    ------
    InputError
        It is not found, or another one is.
    """
    facts = run.facts.get("cohort") or {}
    typed = str(facts.get("path") or "")
    name = str(facts.get("name") or typed)
    here = run.folder.resolve()
    near = [Path.cwd() / typed] if typed else []
    near += [here / str(facts["from_run"])] if facts.get("from_run") else []
    near += [base / name for base in (here.parent, here.parent.parent, Path.cwd())] if name else []
    place = given or next((path for path in near if path.exists()), None)
    if place is None:
        raise InputError(f"the cohort {name!r} of this run is not found", "say where it lies: --cohort PATH")
    cohort = read_cohort(place)
    if facts.get("digest") not in (None, cohort.digest):
        raise InputError(
            f"{place.name} is not the cohort that this run was trained on (its manifest differs)",
            "give that one: --cohort PATH",
        )
    return cohort


def _fold_run(folder: Path, fold: Fold) -> FoldRun | None:
    place = folder / f"fold-{fold.number:02d}"
    if not (place / VALIDATION_FILE).is_file() or not (place / f"{BEST}.safetensors").is_file():
        return None
    values = _json(place / VALIDATION_FILE)
    if BEST not in values:
        return None  # killed between the last score and the choice
    best = str(values[BEST])
    try:
        dice = float(values[best]["dice"])
    except (KeyError, TypeError, ValueError):
        raise ModelError(
            f"{VALIDATION_FILE} of fold {fold.number} has no Dice of its best checkpoint", _UNFINISHED_REMEDY
        ) from None
    return FoldRun(fold, place, best, dice)


def _json(path: Path) -> dict[str, Any]:
    remedy = "give the --out folder of `sarcopenia finetune COHORT`"
    try:
        values = json.loads(path.read_text("utf-8"))
    except OSError:
        raise InputError(f"the folder has no {path.name}", remedy) from None
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise InputError(f"{path.name} is damaged", remedy)
    return values
