"""Published cut-offs (data with citations, Criteria.json) → a status, or why it stays undetermined.

A criterion is one source × one measure, e.g. `derstine2018_smi`. Sex is never guessed: without it no
status. Comparisons use unrounded numbers; `format_area` adds decimals until the shown number lies on
the same side of its cut-off as the true one. docs/criteria.md is the table to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.criteria_data import Criterion, Figure, Measure, read_criteria, side_of
from SarcopeniaAssessLib.errors import CriterionError, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from SarcopeniaAssessLib.measurement import Measurement
    from SarcopeniaAssessLib.patient import PatientFacts

__all__ = [
    "AREA_SENTENCE",
    "CHILD_REASON",
    "REFERENCE_AGE_SENTENCE",
    "STATUS_SENTENCES",
    "Criterion",
    "Judgement",
    "Measure",
    "Status",
    "StatusValue",
    "default_criterion",
    "disagreement_finding",
    "format_area",
    "judge",
    "load_criteria",
    "resolve_criterion",
    "status_text",
]

ADULT_AGE_YEARS = 18.0

AREA_SENTENCE = (
    "EWGSOP2: low strength comes first, low muscle quantity confirms; "
    "a CT alone shows low muscle area, which the paper calls sarcopenic."
)
"""What the number may be called (EWGSOP2, Cruz-Jentoft 2019); shown beside the paper's word everywhere."""

REFERENCE_AGE_SENTENCE = (
    "144 and 92 cm² rest on Derstine 2018, whose people were 18–40 years old; most patients are far older."
)
"""Said beside every status."""

STATUS_SENTENCES = (REFERENCE_AGE_SENTENCE, AREA_SENTENCE)

CHILD_REASON = "under 18 years: no cut-off here is for children"


class StatusValue(StrEnum):
    """What a criterion says; the enum of the record."""

    SARCOPENIC = "sarcopenic"
    NOT_SARCOPENIC = "not sarcopenic"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class Status:
    """What one criterion says of one measurement: an entry of `status` or `other_criteria`.

    `cutoff` is `None` where none applies or it cannot be chosen; `borderline` is `None` without an
    interval or a status; `reason` is set exactly where the value is undetermined.
    """

    criterion: str
    cutoff: float | None
    unit: str
    value: StatusValue
    borderline: bool | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Judgement:
    """The status, every other criterion that applies, and a sentence for each that contradicts."""

    status: Status
    others: tuple[Status, ...]
    disagreements: tuple[str, ...]


def load_criteria() -> dict[str, Criterion]:
    """Every criterion of Criteria.json by its id, in the file's order."""
    return dict(read_criteria().criteria)


def default_criterion() -> str:
    """Id of the criterion that gives the status where none is asked for."""
    return read_criteria().default


def resolve_criterion(name: str) -> str:
    """Id of the criterion a person means: an id, or a source, which stands for its first criterion.

    Raises
    ------
    CriterionError
        The name is neither; the remedy lists the closest and all valid ids.
    """
    criteria = read_criteria().criteria
    wanted = name.strip().lower()
    if wanted in criteria:
        return wanted
    of_source = [each.id for each in criteria.values() if each.source == wanted]
    if of_source:
        return of_source[0]
    begin_so = [each for each in criteria if len(wanted) > 2 and each.startswith(wanted)]
    close = begin_so or get_close_matches(wanted, criteria, n=2, cutoff=0.5)
    nearest = f"did you mean {' or '.join(close)}? " if close else ""
    raise CriterionError(f"The criterion {name!r} is unknown", f"{nearest}valid are {', '.join(criteria)}")


def judge(
    measurement: Measurement,
    patient: PatientFacts,
    *,
    names: Sequence[str] = (),
    interval: tuple[float, float] | None = None,
    withheld: str | None = None,
) -> Judgement:
    """Hold a measurement against every published criterion that applies.

    Parameters
    ----------
    measurement, patient:
        Numbers, unrounded, and what is known of the patient.
    names:
        Criteria asked for; the first gives the status (none: the default). Those named are always
        listed, the rest where they have figures for the patient.
    interval:
        Low and high of the area in cm²; `None`: no borderline is told.
    withheld:
        Why no status may be given (a quality error); the numbers stay, every status is undetermined.

    Raises
    ------
    CriterionError
        A name that Criteria.json does not have.
    """
    criteria = read_criteria().criteria
    asked = list(dict.fromkeys(resolve_criterion(name) for name in names)) or [default_criterion()]
    if withheld is None and patient.age_years is not None and patient.age_years < ADULT_AGE_YEARS:
        withheld = CHILD_REASON
    case = _Case(measurement, patient, interval, withheld)
    ordered = [*asked, *(name for name in criteria if name not in asked)]
    status, *others = (
        _status(criteria[name], case)
        for name in ordered
        if name in asked or _has_figures(criteria[name], patient)
    )
    return Judgement(status, tuple(others), _disagreements(status, others))


def disagreement_finding(judgement: Judgement) -> Finding | None:
    """The disagreements as one entry of the record's `quality` list; `None` where all agree."""
    if not judgement.disagreements:
        return None
    own = read_criteria().criteria[judgement.status.criterion].name
    return Finding(
        "criteria_disagree",
        Severity.INFO,
        f"Published criteria disagree; {own} says {judgement.status.value}, but "
        f"{'; '.join(judgement.disagreements)}: name the criterion when you report the status.",
    )


