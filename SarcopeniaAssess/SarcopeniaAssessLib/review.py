"""What a person makes of an assessment: corrects the mask, accepts or rejects it.

unreviewed → accepted or rejected → (the mask edited, or sex, age, height or weight changed) → unreviewed
again, with a note of what was withdrawn. A `ReviewedResult` never changes; each step makes another. Looking
at other slices or another CT is no step at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib import record as records
from SarcopeniaAssessLib.assessment import Assessment, Drawing, Question, conclude
from SarcopeniaAssessLib.criteria import judge
from SarcopeniaAssessLib.errors import MaskError, RecordError
from SarcopeniaAssessLib.level_choice import MeasuredLevel
from SarcopeniaAssessLib.measurement import measure_slice
from SarcopeniaAssessLib.packed_mask import dice, pack_mask
from SarcopeniaAssessLib.record_rules import validate_record
from SarcopeniaAssessLib.uncertainty import sma_interval_cm2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.measurement import Measurement
    from SarcopeniaAssessLib.patient import PatientFacts

OEDEMA_MESSAGE = (
    "The reviewer saw oedema or fluid in or between the muscles: where it counts as muscle, the area is too "
    "large."
)
_NETWORKS_OWN = "network_doubts"
"""A finding about the network that says nothing of a mask that a person has drawn or corrected."""
_FACTS = {"sex": "sex", "age_years": "age", "height_m": "height", "weight_kg": "weight"}


class ReviewState(StrEnum):
    """What a person has decided; the enum of the record."""

    UNREVIEWED = "unreviewed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Decision:
    """What a reviewer says with Accept or Reject.

    Parameters
    ----------
    reviewer, organization, comment:
        Who decides, for whom, and why; only the reviewer is needed.
    oedema_or_fluid:
        Whether oedema or fluid was seen; `None`: not asked.
    seconds:
        From Assess to this decision; `None`: not known.
    """

    reviewer: str
    organization: str = ""
    comment: str = ""
    oedema_or_fluid: bool | None = None
    seconds: float | None = None


@dataclass(frozen=True, eq=False)
class ReviewedResult:
    """A result under review: what was asked, what the model drew, what the mask is now, what was decided.

    Attributes
    ----------
    question:
        The CT and its level, with the patient's facts as they are now.
    drawing:
        The model's, unchanged. Without a model: the mask is a person's from the start.
    assessed:
        The record as the assessment made it.
    mask:
        (I, J), bool, canonical: the mask as it is now.
    decided:
        The record that a person accepted or rejected, until the decision is withdrawn.
    withdrawn:
        The last decision that was: `state`, `reviewer`, `at`, `withdrawn_at`, `reason`.
    id:
        Provenance id of the record once something was changed.
    """

    question: Question
    drawing: Drawing
    assessed: Mapping[str, Any]
    mask: NDArray[np.bool_]
    decided: Mapping[str, Any] | None = None
    withdrawn: Mapping[str, Any] | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def of(cls, question: Question, drawing: Drawing) -> ReviewedResult:
        """The result of an assessment, unreviewed; errors as `assessment.conclude`."""
        made = conclude(question, drawing)
        return cls(question, drawing, made.record, drawing.mask)

    @property
    def state(self) -> ReviewState:
        """What a person has decided of the mask and the facts as they are now."""
        return (
            ReviewState.UNREVIEWED if self.decided is None else ReviewState(self.decided["review"]["state"])
        )

    @property
    def is_edited(self) -> bool:
        """Whether the mask is another than the model's."""
        return not np.array_equal(self.mask, self.drawing.mask)

    @property
    def is_the_models(self) -> bool:
        """Whether the mask is what a model drew, pixel by pixel."""
        return self.drawing.model is not None and not self.is_edited

    @property
    def is_kept(self) -> bool:
        """Whether another Assess must leave it alone: somebody drew, edited or accepted it."""
        return self.state is ReviewState.ACCEPTED or (not self.is_the_models and bool(self.mask.any()))

    def with_mask(self, mask: NDArray[Any]) -> ReviewedResult:
        """The result after an edit; itself if nothing changed.

        Parameters
        ----------
        mask:
            (I, J), canonical; every value but 0 is inside. May be empty while somebody draws.

        Raises
        ------
        MaskError
            Another shape than the slice's.
        """
        if mask.shape != self.mask.shape:
            raise MaskError(
                f"A slice of this CT is {self.mask.shape}, the mask {mask.shape}",
                "give a mask of the CT's own slice",
            )
        inside: NDArray[np.bool_] = np.asarray(mask) != 0
        return (
            self if np.array_equal(inside, self.mask) else self._changed("the mask was edited", mask=inside)
        )

    def with_facts(self, patient: PatientFacts) -> ReviewedResult:
        """The result for other facts of the patient; itself if nothing changed."""
        before = self.question.volume.patient
        if patient == before:
            return self
        changed = [name for key, name in _FACTS.items() if getattr(patient, key) != getattr(before, key)]
        volume = self.question.volume.with_patient(patient)
        return self._changed(
            f"{' and '.join(changed) or 'the source of the sex'} changed",
            question=replace(self.question, volume=volume),
            drawing=replace(self.drawing, alternatives=_for_height(self.drawing, patient.height_m)),
        )

    def at_level(self, question: Question, drawing: Drawing) -> ReviewedResult:
        """The result after its level was set anew.

        Parameters
        ----------
        drawing:
            Without a model: what a person has marked there, perhaps nothing yet.
        """
        return self._changed("the level was set anew", question=question, drawing=drawing, mask=drawing.mask)

    def accept(self, decision: Decision) -> ReviewedResult:
        """The result, accepted now.

        Raises
        ------
        MaskError
            The mask is empty.
        RecordError
            The reviewer is empty, or the result is accepted already.
        """
        return self._decide(
            decision,
            lambda record: records.accept(
                record, decision.reviewer, decision.organization, decision.comment, decision.seconds
            ),
        )

    def reject(self, decision: Decision) -> ReviewedResult:
        """The result, rejected now; errors as `accept`."""
        return self._decide(
            decision,
            lambda record: records.reject(record, decision.reviewer, decision.organization, decision.comment),
        )

    def live(self) -> dict[str, Any]:
        """`muscle` and `status` of the mask as it is now, quickly: as in the record, but not validated.

        What withholds a status is taken from the last whole record, not looked for again.
        """
        measured, is_the_models = self._measured, self.is_the_models
        patient = self.question.volume.patient
        interval = sma_interval_cm2(measured.sma_cm2)
        if is_the_models:
            interval = self.assessed["muscle"]["sma_interval_cm2"]
        status = judge(
            measured,
            patient,
            names=self.question.criteria,
            interval=None if interval is None else (interval[0], interval[1]),
            withheld=self._withheld(),
        ).status
        return {
            "muscle": {
                "sma_cm2": measured.sma_cm2,
                "sma_interval_cm2": None if interval is None else list(interval),
                "mean_hu": measured.mean_hu,
                "sma_hu_m29_150_cm2": measured.sma_hu_m29_150_cm2,
                "smi_cm2_m2": measured.smi_cm2_m2,
                "doubt": self.assessed["muscle"]["doubt"] if is_the_models else None,
            },
            "status": {
                "criterion": status.criterion,
                "cutoff": status.cutoff,
                "unit": status.unit,
                "value": status.value.value,
                "borderline": status.borderline,
                "reason": status.reason,
            },
            "review": {"state": self.state.value},
            "edited": self.is_edited,
        }

    @cached_property
    def assessment(self) -> Assessment:
        """Record and mask as they are now, for a case's files.

        Raises
        ------
        MaskError
            The mask is empty.
        """
        drawn = self.drawing
        if not self.mask.any():
            raise MaskError("There is no muscle in the mask", "draw it, or assess the CT at this level")
        if self.is_edited:
            # A person's line: neither the network's doubt nor its interval says anything of it.
            drawn = replace(
                drawn, mask=self.mask, model=None, probability=None, doubt=None, fragments_removed_cm2=0.0
            )
        made = conclude(self.question, drawn)
        return replace(made, record=self._record_of(made.record))

    @property
    def record(self) -> dict[str, Any]:
        """The record as it stands: the decided one, or what the mask and the facts now give."""
        if self.decided is not None:
            return deepcopy(dict(self.decided))
        if self._is_as_assessed:
            return deepcopy(dict(self.assessed)) | ({} if self.withdrawn is None else self._review_block)
        return deepcopy(self.assessment.record)

    @property
    def model_opinion(self) -> dict[str, Any] | None:
        """What the model alone says, kept beside an edit: area, interval, mean HU, status and its mask."""
        if self.drawing.model is None:
            return None
        muscle, status = self.assessed["muscle"], self.assessed["status"]
        return {
            "id": self.assessed["id"],
            **{name: muscle[name] for name in ("sma_cm2", "sma_interval_cm2", "mean_hu")},
            "status": status["value"],
            "pixels": pack_mask(self.drawing.mask),
        }

    @cached_property
    def _measured(self) -> Measurement:
        volume = self.question.volume
        return measure_slice(
            self.mask, volume.pixel_area_cm2, hu=self.drawing.hu, height_m=volume.patient.height_m
        )

    def _withheld(self) -> str | None:
        """Why no status may be given, as far as is known without looking at the whole slice again."""
        if not self.mask.any():
            return "the mask is empty"
        whole = self.__dict__.get("assessment")
        last = self.assessed if whole is None else whole.record
        if last["l3"]["slice_from_feet"] != self.question.level.slice_from_feet:
            return None
        told = (
            each["message"].rstrip(".")
            for each in last["quality"]
            if each["severity"] == "error" and (self.is_the_models or each["code"] != _NETWORKS_OWN)
        )
        return next(told, None)

    @property
    def _is_as_assessed(self) -> bool:
        """Whether the first record is that of now: only a model's mask is known to be what it was."""
        facts, there = self.question.volume.patient, self.assessed["patient"]
        return self.is_the_models and all(there[name] == getattr(facts, name) for name in there)

    @property
    def _review_block(self) -> dict[str, Any]:
        return {"review": {**self.assessed["review"], "withdrawn": self.withdrawn}}

    def _record_of(self, concluded: dict[str, Any]) -> dict[str, Any]:
        """A record of now, with what is not of now: who drew, when, with what."""
        if self.decided is not None:
            return deepcopy(dict(self.decided))
        record = concluded | {
            "id": self.assessed["id"] if self._is_as_assessed else self.id,
            "timing_s": self.assessed["timing_s"],
        }
        record.pop("assessed_at", None)  # that of now says nothing; a scene of an older version has none
        if "assessed_at" in self.assessed:
            record["assessed_at"] = self.assessed["assessed_at"]
        if self.drawing.model is None:
            record["timing_s"] = dict.fromkeys(self.assessed["timing_s"])
        else:
            record["software"] = self.assessed["software"]
        if self.is_edited and self.drawing.model is not None:
            record |= {
                "model": self.assessed["model"],
                "mask": {
                    "source": "edited",
                    "dice_with_model": dice(self.mask, self.drawing.mask),
                    "pixels_changed": int(np.count_nonzero(self.mask != self.drawing.mask)),
                    "pixels": pack_mask(self.mask),
                },
                "model_opinion": self.model_opinion,
            }
        if self.withdrawn is not None:
            record |= self._review_block
        validate_record(record)
        return record

    def _decide(
        self, decision: Decision, review: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> ReviewedResult:
        if self.state is ReviewState.ACCEPTED:
            raise RecordError("The result is accepted already", "edit it, or assess the CT again")
        record = self.record if self.decided is None else replace(self, decided=None).record
        record["mask"] = {**record["mask"], "pixels": pack_mask(self.mask)}
        if (opinion := self.model_opinion) is not None:
            record["model_opinion"] = opinion
        if decision.oedema_or_fluid:
            told = {"code": "oedema_or_fluid", "severity": "warning", "message": OEDEMA_MESSAGE}
            record["quality"] = [*record["quality"], told]
        decided = review(record)
        if decision.oedema_or_fluid is not None:
            decided["review"]["oedema_or_fluid"] = decision.oedema_or_fluid
        validate_record(decided)
        return replace(self, decided=decided, withdrawn=None)

    def _changed(self, reason: str, **changes: Any) -> ReviewedResult:
        """A changed result is another one: nobody has decided it, and its record has an id of its own."""
        withdrawn = self.withdrawn
        if self.decided is not None:
            review = self.decided["review"]
            withdrawn = {
                **{name: review[name] for name in ("state", "reviewer", "at")},
                "withdrawn_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "reason": reason,
            }
        return replace(self, decided=None, withdrawn=withdrawn, id=str(uuid.uuid4()), **changes)


def _for_height(drawing: Drawing, height_m: float | None) -> tuple[MeasuredLevel, ...]:
    """What was measured on the alternatives, with the index that a height gives."""
    return tuple(
        each
        if each.measurement is None
        else replace(
            each,
            measurement=replace(
                each.measurement,
                smi_cm2_m2=None if height_m is None else each.measurement.sma_cm2 / height_m**2,
            ),
        )
        for each in drawing.alternatives
    )
