"""The lines that a program and its worker exchange: objects of JSON in ASCII, one a line.

The program says `{"do": …, "id": n, …}`; the worker `{"is": "ready", …}` once, then for each request `alive`
and `progress`, and at last `answer` or `error`. Nothing here needs numpy, so that a worker whose numpy is
broken can say so.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib import errors
from SarcopeniaAssessLib.errors import SarcopeniaError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOCOL = 1
"""Raised where a line's meaning changes; the two ends must agree."""
NO_INPUT = 66
"""Exit status of a worker whose input ended before anything was asked: a launcher that passes none on.

No number with which Python, Windows or a C library ends a program (`abort` ends one with 3 on Windows)."""
_LONGEST_TEXT = 4000


@dataclass(frozen=True)
class RemoteFault:
    """An exception of the worker that is none of the library's own, as far as it can be told."""

    type: str
    text: str
    errno: int | None = None
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException) -> RemoteFault:
        """What can be told of an exception."""
        number = getattr(error, "errno", None)
        return cls(
            type(error).__name__,
            str(error)[:_LONGEST_TEXT],
            number if isinstance(number, int) else None,
            "".join(traceback.format_exception(error))[-_LONGEST_TEXT:],
        )


def line(message: Mapping[str, Any]) -> bytes:
    """One message as a line; numbers of numpy as Python's."""
    return json.dumps(message, default=_plain).encode("ascii") + b"\n"


def message(raw: bytes) -> dict[str, Any]:
    """The message of a line.

    Raises
    ------
    ValueError
        It is none.
    """
    found = json.loads(raw)
    if not isinstance(found, dict):
        raise ValueError("the line is no JSON object")
    return found


def error_to_wire(error: BaseException) -> dict[str, Any]:
    """An error: the library's own by kind, problem and remedy, any other as it is."""
    if isinstance(error, SarcopeniaError):
        return {"kind": type(error).__name__, "problem": error.problem, "remedy": error.remedy}
    return {"kind": None, **asdict(RemoteFault.of(error))}


def error_from_wire(wire: Mapping[str, Any]) -> SarcopeniaError | RemoteFault:
    """The library's own error, or what is known of another."""
    kind = getattr(errors, wire["kind"] or "", None)
    if isinstance(kind, type) and issubclass(kind, SarcopeniaError):
        return kind(wire["problem"], wire["remedy"])
    return RemoteFault(wire["type"], wire["text"], wire["errno"], wire["trace"])


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be said in JSON")
