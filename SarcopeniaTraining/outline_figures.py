"""CT slices with true and predicted outlines, as in the paper's Figures 4 and 5: best, median, worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.criteria import format_area
from SarcopeniaAssessLib.preprocessing import SlabPreset, make_slab
from SarcopeniaAssessLib.segmentation import body_window
from SarcopeniaTraining.figure_style import INK, PREDICTED, TRUTH, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from SarcopeniaTraining.patient_scores import PatientScore, Reading

SHOWN = SlabPreset(in_plane_mm=0.7, slice_mm=5.0, slices=1, hu_low=-160.0, hu_high=240.0)
"""Soft-tissue window on square pixels along the patient's axes, however the CT is stored."""
SCALE_BAR_MM = 50.0


@dataclass(frozen=True)
class Chosen:
    """A patient whose slice is shown, and why: the best, median or worst Dice of a group."""

    rank: str
    score: PatientScore


def best_median_worst(scores: Sequence[PatientScore]) -> tuple[Chosen, ...]:
    """Best, median (of an even number the lower one) and worst by Dice; fewer of a small group."""
    ordered = sorted(scores, key=lambda score: (score.dice, score.case))
    if not ordered:
        return ()
    places = {"best": len(ordered) - 1, "median": (len(ordered) - 1) // 2, "worst": 0}
    ranks: dict[int, list[str]] = {}
    for rank, place in places.items():
        ranks.setdefault(place, []).append(rank)
    return tuple(Chosen(" and ".join(names), ordered[place]) for place, names in ranks.items())


def outline_figure(chosen: Sequence[Chosen], readings: Sequence[Reading], title: str) -> Figure:
    """A panel a patient: the slice as a radiologist sees it, the true outline under the predicted one."""
    from matplotlib.lines import Line2D

    figure, axes = panels(1, max(len(chosen), 2), 4.1)
    for axis, one, reading in zip(axes, chosen, readings, strict=False):
        draw_outlines(axis, reading)
        axis.set_title(f"{one.rank}: Dice {one.score.dice:.3f}")
        axis.set_xlabel(_areas(one.score))
    for axis in axes[len(chosen) :]:
        axis.axis("off")
    lines = [
        Line2D([], [], color=TRUTH, linewidth=3.2, label="true outline"),
        Line2D([], [], color=PREDICTED, linewidth=1.4, label="predicted outline"),
    ]
    figure.suptitle(title, color=INK)
    legend = figure.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False)
    for text in legend.get_texts():
        text.set_color(INK)
    return figure


def caption(chosen: Sequence[Chosen], group: str, fold: int) -> str:
    """What the picture shows, in words."""
    shown = "; ".join(
        f"{one.rank}: {one.score.case}, Dice {one.score.dice:.3f}, {_areas(one.score).replace(chr(10), ', ')}"
        for one in chosen
    )
    return (
        f"Test patients of fold {fold} who are {group}, at L3, seen from the feet (patient's left on the "
        "right side); soft-tissue window −160…240 HU. True outline in blue, predicted one in orange. "
        f"By Dice: {shown}."
    )


def draw_outlines(axis: Axes, reading: Reading) -> None:
    """The slice in grey with both outlines and a scale bar of 5 cm."""
    image, (truth, predicted) = upright(reading.volume, reading.k, (reading.truth, reading.predicted))
    show_grey(axis, image)
    for mask, colour, width in ((truth, TRUTH, 1.6), (predicted, PREDICTED, 0.7)):
        if mask.any():
            axis.contour(mask, levels=[0.5], colors=[colour], linewidths=[width])
    length = SCALE_BAR_MM / SHOWN.in_plane_mm
    rows, columns = image.shape
    right, low = columns - 0.03 * columns, rows - 0.04 * rows
    axis.plot([right - length, right], [low, low], color="white", linewidth=2.5, solid_capstyle="butt")
    axis.text(right - length / 2, low - 0.02 * rows, "5 cm", color="white", ha="center", va="bottom", size=9)


def show_grey(axis: Axes, image: NDArray[Any]) -> None:
    """An upright image 0…1 without ticks."""
    axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="bilinear")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def upright(
    volume: Any, k: int, masks: Sequence[NDArray[Any]], preset: SlabPreset = SHOWN
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Slice k and masks of it (I, J) as (row, column): anterior up, the patient's left on the right.

    Returns
    -------
    The slice 0…1 and the masks 0…1 on the preset's pixels, cut to the body.
    """
    slab = make_slab(volume, k, preset)
    window = body_window(slab.image)
    sampled = [slab.plane.sample(mask, outside=0.0, smooth=False) for mask in masks]
    return (
        radiological(slab.image[window][:, :, preset.middle]),
        [radiological(mask[window]) for mask in sampled],
    )


def radiological(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(i to the right, j to anterior) → (row to posterior, column to the patient's left)."""
    return np.ascontiguousarray(image[::-1, ::-1].T)


def _areas(score: PatientScore) -> str:
    truth, predicted = (
        format_area(value, score.cutoff_cm2) for value in (score.truth_sma_cm2, score.predicted_sma_cm2)
    )
    error = f"{score.error_percent:+.1f}".replace("-", "−")
    return f"true {truth} cm², predicted {predicted} cm²\n({error} %)"
