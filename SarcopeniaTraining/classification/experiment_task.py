"""One process's share of an experiment: schemes of one network, on all sets that are still to be done."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import OutputError, SarcopeniaError
from SarcopeniaTraining.classification.architectures import ARCHITECTURES, architecture, require_keras
from SarcopeniaTraining.classification.classifier_run import (
    Prediction,
    RunRecord,
    journal_path,
    record_from,
)
from SarcopeniaTraining.classification.frozen_features import rows
from SarcopeniaTraining.classification.kept_weights import keep_best
from SarcopeniaTraining.classification.training import NetworkTraining, Part, learn, use_threads
from SarcopeniaTraining.journal import Journal

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_images import ClassifierImages
    from SarcopeniaTraining.classification.classify_preset import ClassifyPreset
    from SarcopeniaTraining.classification.frozen_features import Tensors
    from SarcopeniaTraining.splits import Fold

_SPARE_BYTES = 64 * 2**20
_KEPT_COPIES = 2
"""Weights that lie on disk while one file takes the other's place."""


@dataclass(frozen=True, eq=False)
class NetworkTask:
    """Runs of one network that one process makes, one after the other.

    Attributes
    ----------
    schemes, folds:
        Each scheme on each of these sets.
    images, train_images:
        Validated and tested on; learned from. The same unless the leak is studied.
    weights:
        RadImageNet's file; `None`: a random start.
    identity:
        SHA-256 of what the folder's `run.json` holds fast; the journals belong to it.
    threads:
        Of TensorFlow.
    """

    network: str
    schemes: tuple[str, ...]
    folds: tuple[Fold, ...]
    preset: ClassifyPreset
    images: ClassifierImages
    train_images: ClassifierImages
    out: Path
    weights: Path | None
    identity: str
    threads: int

    def journal(self, scheme: str) -> Journal:
        """The scheme's runs on disk, made if they are not there."""
        head = {"network": self.network, "scheme": scheme, "identity": self.identity}
        return Journal(journal_path(self.out, self.network, scheme), head)


def run_seed(preset_seed: int, network: str, number: int) -> int:
    """Seed of a run's head and order of cases: of the preset's seed, the network and the set alone.

    The schemes of a network start alike, with class weights or without.
    """
    place = list(ARCHITECTURES).index(network)
    return int(np.random.SeedSequence([preset_seed, place, number]).generate_state(1)[0])


def do_task(task: NetworkTask, built: dict[Any, NetworkTraining] | None = None) -> int:
    """Make the task's runs that are not on disk; how many these were.

    Parameters
    ----------
    built:
        Holds the network of the task before and gets this one's, where one process does several tasks.

    Raises
    ------
    SarcopeniaError
        The first that befell a run, when the others are finished; no room; a journal of something else.
    """
    journals = {scheme: task.journal(scheme) for scheme in task.schemes}
    missing = {scheme: _missing(task, journal) for scheme, journal in journals.items()}
    if not any(missing.values()):
        return 0
    require_keras()
    use_threads(task.threads)
    network = _network(task, {} if built is None else built)
    require_room(task.out, network.model.count_params() * 4, task.network)
    failures: list[SarcopeniaError] = []
    for scheme, folds in missing.items():
        if folds:
            _do_scheme(task, network, (scheme, folds), journals[scheme], failures)
    if failures:
        raise failures[0]
    return sum(map(len, missing.values()))


def _network(task: NetworkTask, built: dict[Any, NetworkTraining]) -> NetworkTraining:
    preset = task.preset
    start = preset.side_of(task.network), preset.seed, preset.learning_rate, task.weights
    key = (task.network, *start)
    if key not in built:
        built.clear()  # memory: never two networks
        built[key] = NetworkTraining(architecture(task.network), *start)
    return built[key]


def _missing(task: NetworkTask, journal: Journal) -> tuple[Fold, ...]:
    done = {record.set for record in journal.read(record_from)}
    return tuple(fold for fold in task.folds if fold.number not in done)


def _do_scheme(
    task: NetworkTask,
    network: NetworkTraining,
    work: tuple[str, tuple[Fold, ...]],
    journal: Journal,
    failures: list[SarcopeniaError],
) -> None:
    """The scheme's runs; a run whose loss is no number is told at the end, and the others go on."""
    scheme, folds = work
    network.set_back(0)
    seen = network.features(scheme, task.images.rgb)
    learned = seen
    if task.train_images is not task.images:
        learned = network.features(scheme, task.train_images.rgb)
    for fold in folds:
        try:
            record = _one_run(task, network, scheme, fold, (learned, seen))
        except SarcopeniaError as error:
            name = f"{task.network} {scheme}, set {fold.number}"
            failures.append(type(error)(f"{name}: {error.problem}", error.remedy))
            continue
        keep_best(task.out, network.model, record)
        journal.add([record.to_mapping()])


def _one_run(
    task: NetworkTask, network: NetworkTraining, name: str, fold: Fold, tensors: tuple[Tensors, Tensors]
) -> RunRecord:
    started = time.monotonic()
    seed = run_seed(task.preset.seed, task.network, fold.number)
    scheme = network.scheme(name)
    network.set_back(seed)
    learned, seen = tensors
    trained = learn(
        scheme,
        _part(task.train_images, learned, fold.train),
        _part(task.images, seen, fold.validation),
        task.preset,
        seed,
    )

    def predictions(cases: tuple[str, ...]) -> tuple[Prediction, ...]:
        part = _part(task.images, seen, cases)
        said = scheme.probability(part.inputs).tolist()
        return tuple(map(Prediction, cases, map(bool, part.sarcopenic), said))

    return RunRecord(
        network=task.network,
        scheme=name,
        set=fold.number,
        seed=seed,
        start="random" if task.weights is None else "radimagenet",
        epochs=trained.epochs,
        best_epoch=trained.best_epoch,
        history=trained.history,
        validation=predictions(fold.validation),
        test=predictions(fold.test),
        class_weights=task.preset.class_weights,
        seconds=round(time.monotonic() - started, 3),
        resident_mb=resident_mb(),
        trained_parameters=scheme.trained_parameters,
    )


def _part(images: ClassifierImages, tensors: Tensors, cases: tuple[str, ...]) -> Part:
    places = images.places(cases)
    return Part(rows(tensors, places), images.sarcopenic[places])


def require_room(folder: Path, weights_bytes: int, network: str) -> None:
    """Refuse to train where the weights could not be kept.

    Raises
    ------
    OutputError
        The disk has no room for them.
    """
    needed = _KEPT_COPIES * weights_bytes + _SPARE_BYTES
    if shutil.disk_usage(folder).free < needed:
        raise OutputError(
            f"there is no room for the weights of {network} ({needed / 2**20:.0f} MB)",
            "make room, then repeat the command: it goes on",
        )


def resident_mb() -> float | None:
    """Memory of this process now, in MB to a tenth; `None` where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
