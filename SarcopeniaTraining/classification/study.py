"""One network on the same shuffled sets, trained in several ways: what the studies have in common.

A study takes one network and one scheme of a preset. Each way has a folder of classifier runs of its own,
so that whatever was stopped goes on, and a way can be looked at like any other run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from SarcopeniaTraining.classification.run_scores import Combination, combinations, score_runs

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_images import ClassifierImages
    from SarcopeniaTraining.classification.classifier_run import RunRecord
    from SarcopeniaTraining.classification.classify_preset import ClassifyPreset
    from SarcopeniaTraining.classification.experiment import ClassificationPlan
    from SarcopeniaTraining.cohort import Cohort
    from SarcopeniaTraining.image_cohort import ImageCohort
    from SarcopeniaTraining.splits import Splits

Images = Mapping[int, "ClassifierImages"]
"""By side in pixels."""
NETWORK, SCHEME = "ResNet50", "unfreezeall"
"""What a study takes of a preset that has them: the least costly network, trained whole."""
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_INSTEAD = ("side", "epochs", "patience", "learning_rate", "seed")


@dataclass(frozen=True, eq=False)
class Way:
    """One way to train and to read.

    Attributes
    ----------
    name, title:
        Of its folder; in tables and figures.
    plan:
        Its runs; two ways that only read them otherwise have the same folder.
    moves_threshold:
        Whether the threshold is moved on each set's validation; else it is 0.5.
    """

    name: str
    title: str
    plan: ClassificationPlan
    moves_threshold: bool = False


@dataclass(frozen=True, eq=False)
class Study:
    """What all ways share.

    Attributes
    ----------
    preset:
        Of one network and one scheme.
    out:
        Folder; each way's own lies in it.
    weights:
        Folder of RadImageNet's files; `None`: a random start.
    jobs:
        Processes, each with its share of the ways.
    """

    cohort: Cohort | ImageCohort
    preset: ClassifyPreset
    splits: Splits
    out: Path
    weights: Path | None = None
    jobs: int = 1

    @property
    def side(self) -> int:
        """Pixels of the images."""
        return self.preset.side_of(self.preset.networks[0])

    @property
    def heading(self) -> str:
        """Whose figures these are, for tables."""
        start = "random start" if self.weights is None else "RadImageNet start"
        what = f"{self.preset.networks[0]} {self.preset.schemes[0]}, {self.side} pixels"
        return f"this study ({what}, at most {self.preset.epochs} epochs, {start})"

    def plan(self, name: str, images: ClassifierImages, **changes: Any) -> ClassificationPlan:
        """A way's runs in the folder NAME; `changes` stand in for fields of the plan."""
        from SarcopeniaTraining.classification.experiment import ClassificationPlan, cohort_facts

        plan = ClassificationPlan(
            preset=self.preset,
            cohort=cohort_facts(self.cohort),
            splits=self.splits,
            out=self.out / name,
            images={self.side: images},
            weights=self.weights,
        )
        return replace(plan, **changes)


Train = Callable[[Sequence["ClassificationPlan"], int], "list[list[RunRecord]]"]
"""Plans and jobs → the records of each plan."""


def train_plans(plans: Sequence[ClassificationPlan], jobs: int) -> list[list[RunRecord]]:
    """Make each plan's runs, in so many processes; those that are on disk are read.

    Raises
    ------
    SarcopeniaError
        The first that befell a process, when the others are finished.
    """
    from SarcopeniaTraining.spreading import Place, spread

    shares = [tuple(plans[first::jobs]) for first in range(min(jobs, len(plans)))]
    done = {
        plan.out: records
        for share, found in spread(train_share, shares, Place(jobs=jobs))
        for plan, records in zip(share, found, strict=True)
    }
    return [done[plan.out] for plan in plans]


def train_share(plans: tuple[ClassificationPlan, ...]) -> list[list[RunRecord]]:
    """Make the runs of some plans with one network in this process."""
    from SarcopeniaTraining.classification.experiment import run_here

    return run_here(plans, say)


def trained(ways: Sequence[Way], jobs: int, train: Train = train_plans) -> list[tuple[Way, Combination]]:
    """Each way with its scored runs; ways that share a folder are trained once."""
    plans = {way.plan.out: way.plan for way in ways}
    found = dict(zip(plans, train(list(plans.values()), jobs), strict=True))
    results = []
    for way in ways:
        (combination,) = combinations(score_runs(found[way.plan.out], way.plan.cohort["people"]))
        results.append((way, combination))
    return results


def study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every study; `study_of` takes them."""
    options = (
        click.option(
            "--preset", default="smoke", show_default=True, help="Preset of classify, or a JSON file."
        ),
        click.option(
            "--out", type=_FOLDER, required=True, help="Folder; what was stopped in it is continued."
        ),
        click.option(
            "--network", help=f"One of the preset's (default: {NETWORK} if it has it, else its first)."
        ),
        click.option("--scheme", help=f"One of the preset's (default: {SCHEME} if it has it)."),
        click.option("--sets", help="Numbers of shuffled sets, as `1-10` or `1,3`."),
        click.option(
            "--splits", type=_FILE, help="Of `sarcopenia splits` (default: ten sets in proportion)."
        ),
        click.option(
            "--weights", type=_FOLDER, help="Folder with RadImageNet's files (default: random start)."
        ),
        click.option("--side", type=click.IntRange(min=32), help="Pixels of the square images."),
        click.option("--epochs", type=click.IntRange(min=1), help="At most so many."),
        click.option("--patience", type=click.IntRange(min=1), help="Epochs without a better validation."),
        click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), help="Of Adam."),
        click.option("--seed", type=click.IntRange(min=0), help="Instead of the preset's."),
        click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes."),
        click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of failures."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def study_of(path: Path, options: Mapping[str, Any]) -> Study:
    """A study from the command line's values.

    Raises
    ------
    SarcopeniaError
        No cohort, no such preset or network, no TensorFlow.
    """
    from SarcopeniaTraining.classification.classifier_images import read_any_cohort
    from SarcopeniaTraining.classification.classify_command import splits_of
    from SarcopeniaTraining.classification.experiment import require_installed

    require_installed()
    cohort = read_any_cohort(path.expanduser())
    return Study(
        cohort=cohort,
        preset=one_combination(options),
        splits=splits_of(cohort, options["out"], options["splits"]),
        out=options["out"],
        weights=options["weights"],
        jobs=options["jobs"],
    )


def one_combination(options: Mapping[str, Any]) -> ClassifyPreset:
    """The preset with one network and one scheme, and what the options say instead of its fields."""
    from SarcopeniaTraining.classification.architectures import architecture
    from SarcopeniaTraining.classification.classify_command import numbers_of
    from SarcopeniaTraining.classification.classify_preset import load_classify_preset
    from SarcopeniaTraining.classification.schemes import Scheme

    preset = load_classify_preset(options["preset"])
    network = NETWORK if NETWORK in preset.networks else preset.networks[0]
    scheme = SCHEME if SCHEME in preset.schemes else preset.schemes[0]
    changed: dict[str, Any] = {key: options[key] for key in _INSTEAD if options[key] is not None}
    if options["sets"]:
        changed["sets"] = numbers_of(options["sets"])
    return replace(
        preset,
        networks=(architecture(options["network"] or network).name,),
        schemes=(str(Scheme.named(options["scheme"] or scheme)),),
        class_weights=False,
        **changed,
    )


def say(line: str) -> None:
    """One line on standard error."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201
