"""What the frozen part of a network makes of every image, computed once for all runs that share it.

A frozen part never changes and runs in inference mode, and images are not augmented, so its output is the
same in every epoch of every set. It is the input of the part that is trained.
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
    """The input of the trained part for each image.

    Parameters
    ----------
    frozen:
        Of `schemes.cut`; `None`: nothing is frozen, and the trained part takes the prepared images.
    images:
        (N, side, side, 3).
    prepare:
        The network's own preprocessing.

    Returns
    -------
    tuple of ndarray
        One array (N, …) for each input of the trained part.
    """
    pieces = []
    for first in range(0, len(images), BATCH):
        prepared = prepare(images[first : first + BATCH])
        pieces.append((prepared,) if frozen is None else as_arrays(frozen(prepared, training=False)))
    return tuple(np.concatenate(each) for each in zip(*pieces, strict=True))


def as_arrays(outputs: Any) -> Tensors:
    """One tensor or several, as arrays."""
    several = outputs if isinstance(outputs, list | tuple) else (outputs,)
    return tuple(np.asarray(each, np.float32) for each in several)


def rows(tensors: Tensors, places: Sequence[int] | NDArray[np.intp]) -> Tensors:
    """The chosen images' rows of each array."""
    return tuple(each[np.asarray(places, np.intp)] for each in tensors)
