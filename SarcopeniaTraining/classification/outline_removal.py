"""An image without the outline that was drawn on it: its plain twin, or the line filled in.

A line that is drawn on the image tells a classifier where the muscle is, or, where outlines were drawn
otherwise for one class, the class itself. So none may reach a network. What is coloured is taken out and
filled from around: a smooth surface that goes through the pixels beside the line, and on it the noise of
the pixels across its edge. Arrays are (rows, columns) as images are stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaTraining.images import is_grey
from SarcopeniaTraining.outlines import COLOURED, DIFFERENT, OutlineError, find_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAINT = 12
"""Largest minus smallest channel, of 255: above the tints of a JPEG, below a line's blurred edge."""
MOST_DRAWN = 0.25
"""Share of an image that may be coloured: more is no line on a CT."""
_EVENNESS = 0.25
"""A line is of one grey: it varies this much less than the anatomy under it."""
_MOST_APART = 0.01
"""Share of two twins that may differ beside the line: another text, another size bar."""
_NOISE_SIGMA = 1.5
_NEAR_PIXELS = 6
_OUTLYING, _MEDIAN_OF_NORMAL = 3.0, 0.6745
"""Standard deviations beyond which noise is an edge; median of |x| for a standard normal x."""


@dataclass(frozen=True, eq=False)
class PlainImage:
    """An image as a network may see it.

    Attributes
    ----------
    grey:
        (rows, columns), 0…255.
    restored:
        (rows, columns), True where a drawn line was filled in; nowhere, if the image is its plain twin.
    note:
        What was unusual; empty otherwise.
    """

    grey: NDArray[np.uint8]
    restored: NDArray[np.bool_]
    note: str = ""


def plain_image(image: NDArray[np.uint8], twin: NDArray[np.uint8] | None = None) -> PlainImage:
    """The plain one of two images of a section, or one image with its outline removed.

    Parameters
    ----------
    image, twin:
        (rows, columns, 3): what the manifest calls the image, and the annotated one where there is one. The
        two may be the wrong way round: that is told by their pixels.

    Raises
    ------
    OutlineError
        Which of the two is plain cannot be told; two images that are no twins; a coloured image of which no
        plain twin is there and whose line cannot be told.
    """
    if twin is None or twin.shape != image.shape:
        return _alone(image)
    if np.array_equal(image, twin):
        if is_grey(image):
            raise OutlineError(
                "the image equals its annotated twin: whether an outline is drawn on it cannot be told",
                "give the plain image, or none as annotated",
            )
        return _alone(image)
    tints = _tint(image), _tint(twin)
    if tints[0] <= FAINT < tints[1] or (max(tints) <= FAINT and not _is_drawn(image, twin)):
        return PlainImage(_grey(image), _nowhere(image))
    if tints[1] <= FAINT:
        _require_twin(image, twin)
        return PlainImage(_grey(twin), _nowhere(twin), "the plain image stands under annotated_image")
    return _alone(image)


def remove_outline(rgb: NDArray[np.uint8]) -> PlainImage:
    """An image whose coloured line is filled in.

    Parameters
    ----------
    rgb:
        (rows, columns, 3).

    Raises
    ------
    OutlineError
        No line as coloured as a drawn one, or more than a quarter of the image is coloured.
    """
    from scipy.ndimage import binary_dilation

    if _tint(rgb) <= COLOURED:
        raise OutlineError(
            "the image has colours, but no line of a clear colour that could be removed",
            "give its plain twin",
        )
    chroma = _chroma(rgb)
    covered = chroma > FAINT
    if ((chroma > 0) & (chroma <= COLOURED)).any():
        # Blurred: the line's outermost pixels are mixed with grey beyond what their colour still tells.
        covered = binary_dilation(covered, np.ones((3, 3), np.bool_))
    if covered.mean() > MOST_DRAWN:
        raise OutlineError(
            f"{covered.mean():.0%} of the image is coloured: that is no outline", "give its plain twin"
        )
    return PlainImage(fill_in(_grey(rgb), covered), covered)


