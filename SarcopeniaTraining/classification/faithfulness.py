"""Does an explanation name what the network looks at? Insertion and deletion curves.

Petsiuk et al. 2018 (arXiv 1806.07421): pixels are taken away in the order of their attribution, or shown in
that order, and the class's probability is followed. A map that names what counts loses the probability
soon (small area under the deletion curve) and gains it soon (large area under the insertion curve). What is
taken away becomes black, as the air around the body is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaTraining.classification.grad_cam import upsampled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from SarcopeniaTraining.classification.lime_maps import Probability

STEPS = 20
"""Equal shares of the pixels, one after the other."""
RANDOM_MAPS = 5
RANDOM_CELLS = 7
"""Cells of a random map: as smooth as a Grad-CAM of 224 pixels, so that no map wins by smoothness alone."""


@dataclass(frozen=True)
class Curves:
    """Probability of the class explained over the share of pixels, in `STEPS` steps from 0 to 1.

    Attributes
    ----------
    deletion:
        Over the share taken away, first what has the most attribution.
    insertion:
        Over the share shown, first what has the most attribution.
    """

    deletion: tuple[float, ...]
    insertion: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.deletion) != len(self.insertion) or len(self.deletion) < 2:
            raise ValueError("two curves of the same steps, two or more, are needed")

    @property
    def deletion_area(self) -> float:
        """Area under the deletion curve, 0…1: the smaller, the better."""
        return area_under(self.deletion)

    @property
    def insertion_area(self) -> float:
        """Area under the insertion curve, 0…1: the larger, the better."""
        return area_under(self.insertion)

    @property
    def gain(self) -> float:
        """Insertion's area less deletion's: above nought where the order means something."""
        return self.insertion_area - self.deletion_area


def area_under(values: Sequence[float]) -> float:
    """Area under a curve over 0…1 in equal steps, by trapezoids."""
    return float(np.trapezoid(values, dx=1 / (len(values) - 1)))


def curves(
    rgb: NDArray[np.uint8],
    attribution: NDArray[Any],
    probability: Probability,
    of_class: int,
    steps: int = STEPS,
) -> Curves:
    """Both curves of one image and one map.

    Parameters
    ----------
    rgb:
        (S, S, 3).
    attribution:
        (S, S); pixels of equal attribution go row by row.
    of_class:
        1 follows the probability of sarcopenic, 0 that of not.
    """
    order = np.argsort(-np.asarray(attribution, np.float64).ravel(), kind="stable")
    rank = np.empty(order.size, np.intp)
    rank[order] = np.arange(order.size)
    ends = np.round(np.linspace(0, order.size, steps + 1)).astype(int)
    first = rank.reshape(rgb.shape[:2])[None, :, :, None] < ends[:, None, None, None]
    deleted = np.where(first, np.uint8(0), rgb)
    inserted = np.where(first, rgb, np.uint8(0))
    sarcopenic = probability(np.concatenate([deleted, inserted]))
    said = sarcopenic if of_class else 1 - sarcopenic
    return Curves(tuple(map(float, said[: steps + 1])), tuple(map(float, said[steps + 1 :])))


def random_curves(
    rgb: NDArray[np.uint8], probability: Probability, of_class: int, seed: int
) -> tuple[Curves, ...]:
    """Curves of `RANDOM_MAPS` random maps: what an explanation must beat."""
    side = rgb.shape[0]
    return tuple(curves(rgb, random_map(side, seed + n), probability, of_class) for n in range(RANDOM_MAPS))


def random_map(side: int, seed: int, cells: int = RANDOM_CELLS) -> NDArray[np.float32]:
    """Random numbers on a coarse grid, interpolated as a Grad-CAM is, (side, side), 0…1."""
    drawn = np.random.default_rng(seed).random((cells, cells), np.float32)
    return upsampled(drawn, side)
