"""Many inputs, one after the other or in several processes: each becomes outcomes, and none stops the rest.

An outcome is a record or one line saying what is wrong and what to do. Files are written here under hidden
names (`results.OutputFolder.stage`); the caller, which holds the folder's lock, lets them appear.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.assessment import Drawing, GivenFacts, Question, ask, conclude, draw
from SarcopeniaAssessLib.case_files import write_case
from SarcopeniaAssessLib.criteria import default_criterion
from SarcopeniaAssessLib.errors import SarcopeniaError, Severity
from SarcopeniaAssessLib.given_mask import ask_mask
from SarcopeniaAssessLib.models import SegmentationModel, load_model, untiled
from SarcopeniaAssessLib.results import Existing, OutputFolder, require_same
from SarcopeniaAssessLib.segmentation import choose_device
from SarcopeniaAssessLib.worker_pool import ProcessEndedError, run_all
from SarcopeniaAssessLib.worker_process import end_with_parent

if TYPE_CHECKING:
    from SarcopeniaAssessLib.volume import CtVolume

_PER_SERIES = ("labels", "auto")
"""Ways to the level that fit any series of a folder; a slice or coordinate is one series' own."""


@dataclass(frozen=True)
class Request:
    """What is asked for, the same for every input of a call; the command's options."""

    facts: GivenFacts = field(default_factory=GivenFacts)
    l3: str | None = None
    series: str | None = None
    model: str | None = None
    device: str = "auto"
    untiled: bool = False
    criteria: tuple[str, ...] = ()
    out: Path | None = None
    existing: Existing = Existing.REFUSE
    keep_identity: bool = False


