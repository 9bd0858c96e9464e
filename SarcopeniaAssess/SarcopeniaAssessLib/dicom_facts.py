"""Facts about patient and acquisition from a DICOM header; what cannot be true is ignored, and said so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.dicom_attributes import CONVERTED, numbers, value
from SarcopeniaAssessLib.errors import Finding, PatientError, Severity
from SarcopeniaAssessLib.patient import InputFacts, PatientFacts, Sex

if TYPE_CHECKING:
    from pydicom import Dataset

_SEXES = {"M": Sex.MALE, "F": Sex.FEMALE}
_AGE_UNIT_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_NO_CONTRAST = {
    "NO",
    "NONE",
    "N",
    "0",
    "NATIVE",
    "WITHOUT",
    "W/O",
    "UNENHANCED",
    "NON CONTRAST",
    "NO CONTRAST",
}
_POSITIONS = {head + lying for head in ("HF", "FF") for lying in ("S", "P", "DL", "DR")}
_LOSSY_SYNTAXES = {
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
}
"""Transfer syntaxes that are lossy by definition; JPEG 2000 (…4.91) tells in LossyImageCompression."""


def patient_facts(header: Dataset) -> tuple[PatientFacts, tuple[Finding, ...]]:
    """Sex, age, height and weight of a header (PS3.3 C.7.1.1, C.7.2.2), and what of them was ignored.

    PatientSex M or F; PatientAge as `076Y`, `018M`, `003W`, `012D`; PatientSize in metres; PatientWeight
    in kg. Zero means unknown. A height in cm is wrong by the standard and is not repaired: an error in
    it would enter the SMI squared.
    """
    sex = _SEXES.get(str(value(header, "PatientSex") or "").strip().upper())
    facts = PatientFacts() if sex is None else PatientFacts(sex=sex, sex_source="dicom")
    ignored = []
    for field, name, read in (
        ("age_years", "PatientAge", _age_years),
        ("height_m", "PatientSize", _positive),
        ("weight_kg", "PatientWeight", _positive),
    ):
        try:
            number = read(header, name)
            facts = replace(facts, **{field: number})  # type: ignore[arg-type]
        except (PatientError, ValueError):
            ignored.append(name)
    messages = {
        "PatientAge": "The header's PatientAge is no age and was ignored; give --age.",
        "PatientSize": "The header's PatientSize is no height in metres and was ignored; give --height.",
        "PatientWeight": "The header's PatientWeight is no weight in kg and was ignored; give --weight.",
    }
    return facts, tuple(Finding("header_fact_ignored", Severity.INFO, messages[name]) for name in ignored)


def input_facts(header: Dataset, sha256: str) -> InputFacts:
    """Tube voltage, kernel, contrast, thickness and position of a classic or enhanced CT header."""
    kvp = _first_number(header, "KVP", "CTXRayDetailsSequence")
    thickness_mm = _first_number(header, "SliceThickness", "PixelMeasuresSequence")
    kernel = _first(header, "ConvolutionKernel", "CTReconstructionSequence")
    position = str(value(header, "PatientPosition") or "").strip().upper()
    return InputFacts(
        format="dicom",
        sha256=sha256,
        kvp=kvp if kvp and 10 <= kvp <= 400 else None,
        kernel=None if kernel is None else _code(kernel),
        contrast=_contrast(header),
        slice_thickness_mm=thickness_mm if thickness_mm and 0 < thickness_mm <= 50 else None,
        patient_position=position if position in _POSITIONS else None,
    )


def is_lossy(header: Dataset) -> bool:
    """Whether the pixels were ever compressed with loss."""
    syntax = str(value(getattr(header, "file_meta", None), "TransferSyntaxUID") or "")
    return str(value(header, "LossyImageCompression") or "") == "01" or syntax in _LOSSY_SYNTAXES


def _age_years(header: Dataset, name: str) -> float | None:
    text = str(value(header, name) or "").strip().upper()
    if not text or text.startswith("000"):
        return None
    digits, unit = (text[:-1], text[-1]) if text[-1] in _AGE_UNIT_YEARS else (text, "")
    if not digits.isdigit() or not unit:
        raise ValueError(name)
    return int(digits) * _AGE_UNIT_YEARS[unit]


def _positive(header: Dataset, name: str) -> float | None:
    found = numbers(header, name, 1)
    if found is None:
        if value(header, name) is None:
            return None
        raise ValueError(name)
    return found[0] or None


def _contrast(header: Dataset) -> bool | None:
    """True if an agent is named, False if the header says none was given, None if it says nothing."""
    agent = _first(header, "ContrastBolusAgent")
    if agent is not None:
        return str(agent).strip().upper() not in _NO_CONTRAST
    return True if value(header, "ContrastBolusAgentSequence") else None


def _functional_group(header: Dataset, sequence: str) -> Dataset | None:
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        items = value(header, groups)
        if items and (found := value(items[0], sequence)):
            first: Dataset = found[0]
            return first
    return None


def _first_number(header: Dataset, name: str, sequence: str) -> float | None:
    for item in (header, *(_functional_group(header, each) for each in (sequence, *CONVERTED))):
        if found := numbers(item, name, 1):
            return found[0]
    return None


def _first(header: Dataset, name: str, *sequences: str) -> Any:
    """An attribute of the header, else of the first of the groups that has it; `None` if none has."""
    items = (header, *(_functional_group(header, each) for each in (*sequences, *CONVERTED)))
    return next((found for item in items if (found := value(item, name)) is not None), None)


def _code(text: Any) -> str:
    """A kernel's name as one short string; scanners give one value or several (`['I41f', '2']`)."""
    parts = [text] if isinstance(text, str) else list(text)
    return "\\".join(str(part).strip() for part in parts)[:64]
