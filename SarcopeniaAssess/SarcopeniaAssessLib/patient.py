"""What is known about the patient and the input: facts that travel with a CT, each of them optional."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from SarcopeniaAssessLib.errors import PatientError


class Sex(StrEnum):
    """The sex whose cut-offs apply; never guessed."""

    MALE = "male"
    FEMALE = "female"


@dataclass(frozen=True)
class PatientFacts:
    """What is known about the patient; everything may be unknown.

    Parameters
    ----------
    sex, sex_source:
        The sex and where it came from; set together or not at all.
    age_years, height_m, weight_kg:
        0–120 years, 0.5–2.5 m, 2–400 kg.

    Raises
    ------
    PatientError
        A value outside what a person can have, with its unit explained.
    """

    sex: Sex | None = None
    sex_source: Literal["given", "dicom"] | None = None
    age_years: float | None = None
    height_m: float | None = None
    weight_kg: float | None = None

    def __post_init__(self) -> None:
        if self.sex is not None and not isinstance(self.sex, Sex):
            raise PatientError(f"The sex {self.sex!r} is unknown", "give male or female")
        if (self.sex is None) != (self.sex_source is None):
            raise PatientError("A sex and its source belong together", "set both or neither")
        _require_between("age", self.age_years, (0.0, 120.0), "years, e.g. 67")
        _require_between("height", self.height_m, (0.5, 2.5), "metres, e.g. 1.75")
        _require_between("weight", self.weight_kg, (2.0, 400.0), "kilograms, e.g. 82")


def _require_between(name: str, value: float | None, limits: tuple[float, float], unit: str) -> None:
    if value is None or limits[0] <= value <= limits[1]:
        return
    in_metres = f"give metres, {value / 100:g}" if name == "height" and 50 <= value <= 250 else f"give {unit}"
    raise PatientError(
        f"A {name} of {value:g} {unit.split(',', 1)[0]} lies outside {limits[0]:g}–{limits[1]:g}", in_metres
    )


@dataclass(frozen=True)
class InputFacts:
    """What the input was, as far as it matters to the record; nothing that identifies a patient.

    Parameters
    ----------
    format:
        `memory` is a volume made from an array.
    sha256:
        Of the file; of several files: of their hashes, sorted (`ct_io.sha256_of`).
    kvp, kernel, contrast, slice_thickness_mm, patient_position:
        From a DICOM header; `None` where it does not tell.
    """

    format: Literal["nifti", "nrrd", "metaimage", "dicom", "memory"]
    sha256: str
    kvp: float | None = None
    kernel: str | None = None
    contrast: bool | None = None
    slice_thickness_mm: float | None = None
    patient_position: str | None = None
