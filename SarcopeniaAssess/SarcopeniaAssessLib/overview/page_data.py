"""The cases as the page's script reads them: short rows, every text that comes often stored once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.criteria import load_criteria
from SarcopeniaAssessLib.overview.case_row import SEXES, STATES, STATUSES
from SarcopeniaAssessLib.overview.distribution import bin_of

if TYPE_CHECKING:
    from SarcopeniaAssessLib.overview.case_row import CaseRow, Judged
    from SarcopeniaAssessLib.overview.distribution import Distribution

FIELDS = (
    "name", "sex", "age", "sma", "smaText", "interval", "hu", "huText", "smi", "smiText", "status",
    "borderline", "rule", "reason", "away", "attention", "findings", "review", "decidedAt", "before", "level",
    "judged", "bin",
)  # fmt: skip
"""What stands in a row, in this order; the script has the same list from the page."""
_LETTERS = {"sarcopenic": "s", "not sarcopenic": "n", "undetermined": "u"}
_ENDS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page_data(rows: Sequence[CaseRow], distribution: Distribution, folder: str | None) -> dict[str, Any]:
    """What the script is given.

    Parameters
    ----------
    rows:
        In the order in which they are to be looked at.
    folder:
        Way from the page to the output folder, "" or ending in a slash; `None`: nothing is linked.
    """
    words, findings = _Once(), _Once()
    criteria = list(dict.fromkeys(each.criterion for row in rows for each in row.judged))
    cases = [_fields(row, criteria, words, findings, _bin(row, distribution)) for row in rows]
    known = load_criteria()
    return {
        "fields": FIELDS,
        "folder": folder,
        "criteria": [known[name].title if name in known else name for name in criteria],
        "words": words.all,
        "findings": findings.all,
        "cases": cases,
    }


def as_script(data: Any) -> str:
    """JSON that can stand in a script element: no sign in it ends the element or begins a comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign, escaped in _ENDS.items():
        text = text.replace(sign, escaped)
    return text


class _Once:
    """Values in the order in which they first came; each is referred to by its place."""

    def __init__(self) -> None:
        self._places: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        return self._places.setdefault(value, len(self._places))

    @property
    def all(self) -> list[Any]:
        return list(self._places)


def _fields(
    row: CaseRow, criteria: Sequence[str], words: _Once, findings: _Once, place: int | None
) -> list[Any]:
    status = row.judged[0]
    away = None if status.cutoff is None else abs(row.sma_cm2 - status.cutoff)
    made: Mapping[str, Any] = {
        "name": row.case,
        "sex": SEXES.index(row.sex),
        "age": row.age_years,
        "sma": round(row.sma_cm2, 3),
        "smaText": row.texts["sma"],
        "interval": row.texts["interval"],
        "hu": _rounded(row.mean_hu),
        "huText": row.texts["mean_hu"],
        "smi": _rounded(row.smi_cm2_m2),
        "smiText": row.texts["smi"],
        "status": STATUSES.index(row.status),
        "borderline": int(row.borderline),
        "rule": words(row.texts["rule"]),
        "reason": words(status.reason or ""),
        "away": _rounded(away),
        "attention": int(row.attention),
        "findings": [findings(each) for each in row.findings],
        "review": STATES.index(row.review),
        "decidedAt": row.decided_at or "",
        "before": row.models_own,
        "level": words(row.texts["level"]),
        "judged": _letters(row.judged, criteria),
        "bin": place,
    }
    return [made[name] for name in FIELDS]


def _bin(row: CaseRow, distribution: Distribution) -> int | None:
    """Its place on the distribution's axis, of the unrounded area; `None` where it does not count."""
    return bin_of(row.sma_cm2, distribution.low_cm2, distribution.bins) if row.counts else None


def _letters(judged: Sequence[Judged], criteria: Sequence[str]) -> str:
    """A letter for each criterion of the cohort: s, n, u, or - where it was not asked."""
    values = {each.criterion: _LETTERS[each.value] for each in judged}
    return "".join(values.get(name, "-") for name in criteria)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
