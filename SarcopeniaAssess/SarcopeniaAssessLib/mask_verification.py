"""The mask of a case against its record: grid, slice, area."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.ct_io import read_label_map
from SarcopeniaAssessLib.errors import Finding, SarcopeniaError, Severity
from SarcopeniaAssessLib.packed_mask import unpack_mask
from SarcopeniaAssessLib.results import MASK
from SarcopeniaAssessLib.volume import CtVolume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_CLOSE = 1e-5
"""Relative: the mask's file holds its affine in single precision."""
_NEAR_MM = 0.01


@dataclass(frozen=True, eq=False)
class CaseMask:
    """The mask of a case on its grid.

    Attributes
    ----------
    labels:
        (i, j, k), native.
    grid:
        The same as a volume, for its axes.
    """

    labels: NDArray[Any]
    grid: CtVolume


def read_mask(folder: Path) -> tuple[CaseMask | None, str]:
    """The mask of a case's folder; or `None` and why it cannot be read."""
    try:
        read = read_label_map(folder / MASK)
        grid = CtVolume.from_array((read.labels != 0).astype(np.uint8), read.ras_from_ijk, input=read.input)
    except SarcopeniaError as error:
        return None, error.problem
    return CaseMask(read.labels, grid), ""


def check_mask(record: Mapping[str, Any], mask: CaseMask) -> Iterator[Finding]:
    """What contradicts between a mask and its record."""
    image, level, sma_cm2 = record["input"], record["l3"], record["muscle"]["sma_cm2"]
    grid = mask.grid
    if list(grid.shape) != image["shape"] or grid.orientation != image["orientation"]:
        yield _error("mask_grid_differs", "The mask's grid is not that of the record's input.")
        return
    if not np.allclose(grid.spacing_mm, image["spacing_mm"], rtol=_CLOSE):
        yield _error("mask_grid_differs", "The mask's spacing is not that of the record's input.")
    if not np.isin(np.unique(mask.labels), (0, 1)).all():
        yield _error("mask_values", "The mask holds other values than 0 and 1.")
    k = level["slice_from_feet"]
    canonical = grid.axes.view(mask.labels != 0)
    marked = np.flatnonzero(canonical.any(axis=(0, 1))).tolist()
    if marked != [k]:
        words = ", ".join(map(str, marked)) or "none"
        yield _error("mask_slice_differs", f"The mask is marked on slices {words}, the record measured {k}.")
        return
    if abs(grid.slice_superior_mm(k) - level["superior_mm"]) > _NEAR_MM:
        yield _error("mask_level_differs", f"Slice {k} of the mask lies elsewhere than the record says.")
    area_cm2 = np.count_nonzero(canonical[:, :, k]) * grid.pixel_area_cm2
    if not math.isclose(area_cm2, sma_cm2, rel_tol=_CLOSE):
        words = f"The mask measures {area_cm2:.2f} cm², the record says {sma_cm2:.2f} cm²."
        yield _error("area_contradicts", words)
    if "pixels" in record["mask"] and not _same_pixels(record["mask"]["pixels"], canonical[:, :, k]):
        yield _error("mask_pixels_differ", "The mask is not the one that the record holds.")


def _same_pixels(packed: Mapping[str, Any], slice_mask: NDArray[np.bool_]) -> bool:
    try:
        return np.array_equal(unpack_mask(packed), slice_mask)
    except SarcopeniaError:
        return False


def _error(code: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, message)
