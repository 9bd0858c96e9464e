"""A list of studies to assess: a CSV or JSON table with a row for each, whatever program wrote it.

Columns are those of a cohort's manifest (docs/cohorts.md); only `case` and `ct` are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.case_names import safe_name
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.manifest_rows import Row, cases_of, number_of, path_of, sex_of, whole_of
from SarcopeniaAssessLib.patient import PatientFacts

SUFFIXES = (".csv", ".json")
_OF_THE_HEADER = "dicom"


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
    return cases_of(file, _study)


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
    sex = None if row.get("sex") == _OF_THE_HEADER else sex_of(row)
    facts = GivenFacts(
        sex, number_of(row, "age_years"), number_of(row, "height_m"), number_of(row, "weight_kg")
    )
    facts.over(PatientFacts())  # refuses what no person has
    return Study(safe_name(case), path_of(folder, ct), facts, _level(row, folder), row.get("series"))


def _level(row: Row, folder: Path) -> str | None:
    """As `--l3` has it, a file seen from the list's folder; a slice counts before a coordinate."""
    level = row.get("level", "l3")
    if level is not None:
        kind, _, file = level.partition(":")
        return f"{kind}:{path_of(folder, file)}" if kind.lower() == "labels" else level
    k, superior_mm = whole_of(row, "l3_slice_from_feet"), number_of(row, "l3_superior_mm")
    return f"slice:{k}" if k is not None else None if superior_mm is None else f"s:{superior_mm:g}"
