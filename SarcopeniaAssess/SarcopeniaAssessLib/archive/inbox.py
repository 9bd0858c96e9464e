"""An inbox at work: what comes in is kept, assessed when its study is quiet, and the results are sent back.

Everything that has happened stands in the journal of the spool, so that an inbox which is killed goes on:
no study is lost, and none has its results twice.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.archive.assessing import Assessors
from SarcopeniaAssessLib.archive.journal import FILE, Job, Journal, Parcel
from SarcopeniaAssessLib.archive.listener import Listener, transfer_syntaxes
from SarcopeniaAssessLib.archive.sending import Post, instance_uid, sender_of
from SarcopeniaAssessLib.archive.spool import Spool
from SarcopeniaAssessLib.batch import Outcome, Request, Task, quiet_libraries
from SarcopeniaAssessLib.case_table import RECORD
from SarcopeniaAssessLib.dicom_results import REPORT_SR, SEGMENTATION
from SarcopeniaAssessLib.errors import InputError, OutputError, RecordError, SarcopeniaError
from SarcopeniaAssessLib.output_lock import LOCK_FILE, FolderLock
from SarcopeniaAssessLib.record import read_record
from SarcopeniaAssessLib.results import Existing, OutputFolder, asked_for
from SarcopeniaAssessLib.run_summary import RunSummary

if TYPE_CHECKING:
    from SarcopeniaAssessLib.archive.settings import Settings

_LOOK_EVERY_S = 0.25
_TIDY_EVERY_S = 60.0
_NOTHING_NEW = "as before: nothing that is measured has changed, so nothing more is sent"


def request_of(settings: Settings) -> Request:
    """What is asked for of every study; the results say who the patient is, as an archive needs."""
    given = settings.assess
    return Request(
        l3=given.l3,
        model=given.model,
        device=given.device,
        untiled=given.untiled,
        criteria=given.criteria,
        out=settings.results.absolute(),
        existing=Existing.RESUME,
        keep_identity=True,
    )


class Inbox:
    """Spool, listener, assessors and post of one settings file; a context that begins and ends them all.

    Parameters
    ----------
    say:
        Told, a line each, what an administrator should see; cases are named, patients, UIDs and paths not.

    Raises
    ------
    InputError, OutputError
        On entry: another inbox has the spool, it is a folder of something else, a folder cannot be written,
        the port is taken, an extra or a TLS file is missing.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings, self._say = settings, say
        self._opened = ExitStack()
        self._publishing = threading.Lock()
        self._unfinished: SimpleQueue[Job] = SimpleQueue()
        self.port = 0

    def __enter__(self) -> Inbox:
        settings = self._settings
        with ExitStack() as opened:
            private_folder(settings.spool)
            opened.callback(FolderLock(settings.spool).release)
            opened.enter_context(quiet_libraries())
            self._folder = opened.enter_context(OutputFolder(settings.results, Existing.RESUME))
            self._spool = Spool(settings.spool, settings.limits)
            opened.callback(self._spool.journal.close)
            listener = Listener(settings, self._spool, self._say)
            post = self._post()
            self._assessors = Assessors(
                request_of(settings), settings.assess.jobs, settings.limits.study_minutes, self._done
            )
            opened.callback(self._assessors.stop)
            if post is not None:
                post.start()
                opened.callback(post.stop)
            for job in self._spool.journal.jobs():
                self._give(job)
            opened.callback(listener.stop)
            self.port = listener.start()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def run(self, stopped: threading.Event) -> None:
        """Work until `stopped` is set."""
        tidied = time.monotonic() - _TIDY_EVERY_S
        while not stopped.wait(_LOOK_EVERY_S):
            try:
                # First, for it makes the room for want of which the rest may fail.
                if time.monotonic() - tidied >= _TIDY_EVERY_S:
                    tidied = time.monotonic()
                    for _ in range(self._unfinished.qsize()):
                        self._give(self._unfinished.get())
                    self._spool.forget_old(time.time())
                for job, problem in self._spool.begin_quiet(time.time()):
                    if problem is None:
                        self._give(job)
                    else:
                        self._say(f"{job.case}: {problem}")
            except (OSError, SarcopeniaError) as error:  # a full disk today is none tomorrow
                self._say(f"the spool cannot be worked on ({_reason(error)}); tried again in a minute")
                stopped.wait(_TIDY_EVERY_S)

    def _post(self) -> Post | None:
        peer = self._settings.peer
        if peer is None:
            return None
        return Post(sender_of(peer), self._spool.journal, self._folder.folder, self._say)

    def _give(self, job: Job) -> None:
        self._assessors.give(job, Task(job.case, str(self._spool.images(job).absolute())))

    def _done(self, job: Job, found: list[Outcome]) -> None:
        """What came of a study: its cases appear, and what is to be sent is written down; then it is done."""
        with self._publishing:
            try:
                parcels, problems, made = self._publish(job, found)
                self._spool.journal.finish(job, parcels, "; ".join(sorted(set(problems))) or None)
                self._spool.clear(job)
            except Exception as error:  # whatever one study does, the thread is there for the next
                self._unfinished.put(job)  # and in the journal it still waits
                self._say(f"{job.case}: not finished ({_reason(error)}); tried again in a minute")
                return
        for problem in problems:
            self._say(f"{job.case}: {problem}")
        if made:
            words = (
                f"{len(parcels)} objects to send" if self._settings.peer else "results are in their folder"
            )
            self._say(f"{job.case}: {made} series assessed; {words}")
        elif not problems:
            self._say(f"{job.case}: {_NOTHING_NEW}")

    def _publish(self, job: Job, found: list[Outcome]) -> tuple[list[Parcel], list[str], int]:
        earlier = list(self._earlier(job))
        parcels: list[Parcel] = []
        problems: list[str] = []
        made, summary = 0, RunSummary()
        for outcome in found:
            done = outcome
            if outcome.record is not None and asked_for(outcome.record) in earlier:
                if outcome.part is not None:
                    shutil.rmtree(outcome.part, ignore_errors=True)
                continue
            if outcome.record is not None and outcome.part is not None:
                try:
                    self._folder.publish(outcome.part, outcome.record)
                except OutputError as error:
                    done = Outcome.failed(outcome.case, error)
            summary.count(done)
            if done.record is None:
                problems.append(done.problem or "")
                continue
            made += 1
            if self._settings.peer is not None:
                parcels += self._parcels(done.case)
        self._folder.keep_failures(summary, anew=True)
        return parcels, problems, made

    def _parcels(self, case: str) -> Iterator[Parcel]:
        """Segmentation and report of a case; a CT without UIDs has none."""
        for name in (SEGMENTATION, REPORT_SR):
            file = self._folder.folder / case / name
            if file.is_file():
                yield Parcel(instance_uid(file), f"{case}/{name}")

    def _earlier(self, job: Job) -> Iterator[dict[str, Any]]:
        """What was asked for in the earlier assessments of a study, as far as they are still there."""
        for generation in range(1, job.generation):
            case = Job(job.key, generation).case
            # A study of several series has cases CASE-1, CASE-2 …
            for place in [self._folder.folder / case, *self._folder.folder.glob(f"{case}-*")]:
                try:
                    yield asked_for(read_record(place / RECORD))
                except RecordError:
                    continue


