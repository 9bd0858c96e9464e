"""`sarcopenia finetune`: arguments in, one function called, a line out."""

from __future__ import annotations

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
