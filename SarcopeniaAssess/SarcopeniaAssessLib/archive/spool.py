"""The folder of what has come in: an object is on the disk, by one rename, before its sender is told so.

`incoming/` holds what is being received, `studies/KEY/` the objects of a study, `jobs/CASE/` what one
assessment sees of them: links that later arrivals do not touch. Names are hashes of UIDs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from SarcopeniaAssessLib.archive.journal import FILE, Arrival, Job, Journal
from SarcopeniaAssessLib.archive.settings import Limits
from SarcopeniaAssessLib.dicom_attributes import DAMAGED, breaches, quiet_pydicom, value
from SarcopeniaAssessLib.errors import InputError, OutputError

TWO_PATIENTS = (
    "Images of two patients have come under one study; correct them in the archive, and send them again"
)
IMAGES_GONE = "Its images are no longer in the spool; send them again"
_TAGS = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "PatientID", "IssuerOfPatientID"]
_RETRY = "send it again later"


@dataclass(frozen=True)
class Label:
    """What a received object says it is."""

    sop_class: str
    uid: str
    study: str
    patient: str

    @property
    def key(self) -> str:
        """The study's folder and case, e.g. `study-0f3c…`: a hash of its UID."""
        return f"study-{_hash(self.study)[:16]}"

    @property
    def name(self) -> str:
        """The file's name in that folder."""
        return f"{_hash(self.uid)[:32]}.dcm"


def read_label(path: Path) -> Label:
    """Read what a received file is, header only.

    Raises
    ------
    InputError
        It cannot be read, or has no UID of its own, of its class or of its study.
    """
    from pydicom import dcmread

    with quiet_pydicom():
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        except breaches() as error:
            raise InputError(f"It is a {DAMAGED}", _RETRY) from error
        found = {name: str(value(header, name) or "").strip("\0 ") for name in _TAGS}
    if not all(found[name] for name in _TAGS[:3]):
        raise InputError("It has no UID of its own, of its class or of its study", "correct its header")
    patient = _hash(f"{found['PatientID']}\n{found['IssuerOfPatientID']}")
    return Label(found["SOPClassUID"], found["SOPInstanceUID"], found["StudyInstanceUID"], patient)


