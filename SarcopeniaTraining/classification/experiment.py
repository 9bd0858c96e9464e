"""Networks × schemes × sets: what is wanted is checked whole, then spread over processes and gone on with.

A process has one network, built once for all its schemes, or one network and scheme where more processes are
wanted than there are networks; each journal has one writer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import InputError, ModelError, OutputError
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.classification.architectures import architecture, require_keras
from SarcopeniaTraining.classification.classifier_run import (
    RunRecord,
    journal_path,
    read_records,
    record_from,
)
from SarcopeniaTraining.classification.experiment_task import NetworkTask, do_task
from SarcopeniaTraining.classification.kept_weights import clear_half_written
from SarcopeniaTraining.classification.run_claim import claim
from SarcopeniaTraining.progress import TrainingProgress
from SarcopeniaTraining.splits import PARTS
from SarcopeniaTraining.spreading import Place, spread

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_images import ClassifierImages
    from SarcopeniaTraining.classification.classify_preset import ClassifyPreset
    from SarcopeniaTraining.classification.training import NetworkTraining
    from SarcopeniaTraining.splits import Fold, Splits

_LOOK_EVERY_S = 2.0
_LONGEST_FIRST = ("InceptionResNetV2", "DenseNet121", "InceptionV3", "ResNet50")
"""A step of the first takes longest; begun first, two processes end at about the same time."""


@dataclass(frozen=True, eq=False)
class ClassificationPlan:
    """What is to be trained.

    Attributes
    ----------
    cohort:
        `name`, `digest`, and `people`: the patient of each case that names one.
    images:
        By side in pixels: what is validated and tested on, and learned from.
    train_images:
        By side: what is learned from instead, where the leak of a drawn outline is studied.
    weights:
        Folder of RadImageNet's files; `None`: a random start.
    leak:
        Whether any of these images shows a drawn outline.
    place:
        Where the processes run.
    threads:
        Of each process; sums are rounded otherwise with another number.
    """

    preset: ClassifyPreset
    cohort: Mapping[str, Any]
    splits: Splits
    out: Path
    images: Mapping[int, ClassifierImages]
    train_images: Mapping[int, ClassifierImages] | None = None
    weights: Path | None = None
    leak: bool = False
    place: Place = field(default_factory=Place)
    threads: int = 1

    def folds(self) -> tuple[Fold, ...]:
        """The wanted sets.

        Raises
        ------
        InputError
            The splits do not have one of them.
        """
        known = {fold.number: fold for fold in self.splits.folds}
        missing = [number for number in self.preset.sets if number not in known]
        if missing:
            raise InputError(f"there is no set {missing[0]}", f"the splits have 1…{len(known)}")
        return tuple(known[number] for number in self.preset.sets)

    def combinations(self) -> tuple[tuple[str, str], ...]:
        """Network and scheme of every journal."""
        return tuple((network, scheme) for network in self.preset.networks for scheme in self.preset.schemes)


def cohort_facts(cohort: Any) -> dict[str, Any]:
    """What a plan holds of a cohort: its folder's name, its digest, and who its cases are."""
    path = cohort.path.resolve()
    return {
        "name": path.name if path.is_dir() else path.parent.name,
        "digest": cohort.digest,
        "people": {case.case: case.patient for case in cohort.cases if case.patient is not None},
    }


def run_plan(plan: ClassificationPlan, tell: Callable[[str], None] | None = None) -> list[RunRecord]:
    """Make the plan's runs that are not in its folder; all of the plan's, in its order.

    Parameters
    ----------
    tell:
        Gets a line for each run; `None`: standard error does, with the time left.

    Raises
    ------
    SarcopeniaError
        What cannot be trained, told before anything is; or what befell a run, when the others are finished.
    """

    def work(tasks: Sequence[NetworkTask]) -> None:
        for _ in spread(do_task, tasks, plan.place):
            pass

    return _run(plan, tell, work)


def run_here(
    plans: Sequence[ClassificationPlan], tell: Callable[[str], None] | None = None
) -> list[list[RunRecord]]:
    """The same for several plans, one after the other in this process, as a study of one network wants it.

    A network is built and compiled once for all plans that follow each other with the same one.
    """
    built: dict[Any, NetworkTraining] = {}

    def work(tasks: Sequence[NetworkTask]) -> None:
        for task in tasks:
            do_task(task, built)

    return [_run(plan, tell, work) for plan in plans]


def _run(
    plan: ClassificationPlan,
    tell: Callable[[str], None] | None,
    work: Callable[[Sequence[NetworkTask]], None],
) -> list[RunRecord]:
    starts = check_plan(plan)
    try:
        plan.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder {plan.out.name} cannot be made ({error.strerror})"
        raise OutputError(problem, "give another --out") from None
    lock = FolderLock(plan.out)
    try:
        clear_half_written(plan.out)
        tasks = _tasks(plan, claim(plan.out, _facts(plan, starts), plan.splits))
        if tasks:
            with _Watch(plan, tell):
                work(tasks)
    finally:
        lock.release()
    return planned_records(plan)


def planned_records(plan: ClassificationPlan) -> list[RunRecord]:
    """The plan's finished runs: by network, scheme and set."""
    wanted = set(plan.preset.sets)
    found = []
    for network, scheme in plan.combinations():
        records = read_records(journal_path(plan.out, network, scheme))
        found += sorted((each for each in records if each.set in wanted), key=lambda each: each.set)
    return found


