"""Crops to train on: phantoms drawn once in the background, then turned, stretched, cut off and blurred."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter

from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.spine_grid import LOW_HU, network_image
from SarcopeniaAssessLib.spine_unet import SpineClass
from SarcopeniaTraining.spine_scans.canvas import turned
from SarcopeniaTraining.spine_scans.drawing import draw_spine_scan

if TYPE_CHECKING:
    from numpy.typing import NDArray

GENERATOR = 1
"""Raised whenever the same seed would draw another phantom."""
_BONE_FROM_HU = np.float32(110)


@dataclass(frozen=True, eq=False)
class PhantomStore:
    """Phantoms on disk, one file a seed; what is not there yet is drawn.

    Attributes
    ----------
    folder:
        Where they lie; made if missing.
    """

    folder: Path

    def get(self, seed: int) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """HU and classes of a seed's phantom."""
        path = self._path(seed)
        if not path.is_file():
            self.draw(seed)
        with np.load(path) as held:
            return held["hu"], held["classes"]

    def draw(self, seed: int) -> None:
        """Draw a seed's phantom and keep it, by one rename."""
        path = self._path(seed)
        if path.is_file():
            return
        phantom = draw_spine_scan(seed)
        content = io.BytesIO()
        np.savez(content, hu=phantom.hu, classes=phantom.classes)
        write_whole(path, content.getvalue())

    def _path(self, seed: int) -> Path:
        return self.folder / f"{GENERATOR}-{seed}.npz"


def draw_ahead(store: PhantomStore, seeds: tuple[int, int], stop: Callable[[], bool]) -> None:
    """Draw all phantoms of a range; run in a process beside the training."""
    for seed in range(seeds[0], sum(seeds)):
        if stop():
            return
        store.draw(seed)


def crop(
    hu: NDArray[np.int16], classes: NDArray[np.uint8], shape: tuple[int, int, int], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """One crop (i, j, k) about the spine as the network sees it, and its classes.

    Turned by up to about 12°, scaled by 0.82…1.18, mirrored; in a third of the crops the scan ends within.
    """
    spine = np.argwhere(classes == SpineClass.BODY)
    middle = spine[rng.integers(len(spine))].astype(float)
    middle += rng.normal(0, [9, 6, 10]) + np.array([0, rng.uniform(-3, 12), rng.uniform(-14, 6)])
    if rng.random() < 0.1:  # the scan holds much more than spine
        middle = rng.uniform(0, hu.shape)
    scale = rng.uniform(0.82, 1.18) * rng.normal(1, 0.03, 3)
    axes = turned(*rng.normal(0, 5, 3)) @ np.diag(scale)
    if rng.random() < 0.5:
        axes[:, 0] *= -1
    offset = middle - axes @ ((np.array(shape) - 1) / 2)
    seen = affine_transform(hu.astype(np.float32), axes, offset, shape, order=1, cval=LOW_HU)
    truth = affine_transform(classes, axes, offset, shape, order=0, cval=0)
    _cut_off(seen, truth, rng)
    if rng.random() < 0.6:  # from osteoporosis to dense bone at 80 kV
        seen += (np.float32(rng.uniform(0.7, 2.3)) - 1) * np.clip(seen - _BONE_FROM_HU, 0, None)
    if rng.random() < 0.3:
        seen = gaussian_filter(seen, rng.uniform(0.2, 0.7, 3))
    if rng.random() < 0.3:
        seen = seen + rng.normal(0, rng.uniform(2, 30), shape).astype(np.float32) * (seen > -190)
    seen = (seen - 40) * np.float32(rng.normal(1, 0.08)) + 40 + np.float32(rng.normal(0, 10))
    return network_image(seen), truth


def _cut_off(seen: NDArray[np.float32], truth: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """End the scan within the crop: above, below or both."""
    side = seen.shape[2]
    below = int(rng.integers(2, side // 2)) if rng.random() < 0.2 else 0
    above = int(rng.integers(side // 2, side - 1)) if rng.random() < 0.2 else side
    for beyond in (slice(0, below), slice(above, side)):
        seen[:, :, beyond] = LOW_HU
        truth[:, :, beyond] = 0


@dataclass(frozen=True, eq=False)
class Crops:
    """Samples by number: the same number is the same crop.

    Attributes
    ----------
    store, seeds, shape, seed:
        Where phantoms come from, first seed and how many, voxels of a crop, the training's own seed.
    kept:
        Phantoms held in memory.
    """

    store: PhantomStore
    seeds: tuple[int, int]
    shape: tuple[int, int, int]
    seed: int
    kept: dict[int, tuple[NDArray[np.int16], NDArray[np.uint8]]] = field(default_factory=dict)

    def sample(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The crop of a number."""
        rng = np.random.default_rng([self.seed, 0xC209, number])
        # Each passage through the phantoms has an order of its own; the first follows the drawing.
        passage, place = divmod(number, self.seeds[1])
        order = np.random.default_rng([self.seed, passage]).permutation(self.seeds[1]) if passage else None
        phantom = self.seeds[0] + (place if order is None else int(order[place]))
        if phantom not in self.kept:
            self.kept[phantom] = self.store.get(phantom)
        return crop(*self.kept[phantom], self.shape, rng)
