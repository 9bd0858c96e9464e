"""What a reproduction was made of, read from its folder: data, presets, starts, splits, software.

Every fact may be missing: a folder of `--only classify` has no fine-tuning. What is not told is `None`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.errors import InputError

REPRODUCTION = "reproduction.json"
SEGMENTATION, CLASSIFICATION = "finetune", "classify"
EVALUATION = "evaluation"
_AGAIN = "give the same `sarcopenia reproduce` command again: it makes what is missing"


class Data(StrEnum):
    """Whose images they are."""

    PHANTOMS = "phantoms"
    PATIENTS = "patients"
    UNTOLD = "not told"


@dataclass(frozen=True)
class Cohort:
    """Who was examined, so far as it is told."""

    data: Data = Data.UNTOLD
    name: str | None = None
    digest: str | None = None
    patients: int | None = None
    sarcopenic: int | None = None
    men: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Segmentation:
    """The fine-tuning behind Tables 3 and 4.

    Attributes
    ----------
    sizes:
        Patients of train, validation and test of a fold.
    encoder:
        File name of the pre-trained encoder; `None`: none.
    encoder_given:
        Whether the user gave it; otherwise the reproduction pre-trained it on its own few CTs.
    summary:
        What the evaluation's `summary.json` says; empty where it is not evaluated.
    """

    preset: Mapping[str, Any]
    sizes: tuple[int, int, int] | None
    encoder: str | None
    encoder_sha256: str | None
    encoder_given: bool
    split_seed: int | None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the preset."""
        return str(self.preset.get("name", "?"))


@dataclass(frozen=True)
class Classification:
    """The classifier runs behind Tables 1 and 2.

    Attributes
    ----------
    starts:
        Network → "random", or file name and checksum of its RadImageNet weights.
    side:
        Pixels of the square image; `None`: each network's own published size.
    """

    preset: Mapping[str, Any]
    starts: Mapping[str, Any]
    side: int | None
    leak: bool
    seed: int | None
    sizes: tuple[int, int, int] | None
    split_seed: int | None
    software: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the preset."""
        return str(self.preset.get("name", "?"))

    @property
    def random_networks(self) -> tuple[str, ...]:
        """Networks that began from random weights."""
        return tuple(name for name, start in self.starts.items() if start == "random")


@dataclass(frozen=True)
class Step:
    """One step of the reproduction."""

    name: str
    title: str
    state: str
    seconds: float | None
    code_sha256: str | None


@dataclass(frozen=True)
class Circumstances:
    """All that the folder tells."""

    preset: str | None
    only: str | None
    cohort: Cohort
    segmentation: Segmentation | None
    classification: Classification | None
    steps: tuple[Step, ...] = ()
    command: str | None = None


def read_circumstances(folder: Path) -> Circumstances:
    """Read what a reproduction's folder tells of its making.

    Raises
    ------
    InputError
        A file of it is damaged.
    """
    told = read_json(folder / REPRODUCTION)
    given = (told.get("start") or {}).get("encoder") is not None
    segmentation = _segmentation(folder / SEGMENTATION, given)
    classification = _classification(folder / CLASSIFICATION)
    return Circumstances(
        preset=_name(told.get("preset")),
        only=told.get("only"),
        cohort=_cohort(folder, told),
        segmentation=segmentation,
        classification=classification,
        steps=tuple(_step(step) for step in told.get("steps") or ()),
        command=told.get("command"),
    )


def read_json(path: Path) -> dict[str, Any]:
    """An object from a file; empty where there is no such file.

    Raises
    ------
    InputError
        It is damaged.
    """
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"{path.parent.name}/{path.name} is damaged", _AGAIN)
    return values


def _name(preset: object) -> str | None:
    found = preset.get("name") if isinstance(preset, Mapping) else preset
    return None if found is None else str(found)


def _cohort(folder: Path, told: Mapping[str, Any]) -> Cohort:
    facts = told.get("cohort") or {}
    kinds = {"phantom": Data.PHANTOMS, "phantoms": Data.PHANTOMS, "given": Data.PATIENTS}
    name, digest = facts.get("name"), facts.get("digest")
    for run in (SEGMENTATION, CLASSIFICATION):
        known = read_json(folder / run / "run.json").get("cohort") or {}
        name, digest = name or known.get("name"), digest or known.get("digest")
    return Cohort(
        data=kinds.get(str(facts.get("kind")), Data.UNTOLD),
        name=name,
        digest=digest,
        **{key: facts.get(key) for key in ("patients", "sarcopenic", "men", "seed")},
    )


def _segmentation(folder: Path, encoder_given: bool) -> Segmentation | None:
    run = read_json(folder / "run.json")
    if not run:
        return None
    encoder = run.get("encoder") or {}
    sizes, seed = _splits(folder)
    if sizes is not None and run.get("train_patients") is not None:
        sizes = (int(run["train_patients"]), *sizes[1:])
    return Segmentation(
        preset=run.get("preset") or {},
        sizes=sizes,
        encoder=encoder.get("source"),
        encoder_sha256=encoder.get("sha256"),
        encoder_given=encoder_given,
        split_seed=seed,
        provenance=run.get("provenance") or {},
        summary=read_json(folder / EVALUATION / "summary.json"),
    )


def _classification(folder: Path) -> Classification | None:
    run = read_json(folder / "run.json")
    if not run:
        return None
    sizes, seed = _splits(folder)
    images = run.get("images") or {}
    return Classification(
        preset=run.get("preset") or {},
        starts=run.get("start") or {},
        side=images.get("side"),
        leak=bool(run.get("leak")),
        seed=run.get("seed"),
        sizes=sizes,
        split_seed=seed,
        software=run.get("software") or {},
    )


def _splits(folder: Path) -> tuple[tuple[int, int, int] | None, int | None]:
    """Sizes of the first fold's three parts, and the seed."""
    splits = read_json(folder / "splits.json")
    folds = splits.get("folds") or ()
    if not folds:
        return None, splits.get("seed")
    train, validation, test = (len(folds[0].get(part) or ()) for part in ("train", "validation", "test"))
    return (train, validation, test), splits.get("seed")


def _step(step: Mapping[str, Any]) -> Step:
    name, seconds = str(step.get("name", "?")), step.get("seconds")
    return Step(
        name=name,
        title=str(step.get("title") or name),
        state=str(step.get("state", "?")),
        seconds=None if seconds is None else float(seconds),
        code_sha256=step.get("code_sha256"),
    )
