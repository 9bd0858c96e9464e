"""Does an explanation depend on what the network learned? The check with randomised weights.

Adebayo et al. 2018 (arXiv 1810.03292): weights are replaced by random ones, and the map is drawn again. A map
that stays as it was shows the image's edges or the network's plan, not what was learned: it fails.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

UNCHANGED_ABOVE = 0.5
"""Mean rank correlation of the maps before and after, from which on a map counts as unchanged: it fails."""


LARGEST_LOG_ODDS = 2.0
"""Of a random network: a probability of 0.88."""


class Level(StrEnum):
    """Which weights are randomised."""

    HEAD = "head"
    """The softmax layer: the features stay."""
    ALL = "all"
    """Every layer."""


def randomise(model: Any, level: Level, seed: int, prepared: NDArray[np.float32]) -> None:
    """Give a classifier a random start in place of what it learned; it is changed.

    A random network may call everything with a probability that single precision rounds to 1, and nothing
    that is hidden changes it. So the random head is scaled down where needed: Grad-CAM's maps change by a
    factor alone, and LIME and the curves have something to see.

    Parameters
    ----------
    model:
        Of `networks.build_classifier`.
    level:
        Which layers.
    seed:
        As of `networks.start_weights`: the same seed gives the same weights.
    prepared:
        (N, S, S, 3): none of these is called with log-odds beyond ±`LARGEST_LOG_ODDS`.
    """
    from SarcopeniaTraining.classification.architectures import require_keras
    from SarcopeniaTraining.classification.networks import HEAD, start_weights

    keras = require_keras()
    start_weights(model, seed, [HEAD] if level is Level.HEAD else None)
    head = model.get_layer(HEAD)
    features = keras.Model(model.input, head.input)
    largest = 0.0
    for image in prepared:
        logits = features(image[None], training=False).numpy() @ head.kernel.numpy()
        largest = max(largest, float(np.abs(logits[:, 1] - logits[:, 0]).max()))
    if largest > LARGEST_LOG_ODDS:
        head.kernel.assign(head.kernel * (LARGEST_LOG_ODDS / largest))


def verdict(correlations: Sequence[float | None]) -> tuple[float | None, bool | None]:
    """Mean rank correlation of maps before and after, and whether the explanation passes the check.

    Maps without contrast cannot be compared and are left out; `None`, `None` where there is no other.
    """
    known = [value for value in correlations if value is not None]
    if not known:
        return None, None
    mean = float(np.mean(known))
    return mean, mean < UNCHANGED_ABOVE
