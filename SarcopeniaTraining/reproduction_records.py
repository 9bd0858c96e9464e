"""What a reproduction remembers of its steps: what each was made from and left; the hash of every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import SarcopeniaAssessLib
from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.journal import sources_sha256

FOLDER = "steps"
"""Of records and hashes, in the reproduction's folder."""
LOGS = "logs"
"""Of what the steps said."""
_HASHES = "hashes.json"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class StepRecord:
    """One step that was begun.

    Attributes
    ----------
    inputs:
        What it is made from, by name: digests of its command, preset, data, earlier results.
    code:
        SHA-256 over this program's sources.
    outputs:
        File, seen from the reproduction's folder → SHA-256; empty until it is finished.
    seconds:
        That it took, over all calls since its inputs last changed; of a killed one until its last word.
    """

    inputs: Mapping[str, str]
    code: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    finished: bool = False


class FileHashes:
    """SHA-256 of files, taken anew only where size or time of change differ from when it was taken.

    Parameters
    ----------
    out:
        The reproduction's folder; what is remembered lies in it, without a name or a path of a file.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / FOLDER / _HASHES
        self._known = read_json(self._path) or {}
        self._changed = False

    def of(self, path: Path) -> str:
        """Of one file.

        Raises
        ------
        OutputError
            It is gone or cannot be read.
        """
        key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
        try:
            facts = path.stat()
            known = self._known.get(key)
            if not isinstance(known, list) or known[:2] != [facts.st_size, facts.st_mtime_ns]:
                known = [facts.st_size, facts.st_mtime_ns, _sha256(path)]
                self._changed = True
        except OSError as error:
            raise OutputError(
                f"{path.name} cannot be read ({error.strerror})", "bring it back, then repeat the command"
            ) from None
        self._known[key] = known
        return str(known[2])

    def save(self) -> None:
        """Keep what was taken."""
        if self._changed:
            write_whole(self._path, json.dumps(self._known).encode())
            self._changed = False


def read_record(out: Path, step: str) -> StepRecord | None:
    """A step's record; None: it was never begun, or its record is damaged."""
    values = read_json(out / FOLDER / f"{step}.json")
    try:
        return None if values is None else StepRecord(**values)
    except TypeError:
        return None


def write_record(out: Path, step: str, record: StepRecord) -> None:
    """Keep a step's record, by one rename.

    Raises
    ------
    OutputError
        The folder is full or not writable.
    """
    write_whole(out / FOLDER / f"{step}.json", json_bytes(asdict(record)))


def spent_s(out: Path, step: str) -> float:
    """Seconds that a step which was begun and not finished has taken: until its last word in the log."""
    record = read_record(out, step)
    if record is None or record.finished:
        return 0.0
    begun, log = out / FOLDER / f"{step}.json", out / LOGS / f"{step}.log"
    last = log.stat().st_mtime if log.is_file() else 0.0
    return record.seconds + max(last - begun.stat().st_mtime, 0.0)


def files_below(out: Path, patterns: Iterable[str], left_out: Sequence[str] = ()) -> list[Path]:
    """Files that match any of the patterns, seen from `out`, in order; no hidden ones, none `left_out`."""
    found = {path for pattern in patterns for path in out.glob(pattern) if path.is_file()}
    dropped = {path for pattern in left_out for path in out.glob(pattern)}
    kept = [
        path
        for path in found
        if not dropped.intersection([path, *path.parents])
        and not any(part.startswith(".") for part in path.relative_to(out).parts)
    ]
    return sorted(kept)


def digest(values: Any) -> str:
    """SHA-256 of what JSON makes of them."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def code_sha256() -> str:
    """Over the Python sources of the training package and the library."""
    return digest([sources_sha256(Path(__file__).parent), library_sha256()])


def library_sha256() -> str:
    """Over the Python sources of the library."""
    return sources_sha256(Path(SarcopeniaAssessLib.__file__).parent)


def json_bytes(values: Any) -> bytes:
    """JSON as files of a reproduction hold it."""
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _sha256(path: Path) -> str:
    taken = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            taken.update(chunk)
    return taken.hexdigest()


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None: there is none that can be read."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
