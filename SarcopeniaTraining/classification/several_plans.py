"""Several plans of one network and scheme in one process, which builds and compiles the network once.

A first step is mostly tracing, and memory grows with every new network: ways to train that differ in their
images, sets or class weights share one network, set back to its start before each run. Each run is what it
would be in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.classification import experiment, experiment_task
from SarcopeniaTraining.classification.architectures import architecture, require_keras
from SarcopeniaTraining.classification.classifier_run import record_from
from SarcopeniaTraining.classification.kept_weights import clear_candidates
from SarcopeniaTraining.classification.run_claim import claim
from SarcopeniaTraining.classification.training import Learning, NetworkTraining, use_threads

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_run import RunRecord
    from SarcopeniaTraining.classification.experiment import ClassificationPlan
    from SarcopeniaTraining.classification.experiment_task import NetworkTask

Tell = Callable[[str], None]


def run_here(plans: Sequence[ClassificationPlan], tell: Tell) -> list[list[RunRecord]]:
    """Make the runs that are not in the plans' folders, in this process; all runs of each plan.

    Parameters
    ----------
    plans:
        Of one network and scheme, side, start, learning rate, seed.
    tell:
        Gets a line for each plan of which runs were made.

    Raises
    ------
    SarcopeniaError
        Plans of several networks; what cannot be trained, told before anything is; what befell a run, when
        its plan's others are finished.
    """
    _require_one_network(plans)
    starts = [experiment.check_plan(plan) for plan in plans]
    shared = _Shared()
    for plan, start in zip(plans, starts, strict=True):
        plan.out.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(plan.out)
        try:
            clear_candidates(plan.out)
            identity = claim(plan.out, experiment._facts(plan, start), plan.splits)
            for task in experiment._tasks(plan, identity):
                shared.do(task, tell)
        finally:
            lock.release()
    return [experiment.planned_records(plan) for plan in plans]


class _Shared:
    """The network, built when the first run asks for it."""

    def __init__(self) -> None:
        self._network: NetworkTraining | None = None

    def do(self, task: NetworkTask, tell: Tell) -> None:
        """Make the task's missing runs."""
        (scheme,) = task.schemes
        journal = task.journal(scheme)
        done = {record.set for record in journal.read(record_from)}
        missing = tuple(fold for fold in task.folds if fold.number not in done)
        failures: list[Any] = []
        experiment_task._do_scheme(task, self._of(task), (scheme, missing), journal, failures)
        tell(f"{task.out.name}: {len(missing) - len(failures)} runs")
        if failures:
            raise failures[0]

    def _of(self, task: NetworkTask) -> NetworkTraining:
        learning = Learning.of(task.preset)
        if self._network is None:
            require_keras()
            use_threads(task.threads)
            arch = architecture(task.network)
            self._network = NetworkTraining(arch, task.side, task.preset.seed, learning, task.weights)
        # Class weights are not compiled into a step: what a plan says holds from here.
        self._network.learning = learning
        experiment_task.require_room(task.out, self._network.model.count_params() * 4, task.network)
        return self._network


def _require_one_network(plans: Sequence[ClassificationPlan]) -> None:
    kinds = {
        (
            *(plan.preset.networks, plan.preset.schemes, plan.preset.side, plan.preset.seed),
            *(plan.preset.learning_rate, plan.weights, plan.threads),
        )
        for plan in plans
    }
    if len(kinds) > 1 or any(len(plan.combinations()) != 1 for plan in plans):
        raise InputError("plans of several networks cannot share one", "train each by itself")
