"""A model on scans of the second phantom family, which no training has ever drawn from.

Every scan passes through the library's own `assess`, from a CT with its facts to a record, so that what
is scored is what a clinician would see: mask, area, interval, status and findings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from SarcopeniaAssessLib.assessment import Assessment, assess
from SarcopeniaAssessLib.criteria import StatusValue, judge
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.level import find_level
from SarcopeniaAssessLib.measurement import measure_slice
from SarcopeniaAssessLib.patient import InputFacts, PatientFacts, Sex
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.calibration import simulated_reader_cm2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.models import SegmentationModel
    from SarcopeniaTraining.second_family import HeldOutScan

FIRST_SEED = 5_000_000
"""First seed of the scans that a model is evaluated on; intervals are checked on others."""


@dataclass(frozen=True)
class HeldOutScore:
    """One scan: what it was, and what the assessment made of it.

    Attributes
    ----------
    sex, build, phase, slice_mm, kernel, kvp, noise_hu, traits:
        The scan's facts, as `second_family.ScanFacts` has them.
    truth_cm2, truth_status:
        The true area on the slice assessed, and the default criterion's word on it.
    sma_cm2, dice, interval_low_cm2, interval_high_cm2:
        Of the record; `None` where the assessment was refused or claims no interval.
    status, borderline:
        Of the record; undetermined where an error withholds it.
    errors, warnings:
        Codes of the record's findings of that severity.
    refused:
        Why there is no record; `None` where there is one.
    seconds:
        From the CT in memory to the record.
    """

    seed: int
    sex: str
    age_years: float
    build: str
    phase: str
    slice_mm: float
    kernel: str
    kvp: float
    noise_hu: float
    traits: tuple[str, ...]
    truth_cm2: float
    truth_status: str
    sma_cm2: float | None
    dice: float | None
    interval_low_cm2: float | None
    interval_high_cm2: float | None
    status: str
    borderline: bool | None
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    refused: str | None
    seconds: float

    @property
    def error_cm2(self) -> float | None:
        """Signed: measured − true."""
        return None if self.sma_cm2 is None else self.sma_cm2 - self.truth_cm2

    @property
    def error_percent(self) -> float | None:
        """Signed, of the truth."""
        return None if self.error_cm2 is None else 100 * self.error_cm2 / self.truth_cm2

    @property
    def reader_cm2(self) -> float:
        """What a careful reader draws: one of the readers that calibration is checked on."""
        return simulated_reader_cm2(self.truth_cm2, self.seed)

    @property
    def covered(self) -> bool | None:
        """Whether the record's interval holds the reader's area; `None` without an interval."""
        if self.interval_low_cm2 is None or self.interval_high_cm2 is None:
            return None
        return self.interval_low_cm2 <= self.reader_cm2 <= self.interval_high_cm2

    @property
    def half_width_percent(self) -> float | None:
        """Half the interval's width, of the measured area."""
        if self.interval_low_cm2 is None or self.interval_high_cm2 is None or not self.sma_cm2:
            return None
        return 50 * (self.interval_high_cm2 - self.interval_low_cm2) / self.sma_cm2

    @property
    def status_is_right(self) -> bool | None:
        """`None` where either status is undetermined."""
        if StatusValue.UNDETERMINED in (self.status, self.truth_status):
            return None
        return self.status == self.truth_status

    def to_mapping(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """From JSON; fields of later versions are ignored, a missing one is a KeyError."""
        lists = ("traits", "errors", "warnings")
        own = {field.name: values[field.name] for field in fields(cls)}
        return cls(**own | {name: tuple(own[name]) for name in lists})


@dataclass(frozen=True, eq=False)
class HeldOutReading:
    """A scored scan with its pictures' ingredients; masks (I, J) on canonical slice `k`.

    Attributes
    ----------
    drawn:
        The delivered mask; `None` where the assessment was refused.
    """

    score: HeldOutScore
    volume: CtVolume
    k: int
    truth: NDArray[np.bool_]
    drawn: NDArray[np.bool_] | None


def as_ct(scan: HeldOutScan) -> CtVolume:
    """The scan as a reader would give it: its HU, and the facts that a DICOM header tells."""
    facts = scan.facts
    known = InputFacts(
        "memory",
        "0" * 64,
        kvp=float(facts.kvp),
        contrast=facts.phase != "none",
        slice_thickness_mm=float(facts.slice_mm),
    )
    return CtVolume.from_array(scan.hu, scan.ras_from_ijk, input=known)


def chosen_level(scan: HeldOutScan) -> str:
    """Where its user assesses a scan, as `--l3`: up to 10 mm off the middle of L3 (`draw_l3`)."""
    return f"s:{scan.facts.l3_superior_mm + scan.facts.off_l3_mm:.6f}"


def read_scan(scan: HeldOutScan, model: SegmentationModel, device: str = "cpu") -> HeldOutReading:
    """Assess a scan on the slice that its user took for L3, and compare the record with the truth."""
    import time

    volume, facts = as_ct(scan), scan.facts
    level = chosen_level(scan)
    k = find_level(level, volume).slice_from_feet
    started = time.perf_counter()
    found: Assessment | SarcopeniaError
    try:
        found = assess(volume, sex=facts.sex, age_years=facts.age_years, l3=level, model=model, device=device)
    except SarcopeniaError as error:
        found = error
    seconds = time.perf_counter() - started
    truth = volume.canonical_slice_mask(scan.muscle, k)
    score = compare(scan, found, truth, seconds)
    drawn = found.slice_mask if isinstance(found, Assessment) else None
    return HeldOutReading(score, volume, k, truth, drawn)


def compare(
    scan: HeldOutScan, found: Assessment | SarcopeniaError, truth: NDArray[np.bool_], seconds: float = 0.0
) -> HeldOutScore:
    """A record, or the refusal of one, against the true mask (I, J) of the level's canonical slice."""
    facts = scan.facts
    volume = as_ct(scan)
    area_cm2 = float(truth.sum()) * volume.pixel_area_cm2
    person = PatientFacts(Sex(facts.sex), "given", age_years=facts.age_years)
    own = judge(measure_slice(truth, volume.pixel_area_cm2), person).status.value
    known: dict[str, Any] = {
        name: getattr(facts, name)
        for name in ("seed", "sex", "age_years", "build", "phase", "slice_mm", "kernel", "kvp", "noise_hu")
    }
    known |= {"traits": tuple(facts.traits), "truth_cm2": area_cm2, "truth_status": own.value}
    if isinstance(found, SarcopeniaError):
        nothing: dict[str, Any] = dict.fromkeys(
            ("sma_cm2", "dice", "interval_low_cm2", "interval_high_cm2", "borderline")
        )
        unsaid: dict[str, Any] = {"status": StatusValue.UNDETERMINED.value, "errors": (), "warnings": ()}
        return HeldOutScore(**known, **nothing, **unsaid, refused=found.problem, seconds=seconds)
    record = found.record
    low, high = record["muscle"]["sma_interval_cm2"] or (None, None)
    return HeldOutScore(
        **known,
        sma_cm2=record["muscle"]["sma_cm2"],
        dice=_dice(found.slice_mask, truth),
        interval_low_cm2=low,
        interval_high_cm2=high,
        status=record["status"]["value"],
        borderline=record["status"]["borderline"],
        errors=_codes(record, "error"),
        warnings=_codes(record, "warning"),
        refused=None,
        seconds=seconds,
    )


def _codes(record: Mapping[str, Any], severity: str) -> tuple[str, ...]:
    return tuple(found["code"] for found in record["quality"] if found["severity"] == severity)


def _dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Twice the common pixels over the sum of both."""
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))
