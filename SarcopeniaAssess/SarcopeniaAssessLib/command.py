"""Options → cases → exit status: what `assess` and `measure` do once their options are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from SarcopeniaAssessLib.batch import Outcome, Request, Task, outcomes, quiet_libraries
from SarcopeniaAssessLib.case_names import case_name, safe_name, unique_names
from SarcopeniaAssessLib.console import Console, complain
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.results import OutputFolder
from SarcopeniaAssessLib.run_summary import TOLD_FROM, RunSummary
from SarcopeniaAssessLib.study_list import entries_of, is_study_list, read_studies

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def tasks_of(inputs: Sequence[str], case: str | None, *, each: bool = False) -> list[Task]:
    """The inputs of a command by the case that each becomes.

    Parameters
    ----------
    inputs:
        CTs, lists of studies (`study_list`), or with `each` folders whose entries are CTs.
    case:
        What a single input is called; `None`: after its file or folder.

    Raises
    ------
    UsageError
        One name for several inputs.
    InputError
        A list or folder that cannot be read.
    """
    tasks: list[Task] = []
    for path in inputs:
        if is_study_list(path):
            listed = read_studies(path)
            tasks += [Task(s.case, str(s.ct), facts=s.facts, l3=s.l3, series=s.series) for s in listed]
        else:
            tasks += [Task(case_name(entry), entry) for entry in (entries_of(path) if each else [path])]
    if case is None:
        names = unique_names(task.case for task in tasks)
    elif len(tasks) == 1:
        names = [safe_name(case)]
    else:
        raise click.UsageError("--case names one CT, not several")
    return [replace(task, case=name) for task, name in zip(tasks, names, strict=True)]


def run(
    tasks: Sequence[Task], request: Request, console: Console, jobs: int = 1, cluster: str | None = None
) -> int:
    """Assess every input, let results appear in the output folder, print a line for each.

    Parameters
    ----------
    jobs, cluster:
        Processes of this machine; instead of them the address of a Ray cluster.

    Returns
    -------
    The exit status: 0 every case has a record, 1 some have, 2 none has.
    """
    opened: AbstractContextManager[OutputFolder | None] = nullcontext()
    if request.out is not None:
        opened = OutputFolder(request.out, request.existing)
    summary = RunSummary()
    try:
        with quiet_libraries(), opened as folder, console:
            for _, found in _outcomes(tasks, request, jobs, cluster):
                for outcome in found:
                    done = _published(outcome, folder)
                    summary.count(done)
                    console.show(done)
                console.advance()
            if folder is not None:
                _keep_failures(folder, summary, anew=len(tasks) >= TOLD_FROM)
    except SarcopeniaError as error:  # the folder's or the cluster's own: it concerns every case alike
        console.show_all([Outcome.failed(task.case, error) for task in tasks])
        return console.exit_status
    if len(tasks) >= TOLD_FROM:
        for line in summary.lines():
            complain(line)
    return console.exit_status


def _keep_failures(folder: OutputFolder, summary: RunSummary, *, anew: bool) -> None:
    """Bring `failures.csv` up to date; that a disk is full concerns no case any more."""
    try:
        folder.keep_failures(summary, anew=anew)
    except SarcopeniaError as error:
        complain(f"failures.csv is not up to date: {error.problem}; {error.remedy}")


def _outcomes(
    tasks: Sequence[Task], request: Request, jobs: int, cluster: str | None
) -> Iterator[tuple[Task, list[Outcome]]]:
    if cluster is None:
        return outcomes(tasks, request, jobs)
    from SarcopeniaAssessLib.cluster import outcomes_on_cluster

    return outcomes_on_cluster(tasks, request, cluster)


def _published(outcome: Outcome, folder: OutputFolder | None) -> Outcome:
    """The outcome once its files have appeared; a failure if they cannot."""
    if folder is None or outcome.part is None or outcome.record is None:
        return outcome
    try:
        folder.publish(outcome.part, outcome.record)
    except SarcopeniaError as error:
        failed = Outcome.failed(outcome.case, error)
        return replace(failed, note=outcome.note)
    return outcome
