"""Are these voxel values Hounsfield units? Refuse what is not, and say what it seems to be.

HU are anchored: air is −1000 and water 0 (by definition), fat lies near −100 and muscle near 50. Every
CT of an abdomen, however tightly cropped, therefore has values well below zero and soft tissue around
zero. MR, PET, label maps and CT without its rescale intercept have not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import IntensityError

if TYPE_CHECKING:
    from numpy.typing import NDArray

AIR_HU = -1024
"""The lowest value of a 12-bit CT; padding and overshoot below it are raised to it."""
PADDING_BELOW_HU = -1500
"""Below this no reconstruction noise reaches: −2000, −2048 and −3024 are padding outside the scan."""
PADDING_HU = -2048
"""What a reader writes where the header declares a pixel to be padding."""

MUSCLE_HU_LOW = -29
"""Lower bound of skeletal muscle, inclusive (Mitsiopoulos 1998; the convention of the L3 literature)."""
MUSCLE_HU_HIGH = 150
"""Upper bound of skeletal muscle, inclusive."""

_NOT_AIR_HU = -300
_SAMPLE_VOXELS = 1 << 20
_LABELS_AT_MOST = 130
"""More classes than any whole-body label map in use (TotalSegmentator: 117)."""
_EXPORT_REMEDY = "export the original CT again, in Hounsfield units"


@dataclass(frozen=True)
class _Sample:
    """Values outside padding and the fractions by which a CT is recognised."""

    values: NDArray[Any]

    def fraction(self, low: float, high: float) -> float:
        return float(np.mean((self.values >= low) & (self.values <= high)))


def check_hu(hu: NDArray[Any]) -> None:
    """Refuse voxel values that cannot be Hounsfield units.

    Parameters
    ----------
    hu:
        Values of any shape and real dtype, a slab or a whole volume. A million evenly spaced values
        are judged; only the search for NaN looks at every one.

    Raises
    ------
    IntensityError
        NaN or infinite values; only air or padding; a label map; no values below zero (CT without
        its intercept, wrapped values, MR, PET); almost no soft tissue.
    """
    check_finite(hu)
    values = evenly_spaced(hu)
    values = values[values > PADDING_BELOW_HU]
    if values.size == 0:
        raise IntensityError("The slices hold nothing but padding", "choose a level within the scan")
    sample = _Sample(values)
    _refuse_label_map(sample)
    _refuse_missing_intercept(sample)
    _refuse_missing_negatives(sample)
    _refuse_wrapped(sample)
    _refuse_without_tissue(sample)


def is_label_like(values: NDArray[Any]) -> bool:
    """Whether values look like a mask or label map: few distinct whole numbers, none below zero."""
    if values.size == 0 or float(values.min()) < 0:
        return False
    distinct = np.unique(values)
    if distinct.size > _LABELS_AT_MOST or not bool(np.all(distinct == np.round(distinct))):
        return False
    # A smooth image has neighbours for nearly all its values; labels are few and small, or very few.
    return bool(distinct[-1] <= 1000 or distinct.size <= 3)


def check_finite(values: NDArray[Any]) -> None:
    """Refuse NaN and infinite values; every one is looked at, a slice of the last axis at a time."""
    if values.dtype.kind != "f" or all(
        bool(np.isfinite(values[..., k]).all()) for k in range(values.shape[-1])
    ):
        return
    raise IntensityError(
        "The image holds voxels that are not numbers (NaN or infinite)",
        "replace them by −1024 if they lie outside the scan, or export the CT again",
    )


def evenly_spaced(hu: NDArray[Any]) -> NDArray[Any]:
    """At most about a million values from all over the array, flat."""
    if hu.size <= _SAMPLE_VOXELS:
        return hu.reshape(-1)
    step = int(np.ceil((hu.size / _SAMPLE_VOXELS) ** (1 / hu.ndim)))
    # An axis shorter than its step would be reduced to its first slice, often air at the scan's end.
    steps = [min(step, max(1, side // 8)) for side in hu.shape]
    return hu[tuple(slice(s // 2, None, s) for s in steps)].reshape(-1)


def _refuse_label_map(sample: _Sample) -> None:
    if is_label_like(sample.values):
        raise IntensityError(
            "The values are those of a mask or label map, not of a CT",
            "give the CT here; a label map belongs to --l3 labels:FILE or to `measure`",
        )


def _refuse_missing_intercept(sample: _Sample) -> None:
    """In HU only dense bone lies near 1000, a few per cent at most; HU + 1024 puts all soft tissue there."""
    if sample.fraction(850, 1250) >= 0.05:
        low, high = float(sample.values.min()), float(sample.values.max())
        raise IntensityError(
            f"The values run from {low:g} to {high:g} with soft tissue near 1000: "
            "the rescale intercept (usually −1024) has not been applied",
            _EXPORT_REMEDY,
        )


def _refuse_missing_negatives(sample: _Sample) -> None:
    """Fat and air make up a tenth of an abdomen at the least; a hundredth of that is asked for."""
    if sample.fraction(PADDING_BELOW_HU, -20) >= 0.001:
        return
    low, high = float(sample.values.min()), float(sample.values.max())
    if sample.fraction(2800, 4095) >= 0.02:
        raise IntensityError(
            "Air has wrapped around to values near 3000: negative values were stored without their sign",
            _EXPORT_REMEDY,
        )
    if sample.fraction(30000, 65535) >= 0.02:
        raise IntensityError(
            "Air has wrapped around to values near 65000: negative values were stored without their sign",
            _EXPORT_REMEDY,
        )
    raise IntensityError(
        f"The values run from {low:g} to {high:g}, without the negative ones of fat and air: "
        "this is not a CT in Hounsfield units (MR, PET and pictures look so)",
        "give a CT in Hounsfield units",
    )


def _refuse_wrapped(sample: _Sample) -> None:
    """Metal fills a few per mille of a slab; air or padding that wrapped fills much of it."""
    beyond = sample.fraction(1900, np.inf)
    if beyond > 0.05:
        raise IntensityError(
            f"{100 * beyond:.0f} % of the voxels lie above 1900 HU, which no body does: "
            "the values have wrapped around or are not Hounsfield units",
            _EXPORT_REMEDY,
        )


def _refuse_without_tissue(sample: _Sample) -> None:
    not_air = sample.fraction(_NOT_AIR_HU, np.inf)
    if not_air < 0.005:
        raise IntensityError(
            "The CT shows nothing but air",
            "check that the scan and the level show a body, in Hounsfield units",
        )
    low, high = np.percentile(sample.values, (0.1, 99.9))
    if high - low < 50:
        raise IntensityError(
            f"Nearly all values lie between {low:g} and {high:g}: these are not Hounsfield units",
            "give the CT as it was reconstructed, not normalised",
        )
    soft = sample.fraction(_NOT_AIR_HU, 300) / not_air
    if soft < 0.3:
        raise IntensityError(
            f"Only {100 * soft:.0f} % of what is not air lies between −300 and 300 HU, as soft tissue does",
            _EXPORT_REMEDY,
        )
