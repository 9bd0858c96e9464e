"""What a careful reader would have drawn: muscles outlined, and their borders with fat found by HU.

Readers paint a little beyond a muscle's edge with −29…150 HU switched on. Where muscle borders on fat it is
then the HU that decide, also of a pixel that is less than half muscle and of a fat line thinner than a pixel
between two muscles. Where it borders on anything else the eye decides: more than half of a pixel.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, generate_binary_structure

from SarcopeniaAssessLib.hounsfield import MUSCLE_HU_HIGH, MUSCLE_HU_LOW
from SarcopeniaTraining.phantom.painting import Points

OTHER_BELOW = 0.05
"""Share of what is neither muscle nor fat, from which on a pixel is not decided by its HU."""

Mask = NDArray[np.bool_]


def truth_of(points: Points, clean: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Outline, and muscle: the outline where the noise-free HU `clean` (i, j, k) are −29…150."""
    compartments, by_hu = compartments_and_border(points.outline, points.other)
    like_muscle = in_muscle_window(clean)
    outline = compartments | (by_hu & like_muscle)
    return outline.astype(np.uint8), (outline & like_muscle).astype(np.uint8)


def compartments_and_border(outline: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[Mask, Mask]:
    """Muscle compartments, and the pixels beside them in the plane that are muscle if their HU are.

    Parameters
    ----------
    outline, other:
        (i, j, k), the shares of `Points`.
    """
    compartments = outline > 0.5
    in_plane = generate_binary_structure(2, 1)[:, :, None]
    beside = binary_dilation(compartments, in_plane) & ~compartments
    return compartments, beside & (other < OTHER_BELOW)


def in_muscle_window(hu: NDArray[np.float32]) -> Mask:
    """Where HU are −29…150."""
    return (hu >= MUSCLE_HU_LOW) & (hu <= MUSCLE_HU_HIGH)
