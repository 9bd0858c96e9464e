"""The images that the classifiers see: a square of each case's L3, without a drawn outline.

A cohort of CTs gives the slice at L3 on a grid of fixed size in mm (`slice_grid`); one of pictures gives
the plain picture (`outline_removal`), padded to a square, where the size of a pixel is not known. Names,
labels and sexes come from the manifest; nothing else of a CT or a picture is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.dicom_attributes import looks_like_dicom
from SarcopeniaAssessLib.errors import InputError, SarcopeniaError
from SarcopeniaTraining.classification.outline_removal import plain_image
from SarcopeniaTraining.classification.slice_grid import (
    LEAST_SIDE,
    grey_on_grid,
    slice_of,
)
from SarcopeniaTraining.cohort import Cohort, CohortCase, read_cohort
from SarcopeniaTraining.image_cohort import ImageCase, ImageCohort, read_image_cohort
from SarcopeniaTraining.images import read_image
from SarcopeniaTraining.manifest import find_manifest, read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from SarcopeniaAssessLib.patient import Sex

__all__ = [
    "ClassifierImages",
    "LabelledCohort",
    "Source",
    "labelled",
    "load_images",
    "read_any_cohort",
    "slice_of",
    "square",
]

_TOLD = 5


class Source(StrEnum):
    """What the images were made of."""

    CT = "ct"
    """Slices of CTs: a pixel has the same size in mm for everybody."""
    PICTURES = "pictures"
    """Pictures that somebody exported: a pixel's size is not known."""
    ANNOTATED = "annotated pictures"
    """The same with the outline drawn on them, where there is one: to measure what that would teach."""


