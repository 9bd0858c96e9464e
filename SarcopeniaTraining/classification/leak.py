"""What a classifier learns from outlines that were drawn on its images, and whether removing them helps.

python -m SarcopeniaTraining.classification.leak COHORT --preset smoke --out DIR

COHORT is one of CTs with masks, as `sarcopenia phantom` draws it. Its slices at L3 become pictures, outlined
by three habits: everybody with one pen; two readers with pens of their own, a class each; the sarcopenic
ones alone. One network learns from plain pictures, from outlined ones, and from those whose outline was
removed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from SarcopeniaTraining.classification.study import (
    Study,
    Train,
    Way,
    say,
    study_of,
    study_options,
    train_plans,
    trained,
)
from SarcopeniaTraining.table_files import decimal_text

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_images import ClassifierImages
    from SarcopeniaTraining.classification.drawn_pictures import Habit
    from SarcopeniaTraining.image_cohort import ImageCohort
    from SarcopeniaTraining.table_files import Table

PICTURES = "pictures"
PLAIN = "plain pictures"
_NOTES = (
    "Every way has the same shuffled sets, starts and test patients; the pictures differ. Outlined, tested "
    "on outlined: what a study reports that does not notice the leak. Outlined, tested on plain: validated "
    "and tested on pictures without an outline, as new patients' would be. Outline removed: every picture "
    "with an outline was filled in without a look at its plain twin.",
    "Pictures have no known pixel size: each is padded to a square and resized, as pictures of an image "
    "cohort are.",
)


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "--habits", default="one-pen,two-readers,one-class", show_default=True, help="Habits of drawing."
)
@study_options
def leak(cohort: Path, habits: str, **options: Any) -> int:
    """Study what outlines drawn on the images of COHORT, one of CTs with masks, teach a classifier."""
    from SarcopeniaTraining.classification.drawn_pictures import habits_of

    asked = habits_of(habits)
    study = study_of(cohort, options)
    table = leak_study(study, asked)
    for row in table.rows:
        click.echo(f"{row['way']}: AUC {decimal_text(row['auc'], 2)}")
    click.echo(f"{len(table.rows)} ways: {study.out / 'leak.md'}")
    return 0


def leak_study(study: Study, habits: Sequence[Habit], train: Train = train_plans) -> Table:
    """Draw the pictures, train every way that is not on disk, and write tables, figure and caption.

    Raises
    ------
    SarcopeniaError
        A cohort that cannot be drawn on; what cannot be trained, told before anything is.
    """
    from SarcopeniaAssessLib.errors import InputError
    from SarcopeniaTraining.classification.drawn_pictures import write_pictures
    from SarcopeniaTraining.classification.removal_quality import quality_table
    from SarcopeniaTraining.classification.ways_table import ways_table, write_study
    from SarcopeniaTraining.cohort import Cohort
    from SarcopeniaTraining.table_files import write_table

    if not isinstance(study.cohort, Cohort):
        raise InputError(
            "outlines are drawn from the masks of CTs, this is a cohort of pictures", "give a cohort of CTs"
        )
    pictures = write_pictures(study.cohort, habits, study.out / PICTURES / study.cohort.digest[:12], say)
    write_table(quality_table(pictures, habits), study.out)
    plain = _load(study, next(iter(pictures.values())))
    ways = [Way("plain", PLAIN, study.plan("plain", plain))]
    for habit in habits:
        ways += _of_habit(study, habit, pictures[habit.name], plain)
    results = trained(ways, study.jobs, train)
    title = "What outlines drawn on the images bring, by the habit of drawing"
    table = ways_table("leak", title, study.heading, results, _NOTES)
    write_study(table, study.out, _caption(study))
    return table


def _of_habit(study: Study, habit: Habit, pictures: ImageCohort, plain: ClassifierImages) -> list[Way]:
    from SarcopeniaTraining.classification.drawn_pictures import without_plain_twins

    outlined = _load(study, pictures, annotated=True)
    removed = _load(study, without_plain_twins(pictures))
    side = study.side
    names = {kind: f"{habit.name}-{kind}" for kind in ("outlined", "on-plain", "removed")}
    on_plain = study.plan(names["on-plain"], plain, train_images={side: outlined}, leak=True)
    return [
        Way(
            names["outlined"],
            f"{habit.words}: outlined, tested on outlined",
            study.plan(names["outlined"], outlined, leak=True),
        ),
        Way(names["on-plain"], f"{habit.words}: outlined, tested on plain", on_plain),
        Way(names["removed"], f"{habit.words}: outline removed", study.plan(names["removed"], removed)),
    ]


def _load(study: Study, cohort: ImageCohort, *, annotated: bool = False) -> ClassifierImages:
    from SarcopeniaTraining.classification.classifier_images import load_images

    return load_images(cohort, study.side, study.preset.field_mm, lambda _: None, annotated=annotated)


def _caption(study: Study) -> str:
    return (
        f"{study.preset.networks[0]} ({study.preset.schemes[0]}) on {len(study.preset.sets)} shuffled sets, "
        "learned from plain pictures, from outlined ones and from those whose outline was removed: scores of "
        "the test patients with 95 % intervals. Dashed: chance."
    )


if __name__ == "__main__":
    from SarcopeniaAssessLib.__main__ import run_group

    sys.exit(run_group(leak, program="python -m SarcopeniaTraining.classification.leak"))
