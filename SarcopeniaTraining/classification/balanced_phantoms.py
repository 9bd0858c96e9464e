"""Training parts with as many sarcopenic cases as others, made so by phantoms that no other part has.

Phantoms of the rarer class are drawn with a seed of their own. Either they are added to a training part, or
they take the place of cases of the commoner class, so that the number of cases is as before. Validation and
test stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.patient import Sex
from SarcopeniaTraining.classification.classifier_images import ClassifierImages, load_images
from SarcopeniaTraining.cohort import read_cohort
from SarcopeniaTraining.phantom.cohort import IDENTITY, CohortPlan, write_cohort
from SarcopeniaTraining.phantom.patients import ScanPlan
from SarcopeniaTraining.splits import Fold, Splits

if TYPE_CHECKING:
    from SarcopeniaTraining.cohort import Cohort

NAME = "phantom-{}"
_SEED = 7_000_000
"""Added to the study's: phantoms of other seeds, so other persons than a cohort's."""
_COVERAGE_MM = 15.0
_KEPT_STREAM = 11
_MEN_SHARE = 52 / 79
"""Of the paper's cohort, where no sex is told."""


@dataclass(frozen=True)
class Shortage:
    """What the training parts lack.

    Attributes
    ----------
    sarcopenic:
        The rarer class.
    count:
        How many of it the training part lacks that lacks most.
    men:
        Of these.
    """

    sarcopenic: bool
    count: int
    men: int


def shortage(splits: Splits, images: ClassifierImages) -> Shortage | None:
    """How many phantoms of which class balance every training part.

    `None` where all are balanced already, or where which class is the rarer differs among them.

    Raises
    ------
    InputError
        A case of the splits has no image.
    """
    images.places([case for fold in splits.folds for case in fold.train])
    label = dict(zip(images.names, images.sarcopenic.tolist(), strict=True))
    lacking = [_lack(fold, label) for fold in splits.folds]
    if min(lacking) * max(lacking) < 0 or not any(lacking):
        return None
    sarcopenic, count = max(lacking) > 0, max(map(abs, lacking))
    sexes = [
        sex for sex, own in zip(images.sexes, images.sarcopenic, strict=True) if sex and own == sarcopenic
    ]
    share = sum(sex is Sex.MALE for sex in sexes) / len(sexes) if sexes else _MEN_SHARE
    return Shortage(sarcopenic, count, round(share * count))


def draw_phantoms(
    cohort: Cohort, wanted: Shortage, folder: Path, seed: int, tell: Callable[[str], None], jobs: int = 1
) -> Cohort:
    """A cohort of so many phantoms, scanned as the cohort is if that is one of phantoms; kept in `folder`.

    They do not depend on `jobs`, the processes that draw.

    Raises
    ------
    SarcopeniaError
        The folder holds something else or cannot be written.
    """
    plan = CohortPlan(
        patients=wanted.count,
        sarcopenic=wanted.count if wanted.sarcopenic else 0,
        men=wanted.men,
        seed=_SEED + seed,
        scan=_scan_of(cohort),
    )
    write_cohort(
        plan, folder, jobs=jobs, tell=lambda facts: tell(f"phantom {facts['case']} of {wanted.count}")
    )
    return read_cohort(folder)


def phantom_images(cohort: Cohort, side: int, field_mm: float) -> ClassifierImages:
    """Their images under names that no case of another cohort has."""
    images = load_images(cohort, side, field_mm, lambda _: None)
    names = tuple(NAME.format(name) for name in images.names)
    return replace(images, names=names, patients=names)


def joined(images: ClassifierImages, more: ClassifierImages) -> ClassifierImages:
    """The cases of both, images of CTs of one side.

    Raises
    ------
    InputError
        A name that both have.
    """
    return ClassifierImages(
        names=(*images.names, *more.names),
        rgb=np.concatenate([images.rgb, more.rgb]),
        sarcopenic=np.concatenate([images.sarcopenic, more.sarcopenic]),
        patients=(*images.patients, *more.patients),
        sexes=(*images.sexes, *more.sexes),
        source=images.source,
    )


def added(splits: Splits, label: Mapping[str, bool], phantoms: tuple[str, ...]) -> Splits:
    """Training parts with as many phantoms more as they lack."""
    folds = [
        replace(fold, train=(*fold.train, *phantoms[: abs(_lack(fold, label))])) for fold in splits.folds
    ]
    return replace(splits, folds=tuple(folds))


def exchanged(splits: Splits, label: Mapping[str, bool], phantoms: tuple[str, ...], seed: int) -> Splits:
    """Training parts of as many cases as before, with phantoms in place of cases of the commoner class.

    Which of these are kept is drawn from the seed and the set's number. Of an odd number one case is left
    over for the commoner class.
    """
    return replace(splits, folds=tuple(_exchanged(fold, label, phantoms, seed) for fold in splits.folds))


def _exchanged(fold: Fold, label: Mapping[str, bool], phantoms: tuple[str, ...], seed: int) -> Fold:
    lack = _lack(fold, label)
    count = abs(lack) // 2
    common = [case for case in fold.train if label[case] is not (lack > 0)]
    order = np.random.default_rng([seed, _KEPT_STREAM, fold.number]).permutation(len(common))
    given_up = {common[place] for place in order[:count]}
    kept = [case for case in fold.train if case not in given_up]
    return replace(fold, train=(*kept, *phantoms[:count]))


def _lack(fold: Fold, label: Mapping[str, bool]) -> int:
    """Others minus sarcopenic cases of the training part."""
    return sum(-1 if label[case] else 1 for case in fold.train)


def _scan_of(cohort: Cohort) -> ScanPlan:
    """How a cohort of phantoms was scanned; drawn for each patient, for any other cohort."""
    try:
        facts = json.loads((cohort.path.parent / IDENTITY).read_text("utf-8"))
        spacing = facts["spacing_mm"]
        return ScanPlan(
            spacing_mm=None if spacing is None else (spacing[0], spacing[1], spacing[2]),
            coverage_mm=_COVERAGE_MM,
            noise_hu=facts["noise_hu"],
            phase=facts["phase"],
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return ScanPlan(coverage_mm=_COVERAGE_MM)
