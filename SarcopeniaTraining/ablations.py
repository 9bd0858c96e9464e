"""What the phantoms' features bring: short trainings on slabs without one of them, scored on other phantoms.

python -m SarcopeniaTraining.ablations --cache CACHE/train --out OUT [--ct CT MASK]

All trainings take equally many slabs of one store, so that a feature is left out by the choice of slabs and
nothing else changes: the same preset, steps, seed and held-out scans. One seed each: differences of the size
between two references mean nothing, and two references are trained to show how large those are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.drawn_training import export, slab_plan
from SarcopeniaTraining.finetuning import Surroundings, Training, train
from SarcopeniaTraining.held_out_run import HeldOutPlan, score_held_out
from SarcopeniaTraining.phantom.scanner import Scanner
from SarcopeniaTraining.phantom.slabs import level_mm, slab_store
from SarcopeniaTraining.phantom.viscera import organs_are_alike
from SarcopeniaTraining.presets import FinetunePreset, load_preset
from SarcopeniaTraining.samples import DrawnSlabs, Samples
from SarcopeniaTraining.schedule import Schedule

if TYPE_CHECKING:
    from SarcopeniaTraining.samples import Slab

FIRST_SCAN = 6_100_000
"""Scans of the held-out family that nothing else looks at."""
L3_WITHIN_MM = 32.0
THICK_MM = 2.0


def _thick(seed: int) -> bool:
    return Scanner.random(seed).slice_mm >= THICK_MM


def _beyond_l3(seed: int) -> bool:
    return abs(level_mm(seed)) > L3_WITHIN_MM


def _spoiled(seed: int) -> bool:
    scanner = Scanner.random(seed)
    return scanner.edge > 0 or scanner.shadow_hu > 0 or scanner.streaks_hu > 0


def _nothing(seed: int) -> bool:
    return False


FEATURES: Mapping[str, Callable[[int], bool]] = {
    "reference": _nothing,
    "reference, other slabs": _nothing,
    "slices of 2 mm and more": _thick,
    "levels beyond L3 (pelvis to T10)": _beyond_l3,
    "sharp kernels, dark bands, streaks": _spoiled,
    "organs as dense as the wall": organs_are_alike,
}
"""What is left out, by whether a slab of that seed shows it."""


@dataclass(frozen=True)
class Size:
    """Slabs and steps of each training, and the held-out scans that it is scored on."""

    slabs: int = 1200
    steps: int = 1250
    scans: int = 24


@dataclass(frozen=True, eq=False)
class ChosenSlabs:
    """Some slabs of a store, by their places in it."""

    slabs: DrawnSlabs
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    def slab(self, place: int, rng: np.random.Generator) -> Slab:
        """Chosen slab number `place`."""
        return self.slabs.slab(self.places[place], rng)


def chosen(feature: str, seeds: Sequence[int], count: int) -> list[int]:
    """Places of `count` seeds without a feature; the first, or the last for the second reference.

    Raises
    ------
    InputError
        There are fewer.
    """
    shows = FEATURES[feature]
    places = [place for place, seed in enumerate(seeds) if not shows(seed)]
    if len(places) < count:
        raise InputError(
            f"{len(places)} slabs are without {feature}, {count} are needed", "draw more slabs, or take fewer"
        )
    return places[-count:] if feature == "reference, other slabs" else places[:count]


def short(preset: FinetunePreset, name: str, steps: int) -> FinetunePreset:
    """The preset with so many steps in five epochs, whose checkpoint is kept at the end alone."""
    if preset.drawn is None:
        raise InputError(f"preset {preset.name} draws no phantoms", "name one that does")
    drawn = replace(preset.drawn, samples_per_epoch=steps * preset.batch // 5)
    return replace(preset, name=name, epochs=5, checkpoint_every=5, drawn=drawn)


def trained_without(feature: str, preset: FinetunePreset, cache: Path, out: Path, size: Size) -> Path:
    """Train on slabs without a feature, going on where it was stopped; the exported model's path."""
    name = f"without-{list(FEATURES).index(feature)}"
    own = short(preset, name, size.steps)
    assert own.drawn is not None
    plan = slab_plan(preset, own.drawn.train_seeds)
    seeds = range(plan.first_seed, plan.first_seed + plan.count)
    source = ChosenSlabs(DrawnSlabs(slab_store(plan, cache)), chosen(feature, seeds, size.slabs))
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    training = Training.start(own)
    samples = Samples(source, own.patch, training.seed)
    around = Surroundings(folder, lambda training, epoch: {})
    train(training, samples, Schedule.of(own, own.drawn.samples_per_epoch), around)
    export(training, folder)
    return folder / f"{name}.safetensors"


def scored(model: Path, scans: int, ct: tuple[Path, Path] | None) -> dict[str, float]:
    """Dice and SMA errors on held-out scans, and Dice on a CT's slices against a mask."""
    from SarcopeniaTraining.evaluation import summary
    from SarcopeniaTraining.scoring import load_run, score_files

    plan = HeldOutPlan(str(model), tuple(range(FIRST_SCAN, FIRST_SCAN + scans)))
    scores, _ = score_held_out(plan, model.parent / "held-out")
    dice = [score.dice for score in scores if score.dice is not None]
    if not dice:
        raise InputError("the network draws no muscle on any held-out scan", "train for more steps")
    error = np.array([score.error_percent for score in scores if score.error_percent is not None])
    row = {
        "scans": len(dice),
        "dice": round(float(np.mean(dice)), 4),
        "dice_min": round(float(np.min(dice)), 4),
        "sma_error_percent": round(float(error.mean()), 2),
        "sma_abs_error_percent": round(float(np.abs(error).mean()), 2),
    }
    if ct is not None:
        on_ct = summary(score_files(load_run(str(model)), *ct)[0])
        row |= {"ct_dice": on_ct["dice_mean"], "ct_sma_error_percent": on_ct["sma_error_mean_percent"]}
    return row


def markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of all that is measured."""
    lines = [
        "| without | Dice | least | SMA error, signed | absolute | Dice, the CT's slices | SMA there |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for feature, row in rows.items():
        on_ct = ("–", "–")
        if "ct_dice" in row:
            on_ct = f"{row['ct_dice']:.3f}", f"{row['ct_sma_error_percent']:+.1f} %"
        cells = [
            feature,
            f"{row['dice']:.3f}",
            f"{row['dice_min']:.3f}",
            f"{row['sma_error_percent']:+.1f} %",
            f"{row['sma_abs_error_percent']:.1f} %",
            *on_ct,
        ]
        lines.append(f"| {' | '.join(cells).replace('-', '−')} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--preset", default="unet-slab-5", show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), required=True, help="Folder of the drawn slabs.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--slabs", default=Size.slabs, show_default=True)
@click.option("--steps", default=Size.steps, show_default=True)
@click.option("--scans", default=Size.scans, show_default=True)
@click.option("--ct", type=(Path, Path), default=None, help="CT and mask to score the slices of.")
def main(preset: str, cache: Path, out: Path, ct: tuple[Path, Path] | None, **counts: int) -> None:
    """Train without each feature and score; OUT/ablations.json and .md grow row by row."""
    size, rows = Size(**counts), dict[str, dict[str, float]]()
    for feature in FEATURES:
        model = trained_without(feature, load_preset(preset), cache, out, size)
        rows[feature] = scored(model, size.scans, ct)
        write_whole(out / "ablations.json", (json.dumps(rows, indent=1) + "\n").encode())
        write_whole(out / "ablations.md", markdown(rows).encode())
        click.echo(f"{feature}: {rows[feature]}")


if __name__ == "__main__":
    main()