@dataclass(frozen=True)
class Standing:
    """What an inbox has done and has before it."""

    studies: Counter[str]
    results: Counter[str]
    problems: Counter[str]

    def lines(self) -> Iterator[str]:
        """In words."""
        studies, results = self.studies, self.results
        yield (
            f"studies: {studies['coming in']} coming in, {studies['waiting']} being assessed or waiting, "
            f"{studies['done']} assessed, {studies['failed']} with problems"
        )
        sent = f"{results['waiting']} to be sent, {results['done']} sent, {results['failed']} given up"
        yield f"objects: {sent}"
        for problem, count in self.problems.most_common():
            yield f"{count} times: {problem}"


@contextmanager
def _journal(settings: Settings) -> Iterator[Journal]:
    file = settings.spool / FILE
    if not file.is_file():
        raise InputError("There is no inbox in the spool yet", "start it, or check [folders] spool")
    journal = Journal(file)
    try:
        yield journal
    finally:
        journal.close()


def standing(settings: Settings) -> Standing:
    """How an inbox stands, running or not.

    Raises
    ------
    InputError, OutputError
        There is none, or its journal cannot be read.
    """
    with _journal(settings) as journal:
        counts = journal.counts()
        return Standing(counts["study"] + counts["job"], counts["parcel"], journal.problems())


def again(settings: Settings) -> tuple[int, int]:
    """Let the inbox that runs, or the next, do again what went wrong.

    Returns
    -------
    How many studies are assessed again, of those whose images are still here, and how many objects sent.

    Raises
    ------
    InputError, OutputError
        As `standing`.
    """
    with _journal(settings) as journal:
        return journal.assess_again(), journal.send_again()


def check(settings: Settings) -> Iterator[str]:
    """Try whatever can be tried without a study: folders, model, TLS files, decoders, the peer.

    Yields
    ------
    What is well, a sentence each.

    Raises
    ------
    SarcopeniaError
        The first thing that is not well.
    """
    from SarcopeniaAssessLib.archive.encryption import server_context
    from SarcopeniaAssessLib.archive.listener import require_pynetdicom
    from SarcopeniaAssessLib.criteria import resolve_criterion
    from SarcopeniaAssessLib.models import default_model_name, load_model
    from SarcopeniaAssessLib.segmentation import choose_device

    require_pynetdicom()
    private_folder(settings.spool)
    with OutputFolder(settings.results, Existing.RESUME):
        yield "both folders can be written to"
    if settings.listen.tls is not None:
        server_context(settings.listen.tls)
        yield "the listener's certificate, key and CA can be used"
    for criterion in settings.assess.criteria:
        resolve_criterion(criterion)
    device = choose_device(settings.assess.device)
    load_model(settings.assess.model, device)
    yield f"the model {settings.assess.model or default_model_name()} can be loaded on {device}"
    yield f"{len(transfer_syntaxes())} transfer syntaxes can be decoded"
    if settings.peer is None:
        yield "nothing is sent anywhere: there is no [send] and no [stow]"
    else:
        sender_of(settings.peer).knock()
        yield "the archive answers"


def private_folder(folder: Path) -> None:
    """Make a folder that only this user can look into; it holds what patients' images are.

    Raises
    ------
    InputError
        Something else lies there: a spool removes what its journal does not know.
    OutputError
        It cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = {each.name for each in folder.iterdir()} - {LOCK_FILE}
        if names and FILE not in names:
            raise InputError(
                "The spool's folder holds something else, or has lost its journal",
                "give [folders] spool a folder of its own",
            )
        folder.chmod(0o700)
    except OSError as error:
        raise OutputError(
            f"The spool cannot be made ({error.strerror or 'error'})", "give [folders] spool another place"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, SarcopeniaError):
        return error.problem
    return getattr(error, "strerror", None) or type(error).__name__
