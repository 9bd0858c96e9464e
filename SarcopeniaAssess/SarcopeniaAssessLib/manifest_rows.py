"""A table of cases as it lies on disk: rows of text from CSV or JSON, whatever program wrote it.

What the columns mean is told by whoever reads them: `study_list` here, a cohort's manifest in training.
"""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from SarcopeniaAssessLib import strict_json
from SarcopeniaAssessLib.errors import InputError, SarcopeniaError
from SarcopeniaAssessLib.patient import Sex

Case = TypeVar("Case")
_Meaning = TypeVar("_Meaning")
_Number = TypeVar("_Number", int, float)
_SEXES = {"male": Sex.MALE, "m": Sex.MALE, "female": Sex.FEMALE, "f": Sex.FEMALE, "w": Sex.FEMALE}
_UNKNOWN = {"unknown", "?", "na", "n/a", "-"}
_DELIMITERS = ",;\t"
_TOLD = 5
_FORMULA_SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_LARGEST_BYTES = 64 << 20
_SEE = "see docs/cohorts.md for the columns"


@dataclass(frozen=True)
class Row:
    """One case as written: column → text, without the columns that are blank.

    Attributes
    ----------
    place:
        Where a person finds it: `line 3` of a CSV, `entry 2` of a JSON file.
    """

    place: str
    values: Mapping[str, str]

    def get(self, *columns: str) -> str | None:
        """The first of these columns that is filled in."""
        return next((self.values[name] for name in columns if name in self.values), None)


def read_rows(path: Path, key: str = "case") -> list[Row]:
    """Rows of a manifest.

    CSV: separated by comma, semicolon or tab (by the first line), in UTF-8, UTF-16 with a byte order
    mark, or else Windows-1252. JSON: a list of objects, or `{"cases": […]}`.

    Parameters
    ----------
    key:
        The column that a CSV must have.

    Raises
    ------
    InputError
        Unreadable, empty, or no such table.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror})", "check its permissions") from None
    if len(content) > _LARGEST_BYTES:
        raise InputError(f"{path.name} is larger than any list of cases", "check which file it is")
    text = _decoded(content, path.name)
    rows = (
        _json_rows(text, path.name)
        if path.suffix.lower() == ".json"
        else _csv_rows(text, path.name, key.lower())
    )
    if not rows:
        raise InputError(f"{path.name} lists no case", _SEE)
    return rows


def cases_of(file: Path, make: Callable[[Row, Path], Case]) -> tuple[Case, ...]:
    """A table's cases, each made of a row and the table's folder.

    Raises
    ------
    InputError
        No table, or rows that are wrong: the message names each and what `make` said of it.
    """
    rows = read_rows(file)
    complaints = duplicates(rows, lambda row: row.get("case"))
    cases = []
    for row in rows:
        try:
            cases.append(make(row, file.parent))
        except SarcopeniaError as error:
            complaints.append(f"{row.place}: {error.problem} ({error.remedy})")
    refuse(complaints, file.name)
    return tuple(cases)


def refuse(complaints: Sequence[str], name: str) -> None:
    """Raise one error for all complaints about a manifest, if there are any.

    Raises
    ------
    InputError
        The first few complaints, each with its row, and how many more there are.
    """
    if not complaints:
        return
    more = f" … and {len(complaints) - _TOLD} more" if len(complaints) > _TOLD else ""
    raise InputError(f"{name}: {'; '.join(complaints[:_TOLD])}{more}", f"correct the manifest ({_SEE})")


def duplicates(rows: Sequence[Row], name_of: Callable[[Row], str | None]) -> list[str]:
    """A complaint for each row whose case an earlier row has; upper and lower case count as equal."""
    seen: dict[str, Row] = {}
    complaints = []
    for row in rows:
        name = name_of(row)
        if name is None:
            continue
        first = seen.setdefault(name.casefold(), row)
        if first is not row:
            complaints.append(f"{row.place}: case {name} is that of {first.place} already")
    return complaints


def as_cell(value: Any) -> Any:
    """A value as a cell of a CSV that no spreadsheet takes for a formula: its text gets `'` in front then.

    Source: OWASP, "CSV Injection". Line breaks and other control signs become spaces, which not every reader
    of CSV takes even in quotes. Numbers stay as they are.
    """
    if not isinstance(value, str):
        return value
    text = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA_SIGNS) else text


def path_of(folder: Path, text: str) -> Path:
    """A file or folder that a row names, relative to the table's own folder unless absolute.

    Raises
    ------
    InputError
        No path can be called so.
    """
    try:
        return folder / Path(text.replace("\\", "/")).expanduser()
    except RuntimeError:  # an unknown ~user
        raise InputError(f"{text!r} is no path", "paths start from the table's folder") from None


def sex_of(row: Row) -> Sex | None:
    """`male`, `female`, `m`, `f`; nothing if blank or `unknown`."""
    return one_of(row, "sex", _SEXES, "male or female")


def one_of(row: Row, column: str, meanings: dict[str, _Meaning], wanted: str) -> _Meaning | None:
    """What a column's word means; nothing if blank or `unknown`.

    Raises
    ------
    InputError
        A word that is not among the meanings; the message says what is `wanted`.
    """
    text = (row.get(column) or "?").lower()
    if text in _UNKNOWN:
        return None
    if text not in meanings:
        raise InputError(f"{column} {text!r} is unknown", f"give {wanted}, or leave it blank")
    return meanings[text]


def number_of(row: Row, column: str) -> float | None:
    """A column's number; nothing if blank or `unknown`."""
    return _converted(row, column, float, "a number")


