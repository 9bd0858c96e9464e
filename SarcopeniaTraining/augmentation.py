"""Training transforms, MONAI's: for thin slabs whose slices are channels, and for cubes as published.

One call's random numbers come from one seed, so a run stopped at any step goes on exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaTraining.losses import UNANNOTATED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Sample = dict[str, Any]
"""`image` float32 0…1 and `label` uint8 (255: not annotated); NumPy before, torch after the transforms.

Thin slabs: (s, i, j) and (1, i, j). Cubes: both (1, i, j, k)."""


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

    both = ["image", "label"]
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


def cube_transforms(patch: tuple[int, int, int]) -> Callable[[Sample, int], Sample]:
    """The published augmentation of a crop: `transform(sample, seed)`.

    Padding to `patch`; a crop centred on muscle in half of the calls, else on something else that is
    annotated; rotations by 90° in the plane (p 0.2); flips (p 0.2 an axis: printed without a probability);
    intensity ×0.9–1.1 and ±0.1 of the window (p 0.1 each). Smit and the paper print the rest.
    """
    from monai.transforms import (
        Compose,
        RandCropByPosNegLabeld,
        RandFlipd,
        RandRotate90d,
        RandScaleIntensityd,
        RandShiftIntensityd,
        SpatialPadd,
    )

    both = ["image", "label"]
    pad = Compose([SpatialPadd("image", patch, value=0), SpatialPadd("label", patch, value=UNANNOTATED)])
    crop = RandCropByPosNegLabeld(
        both, "label", patch, pos=1, neg=1, num_samples=1, fg_indices_key="muscle", bg_indices_key="other"
    )
    change = Compose(
        [
            RandRotate90d(both, prob=0.2, max_k=3, spatial_axes=(0, 1)),
            *(RandFlipd(both, prob=0.2, spatial_axis=axis) for axis in range(3)),
            RandScaleIntensityd("image", factors=0.1, prob=0.1),
            RandShiftIntensityd("image", offsets=0.1, prob=0.1),
        ]
    )

    def transform(sample: Sample, seed: int) -> Sample:
        padded: Any = pad({key: sample[key] for key in both})
        label = np.asarray(padded["label"])
        places: dict[str, Any] = {"muscle": np.flatnonzero(label == 1), "other": np.flatnonzero(label == 0)}
        crop.set_random_state(seed=seed)
        change.set_random_state(seed=seed + 1)
        cut: Any = crop(padded | places)[0]
        result: Any = change({key: cut[key] for key in both})
        return {key: result[key] for key in both}

    return transform
