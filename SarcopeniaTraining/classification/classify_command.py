"""`sarcopenia classify`: arguments in, one function called, a line for each network out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_images import ClassifierImages
    from SarcopeniaTraining.classification.classify_preset import ClassifyPreset
    from SarcopeniaTraining.classification.experiment import ClassificationPlan
    from SarcopeniaTraining.cohort import Cohort
    from SarcopeniaTraining.image_cohort import ImageCohort
    from SarcopeniaTraining.splits import Splits

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_INSTEAD = ("side", "epochs", "patience", "seed")
"""Options that stand in for a field of the preset."""


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "--preset", "preset_name", default="smoke", show_default=True, help="Preset by name, or a JSON file."
)
@click.option("--out", type=_FOLDER, required=True, help="Folder of the runs; what was stopped is continued.")
@click.option("--networks", help="Some of the preset's, as `ResNet50,DenseNet121`.")
@click.option("--schemes", help="Some of the preset's, as `unfreezeall,freezeall`.")
@click.option("--sets", help="Numbers of shuffled sets, as `1-10` or `1,3`.")
@click.option(
    "--weights", type=_FOLDER, help="Folder with RadImageNet's Keras files (default: random start)."
)
@click.option("--splits", type=_FILE, help="Of `sarcopenia splits` (default: those of OUT, else made anew).")
@click.option("--class-weights", is_flag=True, help="Let both classes count alike; off as printed.")
@click.option("--annotated", is_flag=True, help="Use the twins with the drawn outline: a leak, on purpose.")
@click.option("--side", type=click.IntRange(min=32), help="Pixels of the square images.")
@click.option("--epochs", type=click.IntRange(min=1), help="At most so many.")
@click.option("--patience", type=click.IntRange(min=1), help="Epochs without a better validation loss.")
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the preset's.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes at a time.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Of each process.")
@click.option("--cluster", help="Spread over a Ray cluster: auto or an address; OUT on a shared disk.")
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def classify(cohort: Path, preset_name: str, out: Path, **options: Any) -> None:
    """Train the paper's classifiers on a COHORT: four networks, three schemes, ten shuffled sets.

    COHORT is a folder with a manifest of CTs or of images, or such a file. OUT gets run.json, splits.json,
    a line for each run in runs/, and the weights of each network's best run on validation. The same command
    continues what was stopped; `sarcopenia evaluate OUT` makes the tables.
    """
    from SarcopeniaTraining.classification.classifier_run import best_by_network
    from SarcopeniaTraining.classification.experiment import run_plan

    preset = _preset(preset_name, options)
    plan = _plan(cohort, preset, out, options)
    records = run_plan(plan)
    click.echo(f"{len(records)} runs in {out}; {_start_in_words(plan)}")
    for network, best in best_by_network(records).items():
        auc = best.validation_auc
        click.echo(
            f"{network}: best on validation {best.scheme}, set {best.set} "
            f"(AUC {'undefined' if auc is None else format(auc, '.2f')}, loss {best.validation_loss:.3f})"
        )


def _start_in_words(plan: ClassificationPlan) -> str:
    leak = "; LEAK: the images show the drawn outline" if plan.leak else ""
    if plan.weights is None:
        return f"random start, without RadImageNet's weights{leak}"
    return f"started from RadImageNet's weights{leak}"


def _preset(name: str, options: dict[str, Any]) -> ClassifyPreset:
    from SarcopeniaTraining.classification.architectures import architecture
    from SarcopeniaTraining.classification.classify_preset import load_classify_preset
    from SarcopeniaTraining.classification.schemes import Scheme

    changed = {key: options[key] for key in _INSTEAD if options[key] is not None}
    if options["networks"]:
        changed["networks"] = tuple(architecture(each).name for each in options["networks"].split(","))
    if options["schemes"]:
        changed["schemes"] = tuple(str(Scheme.named(each)) for each in options["schemes"].split(","))
    if options["sets"]:
        changed["sets"] = numbers_of(options["sets"])
    if options["class_weights"]:
        changed["class_weights"] = True
    return replace(load_classify_preset(name), **changed)


def numbers_of(spec: str) -> tuple[int, ...]:
    """Numbers of `1-10` or `1,3` or `1-3,7`, in order, each once.

    Raises
    ------
    click.UsageError
        It is none of these.
    """
    found: set[int] = set()
    for piece in spec.split(","):
        first, dash, last = (each.strip() for each in piece.partition("-"))
        if not first.isdigit() or (dash and not last.isdigit()):
            raise click.UsageError(f"--sets {spec}: give numbers as 1-10 or 1,3")
        found |= set(range(int(first), int(last or first) + 1))
    if not found or min(found) < 1:
        raise click.UsageError(f"--sets {spec}: sets are numbered from 1")
    return tuple(sorted(found))


def _plan(path: Path, preset: ClassifyPreset, out: Path, options: dict[str, Any]) -> ClassificationPlan:
    from SarcopeniaTraining.classification.classifier_images import read_any_cohort
    from SarcopeniaTraining.classification.experiment import (
        ClassificationPlan,
        cohort_facts,
        require_installed,
    )
    from SarcopeniaTraining.spreading import Place

    require_installed()
    cohort = read_any_cohort(path)
    return ClassificationPlan(
        preset=preset,
        cohort=cohort_facts(cohort),
        splits=splits_of(cohort, out, options["splits"]),
        out=out,
        images=images_by_side(cohort, preset, annotated=options["annotated"]),
        weights=options["weights"],
        leak=options["annotated"],
        place=Place(jobs=options["jobs"], cluster=options["cluster"], cores=options["threads"]),
        threads=options["threads"],
    )


def splits_of(cohort: Cohort | ImageCohort, out: Path, file: Path | None = None) -> Splits:
    """The file's splits, else those that OUT has, else ten made anew in the proportion of 54/12/13."""
    from SarcopeniaTraining.classification.classifier_images import labelled
    from SarcopeniaTraining.classification.classifier_run import SPLITS_FILE
    from SarcopeniaTraining.splits import CLASSIFICATION_SIZES, in_proportion, make_splits, read_splits

    known = labelled(cohort)
    held = file or (out / SPLITS_FILE if (out / SPLITS_FILE).is_file() else None)
    if held is not None:
        return read_splits(held, known)
    people = {case.patient or f"case {case.case}" for case in known.cases if case.is_annotated}
    sizes = in_proportion(CLASSIFICATION_SIZES, len(people)) or CLASSIFICATION_SIZES
    return make_splits(known, sizes=sizes)


def images_by_side(
    cohort: Cohort | ImageCohort, preset: ClassifyPreset, *, annotated: bool = False
) -> dict[int, ClassifierImages]:
    """The cohort's images at every side that the preset's networks want."""
    from SarcopeniaTraining.classification.classifier_images import load_images

    sides = sorted({preset.side_of(network) for network in preset.networks})
    return {side: load_images(cohort, side, preset.field_mm, _say, annotated=annotated) for side in sides}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
