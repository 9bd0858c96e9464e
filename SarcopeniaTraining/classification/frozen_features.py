"""What the frozen part of a network, or a whole classifier, makes of every image.

A frozen part never changes and runs in inference mode, and images are not augmented: its output is the same
in every epoch of every set, and is computed once for all runs that share it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensors = tuple[NDArray[np.float32], ...]

BATCH = 16


def frozen_features(
    frozen: Any | None, images: NDArray[np.uint8], prepare: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> Tensors:
    """What a network makes of each image: the input of the part that is trained.

    Parameters
    ----------
    frozen:
        Of `schemes.cut`, or a classifier; `None`: nothing is frozen, and what is trained takes the prepared
        images.
    images:
        (N, side, side, 3).
    prepare:
        The network's own preprocessing.

    Returns
    -------
    tuple of ndarray
        One array (N, …) for each of its outputs.
    """
    pieces = []
    for first in range(0, len(images), BATCH):
        prepared = prepare(images[first : first + BATCH])
        pieces.append((prepared,) if frozen is None else _as_arrays(frozen(prepared, training=False)))
    return tuple(np.concatenate(each) for each in zip(*pieces, strict=True))


def _as_arrays(outputs: Any) -> Tensors:
    """One tensor or several, as arrays."""
    several = outputs if isinstance(outputs, list | tuple) else (outputs,)
    return tuple(np.asarray(each, np.float32) for each in several)


def rows(tensors: Tensors, places: Sequence[int] | NDArray[np.intp]) -> Tensors:
    """The chosen images' rows of each array."""
    return tuple(each[np.asarray(places, np.intp)] for each in tensors)
