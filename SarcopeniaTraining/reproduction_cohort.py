"""The cohort of a reproduction, given or drawn: what may be said of it, and the files that it consists of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.patient import Sex
from SarcopeniaTraining.classification.classifier_images import read_any_cohort
from SarcopeniaTraining.phantom.cohort import IDENTITY, SCHEMA

if TYPE_CHECKING:
    from SarcopeniaTraining.cohort import Cohort
    from SarcopeniaTraining.image_cohort import ImageCohort
    from SarcopeniaTraining.reproduction_preset import Phantoms


@dataclass(frozen=True)
class CohortFacts:
    """What reports say of a cohort.

    Attributes
    ----------
    kind:
        "phantom" also where the phantoms were given; "given" is anybody's data.
    name:
        The folder's.
    digest:
        Of the manifest's meaning (`Cohort.digest`); None: not drawn yet.
    patients, sarcopenic, men:
        Persons; of the last two None where the manifest leaves any of them open.
    seed:
        Of phantoms.
    segmentable:
        Whether there are CTs with masks, which the segmentation half needs.
    """

    kind: Literal["phantom", "given"]
    name: str
    digest: str | None
    patients: int
    sarcopenic: int | None
    men: int | None
    seed: int | None
    segmentable: bool

    def to_mapping(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return asdict(self)


def to_be_drawn(phantoms: Phantoms) -> CohortFacts:
    """Of phantoms that are not there yet."""
    return CohortFacts(
        "phantom",
        "cohort",
        None,
        phantoms.patients,
        phantoms.sarcopenic,
        phantoms.men,
        phantoms.seed,
        True,
    )


def facts_of(path: Path) -> CohortFacts:
    """Of a cohort that is there.

    Raises
    ------
    InputError
        No cohort, or a manifest that is wrong.
    """
    cohort = read_any_cohort(path)
    people = _people(cohort)
    seed = _phantom_seed(cohort.path.parent)
    folder = cohort.path.resolve().parent
    return CohortFacts(
        kind="given" if seed is None else "phantom",
        name=folder.name,
        digest=cohort.digest,
        patients=len(people),
        sarcopenic=_count(any_known(case.sarcopenic for case in cases) for cases in people),
        men=_count(None if cases[0].sex is None else cases[0].sex is Sex.MALE for cases in people),
        seed=seed,
        segmentable=all(hasattr(case, "ct") for case in cohort.cases)
        and any(case.is_annotated for case in cohort.cases),
    )


def any_known(labels: Iterable[bool | None]) -> bool | None:
    """Whether any is true; None where one is not told."""
    found = list(labels)
    return None if None in found else any(found)


def annotated_people(path: Path) -> int:
    """Persons who are annotated: those that splits share out.

    Raises
    ------
    InputError
        No cohort, or a manifest that is wrong.
    """
    return len(_people(read_any_cohort(path), annotated=True))


def cohort_files(path: Path) -> list[Path]:
    """The manifest, and every file of every case; of a DICOM folder each of its files.

    Raises
    ------
    InputError
        No cohort, or a file of it that is gone.
    """
    cohort = read_any_cohort(path)
    found = [cohort.path]
    for case in cohort.cases:
        for value in vars(case).values():
            if isinstance(value, Path):
                found += sorted(p for p in value.rglob("*") if p.is_file()) if value.is_dir() else [value]
    gone = [file for file in found if not file.is_file()]
    if gone:
        raise InputError(
            f"{len(gone)} files of the cohort are gone", "bring them back, or correct the manifest"
        )
    return found


def _people(cohort: Cohort | ImageCohort, *, annotated: bool = False) -> list[list[Any]]:
    people: dict[str, list[Any]] = {}
    for case in cohort.cases:
        if case.is_annotated or not annotated:
            key = f"case {case.case}" if case.patient is None else f"patient {case.patient}"
            people.setdefault(key, []).append(case)
    return list(people.values())


def _count(told: Iterable[bool | None]) -> int | None:
    found = list(told)
    return None if None in found else sum(map(bool, found))


def _phantom_seed(folder: Path) -> int | None:
    """The seed that `sarcopenia phantom` left beside its manifest; None: no phantoms."""
    try:
        values = json.loads((folder / IDENTITY).read_text("utf-8"))
        return int(values["seed"]) if values["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
