"""How far the area can be trusted: the network's own doubt on one slice, and the 95 % interval made of it.

Doubt is measured on the outline's probability and on the HU that carve the outline; what a doubt is worth
in per cent of area is data of the model's entry (`calibration`), measured on phantoms that no training
drew. docs/uncertainty.md has the formulas, the command and the figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.field_of_view import distance_mm
from SarcopeniaAssessLib.hounsfield import MUSCLE_HU_HIGH, MUSCLE_HU_LOW
from SarcopeniaAssessLib.measurement import READER_VARIABILITY, area_interval_cm2
from SarcopeniaAssessLib.segmentation import SMOOTHING_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

BORDER_MM = 1.6
"""Within this of the outline's border doubt is the width of a border, not an opinion."""
RIM_MM = 2.0
DOUBTED = 0.15
"""A probability within this and 1 minus this is drawn as doubt."""
SMALLEST_DOUBTED_MM2 = 15.0
_NOISE_LEFT = 0.6
"""Share of the noise that the smoothing by 0.6 pixel leaves, for grain of a pixel's size."""
_REFUSAL = "give a model that was calibrated by this version, or calibrate it again (docs/uncertainty.md)"


@dataclass(frozen=True)
class Doubt:
    """What is in doubt on one slice, each part relative to the area of the mask.

    Attributes
    ----------
    stray:
        Σ min(p, 1−p) over pixels of muscle HU farther than 1.6 mm from the outline's border: regions that
        may or may not be muscle. Doubt at the border itself only tells how long the border is.
    attenuation:
        Σ p · exp(−|HU − threshold| / noise) over both thresholds, −29 and 150: pixels of the outline that
        the image's noise, or a fault of its HU as large, could carry in or out of the mask.
    """

    stray: float
    attenuation: float


@dataclass(frozen=True)
class Calibration:
    """What a doubt is worth, measured on phantoms of the first family (`SarcopeniaTraining.calibration`).

    Attributes
    ----------
    floor, stray, attenuation:
        scale = floor + Σ weight · doubt, the expected size of |ln(true area / mask's area)|; none negative.
    shift:
        Weight of `attenuation` in the middle of the interval: noise carves muscle away.
    quantile:
        95 % of calibration phantoms erred by less than `quantile · scale` (split conformal).
    scale_limit:
        The scale that one calibration phantom in a thousand exceeds: beyond it nothing was measured.
    cases:
        Phantoms that gave the quantile.
    """

    floor: float
    stray: float
    attenuation: float
    shift: float
    quantile: float
    scale_limit: float
    cases: int

    def __post_init__(self) -> None:
        numbers = asdict(self)
        signed = {"shift": numbers.pop("shift")}
        bad = [name for name, value in numbers.items() if not (math.isfinite(value) and value >= 0.0)]
        bad += [name for name, value in signed.items() if not math.isfinite(value)]
        if bad or self.floor <= 0.0 or self.quantile <= 0.0:
            raise ModelError(f"the model's calibration is not usable ({', '.join(bad) or 'zero'})", _REFUSAL)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self | None:
        """Read the `calibration` of a model's entry; fields it does not know are ignored.

        Returns
        -------
        `None` for an entry without one.

        Raises
        ------
        ModelError
            A number is missing or impossible.
        """
        if not values:
            return None
        try:
            return cls(**{f.name: values[f.name] for f in fields(cls)})
        except (KeyError, TypeError) as error:
            raise ModelError(f"the model's calibration is not usable ({error})", _REFUSAL) from None

    def to_mapping(self) -> dict[str, float]:
        """Values for the `calibration` of a model's entry."""
        return asdict(self)

    def scale(self, doubt: Doubt) -> float:
        """Expected relative error at this doubt; it never falls as doubt grows."""
        return self.floor + self.stray * doubt.stray + self.attenuation * doubt.attenuation

    def exceeded(self, doubt: Doubt) -> bool:
        """Whether the network doubts more than calibration ever showed."""
        return self.scale(doubt) > self.scale_limit


