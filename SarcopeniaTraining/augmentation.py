"""Training transforms: MONAI's, with the numbers of docs/training.md, for slabs whose slices are channels.

One call's random numbers come from one seed, so a run stopped at any step goes on exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Sample = dict[str, Any]
"""`image` (s, i, j) float32 0…1 and `outline` (1, i, j) uint8; NumPy before, torch after the transforms."""


def squeeze_slices(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Bring neighbour slices (s, i, j) nearer to the middle one, as in scans with thinner slices.

    In a quarter of the calls all slices become the middle one (a lone slice), in a quarter they move
    towards it by a random share.
    """
    choice, share = rng.random(), np.float32(rng.random())
    if choice > 0.5:
        return image
    middle = image[len(image) // 2]
    keep = np.float32(0) if choice < 0.25 else share
    return np.asarray(middle + keep * (image - middle), np.float32)


def slab_transforms(patch: tuple[int, int]) -> Callable[[Sample, int], Sample]:
    """The augmentation of one slab: `transform(sample, seed)`.

    Geometry: flip left–right (p 0.5), rotation ±8°, zoom 0.88–1.14, shift, elastic-free crop to
    `patch`. Intensity: ±12 HU and ×0.92–1.08, contrast curve, blur up to 1.2 pixels, coarser
    resolution, noise.
    """
    from monai.transforms import (
        Compose,
        RandAdjustContrastd,
        RandAffined,
        RandFlipd,
        RandGaussianNoised,
        RandGaussianSmoothd,
        RandScaleIntensityd,
        RandShiftIntensityd,
        RandSimulateLowResolutiond,
        ScaleIntensityRanged,
    )

    both = ["image", "outline"]
    compose = Compose(
        [
            RandFlipd(both, prob=0.5, spatial_axis=0),
            RandAffined(
                both,
                prob=1.0,
                rotate_range=np.radians(8),
                scale_range=((-0.12, 0.14), (-0.12, 0.14)),
                translate_range=(14, 12),
                spatial_size=patch,
                mode=("bilinear", "nearest"),
                padding_mode="border",
            ),
            RandGaussianSmoothd("image", prob=0.3, sigma_x=(0.2, 1.2), sigma_y=(0.2, 1.2)),
            RandSimulateLowResolutiond("image", prob=0.2, zoom_range=(0.4, 0.9), upsample_mode="bilinear"),
            RandAdjustContrastd("image", prob=0.15, gamma=(0.85, 1.18)),
            RandScaleIntensityd("image", prob=0.5, factors=0.08),
            RandShiftIntensityd("image", prob=0.5, offsets=0.028),
            RandGaussianNoised("image", prob=0.3, std=0.06),
            ScaleIntensityRanged("image", 0, 1, 0, 1, clip=True),
        ]
    )

    def transform(sample: Sample, seed: int) -> Sample:
        compose.set_random_state(seed=seed)
        image = squeeze_slices(sample["image"], np.random.default_rng([seed, 7]))
        result: Sample = compose({**sample, "image": image})
        return result

    return transform
