"""The steps from a cohort to the report, in order, as data: which command, made from what, leaving what.

Every step is a command of its own, run in the reproduction's folder; paths in it are seen from there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from SarcopeniaTraining.reproduction_preset import ReproductionPreset
from SarcopeniaTraining.splits import in_proportion

CLI = "SarcopeniaTraining.cli"
COHORT, SPLITS, FACTS = "cohort", "splits.json", "reproduction.json"
PRETRAIN, FINETUNE, CLASSIFY = "pretrain", "finetune", "classify"
IMBALANCE, TWO_ROUTES, EXPLANATIONS = "imbalance", "two_routes", "explanations"
TABLES, FIGURES, REPORT = "tables", "figures", "report.html"
_ENCODER = f"{PRETRAIN}/encoder.safetensors"
_CACHES = ("slabs", "volumes", "checkpoint*", "fold-*/checkpoint*", "evaluation")
"""What a training keeps for itself, and what the evaluation adds to its folder."""


class Part(StrEnum):
    """What `--only` asks for."""

    TABLES = "tables"
    CLASSIFY = "classify"
    SEGMENT = "segment"


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes
    ----------
    module, arguments:
        `python -m MODULE ARGUMENTS`; another argument makes another result.
    manner:
        Arguments that change no result: how many processes, which cluster.
    reads:
        Patterns of earlier results, seen from the reproduction's folder.
    given:
        Files from elsewhere.
    preset:
        Fields of the preset that it runs by.
    leaves, left_out:
        Patterns of its results, and of files among them that are none.
    trains:
        Whether what it leaves is a training: a new version of the program does not undo it, and where it
        must be made anew, what was there is set aside.
    """

    name: str
    title: str
    module: str
    arguments: tuple[str, ...]
    leaves: tuple[str, ...]
    manner: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    given: tuple[Path, ...] = ()
    preset: Mapping[str, Any] | None = None
    left_out: tuple[str, ...] = ()
    trains: bool = False

    @property
    def folder(self) -> str | None:
        """The folder that a training has for itself."""
        return self.leaves[0].split("/", 1)[0] if self.trains else None

    @property
    def told(self) -> str:
        """The command as reports show it: without the folders that lead to a file."""
        return " ".join((self.module, *map(plain, self.arguments)))


@dataclass(frozen=True)
class Inputs:
    """What a reproduction is made from.

    Attributes
    ----------
    cohort, cohort_files, people:
        Folder of a cohort (None: phantoms are drawn), its files, and its annotated persons.
    segmentable:
        Whether the cohort has CTs and masks.
    weights, encoder:
        RadImageNet's folder and its files; an encoder's file in place of the pre-training.
    """

    people: int
    cohort: Path | None = None
    cohort_files: tuple[Path, ...] = ()
    segmentable: bool = True
    weights: Path | None = None
    encoder: Path | None = None

    @property
    def cohort_argument(self) -> str:
        """The cohort as commands name it."""
        return COHORT if self.cohort is None else str(self.cohort)

    @property
    def cohort_reads(self) -> tuple[str, ...]:
        """The drawn cohort as an earlier result."""
        return (f"{COHORT}/**/*",) if self.cohort is None else ()

    @property
    def weights_files(self) -> tuple[Path, ...]:
        """RadImageNet's."""
        return () if self.weights is None else tuple(sorted(self.weights.glob("*.h5")))


@dataclass(frozen=True)
class Manner:
    """How the work is shared out; it changes no result."""

    jobs: int = 2
    cluster: str | None = None

    @property
    def local(self) -> tuple[str, ...]:
        """Of a command that stays on this machine."""
        return ("--jobs", str(self.jobs))

    @property
    def spread(self) -> tuple[str, ...]:
        """Of one whose tasks a cluster may take."""
        return self.local if self.cluster is None else (*self.local, "--cluster", self.cluster)


def plain(argument: str) -> str:
    """An argument without the folders of this machine."""
    return Path(argument).name if os.path.isabs(argument) else argument


def steps_of(
    preset: ReproductionPreset, inputs: Inputs, manner: Manner, only: Part | None = None
) -> tuple[Step, ...]:
    """The steps wanted, each after those that it reads from."""
    return tuple(_steps(preset, inputs, manner, only))