def check_plan(plan: ClassificationPlan) -> dict[str, Any]:
    """Refuse a plan that could not be trained to its end; what each network starts from.

    Raises
    ------
    SarcopeniaError
        TensorFlow is not installed; a set that the splits do not have; images missing; a part
        of a set without one of the classes; weights of another network or damaged.
    """
    require_installed()
    for network in plan.preset.networks:
        side = plan.preset.side_of(network)
        for by_side in (plan.images, plan.train_images or plan.images):
            if side not in by_side:
                raise ModelError(f"there are no images of {side} pixels", "load them")
    images = next(iter(plan.images.values()))
    for fold in plan.folds():
        require_both_classes(fold, dict(zip(images.names, images.sarcopenic.tolist(), strict=True)))
    return {network: _start(network, plan.weights) for network in plan.preset.networks}


def require_installed() -> None:
    """Refuse to begin without TensorFlow and Keras; where they are, they are not imported yet.

    Raises
    ------
    ModelError
        What is missing, and how to install it.
    """
    if find_spec("tensorflow") is None or find_spec("keras") is None:
        require_keras()


def require_both_classes(fold: Fold, sarcopenic: Mapping[str, bool]) -> None:
    """Refuse a set without a case, or a part of it without one of the classes.

    Raises
    ------
    InputError
        Names the set, the part and the class.
    """
    for name, cases in zip(PARTS, fold.parts, strict=True):
        missing = [case for case in cases if case not in sarcopenic]
        if missing:
            raise InputError(f"set {fold.number} names {missing[0]}, which has no image", "make splits anew")
        for wanted, word in ((True, "sarcopenic"), (False, "not sarcopenic")):
            if not any(sarcopenic[case] is wanted for case in cases):
                raise InputError(
                    f"none of the {len(cases)} {name} cases of set {fold.number} is {word}",
                    "give splits whose parts have both: sarcopenia splits COHORT",
                )


def _start(network: str, folder: Path | None) -> Any:
    if folder is None:
        return "random"
    from SarcopeniaTraining.classification.radimagenet import check_weights, find_weights

    arch = architecture(network)
    file = find_weights(folder, arch)
    return {"file": file.name, "sha256": check_weights(file, arch)}


def _facts(plan: ClassificationPlan, starts: Mapping[str, Any]) -> dict[str, Any]:
    images = next(iter(plan.images.values()))
    learned = next(iter((plan.train_images or plan.images).values()))
    return {
        "preset": plan.preset.to_mapping(),
        "cohort": dict(plan.cohort),
        "start": dict(starts),
        "images": {
            "side": plan.preset.side,
            "field_mm": plan.preset.field_mm,
            "source": str(images.source),
            "learned_from": str(learned.source),
        },
        "seed": plan.preset.seed,
        "leak": plan.leak,
        "planned": {f"{n}-{scheme}": list(plan.preset.sets) for n, scheme in plan.combinations()},
    }


def _tasks(plan: ClassificationPlan, identity: str) -> list[NetworkTask]:
    """A task for each process, the longest first; none where nothing is left to do."""
    networks = sorted(plan.preset.networks, key=_LONGEST_FIRST.index)
    whole = plan.place.jobs <= len(networks) and plan.place.cluster is None
    shares = [plan.preset.schemes] if whole else [(scheme,) for scheme in plan.preset.schemes]
    made = [_task(plan, identity, network, schemes) for schemes in shares for network in networks]
    return [task for task in made if _left(plan, task)]


def _task(plan: ClassificationPlan, identity: str, network: str, schemes: tuple[str, ...]) -> NetworkTask:
    from SarcopeniaTraining.classification.radimagenet import find_weights

    side = plan.preset.side_of(network)
    images = plan.images[side]
    return NetworkTask(
        network=network,
        schemes=schemes,
        folds=plan.folds(),
        preset=plan.preset,
        images=images,
        train_images=images if plan.train_images is None else plan.train_images[side],
        out=plan.out,
        weights=None if plan.weights is None else find_weights(plan.weights, architecture(network)),
        identity=identity,
        threads=plan.threads,
    )


def _left(plan: ClassificationPlan, task: NetworkTask) -> bool:
    """Whether a run of the task is missing; refuses journals of something else before anything is trained."""
    done = [{record.set for record in task.journal(scheme).read(record_from)} for scheme in task.schemes]
    return not all(set(plan.preset.sets) <= each for each in done)


class _Watch:
    """Tells of each run as its line appears, whichever process and machine wrote it."""

    def __init__(self, plan: ClassificationPlan, tell: Callable[[str], None] | None) -> None:
        self._plan, self._tell = plan, tell
        self._seen = {_key(record) for record in planned_records(plan)}
        self._total = len(plan.combinations()) * len(plan.preset.sets)
        self._progress = TrainingProgress("classifiers", self._total, speaks=tell is None)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> None:
        self._progress.__enter__()
        if self._seen and self._tell is None:
            self._progress.tell(f"{len(self._seen)} of {self._total} runs are there already")
        self._thread.start()

    def __exit__(self, *error: Any) -> None:
        self._over.set()
        self._thread.join()
        self._look()
        self._progress.__exit__(None, None, None)

    def _look_on(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        for record in planned_records(self._plan):
            if _key(record) not in self._seen:
                self._seen.add(_key(record))
                (self._tell or self._progress.tell)(line_of(record))
        self._progress.advance(len(self._seen))


def _key(record: RunRecord) -> tuple[str, str, int]:
    return record.network, record.scheme, record.set


def line_of(record: RunRecord) -> str:
    """A run in one line."""
    auc = record.validation_auc
    return (
        f"{record.network} {record.scheme}, set {record.set}: "
        f"validation AUC {'undefined' if auc is None else format(auc, '.2f')} "
        f"in epoch {record.best_epoch} of {record.epochs}, {record.seconds:.1f} s"
    )
