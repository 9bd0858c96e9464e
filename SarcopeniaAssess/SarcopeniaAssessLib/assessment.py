"""From a CT to a record: `assess()` is the whole story, every line of it a room of its own.

A CT is opened, the slice at L3 chosen, the muscle on it and on its two neighbours drawn by the network,
measured, looked at with suspicion, held against published cut-offs, and written down.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from SarcopeniaAssessLib.case_names import case_name, safe_name
from SarcopeniaAssessLib.criteria import disagreement_finding, judge, resolve_criterion
from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.errors import Finding, MaskError, PatientError
from SarcopeniaAssessLib.level import Level, find_level
from SarcopeniaAssessLib.level_choice import MeasuredLevel, choice_finding
from SarcopeniaAssessLib.measurement import Measurement, area_interval_cm2, measure_slice
from SarcopeniaAssessLib.models import ModelEntry, SegmentationModel, load_model
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaAssessLib.quality import QualityInput, check_quality, withholding_reason
from SarcopeniaAssessLib.record import InputBlock, MaskBlock, RecordParts, build_record
from SarcopeniaAssessLib.segmentation import choose_device, segment_slices
from SarcopeniaAssessLib.uncertainty import (
    Calibration,
    Doubt,
    doubt_map,
    doubtful_regions,
    measure_doubt,
    sma_interval_cm2,
)
from SarcopeniaAssessLib.volume import CtVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL_ERROR_SCORE = "sma_relative_halfwidth_95"
"""Score of a model entry: half the width of its 95 % interval of relative SMA errors."""


@dataclass(frozen=True, eq=False)
class Assessment:
    """A record and what it was made from.

    Attributes
    ----------
    record:
        The dict of `assessment.json`.
    volume, level:
        The CT (or the grid of a mask that came alone) and the slice measured.
    slice_hu, slice_mask:
        (I, J), canonical: its HU (`None` for a mask that came alone), and the delivered mask, bool.
    slice_doubt, slice_doubtful:
        (I, J), canonical: where the network doubts, 0…1, and the regions that it is of two minds about,
        bool; `None` for a mask that no network drew.
    """

    record: dict[str, Any]
    volume: CtVolume
    level: Level
    slice_hu: NDArray[Any] | None
    slice_mask: NDArray[np.bool_]
    slice_doubt: NDArray[np.float32] | None = None
    slice_doubtful: NDArray[np.bool_] | None = None

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """The delivered mask on the CT's own grid: uint8, 0 and 1, in Fortran order as NIfTI stores it."""
        native = np.zeros(self.volume.shape, np.uint8, order="F")
        self.volume.axes.view(native)[:, :, self.level.slice_from_feet] = self.slice_mask
        return native


@dataclass(frozen=True)
class GivenFacts:
    """What a person says of the patient; overrides what the input says."""

    sex: Sex | str | None = None
    age_years: float | None = None
    height_m: float | None = None
    weight_kg: float | None = None

    def over(self, found: PatientFacts) -> PatientFacts:
        """The facts of an input with those given in their place.

        Raises
        ------
        PatientError
            A sex that is neither male nor female, or a number that no person has.
        """
        given = {
            name: getattr(self, name)
            for name in ("age_years", "height_m", "weight_kg")
            if getattr(self, name) is not None
        }
        if self.sex is not None:
            try:
                given |= {"sex": Sex(self.sex), "sex_source": "given"}
            except ValueError:
                raise PatientError(f"The sex {self.sex!r} is unknown", "give male or female") from None
        return replace(found, **given)


@dataclass(frozen=True, eq=False)
class Question:
    """A CT, a level and a patient: everything that is known before the network runs.

    Attributes
    ----------
    volume, level:
        The CT, its affine exact at the level.
    dicom_sex:
        What the input said, whatever was given.
    criteria:
        Ids; the first gives the status.
    case:
        The case's name.
    started, read_s:
        When work on it began (`time.perf_counter`), and the seconds it took to get here.
    """

    volume: CtVolume
    level: Level
    dicom_sex: Sex | None
    criteria: tuple[str, ...]
    case: str
    started: float
    read_s: float