def _steps(preset: ReproductionPreset, inputs: Inputs, manner: Manner, only: Part | None) -> Iterator[Step]:
    if inputs.cohort is None:
        yield _phantoms(preset, manner)
    if only is not Part.CLASSIFY:
        yield from _segmentation(preset, inputs, manner)
    if only is not Part.SEGMENT:
        yield from _classification(preset, inputs, manner)
    if only is not Part.TABLES and only is not Part.SEGMENT and preset.imbalance is not None:
        yield _imbalance(preset, inputs, manner)
    if only is None:
        yield _two_routes()
    if only in (None, Part.CLASSIFY) and preset.explain is not None:
        yield _explanations(preset, inputs)
    yield _gathered()
    yield _report()


def _phantoms(preset: ReproductionPreset, manner: Manner) -> Step:
    drawn = preset.phantoms
    numbers = ("--patients", drawn.patients, "--sarcopenic", drawn.sarcopenic, "--men", drawn.men)
    scan = ("--seed", str(drawn.seed), "--coverage", f"{drawn.coverage_mm:g}")
    return Step(
        name="phantoms",
        title=f"drawing {drawn.patients} phantoms",
        module=CLI,
        arguments=("phantom", COHORT, *map(str, numbers), *scan),
        leaves=(f"{COHORT}/**/*",),
        manner=manner.local,
        trains=True,
    )


def _segmentation(preset: ReproductionPreset, inputs: Inputs, manner: Manner) -> Iterator[Step]:
    cohort = inputs.cohort_argument
    sizes = in_proportion(preset.sizes, inputs.people) or preset.sizes
    threads = ("--threads", str(preset.threads))
    numbers = ("--sizes", ",".join(map(str, sizes)), "--folds", str(preset.folds), "--seed", str(preset.seed))
    yield Step(
        name="splits",
        title=f"{preset.folds} shuffled data sets",
        module=CLI,
        arguments=("splits", cohort, "--out", SPLITS, *numbers),
        leaves=(SPLITS,),
        reads=inputs.cohort_reads,
        given=inputs.cohort_files,
    )
    if inputs.encoder is None:
        yield Step(
            name=PRETRAIN,
            title="pre-training of the encoder",
            module=CLI,
            arguments=("pretrain", cohort, "--preset", preset.pretrain, "--out", PRETRAIN, *threads),
            leaves=(f"{PRETRAIN}/**/*",),
            left_out=tuple(f"{PRETRAIN}/{name}" for name in _CACHES),
            manner=manner.local,
            preset=preset.fields_of("pretrain", preset.pretrain),
            trains=True,
            reads=inputs.cohort_reads,
            given=inputs.cohort_files,
        )
    yield _folds(preset, inputs, manner, threads)
    models = [f"{FINETUNE}/{name}" for name in ("run.json", SPLITS)]
    models += [f"{FINETUNE}/fold-*/{name}" for name in ("best.safetensors", "validation.json", "log.jsonl")]
    yield Step(
        name="evaluate",
        title="Tables 3 and 4, agreement, figures of the segmentation",
        module=CLI,
        arguments=("evaluate", FINETUNE, "--cohort", cohort),
        leaves=(f"{FINETUNE}/evaluation/**/*",),
        manner=manner.local,
        reads=(*inputs.cohort_reads, *models),
        given=inputs.cohort_files,
    )


def _folds(preset: ReproductionPreset, inputs: Inputs, manner: Manner, threads: tuple[str, ...]) -> Step:
    encoder = _ENCODER if inputs.encoder is None else str(inputs.encoder)
    own = (_ENCODER,) if inputs.encoder is None else ()
    ways = ("--splits", SPLITS, "--encoder", encoder, "--out", FINETUNE)
    return Step(
        name=FINETUNE,
        title=f"{preset.folds} folds of the segmentation network",
        module=CLI,
        arguments=("finetune", inputs.cohort_argument, "--preset", preset.finetune, *ways, *threads),
        leaves=(f"{FINETUNE}/**/*",),
        left_out=tuple(f"{FINETUNE}/{name}" for name in _CACHES),
        manner=manner.spread,
        reads=(*inputs.cohort_reads, SPLITS, *own),
        given=(*inputs.cohort_files, *((inputs.encoder,) if inputs.encoder else ())),
        preset=preset.fields_of("finetune", preset.finetune),
        trains=True,
    )


def _weights(inputs: Inputs) -> tuple[str, ...]:
    return () if inputs.weights is None else ("--weights", str(inputs.weights))


