"""The samples of a training: sample n, and how it is augmented, follow from n and the seed alone.

Drawn phantoms and a cohort's cases differ in where a slab comes from, in nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from SarcopeniaAssessLib.worker_process import end_with_parent
from SarcopeniaTraining.augmentation import Sample, cube_transforms, slab_transforms
from SarcopeniaTraining.phantom.slabs import FULL_SCALE, SlabStore

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from SarcopeniaTraining.cached_cases import CachedCase

    Slab = tuple[NDArray[np.float32], NDArray[np.uint8]]


class Source(Protocol):
    """Where slabs come from."""

    def __len__(self) -> int:
        """How many samples make a round in which each slab is taken equally often."""
        ...

    def slab(self, place: int, rng: np.random.Generator) -> Slab:
        """Image (i, j, s) 0…1 and label (i, j, s) of one place in the round; labels 0, 1 or 255."""
        ...


@dataclass(frozen=True, eq=False)
class DrawnSlabs:
    """Phantoms: a sample each, of which the middle slice is known."""

    store: SlabStore

    def __len__(self) -> int:
        return len(self.store)

    def slab(self, place: int, rng: np.random.Generator) -> Slab:
        """Slab number `place`; the rim of fat around the outline counts as muscle (`slabs.RIM`)."""
        image = np.asarray(self.store.images[place], np.float32) / np.float32(FULL_SCALE)
        taught = (np.asarray(self.store.outlines[place]) > 0).astype(np.uint8)
        return image, np.repeat(taught[:, :, None], image.shape[-1], axis=-1)


@dataclass(frozen=True, eq=False)
class CohortSlabs:
    """Cases of a cohort: so many samples of each, whatever the number of its annotated slices."""

    cases: Sequence[CachedCase]
    crops_per_case: int

    def __len__(self) -> int:
        return len(self.cases) * self.crops_per_case

    def slab(self, place: int, rng: np.random.Generator) -> Slab:
        """A slab of case `place` modulo the number of cases; of several, drawn by chance."""
        case = self.cases[place % len(self.cases)]
        return case.slab(int(rng.integers(case.slabs)))


@lru_cache(maxsize=4)
def _transform(patch: tuple[int, ...]) -> Callable[[Sample, int], Sample]:
    """Made where it is used, once in each process: MONAI's transforms hold random states."""
    shape: Any = patch
    return slab_transforms(shape) if len(patch) == 2 else cube_transforms(shape)


@dataclass(frozen=True, eq=False)
class Samples:
    """All samples of one training, by number.

    Attributes
    ----------
    patch:
        Pixels of a crop: (i, j) for a thin network, (i, j, k) for one that learns crops.
    seed:
        Of the training: the preset's, and the fold's number where there are folds.
    """

    source: Source
    patch: tuple[int, ...]
    seed: tuple[int, ...]

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Image (1, i, j, s) and label: (1, i, j) of the middle slice, or (1, i, j, s) of all."""
        round_, place = divmod(number, len(self.source))
        order = np.random.default_rng([*self.seed, round_]).permutation(len(self.source))
        words = np.random.SeedSequence([*self.seed, 11, number]).generate_state(2)
        image, label = self.source.slab(int(order[place]), np.random.default_rng(words[1]))
        transform = _transform(self.patch)
        if len(self.patch) == 3:
            whole = {"image": np.array(image[None]), "label": np.array(label[None])}
            cube = transform(whole, int(words[0]))
            return cube["image"].as_tensor(), cube["label"].as_tensor()
        sample = {
            "image": np.ascontiguousarray(np.moveaxis(image, -1, 0)),
            "label": np.array(label[None, :, :, label.shape[-1] // 2]),
        }
        slab = transform(sample, int(words[0]))
        return slab["image"].as_tensor().permute(1, 2, 0)[None], slab["label"].as_tensor()


def batches(
    samples: Samples, numbers: Sequence[Sequence[int]], *, workers: int = 1
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of the samples with these numbers, drawn ahead by worker processes."""
    from torch.utils.data import DataLoader

    ahead: dict[str, Any] = {}
    if workers:
        # A forked worker has MONAI already; elsewhere it is imported anew, a few seconds a fold.
        start = "fork" if sys.platform == "linux" else None
        ahead = {"num_workers": workers, "prefetch_factor": 4, "multiprocessing_context": start}
        ahead["worker_init_fn"] = end_with_parent
    loaded: Any = DataLoader(samples, batch_sampler=numbers, **ahead)  # type: ignore[arg-type]
    return iter(loaded)
