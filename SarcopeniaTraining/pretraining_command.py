"""`sarcopenia pretrain`: arguments in, one function called, lines out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "--preset", "preset_name", default="small", show_default=True, help="Preset by name, or a JSON file."
)
@click.option(
    "--out", type=_FOLDER, required=True, help="Folder of the run; one that was stopped is continued."
)
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the preset's.")
@click.option("--cache", type=_FOLDER, help="Where volumes are kept (default: OUT/volumes).")
@click.option("--jobs", default=1, show_default=True, help="CTs read at the same time.")
@click.option("--threads", default=0, help="Threads of the network (default: torch's choice).")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def pretrain(cohort: Path, preset_name: str, out: Path, **options: Any) -> None:
    """Pre-train a SMIT encoder on the CTs of a COHORT, without masks.

    COHORT is a folder with a manifest, or such a file. OUT gets run.json, log.jsonl, pictures of
    reconstructions and encoder.safetensors, which `sarcopenia finetune --encoder` takes. The same command
    continues what was stopped.
    """
    from SarcopeniaAssessLib.segmentation import choose_device
    from SarcopeniaTraining.cohort import read_cohort
    from SarcopeniaTraining.pretraining_preset import load_pretrain_preset
    from SarcopeniaTraining.pretraining_run import PretrainingPlan
    from SarcopeniaTraining.pretraining_run import pretrain as run

    preset = load_pretrain_preset(preset_name)
    if options["seed"] is not None:
        preset = replace(preset, seed=options["seed"])
    plan = PretrainingPlan(
        preset=preset,
        cohort=read_cohort(cohort),
        out=out,
        cache=options["cache"] or out / "volumes",
        device=choose_device(options["device"]),
        jobs=options["jobs"],
        threads=options["threads"],
    )
    training, path, digest = run(plan)
    click.echo(f"{preset.name}: {training.step} steps in {training.seconds / 60:.1f} min")
    click.echo(f"encoder: {path}  sha256 {digest}")
