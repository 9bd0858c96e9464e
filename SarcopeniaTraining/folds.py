"""One network trained on each of several data sets (folds) of a cohort, in one run's folder.

A fold meets its training and its validation patients alone. Folds may run side by side; each stops and goes
on by itself.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import ModelError, OutputError, SarcopeniaError
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.cached_cases import CachedCase, CachePlan, cached_cases
from SarcopeniaTraining.distributed import Team, joined_team
from SarcopeniaTraining.finetuning import Surroundings, Training, train
from SarcopeniaTraining.machine import use_machine, workers
from SarcopeniaTraining.presets import FinetunePreset
from SarcopeniaTraining.progress import TrainingProgress
from SarcopeniaTraining.run_identity import claim_run
from SarcopeniaTraining.samples import CohortSlabs, Samples
from SarcopeniaTraining.schedule import Schedule
from SarcopeniaTraining.spreading import Place, spread
from SarcopeniaTraining.validation import FoldValidation

if TYPE_CHECKING:
    from SarcopeniaTraining.cohort import Cohort
    from SarcopeniaTraining.splits import Fold, Splits

_LOCK_TRIES = 10


@dataclass(frozen=True)
class FoldsPlan:
    """What is to be trained.

    Attributes
    ----------
    numbers:
        Folds of the splits, from 1.
    encoder:
        File whose weights the encoder starts with; None: from scratch.
    train_patients:
        Only so many of each fold's training patients, for as many steps as with all of them.
    cache:
        Where slabs are kept.
    jobs, threads:
        Folds at the same time, and threads of each; 0: the cores shared out, and one a fold on a cluster.
    cluster:
        Ray cluster that the folds are spread over, as `spreading.Place` names it; the folders are shared.
    """

    preset: FinetunePreset
    cohort: Cohort
    splits: Splits
    numbers: tuple[int, ...]
    out: Path
    cache: Path
    encoder: Path | None = None
    train_patients: int | None = None
    device: str = "cpu"
    jobs: int = 1
    threads: int = 0
    cluster: str | None = None

    def fold(self, number: int) -> Fold:
        """The fold of that number.

        Raises
        ------
        ModelError
            The splits have none.
        """
        for fold in self.splits.folds:
            if fold.number == number:
                return fold
        raise ModelError(f"there is no fold {number}", f"the splits have {len(self.splits.folds)}")

    def folder(self, number: int) -> Path:
        """Where a fold leaves its files."""
        return self.out / f"fold-{number:02d}"

    def train_cases(self, fold: Fold) -> tuple[str, ...]:
        """Patients that this fold learns from."""
        return chosen_patients(fold.train, self.cohort, self.train_patients, (self.preset.seed, fold.number))


def chosen_patients(
    patients: Sequence[str], cohort: Cohort, count: int | None, seed: tuple[int, ...]
) -> tuple[str, ...]:
    """The first `count` patients of a seeded order that keeps the share of sarcopenic ones.

    Of the same seed, fewer are always among more, as a learning curve wants it.

    Raises
    ------
    ModelError
        More are wanted than there are.
    """
    if count is None:
        return tuple(patients)
    if not 1 <= count <= len(patients):
        raise ModelError(
            f"{count} training patients are wanted of {len(patients)}", f"give 1…{len(patients)}"
        )
    order = [patients[n] for n in np.random.default_rng([*seed, 23]).permutation(len(patients))]
    groups: dict[object, list[str]] = {}
    for case in order:
        groups.setdefault(cohort[case].sarcopenic, []).append(case)
    place = {case: (n + 0.5) / len(group) for group in groups.values() for n, case in enumerate(group)}
    return tuple(sorted(order, key=lambda case: place[case])[:count])


def finetune_folds(plan: FoldsPlan) -> dict[int, str]:
    """Train the plan's folds, going on where the folder was left; the best checkpoint of each.

    Raises
    ------
    SarcopeniaError
        A case that cannot be trained on (told before any training), a folder of another training, or
        what befell a fold; the other folds are finished all the same.
    """
    for number in plan.numbers:
        plan.train_cases(plan.fold(number))  # what cannot be is told before anything is written
    with joined_team(plan.device) as (team, device):
        if team.leads:
            claim_run(plan, _say)
        team.wait()
        cases = _cases(plan, team)
        if plan.cluster is not None:
            return _on_cluster(plan, cases)
        if plan.jobs > 1 and len(plan.numbers) > 1 and team.size == 1:
            return _side_by_side(plan, cases)
        use_machine(plan.threads)
        return {number: _train_fold(plan, number, cases, (team, device)) for number in plan.numbers}


def _cases(plan: FoldsPlan, team: Team) -> dict[str, CachedCase]:
    """Every patient that the folds learn from or are validated on; the leading process makes the cache."""
    folds = [plan.fold(number) for number in plan.numbers]
    names = {case for fold in folds for case in (*plan.train_cases(fold), *fold.validation)}
    wanted = [case for case in plan.cohort.cases if case.case in names]
    cache = CachePlan(plan.cache, plan.preset.slab, plan.preset.thin)
    if not team.leads:
        team.wait()
    cases = cached_cases(wanted, cache, jobs=plan.jobs, tell=_say)
    if team.leads:
        team.wait()
    return cases


def _train_fold(
    plan: FoldsPlan,
    number: int,
    cases: Mapping[str, CachedCase],
    place: tuple[Team, str],
    *,
    alone: bool = True,
) -> str:
    """Train one fold to its end and choose its best checkpoint."""
    team, device = place
    preset, fold, folder = plan.preset, plan.fold(number), plan.folder(number)
    folder.mkdir(parents=True, exist_ok=True)
    lock = _locked(folder) if team.leads else None
    schedule = Schedule.of(preset, len(fold.train) * preset.crops_per_case)
    chosen = [cases[case] for case in plan.train_cases(fold)]
    try:
        with TrainingProgress(f"fold {number}", schedule.steps, speaks=team.leads, bar=alone) as progress:
            training = Training.start(
                preset, seed=(preset.seed, number), device=device, prepare=encoder_taker(plan)
            )
            examine = FoldValidation(
                folder,
                [cases[case] for case in fold.validation],
                f"{len(chosen)} annotated CTs of a cohort (manifest {plan.cohort.digest[:12]})",
                device,
                progress.tell,
            )
            samples = Samples(CohortSlabs(chosen, preset.crops_per_case), preset.patch, training.seed)
            around = Surroundings(folder, examine, progress.tell, progress.advance, team)
            train(training, samples, schedule, around)
            best = examine.finish() if team.leads else ""
            progress.tell(f"trained in {training.seconds / 60:.1f} min; the best on validation is {best}")
            return best
    finally:
        if lock is not None:
            lock.release()


def encoder_taker(plan: FoldsPlan) -> Any:
    """What fills a fresh network's encoder."""

    def prepare(network: Any) -> None:
        if plan.encoder is not None:
            from SarcopeniaTraining.encoders import take_encoder

            take_encoder(network, plan.encoder)

    return prepare


