"""The picture of docs/cohorts.md, as the paper's Figure 2: CT, annotated image, the mask filled from it.

python -m SarcopeniaTraining.annotation_figure docs/images/outline.png

Both patients are phantoms, one sarcopenic and one not; the outline is drawn by Pillow over their true
muscle and read back from the picture as `sarcopenia import --kind outline` reads it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.criteria import format_area
from SarcopeniaAssessLib.overlay import WINDOW_HU
from SarcopeniaAssessLib.patient import Sex
from SarcopeniaTraining.cohort import is_sarcopenic
from SarcopeniaTraining.outlines import fill_outline
from SarcopeniaTraining.phantom.patients import ScanPlan, Wanted, cutoff_cm2, make_patient

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SEED = 3
OUTLINE = (255, 64, 32)
WIDTH = 2
_HAND_RADIUS = 4
_SMALLEST_PIXELS = 60
_SCAN = ScanPlan(spacing_mm=(0.75, 0.75, 5.0), coverage_mm=15.0, noise_hu=12.0, phase="portal")


@dataclass(frozen=True, eq=False)
class Annotation:
    """One patient's L3 as (rows, columns) of radiological display.

    Attributes
    ----------
    grey, annotated:
        (rows, columns, 3); the second with the outline.
    truth, filled:
        What was outlined, and what was read back.
    """

    grey: NDArray[np.uint8]
    annotated: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    pixel_area_cm2: float
    sex: Sex


def grey_image(hu: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A canonical slice (I, J) in HU as an image (rows, columns, 3) in a soft-tissue window."""
    low, high = WINDOW_HU
    grey = np.clip((hu - low) / (high - low), 0, 1) * 255
    return np.repeat(display(grey.astype(np.uint8))[:, :, None], 3, axis=2)


def display(canonical: NDArray[Any]) -> NDArray[Any]:
    """(I, J) → (rows, columns): the patient's right on the left, anterior up."""
    return canonical.T[::-1, ::-1]


def by_hand(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What a person would outline of a mask: groups of muscle without gaps and slips of few pixels."""
    from scipy.ndimage import binary_closing, binary_opening, label

    i, j = np.mgrid[-_HAND_RADIUS : _HAND_RADIUS + 1, -_HAND_RADIUS : _HAND_RADIUS + 1]
    disk = i**2 + j**2 <= _HAND_RADIUS**2
    smooth = binary_opening(binary_closing(mask, disk), disk)
    for value in (True, False):  # first slips of muscle, then holes
        pieces, _ = label(smooth == value)
        sizes = np.bincount(pieces.ravel())
        smooth[(sizes < _SMALLEST_PIXELS)[pieces] & (pieces > 0)] = not value
    kept: NDArray[np.bool_] = smooth
    return kept


def draw_outline(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], *, width: int = WIDTH
) -> NDArray[np.uint8]:
    """An image with the border of a mask drawn on it as closed lines; all are (rows, columns)."""
    from contourpy import contour_generator
    from PIL import Image, ImageDraw

    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    borders: Any = contour_generator(z=mask.astype(np.float64)).lines(0.5)
    for border in borders:
        pen.line([(float(x), float(y)) for x, y in border], fill=OUTLINE, width=width)
    return np.array(picture)


def annotate(wanted: Wanted, seed: int = SEED, width: int = WIDTH) -> Annotation:
    """Draw a phantom, outline its muscle, and read the outline back from the picture."""
    patient = make_patient(seed, wanted, _SCAN)
    drawn = patient.draw()
    axes = patient.grid.axes
    grey = grey_image(axes.view(drawn.hu)[:, :, patient.level].astype(np.float32))
    truth = by_hand(display(axes.view(drawn.muscle)[:, :, patient.level] > 0))
    annotated = draw_outline(grey, truth, width=width)
    area_cm2 = float(np.prod(patient.grid.in_plane_mm)) / 100
    return Annotation(grey, annotated, truth, fill_outline(annotated).mask, area_cm2, wanted.sex)


def annotation_figure(patients: tuple[Annotation, ...]) -> Figure:
    """A row a patient: CT, annotated image, filled mask."""
    from SarcopeniaTraining.figure_style import INK, panels

    figure, axes = panels(len(patients), 3, 2.7 * len(patients) + 0.2)
    for row, patient in enumerate(patients):
        filled_cm2, truth_cm2 = (
            np.count_nonzero(m) * patient.pixel_area_cm2 for m in (patient.filled, patient.truth)
        )
        status = "sarcopenic" if is_sarcopenic(filled_cm2, patient.sex) else "not sarcopenic"
        shown = format_area(filled_cm2, cutoff_cm2(patient.sex))
        titles = (
            f"CT at L3, {patient.sex.value} phantom",
            "Annotated image: drawn outline",
            f"Filled: {shown} cm², {status}\n(outlined: {truth_cm2:.1f} cm²)",
        )
        images = (patient.grey, patient.annotated, patient.filled)
        for axis, title, image in zip(axes[3 * row : 3 * row + 3], titles, images, strict=True):
            axis.imshow(image, cmap="gray", interpolation="nearest")
            axis.set_title(title, color=INK, fontsize=10)
            axis.set_axis_off()
    return figure


def write_figure(path: Path) -> Path:
    """A sarcopenic man and a man who is not, as a PNG."""
    from SarcopeniaTraining.figure_style import save

    wanted = (Wanted(1, Sex.MALE, True), Wanted(2, Sex.MALE, False))
    return save(annotation_figure(tuple(annotate(each) for each in wanted)), path)


if __name__ == "__main__":
    write_figure(Path(sys.argv[1]))
