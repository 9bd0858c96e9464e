"""Tables and figures of every part in one place: `OUT/tables`, `OUT/figures` with its captions.

python -m SarcopeniaTraining.reproduction_gathering OUT
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.reproduction_steps import (
    CLASSIFY,
    EXPLANATIONS,
    FIGURES,
    FINETUNE,
    IMBALANCE,
    TABLES,
    TWO_ROUTES,
)

SOURCES = {
    "segment": f"{FINETUNE}/evaluation",
    "classify": f"{CLASSIFY}/evaluation",
    "imbalance": IMBALANCE,
    "two_routes": TWO_ROUTES,
    "explain": EXPLANATIONS,
}
"""Whose tables and figures; figures' names begin with it."""
CAPTIONS = "captions.md"
_TABLE_KINDS = (".csv", ".md", ".tex")
_CAPTION = re.compile(r"\*\*(?P<name>[^*\n]+\.png)\*\*\s*(?P<words>.*?)(?=\n\s*\n|\n\*\*|\Z)", re.DOTALL)


def gather(out: Path) -> list[Path]:
    """Copy what is there, drop what is no longer, and return the copies, tables first.

    Raises
    ------
    OutputError
        The folder is full or not writable, or two parts have a table of the same name.
    """
    tables: dict[str, bytes] = {}
    figures: dict[str, bytes] = {}
    captions: dict[str, str] = {}
    for part, place in SOURCES.items():
        for path in _tables(out / place):
            if path.name in tables:
                raise OutputError(f"two parts have a table {path.stem}", "report this as a fault")
            tables[path.name] = path.read_bytes()
        folder = out / place / FIGURES
        words = _captions(folder)
        for path in sorted(folder.glob("*.png")):
            name = f"{part}-{path.name}"
            figures[name] = path.read_bytes()
            captions[name] = words.get(path.name, "")
    if figures:
        text = "".join(f"**{name}** {words}\n\n" for name, words in captions.items())
        figures[CAPTIONS] = text.encode()
    return [*_placed(tables, out / TABLES), *_placed(figures, out / FIGURES)]


def _tables(folder: Path) -> Iterator[Path]:
    """The three files of each table; other Markdown and CSV files are none."""
    for path in sorted(folder.glob("*.csv")):
        forms = [path.with_suffix(kind) for kind in _TABLE_KINDS]
        if all(form.is_file() for form in forms):
            yield from forms


def _captions(folder: Path) -> dict[str, str]:
    """Words of each figure, from a file in the figures' folder or above it."""
    for path in (folder / CAPTIONS, folder.parent / CAPTIONS):
        if path.is_file():
            found = _CAPTION.finditer(path.read_text("utf-8"))
            return {hit["name"]: " ".join(hit["words"].split()) for hit in found}
    return {}


def _placed(files: dict[str, bytes], folder: Path) -> list[Path]:
    for name, content in files.items():
        write_whole(folder / name, content)
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.name not in files:
            path.unlink()
    return [folder / name for name in files]


@click.command()
@click.argument("out", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def command(out: Path, debug: bool) -> None:
    """Gather the tables and figures of a reproduction in OUT."""
    found = gather(out)
    click.echo(
        f"{sum(path.suffix == '.csv' for path in found)} tables, "
        f"{sum(path.suffix == '.png' for path in found)} figures"
    )


if __name__ == "__main__":
    from SarcopeniaAssessLib.__main__ import run_group

    sys.exit(run_group(command, program="python -m SarcopeniaTraining.reproduction_gathering"))
