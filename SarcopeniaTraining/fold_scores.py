"""Every test patient of every fold, scored once and kept in `RUN/evaluation/scores.json`.

The file grows by whole patients and is written by one rename: a killed evaluation goes on. A model or
a truth whose bytes have changed is scored again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import InputError, OutputError, SarcopeniaError
from SarcopeniaAssessLib.model_file import file_sha256, write_whole
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.machine import as_done, one_thread
from SarcopeniaTraining.patient_scores import DamagedModelError, ModelToScore, PatientScore, score_patient
from SarcopeniaTraining.run_folder import BEST, Run

if TYPE_CHECKING:
    from SarcopeniaTraining.cohort import Cohort, CohortCase

EVALUATION, SCORES = "evaluation", "scores.json"
SCHEMA = "sarcopenia-fold-scores/1"
_ANEW = "remove it and evaluate again: every patient is then scored anew"


@dataclass(frozen=True)
class Scoring:
    """How a run is scored.

    Attributes
    ----------
    device:
        As `segmentation.choose_device` names it.
    jobs:
        Processes that score, a patient at a time, one thread each.
    all_checkpoints:
        Score every kept epoch on the test patients too, to show what choosing on them would give.
    """

    device: str = "cpu"
    jobs: int = 1
    all_checkpoints: bool = False


@dataclass(frozen=True)
class PatientWork:
    """One patient and the models that read him or her."""

    case: CohortCase
    models: tuple[ModelToScore, ...]
    mask_sha256: str


class ScoreFile:
    """The scores of a run on disk.

    Raises
    ------
    OutputError
        The file is damaged, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scores = {_key(score): score for score in _read(path)}

    def get(self, case: str, model: ModelToScore, mask_sha256: str) -> PatientScore | None:
        """The score of these very bytes, if it is known."""
        score = self._scores.get((model.fold, model.checkpoint, case))
        if score is None or (score.model_sha256, score.mask_sha256) != (model.sha256, mask_sha256):
            return None
        return score

    def has_older(self, case: str, model: ModelToScore) -> bool:
        """Whether there is a score of that fold, checkpoint and patient, from whatever bytes."""
        return (model.fold, model.checkpoint, case) in self._scores

    def add(self, scores: Iterable[PatientScore]) -> None:
        """Take a patient's scores and write the file anew, by one rename.

        Raises
        ------
        OutputError
            The folder is full or not writable; the file stays as it was.
        """
        self._scores |= {_key(score): score for score in scores}
        ordered = [self._scores[key].to_mapping() for key in sorted(self._scores)]
        text = json.dumps({"schema": SCHEMA, "scores": ordered}, indent=1)
        write_whole(self._path, text.encode())


def score_run(
    run: Run,
    cohort: Cohort,
    scoring: Scoring | None = None,
    tell: Callable[[str], None] = lambda _: None,
    advance: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[PatientScore]:
    """Score what is not scored yet, and return every score wanted, by fold, checkpoint and patient.

    Parameters
    ----------
    tell:
        Told in a sentence what is scored again, and why.
    advance:
        Called with patients done and patients to do.

    Raises
    ------
    SarcopeniaError
        A model or a patient's files that cannot be read (the patient named), or a full disk.
    """
    scoring = scoring or Scoring()
    folder = run.folder / EVALUATION
    _make(folder)
    lock = FolderLock(folder)
    try:
        known = ScoreFile(folder / SCORES)
        wanted = list(_wanted(run, cohort, scoring))
        missing = [left for work in wanted if (left := _unscored(work, known)).models]
        again = sum(known.has_older(work.case.case, model) for work in missing for model in work.models)
        if again:
            tell(f"{again} scores are of other models or truths than those there now: scored again")
        done, failed = 0, list[tuple[str, str]]()
        for outcome in as_done(partial(_score, device=scoring.device), missing, scoring.jobs, one_thread):
            if isinstance(outcome, tuple):
                failed.append(outcome)  # the others are scored and kept all the same
                continue
            known.add(outcome)
            done += 1
            advance(done, len(missing))
        if failed:
            raise InputError(*min(failed))
    finally:
        lock.release()
    found = [known.get(work.case.case, model, work.mask_sha256) for work in wanted for model in work.models]
    return sorted((score for score in found if score is not None), key=_key)


def _wanted(run: Run, cohort: Cohort, scoring: Scoring) -> Iterator[PatientWork]:
    models: dict[str, list[ModelToScore]] = {}
    for fold in run.folds:
        names = [BEST, *(fold.checkpoints() if scoring.all_checkpoints else ())]
        files = [(name, fold.model_file(name)) for name in names]
        own = [ModelToScore(fold.number, name, path, file_sha256(path)) for name, path in files]
        for case in fold.fold.test:
            models.setdefault(case, []).extend(own)
    for case in sorted(models):
        patient = cohort[case]
        if patient.mask is None:
            raise InputError(f"{case} has no mask to be compared with", "complete the cohort's manifest")
        try:
            mask_sha256 = file_sha256(patient.mask)
        except SarcopeniaError as error:
            raise InputError(f"{case}: {error.problem}", error.remedy) from None
        yield PatientWork(patient, tuple(models[case]), mask_sha256)


def _unscored(work: PatientWork, known: ScoreFile) -> PatientWork:
    left = [model for model in work.models if known.get(work.case.case, model, work.mask_sha256) is None]
    return PatientWork(work.case, tuple(left), work.mask_sha256)


def _score(work: PatientWork, device: str) -> list[PatientScore] | tuple[str, str]:
    """Scores, or problem and remedy: an exception of two arguments does not travel between processes."""
    try:
        return score_patient(work.case, work.models, work.mask_sha256, device)
    except DamagedModelError as error:
        return error.problem, error.remedy
    except SarcopeniaError as error:
        return f"{work.case.case}: {error.problem}", error.remedy


def _key(score: PatientScore) -> tuple[int, str, str]:
    return score.fold, score.checkpoint, score.case


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {folder.name} cannot be made in the run ({error.strerror})",
            "make the run's folder writable",
        ) from None


def _read(path: Path) -> list[PatientScore]:
    if not path.is_file():
        return []
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if values["schema"] != SCHEMA:
            raise OutputError(f"{path.name} is of another version ({values['schema']})", _ANEW)
        return [PatientScore.from_mapping(score) for score in values["scores"]]
    except (ValueError, KeyError, TypeError):
        raise OutputError(f"{path.name} is damaged", _ANEW) from None
