"""The L3 section as an image, plain and annotated, for the classifiers; no pixel size, so never an area."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.manifest_rows import sex_of
from SarcopeniaTraining.cohort import label_of
from SarcopeniaTraining.images import is_grey, read_image
from SarcopeniaTraining.manifest import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from SarcopeniaTraining.layouts import FoundCase

IMAGE, ANNOTATED = "image.png", "annotated.png"


def import_images(found: FoundCase, folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Write `image.png` (grey) and, where there is one, its annotated twin `annotated.png` (colour).

    Pixels are kept as they are; PNG is lossless and holds nothing but them.

    Returns
    -------
    The case's row of the manifest, with file names within the folder, and notes.

    Raises
    ------
    InputError
        Files that are missing, several or unreadable, twins of two sizes, an unknown sex or label.
    """
    row = Row("the data set", found.facts)
    sex, label = sex_of(row), label_of(row)
    plain = read_image(found.needed("image"))
    twin_file = found.one("annotated")
    notes = [] if is_grey(plain) else ["the plain image has colours"]
    values: dict[str, Any] = {"image": IMAGE}
    if twin_file is not None:
        twin = read_image(twin_file)
        if twin.shape != plain.shape:
            raise InputError(
                f"the annotated image has {twin.shape[1]}×{twin.shape[0]} pixels, "
                f"the plain one {plain.shape[1]}×{plain.shape[0]}",
                "give twins of one size",
            )
        _write(folder / ANNOTATED, twin)
        values["annotated_image"] = ANNOTATED
    _write(folder / IMAGE, plain)
    values |= {
        "sex": None if sex is None else sex.value,
        "sarcopenic": None if label is None else ("yes" if label else "no"),
        "patient": row.get("patient"),
        "columns": plain.shape[1],
        "rows": plain.shape[0],
    }
    if label is None:
        notes.append("no label is told, and none can be measured on an image")
    return values, tuple(notes)


def _write(path: Path, rgb: NDArray[np.uint8]) -> None:
    from PIL import Image

    Image.fromarray(rgb[:, :, 0] if is_grey(rgb) else rgb).save(path)