def format_area(value: float, *cutoffs: float | None, decimals: int = 1) -> str:
    """A measured number as text that lies on the same side of each cut-off as the number itself.

    143.96 beside the cut-off 144 is "143.96", not "144.0". Serves areas, indices and mean HU alike.

    Parameters
    ----------
    value:
        The unrounded number.
    cutoffs:
        Every cut-off shown beside it; `None` is ignored.
    decimals:
        How many to begin with.
    """
    known = [cutoff for cutoff in cutoffs if cutoff is not None]
    for places in range(decimals, 17):
        text = f"{value:z.{places}f}"
        if all(side_of(float(text), cutoff) == side_of(value, cutoff) for cutoff in known):
            return text
    return repr(float(value))


def status_text(status: Status) -> str:
    """A status in words, as the command's line ends: `not sarcopenic (cut-off 144)`."""
    if status.value is StatusValue.UNDETERMINED:
        return f"{status.value} ({status.reason})"
    borderline = ", borderline" if status.borderline else ""
    return f"{status.value}{borderline} (cut-off {status.cutoff:g})"


@dataclass(frozen=True)
class _Case:
    measurement: Measurement
    patient: PatientFacts
    interval: tuple[float, float] | None
    withheld: str | None

    @property
    def bmi(self) -> float | None:
        weight_kg, height_m = self.patient.weight_kg, self.patient.height_m
        # Rounded far below meaning: 64 kg at 1.60 m is a BMI of 25, not of 24.999999999999996.
        return None if weight_kg is None or height_m is None else round(weight_kg / height_m**2, 9)

    def value_of(self, measure: Measure) -> float | None:
        value: float | None = getattr(self.measurement, measure.value)
        return value

    def interval_of(self, measure: Measure) -> tuple[float, float] | None:
        """The area's interval in the measure's unit; HU have none."""
        if self.interval is None or measure is Measure.HU:
            return None
        if measure is Measure.SMA:
            return self.interval
        sma_cm2, smi = self.measurement.sma_cm2, self.measurement.smi_cm2_m2
        if smi is None or sma_cm2 <= 0.0:
            return None
        return self.interval[0] * (smi / sma_cm2), self.interval[1] * (smi / sma_cm2)


def _status(criterion: Criterion, case: _Case) -> Status:
    figure = _figure(criterion, case)
    cutoff = None if figure is None else figure.cutoff
    reason = case.withheld or _needs(criterion, case) or _not_tabulated(figure, case)
    value = case.value_of(criterion.measure)
    if reason is None and cutoff is None and figure is not None and value is not None:
        reason = _beside_reference(criterion, figure, value)
    if reason is not None or cutoff is None or value is None:
        return Status(criterion.id, cutoff, criterion.unit, StatusValue.UNDETERMINED, None, reason)
    low = criterion.is_low(value, cutoff)
    interval = case.interval_of(criterion.measure)
    borderline = (
        None
        if interval is None
        else criterion.is_low(interval[0], cutoff) != criterion.is_low(interval[1], cutoff)
    )
    word = StatusValue.SARCOPENIC if low else StatusValue.NOT_SARCOPENIC
    return Status(criterion.id, cutoff, criterion.unit, word, borderline)


def _figure(criterion: Criterion, case: _Case) -> Figure | None:
    """The figure for this patient; `None` where there is none or an input is lacking."""
    sex, age, bmi = case.patient.sex, case.patient.age_years, case.bmi
    if sex is None or (criterion.by_age and age is None) or (criterion.by_bmi and bmi is None):
        return None
    return next((figure for figure in criterion.figures if figure.holds_for(sex.value, age, bmi)), None)


def _needs(criterion: Criterion, case: _Case) -> str | None:
    measure, patient = criterion.measure, case.patient
    no_index = measure is Measure.SMI and case.measurement.smi_cm2_m2 is None
    lacking = {
        "sex": patient.sex is None,
        "age": criterion.by_age and patient.age_years is None,
        "height": no_index or (criterion.by_bmi and patient.height_m is None),
        "weight": criterion.by_bmi and patient.weight_kg is None,
        "HU": measure is Measure.HU and case.measurement.mean_hu is None,
    }
    names = [name for name, absent in lacking.items() if absent]
    *most, last = names or [""]
    return f"needs {', '.join(most)}{' and ' if most else ''}{last}" if names else None


def _not_tabulated(figure: Figure | None, case: _Case) -> str | None:
    if figure is not None or case.patient.sex is None:
        return None
    people = {"male": "men", "female": "women"}[case.patient.sex.value]
    age = "" if case.patient.age_years is None else f" of {case.patient.age_years:g} years"
    return f"no figures known here for {people}{age}"


def _beside_reference(criterion: Criterion, figure: Figure, value: float) -> str:
    if figure.mean is None:
        raise CriterionError(f"{criterion.id} has neither cut-off nor mean", "correct Criteria.json")
    spread = "" if figure.sd is None else f" ± {figure.sd:g}"
    here = "" if figure.sd is None else f", here {(value - figure.mean) / figure.sd:+.1f} SD"
    mean = f"{figure.mean:g}{spread} {criterion.unit}"
    return f"a reference value, not a cut-off: {figure.people} have a mean of {mean}{here}"


def _has_figures(criterion: Criterion, patient: PatientFacts) -> bool:
    return patient.sex is None or any(figure.sex == patient.sex.value for figure in criterion.figures)


def _disagreements(status: Status, others: Sequence[Status]) -> tuple[str, ...]:
    if status.value is StatusValue.UNDETERMINED:
        return ()
    criteria = read_criteria().criteria
    return tuple(
        f"{criteria[other.criterion].title} ({criteria[other.criterion].comparison} {other.cutoff:g} "
        f"{other.unit}) says {other.value}"
        for other in others
        if other.value not in (StatusValue.UNDETERMINED, status.value)
    )
