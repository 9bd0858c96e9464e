"""Results that a command keeps as it goes: a JSON object a line, so that a killed run goes on.

Lines are only ever added. What a kill left of the last one is dropped; a file that belongs to something
else, or that is damaged elsewhere, is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import SarcopeniaAssessLib
from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.model_file import write_whole

if TYPE_CHECKING:
    from SarcopeniaAssessLib.model_file import ModelEntry

_ANEW = "give another folder, or remove the file to begin anew"
Made = TypeVar("Made")


class Journal:
    """The lines on disk below a head, which says what they belong to.

    Raises
    ------
    OutputError
        The file is damaged, belongs to something else or cannot be written.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self._path = path
        self._lines: list[Any] = []
        text = path.read_text("utf-8", errors="replace") if path.is_file() else ""
        *whole, cut = text.split("\n")
        if not whole:  # no file, or a head that a kill cut short: it holds nothing
            write_whole(path, _text([head]).encode())
            return
        try:
            held, *self._lines = map(json.loads, whole)
            other = sorted(name for name in {*held, *head} if held.get(name) != head.get(name))
        except (ValueError, AttributeError, TypeError):
            raise self._damaged() from None
        if other:
            words = ", ".join(name.replace("_sha256", "'s code") for name in other)
            raise OutputError(f"{path.name} belongs to another {words}", _ANEW)
        if cut:
            write_whole(path, "".join(f"{line}\n" for line in whole).encode())

    def read(self, make: Callable[[Mapping[str, Any]], Made]) -> list[Made]:
        """What `make` makes of each line that was there; its ValueError, KeyError or TypeError is damage."""
        try:
            return [make(line) for line in self._lines]
        except (ValueError, KeyError, TypeError):
            raise self._damaged() from None

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Keep lines; a kill no longer loses them when this returns.

        Raises
        ------
        OutputError
            The folder is full or not writable.
        """
        append_lines(self._path, lines)

    def _damaged(self) -> OutputError:
        return OutputError(f"{self._path.name} is damaged", _ANEW)


def append_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Add JSON objects to a file, a line each.

    Raises
    ------
    OutputError
        The folder is full or not writable.
    """
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(_text(lines))
    except OSError as error:
        raise OutputError(
            f"{path.name} cannot be written ({error.strerror})",
            "make room, then repeat the command: it goes on",
        ) from None


def model_identity(entry: ModelEntry) -> dict[str, Any]:
    """Which weights a result is of."""
    return {"name": entry.name, "version": entry.version, "sha256": entry.sha256}


def code_identity(family: str) -> dict[str, str]:
    """Which code a result is of: of the library, and of the package here that draws phantoms."""
    return {
        "family_sha256": sources_sha256(Path(__file__).parent / family),
        "library_sha256": sources_sha256(Path(SarcopeniaAssessLib.__file__).parent),
    }


def sources_sha256(folder: Path) -> str:
    """SHA-256 over the Python files of a package, by name: another code, another number."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _text(lines: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(dict(line)) + "\n" for line in lines)
