"""Two vertebrae that may be L3: both measured, and told so that nobody overlooks the choice.

A count that is not certain gives two slices. Where both say the same status, a warning asks for a look;
where they do not, no status is given until a person has chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.criteria import StatusValue, judge
from SarcopeniaAssessLib.errors import Finding, Severity

if TYPE_CHECKING:
    from SarcopeniaAssessLib.level import Level
    from SarcopeniaAssessLib.measurement import Measurement
    from SarcopeniaAssessLib.patient import PatientFacts


@dataclass(frozen=True)
class MeasuredLevel:
    """A slice that may be at L3, and what was measured on it (`None`: the network found no muscle there)."""

    level: Level
    measurement: Measurement | None

    def to_mapping(self) -> dict[str, Any]:
        """An entry of the record's `l3.candidates`."""
        return {
            "superior_mm": float(self.level.superior_mm),
            "slice_from_feet": int(self.level.slice_from_feet),
            "vertebra_guess": self.level.vertebra,
            "confidence": self.level.confidence,
            "sma_cm2": None if self.measurement is None else float(self.measurement.sma_cm2),
        }


def choice_finding(
    candidates: Sequence[MeasuredLevel], patient: PatientFacts, criteria: Sequence[str]
) -> Finding | None:
    """What to tell of two candidates; `None` where there is one.

    Parameters
    ----------
    candidates:
        The one measured first, then its alternatives.
    patient, criteria:
        As for `criteria.judge`: the first criterion's statuses are compared.
    """
    if len(candidates) < 2:
        return None
    first, other = candidates[:2]
    said = [
        None if each.measurement is None else judge(each.measurement, patient, names=criteria).status.value
        for each in (first, other)
    ]
    area = (
        "no muscle is found"
        if other.measurement is None
        else f"the area is {other.measurement.sma_cm2:.1f} cm²"
    )
    told = (
        f"The count of vertebrae is not certain ({first.level.reason}): L3 may also be at "
        f"slice {other.level.slice_from_feet} from the feet, {other.level.superior_mm:.1f} mm, where {area}"
    )
    ask = "look which is L3 and give it as --l3 slice:K."
    if said[0] != said[1] and StatusValue.UNDETERMINED not in said:
        return Finding(
            "level_ambiguous",
            Severity.ERROR,
            f"{told}; the statuses differ, so none is given: {ask}",
        )
    return Finding("level_ambiguous", Severity.WARNING, f"{told}: {ask}")
