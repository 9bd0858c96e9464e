"""The journal of an inbox: what has come in, what is to be assessed, what is to be sent; in SQLite.

A transaction is on the disk when its method returns, so that an inbox that is killed at any moment goes on
where it was. UIDs stand here, for the archive's sake, and hashes of patients; nothing of it is printed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from SarcopeniaAssessLib.errors import OutputError

FILE = "journal.sqlite"
_VERSION = 1
_TABLES = """
CREATE TABLE study (key TEXT PRIMARY KEY, last_at REAL NOT NULL, changes INTEGER NOT NULL,
    taken INTEGER NOT NULL, generation INTEGER NOT NULL);
CREATE TABLE instance (key TEXT NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL, patient TEXT NOT NULL,
    size INTEGER NOT NULL, PRIMARY KEY (key, name)) WITHOUT ROWID;
CREATE TABLE job (key TEXT NOT NULL, generation INTEGER NOT NULL, state TEXT NOT NULL, problem TEXT,
    PRIMARY KEY (key, generation)) WITHOUT ROWID;
CREATE TABLE parcel (uid TEXT PRIMARY KEY, place TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL,
    next_at REAL NOT NULL, problem TEXT) WITHOUT ROWID;
CREATE INDEX parcel_due ON parcel (state, next_at);
"""


class State(StrEnum):
    """Of a job or parcel."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Arrival:
    """An object that lies in its study's folder.

    Attributes
    ----------
    key, name:
        The study's folder and the file in it.
    sha256:
        Of the file.
    patient:
        Hash of who it is of; tells two patients in one study.
    """

    key: str
    name: str
    sha256: str
    patient: str
    size: int


@dataclass(frozen=True)
class Job:
    """One assessment of one study: the first, or a later one of what came after it."""

    key: str
    generation: int

    @property
    def case(self) -> str:
        """The case's name in the output folder."""
        return self.key if self.generation == 1 else f"{self.key}.{self.generation}"


@dataclass(frozen=True)
class Parcel:
    """A file of the output folder that is to be sent, and how often it was refused."""

    uid: str
    place: str
    tries: int = 0


