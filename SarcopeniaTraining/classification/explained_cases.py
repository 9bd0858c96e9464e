"""Which cases are explained: their images as the network saw them, their tissues where a CT tells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification.classifier_images import (
    Source,
    load_images,
    read_any_cohort,
    slice_of,
)
from SarcopeniaTraining.classification.explained_readings import Images
from SarcopeniaTraining.classification.tissues import TissueMap, tissue_map
from SarcopeniaTraining.cohort import Cohort

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_run import Classification, RunRecord
    from SarcopeniaTraining.image_cohort import ImageCohort
    from SarcopeniaTraining.splits import Fold

PARTS = ("training", "validation", "test")


@dataclass(frozen=True)
class ExplainedCase:
    """A case that is explained.

    Attributes
    ----------
    sarcopenic:
        The truth.
    part:
        "test", "validation" or "training" in the set that the network learned from; "" where in none.
    patient:
        Who it is.
    """

    case: str
    sarcopenic: bool
    part: str
    patient: str


@dataclass(frozen=True, eq=False)
class Explained:
    """The cases with their images, and the tissues of those that have a CT."""

    cases: tuple[ExplainedCase, ...]
    images: Images
    tissues: Mapping[str, TissueMap]


def choose_cases(record: RunRecord, wanted: Sequence[str], count: int) -> tuple[str, ...]:
    """The cases named; else `count` test cases of the run, both classes in turn, in order of their names.

    What the network said of a case plays no part.
    """
    if wanted:
        return tuple(dict.fromkeys(wanted))
    tested = sorted(record.test, key=lambda each: each.case)
    classes = [[each.case for each in tested if each.sarcopenic is kind] for kind in (True, False)]
    longest = max(map(len, classes))
    in_turn = [group[n] for n in range(longest) for group in classes if n < len(group)]
    return tuple(in_turn[:count])


def find_cohort(run: Classification, given: Path | None) -> Cohort | ImageCohort:
    """The cohort that a run learned from: where it is said to lie, else by its name near the run and here.

    Raises
    ------
    InputError
        It is not found, or another one is.
    """
    facts = run.facts["cohort"]
    name = str(facts["name"])
    here = run.folder.resolve()
    near = [base / name for base in (here.parent, here.parent.parent, Path.cwd())]
    place = given or next((path for path in near if path.exists()), None)
    if place is None:
        raise InputError(f"the cohort {name!r} of this run is not found", "say where it lies: --cohort PATH")
    cohort = read_any_cohort(place)
    if cohort.digest != facts["digest"]:
        raise InputError(
            f"{place.name} is not the cohort that this run learned from (its manifest differs)",
            "give that one: --cohort PATH",
        )
    return cohort


def load_explained(
    run: Classification,
    record: RunRecord,
    cohort: Cohort | ImageCohort,
    names: Sequence[str],
    side: int,
    tell: Callable[[str], None],
) -> Explained:
    """Images and tissues of some cases.

    Raises
    ------
    InputError
        The cohort has no such case, one without a label, or one whose image cannot be read.
    SarcopeniaError
        A CT cannot be read or segmented.
    """
    known = {case.case: case for case in cohort.cases}
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(f"the cohort has no case {missing[0]}", "give --cases of its manifest")
    unlabelled = [name for name in names if known[name].sarcopenic is None]
    if unlabelled:
        raise InputError(f"case {unlabelled[0]} has no label", "fill in the manifest's column sarcopenic")
    chosen = _only(cohort, names)
    facts = run.facts["images"]
    field_mm, drawn_on = float(facts["field_mm"]), facts["source"] == Source.ANNOTATED
    loaded = load_images(chosen, side, field_mm, tell, annotated=drawn_on)
    fold = next(each for each in run.splits.folds if each.number == record.set)
    cases = tuple(
        ExplainedCase(name, bool(truth), _part(fold, name), patient)
        for name, truth, patient in zip(loaded.names, loaded.sarcopenic, loaded.patients, strict=True)
    )
    tissues = _tissues(chosen, (side, field_mm)) if isinstance(chosen, Cohort) else {}
    return Explained(cases, Images(loaded.names, loaded.rgb), tissues)


def _only(cohort: Cohort | ImageCohort, names: Sequence[str]) -> Cohort | ImageCohort:
    if isinstance(cohort, Cohort):
        return replace(cohort, cases=tuple(cohort[name] for name in names))
    by_name = {case.case: case for case in cohort.cases}
    return replace(cohort, cases=tuple(by_name[name] for name in names))


def _part(fold: Fold, name: str) -> str:
    return next((part for part, names in zip(PARTS, fold.parts, strict=True) if name in names), "")


def _tissues(cohort: Cohort, grid: tuple[int, float]) -> dict[str, TissueMap]:
    from SarcopeniaAssessLib.models import load_model

    model = load_model()
    found = {}
    for case in cohort.cases:
        volume = case.open()
        found[case.case] = tissue_map(volume, slice_of(case, volume), model, grid)
    return found
