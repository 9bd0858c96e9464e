"""From a folder of classifier runs to `RUN/evaluation`: Tables 1 and 2, figures, `summary.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from SarcopeniaAssessLib import __version__
from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.classification.classifier_calibration import calibration
from SarcopeniaTraining.classification.classifier_run import read_classification
from SarcopeniaTraining.classification.run_scores import choose, combinations, people_of, score_runs
from SarcopeniaTraining.classification.run_words import STARTS, run_words
from SarcopeniaTraining.classification.runs_table import runs_table
from SarcopeniaTraining.classification.table_1 import table_1
from SarcopeniaTraining.classification.table_2 import table_2
from SarcopeniaTraining.table_files import decimal_text, write_table

if TYPE_CHECKING:
    from SarcopeniaTraining.agreement import Estimate
    from SarcopeniaTraining.classification.classifier_run import Classification
    from SarcopeniaTraining.classification.run_scores import ChosenRun, Combination
    from SarcopeniaTraining.table_files import Table

EVALUATION, SUMMARY, FIGURES, CAPTIONS = "evaluation", "summary.json", "figures", "captions.md"
SCHEMA = "sarcopenia-classification-evaluation/1"
_TAKEN = ("run", "beside", "as_json", "debug")
"""What of `sarcopenia evaluate` is for a folder of classifier runs."""


@dataclass(frozen=True)
class ClassificationEvaluation:
    """What was found and where it lies.

    Attributes
    ----------
    tables:
        1, 2, and that of every run; with a segmentation beside it those of both routes.
    folder:
        `RUN/evaluation`.
    summary:
        What `summary.json` says.
    """

    run: Classification
    combinations: tuple[Combination, ...]
    chosen: tuple[ChosenRun, ...]
    tables: tuple[Table, ...]
    folder: Path
    summary: Mapping[str, Any]


def evaluate_classification(folder: Path, beside: Path | None = None) -> ClassificationEvaluation:
    """Write every table and figure of the finished runs anew.

    Parameters
    ----------
    folder:
        As `sarcopenia classify` left it.
    beside:
        An evaluated run of `sarcopenia finetune` on the same patients: both routes are compared.

    Raises
    ------
    SarcopeniaError
        No folder of classifier runs, none finished, another run beside it, a full disk.
    """
    run = read_classification(folder)
    if not run.records:
        raise ModelError(
            "no run of these classifiers is finished",
            "give the same `sarcopenia classify` command: it goes on",
        )
    out = folder / EVALUATION
    _make(out / FIGURES)
    lock = FolderLock(out)
    try:
        return _evaluated(run, out, beside)
    finally:
        lock.release()


def told(evaluation: ClassificationEvaluation) -> list[str]:
    """The summary in plain words."""
    run = evaluation.run
    sets = {record.set for record in run.records}
    leak = "LEAK: learned from images with a drawn outline; " if run.leak else ""
    lines = [
        f"{leak}{len(run.records)} runs over {len(sets)} shuffled set{'s' if len(sets) > 1 else ''}, "
        f"{STARTS[run.start]}; each network's best run chosen on validation"
    ]
    lines += [f"{one.network}, {one.scheme}: test AUC {_area(one)}" for one in evaluation.combinations]
    lines += [_best_in_words(one) for one in evaluation.chosen]
    if run.unfinished:
        lines.append(f"not finished, left out: {len(run.unfinished)} of the runs planned")
    return lines


def evaluate_in_context(context: click.Context) -> None:
    """What `sarcopenia evaluate RUN` does where RUN is a folder of classifier runs.

    Raises
    ------
    UsageError
        An option that is not for such a folder.
    """
    default = click.core.ParameterSource.DEFAULT
    for name in context.params:
        if name not in _TAKEN and context.get_parameter_source(name) is not default:
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} is not for a folder of classifier runs, which RUN is")
    beside = tuple(context.params.get("beside") or ())
    if len(beside) > 1:
        raise click.UsageError("give one fine-tuning run --beside a folder of classifier runs")
    evaluation = evaluate_classification(Path(context.params["run"]), beside[0] if beside else None)
    if context.params.get("as_json"):
        click.echo(json.dumps(evaluation.summary, ensure_ascii=False))
        return
    for line in told(evaluation):
        click.echo(line)
    click.echo(f"tables and figures: {evaluation.folder}")


def _evaluated(run: Classification, out: Path, beside: Path | None) -> ClassificationEvaluation:
    scores = score_runs(run.records, people_of(run))
    own, chosen, words = combinations(scores), choose(scores), run_words(run)
    tables: list[Table] = [table_1(own, words), table_2(chosen, words), runs_table(scores, words)]
    compared = None
    if beside is not None:
        from SarcopeniaTraining.classification.two_routes import compare_routes

        compared = compare_routes(beside, run.folder)
    for table in tables:
        write_table(table, out)
    captions = _draw(own, chosen, out / FIGURES)
    routes: dict[str, Any] | None = None
    if compared is not None:
        from SarcopeniaTraining.classification.two_routes_report import write_routes

        report = write_routes(compared, out)
        routes, captions = report.summary, captions | report.captions
        tables += report.tables
    text = "".join(f"**{name}** {sentence}\n\n" for name, sentence in captions.items())
    write_whole(out / FIGURES / CAPTIONS, text.encode())
    summary = _summary(run, chosen, tables[:3], routes)
    written = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(out / SUMMARY, f"{written}\n".encode())
    return ClassificationEvaluation(run, own, chosen, tuple(tables), out, summary)


def _draw(own: Sequence[Combination], chosen: Sequence[ChosenRun], folder: Path) -> dict[str, str]:
    """Every figure, and its caption by file name."""
    from SarcopeniaTraining.classification.classification_figures import (
        auc_figure,
        confusion_figure,
        reliability_figure,
        roc_figure,
        training_figure,
    )
    from SarcopeniaTraining.figure_style import save

    made = {
        "auc.png": (
            auc_figure(own),
            "AUC of each network and scheme: a dot a shuffled set, their mean with its 95 % interval, and "
            "mean and standard deviation as printed.",
        ),
        "confusion.png": (
            confusion_figure(chosen),
            "Calls above 0.5 by truth: above the test patients of each network's best run, chosen on "
            "validation; below all test readings of that run's scheme.",
        ),
        "roc.png": (
            roc_figure(chosen),
            "ROC curves of the scheme of each network's best run: a thin line a set, their mean, and the "
            "best run with its calls above 0.5.",
        ),
        "reliability.png": (
            reliability_figure(chosen),
            "Share of sarcopenic readings by tenths of the probability told, over all sets; the dotted line "
            "is where both are equal, bars show how many readings a tenth has.",
        ),
        "training.png": (
            training_figure(own),
            "Loss by epoch in training and on validation, a line a set; dots: the epoch whose weights were "
            "taken.",
        ),
    }
    for name, (figure, _) in made.items():
        save(figure, folder / name)
    return {name: sentence for name, (_, sentence) in made.items()}


def _summary(
    run: Classification, chosen: Sequence[ChosenRun], tables: Sequence[Table], routes: dict[str, Any] | None
) -> dict[str, Any]:
    """What `summary.json` says; every number unrounded, as in the CSVs."""
    rows = {table.name: table.records() for table in tables}
    return {
        "schema": SCHEMA,
        "run": run.name,
        "preset": run.facts["preset"].get("name"),
        "cohort_digest": (run.facts.get("cohort") or {}).get("digest"),
        "start": run.start,
        "leak": run.leak,
        "class_weights": any(record.class_weights for record in run.records),
        "networks": list(dict.fromkeys(record.network for record in run.records)),
        "schemes": list(dict.fromkeys(record.scheme for record in run.records)),
        "sets": sorted({record.set for record in run.records}),
        "finished_runs": len(run.records),
        "unfinished_runs": [list(one) for one in run.unfinished],
        "chosen_on": "validation",
        "chosen": {one.network: _choice(one) for one in chosen},
        **rows,
        "two_routes": routes,
        "software": {"name": "sarcopenia-assess", "version": __version__},
    }


def _choice(one: ChosenRun) -> dict[str, Any]:
    """The best run of a network, what choosing on test would have taken, and its scheme's calibration."""
    best, on_test = one.best.record, one.on_test.record
    truth = np.concatenate([test.truth for test in one.combination.tests])
    probability = np.concatenate([test.probability for test in one.combination.tests])
    found = calibration(truth, probability)
    return {
        "scheme": best.scheme,
        "set": best.set,
        "best_epoch": best.best_epoch,
        "validation_auc": one.best.validation_auc,
        "moved_threshold": one.best.threshold,
        "chosen_on_test": {"scheme": on_test.scheme, "set": on_test.set},
        "calibration": {**asdict(found), "bins": [asdict(part) for part in found.bins]},
    }


def _best_in_words(one: ChosenRun) -> str:
    best, calls, on_test = one.best.record, one.best.calls, one.on_test
    chosen = f"best {one.network} on validation: {best.scheme}, set {best.set}"
    scores = (
        f"{calls.right} of {calls.count} right, precision {decimal_text(calls.precision, 2)}, "
        f"F1 {decimal_text(calls.f1, 2)}"
    )
    optimistic = (
        f"chosen on test, optimistic: {on_test.record.scheme}, set {on_test.record.set}, "
        f"accuracy {decimal_text(on_test.calls.accuracy, 2)}"
    )
    return f"{chosen}: {scores} ({optimistic})"


def _area(one: Combination) -> str:
    over = one.test_auc
    if over is None:
        return "not told, no set has both classes"
    sd = "" if over.sd is None else f" ± {decimal_text(over.sd, 2)}"
    return f"{decimal_text(over.mean.value, 2)}{sd}{_interval(over.mean)}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None:
        return ""
    return f" (95 % {decimal_text(estimate.low, 2)} … {decimal_text(estimate.high, 2)})"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {EVALUATION} cannot be made in the run ({error.strerror})",
            "make the run's folder writable",
        ) from None