class Journal:
    """The journal of a spool that this process holds the lock of; its methods may be called by any thread.

    Raises
    ------
    OutputError
        It cannot be opened, or another version has written it.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        try:
            # Transactions are begun and ended here, not by the module's guesses.
            self._base = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=30)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            version = int(self._base.execute("PRAGMA user_version").fetchone()[0])
            if version == 0:
                self._base.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={_VERSION}; COMMIT;")
        except sqlite3.Error as error:
            raise _refused(error) from error
        if version not in (0, _VERSION):
            remedy = "use that version, or another folder"
            raise OutputError("The journal of the spool was written by another version", remedy)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._base.close()

    def known(self, key: str, name: str) -> str | None:
        """The hash of an object that was received; `None` if it was not."""
        with self._reading() as base:
            row = base.execute("SELECT sha256 FROM instance WHERE key=? AND name=?", (key, name)).fetchone()
        return None if row is None else str(row[0])

    def received(self, one: Arrival, at: float) -> None:
        """Write down an object whose file is in place; its study is to be assessed once it is quiet."""
        row = (one.key, one.name, one.sha256, one.patient, one.size)
        with self._writing() as base:
            base.execute("INSERT OR REPLACE INTO instance VALUES (?,?,?,?,?)", row)
            base.execute(
                "INSERT INTO study VALUES (?,?,1,0,0) "
                "ON CONFLICT (key) DO UPDATE SET last_at=?, changes=changes+1",
                (one.key, at, at),
            )

    def study_size(self, key: str) -> tuple[int, bool]:
        """How many objects of a study are here, and whether it waits to be assessed."""
        with self._reading() as base:
            count = base.execute("SELECT COUNT(*) FROM instance WHERE key=?", (key,)).fetchone()[0]
            open_ = base.execute("SELECT 1 FROM study WHERE key=? AND changes>taken", (key,)).fetchone()
        return int(count), open_ is not None

    def spooled_bytes(self) -> int:
        """Size of all objects."""
        with self._reading() as base:
            return int(base.execute("SELECT COALESCE(SUM(size),0) FROM instance").fetchone()[0])

    def waiting(self) -> int:
        """Studies that are still coming in, wait or are being assessed."""
        with self._reading() as base:
            studies = base.execute("SELECT COUNT(*) FROM study WHERE changes>taken").fetchone()[0]
            jobs = base.execute("SELECT COUNT(*) FROM job WHERE state=?", (State.WAITING,)).fetchone()[0]
        return int(studies) + int(jobs)

    def quiet_studies(self, now: float, quiet_s: float) -> list[tuple[str, int, int]]:
        """Keys, changes and last generation of the studies of which nothing came for so long.

        One that is being assessed is left for later: two assessments at a time would send the same twice.
        """
        with self._writing() as base:
            # A clock that was set back must not hold studies up.
            base.execute("UPDATE study SET last_at=? WHERE last_at>?", (now, now))
            rows = base.execute(
                "SELECT key, changes, generation FROM study WHERE changes>taken AND last_at<=? "
                "AND key NOT IN (SELECT key FROM job WHERE state=?) ORDER BY last_at",
                (now - quiet_s, State.WAITING),
            ).fetchall()
        return [(str(key), int(changes), int(generation)) for key, changes, generation in rows]

    def coming_in(self) -> list[str]:
        """Keys of the studies that are not whole yet, as far as is known."""
        with self._reading() as base:
            rows = base.execute("SELECT key FROM study WHERE changes>taken").fetchall()
        return [str(key) for (key,) in rows]

    def patients(self, key: str) -> int:
        """How many patients the objects of a study name."""
        with self._reading() as base:
            row = base.execute("SELECT COUNT(DISTINCT patient) FROM instance WHERE key=?", (key,)).fetchone()
        return int(row[0])

    def begin(self, job: Job, changes: int, problem: str | None = None) -> None:
        """Write down that a study's objects, up to so many changes, are assessed as a job (or cannot be).

        What went wrong with fewer of them is no problem any more.
        """
        state = State.WAITING if problem is None else State.FAILED
        with self._writing() as base:
            base.execute("DELETE FROM job WHERE key=? AND state=?", (job.key, State.FAILED))
            base.execute(
                "UPDATE study SET taken=?, generation=? WHERE key=?", (changes, job.generation, job.key)
            )
            base.execute(
                "INSERT OR REPLACE INTO job VALUES (?,?,?,?)", (job.key, job.generation, state, problem)
            )

    def jobs(self) -> list[Job]:
        """Jobs that are not done, in the order in which their studies came."""
        with self._reading() as base:
            rows = base.execute(
                "SELECT job.key, job.generation FROM job JOIN study USING (key) WHERE state=? "
                "ORDER BY last_at, key, job.generation",
                (State.WAITING,),
            ).fetchall()
        return [Job(str(key), int(generation)) for key, generation in rows]

    def finish(self, job: Job, parcels: Sequence[Parcel], problem: str | None) -> None:
        """Write down what came of a job, with what is to be sent, in one transaction.

        A parcel that was there before, sent or not, stays as it was.
        """
        state = State.DONE if problem is None else State.FAILED
        with self._writing() as base:
            base.execute(
                "UPDATE job SET state=?, problem=? WHERE key=? AND generation=?",
                (state, problem, job.key, job.generation),
            )
            base.executemany(
                "INSERT OR IGNORE INTO parcel VALUES (?,?,?,0,0,NULL)",
                [(parcel.uid, parcel.place, State.WAITING) for parcel in parcels],
            )

    def due(self, now: float, most: int) -> list[Parcel]:
        """Parcels that may be sent now: those refused least often first, then those longest put off."""
        with self._reading() as base:
            rows = base.execute(
                "SELECT uid, place, tries FROM parcel WHERE state=? AND next_at<=? "
                "ORDER BY tries, next_at, place LIMIT ?",
                (State.WAITING, now, most),
            ).fetchall()
        return [Parcel(str(uid), str(place), int(tries)) for uid, place, tries in rows]

    def sent(self, uid: str) -> None:
        """The peer has it."""
        with self._writing() as base:
            base.execute("UPDATE parcel SET state=?, problem=NULL WHERE uid=?", (State.DONE, uid))

    def refused(self, uid: str, problem: str, next_at: float | None) -> None:
        """The peer did not take it; tried again at `next_at`, or with `None` no more."""
        state = State.FAILED if next_at is None else State.WAITING
        with self._writing() as base:
            base.execute(
                "UPDATE parcel SET state=?, tries=tries+1, next_at=?, problem=? WHERE uid=?",
                (state, next_at or 0, problem, uid),
            )

    def put_off(self, uid: str, now: float) -> None:
        """The connection was lost over it: all others come first, should it have been the reason."""
        with self._writing() as base:
            base.execute("UPDATE parcel SET next_at=? WHERE uid=?", (now, uid))

    def send_again(self) -> int:
        """Let all parcels that were given up be tried again; how many they are."""
        with self._writing() as base:
            changed = base.execute(
                "UPDATE parcel SET state=?, tries=0, next_at=0 WHERE state=?", (State.WAITING, State.FAILED)
            )
            return changed.rowcount

    def assess_again(self) -> int:
        """Let studies whose last assessment failed be assessed again, if their images are here; how many."""
        with self._writing() as base:
            failed = base.execute(
                "SELECT key FROM job JOIN study USING (key, generation) WHERE state=? AND changes=taken "
                "AND key IN (SELECT key FROM instance)",
                (State.FAILED,),
            ).fetchall()
            base.executemany("DELETE FROM job WHERE key=? AND state='failed'", failed)
            base.executemany("UPDATE study SET changes=changes+1 WHERE key=?", failed)
        return len(failed)

    def forgettable(self, before: float) -> list[str]:
        """Studies that have been assessed, of which nothing came since, and whose images are still here."""
        with self._reading() as base:
            rows = base.execute(
                "SELECT key FROM study WHERE changes=taken AND last_at<? AND key NOT IN "
                "(SELECT key FROM job WHERE state=?) AND key IN (SELECT key FROM instance)",
                (before, State.WAITING),
            ).fetchall()
        return [str(key) for (key,) in rows]

    def forget(self, key: str) -> None:
        """The images of a study are no longer here; that it was assessed stays written."""
        with self._writing() as base:
            base.execute("DELETE FROM instance WHERE key=?", (key,))

    def counts(self) -> dict[str, Counter[str]]:
        """How many studies, jobs and parcels are in which state."""
        told: dict[str, Counter[str]] = {}
        with self._reading() as base:
            open_ = base.execute("SELECT COUNT(*) FROM study WHERE changes>taken").fetchone()[0]
            told["study"] = Counter({"coming in": int(open_)})
            for table in ("job", "parcel"):
                rows = base.execute(f"SELECT state, COUNT(*) FROM {table} GROUP BY state").fetchall()  # noqa: S608 - two constants
                told[table] = Counter({str(state): int(count) for state, count in rows})
        return told

    def problems(self) -> Counter[str]:
        """Why studies have no result, and results are not sent, with how many there are of each."""
        with self._reading() as base:
            rows = base.execute(
                "SELECT problem FROM job WHERE problem IS NOT NULL UNION ALL "
                "SELECT problem FROM parcel WHERE problem IS NOT NULL"
            ).fetchall()
        return Counter(str(problem) for (problem,) in rows)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._base
            except sqlite3.Error as error:
                raise _refused(error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as base:
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
                base.execute("COMMIT")
            except BaseException:
                if base.in_transaction:  # a disk that is full may have ended it already
                    base.execute("ROLLBACK")
                raise


def _refused(error: sqlite3.Error) -> OutputError:
    """SQLite's own words name no row and no path."""
    return OutputError(
        f"The journal of the spool cannot be read or written ({error})",
        "free some space, or give another folder",
    )
