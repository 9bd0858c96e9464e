"""Records as the module exports them: decided, with the mask that was decided on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.packed_mask import pack_mask
from SarcopeniaAssessLib.record import validate_record
from Testing.library import small_case

OTHER_ID = "0e4c2a56-9d3b-4c11-8a77-5d2f6f0a1b2c"


def automatic(case: str = "one", **changes: Any) -> dict[str, Any]:
    """The program's own record of a case: 143.96 cm², sarcopenic, borderline."""
    return small_case.record(case=case, **changes)


def decided(
    state: str = "accepted", at: str = "2026-03-01T10:00:00+00:00", id_: str = OTHER_ID, **changes: Any
) -> dict[str, Any]:
    """A person's record of the same CT: 136.0 cm², counted from its mask of 680 pixels of 0.2 cm²."""
    made = small_case.record(
        id=id_,
        case="named-otherwise",
        muscle={
            "sma_cm2": 136.0, "sma_interval_cm2": [132.0, 140.0], "sma_hu_m29_150_cm2": 136.0,
            "smi_cm2_m2": 136.0 / 1.75**2,
        },
        status={"borderline": False},
        other_criteria=[],
        mask={
            "source": "edited", "dice_with_model": 0.97, "pixels_changed": 40,
            "pixels": pack_mask(small_case.muscle()[:, :, small_case.LEVEL]),
        },
        review={"state": state, "reviewer": "Q. Quirrell", "organization": "Saint Mungo", "at": at},
    )  # fmt: skip
    for name, value in changes.items():
        made[name] = {**made[name], **value} if isinstance(made.get(name), dict) else value
    validate_record(made)
    return made


def write(path: Path, record: dict[str, Any]) -> Path:
    """A record as a file, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    return path