class DrawnBy(Protocol):
    """What drew a mask: a model that is loaded here, or the entry of one that ran in another process."""

    @property
    def entry(self) -> ModelEntry:
        """Name, version, checksum, calibration."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A mask on the level's slice, (I, J) bool canonical, and what is known of how it came about.

    Attributes
    ----------
    mask, hu, neighbours:
        (I, J), canonical: the mask, the slice's HU, the masks one slice below and above.
    model, device, fragments_removed_cm2, timing_s:
        What drew it; `model` is `None` for a given mask.
    sha256:
        Of the file of a given mask.
    probability:
        (I, J), 0…1: the network's opinion on the compartments, before HU carve.
    doubt:
        What it doubts on this slice.
    alternatives:
        What was measured on the other slices that may be at L3.
    """

    mask: NDArray[np.bool_]
    hu: NDArray[Any] | None
    neighbours: tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None] = (None, None)
    model: DrawnBy | None = None
    device: str | None = None
    sha256: str | None = None
    fragments_removed_cm2: float = 0.0
    timing_s: Mapping[str, float] | None = None
    probability: NDArray[np.float32] | None = None
    doubt: Doubt | None = None
    alternatives: tuple[MeasuredLevel, ...] = ()

    @cached_property
    def calibration(self) -> Calibration | None:
        """What the model's doubt is worth; `None` for a given mask or a model without it."""
        return None if self.model is None else Calibration.from_mapping(self.model.entry.calibration)


def assess(  # noqa: PLR0913 - promised: what a person can say of a CT, each by its name
    ct: str | Path | CtVolume,
    *,
    sex: Sex | str | None = None,
    age_years: float | None = None,
    height_m: float | None = None,
    weight_kg: float | None = None,
    l3: str | None = None,
    model: str | Path | SegmentationModel | None = None,
    device: str = "auto",
    criteria: Sequence[str] = (),
    series: str | None = None,
    case: str | None = None,
) -> Assessment:
    """Assess the skeletal muscle at L3 of one CT.

    Parameters
    ----------
    ct:
        A path (`ct_io.open_ct`) or a volume.
    sex, age_years, height_m, weight_kg:
        Facts given by a person; what is left out is taken from the input where it tells.
    l3:
        `auto` (also if left out), `slice:K` from the feet, `s:MM`, `labels:FILE[=V]`.
    model, device:
        A registered name, a file, a loaded model, or `None` for the default; `auto`, `cpu`, `cuda[:N]` or
        `mps`.
    criteria:
        Ids or sources of Criteria.json; the first gives the status.
    series:
        UID, where a DICOM folder holds several series.
    case:
        The case's name; by default the path's.

    Raises
    ------
    SarcopeniaError
        Its kind says which room refused: input, geometry, intensities, level, model, device, patient,
        criterion, mask.
    """
    facts = GivenFacts(sex, age_years, height_m, weight_kg)
    question = ask(ct, facts, l3=l3, criteria=criteria, series=series, case=case)
    where = choose_device(device)
    network = model if isinstance(model, SegmentationModel) else load_model(model, where)
    return conclude(question, draw(question, network, where))


def ask(
    ct: str | Path | CtVolume,
    facts: GivenFacts,
    *,
    l3: str | Level | None = None,
    criteria: Sequence[str] = (),
    series: str | None = None,
    case: str | None = None,
) -> Question:
    """Open a CT, put the facts together and find the level, unless it is given; see `assess`."""
    started = time.perf_counter()
    volume = ct if isinstance(ct, CtVolume) else open_ct(ct, series=series)
    level = l3 if isinstance(l3, Level) else find_level(l3, volume)
    name = safe_name(case) if case else ("ct" if isinstance(ct, CtVolume) else case_name(ct))
    return Question(
        volume=volume.around(level.slice_from_feet).with_patient(facts.over(volume.patient)),
        level=level,
        dicom_sex=volume.patient.sex if volume.patient.sex_source == "dicom" else None,
        criteria=tuple(resolve_criterion(each) for each in criteria),
        case=name,
        started=started,
        read_s=time.perf_counter() - started,
    )


def draw(question: Question, model: SegmentationModel, device: str) -> Drawing:
    """Let the network draw the muscle on the level's slice, on its alternatives and on its neighbours.

    Raises
    ------
    MaskError
        It finds no muscle there.
    """
    volume, k = question.volume, question.level.slice_from_feet
    wanted = [each for each in (k, k - 1, k + 1) if 0 <= each < volume.slice_count]
    others = [level.slice_from_feet for level in question.level.alternatives]
    wanted += [each for each in others if each not in wanted]
    found = dict(zip(wanted, segment_slices(volume, wanted, model, device), strict=True))
    if not found[k].mask.any():
        raise MaskError("The model finds no muscle on this slice", "check the level and the CT")
    below, above = (found[each].mask if each in found else None for each in (k - 1, k + 1))
    hu = volume.slab(k, k + 1)[:, :, 0]
    return Drawing(
        mask=found[k].mask,
        hu=hu,
        neighbours=(below, above),
        model=model,
        device=device,
        fragments_removed_cm2=found[k].fragments_removed_cm2,
        timing_s={
            "preprocess": sum(each.preprocess_s for each in found.values()),
            "network": sum(each.network_s for each in found.values()),
        },
        probability=found[k].outline_probability,
        doubt=measure_doubt(found[k].outline_probability, hu, found[k].mask, volume.pixel_mm),
        alternatives=tuple(
            MeasuredLevel(level, _measured_elsewhere(volume, level, found[level.slice_from_feet].mask))
            for level in question.level.alternatives
        ),
    )


