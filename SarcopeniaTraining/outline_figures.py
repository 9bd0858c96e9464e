"""CT slices with true and predicted outlines, as in the paper's Figures 4 and 5: best, median, worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.criteria import format_area
from SarcopeniaAssessLib.preprocessing import SlabPreset, make_slab
from SarcopeniaAssessLib.segmentation import body_window
from SarcopeniaTraining.figure_style import GREY, INK, PREDICTED, TRUTH, legend, panels

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.volume import CtVolume
    from SarcopeniaTraining.patient_scores import PatientScore, Reading

SHOWN = SlabPreset(in_plane_mm=0.7, slice_mm=5.0, slices=1, hu_low=-160.0, hu_high=240.0)
"""Soft-tissue window on square pixels along the patient's axes, however the CT is stored."""
SCALE_BAR_MM = 50.0
NEAR_MM = 70.0
NEAR_PX = round(NEAR_MM / SHOWN.in_plane_mm)
"""Side of the square that is enlarged."""


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
    if len(ordered) == 1:
        return (Chosen("the only one", ordered[0]),)
    places = {"best": len(ordered) - 1, "median": (len(ordered) - 1) // 2, "worst": 0}
    ranks: dict[int, list[str]] = {}
    for rank, place in places.items():
        ranks.setdefault(place, []).append(rank)
    return tuple(Chosen(" and ".join(names), ordered[place]) for place, names in ranks.items())


def outline_figure(chosen: Sequence[Chosen], readings: Sequence[Reading], title: str) -> Figure:
    """A column a patient: the slice as a radiologist sees it, and below it where the outlines differ most."""
    from matplotlib.lines import Line2D

    views = [upright(one.volume, one.k, (one.truth, one.predicted)) for one in readings]
    size = (max(view[0].shape[0] for view in views), max(view[0].shape[1] for view in views))
    figure, axes = panels(2, max(len(chosen), 3), 6.9, gap=(0.02, 0.02))
    columns = len(axes) // 2
    for column, (one, (image, masks)) in enumerate(zip(chosen, views, strict=True)):
        whole, near = axes[column], axes[columns + column]
        slice_view, true, predicted = (_centred(each, size) for each in (image, *masks))
        _draw_outlines(whole, slice_view, (true, predicted), (1.5, 0.7))
        _scale_bar(whole, slice_view.shape, SCALE_BAR_MM)
        whole.set_title(f"{one.rank}: Dice {one.score.dice:.3f}")
        whole.set_xlabel(_areas(one.score))
        corner = _where_they_differ(true, predicted)
        _draw_outlines(near, slice_view, (true, predicted), (3.2, 1.3))
        near.set_xlim(corner[1], corner[1] + NEAR_PX)
        near.set_ylim(corner[0] + NEAR_PX, corner[0])
        x, y = (
            corner[1] + np.array([0, 1, 1, 0, 0]) * NEAR_PX,
            corner[0] + np.array([0, 0, 1, 1, 0]) * NEAR_PX,
        )
        whole.plot(x, y, color="white", linewidth=0.9)
    for empty in (*axes[len(chosen) : columns], *axes[columns + len(chosen) :]):
        empty.axis("off")
    lines: list[Artist] = [
        Line2D([], [], color=TRUTH, linewidth=3.2, label="true outline"),
        Line2D([], [], color=PREDICTED, linewidth=1.4, label="predicted outline"),
        Line2D([], [], color=GREY, linewidth=0.9, label=f"square: enlarged below, {NEAR_MM / 10:g} cm wide"),
    ]
    figure.suptitle(title, color=INK)
    legend(figure, 3, lines)
    return figure


def caption(chosen: Sequence[Chosen], group: str, fold: int) -> str:
    """What the picture shows, in words."""
    shown = "; ".join(
        f"{one.rank}: {one.score.case}, Dice {one.score.dice:.3f}, {_areas(one.score).replace(chr(10), ' ')}"
        for one in chosen
    )
    return (
        f"Test patients of fold {fold} who are {group}, at L3, seen from the feet (patient's left on the "
        "right side), all at one scale; soft-tissue window −160…240 HU. True outline in blue, predicted one "
        f"in orange; below, the {NEAR_MM / 10:g} cm where they differ most. By Dice: {shown}."
    )


def _draw_outlines(
    axis: Axes,
    image: NDArray[np.float32],
    masks: tuple[NDArray[np.float32], NDArray[np.float32]],
    widths: tuple[float, float],
) -> None:
    """The slice in grey, the true outline under the predicted one."""
    show_grey(axis, image)
    for mask, colour, width in zip(masks, (TRUTH, PREDICTED), widths, strict=True):
        if (mask > 0.5).any():
            axis.contour(mask, levels=[0.5], colors=[colour], linewidths=[width])


def _scale_bar(axis: Axes, shape: tuple[int, ...], length_mm: float) -> None:
    length, (rows, columns) = length_mm / SHOWN.in_plane_mm, shape
    right, low = 0.97 * columns, 0.96 * rows
    axis.plot([right - length, right], [low, low], color="white", linewidth=2.5, solid_capstyle="butt")
    words = f"{length_mm / 10:g} cm"
    axis.text(right - length / 2, low - 0.02 * rows, words, color="white", ha="center", va="bottom", size=9)


def _where_they_differ(true: NDArray[np.float32], predicted: NDArray[np.float32]) -> tuple[int, int]:
    """First row and column of the square with the most pixels that are in one mask alone."""
    from scipy.ndimage import uniform_filter

    apart = ((true > 0.5) != (predicted > 0.5)).astype(np.float32)
    row, column = np.unravel_index(uniform_filter(apart, NEAR_PX, mode="constant").argmax(), apart.shape)
    rows, columns = apart.shape
    return (
        int(np.clip(row - NEAR_PX // 2, 0, max(rows - NEAR_PX, 0))),
        int(np.clip(column - NEAR_PX // 2, 0, max(columns - NEAR_PX, 0))),
    )


def _centred(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """The image in the middle of a larger black one, so that all are shown at one scale."""
    before = [(wanted - side) // 2 for wanted, side in zip(size, image.shape, strict=True)]
    after = [wanted - side - first for wanted, side, first in zip(size, image.shape, before, strict=True)]
    return np.pad(image, list(zip(before, after, strict=True)))


def show_grey(axis: Axes, image: NDArray[Any]) -> None:
    """An upright image 0…1 without ticks."""
    axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="bilinear")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def upright(
    volume: CtVolume, k: int, masks: Sequence[NDArray[Any]], preset: SlabPreset = SHOWN
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
