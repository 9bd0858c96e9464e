"""The two masked views of a region: sample n follows from n and the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from SarcopeniaTraining.unlabelled_volumes import FULL_SCALE

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from SarcopeniaTraining.pretraining_preset import PretrainPreset

VIEWS = 2


class ViewBatch(NamedTuple):
    """Views of some regions: all first views, then all second ones.

    Attributes
    ----------
    image:
        (2b, 1, i, j, k) float32, 0…1.
    blocks:
        (2b, *grid) bool: masked blocks.
    """

    image: torch.Tensor
    blocks: torch.Tensor


@dataclass(frozen=True, eq=False)
class Views:
    """All samples of a pre-training.

    Attributes
    ----------
    volumes:
        Files of `cached_volumes`.
    """

    volumes: Sequence[Path]
    preset: PretrainPreset

    def __len__(self) -> int:
        """Samples of an epoch."""
        return len(self.volumes) * self.preset.regions_per_case

    @cached_property
    def _transforms(self) -> tuple[Any, Any]:
        from monai.transforms import RandSpatialCrop, SpatialPad

        pad = SpatialPad(self.preset.region)
        return pad, RandSpatialCrop(self.preset.crop, random_size=False)

    def batch(self, numbers: Sequence[int]) -> ViewBatch:
        """Views of these samples."""
        import torch

        drawn = [self[number] for number in numbers]
        images = [view for n in range(VIEWS) for view in (views[n] for views, _ in drawn)]
        blocks = [mask for n in range(VIEWS) for mask in (masks[n] for _, masks in drawn)]
        return ViewBatch(torch.stack(images), torch.from_numpy(np.stack(blocks)))

    def __getitem__(self, number: int) -> tuple[list[torch.Tensor], list[NDArray[np.bool_]]]:
        """Two views (1, i, j, k) of a region, and their masks, drawn one by one."""
        seed = self.preset.seed
        round_, place = divmod(number, len(self))
        order = np.random.default_rng([seed, 3, round_]).permutation(len(self))
        rng = np.random.default_rng([seed, 5, number])
        region = self._region(self.volumes[int(order[place]) % len(self.volumes)], rng)
        crop = self._transforms[1]
        views = []
        for _ in range(VIEWS):
            crop.set_random_state(int(rng.integers(2**31)))
            views.append(crop(region).as_tensor())
        return views, [self.preset.masking.draw(rng) for _ in range(VIEWS)]

    def _region(self, path: Path, rng: np.random.Generator) -> Any:
        """A region (1, i, j, k) of a volume; what a small volume lacks is filled with 0 around it."""
        stored = np.load(path, mmap_mode="r")
        start = [
            int(rng.integers(max(n - r, 0) + 1))
            for n, r in zip(stored.shape, self.preset.region, strict=True)
        ]
        box = tuple(slice(s, s + r) for s, r in zip(start, self.preset.region, strict=True))
        image = np.asarray(stored[box], np.float32) / np.float32(FULL_SCALE)
        return self._transforms[0](image[None])
