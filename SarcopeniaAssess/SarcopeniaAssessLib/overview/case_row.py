"""A case as the overview shows it: typed, small, made of its record or of the decision that stands for it.

A record is read here without its whole schema, which would take milliseconds a case; every field that is
used is checked for its type, so that a damaged record is told and never shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from SarcopeniaAssessLib import wording
from SarcopeniaAssessLib.errors import RecordError, Severity
from SarcopeniaAssessLib.overview.tables import NUMBERS, TRUTHS, WHOLE
from SarcopeniaAssessLib.report import flat_row

STATUSES = ("sarcopenic", "not sarcopenic", "undetermined")
SEXES = ("male", "female", None)
STATES = ("unreviewed", "rejected", "accepted")
"""In the order in which cases are to be looked at."""
_SEVERITIES = tuple(severity.value for severity in Severity)
_REMEDY = "assess the CT again"


class Attention(IntEnum):
    """Why a case is to be looked at, the most pressing reason first."""

    ERROR = 0
    BORDERLINE = 1
    WARNING = 2
    UNDETERMINED = 3
    NONE = 4


@dataclass(frozen=True)
class Judged:
    """What one criterion says.

    Attributes
    ----------
    criterion, value:
        Its id, and one of `STATUSES`.
    cutoff, reason:
        `None` where there is none.
    """

    criterion: str
    value: str
    cutoff: float | None
    reason: str | None


@dataclass(frozen=True)
class CaseRow:
    """One case of an output folder.

    Attributes
    ----------
    case:
        Name of its folder.
    sex, age_years:
        `None` where not known.
    sma_cm2, mean_hu, smi_cm2_m2:
        Unrounded.
    texts:
        As they are shown everywhere: `sma`, `interval`, `mean_hu`, `smi`, `rule`, `level`, `mask`.
    judged:
        The status first, then every other criterion.
    borderline:
        Whether the interval crosses the cut-off.
    findings:
        (severity, code, message).
    review, decided_at:
        What a person decided, and when.
    models_own:
        What the program had said before the decision, in words; empty where that is what is shown.
    flat:
        The program's own record as a flat row; a decision leaves it.
    decided:
        The decided record as a flat row; `None` before.
    id, input_sha256, slice_from_feet:
        Of the program's own record.
    """

    case: str
    sex: str | None
    age_years: float | None
    sma_cm2: float
    mean_hu: float | None
    smi_cm2_m2: float | None
    texts: Mapping[str, str]
    judged: tuple[Judged, ...]
    borderline: bool
    findings: tuple[tuple[str, str, str], ...]
    review: str
    decided_at: str | None
    models_own: str
    flat: Mapping[str, Any]
    decided: Mapping[str, Any] | None
    id: str
    input_sha256: str
    slice_from_feet: int

    @property
    def status(self) -> str:
        """What the first criterion says."""
        return self.judged[0].value

    @property
    def counts(self) -> bool:
        """Whether its numbers belong to the cohort's: not what was rejected or has a quality error."""
        return self.review != "rejected" and self.attention is not Attention.ERROR

    @property
    def attention(self) -> Attention:
        """Why it is to be looked at."""
        severities = {severity for severity, _, _ in self.findings}
        if Severity.ERROR in severities:
            return Attention.ERROR
        if self.borderline:
            return Attention.BORDERLINE
        if Severity.WARNING in severities:
            return Attention.WARNING
        return Attention.UNDETERMINED if self.status == "undetermined" else Attention.NONE

    @property
    def urgency(self) -> tuple[int, int, float, str]:
        """Sorts cases: the reason to look, what nobody has decided, the nearest to the cut-off."""
        cutoff = self.judged[0].cutoff
        away = math.inf if cutoff is None else abs(self.sma_cm2 - cutoff)
        return self.attention, STATES.index(self.review), away, self.case


