"""A cohort of images of L3, as `sarcopenia import --kind bmp` leaves it: for the classifiers alone.

The size of a pixel is not known, so there is no area, and no status but the one that was told.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.manifest_rows import sex_of
from SarcopeniaAssessLib.patient import Sex
from SarcopeniaTraining.cohort import case_of, digest_of, existing, label_of
from SarcopeniaTraining.manifest import Row, read_cases


@dataclass(frozen=True)
class ImageCase:
    """One image of L3.

    Attributes
    ----------
    image, annotated_image:
        Files; the second shows the same section with its outline drawn, `None` where there is none.
    sarcopenic:
        As told by the manifest; `None`: not told.
    patient:
        Who it is, where one person has several images.
    """

    case: str
    image: Path
    annotated_image: Path | None = None
    sex: Sex | None = None
    sarcopenic: bool | None = None
    patient: str | None = None

    @property
    def is_annotated(self) -> bool:
        """Whether it can be learned from: its label is told."""
        return self.sarcopenic is not None


@dataclass(frozen=True)
class ImageCohort:
    """The images of a manifest; `digest` as that of `cohort.Cohort`."""

    path: Path
    cases: tuple[ImageCase, ...]
    digest: str


def read_image_cohort(path: str | Path) -> ImageCohort:
    """Read and validate a manifest of images.

    Parameters
    ----------
    path:
        A folder with `manifest.csv` or `manifest.json`, or such a file.

    Raises
    ------
    InputError
        No manifest, or rows that are wrong; the message names each row and what is wrong in it.
    """
    file, cases = read_cases(path, _case)
    return ImageCohort(file, cases, digest_of(cases, file.parent))


def _case(row: Row, folder: Path) -> ImageCase:
    image, annotated = row.get("image"), row.get("annotated_image")
    if image is None:
        raise InputError("no image is named", "fill in the column image")
    return ImageCase(
        case=case_of(row),
        image=existing(folder, image, "image"),
        annotated_image=None if annotated is None else existing(folder, annotated, "annotated_image"),
        sex=sex_of(row),
        sarcopenic=label_of(row),
        patient=row.get("patient"),
    )
