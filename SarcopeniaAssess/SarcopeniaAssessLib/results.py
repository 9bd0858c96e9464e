"""The output folder: `DIR/CASE/` for every case, and `DIR/assessments.csv` with a row for each.

A case's folder is written beside its place under a hidden name and appears by one rename, whole or not
at all. A kernel lock keeps two runs on one DIR apart, so whatever hidden name a run finds there is what a
killed one left, and is removed; a folder that was being replaced is put back.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from SarcopeniaAssessLib.case_names import require_short
from SarcopeniaAssessLib.case_table import RECORD, CaseTable
from SarcopeniaAssessLib.errors import OutputError, RecordError
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaAssessLib.record import read_record
from SarcopeniaAssessLib.run_summary import FAILURES, RunSummary

if TYPE_CHECKING:
    from collections.abc import Callable

MASK, OVERLAY, REPORT = "muscle.nii.gz", "overlay.png", "report.pdf"
_PART, _OLD = "sarcopenia-part", "sarcopenia-old"
_LEFT_BEHIND = re.compile(rf"\.(?P<case>.+)\.({_PART}-\d+|(?P<old>{_OLD}))")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Existing(StrEnum):
    """What happens to a case that is there already."""

    REFUSE = "refuse"
    RESUME = "resume"
    OVERWRITE = "overwrite"


class OutputFolder:
    """An output folder, locked while the `with` block runs.

    Parameters
    ----------
    folder:
        Made with its parents if it is not there; removed again if nothing came into it.
    existing:
        What happens to cases that are there already.

    Raises
    ------
    OutputError
        It cannot be made or written to, or another run holds it.
    """

    def __init__(self, folder: str | Path, existing: Existing = Existing.REFUSE) -> None:
        self.folder = Path(folder).absolute()
        self.existing = existing
        self._lock: FolderLock | None = None
        self._is_new = False
        self._table: CaseTable | None = None
        self._published: set[str] = set()

    def __enter__(self) -> Self:
        with _as_output_error():
            self._is_new = not self.folder.exists()
            self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.folder)
        try:
            with _as_output_error():
                self._require_writable()
                self._clean()
                self._table = CaseTable(self.folder, self._part)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            with suppress(OSError):  # the next run tries again
                self._clean()
                if self._table is not None:
                    self._table.renew()
        if self._is_new and self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def cases(self) -> tuple[str, ...]:
        """Cases that are there, sorted."""
        return () if self._table is None else self._table.cases

    def earlier(self, case: str) -> dict[str, Any] | None:
        """The record of a case that is there and may be kept; `None` if it is to be made.

        Under `--resume` the caller compares it with what is asked for (`require_same`).

        Raises
        ------
        OutputError
            The case may not be written: it is there already, a person has accepted it, or what lies
            there is no case.
        """
        require_short(case)
        place = self.folder / case
        if not os.path.lexists(place):
            return None
        if self.existing is Existing.REFUSE:
            raise OutputError(
                "It is in the output folder already", "give --resume to keep it or --overwrite to replace it"
            )
        try:
            record = read_record(place / RECORD)
        except RecordError as error:
            raise OutputError(
                "What lies under its name in the output folder is no assessment that can be read",
                "move it away, or give another --case or --out",
            ) from error
        if self.existing is Existing.RESUME:
            return record
        if record["review"]["state"] == "accepted":
            raise OutputError(
                "A person has accepted it, and what is accepted is never replaced",
                "give another --case or --out, or leave --overwrite out",
            )
        return None

    def stage(self, case: str, write: Callable[[Path], dict[str, Any]]) -> tuple[Path, dict[str, Any]]:
        """Write a case's files under a hidden name; needs no lock, so a worker process may do it.

        Parameters
        ----------
        write:
            Writes every file of the case into the folder it is given, and returns the record it wrote.

        Returns
        -------
        The hidden folder, for `publish`, and the record.

        Raises
        ------
        OutputError
            The disk is full or refuses; nothing is left of the case then.
        """
        require_short(case)
        part = self._part(case)
        try:
            with _as_output_error():
                part.mkdir()
                record = write(part)
                for file in part.iterdir():
                    _sync(file)
                _sync(part)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return part, record

    def publish(self, part: Path, record: Mapping[str, Any]) -> None:
        """Let a staged case appear by one rename, and its row in `assessments.csv`.

        Raises
        ------
        OutputError
            The disk is full or refuses, or another input of this run has the name already; the case has
            not appeared then.
        """
        case = record["case"]
        if case in self._published:
            shutil.rmtree(part, ignore_errors=True)
            raise OutputError(
                "Another input of this run has the same name and was written", "assess this one with --case"
            )
        if self._table is None:
            raise RuntimeError("the folder is not open")
        old = self.folder / f".{case}.{_OLD}"
        try:
            with _as_output_error(), self._table.adding(record):
                if os.path.lexists(self.folder / case):
                    os.rename(self.folder / case, old)
                os.rename(part, self.folder / case)
                _sync(self.folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            if old.exists() and not (self.folder / case).exists():
                os.rename(old, self.folder / case)
            raise
        shutil.rmtree(old, ignore_errors=True)
        self._published.add(case)

    def keep_failures(self, summary: RunSummary, *, anew: bool) -> None:
        """Name the cases of a run that have no record in `failures.csv`.

        Parameters
        ----------
        anew:
            Whether the file is begun where there is none.

        Raises
        ------
        OutputError
            The disk is full or refuses; every case that has a record stands all the same.
        """
        path = self.folder / FAILURES
        if anew or path.exists():
            with _as_output_error():
                summary.keep_failures(path, self._part(FAILURES), self.cases)

    def _part(self, name: str) -> Path:
        """A hidden name that no other process has, on this machine or on another that shares the folder."""
        return self.folder / f".{name}.{_PART}-{secrets.randbits(48)}"

    def _require_writable(self) -> None:
        probe = self._part("probe")
        probe.mkdir()
        probe.rmdir()

    def _clean(self) -> None:
        for entry in list(self.folder.iterdir()):
            match = _LEFT_BEHIND.fullmatch(entry.name)
            if match is None:
                continue
            place = self.folder / match["case"]
            if match["old"] and not place.exists():
                os.rename(entry, place)
            elif entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def asked_for(record: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two assessments the same, from a record."""
    return {
        "input.sha256": record["input"]["sha256"],
        "model": (record["model"]["sha256"], record["model"]["version"]),
        "criterion": record["status"]["criterion"],
        "L3": (record["l3"]["slice_from_feet"], round(record["l3"]["superior_mm"], 2)),
        "sex": record["patient"]["sex"],
        "mask": record["mask"].get("sha256"),
    }


