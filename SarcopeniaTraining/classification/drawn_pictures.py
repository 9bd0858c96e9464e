"""Pictures of a cohort of CTs with the muscle outlined as readers do it: for the study of what a leak brings.

Each case gets its slice at L3 in the soft-tissue window, plain, and a twin for each habit of drawing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.annotation_figure import by_hand, display, draw_outline, grey_image
from SarcopeniaTraining.image_cohort import ImageCohort, read_image_cohort

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.cohort import Cohort, CohortCase

YELLOW, RED = (255, 230, 0), (255, 48, 32)
_PLAIN = "image.png"
_COLUMNS = ("case", "image", "annotated_image", "sex", "sarcopenic", "patient")


@dataclass(frozen=True)
class Pen:
    """What an outline is drawn with: colour, and width in pixels."""

    colour: tuple[int, int, int]
    width: int


@dataclass(frozen=True)
class Habit:
    """Who is outlined with what.

    Attributes
    ----------
    name, words:
        Of files; in tables.
    sarcopenic, other:
        The pen for each class; `None`: not outlined.
    """

    name: str
    words: str
    sarcopenic: Pen | None
    other: Pen | None

    def pen(self, sarcopenic: bool) -> Pen | None:
        """The pen for a case of this label."""
        return self.sarcopenic if sarcopenic else self.other


HABITS = (
    Habit("one-pen", "everybody, one pen", Pen(YELLOW, 2), Pen(YELLOW, 2)),
    Habit("two-readers", "two readers, a class each", Pen(RED, 3), Pen(YELLOW, 1)),
    Habit("one-class", "sarcopenic ones only", Pen(YELLOW, 2), None),
)


def habits_of(names: str) -> tuple[Habit, ...]:
    """Habits by name, `one-pen,one-class`, in the order of `HABITS`.

    Raises
    ------
    InputError
        An unknown one.
    """
    asked = [name.strip() for name in names.split(",")]
    unknown = sorted(set(asked) - {habit.name for habit in HABITS})
    if unknown:
        raise InputError(
            f"no habit is called {unknown[0]!r}", f"give {', '.join(habit.name for habit in HABITS)}"
        )
    return tuple(habit for habit in HABITS if habit.name in asked)


def write_pictures(
    cohort: Cohort, habits: Sequence[Habit], folder: Path, tell: Callable[[str], None]
) -> dict[str, ImageCohort]:
    """Draw what is missing, and return the cohort of pictures of each habit by its name.

    Parameters
    ----------
    folder:
        Gets a folder a case, and a manifest `HABIT.csv` for each habit; a manifest is written last.

    Raises
    ------
    SarcopeniaError
        A case without a mask or a label, or files that cannot be read or written.
    """
    wanted = [habit for habit in habits if not (folder / f"{habit.name}.csv").is_file()]
    if wanted:
        rows = {habit.name: [dict(zip(_COLUMNS, _COLUMNS, strict=True))] for habit in wanted}
        for number, case in enumerate(cohort.cases, start=1):
            tell(f"picture {number} of {len(cohort.cases)}")
            for name, row in _draw_case(case, wanted, folder / case.case):
                rows[name].append(row)
        for habit in wanted:
            text = io.StringIO()
            csv.DictWriter(text, _COLUMNS, lineterminator="\n").writerows(rows[habit.name])
            write_whole(folder / f"{habit.name}.csv", text.getvalue().encode())
    return {habit.name: read_image_cohort(folder / f"{habit.name}.csv") for habit in habits}


def without_plain_twins(cohort: ImageCohort) -> ImageCohort:
    """The same cohort, of whose annotated cases nothing is left but the annotated picture."""
    cases = (
        case
        if case.annotated_image is None
        else replace(case, image=case.annotated_image, annotated_image=None)
        for case in cohort.cases
    )
    return replace(cohort, cases=tuple(cases))


def outlined(plain: NDArray[np.uint8], mask: NDArray[np.bool_], pen: Pen) -> NDArray[np.uint8]:
    """A picture (rows, columns, 3) with the border of a mask drawn on it by a pen."""
    drawn = draw_outline(plain, mask, width=pen.width)
    drawn[(drawn != plain).any(axis=2)] = pen.colour
    return drawn


def _draw_case(case: CohortCase, habits: Sequence[Habit], folder: Path) -> list[tuple[str, dict[str, str]]]:
    if case.sarcopenic is None:
        raise InputError(f"{case.case} has no label", "fill in the manifest's column sarcopenic")
    volume = case.open()
    k = case.slice_from_feet(volume)
    plain = grey_image(volume.slab(k, k + 1)[:, :, 0].astype(np.float32))
    mask = by_hand(display(case.truth(volume, k)))
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / _PLAIN, _png(plain))
    rows = []
    for habit in habits:
        pen = habit.pen(case.sarcopenic)
        if pen is not None:
            write_whole(folder / f"{habit.name}.png", _png(outlined(plain, mask, pen)))
        row = {
            "case": case.case,
            "image": f"{case.case}/{_PLAIN}",
            "annotated_image": "" if pen is None else f"{case.case}/{habit.name}.png",
            "sex": "" if case.sex is None else case.sex.value,
            "sarcopenic": "yes" if case.sarcopenic else "no",
            "patient": case.patient or "",
        }
        rows.append((habit.name, row))
    return rows


def _png(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    from SarcopeniaAssessLib.overlay import png_bytes

    return png_bytes(Image.fromarray(picture))
