"""What a doubt is worth in per cent of area: split-conformal calibration of the SMA interval, and its check.

A third of the calibration phantoms fits the scale, the others give the quantile of |error| / scale, so
that the interval holds for 95 % of new phantoms of the same kind whatever the scale is (Lei et al.,
*Distribution-free predictive inference for regression*, JASA 2018, doi:10.1080/01621459.2017.1307116).
The quantile is that of the phantoms made harder, since they are nearer to another hospital's CT.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.measurement import READER_VARIABILITY
from SarcopeniaAssessLib.segmentation import segment_slices
from SarcopeniaAssessLib.uncertainty import Calibration, Doubt, measure_doubt, sma_interval_cm2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.models import SegmentationModel
    from SarcopeniaAssessLib.volume import CtVolume

LEVEL = 0.95
LEAST_CASES = 40
LIMIT_LEVEL = 0.999
_LEAST_SCALE = 0.002


@dataclass(frozen=True)
class Reading:
    """A phantom as the model measured it, and as it is.

    Attributes
    ----------
    seed, facts:
        Which phantom, and its subgroups.
    truth_cm2, measured_cm2:
        Its muscle, and the area of the model's mask.
    doubt:
        `None`: the model drew nothing.
    """

    seed: int
    facts: dict[str, Any]
    truth_cm2: float
    measured_cm2: float
    doubt: Doubt | None

    @property
    def log_error(self) -> float:
        """ln(truth / measured); infinite where the model drew nothing."""
        return math.log(self.truth_cm2 / self.measured_cm2) if self.measured_cm2 > 0 else math.inf

    @property
    def reader_cm2(self) -> float:
        """What a careful reader draws of it."""
        return simulated_reader_cm2(self.truth_cm2, self.seed)

    def to_mapping(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Reading:
        """The inverse of `to_mapping`."""
        doubt = values["doubt"]
        return cls(**{**values, "doubt": None if doubt is None else Doubt(**doubt)})


def simulated_reader_cm2(truth_cm2: float, seed: int) -> float:
    """What a careful reader draws of a phantom: the truth × N(1, 0.97 %), 95 % of which lies within 1.9 %."""
    scatter = np.random.default_rng([seed, 8]).normal(0, READER_VARIABILITY / 1.96)
    return truth_cm2 * (1 + float(scatter))


def read_case(
    seed: int, volume: CtVolume, truth: NDArray[np.bool_], facts: dict[str, Any], model: SegmentationModel
) -> Reading:
    """Let a model measure the middle slice of a phantom, through the library as everyone does.

    Parameters
    ----------
    truth:
        (I, J) bool, canonical: muscle on the volume's middle slice.
    """
    k = volume.slice_count // 2
    found = segment_slices(volume, [k], model)[0]
    doubt = measure_doubt(
        found.outline_probability, volume.slab(k, k + 1)[:, :, 0], found.mask, volume.pixel_mm
    )
    areas = [float(np.count_nonzero(mask)) * volume.pixel_area_cm2 for mask in (truth, found.mask)]
    return Reading(seed, facts, areas[0], areas[1], doubt)


def conformal_quantile(scores: Sequence[float] | NDArray[np.float64], level: float = LEVEL) -> float:
    """The bound that a new score of the same kind stays under with at least this probability.

    The k-th smallest of n scores with k = ⌈level · (n + 1)⌉.

    Raises
    ------
    ModelError
        Too few scores for any such bound.
    """
    ordered = np.sort(np.asarray(scores, np.float64))
    k = math.ceil(level * (ordered.size + 1))
    if k > ordered.size:
        raise ModelError(
            f"{ordered.size} phantoms cannot calibrate a {100 * level:g} % interval",
            f"take {math.ceil(level / (1 - level))} or more",
        )
    return float(ordered[k - 1])


def calibrate(readings: Sequence[Reading]) -> Calibration:
    """Fit the scale on every third reading, take the quantile from the harder ones of the others.

    Raises
    ------
    ModelError
        Fewer than 40 readings, or a model that finds nothing on more than one in twenty phantoms.
    """
    if len(readings) < LEAST_CASES:
        raise ModelError(
            f"{len(readings)} phantoms cannot calibrate an interval", f"take {LEAST_CASES} or more"
        )
    fitted, others = readings[::3], [each for n, each in enumerate(readings) if n % 3]
    harder = [each for each in others if each.facts.get("harder")]
    held = harder if len(harder) >= LEAST_CASES // 2 else others
    if conformal_quantile([float(each.doubt is None) for each in held]) > 0.0:
        raise ModelError("The model finds no muscle on many phantoms", "train it before it is calibrated")
    found = _fit([each for each in fitted if each.doubt is not None])
    scales = [found.scale(each.doubt) for each in readings if each.doubt is not None]
    return Calibration(
        floor=round(found.floor, 5),
        stray=round(found.stray, 5),
        attenuation=round(found.attenuation, 5),
        shift=round(found.shift, 5),
        quantile=round(conformal_quantile([_score(found, each) for each in held]), 4),
        scale_limit=round(float(np.quantile(scales, LIMIT_LEVEL, method="higher")), 5),
        cases=len(held),
    )


def _fit(readings: Sequence[Reading]) -> Calibration:
    """Floor, weights and shift of greatest likelihood for Laplace errors of that scale; no quantile yet."""
    from scipy.optimize import minimize

    doubts = np.array([(r.doubt.stray, r.doubt.attenuation) for r in readings if r.doubt is not None])
    errors = np.array([r.log_error for r in readings])
    unit = np.maximum(doubts.mean(axis=0), 1e-6)
    parts = doubts / unit

    def loss(values: NDArray[np.float64]) -> float:
        scale = values[0] + parts @ values[1:3]
        error = np.sqrt((errors - values[3] * parts[:, 1]) ** 2 + 1e-6)  # smooth at 0, for the gradient
        return float(np.mean(np.log(scale) + error / scale))

    size = float(np.median(np.abs(errors))) + 1e-3
    bounds = [(_LEAST_SCALE, None), (0, None), (0, None), (None, None)]
    starts = ([size, 0.1 * size, 0.1 * size, 0], [0.2 * size, 0.4 * size, 0.4 * size, 0.3 * size])
    best = min(
        (minimize(loss, np.maximum(start, _LEAST_SCALE), bounds=bounds) for start in starts),
        key=lambda found: float(found.fun),
    )
    floor, stray, attenuation, shift = (
        float(value) for value in best.x / np.array([1.0, unit[0], unit[1], unit[1]])
    )
    return Calibration(floor, stray, attenuation, shift, quantile=1.0, scale_limit=0.0, cases=0)


def _score(scaled: Calibration, reading: Reading) -> float:
    """Error relative to its scale; infinite where the model drew nothing."""
    if reading.doubt is None:
        return math.inf
    return abs(reading.log_error - scaled.shift * reading.doubt.attenuation) / scaled.scale(reading.doubt)


def covered(reading: Reading, calibration: Calibration) -> bool:
    """Whether the interval holds what the simulated reader drew."""
    if reading.doubt is None:
        return False
    low, high = sma_interval_cm2(reading.measured_cm2, reading.doubt, calibration)
    return low <= reading.reader_cm2 <= high


def coverage(
    readings: Sequence[Reading], calibration: Calibration, group: Callable[[Reading], str] = lambda _: "all"
) -> dict[str, dict[str, float | None]]:
    """How often the interval holds the reader's area, and how wide it is, by subgroup.

    Returns
    -------
    For each subgroup: `cases`; `covered_percent`; half of the interval's width in per cent of the area,
    its median, 5th and 95th percentile; mean signed and absolute error of the area in per cent;
    `beyond_limit`, cases on which the network doubts more than calibration showed. Widths and errors are
    of the cases on which the model drew something, `None` where it drew nothing at all.
    """
    groups: dict[str, list[Reading]] = {}
    for reading in readings:
        groups.setdefault(group(reading), []).append(reading)
    return {name: _coverage(members, calibration) for name, members in sorted(groups.items())}


def _coverage(readings: Sequence[Reading], calibration: Calibration) -> dict[str, float | None]:
    bounds = [
        (*sma_interval_cm2(each.measured_cm2, each.doubt, calibration), each.measured_cm2, each.truth_cm2)
        for each in readings
        if each.doubt is not None
    ]
    low, high, measured, truth = np.array(bounds).reshape(-1, 4).T
    half, error = 50 * (high - low) / measured, 100 * (measured / truth - 1)

    def rounded(statistic: Callable[[NDArray[np.float64]], Any], values: NDArray[np.float64], n: int) -> Any:
        return round(float(statistic(values)), n) if values.size else None

    return {
        "cases": len(readings),
        "covered_percent": round(100 * float(np.mean([covered(each, calibration) for each in readings])), 1),
        "half_width_median_percent": rounded(np.median, half, 1),
        "half_width_p5_percent": rounded(lambda values: np.quantile(values, 0.05), half, 1),
        "half_width_p95_percent": rounded(lambda values: np.quantile(values, 0.95), half, 1),
        "error_mean_percent": rounded(np.mean, error, 2),
        "error_abs_mean_percent": rounded(np.mean, np.abs(error), 2),
        "beyond_limit": sum(each.doubt is not None and calibration.exceeded(each.doubt) for each in readings),
    }
