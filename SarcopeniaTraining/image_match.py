"""Which slice of a CT an image shows, and which way round: told by its pixels, never assumed.

Images are (rows, columns) as stored. As radiologists look at it, columns run to the patient's left and
rows to posterior; exports that are mirrored are met by trying all four ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import MaskError
from SarcopeniaAssessLib.overlay import WINDOW_HU

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.volume import CtVolume

ALIKE = 0.9
"""Correlation of grey values from which an image shows a slice: windows differ, anatomy does not."""
_WAYS = ((True, True), (True, False), (False, True), (False, False))


@dataclass(frozen=True)
class ImageMatch:
    """The slice that an image shows.

    Attributes
    ----------
    k:
        Canonical slice from the feet.
    flips:
        Whether canonical axes 0 and 1 run against the image's columns and rows; both do as radiologists look.
    correlation:
        Of the grey values, −1…1.
    """

    k: int
    flips: tuple[bool, bool]
    correlation: float

    @property
    def notes(self) -> tuple[str, ...]:
        """What is unusual about it."""
        if all(self.flips):
            return ()
        return ("the image is mirrored against radiological display; it was turned to fit its CT",)

    def canonical(self, image: NDArray[Any]) -> NDArray[Any]:
        """(rows, columns) → (I, J)."""
        return _turned(image, self.flips)


def match_image(
    rgb: NDArray[np.uint8], seen: NDArray[np.bool_], volume: CtVolume, k: int | None = None
) -> ImageMatch:
    """Find the slice that an image shows.

    Parameters
    ----------
    rgb, seen:
        (rows, columns, 3), and where it shows the CT (False: drawn over).
    k:
        The slice that it should be; `None`: any.

    Raises
    ------
    MaskError
        Another size than the CT's slices, or it resembles none of them.
    """
    columns, rows = volume.canonical_shape[:2]
    if rgb.shape[:2] != (rows, columns):
        raise MaskError(
            f"the image has {rgb.shape[1]}×{rgb.shape[0]} pixels, the CT's slices {columns}×{rows}",
            "export the image at the CT's own matrix, neither scaled nor cropped",
        )
    grey = rgb.astype(np.float32).mean(axis=2)
    ways = [(flips, _turned(grey, flips), _turned(seen, flips)) for flips in _WAYS]
    found = ImageMatch(-1, (True, True), -1.0)
    for each in range(volume.slice_count) if k is None else (k,):
        shown = np.clip(volume.slab(each, each + 1)[:, :, 0], *WINDOW_HU).astype(np.float32)
        for flips, image, where in ways:
            correlation = _correlation(shown[where], image[where])
            if correlation > found.correlation:
                found = ImageMatch(each, flips, correlation)
    if found.correlation < ALIKE:
        which = "any slice of the CT" if k is None else f"slice {k} of the CT"
        raise MaskError(
            f"the image does not resemble {which} (correlation {max(found.correlation, 0):.2f})",
            "give the image of this CT's L3, or correct the level",
        )
    return found


def _turned(image: NDArray[Any], flips: tuple[bool, bool]) -> NDArray[Any]:
    turned: NDArray[Any] = image.T[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    return turned


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm > 0 else 0.0
