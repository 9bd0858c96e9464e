"""Results in the scene as a person reviews them: measured while edited, accepted, rejected, logged."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib import audit
from SarcopeniaAssessLib.assessment import Assessment, Drawing, GivenFacts, ask
from SarcopeniaAssessLib.errors import (
    GeometryError,
    InputError,
    OutputError,
    RecordError,
    SarcopeniaError,
)
from SarcopeniaAssessLib.review import Decision, ReviewedResult, ReviewState
from SarcopeniaAssessLib.review_state import from_text, records_of, to_text
from SarcopeniaAssessLib.slicer_bridge import nodes, result_nodes
from SarcopeniaAssessLib.slicer_bridge.open_cts import OpenCts
from SarcopeniaAssessLib.slicer_bridge.parameters import Parameters
from SarcopeniaAssessLib.slicer_bridge.watching import Watch

if TYPE_CHECKING:
    from SarcopeniaAssessLib.patient import PatientFacts
    from SarcopeniaAssessLib.volume import CtVolume


@dataclass
class _Live:
    """A result at hand: the text that it was read from or written to, and when it was assessed."""

    text: str
    result: ReviewedResult
    ct: CtVolume
    clicked: float | None = None


class ReviewLogic:
    """What is done with a result once it is there; `AssessLogic` makes it."""

    _written: Any = None
    """The node that a prediction is being written into."""

    @cached_property
    def openCts(self) -> OpenCts:
        """Volume nodes as CTs, and what their files tell."""
        return OpenCts()

    @cached_property
    def _live(self) -> dict[str, _Live]:
        return {}

    @property
    def parameters(self) -> Parameters:
        """What is set in the panel, in the scene as it is now."""
        return Parameters.of_scene()

    def resultsOf(self, volumeNode: Any, slice_from_feet: int | None = None) -> list[Any]:
        """Segmentation nodes that are results of a CT, of one level or of all; damaged ones left out."""
        found = []
        for node in result_nodes.results(volumeNode.GetScene()):
            if result_nodes.ct_node_of(node) is volumeNode:
                with contextlib.suppress(RecordError):
                    if slice_from_feet in (result_nodes.level_of(node), None):
                        found.append(node)
        return found

    def result(self, segmentationNode: Any) -> ReviewedResult:
        """The result as it stands: the mask read from the node, an edit noticed, a decision withdrawn by it.

        Raises
        ------
        InputError
            No result, or its CT is gone.
        SarcopeniaError
            The CT is another one, or the segment is gone.
        """
        live = self._read(segmentationNode)
        k = live.result.question.level.slice_from_feet
        ct = self._ct_of(segmentationNode)
        mask = nodes.read_mask(segmentationNode, result_nodes.segment_of(segmentationNode), ct, k)
        changed = live.result.with_mask(mask)
        if changed is not live.result:
            self._replace(segmentationNode, live, changed)
        return changed

    def measure(self, segmentationNode: Any) -> dict[str, Any]:
        """Muscle, status and review of a result as it stands, quickly enough for every stroke.

        Returns
        -------
        `muscle`, `status` as in the record, `review.state`, `edited`; errors as `result`.
        """
        return self.result(segmentationNode).live()

    def record(self, segmentationNode: Any) -> dict[str, Any]:
        """The record of a result as it stands.

        Where its CT is gone, moved or changed, the mask cannot be measured any more; what was accepted or
        rejected before is still what was, with the CT's hash and the mask that it was said of.

        Raises
        ------
        InputError
            There is no result, or nobody has decided on it and its CT is gone.
        SarcopeniaError
            As `result`, or the mask is empty.
        """
        text = result_nodes.stored(segmentationNode)
        try:
            self._read(segmentationNode)
        except (InputError, GeometryError):
            if (decided := records_of(text)["decided"]) is None:
                raise
            return dict(decided)
        return self.result(segmentationNode).record

    def assessment(self, segmentationNode: Any) -> Assessment:
        """Record, mask and picture's parts of a result as it stands, for export; errors as `result`."""
        return self.result(segmentationNode).assessment

    def accept(
        self,
        segmentationNode: Any,
        reviewer: str,
        organization: str = "",
        comment: str = "",
        *,
        oedema_or_fluid: bool | None = None,
    ) -> dict[str, Any]:
        """Accept a result now: in the scene and, where a folder is chosen, in the audit log.

        Returns
        -------
        The accepted record.

        Raises
        ------
        RecordError
            The reviewer is empty, or it is accepted already.
        OutputError
            The audit log cannot be written: the result is not accepted then.
        SarcopeniaError
            As `result`.
        """
        result = self.result(segmentationNode)
        clicked = self._read(segmentationNode).clicked
        seconds = None if clicked is None else time.monotonic() - clicked
        decision = Decision(reviewer, organization, comment, oedema_or_fluid, seconds)
        return self._decided(segmentationNode, result.accept(decision))

    def reject(
        self,
        segmentationNode: Any,
        reviewer: str,
        organization: str = "",
        comment: str = "",
        *,
        oedema_or_fluid: bool | None = None,
    ) -> dict[str, Any]:
        """Reject a result now; see `accept`."""
        result = self.result(segmentationNode)
        decision = Decision(reviewer, organization, comment, oedema_or_fluid)
        return self._decided(segmentationNode, result.reject(decision))

    def setFacts(self, segmentationNode: Any, facts: GivenFacts) -> ReviewedResult:
        """Give a result other facts of its patient; what is left out is taken from the CT's header.

        Raises
        ------
        PatientError
            What no person has.
        SarcopeniaError
            As `result`.
        """
        before = self.result(segmentationNode)
        patient, known = facts.over(self._header_facts(segmentationNode)), before.question.volume.patient
        if patient.sex is not None and patient.sex == known.sex:
            patient = replace(patient, sex_source=known.sex_source)  # a saved scene has lost the header
        changed = before.with_facts(patient)
        if changed is not before:
            self._replace(segmentationNode, self._read(segmentationNode), changed)
        return changed

    def setLevel(self, segmentationNode: Any, superior_mm: float) -> ReviewedResult:
        """Say that a result's L3 is elsewhere: what is measured is what its segment marks there.

        A decision is withdrawn. The model has drawn nothing there, so the mask, empty as it may be, counts as
        a person's; `assess` at that level lets the model draw it.

        Raises
        ------
        LevelError
            Outside the scan.
        SarcopeniaError
            As `result`.
        """
        before = self.result(segmentationNode)
        question = before.question
        moved = ask(
            question.volume,
            GivenFacts(),
            l3=f"s:{superior_mm}",
            criteria=question.criteria,
            case=question.case,
        )
        k = moved.level.slice_from_feet
        if k == question.level.slice_from_feet:
            return before
        segment = result_nodes.segment_of(segmentationNode)
        mask = nodes.read_mask(segmentationNode, segment, self._ct_of(segmentationNode), k)
        changed = before.at_level(
            replace(moved, dicom_sex=question.dicom_sex),
            Drawing(mask, question.volume.slab(k, k + 1)[:, :, 0]),
        )
        self._replace(segmentationNode, self._read(segmentationNode), changed)
        return changed

    def watch(
        self,
        segmentationNode: Any,
        onChange: Callable[[dict[str, Any]], object],
        onError: Callable[[SarcopeniaError], object] | None = None,
    ) -> Watch:
        """Call `onChange(measure(node))` whenever the mask, the state or the facts change, and only then.

        Returns
        -------
        A `Watch`; its `stop()` ends it, and so does the node's removal.
        """
        return Watch(self, segmentationNode, onChange, onError)

    def isWriting(self, segmentationNode: Any) -> bool:
        """Whether a prediction is being written into a node right now: it is not to be measured then."""
        return self._written is segmentationNode

    def forget(self) -> None:
        """Drop everything that is kept of the scene, for when it is closed; nodes are not touched."""
        self._live.clear()
        self.openCts.forget()

    def _is_kept(self, segmentation_node: Any) -> bool:
        """Whether a node is to be left alone: edited, accepted, or not to be read any more."""
        try:
            return self.result(segmentation_node).is_kept
        except SarcopeniaError:
            return True

    def _ct_of(self, segmentation_node: Any) -> CtVolume:
        volume_node = result_nodes.ct_node_of(segmentation_node)
        if volume_node is None:
            raise InputError("The CT of this result is gone", "load it again and assess it")
        return self.openCts.quick(volume_node)

    def _header_facts(self, segmentation_node: Any) -> PatientFacts:
        return self.openCts.facts(result_nodes.ct_node_of(segmentation_node))

    def _read(self, segmentation_node: Any) -> _Live:
        """The result of a node as it was last left, from memory where the node says the same."""
        text = result_nodes.stored(segmentation_node)
        key = segmentation_node.GetID()
        live, ct = self._live.get(key), self._ct_of(segmentation_node)
        if live is None or live.text != text or live.ct is not ct:
            clicked = None if live is None or live.text != text else live.clicked
            live = self._live[key] = _Live(text, from_text(text, ct), ct, clicked)
        return live

    def _keep(self, segmentation_node: Any, result: ReviewedResult, clicked: float | None) -> None:
        ct = self._ct_of(segmentation_node)
        text = to_text(result, ct)
        # Before the node tells its observers, who ask for the result at once.
        self._live[segmentation_node.GetID()] = _Live(text, result, ct, clicked)
        result_nodes.store(segmentation_node, text, result.state)

    def _replace(self, segmentation_node: Any, live: _Live, changed: ReviewedResult) -> None:
        """Keep a changed result; in the node too where more than the mask has changed."""
        before = live.result
        live.result = changed
        same = changed.decided is before.decided and changed.question is before.question
        if not same:
            if before.state is not ReviewState.UNREVIEWED and changed.state is ReviewState.UNREVIEWED:
                self._log("withdrawn", before.record, must=False)
            self._keep(segmentation_node, changed, live.clicked)

    def _decided(self, segmentation_node: Any, result: ReviewedResult) -> dict[str, Any]:
        record = result.record
        self._log(result.state.value, record, must=True)
        self._keep(segmentation_node, result, self._read(segmentation_node).clicked)
        return record

    def _log(self, event: str, record: dict[str, Any], *, must: bool) -> None:
        """Add to the audit log, if there is one; an edit under way is not stopped by a full disk."""
        folder = self.parameters.audit_folder
        if folder is None:
            return
        with contextlib.nullcontext() if must else contextlib.suppress(OutputError):
            audit.append(folder / audit.LOG_FILE, event, record)
