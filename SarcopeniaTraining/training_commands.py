"""`sarcopenia finetune` and `sarcopenia evaluate`: arguments in, one function called, a table out."""

from __future__ import annotations

import json
from pathlib import Path

import click

DRAWN = "phantom"


@click.command()
@click.argument("cohort")
@click.option(
    "--preset", "preset_name", default="smit-slab", show_default=True, help="Preset by name, or a JSON file."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the run; an existing one is continued.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where drawn slabs are kept (default: OUT/slabs).",
)
@click.option("--jobs", default=2, show_default=True, help="Processes that draw phantoms.")
@click.option("--threads", default=0, help="Threads of the network (default: torch's choice).")
def finetune(cohort: str, preset_name: str, out: Path, cache: Path | None, jobs: int, threads: int) -> None:
    """Train a segmentation network and leave it as OUT/NAME.safetensors.

    COHORT is the word `phantom`: slabs are drawn from the preset's seeds, no patient is needed.
    """
    from SarcopeniaAssessLib.errors import InputError
    from SarcopeniaTraining.finetuning import export, finetune
    from SarcopeniaTraining.presets import load_preset

    if cohort != DRAWN:
        raise InputError(
            f"cohort {Path(cohort).name!r} cannot be trained on by this version",
            f"give `{DRAWN}`, which draws its own training data",
        )
    if threads:
        import torch

        torch.set_num_threads(threads)
    preset = load_preset(preset_name)
    training = finetune(preset, out, cache=cache or out / "slabs", jobs=jobs)
    click.echo(f"{preset.name}: {training.step} steps in {training.seconds / 60:.0f} min")
    entry = export(training, out)
    click.echo(f"weights: {out / str(entry.file)}  sha256 {entry.sha256}")


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
