"""Which tissue each pixel of a classifier's image shows, and how much of an explanation lies on it.

Tissues are told on the CT's own slice, where they are sharp, and then brought to the classifier's grid as
shares of its pixels: at 80 pixels a pixel is 5 mm wide, and few of them show one tissue alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.hounsfield import AIR_HU
from SarcopeniaAssessLib.segmentation import SMOOTHING_PIXELS
from SarcopeniaTraining.classification.slice_grid import body_of, slice_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.models import SegmentationModel
    from SarcopeniaAssessLib.volume import CtVolume

FAT_HU = (-190, -30)
"""Adipose tissue, inclusive, as the literature of body composition has it (-190 … -30 HU)."""
_BONE_HU, _CORTEX_HU = 150, 300
"""Bone is denser than the first and holds some of the second."""
_CORTEX_MM2, _BONE_MM2 = 30.0, 100.0
_PARTING_MM, _GAP_MM = 2.0, 2.0
"""Gaps in the cortex up to twice the second are closed, and what it encloses is bone too; then bridges up to
twice the first are cut, those to vessels and bowel with contrast among them."""
_NEAR_MM, _LEAST_AGAINST = 8.0, 0.3
"""Muscle lies along much of a bone's border; along that of bowel and vessels with contrast it does not."""


class Tissue(StrEnum):
    """What a pixel shows; every pixel one of these, or shares of several."""

    MUSCLE = "muscle"
    """Skeletal muscle, by a segmentation network."""
    FAT = "fat"
    """−190…−30 HU inside the body, under the skin, between and inside the muscles, around the bowel."""
    BONE = "bone"
    """Bone with its marrow and the spinal canal, which it encloses."""
    OTHER = "other in the body"
    """Organs, bowel with its gas, vessels, skin."""
    OUTSIDE = "outside the body"
    """Air, table, and beyond the scan."""


TISSUES = tuple(Tissue)


@dataclass(frozen=True, eq=False)
class TissueMap:
    """Shares of tissues in each pixel of an image.

    Parameters
    ----------
    shares:
        (tissues as in `TISSUES`, S, S), 0…1, together 1 in every pixel.
    """

    shares: NDArray[np.float32]

    def __post_init__(self) -> None:
        sums = self.shares.sum(axis=0)
        if len(self.shares) != len(TISSUES) or not np.allclose(sums, 1, atol=1e-4):
            raise ValueError("the shares of a pixel's tissues must sum up to 1")

    @property
    def of_pixels(self) -> dict[Tissue, float]:
        """Share of the image that each tissue takes: what an explanation blind to tissue would give."""
        return dict(zip(TISSUES, map(float, self.shares.mean(axis=(1, 2))), strict=True))

    def of(self, attribution: NDArray[Any]) -> dict[Tissue, float] | None:
        """Share of an attribution, (S, S) and 0 or more, on each tissue; `None` where it is all nought."""
        values = np.asarray(attribution, np.float64)
        if values.shape != self.shares.shape[1:] or float(values.min()) < 0:
            raise ValueError(f"an attribution of 0 or more, {self.shares.shape[1:]}, is needed")
        total = float(values.sum())
        if total == 0:
            return None
        parts = (self.shares * values).sum(axis=(1, 2)) / total
        return dict(zip(TISSUES, map(float, parts), strict=True))


def tissue_map(
    volume: CtVolume, k: int, model: SegmentationModel, grid: tuple[int, float], device: str = "cpu"
) -> TissueMap:
    """Tissues of canonical slice k on the grid of `slice_grid`.

    Parameters
    ----------
    model:
        Draws the muscle.
    grid:
        Side in pixels and field in mm.

    Raises
    ------
    SarcopeniaError
        As `segmentation.segment_slice` and `slice_grid.slice_plane`.
    """
    from SarcopeniaAssessLib.segmentation import segment_slice

    hu = np.maximum(volume.slab(k, k + 1)[:, :, 0].astype(np.float32), AIR_HU)
    muscle = segment_slice(volume.around(k), k, model, device).mask
    found = tissues_of(hu, muscle, volume.pixel_mm)
    plane = slice_plane(volume, hu, *grid)
    shares = np.stack(
        [plane.sample(found == n, outside=tissue is Tissue.OUTSIDE) for n, tissue in enumerate(TISSUES)]
    ).clip(0)
    return TissueMap(shares / shares.sum(axis=0))


def tissues_of(
    hu: NDArray[np.float32], muscle: NDArray[np.bool_], pixel_mm: tuple[float, float]
) -> NDArray[np.uint8]:
    """Tissue of each pixel of a slice, (I, J), as its place in `TISSUES`.

    Muscle is taken as given; then comes bone, then fat, each by Hounsfield units smoothed as those that
    delimit muscle.
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter

    smooth = gaussian_filter(hu, SMOOTHING_PIXELS)
    body = binary_fill_holes(body_of(hu, pixel_mm)) | muscle
    bone = _bone(smooth, muscle, pixel_mm)
    fat = (smooth >= FAT_HU[0]) & (smooth <= FAT_HU[1])
    found = np.full(hu.shape, TISSUES.index(Tissue.OUTSIDE), np.uint8)
    for tissue, where in (
        (Tissue.OTHER, body),
        (Tissue.FAT, body & fat),
        (Tissue.BONE, body & bone),
        (Tissue.MUSCLE, muscle),
    ):
        found[where] = TISSUES.index(tissue)
    return found


def _bone(
    hu: NDArray[np.float32], muscle: NDArray[np.bool_], pixel_mm: tuple[float, float]
) -> NDArray[np.bool_]:
    """Dense pieces with cortex in them that muscle lies against, and what they enclose."""
    from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes, binary_opening, label

    disc = _disc(_GAP_MM, pixel_mm)
    pad = max(disc.shape)
    filled = binary_fill_holes(binary_dilation(np.pad(hu > _BONE_HU, pad), disc))
    solid = binary_erosion(filled, disc)[pad:-pad, pad:-pad]
    parted = binary_opening(solid, _disc(_PARTING_MM, pixel_mm))
    pieces, count = label(parted)
    near_muscle = binary_dilation(muscle, _disc(_NEAR_MM, pixel_mm))
    border = parted & ~binary_erosion(parted)
    sizes, cortex, borders, against = (
        np.bincount(pieces[where], minlength=count + 1) * pixel_mm[0] * pixel_mm[1]
        for where in (parted, parted & (hu > _CORTEX_HU), border, border & near_muscle)
    )
    kept = (sizes >= _BONE_MM2) & (cortex >= _CORTEX_MM2) & (against >= _LEAST_AGAINST * borders)
    kept[0] = False
    bone: NDArray[np.bool_] = binary_dilation(kept[pieces], _disc(_PARTING_MM, pixel_mm)) & solid
    return bone


def _disc(radius_mm: float, pixel_mm: tuple[float, float]) -> NDArray[np.bool_]:
    reach = [int(radius_mm // mm) for mm in pixel_mm]
    i, j = np.ogrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    disc: NDArray[np.bool_] = (i * pixel_mm[0]) ** 2 + (j * pixel_mm[1]) ** 2 <= radius_mm**2
    return disc
