"""A drawn model from nothing: its stages in order, its interval calibrated, one file (`make model`).

python -m SarcopeniaTraining.rebuilding [NAME] [--out runs] [--jobs 2]

Every part goes on where it was stopped. Nothing of the library is changed: the last lines say how
the file is used, and how it is made the default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.presets import FinetunePreset, load_preset

CALIBRATED_ON, SMOKE_CALIBRATED_ON = 400, 40
"""Phantoms that calibrate the interval."""
READINGS = "calibration"
SMOKE_DRAWN, SMOKE_SAMPLES = 4, 4


@dataclass(frozen=True)
class Stage:
    """One training; `file` is the model that it leaves, which the next one starts from."""

    preset: FinetunePreset
    folder: Path

    @property
    def file(self) -> Path:
        """The exported model."""
        return self.folder / f"{self.preset.name}.safetensors"


def stages(name: str, out: Path, *, smoke: bool = False) -> tuple[Stage, ...]:
    """The trainings behind a preset, the first first; each one's folder lies in `out`.

    Parameters
    ----------
    name:
        Shipped preset, or a JSON file; earlier stages of a file lie beside it.
    smoke:
        A few slabs and steps of each, to see that all parts work together; the model is worth nothing.

    Raises
    ------
    InputError
        A preset that draws no phantoms, or stages that start from one another.
    ModelError
        A preset that cannot be read.
    """
    chain: list[FinetunePreset] = []
    wanted: str | None = name
    while wanted is not None:
        preset = load_preset(wanted)
        if preset.drawn is None:
            raise InputError(f"preset {preset.name} draws no phantoms", "name one that does")
        if any(preset.name == later.name for later in chain):
            raise InputError(f"preset {preset.name} starts from itself", "correct its start_from")
        chain.insert(0, preset)
        wanted = _earlier(name, preset.start_from)
    made: list[Stage] = []
    for preset in chain:
        own = replace(preset, start_from=str(made[-1].file) if made else preset.start_from)
        made.append(Stage(_small(own) if smoke else own, out / own.name))
    return tuple(made)


def _earlier(name: str, start_from: str | None) -> str | None:
    """The preset of the model that a stage starts from."""
    if start_from is None:
        return None
    stem = Path(start_from).stem
    return str(Path(name).with_name(f"{stem}.json")) if name.endswith(".json") else stem


def _small(preset: FinetunePreset) -> FinetunePreset:
    if preset.drawn is None:
        return preset
    drawn = replace(
        preset.drawn,
        train_seeds=(preset.drawn.train_seeds[0], SMOKE_DRAWN),
        validation_seeds=(preset.drawn.validation_seeds[0], 2),
        samples_per_epoch=SMOKE_SAMPLES,
    )
    return replace(preset, drawn=drawn, epochs=1, warmup_epochs=0.5, checkpoint_every=1)


def plan_text(made: Sequence[Stage], calibrated_on: int, *, smoke: bool = False) -> list[str]:
    """What will be done and what it cost where it was measured, a line each."""
    lines = []
    for number, stage in enumerate(made, start=1):
        cost = "a minute or two (smoke)" if smoke else stage.preset.cost
        lines.append(f"{number}. {stage.preset.name}: {cost}")
    told = f"calibration on {calibrated_on} phantoms, about 1 core-second each"
    return [*lines, f"{len(made) + 1}. {told}", "what is finished in the folder is not done again"]


def rebuild(
    made: Sequence[Stage], jobs: int, calibrated_on: int, tell: Callable[[str], None] = lambda line: None
) -> Path:
    """Train every stage, calibrate the last, and return its file.

    Raises
    ------
    SarcopeniaError
        A folder that holds another training or cannot be written; too few phantoms to calibrate on.
    """
    from SarcopeniaTraining.drawn_training import export, finetune

    for stage in made:
        training = finetune(stage.preset, stage.folder, cache=stage.folder / "slabs", jobs=jobs, tell=tell)
        export(training, stage.folder)
        tell(f"{stage.preset.name}: {training.step} steps in {training.seconds / 60:.0f} min")
    last = made[-1]
    _calibrate(last, jobs, calibrated_on)
    tell(f"{last.preset.name}: interval calibrated on {calibrated_on} phantoms")
    return last.file


def _calibrate(stage: Stage, jobs: int, count: int) -> None:
    """Calibrate the interval and keep it in the model's file; readings are kept by the weights' checksum."""
    from SarcopeniaAssessLib.model_file import file_sha256
    from SarcopeniaTraining.calibration import calibrate
    from SarcopeniaTraining.calibration_cases import CALIBRATION_SEED
    from SarcopeniaTraining.calibration_command import read_phantoms, store

    kept = stage.folder / READINGS / f"{file_sha256(stage.file)[:12]}.jsonl"
    seeds = range(CALIBRATION_SEED, CALIBRATION_SEED + count)
    readings = read_phantoms(str(stage.file), "first", seeds, jobs=jobs, kept=kept)
    store(str(stage.file), calibrate(readings))


@click.command()
@click.argument("name", required=False)
@click.option("--out", default="runs", show_default=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Processes that draw.")
@click.option("--threads", default=0, help="Threads of the network (default: torch's choice).")
@click.option(
    "--calibrated-on",
    type=click.IntRange(1),
    help=f"Phantoms. Default: {CALIBRATED_ON}, with --smoke {SMOKE_CALIBRATED_ON}.",
)
@click.option("--smoke", is_flag=True, help="A few slabs and steps only: do the parts work together?")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and what it costs.")
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def command(name: str | None, out: Path, **options: Any) -> None:
    """Rebuild the model NAME (the default model) from nothing: drawing, training, calibration."""
    from SarcopeniaAssessLib.models import default_model_name
    from SarcopeniaTraining.machine import use_machine

    made = stages(name or default_model_name(), out, smoke=options["smoke"])
    count = options["calibrated_on"] or (SMOKE_CALIBRATED_ON if options["smoke"] else CALIBRATED_ON)
    for line in plan_text(made, count, smoke=options["smoke"]):
        click.echo(line)
    if options["dry_run"]:
        return
    use_machine(options["threads"])
    file = rebuild(made, options["jobs"], count, click.echo)
    click.echo(f"model:               {file}")
    click.echo(f"use it:              sarcopenia assess CT --model {file}")
    click.echo(f"make it the default: sarcopenia evaluate {file} --publish default")


if __name__ == "__main__":
    import sys

    from SarcopeniaAssessLib.__main__ import run_group

    sys.exit(run_group(command, program="python -m SarcopeniaTraining.rebuilding"))
