"""The whole panel: its sections know each other through this file alone.

A CT is chosen, a level looked for, the muscle outlined by the worker, corrected in the editor, accepted. What
is done with the scene is the logic's; here it is only shown and asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.util import VTKObservationMixin

from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.remedies import explained
from SarcopeniaAssessLib.slicer_bridge import panel_words, result_nodes
from SarcopeniaAssessLib.slicer_bridge.dialogs import Dialogs
from SarcopeniaAssessLib.slicer_bridge.panel_correct import CorrectSection
from SarcopeniaAssessLib.slicer_bridge.panel_export import ExportSection
from SarcopeniaAssessLib.slicer_bridge.panel_level import LevelSection
from SarcopeniaAssessLib.slicer_bridge.panel_model import ModelSection
from SarcopeniaAssessLib.slicer_bridge.panel_patient import PatientSection
from SarcopeniaAssessLib.slicer_bridge.panel_result import ResultSection
from SarcopeniaAssessLib.slicer_bridge.panel_review import ReviewSection
from SarcopeniaAssessLib.slicer_bridge.panel_run import TOLD, RunSection
from SarcopeniaAssessLib.slicer_bridge.slice_views import Levels, show_volume
from SarcopeniaAssessLib.slicer_bridge.terminology import load_terminology

if TYPE_CHECKING:
    from SarcopeniaAssessLib.assessment import GivenFacts
    from SarcopeniaAssessLib.slicer_bridge.logic import AssessLogic
    from SarcopeniaAssessLib.slicer_bridge.watching import Watch

_WHOLE_RECORD_AFTER_MS = 400
"""Of rest after a stroke; until then the live numbers stand alone."""
_DARKER_THAN = 128


class Panel:
    """The panel over a `.ui` whose widgets are in place.

    Parameters
    ----------
    ui:
        Every named widget as an attribute (`slicer.util.childWidgetVariables`).
    logic:
        What does the work.
    dialogs:
        Who asks; `None`: Slicer's dialogs.
    worker:
        Who draws; `None`: a process of Slicer's Python.

    Attributes
    ----------
    volume, result:
        The CT that is chosen, the segmentation node of its current result; `None`: none.
    is_measurable:
        Whether the CT can be assessed at all.
    """

    def __init__(self, ui: Any, logic: AssessLogic, dialogs: Any = None, worker: Any = None) -> None:
        self.ui, self.logic = ui, logic
        load_terminology()  # for the segments of a scene that is loaded
        self.dialogs = Dialogs(ui.ctSection) if dialogs is None else dialogs
        self.volume: Any = None
        self.result: Any = None
        self.is_measurable = False
        self.colours = _colours(ui.statusLabel)
        self._record: Mapping[str, Any] | None = None
        self._watch: Watch | None = None
        self._observers = VTKObservationMixin()
        self._is_open = True
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WHOLE_RECORD_AFTER_MS)
        self._timer.connect("timeout()", self.refresh)
        self.run = RunSection(self, worker)
        self.model = ModelSection(self)
        self.level = LevelSection(self)
        self.patient = PatientSection(self)
        self.review = ReviewSection(self)
        self.outcome = ResultSection(self)
        self.export = ExportSection(self)
        self.correct = CorrectSection(self)
        self.logic.beforePrediction = self.correct.before_prediction
        self.restore()

    def restore(self) -> None:
        """Show what the scene holds: a scene that was loaded looks as it was saved."""
        self._is_open = True
        parameters = self.logic.parameters
        self.patient.remember(parameters.ct, parameters.facts)
        self.model.restore()
        self.review.restore()
        self.export.restore()
        volume_node = parameters.ct
        if volume_node is None and self.ui.ctSelector.currentNode() is not None:
            volume_node = self.ui.ctSelector.currentNode()
        self.patient.choose(volume_node)
        self.choose_volume(volume_node, parameters.superior_mm)

    def choose_volume(self, volume_node: Any, at_mm: float | None = None) -> None:
        """Take a CT, or none; its last result becomes the current one."""
        if not self._is_open:
            return
        self._observers.removeObservers()
        is_other = volume_node is not self.volume
        self.volume = volume_node
        self.logic.parameters.ct = volume_node
        levels = self._levels_of(volume_node)
        self.is_measurable = levels is not None
        if volume_node is not None:
            self._observe(volume_node)
            if is_other:
                self.export.show_new_ct()
            if levels is not None and is_other:
                show_volume(slicer.mrmlScene, volume_node)
        self.result = self._result_of(volume_node)
        self._keep_facts_of_result()
        self.patient.show(volume_node if levels is not None else None)
        if at_mm is None and levels is not None and self.result is not None and is_other:
            at_mm = float(levels.superior_mm[result_nodes.level_of(self.result)])
        self.level.show(volume_node, levels, at_mm)
        self.show_result(self.result)

    def facts_changed(self, given: GivenFacts) -> None:
        """The patient's facts were changed by hand: the current result is judged by them."""
        if self.result is None:
            return
        try:
            self.logic.setFacts(self.result, given)
        except SarcopeniaError as error:
            self.run.fail(error)
            return
        self.refresh()

    def level_changed(self, superior_mm: float) -> None:
        """Another slice is looked at; no result changes by that."""
        self.logic.parameters.superior_mm = superior_mm
        self.level.update()
        self.correct.update()

    def assessed(self, volume_node: Any, segmentation_node: Any) -> None:
        """A result has come; it is shown if its CT is still the one that is looked at."""
        if volume_node is self.volume:
            self.review.show_new()
            self.show_result(segmentation_node)

    def show_result(self, segmentation_node: Any) -> None:
        """Take a result as the current one; `None`: none."""
        self._stop_watching()
        self.result = segmentation_node
        self.logic.parameters.result = segmentation_node
        self.correct.show(segmentation_node)
        if segmentation_node is not None:
            self._watch = self.logic.watch(segmentation_node, self._live, self._unmeasurable)
        self.refresh()

    def refresh(self) -> None:
        """Show the whole record of the current result as it is now."""
        self._timer.stop()
        self._record = None
        error: SarcopeniaError | None = None
        if self.result is not None:
            try:
                # Not the logic's `record`, which tells what was decided on a CT that is another one now.
                self._record = self.logic.result(self.result).record
            except TOLD as told:
                error = explained(told)
        if error is None:
            self.outcome.show(self._record)
        else:
            self.outcome.show_error(error)
        self.review.show(self._record)
        self.busy_changed()

    def busy_changed(self) -> None:
        """Allow what can be done now."""
        self.run.update()
        self.level.update()
        self.correct.update()
        self.review.update()
        self.export.show(self._record)

    def enter(self) -> None:
        """The module is opened."""
        self.colours = _colours(self.ui.statusLabel)
        if self._is_open:
            self.correct.take_scene()
            self.correct.show(self.result)
            self.refresh()
        self.correct.enter()

    def leave(self) -> None:
        """The module is left; a run under way goes on."""
        self.correct.leave()

    def scene_closes(self) -> None:
        """The scene is about to be closed: let go of all of it, and end what is under way."""
        self._is_open = False
        self.run.cancel()
        self.run.clear_message()
        self._timer.stop()
        self._stop_watching()
        self._observers.removeObservers()
        self.correct.leave_scene()
        self.level.forget()
        self.volume = self.result = self._record = None
        self.is_measurable = False
        self.patient.forget()
        self.logic.forget()

    def scene_closed(self) -> None:
        """The scene is empty, or another one has been loaded into it."""
        self._is_open = True
        self.correct.take_scene()
        self.volume = None
        self.restore()

    def node_removed(self, node: Any) -> None:
        """A node was taken out of the scene."""
        if not self._is_open or node is None:
            return
        if node is self.result:
            self.result = None
            self.show_result(self._result_of(self.volume))
        elif node is self.volume:
            self.run.cancel()
            self.choose_volume(None)

    def close(self) -> None:
        """End everything; the panel is not used any more."""
        self._timer.stop()
        self._stop_watching()
        self._observers.removeObservers()
        self.correct.leave()
        self.level.forget_lines()
        self.level.forget()
        self.run.close()
        self.logic.beforePrediction = None

    def _levels_of(self, volume_node: Any) -> Levels | None:
        """The heights of a CT's slices; `None`, with a message, where it cannot be measured."""
        if volume_node is None:
            return None
        if not self.run.is_busy:
            self.run.clear_message()
        try:
            return Levels(self.logic.openCts.quick(volume_node))
        except SarcopeniaError as error:
            self.run.fail(error)
            return None

    def _observe(self, volume_node: Any) -> None:
        """A volume may be announced before its voxels are there, and be moved by a transform later."""
        for event in (
            slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
            slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
        ):
            self._observers.addObserver(volume_node, event, self._volume_changed)

    def _volume_changed(self, *_values: Any) -> None:
        self.choose_volume(self.volume, self.level.superior_mm if self.is_measurable else None)

    def _result_of(self, volume_node: Any) -> Any:
        """The result that was current, if it is of this CT; else its last one."""
        if volume_node is None:
            return None
        found = self.logic.resultsOf(volume_node)
        current = self.logic.parameters.result
        return current if any(each is current for each in found) else (found[-1] if found else None)

    def _keep_facts_of_result(self) -> None:
        """A result that came with its scene brings its patient's facts along."""
        if self.result is None:
            return
        try:
            patient = self.logic.result(self.result).question.volume.patient
        except SarcopeniaError:
            return
        self.patient.remember_facts(self.volume, patient)

    def _live(self, live: Mapping[str, Any]) -> None:
        """The mask or the facts have changed, perhaps in mid-stroke."""
        if self._record is None:
            self.refresh()
            return
        self.outcome.show_live(self._record, live)
        if live["review"]["state"] != self._record["review"]["state"] or not live["muscle"]["sma_cm2"]:
            self.refresh()
        else:
            self._timer.start()

    def _unmeasurable(self, error: SarcopeniaError) -> None:
        self._record = None
        self.outcome.show_error(error)
        self.review.show(None)
        self.busy_changed()

    def _stop_watching(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()


def _colours(label: Any) -> Mapping[str, str]:
    """Text colours that can be read on the window as it is: light or dark."""
    is_dark = label.palette.color(qt.QPalette.Window).lightness() < _DARKER_THAN
    return panel_words.DARK if is_dark else panel_words.LIGHT
