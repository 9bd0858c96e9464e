"""Everything that the module does, without a window: assess, measure while somebody edits, accept, reject.

No dialog is ever opened here; what goes wrong is a `SarcopeniaError`. Names are Slicer's way (camelCase)
where scripts are promised them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.assessment import Drawing, GivenFacts, Question, ask, draw
from SarcopeniaAssessLib.case_names import case_name
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.level import Level
from SarcopeniaAssessLib.models import SegmentationModel, load_model
from SarcopeniaAssessLib.review import ReviewedResult
from SarcopeniaAssessLib.segmentation import choose_device
from SarcopeniaAssessLib.slicer_bridge import nodes, result_nodes
from SarcopeniaAssessLib.slicer_bridge.export_logic import ExportLogic
from SarcopeniaAssessLib.worker_client import draw_in_worker


@dataclass(frozen=True, eq=False)
class Pending:
    """An assessment that was begun: what a worker has to draw, and where its result will go.

    Attributes
    ----------
    question:
        For `worker.submit(DrawRequest(pending.question, …))`.
    volume_node:
        The CT's node.
    facts:
        What was given of the patient.
    clicked:
        When it began (`time.monotonic`).
    """

    question: Question
    volume_node: Any
    facts: GivenFacts
    clicked: float


class AssessLogic(ExportLogic):
    """What scripts and the panel call; one for a scene.

    Attributes
    ----------
    worker:
        A `WarmWorker` or `LocalWorker` that draws for `assess`; `None`: the network runs in this process.
    beforePrediction:
        Called with a segmentation node before a prediction is written into it, for a step of undo.
    """

    worker: Any = None
    beforePrediction: Callable[[Any], object] | None = None

    @cached_property
    def _models(self) -> dict[tuple[str, str], SegmentationModel]:
        return {}

    def assess(  # noqa: PLR0913 - promised: what a person can say of a CT, each by its name
        self,
        volumeNode: Any,
        sex: str | None = None,
        l3: str | Level | None = None,
        *,
        age_years: float | None = None,
        height_m: float | None = None,
        weight_kg: float | None = None,
        model: str | Path | None = None,
        device: str = "auto",
        criteria: Sequence[str] = (),
    ) -> Any:
        """Assess a CT and wait for it; see `assessment.assess` for the arguments.

        Returns
        -------
        The segmentation node of the result.

        Raises
        ------
        SarcopeniaError
            As `assessment.assess`; nothing is left in the scene then.
        """
        facts = GivenFacts(sex, age_years, height_m, weight_kg)
        self.openCts.wait(volumeNode)
        pending = self.begin(volumeNode, facts, l3=l3, criteria=criteria)
        if self.worker is not None:
            drawing = draw_in_worker(pending.question, self.worker, model, device)
        else:
            where = choose_device(device)
            drawing = draw(pending.question, self._model(model, where), where)
        return self.finish(pending, drawing)

    def begin(
        self,
        volumeNode: Any,
        facts: GivenFacts | None = None,
        *,
        l3: str | Level | None = None,
        criteria: Sequence[str] = (),
    ) -> Pending:
        """Put the question that a worker answers; quick unless `l3` asks for a search. Changes no node.

        Raises
        ------
        SarcopeniaError
            The node holds no CT that can be measured, or there is no such level.
        """
        clicked = time.monotonic()
        facts = facts or GivenFacts()
        ct = self.openCts.known(volumeNode)
        question = ask(ct, facts, l3=l3, criteria=criteria, case=self._case_of(volumeNode))
        return Pending(question, volumeNode, facts, clicked)

    def finish(self, pending: Pending, drawing: Drawing) -> Any:
        """Turn what was drawn into a result in the scene.

        A result of this CT and level that nobody has edited or accepted is replaced; any other is kept and
        a new node is made.

        Returns
        -------
        The segmentation node.

        Raises
        ------
        InputError
            The CT was closed or replaced meanwhile; nothing is left in the scene then.
        SarcopeniaError
            As `assessment.conclude`.
        """
        volume_node = pending.volume_node
        if volume_node.GetScene() is None or not self.openCts.shows(volume_node, pending.question.volume):
            raise InputError("The CT was closed or changed while it was assessed", "assess it again")
        k = pending.question.level.slice_from_feet
        known = self.openCts.wait(volume_node)
        level = replace(pending.question.level, superior_mm=known.slice_superior_mm(k))
        question = replace(
            pending.question,
            volume=known.around(k).with_patient(pending.facts.over(known.patient)),
            level=level,
            dicom_sex=known.patient.sex if known.patient.sex_source == "dicom" else None,
        )
        result = ReviewedResult.of(question, drawing)
        node = self._write(volume_node, result)
        self._keep(node, result, pending.clicked)
        return node

    def _model(self, model: str | Path | None, device: str) -> SegmentationModel:
        key = (str(model), device)
        if key not in self._models:
            self._models.clear()
            self._models[key] = load_model(model, device)
        return self._models[key]

    def _write(self, volume_node: Any, result: ReviewedResult) -> Any:
        """Put a result into the node of an unkept one of this CT and level, or into a new one."""
        k = result.question.level.slice_from_feet
        node = next((each for each in self.resultsOf(volume_node, k) if not self._is_kept(each)), None)
        is_new = node is None
        if node is None:
            node, segment = nodes.new_segmentation(volume_node)
            result_nodes.bind(node, segment, volume_node)
        self._written = node
        try:
            if self.beforePrediction is not None:
                self.beforePrediction(node)
            nodes.write_mask(node, result_nodes.segment_of(node), volume_node, result.mask, k)
        except BaseException:
            if is_new and node.GetScene() is not None:
                node.GetScene().RemoveNode(node)
            raise
        finally:
            self._written = None
        return node

    def _case_of(self, volume_node: Any) -> str:
        """The name of the file, or of the folder of several; "ct" where there is none.

        Never the node's name: one that came from DICOM is named after its header.
        """
        files = self.openCts.files(volume_node)
        if not files:
            return "ct"
        return case_name(files[0] if len(files) == 1 else Path(files[0]).parent)
