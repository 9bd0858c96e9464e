"""`sarcopenia finetune`: arguments in, one function called, a line out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from SarcopeniaTraining.folds import FoldsPlan
    from SarcopeniaTraining.presets import FinetunePreset

DRAWN = "phantom"
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("cohort")
@click.option(
    "--preset", "preset_name", default="small", show_default=True, help="Preset by name, or a JSON file."
)
@click.option(
    "--out", type=_FOLDER, required=True, help="Folder of the run; one that was stopped is continued."
)
@click.option("--splits", type=_FILE, help="Of `sarcopenia splits` (default: those of OUT, else made anew).")
@click.option("--fold", default="all", show_default=True, help="Number of a fold, or `all`.")
@click.option(
    "--encoder", type=_FILE, help="Start the encoder from a pre-training or an official checkpoint."
)
@click.option(
    "--train-patients", type=click.IntRange(min=1), help="Learn from so many patients of each fold."
)
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the preset's.")
@click.option("--cache", type=_FOLDER, help="Where slabs are kept (default: OUT/slabs).")
@click.option("--jobs", default=1, show_default=True, help="Folds trained, and CTs read, at the same time.")
@click.option("--threads", default=0, help="Threads of each network (default: the cores, shared out).")
@click.option("--cluster", help="Folds on a Ray cluster: auto, or its head's address; it shares the folders.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def finetune(cohort: str, preset_name: str, out: Path, **options: Any) -> None:
    """Train a segmentation network on the folds of a COHORT.

    COHORT is a folder with a manifest, or such a file. OUT gets run.json, splits.json and for each fold its
    log, its checkpoints and best.safetensors, chosen on the validation patients. The same command continues
    what was stopped. Under `torchrun` several processes train together.

    The word `phantom` as COHORT draws slabs from the preset's seeds and leaves OUT/NAME.safetensors.
    """
    from SarcopeniaAssessLib.segmentation import choose_device
    from SarcopeniaTraining.presets import load_preset

    preset = load_preset(preset_name)
    if options["seed"] is not None:
        preset = replace(preset, seed=options["seed"])
    options["device"] = choose_device(options["device"])
    if cohort == DRAWN:
        _on_phantoms(preset, out, options)
    else:
        _on_cohort(Path(cohort), preset, out, options)


def _on_phantoms(preset: FinetunePreset, out: Path, options: dict[str, Any]) -> None:
    from SarcopeniaTraining.drawn_training import export, finetune
    from SarcopeniaTraining.machine import use_machine

    for name in ("splits", "encoder", "train_patients", "cluster"):
        if options[name] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} needs a cohort")
    use_machine(options["threads"])
    training = finetune(
        preset,
        out,
        cache=options["cache"] or out / "slabs",
        jobs=options["jobs"],
        device=options["device"],
    )
    click.echo(f"{preset.name}: {training.step} steps in {training.seconds / 60:.0f} min")
    entry = export(training, out)
    click.echo(f"weights: {out / str(entry.file)}  sha256 {entry.sha256}")


def _on_cohort(path: Path, preset: FinetunePreset, out: Path, options: dict[str, Any]) -> None:
    from SarcopeniaTraining.folds import finetune_folds

    plan = _plan(path, preset, out, options)
    for number, best in finetune_folds(plan).items():
        if best:
            click.echo(f"fold {number}: {plan.folder(number) / 'best.safetensors'} ({best})")


def _plan(path: Path, preset: FinetunePreset, out: Path, options: dict[str, Any]) -> FoldsPlan:
    from SarcopeniaTraining.cohort import read_cohort
    from SarcopeniaTraining.folds import FoldsPlan
    from SarcopeniaTraining.run_identity import SPLITS
    from SarcopeniaTraining.splits import make_splits, read_splits

    cohort = read_cohort(path)
    file = options["splits"] or (out / SPLITS if (out / SPLITS).is_file() else None)
    splits = make_splits(cohort) if file is None else read_splits(file, cohort)
    return FoldsPlan(
        preset=preset,
        cohort=cohort,
        splits=splits,
        numbers=_numbers(options["fold"], [fold.number for fold in splits.folds]),
        out=out,
        cache=options["cache"] or out / "slabs",
        encoder=options["encoder"],
        train_patients=options["train_patients"],
        device=options["device"],
        jobs=options["jobs"],
        threads=options["threads"],
        cluster=options["cluster"],
    )


def _numbers(spec: str, present: list[int]) -> tuple[int, ...]:
    if spec == "all":
        return tuple(present)
    if not spec.isdigit() or int(spec) not in present:
        raise click.UsageError(f"--fold {spec}: the splits have the folds {present[0]}…{present[-1]}")
    return (int(spec),)
