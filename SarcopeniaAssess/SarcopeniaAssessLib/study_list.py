"""A list of studies to assess: a CSV or JSON table with a row for each, whatever program wrote it.

Columns are those of a cohort's manifest (docs/cohorts.md); only `case` and `ct` are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.case_names import safe_name
from SarcopeniaAssessLib.errors import InputError, SarcopeniaError
from SarcopeniaAssessLib.manifest_rows import Row, duplicates, read_rows, refuse
from SarcopeniaAssessLib.patient import PatientFacts, Sex

SUFFIXES = (".csv", ".json")
_SEXES = {"male": Sex.MALE, "m": Sex.MALE, "female": Sex.FEMALE, "f": Sex.FEMALE, "w": Sex.FEMALE}
_UNKNOWN = {"unknown", "?", "na", "n/a", "-", "dicom"}


@dataclass(frozen=True)
class Study:
    """A row: where the CT lies, and what is said of the patient and of L3; `None`: nothing is."""

    case: str
    ct: Path
    facts: GivenFacts
    l3: str | None = None
    series: str | None = None


def is_study_list(path: str | Path) -> bool:
    """Whether an input's name is that of a table and not of a CT."""
    return Path(path).suffix.lower() in SUFFIXES and not Path(path).is_dir()


def read_studies(path: str | Path) -> tuple[Study, ...]:
    """The studies of a table, in its order. Their files are looked at when their turn comes, not here.

    Raises
    ------
    InputError
        No such table, or rows that are wrong: the message names up to five and what is wrong in each.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError("There is no such list of studies", "check the path")
    rows = read_rows(file)
    complaints = duplicates(rows, lambda row: row.get("case"))
    studies = []
    for row in rows:
        try:
            studies.append(_study(row, file.parent))
        except SarcopeniaError as error:
            complaints.append(f"{row.place}: {error.problem} ({error.remedy})")
    refuse(complaints, file.name)
    return tuple(studies)


def entries_of(folder: str | Path) -> list[str]:
    """What lies in a folder, each an input of its own, by name; hidden entries are left out.

    Raises
    ------
    InputError
        No folder, or an empty one.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise InputError(f"{place.name} is no folder", "leave --each out, or give the folder of the studies")
    found = sorted(str(entry) for entry in place.iterdir() if not entry.name.startswith("."))
    if not found:
        raise InputError(f"The folder {place.name} is empty", "give the folder of the studies")
    return found


def _study(row: Row, folder: Path) -> Study:
    case, ct = row.get("case"), row.get("ct")
    if case is None or ct is None:
        raise InputError(
            f"no {'case' if case is None else 'ct'} is given", "fill in that column, or remove the row"
        )
    facts = GivenFacts(
        _sex(row.get("sex")),
        _number(row, "age_years"),
        _number(row, "height_m"),
        _number(row, "weight_kg"),
    )
    facts.over(PatientFacts())  # refuses what no person has
    path = folder / Path(ct).expanduser()
    return Study(safe_name(case), path, facts, _level(row, folder), row.get("series"))


def _sex(text: str | None) -> Sex | None:
    if text is None or text.lower() in _UNKNOWN:
        return None
    if text.lower() not in _SEXES:
        raise InputError(f"the sex {text!r} is unknown", "give male or female, or leave it blank")
    return _SEXES[text.lower()]


def _level(row: Row, folder: Path) -> str | None:
    """As `--l3` has it, a file seen from the list's folder; a slice counts before a coordinate."""
    level = row.get("level", "l3")
    if level is not None:
        kind, _, file = level.partition(":")
        return f"{kind}:{folder / Path(file).expanduser()}" if kind.lower() == "labels" else level
    k = _as(row, "l3_slice_from_feet", int)
    mm = _as(row, "l3_superior_mm", float)
    return f"slice:{k}" if k is not None else None if mm is None else f"s:{mm}"


def _number(row: Row, column: str) -> float | None:
    return _as(row, column, float)


def _as(row: Row, column: str, kind: Callable[[str], float]) -> float | None:
    text = row.get(column)
    try:
        return None if text is None else kind(text)
    except ValueError:
        raise InputError(f"{column} {text!r} is no number", "correct it, or leave it blank") from None