def row_of(case: str, record: Mapping[str, Any], decided: Mapping[str, Any] | None = None) -> CaseRow:
    """The row of a case.

    Parameters
    ----------
    record:
        The program's own, in the case's folder.
    decided:
        The decision that stands, as a record; its numbers are shown instead.

    Raises
    ------
    RecordError
        A field that is used is missing or of another type.
    """
    try:
        return _row(case, record, decided)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise RecordError("The record is damaged", _REMEDY) from error


def _row(case: str, record: Mapping[str, Any], decided: Mapping[str, Any] | None) -> CaseRow:
    shown = record if decided is None else decided
    muscle, patient, review = shown["muscle"], shown["patient"], shown["review"]
    judged = tuple(_judged(block) for block in (shown["status"], *shown["other_criteria"]))
    own = (_flat(record), None if decided is None else _flat(decided))
    return CaseRow(
        case=case,
        sex=_one_of(patient["sex"], SEXES),
        age_years=_number(patient["age_years"]),
        sma_cm2=_area(muscle["sma_cm2"]),
        mean_hu=_number(muscle["mean_hu"]),
        smi_cm2_m2=_number(muscle["smi_cm2_m2"]),
        texts=_texts(shown),
        judged=judged,
        borderline=shown["status"]["borderline"] is True,
        findings=tuple(
            (str(_one_of(each["severity"], _SEVERITIES)), _text(each["code"]), _text(each["message"]))
            for each in shown["quality"]
        ),
        review=str(_one_of(review["state"], STATES)),
        decided_at=_moment(review["at"]),
        models_own=_before(record, shown),
        flat=own[0],
        decided=own[1],
        id=_text(record["id"]),
        input_sha256=_text(record["input"]["sha256"]),
        slice_from_feet=_count(record["l3"]["slice_from_feet"]),
    )


def _texts(record: Mapping[str, Any]) -> dict[str, str]:
    return {
        "sma": wording.area_text(record),
        "interval": wording.interval_text(record),
        "mean_hu": wording.mean_hu_text(record),
        "smi": wording.smi_text(record),
        "rule": wording.criterion_text(record),
        "level": wording.level_text(record),
        "mask": wording.mask_text(record),
    }


def _before(record: Mapping[str, Any], shown: Mapping[str, Any]) -> str:
    """What the program said, beside a decision on another mask or on other facts."""
    if shown is record:
        opinion = record.get("model_opinion")
        if opinion is None or record["mask"]["source"] != "edited":
            return ""
        return f"the model alone: SMA {_known(opinion['sma_cm2']):.1f} cm², {_text(opinion['status'])}"
    if wording.area_text(shown) == wording.area_text(record) and shown["status"] == record["status"]:
        return ""
    return f"before the decision: SMA {wording.area_text(record)}, {wording.headline(record)[0]}"


def _judged(block: Mapping[str, Any]) -> Judged:
    reason = block.get("reason")
    return Judged(
        _text(block["criterion"]),
        str(_one_of(block["value"], STATUSES)),
        _number(block["cutoff"]),
        None if reason is None else _text(reason),
    )


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    flat = flat_row(record)
    for name, value in flat.items():
        if value is None:
            continue
        if name in NUMBERS:
            _known(value)
        elif name in WHOLE:
            _count(value)
        elif name in TRUTHS:
            _truth(value)
        else:
            _text(value)
    return flat


def _number(value: Any) -> float | None:
    return None if value is None else _known(value)


def _known(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("no number")
    return float(value)


def _area(value: Any) -> float:
    area = _known(value)
    if area < 0.0:
        raise ValueError("no area")
    return area


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**31:
        raise TypeError("no count")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("neither true nor false")
    return value


def _moment(value: Any) -> str | None:
    if value is not None and datetime.fromisoformat(_text(value)).tzinfo is None:
        raise ValueError("a moment without a zone")
    return None if value is None else _text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _one_of(value: Any, allowed: tuple[str | None, ...]) -> str | None:
    if value not in allowed:
        raise ValueError("no such word")
    return value if value is None else str(value)
