"""Logits of one slice from windows that overlap in the slice plane, averaged where they overlap.

The windows lie where MONAI's `sliding_window_inference` (overlap 0.5, constant weights) puts them, so the
answer is that of the published sliding window over the slab. This file needs torch alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def window_starts(length: int, tile: int) -> list[int]:
    """First pixel of each window along an axis of at least `tile` pixels: steps of half a window."""
    step = max(tile // 2, 1)
    count = -(-(length - tile) // step) + 1
    return [min(n * step, length - tile) for n in range(count)]


def slice_logits(network: Any, image: Tensor, k: int, tile: int | None = None) -> Tensor:
    """Logits of slice `k` of an image.

    Parameters
    ----------
    network:
        Anything with `slice_logits(image, k)`.
    image:
        (b, c, i, j, s).
    tile:
        Side of the square windows; None gives the network the whole plane at once. An image smaller than
        a window is padded with zeros on both sides, as MONAI does.

    Returns
    -------
    Tensor
        (b, classes, i, j).
    """
    from torch.nn import functional

    if tile is None:
        whole: Tensor = network.slice_logits(image, k)
        return whole
    i, j = image.shape[2:4]
    before = [max(tile - n, 0) // 2 for n in (i, j)]
    after = [max(tile - n, 0) - b for n, b in zip((i, j), before, strict=True)]
    if any(before) or any(after):
        image = functional.pad(image, (0, 0, before[1], after[1], before[0], after[0]))
    total = count = None
    for a in window_starts(image.shape[2], tile):
        for b in window_starts(image.shape[3], tile):
            window = network.slice_logits(image[:, :, a : a + tile, b : b + tile], k)
            if total is None or count is None:
                total = window.new_zeros((*window.shape[:2], *image.shape[2:4]))
                count = window.new_zeros(image.shape[2:4])
            total[:, :, a : a + tile, b : b + tile] += window
            count[a : a + tile, b : b + tile] += 1
    assert total is not None
    assert count is not None
    average: Tensor = total / count
    return average[:, :, before[0] : before[0] + i, before[1] : before[1] + j]
