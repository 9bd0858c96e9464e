"""From a mask, its HU and the affine to the numbers of the record. Pure functions, no reading, no rounding.

docs/measurement.md has the formulas in words; every area is pixels × the parallelogram that one pixel
spans in the world, so anisotropic, oblique and sheared images need no special case.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SarcopeniaAssessLib.errors import GeometryError, MaskError, PatientError
from SarcopeniaAssessLib.hounsfield import MUSCLE_HU_HIGH, MUSCLE_HU_LOW

READER_VARIABILITY = 0.019
"""One reader measuring the same CT twice, mostly by choosing another slice (Perthen 2018: 1.9 %)."""

_HEIGHT_RANGE_M = (0.5, 2.5)


@dataclass(frozen=True)
class Measurement:
    """The `muscle` block of a record, unrounded; what was not to be known is `None`."""

    sma_cm2: float
    """Area of the delivered mask."""
    mean_hu: float | None = None
    """Mean of the unsmoothed HU over the mask's pixels within −29…150."""
    sma_hu_m29_150_cm2: float | None = None
    """Area of the mask's pixels within −29…150 HU, unsmoothed."""
    smi_cm2_m2: float | None = None
    """`sma_cm2` divided by the square of the height in metres."""


def measure_slice(
    mask: NDArray[Any],
    pixel_area_cm2: float,
    *,
    hu: NDArray[Any] | None = None,
    height_m: float | None = None,
) -> Measurement:
    """Measure the muscle on one slice.

    Parameters
    ----------
    mask:
        (I, J), boolean or 0/1. An empty mask has an area of 0 cm² and no mean.
    pixel_area_cm2:
        Area of one pixel in cm²: `geometry.pixel_area_cm2()` or `CtVolume.pixel_area_cm2`.
    hu:
        (I, J) Hounsfield units of the same slice, as stored (not smoothed, not clipped); `None`: unknown.
    height_m:
        Height in metres; `None`: unknown.

    Raises
    ------
    MaskError
        The mask is not two-dimensional, not 0/1, or `hu` has another shape.
    GeometryError
        The pixel area is not a positive number.
    PatientError
        The height lies outside 0.5–2.5 m.
    """
    inside = _boolean_slice(mask)
    if not (math.isfinite(pixel_area_cm2) and pixel_area_cm2 > 0.0):
        raise GeometryError(f"A pixel area of {pixel_area_cm2} cm² was given", "take it from the CT's affine")
    sma_cm2 = int(np.count_nonzero(inside)) * float(pixel_area_cm2)
    mean_hu, in_range_cm2 = None, None
    if hu is not None:
        values = _hu_inside(hu, inside)
        in_range = values[(values >= MUSCLE_HU_LOW) & (values <= MUSCLE_HU_HIGH)]
        in_range_cm2 = int(in_range.size) * float(pixel_area_cm2)
        mean_hu = float(in_range.mean(dtype=np.float64)) if in_range.size else None
    return Measurement(sma_cm2, mean_hu, in_range_cm2, _muscle_index(sma_cm2, height_m))


def area_interval_cm2(sma_cm2: float, *, model_error: float = 0.0) -> tuple[float, float]:
    """Interval in which another careful reading of the same CT would be expected.

    Parameters
    ----------
    sma_cm2:
        The measured area.
    model_error:
        Relative error of the model that drew the mask (0.032 for 3.2 %); 0 for a mask that a person
        gave or edited, whose interval is reader variability alone.

    Returns
    -------
    Low and high in cm²: the area ± the root of the squared relative errors (Perthen 2018 for the reader).
    """
    if not (math.isfinite(model_error) and model_error >= 0.0):
        raise ValueError(f"a relative error of {model_error} is impossible")
    half_width = sma_cm2 * math.hypot(READER_VARIABILITY, model_error)
    return max(sma_cm2 - half_width, 0.0), sma_cm2 + half_width


def _boolean_slice(mask: NDArray[Any]) -> NDArray[np.bool_]:
    array = np.asarray(mask)
    if array.ndim != 2:
        raise MaskError(f"A mask with {array.ndim} dimensions was given, not one slice", "give a mask (I, J)")
    if array.dtype == np.bool_:
        return array
    inside: NDArray[np.bool_] = array == 1
    # A label map would silently count every label, a probability map none.
    if not np.array_equal(inside, array != 0):
        raise MaskError("The mask has values other than 0 and 1", "choose one label")
    return inside


def _hu_inside(hu: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[Any]:
    values = np.asarray(hu)
    if values.shape != inside.shape:
        raise MaskError(
            f"The mask has {inside.shape} pixels and the CT slice {values.shape}", "give both on one grid"
        )
    return values[inside]


def _muscle_index(sma_cm2: float, height_m: float | None) -> float | None:
    if height_m is None:
        return None
    low, high = _HEIGHT_RANGE_M
    if not low <= height_m <= high:
        raise PatientError(
            f"A height of {height_m:g} m is outside {low:g}–{high:g} m", "give metres, e.g. 1.75"
        )
    return sma_cm2 / height_m**2
