"""A record in words: the same words on the command's line, in the picture and in the report.

Takes the dict of `assessment.json` as it is, so that a record read back from disk reads alike. Numbers
are shown so that they never contradict the status beside them (`criteria.format_area`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.criteria import (
    Criterion,
    Measure,
    Status,
    StatusValue,
    format_area,
    load_criteria,
    status_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RESEARCH_SENTENCE = "Research use only: not a medical device, not for diagnosis or treatment."
_PEOPLE = {"male": "men", "female": "women"}
_METHODS = {
    "slice": "slice chosen by hand",
    "s": "coordinate given by hand",
    "labels": "from vertebra labels",
    "auto": "found automatically",
}
_MASKS = {
    "model": "drawn by the model",
    "edited": "edited by a person",
    "given": "given, not drawn by this program",
}


def case_line(record: Mapping[str, Any]) -> str:
    """The command's line: `CASE  SMA 163.4 cm²  mean 41 HU  not sarcopenic (cut-off 144)`.

    Where the count of vertebrae is not certain it ends with the other slice that may be L3 and its area.
    """
    parts = [record["case"], f"SMA {area_text(record)}"]
    if record["muscle"]["mean_hu"] is not None:
        parts.append(f"mean {mean_hu_text(record)}")
    other = other_level_text(record)
    return "  ".join([*parts, status_text(status_of(record)), *([other] if other else [])])


def other_level_text(record: Mapping[str, Any]) -> str:
    """`L3 uncertain: or slice 83, SMA 150.2 cm²`; empty where there is one candidate."""
    candidates = record["l3"].get("candidates")
    if not candidates:
        return ""
    other = candidates[1]
    area = "no muscle" if other["sma_cm2"] is None else f"SMA {format_area(other['sma_cm2'])} cm²"
    return f"L3 uncertain: or slice {other['slice_from_feet']}, {area}"


def status_of(record: Mapping[str, Any]) -> Status:
    """The record's `status` block as the `Status` it was."""
    block = record["status"]
    reason = block.get("reason") or _undetermined_because(record)
    return Status(
        criterion=block["criterion"],
        cutoff=block["cutoff"],
        unit=block["unit"],
        value=StatusValue(block["value"]),
        borderline=block["borderline"],
        reason=reason,
    )


def _undetermined_because(record: Mapping[str, Any]) -> str:
    """Why there is no status, where the record does not say it in so many words."""
    if record["patient"]["sex"] is None:
        return "needs sex"
    errors = [entry["message"] for entry in record["quality"] if entry["severity"] == "error"]
    return errors[0] if errors else "needs more than is known"


def area_text(record: Mapping[str, Any]) -> str:
    """`163.4 cm²`, on the right side of every cut-off for areas that the record holds."""
    return _with_unit(record, Measure.SMA, "cm²")


def mean_hu_text(record: Mapping[str, Any]) -> str:
    """`41 HU`, whole unless a cut-off for it is near; an en dash where it is unknown."""
    return _with_unit(record, Measure.HU, "HU")


def smi_text(record: Mapping[str, Any]) -> str:
    """`53.4 cm²/m²`; an en dash where the height is unknown."""
    return _with_unit(record, Measure.SMI, "cm²/m²")


def measured_text(record: Mapping[str, Any], measure: Measure) -> str:
    """A number of the `muscle` block without its unit, the same wherever it is shown."""
    value, unit = record["muscle"][measure.value], {"sma_cm2": "cm²", "mean_hu": "HU"}.get(measure, "cm²/m²")
    decimals = 0 if measure is Measure.HU else 1
    return "–" if value is None else signed(format_area(value, *_cutoffs(record, unit), decimals=decimals))


def _with_unit(record: Mapping[str, Any], measure: Measure, unit: str) -> str:
    number = measured_text(record, measure)
    return number if number == "–" else f"{number} {unit}"


def interval_text(record: Mapping[str, Any]) -> str:
    """`157.1–169.7 cm²`, or an en dash; the bounds lie on their own side of the cut-off too."""
    interval = record["muscle"]["sma_interval_cm2"]
    if interval is None:
        return "–"
    low, high = (format_area(bound, record["status"]["cutoff"]) for bound in interval)
    return f"{low}–{high} cm²"


def headline(record: Mapping[str, Any]) -> tuple[str, str]:
    """The status in large letters, and the key of its colour."""
    status = status_of(record)
    if status.value is StatusValue.UNDETERMINED:
        return f"undetermined: {shortened(status.reason or '', 60)}", "undetermined"
    if status.borderline:
        return f"{status.value}, borderline", "borderline"
    return str(status.value), str(status.value)


def criterion_text(record: Mapping[str, Any]) -> str:
    """Who says so: `Bhardwaj 2025, men: SMA < 144 cm²`."""
    status = status_of(record)
    criterion = load_criteria().get(status.criterion)
    if criterion is None:
        return status.criterion
    if status.cutoff is None:
        return criterion.title
    people = _PEOPLE.get(record["patient"]["sex"], "both sexes")
    return f"{criterion.name}, {people}: {rule_text(criterion, status.cutoff)}"


def rule_text(criterion: Criterion, cutoff: float) -> str:
    """What counts as low: `SMA < 144 cm²`."""
    measure = criterion.title.rpartition(", ")[2]
    return f"{measure} {criterion.comparison or ''} {cutoff:g} {criterion.unit}"


def secondary_numbers(record: Mapping[str, Any]) -> str:
    """Interval, attenuation and index as far as known, on one line."""
    known = []
    if record["muscle"]["sma_interval_cm2"] is not None:
        known.append(f"interval {interval_text(record)}")
    if record["muscle"]["mean_hu"] is not None:
        known.append(f"mean {mean_hu_text(record)}")
    if record["muscle"]["smi_cm2_m2"] is not None:
        known.append(f"SMI {smi_text(record)}")
    return "  ·  ".join(known)


def level_text(record: Mapping[str, Any]) -> str:
    """Where it was measured, and by what."""
    level, model = record["l3"], record["model"]
    by = f"mask {mask_text(record)}" + (f" {model['name']} {model['version']}" if model["name"] else "")
    superior = signed(f"{level['superior_mm']:.1f}")
    where = f"L3 at slice {level['slice_from_feet']} from the feet, superior {superior} mm"
    return f"{where} ({method_text(record)})  ·  {by}"


def method_text(record: Mapping[str, Any]) -> str:
    """How the level was found, in words, with the confidence where there is one."""
    level = record["l3"]
    confidence = level.get("confidence")
    sure = "" if confidence is None else f", confidence {confidence:.2f}"
    other = other_level_text(record)
    doubt = f"; {other}" if other else ""
    return f"{_METHODS.get(level['method'], level['method'])}{sure}{doubt}"


def mask_text(record: Mapping[str, Any]) -> str:
    """Who drew the mask."""
    source: str = record["mask"]["source"]
    return _MASKS.get(source, source)


def signed(number: str) -> str:
    """A number with the true minus sign."""
    return number.replace("-", "−")


def shortened(text: str, characters: int) -> str:
    """Cut a text at a word, with an ellipsis, to at most so many characters."""
    if len(text) <= characters:
        return text
    cut = text[: characters - 1]
    return (cut[: cut.rfind(" ")] if cut.rfind(" ") > characters // 2 else cut) + "…"


def _cutoffs(record: Mapping[str, Any], unit: str) -> Iterator[float | None]:
    for block in (record["status"], *record["other_criteria"]):
        if block["unit"] == unit:
            yield block["cutoff"]
