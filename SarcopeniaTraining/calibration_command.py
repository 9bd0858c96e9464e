"""`sarcopenia calibrate`: phantoms read, interval calibrated, stored in the model's entry, checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from SarcopeniaAssessLib.models import ModelEntry, SegmentationModel
    from SarcopeniaAssessLib.uncertainty import Calibration
    from SarcopeniaTraining.calibration import Reading
    from SarcopeniaTraining.journal import Journal

CHECK_SEED = 5_100_000
"""First seed of the held-out family on which intervals are checked."""
FAMILIES = ("first", "second")
_PIECE = 10
_PERCENT_COLUMNS = ("covered_percent", "half_width_median_percent", "error_abs_mean_percent")


def read_phantoms(
    model: str, family: str, seeds: Sequence[int], *, jobs: int = 1, kept: Path | None = None
) -> list[Reading]:
    """What a model measures on phantoms, and what they are.

    Parameters
    ----------
    model:
        Name or file of a model (`load_model`).
    family:
        `first`: `calibration_cases`; `second`: the held-out family, which no training draws.
    jobs:
        Processes.
    kept:
        File of readings; those in it are not read again.

    Raises
    ------
    OutputError
        `kept` is damaged, not writable, or of another model, family or version of their code.
    """
    from SarcopeniaTraining.calibration import Reading
    from SarcopeniaTraining.machine import workers

    journal = None if kept is None else _journal(kept, model, family)
    known = [] if journal is None else journal.read(Reading.from_mapping)
    found = {each.seed: each for each in known}
    missing = [seed for seed in seeds if seed not in found]
    pieces = [missing[n : n + _PIECE] for n in range(0, len(missing), _PIECE)]
    if pieces:
        with workers(jobs, len(pieces)) as pool:
            for piece in pool.map(_read_piece, pieces, [model] * len(pieces), [family] * len(pieces)):
                found |= {each.seed: each for each in piece}
                if journal is not None:
                    journal.add(each.to_mapping() for each in piece)
    return [found[seed] for seed in seeds]


def _read_piece(seeds: Sequence[int], model: str, family: str) -> list[Reading]:
    import torch

    torch.set_num_threads(1)
    loaded = _loaded(model)
    return [_read_first(seed, loaded) if family == "first" else _read_second(seed, loaded) for seed in seeds]


@lru_cache(maxsize=1)
def _loaded(model: str) -> SegmentationModel:
    from SarcopeniaAssessLib.models import load_model

    return load_model(model)


def _read_first(seed: int, model: SegmentationModel) -> Reading:
    from SarcopeniaTraining.calibration import read_case
    from SarcopeniaTraining.calibration_cases import calibration_case

    case = calibration_case(seed)
    return read_case(seed, case.volume, case.truth, dict(case.facts), model)


def _read_second(seed: int, model: SegmentationModel) -> Reading:
    from SarcopeniaAssessLib.volume import CtVolume
    from SarcopeniaTraining.calibration import read_case
    from SarcopeniaTraining.second_family import draw_l3

    scan = draw_l3(seed)
    volume = CtVolume.from_array(scan.hu, scan.ras_from_ijk)
    k = volume.slice_count // 2
    facts = {
        name: getattr(scan.facts, name)
        for name in ("sex", "build", "phase", "slice_mm", "kernel", "kvp", "noise_hu", "traits")
    }
    return read_case(seed, volume, volume.axes.view(scan.muscle)[:, :, k] > 0, facts, model)


def _journal(path: Path, model: str, family: str) -> Journal:
    from SarcopeniaTraining.journal import Journal, code_identity, model_identity

    head = {
        "schema": "sarcopenia-calibration-readings/1",
        "model": model_identity(_loaded(model).entry),
        "family": family,
        **code_identity("phantom" if family == "first" else "second_family"),
    }
    return Journal(path, head)


def store(model: str, calibration: Calibration) -> ModelEntry:
    """Write a calibration into a model's file and, of a registered model, into the registry that lists it.

    The tensors stay as they are; the file's checksum changes, since the entry is in its header.
    """
    from safetensors.torch import load_file, save

    from SarcopeniaAssessLib.model_file import METADATA_KEY, file_sha256, read_entry, write_whole
    from SarcopeniaAssessLib.models import REGISTRY, model_entry, weights_path
    from SarcopeniaTraining.publishing import write_registry

    listed_as = None if Path(model).is_file() else model_entry(model)
    path = Path(model) if listed_as is None else weights_path(listed_as)
    entry = replace(read_entry(path), calibration=calibration.to_mapping(), sha256=None)
    header = json.dumps(entry.to_mapping(), ensure_ascii=False, sort_keys=True)
    write_whole(path, save(load_file(path), {METADATA_KEY: header}))
    entry = replace(entry, file=path.name, sha256=file_sha256(path))
    if listed_as is not None and listed_as.folder is not None:
        registry = listed_as.folder / REGISTRY
        listed = json.loads(registry.read_text("utf-8"))
        for known in listed["models"]:
            if known["name"] == listed_as.name:
                known |= {"calibration": dict(entry.calibration), "sha256": entry.sha256}
        write_registry(registry, listed)
    return entry


def subgroups(readings: Sequence[Reading], calibration: Calibration) -> dict[str, dict[str, float | None]]:
    """Coverage of all and of every subgroup that the facts tell; numbers are grouped by size."""
    from SarcopeniaTraining.calibration import coverage

    table = coverage(readings, calibration)
    for name, value in readings[0].facts.items():
        if isinstance(value, list | tuple):
            for item in sorted({each for reading in readings for each in reading.facts[name]}):
                having = [reading for reading in readings if item in reading.facts[name]]
                table[f"{name} {item}"] = coverage(having, calibration)["all"]
            continue
        groups = coverage(readings, calibration, partial(_group_of, name))
        table |= {f"{name} {group}": values for group, values in groups.items()}
    return table


def _group_of(name: str, reading: Reading) -> str:
    value = reading.facts[name]
    if isinstance(value, bool | str):
        return str(value)
    edges = (-12, 0, 2, 4, 8, 15, 25, 50, 110, 130)
    above = [edge for edge in edges if value >= edge]
    return f"from {above[-1]}" if above else f"under {edges[0]}"


@click.command("calibrate")
@click.argument("model", required=False)
@click.option(
    "--phantoms",
    default=400,
    show_default=True,
    type=click.IntRange(0),
    help="Of the first family, to calibrate on.",
)
@click.option(
    "--check",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Of the held-out family, to check coverage on.",
)
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder of readings; a killed run goes on.")
@click.option("--store", "stores", is_flag=True, help="Write the calibration into the model's entry.")
@click.option("--json", "as_json", is_flag=True, help="The tables as JSON.")
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def calibrate_model(model: str | None, as_json: bool, debug: bool, **options: Any) -> None:
    """Calibrate the SMA interval of MODEL (a name or a file; the default model), and check it.

    With --phantoms 0, the calibration that the model has is checked. Without --store nothing changes.
    """
    tables = _tables(model, **options)
    if as_json:
        click.echo(json.dumps(tables, ensure_ascii=False))
        return
    for title, table in tables.items():
        single = title in ("sha256", "calibration")
        click.echo(f"{title}: {table}" if single else title)
        for group, values in {} if single else table.items():
            told = "  ".join(f"{key.removesuffix('_percent')} {values[key]}" for key in _PERCENT_COLUMNS)
            click.echo(f"  {group:28} {values['cases']:4d}  {told}  beyond {values['beyond_limit']}")


def _tables(
    model: str | None, *, phantoms: int, check: int, jobs: int, keep: Path | None, stores: bool
) -> dict[str, Any]:
    from SarcopeniaAssessLib.models import default_model_name, load_model
    from SarcopeniaAssessLib.uncertainty import Calibration
    from SarcopeniaTraining.calibration import calibrate
    from SarcopeniaTraining.calibration_cases import CALIBRATION_SEED

    name = model or default_model_name()
    entry = load_model(name).entry
    weights = (entry.sha256 or "")[:12]

    def readings(family: str, first_seed: int, count: int) -> list[Reading]:
        file = None if keep is None else keep / f"{entry.name}-{weights}-{family}.jsonl"
        return read_phantoms(name, family, range(first_seed, first_seed + count), jobs=jobs, kept=file)

    tables: dict[str, Any] = {}
    calibration = Calibration.from_mapping(entry.calibration)
    if phantoms:
        first = readings("first", CALIBRATION_SEED, phantoms)
        calibration = calibrate(first)
        tables["calibration"] = calibration.to_mapping()
        tables["first family"] = subgroups(first, calibration)
    if calibration is None:
        raise click.UsageError(f"model {entry.name} has no calibration to check; give --phantoms 400")
    if check:
        tables["held-out family"] = subgroups(readings("second", CHECK_SEED, check), calibration)
    if stores:
        tables["sha256"] = store(name, calibration).sha256
    return tables
