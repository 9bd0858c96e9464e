"""Options → cases → exit status: what `assess` and `measure` do once their options are read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.batch import Outcome, Request, Task, outcomes, quiet_libraries
from SarcopeniaAssessLib.console import Console
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.results import OutputFolder

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def run(tasks: Sequence[Task], request: Request, console: Console, jobs: int = 1) -> int:
    """Assess every input, let results appear in the output folder, print a line for each.

    Returns
    -------
    The exit status: 0 every case has a record, 1 some have, 2 none has.
    """
    opened: AbstractContextManager[OutputFolder | None] = nullcontext()
    if request.out is not None:
        opened = OutputFolder(request.out, request.existing)
    try:
        with quiet_libraries(), opened as folder, console:
            for _, found in outcomes(tasks, request, jobs):
                for outcome in found:
                    console.show(_published(outcome, folder))
                console.advance()
    except SarcopeniaError as error:  # the folder's own: it concerns every case alike
        for task in tasks:
            console.show(Outcome.failed(task.case, error))
    return console.exit_status


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
