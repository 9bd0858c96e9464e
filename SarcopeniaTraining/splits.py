"""Shuffled data sets of a cohort: train, validation and test, seeded, stratified, saved, no patient in two.

The parts are drawn by scikit-learn's `StratifiedShuffleSplit` over patients; sizes count patients.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from SarcopeniaAssessLib import strict_json
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.model_file import write_whole

SCHEMA = "sarcopenia-splits/1"
PARTS = ("train", "validation", "test")
SEGMENTATION_SIZES = (47, 16, 16)
CLASSIFICATION_SIZES = (54, 12, 13)


class SplitCase(Protocol):
    """What a case must tell to be put into a part."""

    @property
    def case(self) -> str:
        """Name."""

    @property
    def patient(self) -> str | None:
        """Who it is; `None`: a person of its own."""

    @property
    def sarcopenic(self) -> bool | None:
        """Label; `None`: not told."""

    @property
    def is_annotated(self) -> bool:
        """Whether it can be trained and tested on; others are in no part."""


class SplitCohort(Protocol):
    """A cohort of CTs or of images."""

    @property
    def cases(self) -> Sequence[SplitCase]:
        """All of them."""

    @property
    def digest(self) -> str:
        """What the cohort is told from others by."""


@dataclass(frozen=True)
class Fold:
    """One shuffled data set: names of cases.

    Raises
    ------
    InputError
        A case stands in it twice, or a part is empty.
    """

    number: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        counts = Counter(chain(*self.parts))
        twice = sorted(case for case, count in counts.items() if count > 1)
        if twice:
            raise InputError(f"case {twice[0]} stands twice in fold {self.number}", "make the splits anew")
        if not all(self.parts):
            raise InputError(f"a part of fold {self.number} is empty", "make the splits anew")

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """Train, validation, test."""
        return self.train, self.validation, self.test


@dataclass(frozen=True)
class Splits:
    """All folds of a cohort.

    Attributes
    ----------
    cohort_digest:
        Of the cohort that they are of.
    stratified:
        Whether each part has the cohort's share of sarcopenic patients.
    """

    folds: tuple[Fold, ...]
    seed: int
    cohort_digest: str
    stratified: bool = True

    def require_cohort(self, cohort: SplitCohort) -> None:
        """Refuse the splits for any cohort but their own.

        Raises
        ------
        InputError
            Another cohort, or one of its patients stands in two parts of a fold.
        """
        if self.cohort_digest != cohort.digest:
            raise InputError(
                "the splits are of another cohort, or its manifest was changed since",
                "make them anew: sarcopenia splits COHORT --out FILE",
            )
        person = {case.case: _person(case) for case in cohort.cases}
        for fold in self.folds:
            unknown = sorted(set(chain(*fold.parts)) - set(person))
            if unknown:
                raise InputError(f"fold {fold.number} names {unknown[0]}, no case of the cohort", "make anew")
            people = Counter(chain.from_iterable({person[case] for case in part} for part in fold.parts))
            shared = sorted(one for one, parts in people.items() if parts > 1)
            if shared:
                raise InputError(
                    f"patient {shared[0]} stands in two parts of fold {fold.number}", "make anew"
                )


def make_splits(
    cohort: SplitCohort,
    *,
    sizes: tuple[int, int, int] = SEGMENTATION_SIZES,
    folds: int = 10,
    seed: int = 1,
    stratify: bool = True,
) -> Splits:
    """Shuffle a cohort into train, validation and test, several times.

    Parameters
    ----------
    sizes:
        Patients in each part; all who are annotated are used. A patient's CTs stay together, and a patient
        of whom any CT is sarcopenic counts as sarcopenic.
    seed:
        The same seed and cohort give the same folds, whatever the order of the manifest; fold n does not
        depend on how many are made.
    stratify:
        Give each part the cohort's share of sarcopenic patients, as exactly as whole patients allow.

    Raises
    ------
    InputError
        Sizes that do not add up, a label that is not told, or a part too small to hold both labels.
    """
    if folds < 1 or seed < 0:
        raise InputError(
            f"{folds} folds with seed {seed} are none", "give --folds 1 or more, --seed 0 or more"
        )
    people = _people(cohort)
    _require_sizes(sizes, len(people))
    labels = _labels(people, sizes) if stratify else [False] * len(people)
    names = sorted(people)
    made = []
    for number in range(1, folds + 1):
        parts = _shuffled(labels, sizes, (seed, number), stratify)
        cases = [sorted(case.case for place in part for case in people[names[place]]) for part in parts]
        made.append(Fold(number, *(tuple(part) for part in cases)))
        if stratify:
            _require_both(parts, labels, number)
    return Splits(tuple(made), seed, cohort.digest, stratify)


def write_splits(splits: Splits, path: str | Path) -> None:
    """Save splits as JSON, by one rename.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    folds = [
        {"number": fold.number, **dict(zip(PARTS, map(list, fold.parts), strict=True))}
        for fold in splits.folds
    ]
    content = {
        "schema": SCHEMA,
        "cohort_digest": splits.cohort_digest,
        "seed": splits.seed,
        "stratified": splits.stratified,
        "folds": folds,
    }
    write_whole(Path(path), (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def read_splits(path: str | Path, cohort: SplitCohort | None = None) -> Splits:
    """Read saved splits.

    Parameters
    ----------
    cohort:
        If given, the splits must be this cohort's.

    Raises
    ------
    InputError
        No such file, no splits, a case twice in a fold, or of another cohort.
    """
    path = Path(path)
    remedy = "make them: sarcopenia splits COHORT --out FILE"
    try:
        content: dict[str, Any] = strict_json.read(path)
    except OSError as error:
        raise InputError(f"the splits {path.name} cannot be read ({error.strerror})", remedy) from None
    except ValueError:
        raise InputError(f"{path.name} is no JSON", remedy) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(f"{path.name} holds no splits of schema {SCHEMA}", remedy)
    try:
        folds = tuple(
            Fold(int(fold["number"]), *(tuple(map(str, fold[part])) for part in PARTS))
            for fold in content["folds"]
        )
        splits = Splits(
            folds, int(content["seed"]), str(content["cohort_digest"]), bool(content["stratified"])
        )
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path.name} is damaged", remedy) from None
    if [fold.number for fold in folds] != list(range(1, len(folds) + 1)) or not folds:
        raise InputError(f"the folds of {path.name} are not numbered 1, 2, …", remedy)
    if cohort is not None:
        splits.require_cohort(cohort)
    return splits


def counts_of(fold: Fold, cohort: SplitCohort) -> tuple[tuple[int, int], ...]:
    """Sarcopenic and not sarcopenic cases of each part of a fold."""
    label = {case.case: case.sarcopenic for case in cohort.cases}
    return tuple(
        (sum(label[case] is True for case in part), sum(label[case] is False for case in part))
        for part in fold.parts
    )


def _person(case: SplitCase) -> str:
    # A person named like another one's case is still another person.
    return f"case {case.case}" if case.patient is None else f"patient {case.patient}"


def _people(cohort: SplitCohort) -> dict[str, list[SplitCase]]:
    people: dict[str, list[SplitCase]] = {}
    for case in filter(lambda each: each.is_annotated, cohort.cases):
        people.setdefault(_person(case), []).append(case)
    return people


def _require_sizes(sizes: tuple[int, int, int], patients: int) -> None:
    if len(sizes) != len(PARTS) or min(sizes) < 1:
        raise InputError(f"sizes of {sizes} cannot be", "give three of 1 or more, train, validation, test")
    if sum(sizes) == patients:
        return
    shown, fitting = ("+".join(map(str, sizes)), in_proportion(sizes, patients))
    remedy = f"give --sizes {','.join(map(str, fitting))}" if fitting else "three parts need three patients"
    raise InputError(
        f"{shown} patients are {sum(sizes)}, the cohort has {patients} who are annotated", remedy
    )


def in_proportion(sizes: tuple[int, int, int], patients: int) -> tuple[int, int, int] | None:
    """Sizes like these of so many patients; `None` where three parts cannot be."""
    if patients < len(PARTS):
        return None
    validation, test = (max(1, round(patients * size / sum(sizes))) for size in sizes[1:])
    return (patients - validation - test, validation, test) if validation + test < patients else (1, 1, 1)


def _labels(people: dict[str, list[SplitCase]], sizes: tuple[int, int, int]) -> list[bool]:
    """A label for each patient, in the order of their names."""
    untold = sorted(case.case for cases in people.values() for case in cases if case.sarcopenic is None)
    if untold:
        raise InputError(
            f"{len(untold)} cases have no label to stratify by ({', '.join(untold[:5])})",
            "fill in the manifest's column sarcopenic, or give --no-stratify",
        )
    labels = [any(case.sarcopenic for case in people[name]) for name in sorted(people)]
    fewest = min(labels.count(True), labels.count(False))
    if fewest < len(PARTS):
        raise InputError(
            f"of {len(labels)} patients {labels.count(True)} are sarcopenic and {labels.count(False)} not: "
            f"too few to have both in each of {'+'.join(map(str, sizes))}",
            "add patients, or give --no-stratify",
        )
    return labels


def _shuffled(
    labels: list[bool], sizes: tuple[int, int, int], seed: tuple[int, int], stratify: bool
) -> list[list[int]]:
    """Places of the patients in train, validation, test."""
    import numpy as np
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    kind = StratifiedShuffleSplit if stratify else ShuffleSplit
    words = [int(word) for word in np.random.SeedSequence(seed).generate_state(2)]
    given = np.array(labels)
    try:
        first = kind(1, test_size=sizes[2], train_size=sizes[0] + sizes[1], random_state=words[0])
        rest, test = next(first.split(given, given))
        second = kind(1, test_size=sizes[1], train_size=sizes[0], random_state=words[1])
        train, validation = next(second.split(given[rest], given[rest]))
    except ValueError as error:  # scikit-learn: a part of fewer patients than labels
        raise InputError(
            f"parts of {'+'.join(map(str, sizes))} patients cannot each have both labels",
            "give parts of more patients with --sizes, or give --no-stratify",
        ) from error
    return [rest[train].tolist(), rest[validation].tolist(), test.tolist()]


def _require_both(parts: list[list[int]], labels: list[bool], number: int) -> None:
    for name, part in zip(PARTS, parts, strict=True):
        for wanted, word in ((True, "sarcopenic"), (False, "not sarcopenic")):
            if not any(labels[place] is wanted for place in part):
                raise InputError(
                    f"fold {number} is too small to stratify: "
                    f"none of its {len(part)} {name} patients is {word}",
                    "give that part more patients with --sizes, or give --no-stratify",
                )
