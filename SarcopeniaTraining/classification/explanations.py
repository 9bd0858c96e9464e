"""The explanations of a classifier run: maps, tables, figures and `explanations.json`, in one folder.

docs/explanations.md says how each number comes about and how far it can be believed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import InputError, OutputError
from SarcopeniaAssessLib.model_file import file_sha256, write_whole
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.classification.explained_cases import (
    Explained,
    choose_cases,
    find_cohort,
    load_explained,
)
from SarcopeniaTraining.classification.explained_figures import (
    SHOWN_AT_MOST,
    Shown,
    check_figure,
    curves_figure,
    maps_figure,
    shares_figure,
)
from SarcopeniaTraining.classification.explained_numbers import Numbers, changed_by, numbers_of
from SarcopeniaTraining.classification.explained_readings import (
    ExplainPlan,
    Method,
    Reading,
    State,
    count_of,
    read_all,
    superpixels_of,
)
from SarcopeniaTraining.classification.explained_summary import summary_of
from SarcopeniaTraining.classification.explained_tables import attribution_table, checks_table
from SarcopeniaTraining.classification.lime_maps import LimeSettings
from SarcopeniaTraining.classification.run_words import LEAK, STARTS
from SarcopeniaTraining.classification.sanity import Level, verdict
from SarcopeniaTraining.figure_style import save
from SarcopeniaTraining.table_files import Table, write_table

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_run import (
        Classification,
        LoadedClassifier,
        RunRecord,
    )

SUMMARY, FIGURES, CAPTIONS = "explanations.json", "figures", "captions.md"
_SUBJECTS = ((State.TRAINED, "trained network"), (State.RANDOM, "network with random weights"))
COARSE = 4
"""Cells along a side, below which a map of Grad-CAM tells hardly more than that there is something."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes
    ----------
    run, out:
        Folder of `sarcopenia classify`, and where everything goes.
    network:
        By name; `None`: the one that did best on validation.
    cohort:
        Where the run's cohort lies, if not near it.
    cases, count:
        Names, or how many test cases.
    layer:
        That Grad-CAM reads; `None`: the network's last convolution.
    """

    run: Path
    out: Path
    network: str | None = None
    cohort: Path | None = None
    cases: tuple[str, ...] = ()
    count: int = 4
    layer: str | None = None
    lime: LimeSettings = LimeSettings()  # noqa: RUF009 - frozen


@dataclass(frozen=True, eq=False)
class Explanations:
    """What was made, all of it in `folder` too."""

    folder: Path
    tables: tuple[Table, ...]
    numbers: Numbers
    summary: Mapping[str, Any]


def explain_run(
    request: Request, tell: Callable[[str], None], progress: Callable[[int], Callable[[], None]]
) -> Explanations:
    """Explain calls of a run's best network, and of the same network with random weights.

    Parameters
    ----------
    tell:
        Gets a line about what a reader should know.
    progress:
        From how many readings are to come to what is called after each.

    Raises
    ------
    SarcopeniaError
        No such run, network, case, layer or cohort; TensorFlow is not installed; the folder is in use,
        holds other explanations, or cannot be written.
    """
    from SarcopeniaTraining.classification.architectures import require_keras
    from SarcopeniaTraining.classification.classifier_run import load_classifier, read_classification

    require_keras()
    run = read_classification(request.run)
    classifier = load_classifier(request.run, _network(run, request.network))
    record, side = classifier.record, classifier.side
    names = choose_cases(record, request.cases, request.count)
    explained = load_explained(run, record, find_cohort(run, request.cohort), names, side, tell)
    plan = ExplainPlan(request.layer or classifier.arch.last_convolution, request.lime)
    _make_folder(request.out)
    lock = FolderLock(request.out)
    try:
        head = _belongs_to(run, classifier, plan)
        advance = progress(count_of(plan, len(names)))
        readings = read_all(classifier, explained.images, plan, (request.out, head), advance)
        return _written(request, run, record, _Read(explained, readings, plan, head), tell)
    finally:
        lock.release()


@dataclass(frozen=True, eq=False)
class _Read:
    explained: Explained
    readings: Sequence[Reading]
    plan: ExplainPlan
    head: Mapping[str, Any]


def _written(
    request: Request, run: Classification, record: RunRecord, read: _Read, tell: Callable[[str], None]
) -> Explanations:
    numbers = numbers_of(read.explained, read.readings, read.plan)
    about = f"{record.network}, {record.scheme}, set {record.set}, {STARTS[record.start]}"
    cells = read.readings[0].cells.shape[1:]
    notes = [*([LEAK] if run.leak else []), *_notes(read, cells)]
    for note in notes:
        tell(note)
    tables = (
        attribution_table(numbers.shares, about, tuple(notes)),
        checks_table(numbers.checks, about, tuple(notes)),
    )
    for table in tables:
        write_table(table, request.out)
    pieces = superpixels_of(read.explained.images, read.plan)
    shown = Shown(read.explained, read.readings, pieces)
    _draw(shown, numbers, about, request.out / FIGURES)
    summary = summary_of(run, record, shown, numbers, {**read.head, "cells": list(cells)})
    write_whole(request.out / SUMMARY, (json.dumps(summary, indent=1, ensure_ascii=False) + "\n").encode())
    return Explanations(request.out, tables, numbers, summary)


def _draw(shown: Shown, numbers: Numbers, about: str, folder: Path) -> None:
    correlations = {
        (method, level): verdict([*changed_by(shown.readings, method, level, shown.pieces).values()])[0]
        for method in Method
        for level in Level
    }
    first = ", ".join(each.case for each in shown.cases)
    more = len(shown.explained.cases) > SHOWN_AT_MOST
    which = f"Cases {first}{' (the first of them)' if more else ''}, seen from the feet."
    made = {
        f"maps_{state.value}.png": (
            maps_figure(shown, state, f"{about}: {words}"),
            f"What speaks for the call of the {words}. {which} Grad-CAM: the brighter, the more speaks "
            "for it there. LIME: orange superpixels speak for the call, violet ones "
            "against it. Last: Grad-CAM under the outlines of the superpixels that speak most for it.",
        )
        for state, words in (
            (State.TRAINED, "trained network"),
            (State.RANDOM, "network with random weights"),
        )
    }
    if numbers.shares:
        made["attribution.png"] = (
            shares_figure(numbers, f"{about}: where the explanations lie"),
            "Share of the attribution on each tissue, by the trained network and by one with random weights, "
            "beside the tissue's share of the pixels; bars: 95 %, patients drawn with replacement.",
        )
    made["faithfulness.png"] = (
        curves_figure(shown, f"{about}: does the order of the map matter?"),
        "Probability of the class called, mean of cases, while pixels are taken away or shown in the order "
        "of their attribution; grey: the range of random maps.",
    )
    made["randomised.png"] = (
        check_figure(shown, correlations, f"{about}: {shown.cases[0].case}, weights randomised"),
        "The maps of one case as trained, with a random softmax layer (the first that was drawn), and with "
        "random weights all over, for the same class; rank correlations are means of all draws and cases.",
    )
    for name, (figure, _) in made.items():
        save(figure, folder / name)
    text = "".join(f"**{name}** {words}\n\n" for name, (_, words) in made.items())
    write_whole(folder / CAPTIONS, text.encode())


def _notes(read: _Read, cells: Sequence[int]) -> list[str]:
    notes = []
    if min(cells) < COARSE:
        notes.append(
            f"Grad-CAM at layer {read.plan.layer} has {cells[0]}×{cells[1]} cells on these images, too few "
            "to tell a place: give an earlier --layer, or train on larger images."
        )
    known = [each.case for each in read.explained.cases if each.part != "test"]
    if known:
        notes.append(
            f"{len(known)} of {len(read.explained.cases)} cases are no test cases of this network, but were "
            f"learned from or chosen on: {', '.join(known)}."
        )
    return notes


def _network(run: Classification, wanted: str | None) -> str:
    """The network wanted, or that of the run that did best on validation."""
    from SarcopeniaTraining.classification.classifier_run import best_by_network

    if wanted is not None:
        return wanted
    best = best_by_network(run.records)
    if not best:
        raise InputError("the folder has no finished run", "let `sarcopenia classify` finish one")
    return min(best.values(), key=lambda record: record.selection_key).network


def _belongs_to(run: Classification, classifier: LoadedClassifier, plan: ExplainPlan) -> dict[str, Any]:
    """What readings are of: another network, cohort or setting would give others."""
    from SarcopeniaTraining.classification.kept_weights import weights_path

    return {
        "weights": file_sha256(weights_path(run.folder, classifier.arch.name)),
        "network": classifier.arch.name,
        "cohort": run.facts["cohort"]["digest"],
        "side": classifier.side,
        "field_mm": run.facts["images"]["field_mm"],
        "layer": plan.layer,
        "samples": plan.lime.samples,
        "seeds": list(plan.lime.seeds),
        "superpixel_seed": plan.lime.superpixel_seed,
        "random_seed": plan.random_seed,
        "random_heads": plan.heads,
    }


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the output folder cannot be made ({error.strerror})", "give another --out"
        ) from None
