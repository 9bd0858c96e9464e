"""The picture of docs/evaluation.md: the way from CT to status, as the paper's Figure 1, from real images.

python -m SarcopeniaTraining.pipeline_figure docs/images/pipeline.png

Every image is what the library computes for the sample CT (a phantom) with a bundled model. The paper's
second route, image classifiers, is not drawn.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.criteria import format_area, judge
from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.measurement import measure_slice
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaAssessLib.preprocessing import SlabPreset, make_slab
from SarcopeniaAssessLib.segmentation import SliceSegmentation, segment_slice
from SarcopeniaTraining.figure_style import GREY, INK, PREDICTED, panels, save
from SarcopeniaTraining.outline_figures import radiological, show_grey, upright
from SarcopeniaTraining.phantom.demo import SLICE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from SarcopeniaAssessLib.volume import CtVolume

_WIDE_HU = (-1000.0, 1000.0)


@dataclass(frozen=True, eq=False)
class Route:
    """A CT on its way: volume, slice from the feet, what the model sees and what it draws."""

    volume: CtVolume
    k: int
    preset: SlabPreset
    drawn: SliceSegmentation


def sample_route() -> Route:
    """The sample CT of `make demo`, a man's, through the default model."""
    volume = open_ct(resource_path("demo") / "ct.nii.gz").with_patient(PatientFacts(Sex.MALE, "given"))
    model = load_model()
    preset = SlabPreset.from_mapping(model.entry.preprocessing)
    return Route(volume.around(SLICE), SLICE, preset, segment_slice(volume, SLICE, model))


def pipeline_figure(route: Route) -> Figure:
    """Six steps in two rows, with arrows from each to the next."""
    figure, axes = panels(2, 3, 5.5, gap=(0.1, 0.06))
    _stored(axes[0], route)
    _slab(axes[1], route)
    _window(axes[2], route)
    _probability(axes[3], route)
    _mask(axes[4], route)
    _result(axes[5], route)
    for panel in (axes[0], axes[1], axes[3], axes[4]):
        _arrow(panel)
    figure.suptitle("From CT to status, on a phantom: the quantitative route", size=13)
    return figure


def _stored(axis: Axes, route: Route) -> None:
    """The slice as the file stores it: rows and columns of the array, full range of HU."""
    volume = route.volume
    low, high = _WIDE_HU
    native = volume.source.read(2, *_native(volume, route.k))[:, :, 0]
    show_grey(axis, ((native - low) / (high - low)).clip(0, 1).T)
    shape = "×".join(map(str, volume.shape))
    spacing = "×".join(f"{side:g}" for side in volume.spacing_mm)
    _name(axis, "1  CT, L3 chosen by hand", f"{volume.orientation}, {shape}, {spacing} mm")


def _native(volume: CtVolume, k: int) -> tuple[int, int]:
    native = volume.axes.native_slice(k, volume.slice_count)
    return native, native + 1


def _slab(axis: Axes, route: Route) -> None:
    """The slab's slices, the lower ones behind, each shifted a little."""
    low, high = _WIDE_HU
    slab = make_slab(route.volume, route.k, replace(route.preset, hu_low=low, hu_high=high))
    layers = [radiological(slab.image[:, :, n]) for n in range(slab.image.shape[2])]
    rows, columns = layers[0].shape
    shift = 0.1 * rows
    for n, layer in enumerate(layers):
        x, y = n * shift, (len(layers) - 1 - n) * shift
        axis.imshow(layer, cmap="gray", vmin=0, vmax=1, extent=(x, x + columns, y + rows, y), zorder=n)
        axis.plot(
            [x, x + columns, x + columns, x, x],
            [y, y, y + rows, y + rows, y],
            color="white",
            linewidth=1,
            zorder=n,
        )
    last = (len(layers) - 1) * shift
    axis.set_xlim(0, columns + last)
    axis.set_ylim(rows + last, 0)
    _bare(axis)
    preset = route.preset
    _name(
        axis,
        "2  Standard axes, spacing",
        f"RAS, {preset.slices} slices, {preset.in_plane_mm:g}×{preset.in_plane_mm:g}×{preset.slice_mm:g} mm",
    )


def _window(axis: Axes, route: Route) -> None:
    image, _ = upright(route.volume, route.k, [], route.preset)
    show_grey(axis, image)
    _name(
        axis,
        "3  What the network sees",
        f"{route.preset.hu_low:g} … {route.preset.hu_high:g} HU scaled to 0 … 1".replace("-", "−"),
    )


def _probability(axis: Axes, route: Route) -> None:
    image, (probability,) = upright(
        route.volume, route.k, [route.drawn.outline_probability], replace(route.preset, in_plane_mm=0.7)
    )
    show_grey(axis, image)
    shown: Any = axis.imshow(probability, cmap="inferno", vmin=0, vmax=1, alpha=0.72)
    bar = axis.figure.colorbar(
        shown, cax=axis.inset_axes((0.72, -0.1, 0.28, 0.035)), orientation="horizontal"
    )
    bar.set_ticks([0, 1])
    bar.ax.tick_params(labelsize=9)
    _name(axis, "4  Probability of outline", "on the CT's own pixels")


def _mask(axis: Axes, route: Route) -> None:
    image, (mask,) = upright(
        route.volume, route.k, [route.drawn.mask], replace(route.preset, in_plane_mm=0.7)
    )
    show_grey(axis, image)
    axis.contourf(mask, levels=[0.5, 1.5], colors=[PREDICTED], alpha=0.55)
    axis.contour(mask, levels=[0.5], colors=[PREDICTED], linewidths=[0.8])
    _name(axis, "5  Muscle mask", "outline within −29 … 150 HU")


def _result(axis: Axes, route: Route) -> None:
    measured = measure_slice(route.drawn.mask, route.volume.pixel_area_cm2)
    status = judge(measured, route.volume.patient).status
    pixels, area_mm2 = int(route.drawn.mask.sum()), 100 * route.volume.pixel_area_cm2
    axis.axis("off")
    cutoff = "" if status.cutoff is None else f"man: sarcopenic below {status.cutoff:g} {status.unit}"
    for height, text, size, weight in (
        (0.84, f"{pixels:,} pixels × {area_mm2:.2f} mm²".replace(",", " "), 11, "normal"),
        (0.62, f"SMA {format_area(measured.sma_cm2, status.cutoff)} cm²", 19, "bold"),
        (0.42, cutoff, 11, "normal"),
        (0.26, status.value.value, 15, "bold"),
    ):
        axis.text(0.5, height, text, ha="center", size=size, weight=weight, color=INK)
    _name(axis, "6  Area and status", "")


def _name(axis: Axes, title: str, below: str) -> None:
    axis.set_title(title, size=11.5, loc="left", weight="bold")
    axis.text(0, -0.03, below, transform=axis.transAxes, va="top", size=9.5, color=INK)


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _arrow(axis: Axes) -> None:
    """From a panel to the next of its row."""
    axis.annotate(
        "",
        (1.11, 0.5),
        (1.02, 0.5),
        xycoords="axes fraction",
        arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 2, "mutation_scale": 18},
        annotation_clip=False,
    ).set_in_layout(False)


if __name__ == "__main__":
    save(pipeline_figure(sample_route()), Path(sys.argv[1]))
