"""What an evaluation on held-out scans leaves in its folder: numbers, tables, and pictures of the worst.

`held-out.json` (for machines and for the model card), `held-out.csv`, `.md`, `.tex` (a row a group),
`scans.csv` (a row a scan), `worst/*.png`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.agreement import Estimate
from SarcopeniaTraining.figure_style import GREY, SKY, VERMILION, legend, panels, save
from SarcopeniaTraining.held_out import HeldOutReading, HeldOutScore, read_scan
from SarcopeniaTraining.held_out_summary import GroupSummary, findings_by_code, groups, summarise, table
from SarcopeniaTraining.outline_figures import show_grey, upright
from SarcopeniaTraining.table_files import decimal_text, write_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUMMARY, SCANS, WORST = "held-out.json", "scans.csv", "worst"
SCHEMA = "sarcopenia-held-out/1"
MISSED, EXTRA, AGREED = SKY, VERMILION, GREY
NOTES = (
    "Scans of the second phantom family, of which nothing is ever trained on. Dice of masks and areas at the "
    "CT's own pixels.",
    "95 % intervals: scans drawn with replacement (2,000 draws, fixed seed); of shares, Wilson's.",
    "Errors are of the true area; 95th percentile of absolute errors, a value that occurred.",
    "Interval: how often it holds what a simulated reader draws, the truth with a spread of 1.9 % (95 %).",
    "Status: default criterion, of scans that have both statuses; a record with an error gives none.",
)


def write_report(
    scores: Sequence[HeldOutScore], subject: Mapping[str, Any], folder: Path
) -> tuple[GroupSummary, ...]:
    """Write numbers and tables; return the groups' summaries, that of all scans first.

    Raises
    ------
    OutputError
        The folder is full or not writable.
    """
    summaries = tuple(summarise(group) for group in groups(scores))
    name, seeds = subject["model"]["name"], [score.seed for score in scores]
    title = f"{name} on {len(scores)} held-out scans (seeds {min(seeds)}…{max(seeds)})"
    write_table(table(summaries, title, NOTES), folder)
    told = {
        **subject,
        "schema": SCHEMA,
        "first_seed": min(seeds),
        "scans": len(scores),
        "seconds_per_assessment": float(np.median([score.seconds for score in scores])),
        "groups": [asdict(summary) for summary in summaries],
        "findings": findings_by_code(scores),
        "worst": [score.seed for score in worst(scores)],
    }
    write_whole(folder / SUMMARY, (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode())
    write_whole(folder / SCANS, scans_csv(scores).encode())
    return summaries


def essentials(summary: GroupSummary) -> dict[str, Any]:
    """A group's numbers for a model's entry, without their intervals; two digits more than are shown."""

    def rounded(value: Any, decimals: int, factor: float = 1.0) -> float | None:
        value = value.value if isinstance(value, Estimate) else value
        return None if value is None else round(factor * value, decimals)

    return {
        "scans": summary.scans,
        "dice_mean": rounded(summary.dice, 5),
        "dice_min": rounded(summary.dice_min, 5),
        "sma_error_mean_percent": rounded(summary.error_percent, 3),
        "sma_abs_error_mean_percent": rounded(summary.abs_error_percent, 3),
        "sma_abs_error_p95_percent": rounded(summary.abs_error_p95_percent, 3),
        "status_right_percent": rounded(summary.status_right, 3, 100),
        "interval_coverage_percent": rounded(summary.coverage, 3, 100),
        "interval_half_width_percent": rounded(summary.half_width_percent, 3),
        "errors_flagged": summary.flagged,
        "refused": summary.refused,
    }


def scans_csv(scores: Sequence[HeldOutScore]) -> str:
    """A row a scan, units in the columns' names; lists joined by spaces."""
    derived = ("error_cm2", "error_percent", "covered", "half_width_percent", "status_is_right")
    rows = [score.to_mapping() | {name: getattr(score, name) for name in derived} for score in scores]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def worst(scores: Sequence[HeldOutScore], count: int = 6) -> list[HeldOutScore]:
    """The scans of lowest Dice, the lowest first; those without a mask are none of them."""
    drawn = [score for score in scores if score.dice is not None]
    return sorted(drawn, key=lambda score: (score.dice, score.seed))[:count]


def worst_pictures(scores: Sequence[HeldOutScore], model: str, folder: Path) -> Path | None:
    """Draw the worst scans again and picture truth and drawing on them, in `worst/worst.png`."""
    from SarcopeniaTraining.held_out_run import open_model
    from SarcopeniaTraining.second_family import draw_l3

    chosen = worst(scores)
    if not chosen:
        return None
    loaded = open_model(model)
    readings = [read_scan(draw_l3(score.seed), loaded) for score in chosen]
    return save(failures_figure(readings), folder / WORST / "worst.png")


def failures_figure(readings: Sequence[HeldOutReading]) -> Figure:
    """Slices three in a row; muscle that was missed and what is none are filled, agreement is outlined."""
    from matplotlib.patches import Patch

    rows = math.ceil(len(readings) / 3)
    figure, axes = panels(rows, 3, 3.3 * rows + 0.5, gap=(0.02, 0.02))
    for axis, reading in zip(axes, readings, strict=False):
        _show(axis, reading)
    for empty in axes[len(readings) :]:
        empty.axis("off")
    patches: list[Any] = [
        Patch(color=MISSED, label="true muscle, not drawn"),
        Patch(color=EXTRA, label="drawn, no muscle"),
        Patch(facecolor="none", edgecolor=AGREED, label="border of what was drawn rightly"),
    ]
    legend(figure, 3, patches)
    return figure


def _show(axis: Axes, reading: HeldOutReading) -> None:
    from matplotlib.colors import to_rgb

    drawn = np.zeros_like(reading.truth) if reading.drawn is None else reading.drawn
    image, sampled = upright(reading.volume, reading.k, [reading.truth, drawn])
    truth, found = (mask > 0.5 for mask in sampled)
    colours = np.repeat(image[:, :, None], 3, axis=2)
    colours[truth & ~found], colours[found & ~truth] = to_rgb(MISSED), to_rgb(EXTRA)
    show_grey(axis, colours)
    if (truth & found).any():
        axis.contour(truth & found, levels=[0.5], colors=[AGREED], linewidths=[0.35])
    score = reading.score
    axis.set_title(f"Dice {decimal_text(score.dice, 3)}, SMA {error_text(score)}", fontsize=10)
    axis.set_xlabel(fill(f"{score.seed}: {described(score)}", 52), fontsize=7)


def error_text(score: HeldOutScore) -> str:
    """The signed area error as one reads it."""
    return f"{decimal_text(score.error_percent, 1, signed=True)} %"


def described(score: HeldOutScore) -> str:
    """Who and how, in a line: sex, build, slices, kernel, traits."""
    traits = "".join(f", {trait.replace('_', ' ')}" for trait in score.traits)
    return f"{score.sex}, {score.build}, {score.slice_mm:g} mm, {score.kernel}{traits}"


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, list | tuple) else value
