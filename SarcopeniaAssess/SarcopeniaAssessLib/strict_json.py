"""JSON that anybody may have written: bounded in size and depth, finite numbers, each name once, real text.

Python's own reader takes more than JSON has (NaN, Infinity), numbers of any length, halves of signs that no
file can hold, and of a name given twice the last, where others take the first. Here they are refused.
"""

from __future__ import annotations

import errno
import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_BYTES = 64 << 20
"""A list of a hundred thousand studies has a quarter of it."""
DEEPEST = 64
"""Lists and objects in one another; the deepest that this program writes has eight."""
_LARGEST_WHOLE = 2**63
"""Whole numbers beyond are no count, and more than other programs can hold."""


def parse(text: str | bytes) -> Any:
    """What a JSON text says.

    Raises
    ------
    ValueError
        No JSON, or JSON that is not taken here; the message says which.
    """
    try:
        found = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    _check(found)
    return found


def read(path: Path) -> Any:
    """What a JSON file in UTF-8 says.

    Raises
    ------
    OSError
        It cannot be read, is no regular file, or is larger than any that this program reads.
    ValueError
        As `parse`.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for, a device never ends
        raise OSError(errno.EINVAL, "it is no file")
    with path.open("rb") as stream:
        content = stream.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise OSError(errno.EFBIG, "it is too large")
    return parse(content.decode("utf-8"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a name twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > _LARGEST_WHOLE:
        raise ValueError("a number is too long")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _check(found: Any) -> None:
    """Refuse depth, and text that UTF-8 cannot hold."""
    level, depth = [found], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError("it is nested too deep")
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += each
                below += each.values()
            elif isinstance(each, list):
                below += each
            elif isinstance(each, str):
                each.encode("utf-8")  # a UnicodeEncodeError is a ValueError
        level = below
