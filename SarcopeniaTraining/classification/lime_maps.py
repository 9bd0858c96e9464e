"""LIME: which superpixels of an image speak for a call (Ribeiro et al. 2016, doi 10.1145/2939672.2939778).

A linear model is fitted to what the network says of the image with superpixels hidden at random. Which
are hidden is drawn: the map is made with several seeds on the same superpixels, and how far those agree
belongs to it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Probability = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
    """(N, S, S, 3) grey values → N probabilities of being sarcopenic."""

TOP = 5
"""Superpixels that a reader would look at first."""
_BATCH = 32
_KERNEL_AT_224 = 4.0
"""Radius of quickshift at 224 pixels: LIME's own default; it shrinks with the image."""
_MAX_DISTANCE, _COLOUR_WEIGHT = 200.0, 0.2
_LEAST_SAMPLES = 10


@dataclass(frozen=True)
class LimeSettings:
    """How a map is drawn.

    Attributes
    ----------
    samples:
        Images with hidden superpixels, a seed.
    seeds:
        Of what is hidden; the map is the mean over them.
    superpixel_seed:
        Of the superpixels, which all seeds share.
    """

    samples: int = 1000
    seeds: tuple[int, ...] = (1, 2, 3)
    superpixel_seed: int = 1

    def __post_init__(self) -> None:
        if self.samples < _LEAST_SAMPLES or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError(
                f"LIME cannot be drawn of {self.samples} samples and seeds {list(self.seeds)}",
                f"give {_LEAST_SAMPLES} samples or more, and seeds that differ",
            )


@dataclass(frozen=True)
class Stability:
    """How far maps of different seeds agree, as means over pairs of seeds; `None`: one seed, or all nought.

    Attributes
    ----------
    rank_correlation:
        Spearman's, of the superpixels' weights.
    top_overlap:
        Share of the `TOP` superpixels that speak most for the call which both have.
    """

    rank_correlation: float | None
    top_overlap: float | None


@dataclass(frozen=True, eq=False)
class LimeMap:
    """Weights of superpixels.

    Attributes
    ----------
    superpixels:
        (S, S), numbered from 0.
    weights:
        (seeds, superpixels): change of the probability of being sarcopenic where the superpixel is seen;
        after `speaking_for(0)` of that of not being so.
    fit:
        Share of the variance that the linear model explains (weighted R²), a seed.
    """

    superpixels: NDArray[np.intp]
    weights: NDArray[np.float64]
    fit: tuple[float, ...]

    @property
    def count(self) -> int:
        """How many superpixels there are."""
        return int(self.weights.shape[1])

    @property
    def mean(self) -> NDArray[np.float64]:
        """(superpixels,) weights, mean over the seeds."""
        mean: NDArray[np.float64] = self.weights.mean(axis=0)
        return mean

    def speaking_for(self, of_class: int) -> LimeMap:
        """The map of class 1, which `lime_map` makes, or that of class 0, which is its exact opposite."""
        return self if of_class else replace(self, weights=-self.weights)

    @property
    def stability(self) -> Stability:
        """Agreement of the seeds."""
        return stability(self.weights)

    def painted(self) -> NDArray[np.float64]:
        """(S, S): each pixel has its superpixel's mean weight, as such maps are usually shown."""
        values: NDArray[np.float64] = self.mean[self.superpixels]
        return values

    def attribution(self) -> NDArray[np.float64]:
        """(S, S), 0 or more: weights for the call, each spread evenly over its superpixel's pixels.

        A weight is what hiding the whole superpixel does, so the sum over pixels is the sum of weights.
        """
        sizes = np.bincount(self.superpixels.ravel(), minlength=self.count)
        values: NDArray[np.float64] = (self.mean.clip(0) / sizes)[self.superpixels]
        return values


