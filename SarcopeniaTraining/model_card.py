"""docs/model-card.md and README.md: measured sections written from results; the card in a model's entry.

python -m SarcopeniaTraining.model_card [--results docs/results/model-card] [--card docs/model-card.md]

What lies between `<!-- measured: NAME -->` and `<!-- end -->` is written here; the rest of both is
written by people. The lists under *Intended use*, *Not for* and *Known failures* become the card of
`sarcopenia models info`, with the scores on the held-out family. Results of another model are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.card import HELD_OUT
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.models import REGISTRY, default_model_name, model_entry
from SarcopeniaTraining import model_card_tables as tables

if TYPE_CHECKING:
    from SarcopeniaAssessLib.model_file import ModelEntry

CARD, README = Path("docs/model-card.md"), Path("README.md")
RESULTS = Path("docs/results/model-card")
HEADINGS = {"use": "Intended use", "not_for": "Not for", "failures": "Known failures"}
"""Lists of the card that become part of the entry."""
REBUILD = "make model"
_SECTION = re.compile(r"(<!-- measured: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Results:
    """Measured results of one model; `None` where a file is not there yet.

    Attributes
    ----------
    held_out, robustness, area_curve, ct:
        Contents of held-out.json, robustness.json, area-curve.json and ct.json.
    """

    held_out: Mapping[str, Any] | None
    robustness: Mapping[str, Any] | None
    area_curve: Mapping[str, Any] | None
    ct: Mapping[str, Any] | None

    @classmethod
    def of(cls, folder: Path, entry: ModelEntry) -> Results:
        """The results in a folder.

        Raises
        ------
        InputError
            A file that is damaged or of another model.
        """
        names = ("held-out", "robustness", "area-curve", "ct")
        read = [_result(folder / f"{name}.json", entry) for name in names]
        return cls(*read)


def _result(path: Path, entry: ModelEntry) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
        curves = values.get("curves")
        measured = [curve["sha256"] for curve in curves] if curves else [values["model"]["sha256"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path.name} is damaged", "measure it again") from None
    if entry.sha256 not in measured:
        theirs = str(measured[-1])[:12]
        raise InputError(
            f"{path.name} was measured on other weights ({theirs}…) than {entry.name} has now",
            "measure it again",
        )
    return values


def written(card: str, entry: ModelEntry, results: Results) -> str:
    """The card with every measured section written anew.

    Raises
    ------
    InputError
        A section of a name that is not known.
    """
    makers: dict[str, Callable[[], str]] = {
        "identity": lambda: tables.identity(entry),
        "training": lambda: tables.training(entry),
        "held-out": lambda: tables.held_out(results.held_out),
        "traits": lambda: tables.traits(results.held_out),
        "findings": lambda: tables.findings(results.held_out),
        "robustness": lambda: tables.robustness(results.robustness),
        "area-curve": lambda: tables.area_curve(results.area_curve),
        "ct": lambda: tables.ct_slices(results.ct),
        "cost": lambda: tables.cost(entry),
        "scores": lambda: tables.scores(entry, _scores(entry, results)),
    }

    def section(found: re.Match[str]) -> str:
        name = found[2]
        if name not in makers:
            raise InputError(f"the card has a measured section {name!r}", f"known are {', '.join(makers)}")
        return f"{found[1]}{makers[name]()}\n{found[3]}"

    return _SECTION.sub(section, card)


def bullets(card: str, heading: str) -> list[str]:
    """The list under a heading as plain sentences, without links, emphasis and pictures.

    Raises
    ------
    InputError
        There is no such heading, or no list under it.
    """
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", card, re.DOTALL | re.MULTILINE)
    items = re.findall(r"^- (.*?)(?=^- |^\s*$|\Z)", found[1] if found else "", re.DOTALL | re.MULTILINE)
    if not items:
        raise InputError(f"the card has no list under {heading!r}", "write one, a line each with `- `")
    return [_plain(item) for item in items]


def _plain(text: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*_`]{1,2}", "", text).split())


def listed(card: str, entry: ModelEntry, results: Results, registry: str) -> str:
    """The registry's JSON with the card's lists and the measured scores in the model's entry.

    Raises
    ------
    InputError
        The card lacks a list, or the registry the model.
    """
    told: dict[str, Any] = {key: bullets(card, heading) for key, heading in HEADINGS.items()}
    told |= {"rebuild": REBUILD, "document": str(CARD)}
    models = json.loads(registry)
    own = [known for known in models["models"] if known["name"] == entry.name]
    if not own:
        raise InputError(f"the registry has no model {entry.name}", "publish it first")
    own[0] |= {"card": told, "scores": _scores(entry, results)}
    return json.dumps(models, indent=1, ensure_ascii=False) + "\n"


def _scores(entry: ModelEntry, results: Results) -> dict[str, Any]:
    """The entry's scores with what was measured now."""
    told = dict(entry.scores)
    if results.held_out is not None:
        told[HELD_OUT] = tables.essentials_of(results.held_out)
    if results.ct is not None:
        told["CT"] = {key: value for key, value in results.ct.items() if key not in ("each", "model")}
    return told


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror})", "say where it is") from None


@click.command()
@click.option("--results", default=RESULTS, show_default=True, type=click.Path(path_type=Path))
@click.option("--card", default=CARD, show_default=True, type=click.Path(path_type=Path))
@click.option("--readme", default=README, show_default=True, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; fail where the card is not up to date.")
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def command(results: Path, card: Path, readme: Path, check: bool, debug: bool) -> None:
    """Write what was measured into the model card, the readme and the default model's entry."""
    entry = model_entry(default_model_name())
    measured = Results.of(results, entry)
    registry = resource_path(REGISTRY)
    before = {path: _text(path) for path in (card, readme, registry)}
    after = {path: written(before[path], entry, measured) for path in (card, readme)}
    after[registry] = listed(after[card], entry, measured, before[registry])
    for path, text in after.items():
        if check and text != before[path]:
            raise InputError(f"{path.name} is not up to date", "run python -m SarcopeniaTraining.model_card")
        if not check:
            write_whole(path, text.encode())
    if check:
        return
    missing = [name for name, value in vars(measured).items() if value is None]
    click.echo(
        f"{card.name}: {entry.name}" + (f"; not measured yet: {', '.join(missing)}" if missing else "")
    )


if __name__ == "__main__":
    import sys

    from SarcopeniaAssessLib.__main__ import run_group

    sys.exit(run_group(command, program="python -m SarcopeniaTraining.model_card"))
