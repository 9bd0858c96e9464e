"""`sarcopenia explain`: arguments in, one function called, two tables out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.explanations import Request


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder of maps, tables and figures; a stopped run goes on there.",
)  # fmt: skip
@click.option("--network", help="By its name. Default: the one that did best on validation.")
@click.option(
    "--cohort", type=click.Path(path_type=Path), help="Where RUN's cohort lies, if not near RUN or here."
)
@click.option("--cases", metavar="A,B", help="Names of cases. Default: test cases of the network.")
@click.option(
    "--count", type=click.IntRange(1), default=4, show_default=True,
    help="How many test cases, of either class in turn.",
)  # fmt: skip
@click.option("--layer", help="That Grad-CAM reads. Default: the network's last convolution.")
@click.option(
    "--samples", type=click.IntRange(10), default=1000, show_default=True,
    help="Images with hidden superpixels that LIME draws, a seed.",
)  # fmt: skip
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="How often LIME is repeated."
)
@click.option("--json", "as_json", is_flag=True, help="The numbers as JSON.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of failures.")
def explain(run: Path, out: Path, cases: str | None, as_json: bool, **options: Any) -> None:
    """Explain what a network of RUN, a folder of `sarcopenia classify`, says of some cases.

    Grad-CAM and LIME of the network as trained and of the same with random weights; which share of each
    lies on muscle, fat and bone, where a CT tells them; whether the order of a map matters to the network
    (insertion, deletion), whether LIME's seeds agree, and whether a map changes with the weights at all.
    """
    from SarcopeniaAssessLib.console import complain
    from SarcopeniaTraining.classification.explanations import SUMMARY, explain_run
    from SarcopeniaTraining.table_files import markdown_text

    made = explain_run(_request(run, out, cases, options), complain, _progress)
    if as_json:
        click.echo(json.dumps(made.summary, ensure_ascii=False))
        return
    for table in made.tables:
        click.echo(markdown_text(table))
    click.echo(f"maps, tables and {SUMMARY}: {made.folder}")


def _request(run: Path, out: Path, cases: str | None, options: dict[str, Any]) -> Request:
    from SarcopeniaTraining.classification.explanations import Request
    from SarcopeniaTraining.classification.lime_maps import LimeSettings

    names = tuple(name.strip() for name in (cases or "").split(",") if name.strip())
    seeds = tuple(range(1, options["seeds"] + 1))
    own = {name: options[name] for name in ("network", "cohort", "count", "layer")}
    return Request(run, out, cases=names, lime=LimeSettings(options["samples"], seeds), **own)


def _progress(readings: int) -> Callable[[], None]:
    """A bar, or a line now and then; removed after the last reading."""
    from SarcopeniaAssessLib.console import Progress

    bar, left = Progress(readings), [readings]
    bar.start()

    def advance() -> None:
        bar.advance()
        left[0] -= 1
        if left[0] == 0:
            bar.stop()

    return advance
