"""`sarcopenia evaluate`: arguments in, one function called, a table out."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("run")
@click.option("--phantoms", default=50, show_default=True, help="Held-out phantoms to score.")
@click.option("--first-seed", default=2_000_000, show_default=True)
@click.option(
    "--ct",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="CT MASK",
    help="Also score a CT against a mask of all or some of its slices.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.option(
    "--publish", type=click.Choice(["default", "beside"]), help="For maintainers: bundle RUN's weights."
)
def evaluate(
    run: str,
    phantoms: int,
    first_seed: int,
    ct: tuple[Path, Path] | None,
    as_json: bool,
    publish: str | None,
) -> None:
    """Dice and area errors of RUN: a model's name, a .safetensors file, or the folder of a training."""
    from SarcopeniaTraining.evaluation import score_phantoms, summary
    from SarcopeniaTraining.scoring import load_run, score_files

    model = load_run(run)
    table = {"held-out phantoms": summary(score_phantoms(model, range(first_seed, first_seed + phantoms)))}
    if ct is not None:
        scores, pooled = score_files(model, *ct)
        table["CT"] = {**summary(scores), "dice_pooled": pooled}
    if publish is not None:
        from SarcopeniaTraining import publishing

        seeds = range(publishing.CALIBRATION_SEED, publishing.CALIBRATION_SEED + 100)
        width = {publishing.HALF_WIDTH_SCORE: publishing.half_width_95(score_phantoms(model, seeds))}
        publishing.publish(Path(run), {**table, **width}, default=publish == "default")
        table["interval"] = width
    if as_json:
        click.echo(json.dumps(table))
        return
    for name, values in table.items():
        click.echo(name)
        for key, value in values.items():
            click.echo(f"  {key:30} {value}")
