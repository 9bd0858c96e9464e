"""What class imbalance costs a classifier, and four ways against it, side by side.

python -m SarcopeniaTraining.classification.imbalance COHORT --preset smoke --out DIR

The paper blames the imbalance of its 18 sarcopenic to 61 other patients and does not study it. Here one
network is trained on the same shuffled sets as printed, with class weights, and on training parts that
phantoms balance; and the runs as printed are read with a threshold moved on validation.
"""

from __future__ import annotations

import sys
from dataclasses import replace
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
    from SarcopeniaTraining.table_files import Row, Table

PHANTOMS = "phantoms"
_TOLD = {
    "AUC": "auc",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "balanced": "balanced_accuracy",
}
PRINTED, MOVED, WEIGHTED, ADDED, EXCHANGED = (
    "as printed",
    "threshold moved on validation",
    "class weights",
    "balanced: phantoms added",
    "balanced: phantoms for others",
)
_SAME = (
    "Every way has the same shuffled sets, starts and test patients. As printed: no class weights, "
    "sarcopenic above 0.5. Class weights: a case counts by the inverse share of its class. Threshold moved: "
    "the runs as printed, read with the threshold of the greatest balanced accuracy on each set's validation "
    "part; the AUC is the same by definition."
)
_BALANCED = (
    "Balanced: {count} phantoms of the rarer class, drawn with another seed, are in no validation or test "
    "part. Added: as many as a training part lacks, so it also has more cases. For others: phantoms take "
    "the place of cases of the commoner class, so it has as many cases as before."
)
_NO_PHANTOMS = "Balanced phantoms are left out: pictures have no known pixel size, so none can be drawn."
_NO_RARER = "Balanced phantoms are left out: no class is the rarer one in the training parts of all sets."


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@study_options
def imbalance(cohort: Path, **options: Any) -> int:
    """Study what the imbalance of the classes in COHORT costs, and what helps against it."""
    study = study_of(cohort, options)
    table = imbalance_study(study)
    for row in table.rows:
        click.echo(_line(row))
    click.echo(f"{len(table.rows)} ways: {study.out / 'imbalance.md'}")
    return 0


def imbalance_study(study: Study, train: Train = train_plans) -> Table:
    """Train every way that is not on disk, and write table, figure and caption into the study's folder.

    Raises
    ------
    SarcopeniaError
        What cannot be trained, told before anything is; or what befell a run, when the others are finished.
    """
    from SarcopeniaTraining.classification.classifier_images import load_images
    from SarcopeniaTraining.classification.ways_table import ways_table, write_study

    images = load_images(study.cohort, study.side, study.preset.field_mm, say)
    weighted = replace(study.preset, class_weights=True)
    printed = study.plan("as-printed", images)
    ways = [
        Way("as-printed", PRINTED, printed),
        Way("as-printed", MOVED, printed, moves_threshold=True),
        Way("class-weights", WEIGHTED, study.plan("class-weights", images, preset=weighted)),
    ]
    balanced, note = _balanced(study, images)
    results = trained([*ways, *balanced], study.jobs, train)
    title = "Ways against class imbalance, on the same test patients"
    table = ways_table("imbalance", title, study.heading, results, (_SAME, note))
    write_study(table, study.out, _caption(study, len(balanced) > 0))
    return table


def _balanced(study: Study, images: ClassifierImages) -> tuple[list[Way], str]:
    """The ways with phantoms, and what the table says of them."""
    from SarcopeniaTraining.classification.balanced_phantoms import (
        added,
        draw_phantoms,
        exchanged,
        joined,
        phantom_images,
        shortage,
    )
    from SarcopeniaTraining.cohort import Cohort

    if not isinstance(study.cohort, Cohort):
        return [], _NO_PHANTOMS
    wanted = shortage(study.splits, images)
    if wanted is None:
        return [], _NO_RARER
    drawn = draw_phantoms(study.cohort, wanted, study.out / PHANTOMS, study.preset.seed, say, study.jobs)
    more = phantom_images(drawn, study.side, study.preset.field_mm)
    both = joined(images, more)
    label = dict(zip(both.names, both.sarcopenic.tolist(), strict=True))
    with_more = added(study.splits, label, more.names)
    in_place = exchanged(study.splits, label, more.names, study.preset.seed)
    ways = [
        Way("balanced-added", ADDED, study.plan("balanced-added", both, splits=with_more)),
        Way("balanced-exchanged", EXCHANGED, study.plan("balanced-exchanged", both, splits=in_place)),
    ]
    return ways, _BALANCED.format(count=wanted.count)


def _caption(study: Study, with_phantoms: bool) -> str:
    phantoms = ", or of training parts that phantoms of the rarer class balance" if with_phantoms else ""
    return (
        f"{study.preset.networks[0]} ({study.preset.schemes[0]}) on {len(study.preset.sets)} shuffled sets, "
        f"as printed, with class weights, with a threshold moved on validation{phantoms}: scores of the test "
        "patients with 95 % intervals. Dashed: chance."
    )


def _line(row: Row) -> str:
    scores = (f"{name} {decimal_text(row[key], 2)}" for name, key in _TOLD.items())
    return f"{row['way']}: {', '.join(scores)}"


if __name__ == "__main__":
    from SarcopeniaAssessLib.__main__ import run_group

    sys.exit(run_group(imbalance, program="python -m SarcopeniaTraining.classification.imbalance"))
