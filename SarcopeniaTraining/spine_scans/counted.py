"""One phantom through the library's own way to L3, and what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.errors import LevelError
from SarcopeniaAssessLib.level import find_level
from SarcopeniaAssessLib.quality import SURE_LEVEL
from SarcopeniaAssessLib.volume import CtVolume

if TYPE_CHECKING:
    from collections.abc import Sequence

NEAR_MM = 5.0
WRONG_VERTEBRA_MM = 15.0
"""Farther from the truth than this is another vertebra: half of the least distance of two discs."""


@dataclass(frozen=True)
class Counted:
    """What the finder said of one scan.

    Attributes
    ----------
    seed, numbering, partial:
        The scan; partial: its sacrum or its lowest ribs lie outside.
    error_mm:
        Level found minus truth, along the body; `None`: refused.
    confidence:
        Of the level found; 0 where refused.
    flagged, second_is_right:
        Whether a second candidate or a low confidence was told; whether a second candidate is L3.
    told:
        The reason, or why it was refused.
    seconds:
        Of the search.
    """

    seed: int
    numbering: str
    partial: bool
    error_mm: float | None
    confidence: float
    flagged: bool
    second_is_right: bool
    told: str
    seconds: float = 0.0

    @property
    def near(self) -> bool:
        """Within 5 mm of the truth."""
        return self.error_mm is not None and abs(self.error_mm) <= NEAR_MM

    @property
    def wrong(self) -> bool:
        """Another vertebra."""
        return self.error_mm is not None and abs(self.error_mm) > WRONG_VERTEBRA_MM


def counted(volume: CtVolume, l3_superior_mm: float, *, seed: int, numbering: str, partial: bool) -> Counted:
    """Let the library find L3 and hold it against the truth."""
    started = time.perf_counter()
    try:
        level = find_level("auto", volume)
    except LevelError as error:
        spent = time.perf_counter() - started
        return Counted(seed, numbering, partial, None, 0.0, True, False, str(error), spent)
    spent = time.perf_counter() - started
    confidence = float(level.confidence or 0.0)
    second = any(abs(each.superior_mm - l3_superior_mm) <= WRONG_VERTEBRA_MM for each in level.alternatives)
    return Counted(
        seed,
        numbering,
        partial,
        float(level.superior_mm - l3_superior_mm),
        confidence,
        bool(level.alternatives) or confidence < SURE_LEVEL,
        second,
        level.reason,
        spent,
    )


def summary(scans: Sequence[Counted]) -> dict[str, float | int]:
    """Shares of a group, in percent of its scans; of the wrong ones, how many were flagged."""
    count = len(scans)
    if not count:
        return {"scans": 0}
    found = [s for s in scans if s.error_mm is not None]
    wrong = [s for s in found if s.wrong]
    errors = np.array([abs(s.error_mm or 0.0) for s in found if not s.wrong])
    return {
        "scans": count,
        "within_5_mm_percent": _percent(sum(s.near for s in scans), count),
        "wrong_vertebra_percent": _percent(len(wrong), count),
        "wrong_and_flagged": sum(s.flagged for s in wrong),
        "wrong": len(wrong),
        "wrong_but_second_is_right": sum(s.second_is_right for s in wrong),
        "refused_percent": _percent(count - len(found), count),
        "flagged_percent": _percent(sum(s.flagged for s in found), count),
        "error_mm_median": round(float(np.median(errors)), 2) if errors.size else float("nan"),
        "error_mm_p95": round(float(np.quantile(errors, 0.95)), 2) if errors.size else float("nan"),
        "seconds_median": round(float(np.median([s.seconds for s in scans])), 2),
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1)