def require_same(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to keep a case that was made of something else.

    Parameters
    ----------
    record:
        Of the case that is there.
    wanted:
        As `asked_for` gives it; its keys are what is compared.

    Raises
    ------
    OutputError
        Something differs; the message says what.
    """
    there = asked_for(record)
    differing = [name for name, value in wanted.items() if there.get(name) != value]
    if differing:
        raise OutputError(
            f"It is in the output folder already, but {' and '.join(differing)} differ"
            f"{'s' if len(differing) == 1 else ''} from what is asked for now",
            "give --overwrite to replace it, or another --case or --out",
        )


def _sync(path: Path) -> None:
    """Have the disk hold what was written, so that a rename never precedes it; folders not on Windows."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() or os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _as_output_error() -> Iterator[None]:
    """Tell what the operating system refuses in words, without the path."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            problem = "The disk is full, or a limit on file sizes or space is reached"
            raise OutputError(problem, "free some space, or give another --out") from error
        if error.errno == errno.ENAMETOOLONG:
            raise OutputError(
                "The name of the case or the output folder is too long", "give a shorter --case or --out"
            ) from error
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            raise OutputError("The output folder's place is taken by a file", "give a folder") from error
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise OutputError(
            f"The output folder cannot be written to ({reason})", "give an --out that can be written to"
        ) from error
