"""The muscle area along the slices of a CT: anatomy changes slowly, so a step in the curve is a fault.

python -m SarcopeniaTraining.area_curve CT --slices 60:85 --labels LABELS --out DIR

Every slice is drawn on its own by the library's `segment_slices`. Writes `area-curve.csv`, `.json` and
`.png`; with `--montage FILE` the overlays of the slices, to be looked at (they show the patient).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from SarcopeniaAssessLib.ct_io import open_ct, read_label_map
from SarcopeniaAssessLib.errors import LevelError
from SarcopeniaAssessLib.geometry import CanonicalAxes, spacing_mm
from SarcopeniaAssessLib.level import body_extent
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.segmentation import segment_slices
from SarcopeniaTraining.figure_style import GREY, INK, PREDICTED, RUN_COLOURS, legend, panels, save
from SarcopeniaTraining.outline_figures import show_grey, upright

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.models import SegmentationModel
    from SarcopeniaAssessLib.volume import CtVolume

NAME = "area-curve"
SCHEMA = "sarcopenia-area-curve/1"
_LUMBAR = {27: "L5", 28: "L4", 29: "L3", 30: "L2", 31: "L1"}
"""Labels of TotalSegmentator."""


@dataclass(frozen=True)
class AreaCurve:
    """Areas of neighbouring slices, from the feet.

    Attributes
    ----------
    model, sha256:
        Who drew.
    slices, superior_mm, sma_cm2:
        Equally long, ascending.
    """

    model: str
    sha256: str | None
    slices: tuple[int, ...]
    superior_mm: tuple[float, ...]
    sma_cm2: tuple[float, ...]

    @property
    def steps_percent(self) -> tuple[float, ...]:
        """From each slice to the next, signed, of the mean of the two; 200 where one is empty."""
        areas = np.asarray(self.sma_cm2)
        middle = np.maximum((areas[1:] + areas[:-1]) / 2, 1e-9)
        return tuple(float(step) for step in 100 * np.diff(areas) / middle)

    @property
    def max_step_percent(self) -> float:
        """The largest step between neighbours, absolute."""
        return max((abs(step) for step in self.steps_percent), default=0.0)

    @property
    def roughness_percent(self) -> float:
        """Mean distance of a slice from the mean of its two neighbours, of that mean.

        A curve that rises or falls evenly has none, however steep.
        """
        areas = np.asarray(self.sma_cm2)
        if len(areas) < 3:
            return 0.0
        between = np.maximum((areas[2:] + areas[:-2]) / 2, 1e-9)
        return float(np.mean(np.abs(areas[1:-1] / between - 1)) * 100)


@dataclass(frozen=True)
class Band:
    """Heights, in superior mm, of something that the picture names: a vertebral body."""

    name: str
    low_mm: float
    high_mm: float


def area_curve(
    volume: CtVolume, levels: Sequence[int], model: SegmentationModel, device: str = "cpu"
) -> tuple[AreaCurve, list[NDArray[np.bool_]]]:
    """The curve of some slices, and their masks (I, J)."""
    masks = [found.mask for found in segment_slices(volume, levels, model, device)]
    areas = tuple(float(mask.sum()) * volume.pixel_area_cm2 for mask in masks)
    heights = tuple(volume.slice_superior_mm(k) for k in levels)
    entry = model.entry
    return AreaCurve(entry.name, entry.sha256, tuple(levels), heights, areas), masks


def slice_range(spec: str, slice_count: int) -> range:
    """`FIRST:LAST`, both included, counted from the feet: two slices at least.

    Raises
    ------
    LevelError
        No such range, or slices that the CT does not have.
    """
    first, _, last = spec.partition(":")
    if not (first.isdecimal() and last.isdecimal()) or int(first) >= int(last):
        raise LevelError(f"--slices {spec} is no range", "give FIRST:LAST, e.g. 60:85, from the feet")
    if int(last) >= slice_count:
        raise LevelError(f"slice {last} lies outside the scan", f"its slices are 0…{slice_count - 1}")
    return range(int(first), int(last) + 1)


def vertebral_bodies(labels: Path) -> tuple[Band, ...]:
    """Bodies L1 to L5 of a TotalSegmentator label map, from the lowest, with half a slice at each end."""
    label_map = read_label_map(labels)
    axes = CanonicalAxes.of(label_map.ras_from_ijk)
    canonical = axes.view(label_map.labels)
    ras = axes.ras_from_canonical(label_map.ras_from_ijk, label_map.labels.shape)
    bands = []
    for value, name in _LUMBAR.items():
        if not (canonical == value).any():
            continue
        i, j, bottom, top = body_extent(canonical, value, spacing_mm(ras))
        ends = [float((ras @ np.array([i, j, k, 1.0]))[2]) for k in (bottom - 0.5, top + 0.5)]
        bands.append(Band(name, *ends))
    return tuple(bands)


def curve_csv(curves: Sequence[AreaCurve]) -> str:
    """A row a slice and model, units in the columns' names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "slice_from_feet", "superior_mm", "sma_cm2", "step_percent"])
    for curve in curves:
        steps: tuple[float | str, ...] = ("", *(round(step, 3) for step in curve.steps_percent))
        for k, height, area, step in zip(curve.slices, curve.superior_mm, curve.sma_cm2, steps, strict=True):
            writer.writerow([curve.model, k, round(height, 2), round(area, 3), step])
    return text.getvalue()