@dataclass(frozen=True, eq=False)
class ClassifierImages:
    """What a classifier learns from and is tested on; cases in the manifest's order.

    Attributes
    ----------
    names:
        Of the cases.
    rgb:
        (N, side, side, 3), 0…255; three equal channels, but for annotated pictures.
    sarcopenic:
        (N,).
    patients:
        Who it is; the case's own name where the manifest does not tell.
    sexes:
        `None` where not told.
    restored:
        Names of cases on which a drawn outline was filled in.

    Raises
    ------
    InputError
        Numbers of cases that differ, images that are not square, none at all, a name twice.
    """

    names: tuple[str, ...]
    rgb: NDArray[np.uint8]
    sarcopenic: NDArray[np.bool_]
    patients: tuple[str, ...]
    sexes: tuple[Sex | None, ...]
    source: Source
    restored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.names)
        per_case = (self.rgb, self.sarcopenic, self.patients, self.sexes)
        shape = self.rgb.shape
        sound = (
            count > 0
            and all(len(one) == count for one in per_case)
            and len(set(self.names)) == count
            and self.rgb.ndim == 4
            and self.rgb.dtype == np.uint8
            and self.sarcopenic.dtype == np.bool_
            and shape[1:] == (shape[1], shape[1], 3)
        )
        if not sound:
            raise InputError(
                f"{count} cases and images of shape {shape} do not belong together", "load the images anew"
            )

    @property
    def side(self) -> int:
        """Pixels along each edge."""
        return int(self.rgb.shape[1])

    def places(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Where these cases stand in the arrays.

        Raises
        ------
        InputError
            One of them has no image.
        """
        place = {name: n for n, name in enumerate(self.names)}
        missing = [name for name in names if name not in place]
        if missing:
            raise InputError(f"there is no image of case {missing[0]}", "make splits of this cohort anew")
        return np.array([place[name] for name in names], np.intp)


@dataclass(frozen=True)
class LabelledCase:
    """A case as splits for classifiers see it: it can be learned from if its label is told."""

    case: str
    patient: str | None
    sarcopenic: bool | None

    @property
    def is_annotated(self) -> bool:
        """Whether its label is told, whether or not there is a mask."""
        return self.sarcopenic is not None


@dataclass(frozen=True)
class LabelledCohort:
    """A cohort for `splits.make_splits`, of which a label is asked and no mask."""

    cases: tuple[LabelledCase, ...]
    digest: str


def labelled(cohort: ImageCohort | Cohort) -> LabelledCohort:
    """The cohort as splits for classifiers see it."""
    cases = (LabelledCase(each.case, each.patient, each.sarcopenic) for each in cohort.cases)
    return LabelledCohort(tuple(cases), cohort.digest)


def read_any_cohort(path: str | Path) -> ImageCohort | Cohort:
    """A cohort of CTs or of pictures, told by the columns of its manifest.

    Raises
    ------
    InputError
        Some rows name a CT and others a picture, or what the cohort's own reader refuses.
    """
    rows = read_rows(find_manifest(path))
    with_ct = sum(row.get("ct") is not None for row in rows)
    with_image = sum(row.get("ct") is None and row.get("image") is not None for row in rows)
    if with_ct and with_image:
        raise InputError(
            f"the manifest names a CT for {with_ct} cases and an image alone for {with_image}",
            "make a cohort of each",
        )
    return read_image_cohort(path) if with_image else read_cohort(path)


def load_images(
    cohort: ImageCohort | Cohort,
    side: int,
    field_mm: float,
    tell: Callable[[str], None],
    *,
    annotated: bool = False,
) -> ClassifierImages:
    """The images of all cases with a label, each a square of `side` pixels.

    Parameters
    ----------
    field_mm:
        Side of the square on a CT; of no effect on pictures.
    tell:
        Gets a line for each case that is left out, restored or refused.
    annotated:
        Take the pictures with their drawn outlines, as no classifier should be trained.

    Raises
    ------
    InputError
        Cases that have no image to learn from; `tell` got the reason of each. No case has a label.
    """
    if side < LEAST_SIDE:
        raise InputError(f"images of {side} pixels show nothing", f"give {LEAST_SIDE} or more")
    cases = [case for case in cohort.cases if case.sarcopenic is not None]
    if not cases:
        raise InputError("no case of the cohort has a label", "fill in the manifest's column sarcopenic")
    if len(cases) < len(cohort.cases):
        tell(f"{len(cohort.cases) - len(cases)} cases without a label are left out")
    if annotated:
        _require_twins(cases, tell)
    found = _loaded(cases, _Wanted(side, field_mm, annotated), tell)
    _require_one_scale(found)
    for case, one in zip(cases, found, strict=True):
        for line in one.notes:
            tell(f"{case.case}: {line}")
    return ClassifierImages(
        names=tuple(case.case for case in cases),
        rgb=np.stack([one.rgb for one in found]),
        sarcopenic=np.array([case.sarcopenic for case in cases], np.bool_),
        patients=tuple(case.patient or case.case for case in cases),
        sexes=tuple(case.sex for case in cases),
        source=found[0].source,
        restored=tuple(case.case for case, one in zip(cases, found, strict=True) if one.is_restored),
    )


def square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture (rows, columns, …) padded with black to a square, then resized by area to `side` pixels.

    Each new pixel is the mean of what it covers, pixels in part by their part.
    """
    longest = max(picture.shape[:2])
    before = [(longest - n) // 2 for n in picture.shape[:2]]
    width = [(first, longest - n - first) for first, n in zip(before, picture.shape[:2], strict=True)]
    padded = np.pad(picture.astype(np.float64), [*width, *[(0, 0)] * (picture.ndim - 2)])
    shares = _shares(longest, side)
    mean: NDArray[np.float64] = np.einsum("ri,ij...,cj->rc...", shares, padded, shares, optimize=True)
    return mean.round().astype(np.uint8)


@dataclass(frozen=True)
class _Wanted:
    side: int
    field_mm: float
    annotated: bool


@dataclass(frozen=True, eq=False)
class _Loaded:
    rgb: NDArray[np.uint8]
    source: Source
    is_restored: bool = False
    notes: tuple[str, ...] = ()


def _require_twins(cases: Sequence[ImageCase | CohortCase], tell: Callable[[str], None]) -> None:
    with_twin = sum(isinstance(case, ImageCase) and case.annotated_image is not None for case in cases)
    if not with_twin:
        raise InputError(
            "no case of the cohort has an annotated image", "leave --annotated out, or give annotated_image"
        )
    if with_twin < len(cases):
        tell(f"{len(cases) - with_twin} cases without an annotated image show their plain one")


def _loaded(
    cases: Sequence[ImageCase | CohortCase], wanted: _Wanted, tell: Callable[[str], None]
) -> list[_Loaded]:
    found, refused = [], []
    for case in cases:
        try:
            found.append(_load(case, wanted))
        except SarcopeniaError as error:
            refused.append(case.case)
            tell(f"{case.case}: {error}")
    if refused:
        more = " …" if len(refused) > _TOLD else ""
        raise InputError(
            f"{len(refused)} of {len(cases)} cases have no image to learn from "
            f"({', '.join(refused[:_TOLD])}{more})",
            "correct them as told, or take them out of the manifest; nothing was trained",
        )
    return found


def _load(case: ImageCase | CohortCase, wanted: _Wanted) -> _Loaded:
    if isinstance(case, CohortCase):
        volume = case.open()
        grey = grey_on_grid(volume, slice_of(case, volume), wanted.side, wanted.field_mm)
        return _Loaded(_rgb(grey), Source.CT)
    if looks_like_dicom(case.image):
        return _Loaded(_rgb(_dicom_slice(case.image, wanted.side, wanted.field_mm)), Source.CT)
    twin = None if case.annotated_image is None else read_image(case.annotated_image)
    if wanted.annotated:
        drawn = read_image(case.image) if twin is None else twin
        return _Loaded(square(drawn, wanted.side), Source.ANNOTATED)
    plain = plain_image(read_image(case.image), twin)
    is_restored = bool(plain.restored.any())
    notes = [f"a drawn outline was removed from {plain.restored.mean():.1%} of the image"] * is_restored
    return _Loaded(
        _rgb(square(plain.grey, wanted.side)),
        Source.PICTURES,
        is_restored,
        tuple(filter(None, [plain.note, *notes])),
    )


def _rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _dicom_slice(path: Path, side: int, field_mm: float) -> NDArray[np.uint8]:
    from SarcopeniaAssessLib.ct_io import open_ct

    volume = open_ct(path)
    if volume.slice_count != 1:
        raise InputError(
            f"the DICOM file named as image holds {volume.slice_count} slices",
            "give it in the column ct, with its level",
        )
    return grey_on_grid(volume, 0, side, field_mm)


def _require_one_scale(found: Sequence[_Loaded]) -> None:
    slices = sum(one.source is Source.CT for one in found)
    if 0 < slices < len(found):
        raise InputError(
            f"{slices} images are DICOM slices of known size and {len(found) - slices} are pictures",
            "make a cohort of each: bodies would differ in size by their file's kind",
        )


def _shares(size: int, side: int) -> NDArray[np.float64]:
    """(side, size): which share of each new pixel each old one is, along one axis."""
    edges = np.linspace(0, size, side + 1)
    start, stop = edges[:-1, None], edges[1:, None]
    old = np.arange(size)
    overlap = np.clip(np.minimum(stop, old + 1) - np.maximum(start, old), 0, None)
    shares: NDArray[np.float64] = overlap * (side / size)
    return shares
