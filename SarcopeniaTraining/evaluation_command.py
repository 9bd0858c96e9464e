"""`sarcopenia evaluate`: arguments in, one function called, a table out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

_ONLY_FOLDS = ("cohort", "beside", "all_checkpoints", "device")
_ONLY_MODELS = ("phantoms", "first_seed", "held_out", "ct", "out", "publish")


@dataclass(frozen=True)
class ModelScoring:
    """How a single model is scored: on phantoms of either family, perhaps a CT, perhaps published.

    Attributes
    ----------
    phantoms, first_seed:
        Of the family that training draws from; `None` is 50, or none where `held_out` scans are scored.
    held_out, jobs, out:
        Scans of the other family, processes, and where rows, tables and pictures go.
    ct:
        CT and mask.
    """

    phantoms: int | None
    first_seed: int | None
    held_out: int
    jobs: int | None
    out: Path | None
    ct: tuple[Path, Path] | None
    publish: str | None

    @property
    def of_own_family(self) -> int:
        """Phantoms of the family that training draws from."""
        if self.phantoms is not None:
            return self.phantoms
        return 0 if self.held_out else 50


@click.command()
@click.argument("run")
@click.option(
    "--cohort", type=click.Path(path_type=Path), help="Where RUN's cohort lies, if not near RUN or here."
)
@click.option(
    "--beside",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="OTHER_RUN",
    help="Compare with another run on the same test patients; of classifiers, a fine-tuning run.",
)
@click.option(
    "--all-checkpoints", is_flag=True, help="Show too what choosing the checkpoint on test would have given."
)
@click.option("--jobs", type=click.IntRange(1), help="Processes that score. Default: one a processor.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda[:N] or mps, for folds.")
@click.option(
    "--phantoms",
    type=click.IntRange(0),
    help="Of a model: phantoms to score that no training drew. Default: 50, with --held-out none.",
)
@click.option(
    "--held-out",
    type=click.IntRange(0),
    default=0,
    help="Of a model: scans of the second family to assess, by group of patients and scans; needs --out.",
)
@click.option(
    "--first-seed", type=click.IntRange(0), help="Of either. Default: 2000000 of phantoms, 5000000 held out."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Of a model: folder of --held-out and --ct for rows, tables, pictures; a stopped run goes on there.",
)
@click.option(
    "--ct",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="CT MASK",
    help="Of a model: also score a CT against a mask of all or some of its slices.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.option(
    "--publish", type=click.Choice(["default", "beside"]), help="For maintainers: bundle RUN's weights."
)
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
@click.pass_context
def evaluate(context: click.Context, /, run: str, as_json: bool, debug: bool, **options: Any) -> None:
    """Dice, area errors and status of RUN.

    A folder of folds (`sarcopenia finetune COHORT`) gives Tables 3 and 4, agreement statistics and
    figures in RUN/evaluation; every test patient is scored once, and a killed evaluation goes on. A
    model's name, a .safetensors file or the folder of a training on drawn slabs is scored on phantoms
    that no training drew, with --held-out on those of a family that no training knows, with --ct on
    every slice of a CT that a mask covers. A folder of classifier runs (`sarcopenia classify`) gives
    Tables 1 and 2, scores and figures in RUN/evaluation; --beside a fine-tuning run compares both routes
    patient by patient.
    """
    from SarcopeniaTraining.classification.classifier_run import is_classification
    from SarcopeniaTraining.run_folder import is_fold_run

    if is_classification(Path(run)):  # first: it has splits, too
        from SarcopeniaTraining.classification.classification_evaluation import evaluate_in_context

        evaluate_in_context(context)
        return
    folds = is_fold_run(Path(run))
    default = click.core.ParameterSource.DEFAULT
    others = _ONLY_MODELS if folds else _ONLY_FOLDS
    unfit = [name for name in others if context.get_parameter_source(name) is not default]
    if unfit:
        what = "a single model" if folds else "a folder of folds"
        raise click.UsageError(f"--{unfit[0].replace('_', '-')} is for {what}, which RUN is not")
    if folds:
        _evaluate_folds(Path(run), as_json, options)
        return
    if options["held_out"] and options["out"] is None:
        raise click.UsageError("--held-out keeps a row a scan; give it a folder with --out DIR")
    if options["out"] is not None and not options["held_out"] and options["ct"] is None:
        raise click.UsageError("--out keeps what --held-out and --ct measure; give one of them too")
    own = ("phantoms", "first_seed", "held_out", "jobs", "out", "ct", "publish")
    _evaluate_model(run, as_json, ModelScoring(**{name: options[name] for name in own}))


def _evaluate_folds(run: Path, as_json: bool, options: dict[str, Any]) -> None:
    import os

    from SarcopeniaAssessLib.console import complain
    from SarcopeniaAssessLib.segmentation import choose_device
    from SarcopeniaTraining.fold_scores import Scoring
    from SarcopeniaTraining.run_evaluation import Request, evaluate_run, told

    device = choose_device(options["device"])
    jobs = options["jobs"] or ((os.cpu_count() or 1) if device == "cpu" else 1)
    scoring = Scoring(device, jobs, options["all_checkpoints"])
    request = Request(run, options["cohort"], tuple(options["beside"]), scoring)
    evaluation = evaluate_run(request, complain, _progress())
    if as_json:
        click.echo(json.dumps(evaluation.summary, ensure_ascii=False))
        return
    for line in told(evaluation):
        click.echo(line)
    click.echo(f"tables, figures and scores: {evaluation.folder}")


def _evaluate_model(run: str, as_json: bool, scoring: ModelScoring) -> None:
    from SarcopeniaTraining.evaluation import HELD_OUT_SEED, score_phantoms, summary
    from SarcopeniaTraining.scoring import load_run

    table: dict[str, Any] = {}
    if scoring.of_own_family:
        first = HELD_OUT_SEED if scoring.first_seed is None else scoring.first_seed
        seeds = range(first, first + scoring.of_own_family)
        table["held-out phantoms"] = summary(score_phantoms(load_run(run), seeds))
    if scoring.held_out:
        table["held-out family"] = _on_held_out_family(run, scoring)
    if scoring.ct is not None:
        table["CT"] = _on_ct(run, scoring.ct, scoring.out)
    if scoring.publish is not None:
        table["interval"] = _published(run, table, default=scoring.publish == "default")
    if as_json:
        click.echo(json.dumps(table, ensure_ascii=False))
        return
    for name, values in table.items():
        click.echo(name)
        for line in _lines(values):
            click.echo(line)


def _progress() -> Callable[[int, int], None]:
    """Told how many are done and to do, it shows a bar for each round, from the first that is done."""
    from SarcopeniaAssessLib.console import Progress

    bars: list[Progress] = []

    def advance(done: int, everyone: int) -> None:
        if done == 1:
            bars.append(Progress(everyone))
        bars[-1].advance()

    return advance


def _on_held_out_family(run: str, scoring: ModelScoring) -> dict[str, Any]:
    import os

    from SarcopeniaTraining.held_out import FIRST_SEED
    from SarcopeniaTraining.held_out_report import essentials, worst_pictures, write_report
    from SarcopeniaTraining.held_out_run import HeldOutPlan, score_held_out

    first = FIRST_SEED if scoring.first_seed is None else scoring.first_seed
    seeds = tuple(range(first, first + scoring.held_out))
    out = Path(str(scoring.out))
    plan = HeldOutPlan(run, seeds, scoring.jobs or os.cpu_count() or 1)
    scores, subject = score_held_out(plan, out, _progress())
    summaries = write_report(scores, subject, out)
    worst_pictures(scores, run, out)
    return essentials(summaries[0])


def _on_ct(run: str, files: tuple[Path, Path], out: Path | None) -> dict[str, Any]:
    """Scores of every slice that the mask covers, and of all; kept in OUT/ct.json."""
    from SarcopeniaAssessLib.model_file import write_whole
    from SarcopeniaTraining.evaluation import summary
    from SarcopeniaTraining.journal import model_identity
    from SarcopeniaTraining.scoring import load_run, score_files

    model = load_run(run)
    scores, pooled = score_files(model, *files)
    told = {**summary(scores), "dice_pooled": pooled}
    slices = [
        {
            "slice_from_feet": int(score.name.removeprefix("slice ")),
            "dice": round(score.dice, 4),
            "mask_cm2": round(float(score.truth_cm2), 2),
            "sma_cm2": round(float(score.predicted_cm2), 2),
        }
        for score in scores
    ]
    told["each"] = slices
    if out is not None:
        kept = {"model": model_identity(model.entry), **told}
        write_whole(out / "ct.json", (json.dumps(kept, indent=1) + "\n").encode())
    return told


def _published(run: str, table: dict[str, Any], *, default: bool) -> dict[str, float]:
    from SarcopeniaAssessLib.assessment import MODEL_ERROR_SCORE
    from SarcopeniaTraining import publishing
    from SarcopeniaTraining.calibration_cases import CALIBRATION_SEED
    from SarcopeniaTraining.evaluation import score_phantoms
    from SarcopeniaTraining.scoring import load_run

    seeds = range(CALIBRATION_SEED, CALIBRATION_SEED + 100)
    width = {MODEL_ERROR_SCORE: publishing.half_width_95(score_phantoms(load_run(run), seeds))}
    scores = {
        name: {key: value for key, value in values.items() if key != "each"} for name, values in table.items()
    }
    publishing.publish(Path(run), {**scores, **width}, default=default)
    return width


def _lines(values: dict[str, Any]) -> Iterator[str]:
    """A line a number; of a list of slices a line each."""
    for key, value in values.items():
        if key != "each":
            yield f"  {key:30} {value}"
            continue
        for row in value:
            yield "  " + "  ".join(f"{name} {number}" for name, number in row.items())
