"""How the area at L3 changes when the same patient is scanned or stored otherwise.

python -m SarcopeniaTraining.robustness --ct CT --l3 SPEC --phantoms 3 --out DIR

Each changed CT passes through the library's `assess`; the tables hold the change of the SMA in per cent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from SarcopeniaAssessLib.assessment import assess
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.changed_ct import AROUND_MM, changes, near, slice_at
from SarcopeniaTraining.journal import model_identity
from SarcopeniaTraining.table_files import Block, Row, Shown, Table, decimal_text, write_table

if TYPE_CHECKING:
    from SarcopeniaAssessLib.models import SegmentationModel
    from SarcopeniaAssessLib.volume import CtVolume

NAME = "robustness"
SCHEMA = "sarcopenia-robustness/1"
FIRST_SEED = 5_300_000
"""First seed of the phantoms that are changed: scans of the second family that nothing else uses."""
AIM_PERCENT = 3.0
AS_IT_IS = "as it is"


@dataclass(frozen=True)
class ChangedArea:
    """One change of one CT: the area, and how far it is from that of the CT as it is.

    Attributes
    ----------
    sma_cm2, change_percent, errors:
        `None` and empty where the assessment was refused; `refused` says why.
    """

    subject: str
    change: str
    sma_cm2: float | None
    change_percent: float | None
    errors: tuple[str, ...] = ()
    refused: str | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """A CT and the superior coordinate of its level, mm; `name` identifies nobody."""

    name: str
    volume: CtVolume
    superior_mm: float


def measure_changes(subject: Subject, model: SegmentationModel) -> Iterator[ChangedArea]:
    """The area as it is, then under every change.

    Raises
    ------
    SarcopeniaError
        The CT as it is cannot be assessed.
    """
    own = assess(subject.volume, l3=f"s:{subject.superior_mm:.6f}", model=model, device="cpu").record
    middle_mm = subject.volume.slice_centre_mm(own["l3"]["slice_from_feet"])
    area_cm2 = float(own["muscle"]["sma_cm2"])
    yield ChangedArea(subject.name, AS_IT_IS, area_cm2, 0.0, _errors(own))
    part = near(subject.volume, middle_mm[2], AROUND_MM + 6)
    for change in changes():
        try:
            changed = change.make(part, middle_mm[2])
            level = f"slice:{slice_at(changed, middle_mm)}"
            record = assess(changed, l3=level, model=model, device="cpu").record
        except SarcopeniaError as error:
            yield ChangedArea(subject.name, change.name, None, None, refused=error.problem)
            continue
        sma_cm2 = float(record["muscle"]["sma_cm2"])
        yield ChangedArea(subject.name, change.name, sma_cm2, 100 * (sma_cm2 / area_cm2 - 1), _errors(record))


def phantom_subject(seed: int, around_mm: float = 34.0) -> Subject:
    """A scan of the second family at full resolution: pixels of 0.8, slices of 1 mm, so far around L3."""
    from SarcopeniaTraining.held_out import as_ct
    from SarcopeniaTraining.second_family import draw_scan

    scan = draw_scan(seed, in_plane_mm=0.8, slice_mm=1.0, coverage_mm=(-around_mm, around_mm))
    return Subject(f"phantom {seed}", as_ct(scan), float(scan.facts.l3_superior_mm))


def ct_subject(path: Path, l3: str, name: str) -> Subject:
    """A CT on disk and its level."""
    from SarcopeniaAssessLib.ct_io import open_ct
    from SarcopeniaAssessLib.level import find_level

    volume = open_ct(path)
    return Subject(name, volume, find_level(l3, volume).superior_mm)


def table(areas: Sequence[ChangedArea], title: str) -> Table:
    """A row a change, a column a CT; the first row has the areas in cm²."""
    subjects = list(dict.fromkeys(area.subject for area in areas))
    found = {(area.subject, area.change): area for area in areas}
    rows: list[Row] = []
    for change in dict.fromkeys(area.change for area in areas):
        row: dict[str, Any] = {"change": change}
        for subject in subjects:
            area = found[subject, change]
            row |= {
                f"{subject} sma_cm2": area.sma_cm2,
                f"{subject} change_percent": area.change_percent,
            }
        rows.append(row)
    columns = [Shown("change", lambda row: str(row["change"]))]
    columns += [Shown(subject, partial(_cell, subject=subject)) for subject in subjects]
    notes = (
        f"SMA of the CT as it is, and its change in per cent; the aim is within ±{AIM_PERCENT:g} %.",
        "Noise is added to what the scan has. Thicker slices are averages, thinner ones interpolated. Turned "
        "and tilted CTs are interpolated too, which smooths coarse pixels; tilted slices cut the body "
        "obliquely, so that their area is another.",
    )
    return Table(NAME, title, (Block("", tuple(rows[0]), tuple(columns)),), tuple(rows), notes)


def _cell(row: Row, subject: str) -> str:
    area, change = row[f"{subject} sma_cm2"], row[f"{subject} change_percent"]
    if row["change"] == AS_IT_IS:
        return f"{decimal_text(area, 1)} cm²"
    return "refused" if change is None else f"{decimal_text(change, 1, signed=True)} %"


def _errors(record: dict[str, Any]) -> tuple[str, ...]:
    return tuple(found["code"] for found in record["quality"] if found["severity"] == "error")


def write_robustness(areas: Sequence[ChangedArea], model: SegmentationModel, folder: Path) -> None:
    """Write `robustness.json`, `.csv`, `.md` and `.tex`."""
    entry = model.entry
    told = {
        "schema": SCHEMA,
        "model": model_identity(entry),
        "aim_percent": AIM_PERCENT,
        "areas": [vars(area) for area in areas],
    }
    write_whole(folder / f"{NAME}.json", (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode())
    write_table(table(areas, f"{entry.name}: the same patient scanned or stored otherwise"), folder)


@click.command()
@click.option("--ct", type=click.Path(path_type=Path), help="A CT to change.")
@click.option("--l3", help="Its level: slice:K, s:MM, labels:FILE[=V].")
@click.option("--name", default="CT", show_default=True, help="What the tables call it.")
@click.option("--phantoms", type=click.IntRange(0), default=3, show_default=True, help="To change as well.")
@click.option("--model", help="Name, file or folder of a training. Default: the default model.")
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def robustness(ct: Path | None, l3: str | None, name: str, phantoms: int, **options: Any) -> None:
    """SMA of the same patient at other slice thickness, noise, HU, posture and storage."""
    from SarcopeniaAssessLib.models import default_model_name
    from SarcopeniaTraining.held_out_run import open_model

    if (ct is None) != (l3 is None):
        raise click.UsageError("--ct and --l3 belong together")
    if ct is None and not phantoms:
        raise click.UsageError("there is nothing to change; give --ct or --phantoms")
    model = open_model(options["model"] or default_model_name())
    areas: list[ChangedArea] = []
    if ct is not None:
        areas += measure_changes(ct_subject(ct, str(l3), name), model)
    for seed in range(FIRST_SEED, FIRST_SEED + phantoms):
        areas += measure_changes(phantom_subject(seed), model)
    write_robustness(areas, model, options["out"])
    for area in areas:
        told = area.refused or f"{decimal_text(area.sma_cm2, 1)} cm²  "
        told += "" if area.refused else f"{decimal_text(area.change_percent, 2, signed=True)} %"
        click.echo(f"{area.subject}  {area.change}: {told} {' '.join(area.errors)}".rstrip())


if __name__ == "__main__":
    import sys

    from SarcopeniaAssessLib.__main__ import run_group

    sys.exit(run_group(robustness, program="python -m SarcopeniaTraining.robustness"))
