"""Which decision stands for each case: folded from the folder's audit log, grown by decisions brought back.

What the program made stays as it is. A decision is a line of `audit.jsonl` in the output folder, with the
whole decided record, whether the module wrote it there or it was brought back from an exported record.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaAssessLib import audit
from SarcopeniaAssessLib.errors import SarcopeniaError, Severity
from SarcopeniaAssessLib.packed_mask import unpack_mask

IMPORTED, IMPORTED_WITHDRAWAL = "imported", "imported withdrawal"
DECIDED = ("accepted", "rejected", IMPORTED)
WITHDRAWN = ("withdrawn", IMPORTED_WITHDRAWAL)
_CLOSE = 1e-5
_ACCEPTED_STANDS = "the case is accepted already, and what is accepted is never replaced"
_LATER_STANDS = "a later decision stands for the case"


@dataclass(frozen=True)
class Known:
    """What a decision is matched by: a case of the folder as the program made it."""

    case: str
    id: str
    input_sha256: str
    slice_from_feet: int


@dataclass(frozen=True)
class Decision:
    """A decision as it came: its record, whether it was taken back, and what to call it in a message."""

    label: str
    record: Mapping[str, Any]
    withdrawn: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two decisions the same: the record's id, the moment, the state."""
        return key_of(self.record)


@dataclass(frozen=True)
class Refused:
    """A decision that was not taken, and why."""

    label: str
    reason: str


@dataclass
class Brought:
    """What became of the decisions brought back."""

    taken: int = 0
    already_there: int = 0
    undecided: int = 0
    refused: list[Refused] = field(default_factory=list)


class Decisions:
    """The decisions that stand for the cases of an output folder.

    Parameters
    ----------
    log:
        `audit.jsonl` of the folder; may be absent.
    cases:
        Every case with the program's own record of it.
    own:
        Cases whose own record is decided, and that record.

    Attributes
    ----------
    problem:
        Why no decision of the log is known; empty if it is whole. Then nothing can be brought back either.
    """

    def __init__(self, log: Path, cases: Iterable[Known], own: Mapping[str, Mapping[str, Any]]) -> None:
        self._log = log
        self._cases = _Cases(cases)
        self._standing: dict[str, Mapping[str, Any]] = dict(own)
        self._seen = {(*key_of(record), False) for record in own.values()}
        self.problem = self._read()
        if self.problem:  # nor what it says before the line that is damaged
            self._standing = dict(own)

    def standing(self, case: str) -> Mapping[str, Any] | None:
        """The decided record that stands for a case."""
        return self._standing.get(case)

    def bring(self, decisions: Iterable[Decision]) -> Brought:
        """Add decisions to the log, in the order in which they were made.

        Raises
        ------
        OutputError
            The log cannot be written; nothing was added then.
        """
        brought, lines = Brought(), []
        for each in sorted(decisions, key=lambda each: (_moment(each.record), each.withdrawn)):
            if not self.problem and (*each.key, each.withdrawn) in self._seen:
                brought.already_there += 1
                continue
            reason = self.problem or self._refusal(each)
            if reason:
                brought.refused.append(Refused(each.label, reason))
                continue
            event = IMPORTED_WITHDRAWAL if each.withdrawn else IMPORTED
            self._fold(event, each.record)
            lines.append((event, each.record))
        if lines:
            audit.append_all(self._log, lines)
        brought.taken = len(lines)
        return brought

    def _read(self) -> str:
        try:
            if not self._log.exists():
                return ""
            found = audit.verify_audit(self._log, records=False)
            if any(finding.severity is Severity.ERROR for finding in found):
                return "The folder's audit log is not whole"
            for entry in audit.read_audit(self._log):
                self._fold(entry["event"], entry["record"])
        except SarcopeniaError as error:
            return error.problem
        except (AttributeError, KeyError, TypeError, ValueError):
            return "The folder's audit log holds a line that is no decision"
        return ""

    def _fold(self, event: str, record: Mapping[str, Any]) -> None:
        withdrawn = event in WITHDRAWN
        if not withdrawn and event not in DECIDED:
            return
        self._seen.add((*key_of(record), withdrawn))
        case = self._cases.of(record)[0]
        if case is None:
            return
        before = self._standing.get(case)
        if withdrawn:
            if before is not None and key_of(before) == key_of(record):
                del self._standing[case]
        elif before is None or not _outweighs(before, record):
            self._standing[case] = record

    def _refusal(self, decision: Decision) -> str:
        """Why a decision is not taken; empty if it is."""
        case, reason = self._cases.of(decision.record)
        if case is None:
            return reason
        before = self._standing.get(case)
        if decision.withdrawn:
            is_it = before is not None and key_of(before) == decision.key
            return "" if is_it else "what it withdraws does not stand for the case"
        return (before is not None and _outweighs(before, decision.record)) or _contradiction(decision.record)


class _Cases:
    """Finds the case that a record is about."""

    def __init__(self, cases: Iterable[Known]) -> None:
        self._by_id: dict[str, list[Known]] = {}
        self._by_input: dict[str, list[Known]] = {}
        for each in cases:
            self._by_id.setdefault(each.id, []).append(each)
            self._by_input.setdefault(each.input_sha256, []).append(each)

    def of(self, record: Mapping[str, Any]) -> tuple[str | None, str]:
        """The case, or `None` and why.

        By the provenance id, the record's or that of the model's own result; else by the input's hash; of
        several (a copied folder has the id of the first) by the slice, then by the name. A name alone says
        nothing.
        """
        opinion = record.get("model_opinion") or {}
        found = (
            self._by_id.get(record["id"])
            or self._by_id.get(opinion.get("id", ""))
            or self._by_input.get(record["input"]["sha256"], [])
        )
        if not found:
            return None, "no case of the folder was made of the same CT"
        slice_from_feet, name = record["l3"]["slice_from_feet"], record["case"]
        found = [each for each in found if each.slice_from_feet == slice_from_feet] or found
        found = [each for each in found if each.case == name] or found
        if len(found) > 1:
            return None, "several cases of the folder were made of the same CT"
        return found[0].case, ""


def key_of(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """What makes two decisions the same: the record's id, the moment, the state."""
    review = record["review"]
    return str(record["id"]), str(review["at"]), str(review["state"])


def _outweighs(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Why a decision that stands is not replaced by another; empty if it is."""
    if before["review"]["state"] == "accepted":
        return _ACCEPTED_STANDS
    return _LATER_STANDS if _moment(before) > _moment(after) else ""


def _moment(record: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(record["review"]["at"])


def _contradiction(record: Mapping[str, Any]) -> str:
    """Whether a decided record's area is not that of the mask it carries; empty if it is, or carries none."""
    packed = record["mask"].get("pixels")
    if packed is None:
        return ""
    try:
        pixels = int(np.count_nonzero(unpack_mask(packed)))
    except SarcopeniaError as error:
        return f"its mask cannot be read ({error.problem})"
    image = record["input"]
    sides_mm = [
        spacing
        for spacing, letter in zip(image["spacing_mm"], image["orientation"], strict=True)
        if letter not in "SI"
    ]
    area_cm2 = pixels * math.prod(sides_mm) / 100.0
    same = math.isclose(area_cm2, record["muscle"]["sma_cm2"], rel_tol=_CLOSE)
    return "" if same else "its area is not that of its mask"
