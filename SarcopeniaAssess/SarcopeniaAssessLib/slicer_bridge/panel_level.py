"""The section *L3*: which slice is looked at, which one the result belongs to, and where L3 may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.level import Level
from SarcopeniaAssessLib.slicer_bridge import result_nodes
from SarcopeniaAssessLib.slicer_bridge.slice_views import (
    LEVEL_COLOUR,
    RESULT_COLOUR,
    LevelLine,
    Levels,
    axial_view,
    jump_to,
)
from SarcopeniaAssessLib.worker_client import LevelRequest

if TYPE_CHECKING:
    from SarcopeniaAssessLib.slicer_bridge.panel import Panel


class LevelSection:
    """Slider, axial view and the lines in the other views.

    Parameters
    ----------
    panel:
        The whole panel.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel, self._ui = panel, panel.ui
        self._levels: Levels | None = None
        self._suggested: dict[str, Level] = {}
        self._observers = VTKObservationMixin()
        self._is_moving = False
        self._line = LevelLine("SarcopeniaAssessLevel", LEVEL_COLOUR)
        self._result_line = LevelLine("SarcopeniaAssessResultLevel", RESULT_COLOUR)
        self._ui.levelSlider.connect("valueChanged(double)", self._slid)
        self._ui.suggestButton.connect("clicked()", self.suggest)
        self._ui.goToResultButton.connect("clicked()", self.go_to_result)
        self._ui.setLevelButton.connect("clicked()", self._set_level)

    @property
    def superior_mm(self) -> float:
        """Where the slider stands."""
        return float(self._ui.levelSlider.value)

    @property
    def slice_from_feet(self) -> int | None:
        """The slice that is nearest to the slider; `None`: no CT."""
        return None if self._levels is None else self._levels.nearest(self.superior_mm)

    def wanted(self) -> Level | str:
        """The level to be assessed: the suggestion where the slider still stands on it."""
        assert self._levels is not None
        k = self._levels.nearest(self.superior_mm)
        suggested = self._suggested.get(self._panel.volume.GetID())
        if suggested is not None and suggested.slice_from_feet == k:
            return suggested
        return f"s:{float(self._levels.superior_mm[k])!r}"

    def show(self, volume_node: Any, levels: Levels | None, at_mm: float | None) -> None:
        """Take another CT, or none; `at_mm`: where to stand, by default where the axial view stands."""
        self._levels = levels
        self._observers.removeObservers()
        slider = self._ui.levelSlider
        slider.setEnabled(levels is not None)
        if levels is None:
            self.forget_lines()
            self.update()
            return
        bounds = [0.0] * 6
        volume_node.GetRASBounds(bounds)
        was_blocked = slider.blockSignals(True)
        slider.minimum, slider.maximum = bounds[4], bounds[5]
        slider.singleStep = levels.spacing_mm
        slider.blockSignals(was_blocked)
        view = axial_view(slicer.mrmlScene)
        if view is not None:
            self._observers.addObserver(view, vtk.vtkCommand.ModifiedEvent, self._view_moved)
        if at_mm is None:
            at_mm = None if view is None else levels.crossed_by(view.GetSliceToRAS())
        if at_mm is None or not bounds[4] <= at_mm <= bounds[5]:
            at_mm = float(levels.superior_mm[len(levels.superior_mm) // 2])
        self.go_to(at_mm)

    def go_to(self, superior_mm: float) -> None:
        """Move slider and axial view."""
        slider = self._ui.levelSlider
        was_blocked = slider.blockSignals(True)
        slider.setValue(superior_mm)
        slider.blockSignals(was_blocked)
        self._slid(superior_mm)

    def go_to_result(self) -> None:
        """Show the slice of the result."""
        if self._panel.result is not None and self._levels is not None:
            self.go_to(float(self._levels.superior_mm[result_nodes.level_of(self._panel.result)]))

    def suggest(self) -> None:
        """Let the worker look for L3 in the whole CT."""
        volume_node = self._panel.volume
        if volume_node is None:
            return
        self._panel.run.start(
            lambda: LevelRequest(self._panel.logic.openCts.known(volume_node)),
            lambda level: self._found(volume_node, level),
            self.suggest,
        )

    def update(self) -> None:
        """Show which slice is seen, which is the result's, and what may be done."""
        ui, levels, result = self._ui, self._levels, self._panel.result
        is_free = levels is not None and not self._panel.run.is_busy
        of_result = None if result is None or levels is None else result_nodes.level_of(result)
        here = self.slice_from_feet
        ui.suggestButton.setEnabled(is_free)
        ui.goToResultButton.setEnabled(of_result is not None and of_result != here)
        ui.setLevelButton.setEnabled(is_free and of_result is not None and of_result != here)
        ui.levelInfoLabel.setText(self._words(here, of_result))
        if levels is None or here is None:
            return
        self._line.show(slicer.mrmlScene, levels.corners_mm(here))
        if of_result is None:
            self._result_line.hide(slicer.mrmlScene)
        else:
            self._result_line.show(slicer.mrmlScene, levels.corners_mm(of_result))

    def forget_lines(self) -> None:
        """Draw no line any more."""
        self._line.hide(slicer.mrmlScene)
        self._result_line.hide(slicer.mrmlScene)

    def forget(self) -> None:
        """Drop the CT and every suggestion, for when the scene is closed."""
        self._suggested.clear()
        self._levels = None
        self._observers.removeObservers()

    def _words(self, here: int | None, of_result: int | None) -> str:
        if self._levels is None or here is None:
            return ""
        words = _("Slice {number} from the feet, of {count}.").format(
            number=here, count=len(self._levels.superior_mm)
        )
        suggested = self._suggested.get(self._panel.volume.GetID())
        if of_result is not None:
            told = _("It is the result's.") if of_result == here else _("The result is on slice {number}.")
            words += " " + told.format(number=of_result)
        if suggested is not None:
            words += " " + self._suggestion(suggested)
        return words

    def _suggestion(self, level: Level) -> str:
        told = _("Suggested: slice {number}, confidence {confidence:.0f} %.").format(
            number=level.slice_from_feet, confidence=100.0 * (level.confidence or 0.0)
        )
        if level.alternatives:
            told += " " + _("Or slice {number}: count the vertebrae.").format(
                number=level.alternatives[0].slice_from_feet
            )
        return told

    def _found(self, volume_node: Any, level: Level) -> None:
        self._suggested[volume_node.GetID()] = level
        if volume_node is self._panel.volume and self._levels is not None:
            self.go_to(float(self._levels.superior_mm[level.slice_from_feet]))

    def _slid(self, superior_mm: float) -> None:
        if self._levels is None or self._is_moving:
            return
        self._is_moving = True
        try:
            jump_to(slicer.mrmlScene, self._levels.centre_mm(self._levels.nearest(superior_mm)))
        finally:
            self._is_moving = False
        self._panel.level_changed(superior_mm)

    def _view_moved(self, view: Any, _event: Any = None) -> None:
        if self._levels is None or self._is_moving:
            return
        at_mm = self._levels.crossed_by(view.GetSliceToRAS())
        slider = self._ui.levelSlider
        if at_mm is None or self._levels.nearest(at_mm) == self.slice_from_feet:
            return
        was_blocked = slider.blockSignals(True)
        slider.setValue(min(max(at_mm, slider.minimum), slider.maximum))
        slider.blockSignals(was_blocked)
        self._panel.level_changed(float(slider.value))

    def _set_level(self) -> None:
        result = self._panel.result
        if result is None or self._levels is None:
            return
        k = self._levels.nearest(self.superior_mm)
        try:
            self._panel.logic.setLevel(result, float(self._levels.superior_mm[k]))
        except SarcopeniaError as error:
            self._panel.run.fail(error)
            return
        self._panel.show_result(result)
