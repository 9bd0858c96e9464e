"""Both routes side by side as files: two tables, a figure, `two_routes.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.classification.route_readings import AS_PRINTED
from SarcopeniaTraining.classification.two_routes_tables import routes_table, wrong_table
from SarcopeniaTraining.table_files import decimal_text, write_table

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.two_routes import RouteAgreement, TwoRoutes
    from SarcopeniaTraining.table_files import Table

SCHEMA = "sarcopenia-two-routes/1"
ROUTES, FIGURE = "two_routes.json", "two_routes.png"
CAPTION = (
    "Both routes on the same patients: mean probability of the classifier over the predicted area's distance "
    "to the cut-off, a panel a network. Left of the upright line the area says sarcopenic, above the level "
    "one the classifier does; rings: truly sarcopenic."
)


@dataclass(frozen=True)
class RoutesReport:
    """What was written of two routes.

    Attributes
    ----------
    summary:
        What `two_routes.json` says.
    captions:
        Of the figures, by file name.
    """

    tables: tuple[Table, ...]
    summary: dict[str, Any]
    captions: dict[str, str]


def write_routes(routes: TwoRoutes, folder: Path) -> RoutesReport:
    """Write `two_routes` and `two_routes_patients` as tables, the figure and `two_routes.json`.

    Raises
    ------
    OutputError
        The folder is full or not writable.
    """
    from SarcopeniaTraining.classification.two_routes_figure import routes_figure
    from SarcopeniaTraining.figure_style import save

    tables = (routes_table(routes), wrong_table(routes))
    figures = folder / "figures"
    try:
        figures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder.name} cannot be made ({error.strerror})", "give another --out") from None
    for table in tables:
        write_table(table, folder)
    save(routes_figure(routes), figures / FIGURE)
    summary = _summary(routes, tables)
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(folder / ROUTES, f"{text}\n".encode())
    return RoutesReport(tables, summary, {FIGURE: CAPTION})


def told(routes: TwoRoutes) -> list[str]:
    """The comparison in plain words, a line a network."""
    lines = []
    for one in routes.agreements:
        if one.way != AS_PRINTED:
            continue
        p = "" if one.mcnemar_p is None else f", McNemar p {decimal_text(one.mcnemar_p, 3)}"
        lines.append(f"{one.network}, {one.scheme}: {_right(one)}{p}")
    return lines


def _right(one: RouteAgreement) -> str:
    return (
        f"area right in {one.area.right} of {one.area.count} patients, classifier in {one.classifier.right}; "
        f"same status in {one.agreed.right}"
    )


def _summary(routes: TwoRoutes, tables: tuple[Table, ...]) -> dict[str, Any]:
    rows = {table.name: table.records() for table in tables}
    return {
        "schema": SCHEMA,
        "patients": len(routes.patients),
        "same_cohort": routes.same_cohort,
        "chosen": dict(routes.chosen),
        "best_network": routes.best_network,
        "left_out": {
            "contradictory_label": list(routes.contradictory),
            "no_status_by_area": list(routes.undetermined),
            "tested_by_one_run": list(routes.missed),
        },
        **rows,
    }


@click.command()
@click.argument("segmentation", type=click.Path(path_type=Path))
@click.argument("classification", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to fill."
)
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def command(segmentation: Path, classification: Path, out: Path, **_: Any) -> None:
    """Status by area (SEGMENTATION, an evaluated run of `finetune`) beside that by CLASSIFICATION."""
    from SarcopeniaTraining.classification.two_routes import compare_routes

    routes = compare_routes(segmentation, classification)
    report = write_routes(routes, out)
    captions = "".join(f"**{name}** {words}\n\n" for name, words in report.captions.items())
    write_whole(out / "figures" / "captions.md", captions.encode())
    for line in told(routes):
        click.echo(line)