def whole_of(row: Row, column: str) -> int | None:
    """A column's whole number; nothing if blank or `unknown`."""
    return _converted(row, column, int, "a whole number")


def _converted(row: Row, column: str, kind: Callable[[str], _Number], wanted: str) -> _Number | None:
    text = row.get(column)
    if text is None or text.lower() in _UNKNOWN:
        return None
    try:
        value = kind(text)
        is_finite = math.isfinite(value)
    except (ValueError, OverflowError):  # the latter of hundreds of digits
        raise InputError(f"{column} {text[:20]!r} is none", f"give {wanted}, or leave it blank") from None
    if not is_finite:
        raise InputError(f"{column} {text!r} is not finite", f"give {wanted}, or leave it blank")
    return value


def _decoded(content: bytes, name: str) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        pass
    try:
        # Excel's "CSV" in western Europe; a stray UTF-8 mark before it happens when files are joined.
        return content.removeprefix(b"\xef\xbb\xbf").decode("cp1252")
    except UnicodeDecodeError:
        raise InputError(f"{name} is no text in UTF-8 or Windows-1252", "save it as UTF-8") from None


def _csv_rows(text: str, name: str, key: str) -> list[Row]:
    header_line = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header_line.count)
    table = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=delimiter, strict=True)
    try:
        header = [column.strip().lower() for column in next(table, [])]
        _check_header(header, name, header_line, key)
        rows = []
        for values in table:
            if not any(value.strip() for value in values):
                continue
            if len(values) > len(header):
                raise InputError(
                    f"{name}: line {table.line_num} has {len(values)} fields, the first line {len(header)}",
                    'put a text that holds the separator in "quotes"',
                )
            rows.append(_row(f"line {table.line_num}", dict(zip(header, values, strict=False)), delimiter))
    except csv.Error as error:
        raise InputError(f"{name}: line {table.line_num} is no CSV ({error})", "save it again") from None
    return rows


def _check_header(header: list[str], name: str, line: str, key: str) -> None:
    if key not in header:
        raise InputError(f"The first line of {name} has no column `{key}`, only {line.strip()[:80]!r}", _SEE)
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise InputError(f"{name} has the column {twice[0]} twice", "leave one of them out")


def _row(place: str, values: Mapping[str, Any], delimiter: str = "") -> Row:
    texts = {str(column).strip().lower(): _text(value) for column, value in values.items()}
    if delimiter == ";":  # then the decimal sign is a comma
        texts = {column: _with_point(text) for column, text in texts.items()}
    return Row(place, {column: text for column, text in texts.items() if text})


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()


def _with_point(text: str) -> str:
    whole, comma, rest = text.partition(",")
    is_number = comma and whole.lstrip("-").isdigit() and rest.isdigit()
    return f"{whole}.{rest}" if is_number else text


def _json_rows(text: str, name: str) -> list[Row]:
    try:
        content = strict_json.parse(text)
    except ValueError as error:
        raise InputError(f"{name} is no JSON ({error})", _SEE) from None
    cases = content.get("cases") if isinstance(content, dict) else content
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise InputError(f"{name} holds no list of cases", _SEE)
    return [_row(f"entry {number}", case) for number, case in enumerate(cases, start=1)]