class Spool:
    """A spool whose folder this process holds the lock of.

    Parameters
    ----------
    folder:
        There, and private to this user.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.incoming, self._studies, self._jobs = (folder / name for name in ("incoming", "studies", "jobs"))
        self.journal = Journal(folder / FILE)  # first: by it a folder is known for a spool
        for each in (self.incoming, self._studies, self._jobs):
            each.mkdir(mode=0o700, exist_ok=True)
        self._limits = limits
        self._lock = threading.RLock()
        self._interrupted: dict[str, float] = {}
        self._held: dict[str, set[object]] = {}
        self._recover()
        self.interrupted(self.journal.coming_in())
        self._bytes = self.journal.spooled_bytes()

    def take(self, path: Path, label: Label, at: float) -> bool:
        """Put a received file in its place, durably.

        Returns
        -------
        Whether it is new; one that is here already, byte by byte, is not, and is removed.

        Raises
        ------
        OutputError, OSError
            There is no room for it now; the file is still where it was.
        """
        size, digest = path.stat().st_size, _digest_synced(path)
        place = self._studies / label.key / label.name
        with self._lock:
            self._interrupted.pop(label.key, None)
            if self.journal.known(label.key, label.name) == digest and place.is_file():
                path.unlink()
                return False
            replaced = place.stat().st_size if place.is_file() else None
            self._require_room(label.key, size, is_more=replaced is None)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            os.replace(path, place)
            _sync_folder(place.parent)
            _sync_folder(self._studies)
            self.journal.received(Arrival(label.key, label.name, digest, label.patient, size), at)
            self._bytes += size - (replaced or 0)
        return True

    def interrupted(self, keys: Iterable[str]) -> None:
        """Studies whose sender was cut off or refused: it comes again, and may take its time."""
        until = time.monotonic() + self._limits.interrupted_s
        with self._lock:
            self._interrupted.update(dict.fromkeys(keys, until))

    def hold(self, key: str, holder: object) -> None:
        """Somebody is bringing a study: it is not whole before `leave`, however slowly it comes."""
        with self._lock:
            self._held.setdefault(key, set()).add(holder)

    def leave(self, key: str, holder: object) -> None:
        """That one brings no more of it."""
        with self._lock:
            self._held.get(key, set()).discard(holder)
            if not self._held.get(key):
                self._held.pop(key, None)

    def begin_quiet(self, now: float) -> list[tuple[Job, str | None]]:
        """Make a job of every study of which nothing has come for a while.

        Returns
        -------
        The jobs, and why one cannot be done.

        Raises
        ------
        OutputError, OSError
            The disk refuses, and not one was begun.
        """
        begun: list[tuple[Job, str | None]] = []
        with self._lock:
            for key, changes, generation in self.journal.quiet_studies(now, self._limits.quiet_s):
                if key in self._held or time.monotonic() < self._interrupted.get(key, 0.0):
                    continue
                job = Job(key, generation + 1)
                problem = self._hindrance(key)
                try:
                    if problem is None:
                        self._freeze(job)
                    self.journal.begin(job, changes, problem)
                except (OSError, OutputError):
                    if begun:  # those are under way; the next look tells of this one
                        break
                    raise
                self._interrupted.pop(key, None)
                begun.append((job, problem))
        return begun

    def images(self, job: Job) -> Path:
        """The folder that a job assesses."""
        return self._jobs / job.case

    def clear(self, job: Job) -> None:
        """Remove a job's folder; the study's own stays."""
        shutil.rmtree(self.images(job), ignore_errors=True)

    def forget_old(self, now: float) -> int:
        """Remove images of studies that were assessed, and of which nothing has come for long enough.

        Returns
        -------
        How many studies.
        """
        old = self.journal.forgettable(now - self._limits.keep_hours * 3600)
        for key in old:
            with self._lock:
                if key not in self.journal.forgettable(now - self._limits.keep_hours * 3600):
                    continue  # something of it came meanwhile
                self.journal.forget(key)
                shutil.rmtree(self._studies / key, ignore_errors=True)
                self._bytes = self.journal.spooled_bytes()
        return len(old)

    def discard(self, path: Path) -> None:
        """Remove what was received in vain."""
        if path.parent == self.incoming:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _hindrance(self, key: str) -> str | None:
        """Why a study cannot be assessed."""
        study = self._studies / key
        if not (study.is_dir() and any(study.iterdir())):  # somebody has tidied up
            return IMAGES_GONE
        return TWO_PATIENTS if self.journal.patients(key) > 1 else None

    def _freeze(self, job: Job) -> None:
        part = self._jobs / f".{job.case}"
        for each in (part, self.images(job)):
            shutil.rmtree(each, ignore_errors=True)
        part.mkdir(mode=0o700)
        for file in sorted((self._studies / job.key).iterdir()):
            try:
                os.link(file, part / file.name)
            except OSError:  # a file system without links
                shutil.copyfile(file, part / file.name)
        _sync_folder(part)
        part.rename(self.images(job))
        _sync_folder(self._jobs)

    def _require_room(self, key: str, size: int, *, is_more: bool) -> None:
        limits = self._limits
        here, is_open = self.journal.study_size(key)
        if is_more and here >= limits.instances:
            raise OutputError("The study has more objects than are taken", "raise [limits] instances")
        if not is_open and self.journal.waiting() >= limits.waiting:
            raise OutputError("Too many studies are waiting to be assessed", _RETRY)
        if self._bytes + size > limits.spool_bytes:
            raise OutputError("The spool is full", _RETRY)
        if shutil.disk_usage(self.incoming).free < limits.free_bytes:
            raise OutputError("The disk of the spool is nearly full", _RETRY)

    def _recover(self) -> None:
        """Remove what a killed inbox has left half done; its senders were not told that it was taken."""
        for file in self.incoming.iterdir():
            file.unlink()
        wanted = {job.case for job in self.journal.jobs()}
        for folder in self._jobs.iterdir():
            if folder.name not in wanted:
                shutil.rmtree(folder)
        for study in self._studies.iterdir():
            for file in study.iterdir():
                if self.journal.known(study.name, file.name) is None:
                    file.unlink()
            if not any(study.iterdir()):
                study.rmdir()
        for job in self.journal.jobs():
            if not self.images(job).is_dir() and (self._studies / job.key).is_dir():
                self._freeze(job)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _digest_synced(path: Path) -> str:
    """The file's hash, once the disk holds it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Have the disk hold a folder's names; Windows cannot, and does so by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