def superpixels(rgb: NDArray[np.uint8], seed: int) -> NDArray[np.intp]:
    """Superpixels by quickshift, with LIME's settings scaled to the image: (S, S), numbered from 0.

    What is black from the image's border on, the air around the body, is one superpixel of its own: a
    superpixel of body and air would carry what the body does into the air.
    """
    from scipy.ndimage import label
    from skimage import segmentation

    quickshift: Any = segmentation.quickshift
    kernel = max(1.0, _KERNEL_AT_224 * rgb.shape[0] / 224)
    found = quickshift(rgb, _COLOUR_WEIGHT, kernel_size=kernel, max_dist=_MAX_DISTANCE, rng=seed)
    black, _ = label((rgb == 0).all(axis=2))
    border = np.concatenate([black[0], black[-1], black[:, 0], black[:, -1]])
    found[np.isin(black, np.unique(border[border > 0]))] = -1
    numbered: NDArray[np.intp] = np.unique(found, return_inverse=True)[1]
    return numbered.reshape(found.shape)


def lime_map(rgb: NDArray[np.uint8], probability: Probability, settings: LimeSettings) -> LimeMap:
    """What speaks for and against sarcopenic on one image.

    Parameters
    ----------
    rgb:
        (S, S, 3). A hidden superpixel has its own mean colour; one that is of one colour has no weight.

    Raises
    ------
    InputError
        The image is so plain that it has one superpixel.
    """
    pieces = superpixels(rgb, settings.superpixel_seed)
    if int(pieces.max()) == 0:
        raise InputError("the image has no superpixels to hide", "give an image that shows a section")
    made = [_weights(rgb, pieces, probability, (seed, settings.samples)) for seed in settings.seeds]
    return LimeMap(pieces, np.stack([weights for weights, _ in made]), tuple(fit for _, fit in made))


def _weights(
    rgb: NDArray[np.uint8], pieces: NDArray[np.intp], probability: Probability, drawn: tuple[int, int]
) -> tuple[NDArray[np.float64], float]:
    """Weights of one seed, by `lime` itself, and the linear model's fit."""
    from lime.lime_image import LimeImageExplainer

    def both(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        sarcopenic = np.asarray(probability(np.asarray(images, np.uint8)), np.float64)
        return np.stack([1 - sarcopenic, sarcopenic], axis=1)

    seed, samples = drawn
    explainer = LimeImageExplainer(feature_selection="none", random_state=seed)
    with redirect_stderr(io.StringIO()):  # its progress bar has no switch
        explained: Any = explainer.explain_instance(
            rgb,
            both,
            labels=(1,),
            top_labels=None,
            num_samples=samples,
            batch_size=_BATCH,
            segmentation_fn=lambda _: pieces,
        )
    weights = np.zeros(int(pieces.max()) + 1)
    for piece, weight in explained.local_exp[1]:
        if np.ptp(rgb[pieces == piece], axis=0).any():  # else hiding it changes no pixel: its weight is noise
            weights[int(piece)] = weight
    return weights, float(explained.score)


def stability(weights: NDArray[np.float64]) -> Stability:
    """Agreement of several seeds' weights, (seeds, superpixels)."""
    pairs = list(combinations(range(len(weights)), 2))
    correlations = [rank_correlation(weights[one], weights[other]) for one, other in pairs]
    overlaps = [top_overlap(weights[one], weights[other]) for one, other in pairs]
    return Stability(_mean(correlations), _mean(overlaps))


def rank_correlation(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Spearman's rank correlation of two maps' values; `None` where one of them is constant."""
    from scipy.stats import spearmanr

    one, other = np.ravel(first), np.ravel(second)
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(spearmanr(one, other).statistic)


def top_overlap(first: NDArray[np.float64], second: NDArray[np.float64], top: int = TOP) -> float | None:
    """Share of the `top` greatest weights above nought that two maps have in common.

    Where fewer speak for the call, of as many as the map with more has; `None` where none does.
    """
    chosen = [
        {int(place) for place in np.argsort(-each, kind="stable")[:top] if each[place] > 0}
        for each in (first, second)
    ]
    most = max(map(len, chosen))
    return len(chosen[0] & chosen[1]) / most if most else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