def _measured_elsewhere(volume: CtVolume, level: Level, mask: NDArray[np.bool_]) -> Measurement | None:
    """Numbers of another slice; `None` where the network finds no muscle on it."""
    if not mask.any():
        return None
    k = level.slice_from_feet
    hu = volume.slab(k, k + 1)[:, :, 0]
    return measure_slice(mask, volume.pixel_area_cm2, hu=hu, height_m=volume.patient.height_m)


def conclude(question: Question, drawing: Drawing) -> Assessment:
    """Measure a mask, look at it with suspicion, hold it against the cut-offs, and write it down."""
    volume, patient = question.volume, question.volume.patient
    area_cm2 = volume.pixel_area_cm2
    measured = measure_slice(drawing.mask, area_cm2, hu=drawing.hu, height_m=patient.height_m)
    below, above = (
        None if mask is None else measure_slice(mask, area_cm2).sma_cm2 for mask in drawing.neighbours
    )
    candidates = (MeasuredLevel(question.level, measured), *drawing.alternatives)
    findings = _findings(question, drawing, candidates, (below, above))
    interval = _interval_cm2(measured.sma_cm2, drawing)
    judgement = judge(
        measured, patient, names=question.criteria, interval=interval, withheld=withholding_reason(findings)
    )
    disagreement = disagreement_finding(judgement)
    timing = {"read": question.read_s, **(drawing.timing_s or {})}
    timing["total"] = time.perf_counter() - question.started  # loading the model included
    record = build_record(
        RecordParts(
            case=question.case,
            input=InputBlock.of(volume),
            patient=patient,
            level=question.level,
            measurement=measured,
            judgement=judgement,
            findings=(*findings, *([disagreement] if disagreement else [])),
            mask=MaskBlock("given") if drawing.model is None else MaskBlock("model", 1.0, 0),
            neighbours_sma_cm2=(below, above),
            interval=interval,
            doubt=drawing.doubt,
            candidates=candidates if len(candidates) > 1 else (),
            model=drawing.model.entry if drawing.model else None,
            device=drawing.device,
            timing_s=timing,
        )
    )
    if drawing.sha256 is not None:
        record["mask"]["sha256"] = drawing.sha256
    made = Assessment(record, volume, question.level, drawing.hu, drawing.mask)
    if drawing.probability is None or drawing.hu is None:
        return made
    doubtful = doubtful_regions(drawing.probability, drawing.hu, volume.pixel_mm)
    return replace(made, slice_doubt=doubt_map(drawing.probability), slice_doubtful=doubtful)


def _findings(
    question: Question,
    drawing: Drawing,
    candidates: tuple[MeasuredLevel, ...],
    neighbours_sma_cm2: tuple[float | None, float | None],
) -> tuple[Finding, ...]:
    """What a careful reader would mention; that L3 may be elsewhere first of all."""
    measured, patient = candidates[0].measurement, question.volume.patient
    assert measured is not None
    choice = choice_finding(candidates, patient, question.criteria)
    looked_at = check_quality(
        QualityInput(
            volume=question.volume,
            level=question.level,
            mask=drawing.mask,
            measurement=measured,
            patient=patient,
            hu=drawing.hu,
            neighbours_sma_cm2=neighbours_sma_cm2,
            fragments_removed_cm2=drawing.fragments_removed_cm2,
            dicom_sex=question.dicom_sex,
            doubt_exceeded=_doubt_exceeded(drawing),
        )
    )
    return (*([choice] if choice else []), *looked_at)


def _interval_cm2(sma_cm2: float, drawing: Drawing) -> tuple[float, float] | None:
    """Reader variability for a given mask; for a model's, its own doubt too, as far as it was calibrated."""
    if drawing.model is None:
        return sma_interval_cm2(sma_cm2)
    if drawing.calibration is not None and drawing.doubt is not None:
        return sma_interval_cm2(sma_cm2, drawing.doubt, drawing.calibration)
    error = drawing.model.entry.scores.get(MODEL_ERROR_SCORE)
    return None if error is None else area_interval_cm2(sma_cm2, model_error=float(error))


def _doubt_exceeded(drawing: Drawing) -> bool:
    """Whether the network doubts more than its calibration knows; never without one."""
    calibration, doubt = drawing.calibration, drawing.doubt
    return calibration is not None and doubt is not None and calibration.exceeded(doubt)
