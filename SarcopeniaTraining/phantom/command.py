"""`sarcopenia phantom`: arguments in, one cohort out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from SarcopeniaTraining.phantom.cohort import CohortPlan, Facts

_INTERRUPTED = 130


def _three_numbers(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[float, float, float] | None:
    """Numbers of `i,j,k`."""
    if value is None:
        return None
    try:
        i, j, k = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not three numbers, e.g. 0.8,0.8,5", ctx, param) from None
    return i, j, k


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--patients", type=int, default=79, show_default=True, help="How many.")
@click.option("--sarcopenic", type=int, default=18, show_default=True, help="Of them, exactly so many.")
@click.option("--men", type=int, default=52, show_default=True, help="Of them, exactly so many.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same files.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["nifti", "dicom"]),
    default="nifti",
    show_default=True,
    help="CTs as .nii.gz or as DICOM series; masks are .nii.gz.",
)
@click.option(
    "--spacing",
    "spacing_mm",
    metavar="I,J,K",
    callback=_three_numbers,
    help="Columns, rows, slices in mm. Default: drawn for each patient, 0.65–0.95 and 1–5.",
)
@click.option(
    "--coverage", "coverage_mm", type=float, default=60, show_default=True, help="Length scanned, mm."
)
@click.option("--noise", "noise_hu", type=float, help="Noise in HU. Default: drawn, 3–38.")
@click.option("--phase", type=click.Choice(["none", "arterial", "portal"]), help="Contrast. Default: drawn.")
@click.option("--oblique", "oblique_deg", type=float, default=0, help="Turn the slices by this angle.")
@click.option("--tilt", "tilt_deg", type=float, default=0, help="Gantry tilt: sheared stack, this angle.")
@click.option("--jobs", type=click.IntRange(1), help="Processes. Default: one a processor.")
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def phantom(folder: Path, jobs: int | None, debug: bool, **options: Any) -> int:
    """Draw a cohort of phantom CTs with their exact muscle masks into DIR; no patient data is used.

    A CT is sarcopenic or not by the default rule of Criteria.json (144 cm² men, 92 cm² women) at L3.
    DIR gets a folder a patient, manifest.csv with the truth of each, cohort.json and SHA256SUMS. A run
    that was interrupted goes on where it stopped when the same command is given again.
    """
    from SarcopeniaAssessLib.console import complain
    from SarcopeniaTraining.phantom.cohort import MANIFEST, CohortPlan, write_cohort
    from SarcopeniaTraining.phantom.patients import ScanPlan

    own = {name: options.pop(name) for name in ("patients", "sarcopenic", "men", "seed")}
    plan = CohortPlan(**own, format=options.pop("file_format"), scan=ScanPlan(**options))
    bar, advance = _progress(plan)
    try:
        with bar:
            rows = write_cohort(plan, folder, jobs=jobs or os.cpu_count() or 1, tell=advance)
    except KeyboardInterrupt:
        complain("interrupted; patients that are there are whole, the same command goes on")
        return _INTERRUPTED
    sarcopenic = sum(row["sarcopenic"] == "yes" for row in rows)
    men = sum(row["sex"] == "male" for row in rows)
    click.echo(f"{len(rows)} patients, {sarcopenic} sarcopenic, {men} men: {folder / MANIFEST}")
    return 0


def _line(facts: Facts) -> str:
    status = "sarcopenic" if facts["sarcopenic"] == "yes" else "not sarcopenic"
    return f"{facts['case']}  {facts['sex']:6}  SMA {facts['sma_cm2']:.1f} cm²  {status}"


def _progress(plan: CohortPlan) -> tuple[AbstractContextManager[Any], Callable[[Facts], None]]:
    """A bar with the time left on a terminal, a line a patient otherwise; on standard error."""
    if not sys.stderr.isatty():
        return nullcontext(), lambda facts: click.echo(_line(facts), err=True)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("drawing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True)
    task = bar.add_task("", total=plan.patients)
    return bar, lambda facts: bar.update(task, advance=1, description=_line(facts))
