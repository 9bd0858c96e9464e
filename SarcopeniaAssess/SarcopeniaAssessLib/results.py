"""The output folder: `DIR/CASE/` for every case, and `DIR/assessments.csv` with a row for each.

A case's folder is written beside its place under a hidden name and appears by one rename, whole or not
at all. A kernel lock keeps two runs on one DIR apart, so whatever hidden name a run finds there is what a
killed one left, and is removed; a folder that was being replaced is put back.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from SarcopeniaAssessLib.case_names import require_short
from SarcopeniaAssessLib.errors import OutputError, RecordError
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaAssessLib.record import read_record

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD, MASK, OVERLAY, REPORT = "assessment.json", "muscle.nii.gz", "overlay.png", "report.pdf"
TABLE = "assessments.csv"
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
        self._rows: dict[str, dict[str, Any]] = {}
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
                self._rows = dict(self._rows_on_disk())
                self._renew_table()
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
        if self._is_new and self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def cases(self) -> tuple[str, ...]:
        """Cases that are there, sorted."""
        return tuple(sorted(self._rows))

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
        part = self.folder / f".{case}.{_PART}-{os.getpid()}"
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
        from SarcopeniaAssessLib.report import csv_row

        case = record["case"]
        if case in self._published:
            shutil.rmtree(part, ignore_errors=True)
            raise OutputError(
                "Another input of this run has the same name and was written", "assess this one with --case"
            )
        rows = {**self._rows, case: csv_row(record)}
        old = self.folder / f".{case}.{_OLD}"
        table = self.folder / f".{TABLE}.{_PART}-{os.getpid()}"
        try:
            with _as_output_error():
                # The table is written before the case appears: a full disk stops both.
                _write_synced(table, _csv_text(rows))
                if os.path.lexists(self.folder / case):
                    os.rename(self.folder / case, old)
                os.rename(part, self.folder / case)
                os.replace(table, self.folder / TABLE)
                _sync(self.folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            table.unlink(missing_ok=True)
            if old.exists() and not (self.folder / case).exists():
                os.rename(old, self.folder / case)
            raise
        shutil.rmtree(old, ignore_errors=True)
        self._rows = rows
        self._published.add(case)

    def _require_writable(self) -> None:
        probe = self.folder / f".probe.{_PART}-{os.getpid()}"
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

    def _renew_table(self) -> None:
        """Bring the table up to date where a run was killed or a folder was moved by hand."""
        table = self.folder / TABLE
        content = _csv_text(self._rows)
        if self._rows and not (table.is_file() and table.read_bytes() == content):
            part = self.folder / f".{TABLE}.{_PART}-{os.getpid()}"
            _write_synced(part, content)
            os.replace(part, table)

    def _rows_on_disk(self) -> Iterator[tuple[str, dict[str, Any]]]:
        from SarcopeniaAssessLib.report import csv_row

        for path in self.folder.glob(f"[!.]*/{RECORD}"):
            try:
                yield path.parent.name, csv_row(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not ours, or damaged: neither row nor reason to stop


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


def _csv_text(rows: Mapping[str, Mapping[str, Any]]) -> bytes:
    from itertools import chain

    names = list(dict.fromkeys(chain.from_iterable(rows.values())))
    text = io.StringIO()
    table = csv.DictWriter(text, names, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows[case] for case in sorted(rows))
    return text.getvalue().encode()


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


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
