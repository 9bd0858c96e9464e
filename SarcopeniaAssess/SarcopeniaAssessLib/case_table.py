"""`assessments.csv`: a row for every case of an output folder.

A new case is one line more, so that a run over thousands writes each row once; whoever is done with the
folder puts the lines in order. A killed run may leave a row without a case: the next one takes it away.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib import strict_json

TABLE, RECORD = "assessments.csv", "assessment.json"
Part = Callable[[str], Path]
"""The hidden name under which a file is written before it appears."""


class CaseTable:
    """The table of a folder that this process holds the lock of.

    Parameters
    ----------
    folder, part:
        Where it lies, and the hidden name of a file in writing.

    Raises
    ------
    OSError
        The disk refuses.
    """

    def __init__(self, folder: Path, part: Part) -> None:
        self._path, self._part = folder / TABLE, part
        self._rows = dict(_rows_of(folder))
        self.renew()

    @property
    def cases(self) -> tuple[str, ...]:
        """Cases that have a row, sorted."""
        return tuple(sorted(self._rows))

    @contextmanager
    def adding(self, record: Mapping[str, Any]) -> Iterator[None]:
        """Have a record's row in the table while its case appears; if the block fails, as it was.

        The row is on the disk before the block begins, so that a full disk stops both.

        Raises
        ------
        OSError
            The disk refuses.
        """
        from SarcopeniaAssessLib.report import csv_row

        case, row = record["case"], csv_row(record)
        rows = {**self._rows, case: row}
        if self._rows and case not in self._rows:
            with self._one_line_more(row):
                yield
        else:
            with self._written_anew(rows):
                yield
        self._rows[case] = row

    def renew(self) -> None:
        """Put the lines in order, and right where a run was killed or a folder was moved by hand."""
        if not self._rows:
            return
        if not (self._path.is_file() and self._path.read_bytes() == _text(self._rows)):
            with self._written_anew(self._rows):
                pass

    @contextmanager
    def _one_line_more(self, row: Mapping[str, Any]) -> Iterator[None]:
        before = self._path.stat().st_size
        try:
            write_synced(self._path, _line(row), "ab")
            yield
        except BaseException:
            with suppress(OSError):  # else the next run puts it right
                os.truncate(self._path, before)
            raise

    @contextmanager
    def _written_anew(self, rows: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
        part = self._part(TABLE)
        try:
            write_synced(part, _text(rows))
            yield
            os.replace(part, self._path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def write_synced(path: Path, content: bytes, mode: str = "wb") -> None:
    """Write a file, and have the disk hold it."""
    with path.open(mode) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _rows_of(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    from SarcopeniaAssessLib.report import csv_row

    for path in folder.glob(f"[!.]*/{RECORD}"):
        try:
            yield path.parent.name, csv_row(strict_json.read(path))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # not ours, or damaged: neither row nor reason to stop


def _text(rows: Mapping[str, Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, list(next(iter(rows.values()))), lineterminator="\n")
    table.writeheader()
    table.writerows(rows[case] for case in sorted(rows))
    return text.getvalue().encode()


def _line(row: Mapping[str, Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row.values())
    return text.getvalue().encode()
