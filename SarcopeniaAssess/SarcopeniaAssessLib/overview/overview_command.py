"""The verb `overview`: one page of a cohort, its table as Parquet, decisions brought back from the module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from SarcopeniaAssessLib.console import complain

if TYPE_CHECKING:
    from SarcopeniaAssessLib.overview.overview import Made

_TOLD = 20


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--out", type=click.Path(), metavar="FILE", help="The page; by default DIR/overview.html.")
@click.option("--parquet", is_flag=True, help="Write DIR/assessments.parquet too.")
@click.option(
    "--reviews",
    multiple=True,
    type=click.Path(),
    metavar="PATH",
    help="Records exported by the module, a folder of them, or its audit log: bring their decisions back.",
)
@click.option(
    "--pictures/--no-pictures", default=True, help="A small picture of each slice.", show_default=True
)
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def overview(
    folder: str, out: str | None, reviews: tuple[str, ...], *, parquet: bool, pictures: bool, debug: bool
) -> int:
    """Make one page of an output folder: distribution, agreement, every case.

    The exit status is 0, or 1 if a record could not be read or a decision not be taken.
    """
    del debug  # the program looks for it itself
    from pathlib import Path

    from SarcopeniaAssessLib.overview.overview import Wanted, make_overview

    wanted = Wanted(
        Path(folder).expanduser(),
        None if out is None else Path(out).expanduser(),
        parquet=parquet,
        reviews=tuple(Path(path).expanduser() for path in reviews),
        pictures=pictures,
    )
    made = make_overview(wanted, _progress)
    _tell(made, told_decisions=bool(reviews))
    return int(not made.is_whole)


def _progress(pictures: int) -> Callable[[], None]:
    from SarcopeniaAssessLib.console import Progress

    progress = Progress(pictures)
    return progress.advance


def _tell(made: Made, *, told_decisions: bool) -> None:
    for case in made.damaged[:_TOLD]:
        complain(f"{case}: The record cannot be read; assess the CT again")
    for each in made.brought.refused[:_TOLD]:
        complain(f"{each.label}: its decision is not taken: {each.reason}")
    for left in (made.damaged[_TOLD:], made.brought.refused[_TOLD:]):
        if left:
            complain(f"and so {len(left)} more")
    if made.problem:
        complain(f"{made.problem}; verify it with `sarcopenia verify`, and move it away")
    brought = made.brought
    if told_decisions:
        complain(
            f"decisions: {brought.taken} brought back, {brought.already_there} there already, "
            f"{brought.undecided} records that nobody has decided on"
        )
    states = Counter(row.review for row in made.rows)
    click.echo(
        f"{', '.join(made.files)}  {len(made.rows)} cases, {sum(row.borderline for row in made.rows)} "
        f"borderline, {states['accepted']} accepted, {states['rejected']} rejected"
    )
