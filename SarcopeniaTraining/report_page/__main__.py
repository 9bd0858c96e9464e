"""The report of a reproduction that is there already: `python -m SarcopeniaTraining.report_page FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def report(folder: Path, debug: bool) -> None:
    """Write FOLDER/report.html from what a reproduction left in FOLDER."""
    from SarcopeniaTraining.report_page.page import write_report

    click.echo(f"report: {write_report(folder)}")


if __name__ == "__main__":
    from SarcopeniaAssessLib.__main__ import run_group

    sys.exit(run_group(report, program="python -m SarcopeniaTraining.report_page"))
