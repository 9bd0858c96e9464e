"""From a run's folder to `RUN/evaluation`: scores, Tables 3 and 4, agreement, figures, `summary.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib import __version__
from SarcopeniaAssessLib.criteria import default_criterion
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.agreement import Spread, spread
from SarcopeniaTraining.agreement_table import agreement_table
from SarcopeniaTraining.comparison import ScoredRun, comparison_table, paired
from SarcopeniaTraining.evaluation_pictures import draw_pictures
from SarcopeniaTraining.fold_scores import EVALUATION, Scoring, score_run
from SarcopeniaTraining.fold_summary import FoldSummary, best_of, summaries
from SarcopeniaTraining.printed_paper import BLOCK, printed_folds
from SarcopeniaTraining.run_folder import BEST, Run, find_cohort, read_run
from SarcopeniaTraining.table_3 import table_3
from SarcopeniaTraining.table_4 import table_4
from SarcopeniaTraining.table_files import decimal_text, write_table

if TYPE_CHECKING:
    from SarcopeniaTraining.cohort import Cohort
    from SarcopeniaTraining.table_files import Table

SUMMARY = "summary.json"
SCHEMA = "sarcopenia-evaluation/1"


@dataclass(frozen=True)
class Request:
    """What is to be evaluated.

    Attributes
    ----------
    folder:
        The run.
    cohort:
        Where its cohort lies, if not by its name near the run or in the current folder.
    beside:
        Other runs, compared with this one patient by patient.
    """

    folder: Path
    cohort: Path | None = None
    beside: tuple[Path, ...] = ()
    scoring: Scoring = field(default_factory=Scoring)


@dataclass(frozen=True)
class Evaluation:
    """What was found and where it lies."""

    run: Run
    folds: tuple[FoldSummary, ...]
    best: FoldSummary
    tables: tuple[Table, ...]
    folder: Path
    summary: Mapping[str, Any]


def evaluate_run(
    request: Request,
    tell: Callable[[str], None] = lambda _: None,
    advance: Callable[[int, int], None] = lambda _done, _all: None,
) -> Evaluation:
    """Score what is not scored yet, then write every table and figure anew.

    Parameters
    ----------
    tell, advance:
        As `fold_scores.score_run` calls them.

    Raises
    ------
    SarcopeniaError
        No run, no finished fold, another cohort, a damaged model, a full disk.
    """
    run = read_run(request.folder)
    others = [read_run(folder) for folder in request.beside]
    names = _names([run, *others])
    cohort = find_cohort(run, request.cohort)
    scores = score_run(run, cohort, request.scoring, tell, advance)
    folds = summaries(run, scores)
    own = _scored(names[0], run, folds)
    beside = []
    for name, other in zip(names[1:], others, strict=True):
        other_scores = score_run(other, _cohort_of(other, cohort, request), request.scoring, tell, advance)
        beside.append(_scored(name, other, summaries(other, other_scores)))
        if not paired(own, beside[-1]):
            tell(f"{name} has no fold with a test patient in common: it is not compared patient by patient")
    best = best_of(folds, run)
    everyone = [score for fold in folds for score in fold.scores]
    tables = [
        table_3(folds, f"this run ({own.name}, preset {run.preset})"),
        table_4(best, f"this run ({own.name}, preset {run.preset})"),
        agreement_table(best.scores, everyone, best.run.number),
        *([comparison_table(own, beside)] if beside else []),
    ]
    folder = run.folder / EVALUATION
    for table in tables:
        write_table(table, folder)
    draw_pictures(own, best, beside, cohort, request.scoring.device)
    summary = _summary(own, folds, best, tables)
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(folder / SUMMARY, text.encode())
    return Evaluation(run, folds, best, tuple(tables), folder, summary)


def told(evaluation: Evaluation) -> list[str]:
    """The summary in plain words, the printed figures in a line of their own."""
    run, folds, best = evaluation.run, evaluation.folds, evaluation.best
    dice = spread([fold.dice.mean for fold in folds])
    signed = spread([fold.error_percent.mean for fold in folds])
    absolute = spread([fold.abs_error_percent.mean for fold in folds])
    right, judged = sum(fold.right for fold in folds), sum(fold.judged for fold in folds)
    printed = spread([fold.dice_mean for fold in printed_folds()])
    patients = sorted({len(fold.scores) for fold in folds})
    lines = [
        f"{len(folds)} fold{'s' if len(folds) > 1 else ''}, {' or '.join(map(str, patients))} test patients "
        "each; checkpoints chosen on validation",
        f"Dice {_mean_sd(dice, 3)} (mean over folds)",
        f"signed area error {_mean_sd(signed, 2, signed=True)} % (mean over folds)",
        f"absolute area error {_mean_sd(absolute, 2)} % (mean over folds)",
        f"status right in {right} of {judged} readings",
        f"best fold on validation: {best.run.number} ({best.run.best_epoch}): Dice {_mean_sd(best.dice, 3)}, "
        f"absolute area error {decimal_text(best.abs_error_percent.mean, 2)} %, "
        f"status right in {best.right} of {best.judged} patients",
        f"{BLOCK}: Dice {_mean_sd(printed, 3)} (mean over folds)",
    ]
    chosen = [fold.chosen_on_test.dice_mean for fold in folds if fold.chosen_on_test]
    if chosen:
        lines.insert(
            -1, f"choosing on test would have given Dice {_mean_sd(spread(chosen), 3)}: optimistic, no result"
        )
    if run.unfinished:
        lines.append(f"not finished, left out: fold {', '.join(map(str, run.unfinished))}")
    return lines


def _scored(name: str, run: Run, folds: Sequence[FoldSummary]) -> ScoredRun:
    return ScoredRun(name, run, tuple(score for fold in folds for score in fold.scores))


def _cohort_of(other: Run, cohort: Cohort, request: Request) -> Cohort:
    """The same cohort, unless the other run was trained on another one."""
    digest = (other.facts.get("cohort") or {}).get("digest")
    return cohort if digest in (None, cohort.digest) else find_cohort(other, request.cohort)


def _names(runs: Sequence[Run]) -> list[str]:
    """Folder names; a repeated one gets a number."""
    names: list[str] = []
    for run in runs:
        name, number = run.name, 2
        while name in names:
            name, number = f"{run.name} ({number})", number + 1
        names.append(name)
    return names


def _mean_sd(values: Spread, decimals: int, *, signed: bool = False) -> str:
    mean = decimal_text(values.mean, decimals, signed=signed)
    return mean if values.sd is None else f"{mean} ± {decimal_text(values.sd, decimals)}"


def _summary(
    own: ScoredRun, folds: Sequence[FoldSummary], best: FoldSummary, tables: Sequence[Table]
) -> dict[str, Any]:
    """What `summary.json` says; every number unrounded, as in the CSVs."""
    cohort = own.run.facts.get("cohort") or {}
    rows = {table.name: table.records() for table in tables}
    return {
        "schema": SCHEMA,
        "run": own.name,
        "preset": own.run.preset,
        "train_patients": own.run.train_patients,
        "cohort_digest": cohort.get("digest"),
        "criterion": default_criterion(),
        "folds": [fold.run.number for fold in folds],
        "unfinished_folds": list(own.run.unfinished),
        "best_fold": best.run.number,
        "best_fold_on_test": max(folds, key=lambda fold: fold.dice.mean).run.number,
        "model_sha256": {f"fold-{fold.run.number:02d}": fold.scores[0].model_sha256 for fold in folds},
        "checkpoint": BEST,
        "chosen_on": "validation",
        **rows,
        "software": {"name": "sarcopenia-assess", "version": __version__},
    }