def fill_in(grey: NDArray[np.uint8], covered: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Grey values from around where `covered`, all others as they are.

    The surface solves Laplace's equation between the pixels beside the covered ones; on it lies the noise
    (what a Gaussian of 1.5 pixels leaves over) of the pixels mirrored at the nearest of these.
    """
    surface = _surface(grey.astype(np.float64), covered)
    filled = surface + np.where(covered, _noise(surface, covered), 0)
    return np.round(np.clip(filled, 0, 255)).astype(np.uint8)


def noise_of(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a Gaussian of 1.5 pixels leaves over of a picture."""
    from scipy.ndimage import gaussian_filter

    noise: NDArray[np.float64] = grey - gaussian_filter(grey, _NOISE_SIGMA)
    return noise


def _alone(image: NDArray[np.uint8]) -> PlainImage:
    return PlainImage(_grey(image), _nowhere(image)) if _tint(image) <= FAINT else remove_outline(image)


def _is_drawn(image: NDArray[np.uint8], twin: NDArray[np.uint8]) -> bool:
    """Whether a grey line is drawn on `image` rather than on its twin."""
    line = find_line(twin, image)
    spread = [float(_grey(one)[line].std()) for one in (image, twin)]
    return spread[0] < _EVENNESS * spread[1]


def _require_twin(drawn: NDArray[np.uint8], plain: NDArray[np.uint8]) -> None:
    """Refuse a grey picture in place of a coloured one where they differ beside the line too."""
    from scipy.ndimage import binary_dilation

    line = binary_dilation(_chroma(drawn) > FAINT, np.ones((3, 3), np.bool_))
    apart = (np.abs(drawn.astype(np.int16) - plain) > DIFFERENT).any(axis=2) & ~line
    if _tint(drawn) > FAINT and apart.mean() > _MOST_APART:
        raise OutlineError(
            "the image has colours, and the annotated image is not the same without them",
            "give the plain image and its own annotated twin",
        )


def _chroma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    spread: NDArray[np.uint8] = rgb.max(axis=2) - rgb.min(axis=2)
    return spread


def _tint(rgb: NDArray[np.uint8]) -> int:
    return int(_chroma(rgb).max())


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey: NDArray[np.uint8] = np.round(rgb.mean(axis=2)).astype(np.uint8)
    return grey


def _nowhere(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.zeros(rgb.shape[:2], np.bool_)


def _surface(grey: NDArray[np.float64], covered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Covered pixels are the mean of their four neighbours (fewer at the image's border)."""
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import spsolve

    count = int(covered.sum())
    if count == 0:
        return grey
    number = np.full(np.add(covered.shape, 2), -1)  # a border of nothing, so that every pixel has neighbours
    number[1:-1, 1:-1][covered] = np.arange(count)
    inside, values = np.pad(np.ones(covered.shape, np.bool_), 1), np.pad(grey, 1)
    at = np.argwhere(np.pad(covered, 1))
    rows, columns, weights = [], [], []
    known, neighbours = np.zeros(count), np.zeros(count)
    for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        beside = tuple((at + step).T)
        unknown = number[beside] >= 0
        rows.append(np.flatnonzero(unknown))
        columns.append(number[beside][unknown])
        weights.append(np.full(int(unknown.sum()), -1.0))
        known += np.where(unknown, 0.0, values[beside])
        neighbours += inside[beside]
    diagonal = np.arange(count)
    where = (np.concatenate([*rows, diagonal]), np.concatenate([*columns, diagonal]))
    system = csc_matrix((np.concatenate([*weights, neighbours]), where), (count, count))
    filled = grey.copy()
    filled[covered] = spsolve(system, known)
    return filled


def _noise(surface: NDArray[np.float64], covered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each pixel, the noise of the pixel mirrored at its nearest uncovered one; edges are cut down."""
    from scipy.ndimage import binary_dilation, distance_transform_edt

    noise = np.where(covered, 0, noise_of(surface))
    beside = binary_dilation(covered, iterations=_NEAR_PIXELS) & ~covered
    if not beside.any():
        return noise
    # An edge of the anatomy is no noise: mirrored into the line it would stand there twice.
    limit = _OUTLYING * float(np.median(np.abs(noise[beside]))) / _MEDIAN_OF_NORMAL
    _, nearest = distance_transform_edt(covered, return_indices=True)
    last = np.array(surface.shape)[:, None, None] - 1
    mirrored = np.clip(2 * nearest - np.indices(surface.shape), 0, last)
    found: NDArray[np.float64] = np.clip(noise, -limit, limit)[tuple(mirrored)]
    return found