def measure_doubt(
    probability: NDArray[np.float32],
    hu: NDArray[Any],
    mask: NDArray[np.bool_],
    pixel_mm: tuple[float, float],
) -> Doubt | None:
    """The doubt on one slice.

    Parameters
    ----------
    probability:
        (I, J), 0…1, canonical: the network's opinion on the compartments (`outline_probability`).
    hu, mask:
        (I, J): HU of the slice, unsmoothed, and the mask drawn on it.
    pixel_mm:
        Lengths of the two in-plane steps.

    Returns
    -------
    `None` for an empty mask: there is no area to be in doubt about.
    """
    area = float(np.count_nonzero(mask))
    if area == 0.0:
        return None
    window = _window(probability > 0.01)
    p, values = probability[window], np.asarray(hu, np.float32)[window]
    smooth, strayed = _strayed(p, values, pixel_mm)
    within_noise = _NOISE_LEFT * max(_noise_hu(values, mask[window]), 1.0)
    at_threshold = sum(
        np.exp(-np.abs(smooth - threshold) / within_noise) for threshold in (MUSCLE_HU_LOW, MUSCLE_HU_HIGH)
    )
    return Doubt(
        stray=float(np.minimum(p, 1 - p)[strayed].sum()) / area,
        attenuation=float((p * at_threshold).sum()) / area,
    )


def sma_interval_cm2(
    sma_cm2: float, doubt: Doubt | None = None, calibration: Calibration | None = None
) -> tuple[float, float]:
    """The 95 % interval of the area that a careful reader would have drawn on this slice.

    Parameters
    ----------
    sma_cm2:
        Area of the mask.
    doubt, calibration:
        Of the model that drew it; both `None` for a mask that a person gave or edited, whose interval is
        reader variability alone.

    Returns
    -------
    Low and high in cm². They enclose the area itself, also where the errors are known to be one-sided.
    """
    if doubt is None or calibration is None:
        return area_interval_cm2(sma_cm2)
    middle = calibration.shift * doubt.attenuation
    half_width = math.hypot(calibration.quantile * calibration.scale(doubt), READER_VARIABILITY)
    low, high = (sma_cm2 * math.exp(middle + side * half_width) for side in (-1.0, 1.0))
    return min(low, sma_cm2), max(high, sma_cm2)


def doubt_map(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where the network doubts, (I, J), 0…1: 0 where it is sure either way, 1 where it can only guess."""
    doubt: NDArray[np.float32] = (1 - np.abs(2 * np.asarray(probability, np.float32) - 1)).astype(np.float32)
    return doubt


def doubtful_regions(
    probability: NDArray[np.float32], hu: NDArray[Any], pixel_mm: tuple[float, float]
) -> NDArray[np.bool_]:
    """Regions that may or may not be muscle, (I, J) bool: `Doubt.stray` as a picture, specks left out.

    Pixels of muscle HU whose probability lies within 0.15…0.85 more than 1.6 mm from the outline's border,
    and what surrounds them by 2 mm; parameters as for `measure_doubt`.
    """
    from scipy.ndimage import label

    regions = np.zeros(probability.shape, np.bool_)
    window = _window(probability > 0.01)
    p = probability[window]
    _, strayed = _strayed(p, np.asarray(hu, np.float32)[window], pixel_mm)
    doubted = strayed & (np.minimum(p, 1 - p) > DOUBTED)
    near = distance_mm(doubted, pixel_mm) <= RIM_MM
    pieces, _ = label(near)
    large = np.bincount(pieces.ravel(), weights=doubted.ravel()) * math.prod(pixel_mm) >= SMALLEST_DOUBTED_MM2
    regions[window] = large[pieces]
    return regions


def _strayed(
    p: NDArray[np.float32], hu: NDArray[np.float32], pixel_mm: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """HU smoothed as the mask's are, and where they are muscle's away from the outline's border."""
    from scipy.ndimage import gaussian_filter

    smooth: NDArray[np.float32] = gaussian_filter(hu, SMOOTHING_PIXELS)
    plausible = (smooth >= MUSCLE_HU_LOW) & (smooth <= MUSCLE_HU_HIGH)
    outline = p > 0.5
    # The border lies halfway between two pixels, and distances are of their centres.
    border_mm = distance_mm(outline, pixel_mm) + distance_mm(~outline, pixel_mm)
    return smooth, plausible & (border_mm - math.sqrt(math.prod(pixel_mm)) / 2 > BORDER_MM)


def _window(inside: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns that hold what is inside, and six beyond; all of them where nothing is."""
    spans = []
    for axis in (0, 1):
        where = np.flatnonzero(inside.any(axis=1 - axis))
        spans.append(slice(max(int(where[0]) - 6, 0), int(where[-1]) + 7) if where.size else slice(None))
    return spans[0], spans[1]


def _noise_hu(hu: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Standard deviation of what varies within 1.5 pixels inside the muscle, by its median."""
    from scipy.ndimage import binary_erosion, gaussian_filter

    inner = binary_erosion(mask, iterations=2)
    where = inner if np.count_nonzero(inner) > 50 else mask
    return 1.48 * float(np.median(np.abs(hu - gaussian_filter(hu, 1.5))[where]))
