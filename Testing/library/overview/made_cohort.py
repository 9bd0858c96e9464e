"""Output folders full of made records, each valid, so that thousands are there in seconds."""

from __future__ import annotations

import json
import random
import uuid
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.criteria import judge
from SarcopeniaAssessLib.errors import Finding, Severity
from SarcopeniaAssessLib.measurement import Measurement
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaAssessLib.quality import withholding_reason
from SarcopeniaAssessLib.record import as_entry, record_json
from Testing.library.small_case import record

_WARNINGS = (
    ("thick_slices", "Slices are 6 mm apart: the level may be off by half of that."),
    ("metal", "There is metal at this level: streaks change HU and the mask; look at the overlay."),
    ("level_uncertain", "The count of the vertebrae is not certain: look which slice is L3."),
)
_ERROR = ("muscle_cut_off", "The field of view cuts muscle off: the area is incomplete.")


def case_record(number: int, chance: random.Random) -> dict[str, Any]:
    """A record whose numbers, status and remarks fit together."""
    sex = chance.choices((Sex.MALE, Sex.FEMALE, None), (52, 44, 4))[0]
    sma_cm2 = max(40.0, chance.gauss(162.0 if sex is Sex.MALE else 112.0, 26.0))
    height_m = chance.choice((None, round(chance.gauss(1.70, 0.09), 2)))
    facts = PatientFacts(
        sex, None if sex is None else "given", float(chance.randint(28, 94)), height_m,
        None if height_m is None else round(chance.gauss(76, 14), 1),
    )  # fmt: skip
    found = [Finding(*each[:1], Severity.WARNING, each[1]) for each in _WARNINGS if chance.random() < 0.06]
    if chance.random() < 0.02:
        found.append(Finding(_ERROR[0], Severity.ERROR, _ERROR[1]))
    interval = (sma_cm2 * 0.965, sma_cm2 * 1.035)
    smi = None if height_m is None else sma_cm2 / height_m**2
    measured = Measurement(sma_cm2, chance.gauss(38, 9), sma_cm2 * 0.98, smi)
    judged = judge(measured, facts, interval=interval, withheld=withholding_reason(found))
    blocks = [
        {"criterion": s.criterion, "cutoff": s.cutoff, "unit": s.unit, "value": s.value.value,
         "borderline": s.borderline, "reason": s.reason}
        for s in (judged.status, *judged.others)
    ]  # fmt: skip
    return record(
        id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        case=f"study-{number:05d}",
        input={"sha256": f"{number:064x}"},
        patient={
            "sex": None if sex is None else sex.value, "sex_source": facts.sex_source,
            "age_years": facts.age_years, "height_m": height_m, "weight_kg": facts.weight_kg,
        },
        muscle={
            "sma_cm2": sma_cm2, "sma_interval_cm2": list(interval), "mean_hu": measured.mean_hu,
            "sma_hu_m29_150_cm2": measured.sma_hu_m29_150_cm2, "smi_cm2_m2": smi,
        },
        status=blocks[0],
        other_criteria=blocks[1:],
        quality=[as_entry(each) for each in found],
    )  # fmt: skip


def write_cohort(folder: Path, count: int, overlay: bytes | None = None, seed: int = 8) -> Path:
    """So many cases; each with a picture where one is given."""
    chance = random.Random(seed)
    for number in range(count):
        made = case_record(number, chance)
        place = folder / made["case"]
        place.mkdir(parents=True)
        text = record_json(made) if number < 20 else json.dumps(made, ensure_ascii=False)
        (place / "assessment.json").write_text(text, encoding="utf-8")
        if overlay is not None:
            (place / "overlay.png").write_bytes(overlay)
    return folder
