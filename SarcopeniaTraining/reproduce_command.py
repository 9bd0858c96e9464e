"""`sarcopenia reproduce`: arguments in, one function called, lines out."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from SarcopeniaTraining.reproduction_manifest import Subject

_FOLDER = click.Path(path_type=Path, file_okay=False)
_INTERRUPTED = 130


@click.command()
@click.argument("cohort", required=False, type=click.Path(path_type=Path))
@click.option(
    "--preset",
    "preset_name",
    default="smoke",
    show_default=True,
    help="smoke or paper, or a JSON file of the same fields.",
)
@click.option("--out", type=_FOLDER, help="Folder of everything; one that was begun goes on.")
@click.option(
    "--only",
    type=click.Choice(["tables", "classify", "segment"]),
    help="What Tables 1 to 4 need and no more; the classifiers; the segmentation.",
)
@click.option("--jobs", type=click.IntRange(1), help="Processes at a time. Default: one a processor.")
@click.option("--cluster", help="Folds and classifiers on a Ray cluster: auto, or its head's address.")
@click.option(
    "--weights", type=_FOLDER, help="Folder with RadImageNet's .h5 files. Default: a random start, and said."
)
@click.option(
    "--encoder",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Of a pre-training, or an official checkpoint, in place of the pre-training.",
)
@click.option("--dry-run", is_flag=True, help="Name every step and what it is expected to cost; do nothing.")
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def reproduce(cohort: Path | None, preset_name: str, out: Path | None, **options: Any) -> int:
    """Reproduce the whole paper on COHORT, or on phantoms that are drawn first.

    Pre-training, ten folds, classifiers, explanations, Tables 1 to 4 and one HTML report beside the printed
    figures. OUT gets report.html, tables, figures, manifest.json and the folder of each part. The same
    command goes on where it was stopped; what is up to date is not done again.
    """
    from SarcopeniaAssessLib.console import complain
    from SarcopeniaTraining.reproduction import reproduce as run
    from SarcopeniaTraining.reproduction import stale
    from SarcopeniaTraining.reproduction_costs import cost_lines

    subject = subject_of(cohort, preset_name, options)
    if options["dry_run"]:
        everything = tuple(step.name for step in subject.wanted)
        for line in cost_lines(subject, everything if out is None else stale(subject, out)):
            click.echo(line)
        return 0
    if out is None:
        raise click.UsageError("--out is missing: the folder of everything")
    try:
        done = run(subject, out)
    except KeyboardInterrupt:
        complain("interrupted; what is finished is whole, the same command goes on")
        return _INTERRUPTED
    click.echo(f"{len(done.ran)} steps run, {len(done.kept)} up to date")
    click.echo(f"report: {done.report}")
    return 0


def subject_of(cohort: Path | None, preset_name: str, options: dict[str, Any]) -> Subject:
    """What is to be reproduced.

    Raises
    ------
    SarcopeniaError
        A cohort, preset or weights that cannot be used, or TensorFlow missing, each before anything is made.
    """
    from SarcopeniaTraining.reproduction_cohort import (
        annotated_people,
        cohort_files,
        facts_of,
        to_be_drawn,
    )
    from SarcopeniaTraining.reproduction_manifest import Subject
    from SarcopeniaTraining.reproduction_preset import load_reproduction_preset
    from SarcopeniaTraining.reproduction_steps import Inputs, Manner, Part, steps_of

    preset = load_reproduction_preset(preset_name)
    only = Part(options["only"]) if options["only"] else None
    weights, encoder = (path and path.resolve() for path in (options["weights"], options["encoder"]))
    started = {"weights": weights, "encoder": encoder}
    if cohort is None:
        facts = to_be_drawn(preset.phantoms)
        inputs = Inputs(facts.patients, **started)
    else:
        place = cohort.expanduser().resolve()
        facts = facts_of(place)
        inputs = Inputs(
            annotated_people(place), place, tuple(cohort_files(place)), facts.segmentable, **started
        )
    _require(only, inputs.segmentable, weights)
    manner = Manner(options["jobs"] or os.cpu_count() or 1, options["cluster"])
    everything, wanted = (steps_of(preset, inputs, manner, part) for part in (None, only))
    return Subject(preset, facts, inputs, only, everything, wanted)


def _require(only: Any, segmentable: bool, weights: Path | None) -> None:
    """Refuse what would fail hours later."""
    from SarcopeniaAssessLib.errors import InputError, ModelError
    from SarcopeniaTraining.reproduction_steps import Part

    if only is not Part.CLASSIFY and not segmentable:
        raise InputError("the cohort has no CT with a mask to segment", "give --only classify")
    if only is not Part.SEGMENT and not (find_spec("tensorflow") and find_spec("keras")):
        raise ModelError(
            "the classifiers need TensorFlow, which is not installed",
            "pip install 'sarcopenia-assess[classification]', or give --only segment",
        )
    if weights is not None and not any(weights.glob("*.h5")):
        raise ModelError(
            f"the folder {weights.name} holds no .h5 file", "give the folder of RadImageNet's Keras weights"
        )