@dataclass(frozen=True)
class Task:
    """One input: a CT, or for `measure` a mask with its label and perhaps its CT.

    Attributes
    ----------
    facts, l3, series:
        Of this input alone, before the request's; `None`: the request's.
    """

    case: str
    path: str
    is_mask: bool = False
    label: int | None = None
    ct: str | None = None
    facts: GivenFacts | None = None
    l3: str | None = None
    series: str | None = None

    def asked(self, request: Request) -> Request:
        """The request as it concerns this input."""
        given, own = request.facts, self.facts or GivenFacts()
        facts = {f.name: getattr(own, f.name) for f in fields(own) if getattr(own, f.name) is not None}
        return replace(
            request,
            facts=replace(given, **facts),
            l3=request.l3 if self.l3 is None else self.l3,
            series=request.series if self.series is None else self.series,
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one case; travels between processes.

    Attributes
    ----------
    record, problem:
        Exactly one is set.
    warnings, note:
        Messages of quality warnings and errors; which series it was.
    part:
        Where its files wait to appear; `None` if nothing is to be written.
    trace:
        The traceback behind `problem`, for `--debug`.
    """

    case: str
    record: dict[str, Any] | None = None
    problem: str | None = None
    warnings: tuple[str, ...] = ()
    note: str | None = None
    part: Path | None = None
    trace: str | None = None

    @classmethod
    def failed(cls, case: str, error: BaseException) -> Outcome:
        """A case that has no record, and why, in one line without path or identity."""
        trace = "".join(traceback.format_exception(error))
        return cls(case, problem=one_line(error), trace=trace)


def one_line(error: BaseException) -> str:
    """What is wrong and what to do; of an unexpected error its kind alone, for its text may hold anything."""
    if isinstance(error, SarcopeniaError):
        return " ".join(f"{error.problem}; {error.remedy}".split())
    if isinstance(error, MemoryError):
        return "The memory of this computer does not suffice; close other programs, or give fewer --jobs"
    if isinstance(error, ProcessEndedError):
        return "Two processes ended over it, probably for want of memory; give fewer --jobs"
    return f"Something unexpected happened ({type(error).__name__}); run again with --debug and report it"


class Bench:
    """What one process needs to turn inputs into outcomes; the model is loaded once, when first needed."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.folder = None if request.out is None else OutputFolder(request.out, request.existing)

    def outcomes(self, task: Task) -> Iterator[Outcome]:
        """One outcome for every case of an input; a folder of several series may hold more than one."""
        try:
            cases = list(self._cases(task))
        except Exception as error:  # whatever one input does, the others are finished
            yield Outcome.failed(task.case, error)
            return
        for case, note, ct in cases:
            yield replace(self._outcome(case, task, ct), note=note)

    def _cases(self, task: Task) -> Iterator[tuple[str, str | None, Callable[[], CtVolume] | str]]:
        request = task.asked(self.request)
        from SarcopeniaAssessLib.ct_io import list_ct, may_hold_several

        if task.is_mask or request.series is not None or not may_hold_several(task.path):
            yield task.case, None, task.path
            return
        listed = list_ct(task.path)
        if len(listed) == 1:
            yield task.case, None, listed[0].open
        elif (request.l3 or "").strip().lower().partition(":")[0] not in _PER_SERIES:
            yield task.case, None, task.path  # refused when it is opened, with the list
        else:
            for number, one in enumerate(listed, 1):
                words = " ".join(one.description.split()) or "no description"
                note = f"series number {one.number}, UID {one.uid}, {words}, {one.slices} slices"
                yield f"{task.case}-{number}", note, one.open

    def _outcome(self, case: str, task: Task, ct: Callable[[], CtVolume] | str) -> Outcome:
        try:
            earlier = None if self.folder is None else self.folder.earlier(case)
            question, drawing = self._question(case, task, ct)
            if earlier is not None:
                require_same(earlier, self._asked_for(question, drawing))
                return Outcome(case, earlier, warnings=_warnings(earlier))
            assessment = conclude(question, drawing or draw(question, *self._model))
            record, part = assessment.record, None
            if self.folder is not None:
                keep = self.request.keep_identity
                part, record = self.folder.stage(
                    case, lambda folder: write_case(folder, assessment, keep_identity=keep)
                )
            return Outcome(case, record, warnings=_warnings(record), part=part)
        except Exception as error:
            return Outcome.failed(case, error)

    def _question(
        self, case: str, task: Task, ct: Callable[[], CtVolume] | str
    ) -> tuple[Question, Drawing | None]:
        request = task.asked(self.request)
        if task.is_mask:
            return ask_mask(
                task.path,
                request.facts,
                label=task.label,
                ct=task.ct,
                l3=request.l3,
                criteria=request.criteria,
                series=request.series,
                case=case,
            )
        opened = ct if isinstance(ct, str) else ct()
        series = request.series if isinstance(ct, str) else None
        question = ask(
            opened, request.facts, l3=request.l3, criteria=request.criteria, series=series, case=case
        )
        return question, None

    def _asked_for(self, question: Question, drawing: Drawing | None) -> dict[str, Any]:
        """What the record of this question would say, as `results.asked_for` reads it."""
        entry = self._model[0].entry if drawing is None else None
        sex = question.volume.patient.sex
        return {
            "input.sha256": question.volume.input.sha256,
            "model": (None, None) if entry is None else (entry.sha256, entry.version),
            "criterion": question.criteria[0] if question.criteria else default_criterion(),
            "L3": (question.level.slice_from_feet, round(question.level.superior_mm, 2)),
            "sex": None if sex is None else sex.value,
            "mask": None if drawing is None else drawing.sha256,
        }

    @property
    def _model(self) -> tuple[SegmentationModel, str]:
        loaded = self._model_or_error
        if isinstance(loaded, SarcopeniaError):
            raise loaded
        return loaded

    @cached_property
    def _model_or_error(self) -> tuple[SegmentationModel, str] | SarcopeniaError:
        try:
            device = choose_device(self.request.device)
            model = load_model(self.request.model, device)
            return (untiled(model) if self.request.untiled else model), device
        except SarcopeniaError as error:
            return error


def outcomes(tasks: Sequence[Task], request: Request, jobs: int = 1) -> Iterator[tuple[Task, list[Outcome]]]:
    """Every task with its outcomes, as they come; `jobs` processes, each with a model of its own."""
    if jobs <= 1 or len(tasks) <= 1:
        bench = Bench(request)
        for task in tasks:
            yield task, list(bench.outcomes(task))
        return
    workers = min(jobs, len(tasks))
    for task, found in run_all(work, tasks, workers, partial(start_worker, request, workers)):
        yield task, [Outcome.failed(task.case, found)] if isinstance(found, Exception) else found


_bench: Bench | None = None


def start_worker(request: Request, workers: int) -> None:
    """Make this process one of so many that work on a request together.

    The model is loaded when the first task needs it, and stays.
    """
    global _bench  # noqa: PLW0603 - a worker process has one bench for all of its tasks
    # Ctrl-C reaches the whole group of processes; the parent tells of it, a worker just ends.
    end_with_parent()
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
    quiet_libraries().__enter__()  # for the process's whole life
    _bench = Bench(request)


def work(task: Task) -> list[Outcome]:
    """The outcomes of a task, in a process of `start_worker`."""
    if _bench is None:
        raise RuntimeError("the worker was not started")
    return list(_bench.outcomes(task))


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence what other libraries log or warn: it is no line of ours, and may quote a header."""
    import logging
    import warnings

    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


def _warnings(record: dict[str, Any]) -> tuple[str, ...]:
    told = (Severity.WARNING, Severity.ERROR)
    return tuple(entry["message"] for entry in record["quality"] if entry["severity"] in told)
