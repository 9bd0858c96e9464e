"""How well a removed outline was filled in: held against the plain twin, which the removal never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaTraining.classification.outline_removal import noise_of, remove_outline
from SarcopeniaTraining.images import read_image
from SarcopeniaTraining.table_files import Block, Shown, Table, number, word

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.classification.drawn_pictures import Habit
    from SarcopeniaTraining.image_cohort import ImageCohort

_NOTES = (
    "Over the pixels that were filled in, of 255 grey levels; the mean over pictures. The outline runs along "
    "the muscle's border, where grey values change most.",
    "Roughness: standard deviation of what a Gaussian of 1.5 pixels leaves over, filled in over plain; 1: no "
    "smooth band betrays where the line was.",
)


@dataclass(frozen=True)
class Quality:
    """One picture's outline, removed.

    Attributes
    ----------
    covered:
        Share of the picture that was filled in.
    error_drawn, error_removed:
        Root mean square difference to the plain twin there, of 255: with the line, and filled in.
    correlation:
        Of the filled in and the plain grey values, −1…1.
    roughness:
        Filled in over plain.
    """

    covered: float
    error_drawn: float
    error_removed: float
    correlation: float
    roughness: float


def quality(plain: NDArray[np.uint8], annotated: NDArray[np.uint8]) -> Quality:
    """Remove the outline and hold the result against the twin, both (rows, columns, 3)."""
    removed = remove_outline(annotated)
    there = removed.restored
    truth = plain.mean(axis=2)
    grey = removed.grey.astype(np.float64)
    return Quality(
        covered=float(there.mean()),
        error_drawn=_rms(annotated.mean(axis=2) - truth, there),
        error_removed=_rms(grey - truth, there),
        correlation=float(np.corrcoef(grey[there], truth[there])[0, 1]),
        roughness=float(noise_of(grey)[there].std() / noise_of(truth)[there].std()),
    )


def quality_table(pictures: Mapping[str, ImageCohort], habits: Sequence[Habit]) -> Table:
    """A row a habit and label: the mean over its outlined pictures."""
    rows = []
    for habit in habits:
        for sarcopenic in (True, False):
            pen = habit.pen(sarcopenic)
            found = [
                quality(read_image(case.image), read_image(case.annotated_image))
                for case in pictures[habit.name].cases
                if case.annotated_image is not None and case.sarcopenic is sarcopenic
            ]
            if pen is None or not found:
                continue
            means = {name: float(np.mean([getattr(one, name) for one in found])) for name in _MEASURES}
            rows.append(
                {
                    "habit": habit.words,
                    "sarcopenic": sarcopenic,
                    "width_pixels": pen.width,
                    "pictures": len(found),
                    **means,
                }
            )
    block = Block(
        "outlines removed without the plain twin",
        ("habit", "sarcopenic", "width_pixels", "pictures", *_MEASURES),
        (
            Shown("habit", word("habit")),
            Shown("sarcopenic", word("sarcopenic")),
            Shown("line, pixels", word("width_pixels")),
            Shown("pictures", word("pictures")),
            Shown("share of the picture", number("covered", 3)),
            Shown("error with the line", number("error_drawn", 1)),
            Shown("error, removed", number("error_removed", 1)),
            Shown("correlation", number("correlation", 2)),
            Shown("roughness", number("roughness", 2)),
        ),
    )
    return Table("removal", "How well drawn outlines are removed", (block,), tuple(rows), _NOTES)


_MEASURES = ("covered", "error_drawn", "error_removed", "correlation", "roughness")


def _rms(difference: NDArray[np.float64], where: NDArray[np.bool_]) -> float:
    return float(np.sqrt((difference[where] ** 2).mean()))
