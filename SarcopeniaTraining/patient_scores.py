"""One test patient: what the library draws at L3 against the cohort's truth.

Everything runs through `segment_slices`, so a score here is a score of what a clinician would see.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from SarcopeniaAssessLib.criteria import StatusValue, judge
from SarcopeniaAssessLib.errors import InputError, ModelError
from SarcopeniaAssessLib.geometry import spacing_mm
from SarcopeniaAssessLib.measurement import measure_slice
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.segmentation import segment_slices
from SarcopeniaTraining.evaluation import score_slice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.models import SegmentationModel
    from SarcopeniaAssessLib.volume import CtVolume
    from SarcopeniaTraining.cohort import CohortCase

SURFACE_PERCENTILE = 95


class DamagedModelError(ModelError):
    """A fold's model that cannot be loaded; the message begins with the fold."""


@dataclass(frozen=True)
class ModelToScore:
    """A checkpoint of a fold; `sha256` is that of its file."""

    fold: int
    checkpoint: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class PatientScore:
    """One reading of one patient by one checkpoint.

    Attributes
    ----------
    person:
        Who it is; several cases of a cohort may be of one person.
    truth_status, predicted_status:
        By the default criterion from each area and the manifest's sex; `undetermined` without a sex.
    mean_surface_distance_mm, surface_distance_95_mm:
        Between the borders of both masks, both ways; `None` where the model found no muscle.
    mask_sha256:
        Of the truth's file, so that a corrected truth is scored anew.
    """

    fold: int
    checkpoint: str
    model_sha256: str
    case: str
    person: str
    sex: str | None
    truth_sma_cm2: float
    predicted_sma_cm2: float
    dice: float
    truth_status: str
    predicted_status: str
    cutoff_cm2: float | None
    mean_surface_distance_mm: float | None
    surface_distance_95_mm: float | None
    mask_sha256: str

    @property
    def error_cm2(self) -> float:
        """Signed: predicted − truth."""
        return self.predicted_sma_cm2 - self.truth_sma_cm2

    @property
    def error_percent(self) -> float:
        """Signed, of the truth."""
        return 100 * self.error_cm2 / self.truth_sma_cm2

    @property
    def sarcopenic(self) -> bool | None:
        """By the truth's area; `None` where undetermined."""
        return _is_sarcopenic(self.truth_status)

    @property
    def predicted_sarcopenic(self) -> bool | None:
        """By the predicted area; `None` where undetermined."""
        return _is_sarcopenic(self.predicted_status)

    @property
    def status_is_right(self) -> bool | None:
        """`None` where either status is undetermined."""
        if self.sarcopenic is None or self.predicted_sarcopenic is None:
            return None
        return self.sarcopenic == self.predicted_sarcopenic

    def to_mapping(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """From JSON; fields of later versions are ignored, a missing one is a KeyError."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})


@dataclass(frozen=True, eq=False)
class Reading:
    """Truth and prediction on the canonical native slice, for pictures.

    Attributes
    ----------
    volume, k:
        The CT and the slice at L3, from the feet.
    truth, predicted:
        (I, J) masks.
    """

    volume: CtVolume
    k: int
    truth: NDArray[np.bool_]
    predicted: NDArray[np.bool_]


def read_patient(case: CohortCase, model: SegmentationModel, device: str = "cpu") -> Reading:
    """Open a patient's CT and let a model draw the muscle at L3.

    Raises
    ------
    SarcopeniaError
        What the CT, its truth or the device does not allow.
    """
    volume, k, truth = _opened(case)
    return Reading(volume, k, truth, segment_slices(volume, [k], model, device)[0].mask)


def score_patient(
    case: CohortCase, models: Sequence[ModelToScore], mask_sha256: str, device: str = "cpu"
) -> list[PatientScore]:
    """Scores of one patient by every model given; the CT is read once.

    Raises
    ------
    SarcopeniaError
        What the CT, its truth, a model file or the device does not allow.
    """
    volume, k, truth = _opened(case)
    scores: dict[str, PatientScore] = {}
    named = []
    for model in models:
        if model.sha256 not in scores:  # `best` is a copy of one of the epochs
            loaded = _own_model(model, device)
            predicted = segment_slices(volume, [k], loaded, device)[0].mask
            scores[model.sha256] = _compare(case, volume, (predicted, truth), model, mask_sha256)
        named.append(replace(scores[model.sha256], fold=model.fold, checkpoint=model.checkpoint))
    return named


def _own_model(model: ModelToScore, device: str) -> SegmentationModel:
    """The fold's model; what is wrong with it is the fold's fault, not the patient's."""
    try:
        return _model(model.path, model.sha256, device)
    except (InputError, ModelError) as error:
        raise DamagedModelError(f"fold-{model.fold:02d}: {error.problem}", error.remedy) from None


def _compare(
    case: CohortCase,
    volume: CtVolume,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    model: ModelToScore,
    mask_sha256: str,
) -> PatientScore:
    """Compare predicted and true mask (I, J) of one slice."""
    predicted, truth = masks
    overlap = score_slice(case.case, predicted, truth, volume.pixel_area_cm2)
    own = judge(measure_slice(truth, volume.pixel_area_cm2), volume.patient).status
    found = judge(measure_slice(predicted, volume.pixel_area_cm2), volume.patient).status
    i_mm, j_mm, _ = spacing_mm(volume.ras_from_canonical)
    mean_mm, far_mm = surface_distances_mm(predicted, truth, (i_mm, j_mm))
    return PatientScore(
        fold=model.fold,
        checkpoint=model.checkpoint,
        model_sha256=model.sha256,
        case=case.case,
        person=case.patient or case.case,
        sex=None if volume.patient.sex is None else volume.patient.sex.value,
        truth_sma_cm2=float(overlap.truth_cm2),
        predicted_sma_cm2=float(overlap.predicted_cm2),
        dice=overlap.dice,
        truth_status=own.value.value,
        predicted_status=found.value.value,
        cutoff_cm2=own.cutoff,
        mean_surface_distance_mm=mean_mm,
        surface_distance_95_mm=far_mm,
        mask_sha256=mask_sha256,
    )


def surface_distances_mm(
    predicted: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_in_plane_mm: tuple[float, float]
) -> tuple[float | None, float | None]:
    """Mean symmetric surface distance and 95 % Hausdorff distance of two masks (I, J), by MONAI.

    Border pixels of one mask to the nearest border pixel of the other. The mean is over the border
    pixels of both; the percentile is taken each way, and the larger of both is told.

    Returns
    -------
    Both in mm; `None` where a mask is empty.
    """
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.surface_distance import compute_average_surface_distance

    if not predicted.any() or not truth.any():
        return None, None
    first, second = (
        torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None] for mask in (predicted, truth)
    )
    spacing = list(spacing_in_plane_mm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI 1.6 calls itself in a way that it deprecates
        mean = compute_average_surface_distance(
            first, second, include_background=True, symmetric=True, spacing=spacing
        )
        far = compute_hausdorff_distance(
            first, second, include_background=True, percentile=SURFACE_PERCENTILE, spacing=spacing
        )
    return float(mean), float(far)


def _opened(case: CohortCase) -> tuple[CtVolume, int, NDArray[np.bool_]]:
    volume = case.open()
    k = case.slice_from_feet(volume)
    volume = volume.around(k)
    return volume, k, case.truth(volume, k)


def _is_sarcopenic(status: str) -> bool | None:
    return None if status == StatusValue.UNDETERMINED else status == StatusValue.SARCOPENIC


@lru_cache(maxsize=10)
def _model(path: Path, sha256: str, device: str) -> SegmentationModel:
    """Ten folds' models stay in memory; `sha256` makes a changed file another one."""
    return load_model(path, device)