def curve_json(curves: Sequence[AreaCurve]) -> str:
    """The curves with their smoothness."""
    told = {
        "schema": SCHEMA,
        "curves": [
            {
                **vars(curve),
                "max_step_percent": round(curve.max_step_percent, 2),
                "roughness_percent": round(curve.roughness_percent, 2),
            }
            for curve in curves
        ],
    }
    return json.dumps(told, indent=1) + "\n"


def curve_figure(curves: Sequence[AreaCurve], bands: Sequence[Band] = ()) -> Figure:
    """Area over height, and below it the step from slice to slice."""
    figure, (areas, steps) = panels(2, 1, 5.6, gap=(0.02, 0.04))
    for number, (curve, colour) in enumerate(zip(curves, cycle(RUN_COLOURS), strict=False)):
        heights = np.asarray(curve.superior_mm)
        areas.plot(heights, curve.sma_cm2, "o-", color=colour, markersize=4, label=curve.model)
        between = (heights[1:] + heights[:-1]) / 2
        width = 0.8 * float(np.diff(heights).min()) / len(curves)
        shift = width * (number - (len(curves) - 1) / 2)
        steps.bar(between + shift, curve.steps_percent, width=width, color=colour)
    low, high = min(curves[0].superior_mm), max(curves[0].superior_mm)
    for axis in (areas, steps):
        _bands(axis, bands, (low, high), named=axis is areas)
        axis.set_xlim(low - 3, high + 3)
    areas.set_ylim(0, 1.1 * max(max(curve.sma_cm2) for curve in curves))
    _mark_slices(areas, curves[0])
    areas.set_ylabel("muscle area (cm²)")
    areas.tick_params(labelbottom=False)
    steps.axhline(0, color=GREY, linewidth=0.8)
    steps.set_ylabel("step to the next slice (%)")
    steps.set_xlabel("height, superior (mm)")
    legend(figure, len(curves))
    return figure


def _mark_slices(axis: Axes, curve: AreaCurve) -> None:
    """Numbers of the slices, from the feet, along the upper edge."""
    every = max(len(curve.slices) // 13, 1)
    above = axis.secondary_xaxis("top")
    above.set_xticks(list(curve.superior_mm[::every]), [str(k) for k in curve.slices[::every]])
    above.set_xlabel("slice from the feet", fontsize=9)
    above.tick_params(labelsize=8, length=2)
    above.spines["top"].set_visible(False)


def _bands(axis: Axes, bands: Sequence[Band], limits: tuple[float, float], *, named: bool) -> None:
    for band in bands:
        low, high = max(band.low_mm, limits[0] - 3), min(band.high_mm, limits[1] + 3)
        if low >= high:
            continue
        axis.axvspan(low, high, color=GREY, alpha=0.14, linewidth=0, zorder=0)
        if named:
            where = axis.get_xaxis_transform()
            axis.text((low + high) / 2, 0.04, band.name, transform=where, ha="center", color=INK)


def montage(volume: CtVolume, levels: Sequence[int], masks: Sequence[NDArray[np.bool_]]) -> Figure:
    """The slices in rows of four with the drawn border, from the lowest."""
    columns = 4
    figure, axes = panels(math.ceil(len(levels) / columns), columns, 2.0 * math.ceil(len(levels) / columns))
    for axis, k, mask in zip(axes, levels, masks, strict=False):
        image, (shown,) = upright(volume, k, [mask])
        show_grey(axis, image)
        if (shown > 0.5).any():
            axis.contour(shown, levels=[0.5], colors=[PREDICTED], linewidths=[0.7])
        area = float(mask.sum()) * volume.pixel_area_cm2
        axis.set_title(f"{k}: {area:.1f} cm²", fontsize=8)
    for empty in axes[len(levels) :]:
        empty.axis("off")
    return figure


@click.command()
@click.argument("ct", type=click.Path(path_type=Path))
@click.option("--slices", "spec", metavar="FIRST:LAST", required=True, help="From the feet, both included.")
@click.option("--model", "names", multiple=True, help="May be repeated. Default: the default model.")
@click.option("--labels", type=click.Path(path_type=Path), help="Vertebrae, to be marked in the picture.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
@click.option("--montage", "montage_file", type=click.Path(path_type=Path), help="Overlays, as PNG.")
def command(ct: Path, spec: str, names: tuple[str, ...], **options: Any) -> None:
    """Muscle area along the slices of CT: table, picture, smoothness."""
    from SarcopeniaAssessLib.models import default_model_name
    from SarcopeniaTraining.held_out_run import open_model

    volume = open_ct(ct)
    levels = slice_range(spec, volume.slice_count)
    found = [area_curve(volume, levels, open_model(name)) for name in names or (default_model_name(),)]
    curves = [curve for curve, _ in found]
    bands = () if options["labels"] is None else vertebral_bodies(options["labels"])
    out: Path = options["out"]
    write_whole(out / f"{NAME}.csv", curve_csv(curves).encode())
    write_whole(out / f"{NAME}.json", curve_json(curves).encode())
    save(curve_figure(curves, bands), out / f"{NAME}.png")
    if options["montage_file"] is not None:
        save(montage(volume, levels, found[0][1]), options["montage_file"])
    for curve in curves:
        click.echo(
            f"{curve.model}: largest step {curve.max_step_percent:.1f} %, roughness "
            f"{curve.roughness_percent:.1f} %"
        )


if __name__ == "__main__":
    import sys

    from SarcopeniaAssessLib.__main__ import run_group

    sys.exit(run_group(command, program="python -m SarcopeniaTraining.area_curve"))