@dataclass(frozen=True)
class _Failure:
    """A `SarcopeniaError`, which cannot be passed between processes as it is."""

    kind: type[SarcopeniaError]
    problem: str
    remedy: str


def _side_by_side(plan: FoldsPlan, cases: Mapping[str, CachedCase]) -> dict[int, str]:
    found: dict[int, str] = {}
    failures: list[tuple[int, _Failure]] = []
    with workers(plan.jobs, len(plan.numbers)) as pool:
        begun = {number: pool.submit(_fold_in_a_process, plan, number, cases) for number in plan.numbers}
        for number, future in begun.items():
            result = future.result()
            if isinstance(result, _Failure):
                failures.append((number, result))
            else:
                found[number] = result
    if failures:
        number, failure = failures[0]
        raise failure.kind(f"fold {number}: {failure.problem}", failure.remedy)
    return found


def _on_cluster(plan: FoldsPlan, cases: Mapping[str, CachedCase]) -> dict[int, str]:
    gpus = float(plan.device.startswith("cuda"))
    place = Place(cluster=plan.cluster, cores=max(plan.threads, 1), gpus=gpus)
    return dict(sorted(spread(partial(_fold_there, plan, cases), plan.numbers, place)))


def _fold_there(plan: FoldsPlan, cases: Mapping[str, CachedCase], number: int) -> str:
    use_machine(max(plan.threads, 1))
    try:
        return _train_fold(plan, number, cases, (Team(), plan.device), alone=False)
    except SarcopeniaError as error:
        raise type(error)(f"fold {number}: {error.problem}", error.remedy) from None


def _fold_in_a_process(plan: FoldsPlan, number: int, cases: Mapping[str, CachedCase]) -> str | _Failure:
    use_machine(plan.threads, min(plan.jobs, len(plan.numbers)))
    try:
        return _train_fold(plan, number, cases, (Team(), plan.device), alone=False)
    except SarcopeniaError as error:
        return _Failure(type(error), error.problem, error.remedy)


def _locked(folder: Path) -> FolderLock:
    """The fold's lock; what is left of a killed run lets go of it within a second or two."""
    for _ in range(_LOCK_TRIES):
        try:
            return FolderLock(folder)
        except OutputError:
            time.sleep(0.5)
    return FolderLock(folder)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