def _classification(preset: ReproductionPreset, inputs: Inputs, manner: Manner) -> Iterator[Step]:
    ways = ("--preset", preset.classify, "--out", CLASSIFY, *_weights(inputs))
    yield Step(
        name=CLASSIFY,
        title="the classifiers, each on its data sets",
        module=CLI,
        arguments=("classify", inputs.cohort_argument, *ways),
        leaves=(f"{CLASSIFY}/**/*",),
        left_out=(f"{CLASSIFY}/evaluation", f"{CLASSIFY}/features"),
        manner=manner.spread,
        reads=inputs.cohort_reads,
        given=(*inputs.cohort_files, *inputs.weights_files),
        preset=preset.fields_of("classify", preset.classify),
        trains=True,
    )
    yield Step(
        name="evaluate-classifiers",
        title="Tables 1 and 2, figures of the classifiers",
        module=CLI,
        arguments=("evaluate", CLASSIFY),
        leaves=(f"{CLASSIFY}/evaluation/**/*",),
        reads=tuple(f"{CLASSIFY}/{name}" for name in ("run.json", SPLITS, "runs/*.jsonl")),
    )


def _imbalance(preset: ReproductionPreset, inputs: Inputs, manner: Manner) -> Step:
    name = str(preset.imbalance)
    ways = ("--preset", name, "--out", IMBALANCE, *_weights(inputs))
    return Step(
        name=IMBALANCE,
        title="class weights, a moved threshold, balanced phantoms",
        module="SarcopeniaTraining.classification.imbalance",
        arguments=(inputs.cohort_argument, *ways),
        leaves=(f"{IMBALANCE}/**/*",),
        left_out=tuple(f"{IMBALANCE}/{name}" for name in ("features", "*/features")),
        manner=manner.local,
        reads=inputs.cohort_reads,
        given=(*inputs.cohort_files, *inputs.weights_files),
        preset=preset.fields_of("classify", name),
        trains=True,
    )


def _two_routes() -> Step:
    segmented = tuple(f"{FINETUNE}/{name}" for name in ("run.json", "evaluation/scores.json"))
    return Step(
        name="two-routes",
        title="status by area and by classifier, on the same patients",
        module="SarcopeniaTraining.classification.two_routes",
        arguments=(FINETUNE, CLASSIFY, "--out", TWO_ROUTES),
        leaves=(f"{TWO_ROUTES}/**/*",),
        reads=(*segmented, f"{CLASSIFY}/run.json", f"{CLASSIFY}/runs/*.jsonl"),
    )


def _explanations(preset: ReproductionPreset, inputs: Inputs) -> Step:
    told = preset.explain
    assert told is not None
    numbers = ("--count", told.count, "--samples", told.samples, "--seeds", told.seeds)
    ways: tuple[str, ...] = ("--cohort", inputs.cohort_argument, "--out", EXPLANATIONS)
    ways += () if told.network is None else ("--network", told.network)
    return Step(
        name="explain",
        title="what the classifiers look at",
        module=CLI,
        arguments=("explain", CLASSIFY, *ways, *map(str, numbers)),
        leaves=(f"{EXPLANATIONS}/**/*",),
        reads=(*inputs.cohort_reads, f"{CLASSIFY}/run.json", f"{CLASSIFY}/weights/*"),
        given=inputs.cohort_files,
        trains=True,
    )


def _gathered() -> Step:
    results = [f"{run}/evaluation" for run in (FINETUNE, CLASSIFY)] + [IMBALANCE, TWO_ROUTES, EXPLANATIONS]
    kinds = ("*.csv", "*.md", "*.tex", "figures/*")
    return Step(
        name="gather",
        title="tables and figures in one place",
        module="SarcopeniaTraining.reproduction_gathering",
        arguments=(".",),
        leaves=(f"{TABLES}/*", f"{FIGURES}/*"),
        reads=tuple(f"{folder}/{kind}" for folder in results for kind in kinds),
    )


def _report() -> Step:
    runs = (PRETRAIN, FINETUNE, CLASSIFY, IMBALANCE, TWO_ROUTES, EXPLANATIONS)
    found = tuple(f"{run}/{name}" for run in runs for name in ("*.json", "evaluation/summary.json"))
    return Step(
        name="report",
        title="the report",
        module="SarcopeniaTraining.report_page",
        arguments=(".",),
        leaves=(REPORT,),
        reads=(FACTS, f"{TABLES}/*", f"{FIGURES}/*", *found),
    )
