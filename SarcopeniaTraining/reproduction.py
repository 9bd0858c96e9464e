"""The whole paper in one command: each step that is not up to date, in order, as a child process.

A step is up to date if it was made from what is there now and if what it left is as it left it. Killed at
any moment, the same call goes on: steps go on by themselves where they were stopped.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from SarcopeniaAssessLib.console import complain
from SarcopeniaAssessLib.errors import OutputError, SarcopeniaError
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.reproduction_child import StepFailedError, run_step
from SarcopeniaTraining.reproduction_cohort import CohortFacts, facts_of
from SarcopeniaTraining.reproduction_costs import expected_s
from SarcopeniaTraining.reproduction_manifest import Subject, write_facts, write_manifest
from SarcopeniaTraining.reproduction_progress import StepsProgress, TimeLeft
from SarcopeniaTraining.reproduction_records import (
    FOLDER,
    FileHashes,
    StepRecord,
    code_sha256,
    digest,
    files_below,
    read_json,
    read_record,
    spent_s,
    write_record,
)
from SarcopeniaTraining.reproduction_steps import COHORT, FACTS, REPORT, Step, plain

SUPERSEDED = "superseded"
"""Where trainings go that were made from something else."""


@dataclass(frozen=True)
class Done:
    """What a call did: names of the steps that it ran, and of those that were up to date."""

    ran: tuple[str, ...]
    kept: tuple[str, ...]
    report: Path


def reproduce(subject: Subject, out: Path) -> Done:
    """Run what is not up to date.

    Raises
    ------
    SarcopeniaError
        A step that failed (the others before it are whole, and the same call goes on), a folder that
        holds the reproduction of something else, or that cannot be written.
    """
    _make(out)
    lock = FolderLock(out)
    try:
        _claim(subject, out)
        return _Run(subject, out).all_steps()
    finally:
        lock.release()


def stale(subject: Subject, out: Path) -> tuple[str, ...]:
    """Names of the steps that would be run now; what reads from one of them counts as one."""
    hashes, code = FileHashes(out), code_sha256()
    found: list[Step] = []
    for step in subject.wanted:
        inputs = inputs_of(step, out, hashes, code)
        earlier = any(_feeds(before, step) for before in found)
        if earlier or _difference(step, out, inputs, hashes) is not None:
            found.append(step)
    return tuple(step.name for step in found)


def inputs_of(step: Step, out: Path, hashes: FileHashes, code: str) -> dict[str, str]:
    """Digests of everything that a step is made from, by a name that can be told."""
    found = {"command": digest([step.module, *map(plain, step.arguments)])}
    if step.preset is not None:
        found["preset"] = digest(dict(step.preset))
    if step.given:
        found["data"] = digest(sorted(map(hashes.of, step.given)))
    for pattern in step.reads:
        files = files_below(out, [pattern])
        found[pattern] = digest({path.relative_to(out).as_posix(): hashes.of(path) for path in files})
    if not step.trains:
        found["program"] = code
    return found


class _Run:
    """One call."""

    def __init__(self, subject: Subject, out: Path) -> None:
        self._subject, self._out = subject, out
        self._hashes, self._code = FileHashes(out), code_sha256()
        self._ran: list[str] = []
        self._kept: list[str] = []

    def all_steps(self) -> Done:
        wanted = self._subject.wanted
        waiting = stale(self._subject, self._out)
        costs = {step.name: expected_s(step, self._subject) for step in wanted if step.name in waiting}
        progress = StepsProgress(len(wanted), TimeLeft(costs))
        try:
            for number, step in enumerate(wanted, start=1):
                if step.name == "report":
                    self._tell_facts()
                self._step(number, step, progress)
        finally:
            progress.stop()
            self._hashes.save()
        self._tell_facts()
        return Done(tuple(self._ran), tuple(self._kept), self._out / REPORT)

    def _step(self, number: int, step: Step, progress: StepsProgress) -> None:
        inputs = inputs_of(step, self._out, self._hashes, self._code)
        self._hashes.save()
        why = _difference(step, self._out, inputs, self._hashes)
        if why is None:
            self._kept.append(step.name)
            progress.kept(number, step.title)
            return
        if why:
            _clear(step, self._out, why)
        spent = 0.0 if why else spent_s(self._out, step.name)
        record = StepRecord(inputs, self._code, seconds=spent)
        write_record(self._out, step.name, record)
        progress.begin(number, step.name, step.title)
        began = time.monotonic()
        try:
            run_step(step.name, (step.module, *step.arguments, *step.manner), self._out, progress.line)
        except SarcopeniaError as error:
            raise type(error)(
                f"step {number} of {len(self._subject.wanted)}, {step.title}: {error.problem}", error.remedy
            ) from None
        self._finish(step, record, time.monotonic() - began)
        progress.end(time.monotonic() - began)

    def _finish(self, step: Step, record: StepRecord, seconds: float) -> None:
        outputs = outputs_of(step, self._out, self._hashes)
        if not outputs:
            raise StepFailedError(f"step {step.name} left nothing", "report this as a fault")
        write_record(
            self._out,
            step.name,
            replace(record, outputs=outputs, seconds=round(record.seconds + seconds, 1), finished=True),
        )
        self._hashes.save()
        self._ran.append(step.name)

    def _tell_facts(self) -> None:
        subject = self._subject
        if subject.inputs.cohort is None and (self._out / COHORT).is_dir():
            subject = replace(subject, cohort=_drawn(self._out / COHORT, subject.cohort))
        write_facts(subject, self._out, self._hashes)
        write_manifest(subject, self._out, self._hashes)


def outputs_of(step: Step, out: Path, hashes: FileHashes) -> dict[str, str]:
    """Files that a step has left, with their hashes."""
    files = files_below(out, step.leaves, step.left_out)
    return {path.relative_to(out).as_posix(): hashes.of(path) for path in files}


def _drawn(folder: Path, planned: CohortFacts) -> CohortFacts:
    return replace(facts_of(folder), name=planned.name)


def _difference(
    step: Step, out: Path, inputs: Mapping[str, str], hashes: FileHashes
) -> tuple[str, ...] | None:
    """What a step was made from and is no longer so; (): it is to be begun, or goes on. None: up to date."""
    record = read_record(out, step.name)
    if record is None:
        return ()
    other = sorted(name for name in {*inputs, *record.inputs} if inputs.get(name) != record.inputs.get(name))
    if other:
        return tuple(other)
    if record.finished and record.outputs == outputs_of(step, out, hashes):
        return None
    return ()


def _feeds(before: Step, step: Step) -> bool:
    """Whether a step reads what another leaves."""
    tops = {pattern.split("/", 1)[0] for pattern in before.leaves}
    return any(pattern.split("/", 1)[0] in tops or pattern.startswith("*") for pattern in step.reads)


def _clear(step: Step, out: Path, why: tuple[str, ...]) -> None:
    """Make room for a step whose inputs have changed: a training is set aside, other results are dropped."""
    if step.folder is None:
        for path in files_below(out, step.leaves, step.left_out):
            path.unlink()
        return
    folder = out / step.folder
    if not folder.is_dir():
        return
    (out / SUPERSEDED).mkdir(exist_ok=True)
    number = 1
    while (place := out / SUPERSEDED / f"{step.folder}-{number}").exists():
        number += 1
    shutil.move(folder, place)
    names = ", ".join("earlier results" if "/" in name or "." in name else name for name in why)
    complain(f"{step.title}: made anew ({names}); what was there is in {SUPERSEDED}/{place.name}")


def _claim(subject: Subject, out: Path) -> None:
    """Make sure that the folder holds no reproduction by another preset or of other data.

    Raises
    ------
    OutputError
        It does, or it holds something else.
    """
    held = read_json(out / FACTS)
    if held is None:
        if any(not path.name.startswith(".") and path.name != FOLDER for path in out.iterdir()):
            raise OutputError("the folder is not empty and holds no reproduction", "give another --out")
        write_facts(subject, out, FileHashes(out))
        return
    preset, cohort = held.get("preset") or {}, held.get("cohort") or {}
    if preset.get("name") != subject.preset.name:
        raise OutputError(
            f"the folder holds a reproduction by preset {preset.get('name')}", "give another --out"
        )
    if cohort.get("name") != subject.cohort.name:
        raise OutputError("the folder holds the reproduction of another cohort", "give another --out")


def _make(out: Path) -> None:
    try:
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {out.name} cannot be made ({error.strerror})", "give a writable --out"
        ) from None
