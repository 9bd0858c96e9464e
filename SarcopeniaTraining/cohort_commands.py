"""`sarcopenia import` and `sarcopenia splits`: arguments in, one cohort or one file of splits out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from SarcopeniaTraining.cohort import Cohort
    from SarcopeniaTraining.image_cohort import ImageCohort
    from SarcopeniaTraining.importing import CaseOutcome
    from SarcopeniaTraining.layouts import Layout
    from SarcopeniaTraining.splits import Splits

_INTERRUPTED = 130
_PRINTED_SIZES = (47, 16, 16)
_PRINTED = (
    "the paper prints 8/39, 6/10 and 3/13 (sarcopenic/not) for its sets of 47, 16 and 16: 17 and 62 "
    "patients, where its cohort has 18 and 61; these sets are stratified and add up to the cohort"
)


def _print_template(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value:
        return
    from SarcopeniaTraining.layouts import TEMPLATE

    click.echo(TEMPLATE, nl=False)
    ctx.exit()


@click.command("import")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--kind",
    type=click.Choice(["dicom", "slice", "outline", "bmp", "zenodo"]),
    required=True,
    help="dicom: CTs and masks. slice: CTs and masks of one slice. outline: CTs and images with a drawn "
    "outline. bmp: images for the classifiers. zenodo: what the layout says.",
)
@click.option("--layout", "layout_file", type=click.Path(path_type=Path), help="TOML: where the files lie.")
@click.option(
    "--line",
    type=click.Choice(["inside", "centre", "outside"]),
    default="centre",
    show_default=True,
    help="Where the muscle's edge runs in a drawn outline: the line is muscle, half of it, or none.",
)
@click.option(
    "--number", "numbered", is_flag=True, help="Name the cases case-001 …, not after their folders."
)
@click.option(
    "--layout-template", is_flag=True, is_eager=True, expose_value=False, callback=_print_template,
    help="Print a layout file to start from, and stop.",
)  # fmt: skip
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of failures.")
def import_(
    source: Path, folder: Path, kind: str, layout_file: Path | None, line: str, numbered: bool
) -> int:
    """Import a data set from SRC into DIR as a cohort: a folder a case, and manifest.csv.

    Cases that cannot be imported are told and left out. The same command goes on after an interruption,
    takes over cases whose files have changed, and leaves the others.
    """
    from SarcopeniaAssessLib.console import complain
    from SarcopeniaTraining.importing import MANIFEST, ImportPlan, import_cohort
    from SarcopeniaTraining.outlines import Line

    plan = ImportPlan(source.expanduser(), _layout(kind, layout_file), Line(line), numbered)
    try:
        outcomes = import_cohort(plan, folder.expanduser(), _show)
    except KeyboardInterrupt:
        complain("interrupted; cases that are there are whole, the same command goes on")
        return _INTERRUPTED
    done = [outcome for outcome in outcomes if outcome.row is not None]
    failed = len(outcomes) - len(done)
    if not done:
        complain(f"none of {failed} cases could be imported; correct them as told above")
        return 2
    for case, message in _findings(folder, plan.layout.kind):
        complain(f"{case}: warning: {message}")
    sarcopenic = sum(outcome.row["sarcopenic"] == "yes" for outcome in done if outcome.row)
    left_out = f", {failed} left out" if failed else ""
    click.echo(f"{len(done)} cases, {sarcopenic} sarcopenic{left_out}: {folder / MANIFEST}")
    return 1 if failed else 0


def _layout(kind: str, file: Path | None) -> Layout:
    from dataclasses import replace

    from SarcopeniaAssessLib.errors import InputError
    from SarcopeniaTraining.layouts import Layout, read_layout

    if file is None:
        if kind == "zenodo":
            raise InputError(
                "the layout of the record is not known", "give it: --layout FILE, from --layout-template"
            )
        return Layout(kind)
    layout = read_layout(file)
    return layout if kind == "zenodo" else replace(layout, kind=kind)


def _show(outcome: CaseOutcome, cases: int) -> None:
    from SarcopeniaAssessLib.console import complain

    if outcome.row is None:
        complain(f"{outcome.case}: {outcome.problem}")
        return
    for note in outcome.notes:
        complain(f"{outcome.case}: warning: {note}")
    area = f"SMA {outcome.row['sma_cm2']:.1f} cm²" if "sma_cm2" in outcome.row else "image"
    known = "" if outcome.is_new else "  (was there)"
    click.echo(f"{outcome.case}  {area}{known}", err=True)


def _findings(folder: Path, kind: str) -> list[tuple[str, str]]:
    from SarcopeniaTraining.cohort import read_cohort

    if kind == "bmp":
        return []
    return [(case, finding.message) for case, finding in read_cohort(folder).findings]


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSON file.")
@click.option(
    "--sizes",
    metavar="TRAIN,VALIDATION,TEST",
    default="47,16,16",
    show_default=True,
    help="Patients in each part. The paper's classifiers: 54,12,13.",
)
@click.option("--folds", type=int, default=10, show_default=True, help="How many shuffled data sets.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same sets.")
@click.option("--no-stratify", is_flag=True, help="Do not keep the share of sarcopenic patients.")
@click.option("--check", is_flag=True, help="Open every CT and mask first; stop if one does not fit.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of failures.")
def splits(cohort: Path, out: Path, sizes: str, no_stratify: bool, check: bool, **numbers: int) -> int:
    """Shuffle COHORT into train, validation and test sets, each patient in one part, and save them."""
    from SarcopeniaTraining.splits import make_splits, write_splits

    read = _read_any(cohort)
    if _wrong_cases(read, check):
        return 2
    made = make_splits(read, sizes=_three(sizes), stratify=not no_stratify, **numbers)
    write_splits(made, out)
    _tell_counts(made, read)
    click.echo(f"{len(made.folds)} folds, seed {made.seed}: {out}")
    return 0


def _wrong_cases(cohort: Cohort | ImageCohort, check: bool) -> int:
    """Tell what is to be asked about a cohort of CTs; how many of its cases are unusable."""
    from SarcopeniaAssessLib.console import complain
    from SarcopeniaAssessLib.errors import Severity
    from SarcopeniaTraining.cohort import Cohort
    from SarcopeniaTraining.cohort_check import check_cohort

    if not isinstance(cohort, Cohort):
        return 0
    wrong = 0
    for case, finding in check_cohort(cohort) if check else cohort.findings:
        is_error = finding.severity is Severity.ERROR
        wrong += is_error
        complain(f"{case}: {'' if is_error else 'warning: '}{finding.message}")
    if wrong:
        complain(f"{wrong} cases cannot be used; correct them or take them out of the manifest")
    return wrong


def _three(text: str) -> tuple[int, int, int]:
    try:
        train, validation, test = (int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not three whole numbers, e.g. 47,16,16") from None
    return train, validation, test


def _read_any(path: Path) -> Cohort | ImageCohort:
    """A cohort of CTs, or of images: told by its columns."""
    from SarcopeniaTraining.cohort import read_cohort
    from SarcopeniaTraining.image_cohort import read_image_cohort
    from SarcopeniaTraining.manifest import find_manifest, read_rows

    rows = read_rows(find_manifest(path))
    images = all(row.get("ct") is None and row.get("image") is not None for row in rows)
    return read_image_cohort(path) if images else read_cohort(path)


def _tell_counts(made: Splits, cohort: Cohort | ImageCohort) -> None:
    from SarcopeniaAssessLib.console import complain
    from SarcopeniaTraining.splits import PARTS, counts_of

    left_out = sum(not case.is_annotated for case in cohort.cases)
    if left_out:
        complain(f"{left_out} cases without a mask or a label are in no part")
    counts = [counts_of(fold, cohort) for fold in made.folds]
    for name, numbers in zip(PARTS, zip(*counts, strict=True), strict=True):
        shown = " or ".join(f"{sick}/{well}" for sick, well in sorted(set(numbers)))
        click.echo(f"{name:10}  {len(getattr(made.folds[0], name))} cases  {shown} (sarcopenic/not)")
    sums = [sum(part[n] for part in counts[0]) for n in (0, 1)]
    if tuple(map(len, made.folds[0].parts)) == _PRINTED_SIZES and sums == [18, 61]:
        complain(f"note: {_PRINTED}")
