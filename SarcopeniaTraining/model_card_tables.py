"""The measured sections of a model card as Markdown, from the JSON of the commands that measured them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.card import score_lines, stages
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.model_file import in_words
from SarcopeniaAssessLib.models import weights_path
from SarcopeniaTraining.agreement import Estimate
from SarcopeniaTraining.held_out_report import essentials
from SarcopeniaTraining.held_out_summary import GroupSummary, table
from SarcopeniaTraining.robustness import AS_IT_IS, ChangedArea
from SarcopeniaTraining.robustness import table as robustness_table
from SarcopeniaTraining.table_files import Table, decimal_text

if TYPE_CHECKING:
    from SarcopeniaAssessLib.model_file import ModelEntry

NOT_YET = "*Not measured yet.*"
CORES = 2
"""Of the machine that has trained every bundled model so far."""
WATTS_PER_CORE = 10.0
"""Assumed, of a server's core under load with its share of the machine."""


def grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def identity(entry: ModelEntry) -> str:
    """Name, network, size, checksum, licence."""
    words = in_words(entry)
    size = weights_path(entry).stat().st_size / 2**20
    rows = [
        ("name, version", f"`{entry.name}`, {entry.version}"),
        ("network", words["network"]),
        ("sees", words["sees"]),
        ("file", f"`{entry.file}`, {size:.1f} MiB"),
        ("sha256", f"`{entry.sha256}`"),
        ("trained on", entry.trained_on),
        ("licence", entry.licence),
    ]
    return grid(("", ""), rows)


def training(entry: ModelEntry) -> str:
    """A row a stage, the first first."""
    rows = [
        (
            f"`{stage.get('command', '–')}`",
            str(stage.get("phantom_seeds", "–")),
            str(stage.get("phantom_generator", "–")),
            str(stage.get("seed", "–")),
            str(stage.get("steps", "–")),
            str(stage.get("minutes", "–")),
        )
        for stage in _stages(entry)
    ]
    return grid(("command", "phantom seeds", "generator", "seed", "steps", "minutes"), rows)


def _stages(entry: ModelEntry) -> list[Mapping[str, Any]]:
    """The trainings behind a model, from the first.

    Raises
    ------
    InputError
        A stage that started from a model whose training the entry does not tell.
    """
    found = stages(entry.training)
    if found[0].get("start_from") is not None:
        raise InputError(
            f"the entry of {entry.name} does not tell the training of {found[0]['start_from']}",
            "put it into the entry's training as first_stage",
        )
    return found


def scores(entry: ModelEntry, told: Mapping[str, Any]) -> str:
    """The name, and an item a data set."""
    return "\n".join([f"`{entry.name}`, version {entry.version}:", "", *score_lines(told)])


def cost(entry: ModelEntry) -> str:
    """Core-minutes of the trainings and an estimate of their energy."""
    minutes = sum(float(stage.get("minutes", 0)) for stage in _stages(entry))
    kwh = minutes / 60 * CORES * WATTS_PER_CORE / 1000
    return (
        f"Training took {minutes:.0f} minutes on at most {CORES} cores of a processor, no GPU: at most "
        f"{CORES * minutes:.0f} core-minutes. At an assumed {WATTS_PER_CORE:g} W a core that is "
        f"{kwh:.2f} kWh, without the drawing of phantoms and without what was tried and thrown away."
    )


def held_out(told: Mapping[str, Any] | None) -> str:
    """All held-out scans and every group but the traits."""
    return _groups(told, lambda by: by != "trait")


def traits(told: Mapping[str, Any] | None) -> str:
    """A row a trait."""
    return _groups(told, lambda by: by == "trait")


def _groups(told: Mapping[str, Any] | None, wanted: Callable[[str], bool]) -> str:
    if told is None:
        return NOT_YET
    summaries = [summary for summary in summaries_of(told) if wanted(summary.by)]
    if not summaries:
        return NOT_YET
    first = f"{told['scans']} scans, seeds from {told['first_seed']}."
    return f"{first}\n\n{_grid_of(table(summaries, ''))}"


def summaries_of(told: Mapping[str, Any]) -> list[GroupSummary]:
    """The groups of a held-out.json."""
    made = []
    for group in told["groups"]:
        values: dict[str, Any] = {
            name: Estimate(**value) if isinstance(value, Mapping) else value for name, value in group.items()
        }
        made.append(GroupSummary(**values))
    return made


def essentials_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of all scans, for a model's entry."""
    return essentials(summaries_of(told)[0])


def findings(told: Mapping[str, Any] | None) -> str:
    """How often each finding was raised; errors on ordinary scans are false alarms."""
    if told is None:
        return NOT_YET
    ordinary = next((group["scans"] for group in told["groups"] if group["value"] == "ordinary"), 0)
    rows = [
        (f"`{each['code']}`", each["severity"], str(each["scans"]), str(each["ordinary_scans"]))
        for each in told["findings"]
    ]
    if not rows:
        return "No finding was raised."
    return grid(("finding", "severity", f"of {told['scans']} scans", f"of {ordinary} ordinary ones"), rows)


def robustness(told: Mapping[str, Any] | None) -> str:
    """A row a change, a column a CT, and how many changes stay within the aim."""
    if told is None:
        return NOT_YET
    areas = [ChangedArea(**area) for area in told["areas"]]
    changed = [area for area in areas if area.change != AS_IT_IS]
    within = sum(
        area.change_percent is not None and abs(area.change_percent) <= told["aim_percent"]
        for area in changed
    )
    words = f"{within} of {len(changed)} changes stay within ±{told['aim_percent']:g} %."
    return f"{_grid_of(robustness_table(areas, ''))}\n\n{words}"


def _grid_of(made: Table) -> str:
    shown = made.blocks[0].shown
    rows = [[column.text(row) for column in shown] for row in made.rows]
    return grid([column.heading for column in shown], rows)


def area_curve(told: Mapping[str, Any] | None) -> str:
    """A row a model: the largest step between neighbours and the roughness."""
    if told is None:
        return NOT_YET
    rows = [
        (
            f"`{curve['model']}`",
            f"{curve['slices'][0]}–{curve['slices'][-1]}",
            f"{decimal_text(min(curve['sma_cm2']), 1)}–{decimal_text(max(curve['sma_cm2']), 1)}",
            decimal_text(curve["max_step_percent"], 1),
            decimal_text(curve["roughness_percent"], 1),
        )
        for curve in told["curves"]
    ]
    headings = ("model", "slices", "area, least–greatest (cm²)", "largest step to a neighbour %")
    return grid((*headings, "mean distance from the neighbours' mean %"), rows)


def ct_slices(told: Mapping[str, Any] | None) -> str:
    """Dice and areas of every slice of a CT against another model's mask, and of all."""
    if told is None:
        return NOT_YET
    rows = [
        (
            str(row["slice_from_feet"]),
            decimal_text(row["dice"], 3),
            decimal_text(row["mask_cm2"], 1),
            decimal_text(row["sma_cm2"], 1),
        )
        for row in told["each"]
    ]
    area = decimal_text(told["sma_error_mean_percent"], 1, signed=True)
    words = (
        f"Mean Dice {decimal_text(told['dice_mean'], 3)}, least {decimal_text(told['dice_min'], 3)}, of all "
        f"pixels {decimal_text(told['dice_pooled'], 3)}; area {area} % on average."
    )
    return f"{words}\n\n" + grid(("slice", "Dice", "mask (cm²)", "model (cm²)"), rows)
