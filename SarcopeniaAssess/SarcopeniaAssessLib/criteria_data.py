"""Criteria.json as typed data: sources with citations, criteria with their figures. `criteria.py` judges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.errors import CriterionError

_EQUAL = 1e-9
_REMEDY = "restore Criteria.json from the distribution"


class Measure(StrEnum):
    """What a criterion looks at; the values are the fields of `Measurement`."""

    SMA = "sma_cm2"
    SMI = "smi_cm2_m2"
    HU = "mean_hu"


_MEASURE_TITLES = {Measure.SMA: "SMA", Measure.SMI: "SMI", Measure.HU: "mean HU"}
_UNITS = {Measure.SMA: "cm²", Measure.SMI: "cm²/m²", Measure.HU: "HU"}


@dataclass(frozen=True)
class Figure:
    """One printed figure and whom it is for; `…_from` is inclusive, `…_below` exclusive.

    Either `cutoff` or, of a reference that is no cut-off, `mean` with its `sd` where known.
    """

    sex: Literal["male", "female"]
    cutoff: float | None = None
    mean: float | None = None
    sd: float | None = None
    age_from: float | None = None
    age_below: float | None = None
    bmi_from: float | None = None
    bmi_below: float | None = None

    def __post_init__(self) -> None:
        if self.sex not in ("male", "female") or (self.cutoff is None) == (self.mean is None):
            raise CriterionError("A figure of Criteria.json needs a sex and a cut-off or a mean", _REMEDY)

    def holds_for(self, sex: str, age_years: float | None, bmi: float | None) -> bool:
        """Whether the figure is for a person of this sex, age in years and BMI in kg/m²."""
        return (
            sex == self.sex
            and _within(age_years, self.age_from, self.age_below)
            and _within(bmi, self.bmi_from, self.bmi_below)
        )

    @property
    def people(self) -> str:
        """Whom the figure is for, in words."""
        words = ["men" if self.sex == "male" else "women"]
        if self.age_from is not None:
            words.append(f"from {self.age_from:g} years up")
        if self.age_below is not None:
            words.append(f"under {self.age_below:g} years")
        if self.bmi_from is not None:
            words.append(f"with a BMI from {self.bmi_from:g} up")
        if self.bmi_below is not None:
            words.append(f"with a BMI below {self.bmi_below:g}")
        return " ".join(words)


@dataclass(frozen=True)
class Criterion:
    """One source × one measure.

    Parameters
    ----------
    id, source, name:
        `derstine2018_smi`, `derstine2018`, "Derstine 2018".
    measure, unit, kind, comparison:
        What is compared and how: low is `<` or `≤` the cut-off; a reference compares nothing.
    comparison_confirmed:
        Whether the sign was read in the source.
    figures, statistic, population, phase:
        The figures, what they are, of whom, in which contrast phase (`None`: not known here).
    citation, doi, sure, notes:
        Where it was published and how sure the figure is: "paper" as printed in the paper reproduced,
        "abstract" read in the source's abstract, "secondary" quoted by others, "memory" unconfirmed.
    """

    id: str
    source: str
    name: str
    measure: Measure
    unit: str
    kind: Literal["cut-off", "reference"]
    comparison: Literal["<", "≤"] | None
    comparison_confirmed: bool | None
    figures: tuple[Figure, ...]
    statistic: str
    population: str
    phase: str | None
    citation: str
    doi: str | None
    sure: Literal["paper", "abstract", "secondary", "memory"]
    notes: str

    def __post_init__(self) -> None:
        is_cutoff = self.kind == "cut-off"
        sound = (
            self.unit == _UNITS[self.measure]
            and self.kind in ("cut-off", "reference")
            and (self.comparison in ("<", "≤") if is_cutoff else self.comparison is None)
            and self.sure in ("paper", "abstract", "secondary", "memory")
            and len(self.figures) > 0
            and all((figure.cutoff is not None) == is_cutoff for figure in self.figures)
        )
        if not sound:
            raise CriterionError(f"The criterion {self.id} of Criteria.json contradicts itself", _REMEDY)

    @property
    def title(self) -> str:
        """Source and measure in words: "Derstine 2018, SMI"."""
        return f"{self.name}, {_MEASURE_TITLES[self.measure]}"

    @property
    def by_age(self) -> bool:
        """Whether the figures depend on age."""
        return any(f.age_from is not None or f.age_below is not None for f in self.figures)

    @property
    def by_bmi(self) -> bool:
        """Whether the figures depend on the body mass index."""
        return any(f.bmi_from is not None or f.bmi_below is not None for f in self.figures)

    def is_low(self, value: float, cutoff: float) -> bool:
        """Whether an unrounded value counts as low beside a cut-off of this criterion."""
        side = side_of(value, cutoff)
        return side < 0 or (side == 0 and self.comparison == "≤")


@dataclass(frozen=True)
class Criteria:
    """The whole of Criteria.json."""

    default: str
    criteria: Mapping[str, Criterion]


@lru_cache(maxsize=1)
def read_criteria() -> Criteria:
    """Criteria.json, read once.

    Raises
    ------
    CriterionError
        The file is missing, damaged, or contradicts itself.
    """
    try:
        data = json.loads(resource_path("Criteria.json").read_text(encoding="utf-8"))
        criteria = {entry["id"]: _criterion(entry, data["sources"]) for entry in data["criteria"]}
        default = str(data["default"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CriterionError(f"Criteria.json cannot be read ({type(error).__name__})", _REMEDY) from error
    if default not in criteria or len(criteria) != len(data["criteria"]):
        raise CriterionError("Criteria.json names a criterion twice or lacks its default", _REMEDY)
    return Criteria(default, MappingProxyType(criteria))


def side_of(value: float, cutoff: float) -> int:
    """−1 below, 0 at, 1 above the cut-off.

    Equal is what differs by less than 1e-9 of it: the rounding of a sum of pixels, not a rounded number.
    """
    if abs(value - cutoff) <= _EQUAL * abs(cutoff):
        return 0
    return 1 if value > cutoff else -1


def _criterion(entry: dict[str, Any], sources: dict[str, dict[str, Any]]) -> Criterion:
    given = dict(entry)
    figures = tuple(_figure(figure) for figure in given.pop("figures"))
    measure = Measure(given.pop("measure"))
    return Criterion(**given, **sources[entry["source"]], measure=measure, figures=figures)


def _figure(given: dict[str, Any]) -> Figure:
    numbers = {name: float(value) for name, value in given.items() if name != "sex"}
    return Figure(given["sex"], **numbers)


def _within(value: float | None, lowest: float | None, below: float | None) -> bool:
    if lowest is None and below is None:
        return True
    if value is None:
        return False
    return (lowest is None or value >= lowest) and (below is None or value < below)
