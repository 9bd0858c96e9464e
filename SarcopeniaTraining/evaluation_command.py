"""`sarcopenia evaluate`: arguments in, one function called, a table out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

_ONLY_FOLDS = ("cohort", "beside", "all_checkpoints")
_ONLY_MODELS = ("ct", "publish")


@dataclass(frozen=True)
class ModelScoring:
    """How a single model is scored: held-out phantoms, perhaps a CT, perhaps published."""

    phantoms: int
    first_seed: int
    ct: tuple[Path, Path] | None
    publish: str | None


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
    help="Compare with another run on the same test patients; may be repeated.",
)
@click.option(
    "--all-checkpoints", is_flag=True, help="Show too what choosing the checkpoint on test would have given."
)
@click.option("--jobs", type=click.IntRange(1), help="Processes that score folds. Default: one a processor.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda[:N] or mps, for folds.")
@click.option("--phantoms", default=50, show_default=True, help="Of a model: held-out phantoms to score.")
@click.option("--first-seed", default=2_000_000, show_default=True, help="Of a model: the first of them.")
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
def evaluate(run: str, as_json: bool, debug: bool, **options: Any) -> None:
    """Dice, area errors and status of RUN.

    A folder of folds (`sarcopenia finetune COHORT`) gives Tables 3 and 4, agreement statistics and
    figures in RUN/evaluation; every test patient is scored once, and a killed evaluation goes on. A
    model's name, a .safetensors file or the folder of a training on drawn slabs is scored on held-out
    phantoms.
    """
    from SarcopeniaTraining.run_folder import is_fold_run

    folds = is_fold_run(Path(run))
    unfit = [name for name in (_ONLY_MODELS if folds else _ONLY_FOLDS) if options[name]]
    if unfit:
        what = "a single model" if folds else "a folder of folds"
        raise click.UsageError(f"--{unfit[0].replace('_', '-')} is for {what}, which RUN is not")
    if folds:
        _evaluate_folds(Path(run), as_json, options)
        return
    own = ("phantoms", "first_seed", "ct", "publish")
    _evaluate_model(run, as_json, ModelScoring(**{name: options[name] for name in own}))


def _evaluate_folds(run: Path, as_json: bool, options: dict[str, Any]) -> None:
    import os

    from SarcopeniaAssessLib.console import Progress, complain
    from SarcopeniaAssessLib.segmentation import choose_device
    from SarcopeniaTraining.fold_scores import Scoring
    from SarcopeniaTraining.run_evaluation import Request, evaluate_run, told

    device = choose_device(options["device"])
    jobs = options["jobs"] or ((os.cpu_count() or 1) if device == "cpu" else 1)
    scoring = Scoring(device, jobs, options["all_checkpoints"])
    bars: list[Progress] = []

    def advance(done: int, everyone: int) -> None:
        if done == 1:
            bars.append(Progress(everyone))
        bars[-1].advance()

    request = Request(run, options["cohort"], tuple(options["beside"]), scoring)
    evaluation = evaluate_run(request, complain, advance)
    if as_json:
        click.echo(json.dumps(evaluation.summary, ensure_ascii=False))
        return
    for line in told(evaluation):
        click.echo(line)
    click.echo(f"tables, figures and scores: {evaluation.folder}")


def _evaluate_model(run: str, as_json: bool, scoring: ModelScoring) -> None:
    from SarcopeniaTraining.evaluation import score_phantoms, summary
    from SarcopeniaTraining.scoring import load_run, score_files

    model = load_run(run)
    seeds = range(scoring.first_seed, scoring.first_seed + scoring.phantoms)
    table = {"held-out phantoms": summary(score_phantoms(model, seeds))}
    if scoring.ct is not None:
        scores, pooled = score_files(model, *scoring.ct)
        table["CT"] = {**summary(scores), "dice_pooled": pooled}
    if scoring.publish is not None:
        from SarcopeniaTraining import publishing

        seeds = range(publishing.CALIBRATION_SEED, publishing.CALIBRATION_SEED + 100)
        width = {publishing.HALF_WIDTH_SCORE: publishing.half_width_95(score_phantoms(model, seeds))}
        publishing.publish(Path(run), {**table, **width}, default=scoring.publish == "default")
        table["interval"] = width
    if as_json:
        click.echo(json.dumps(table))
        return
    for name, values in table.items():
        click.echo(name)
        for key, value in values.items():
            click.echo(f"  {key:30} {value}")
