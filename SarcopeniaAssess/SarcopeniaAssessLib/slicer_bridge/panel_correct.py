"""The section *Correct*: Slicer's own segment editor, with what matters for muscle on one slice.

Paint, Draw and Erase work on the slice that is shown. Slicer can lock them to no slice, only to the inside of
another segment of the same segmentation, which would be saved, listed and, by erasing, edited along with the
muscle. So on another slice the panel says that nothing of it is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SarcopeniaAssessLib.slicer_bridge import result_nodes

if TYPE_CHECKING:
    from SarcopeniaAssessLib.slicer_bridge.panel import Panel

EFFECTS = ("Paint", "Draw", "Erase", "Scissors", "Islands")
"""The tools that are shown, in this order; none that averages across slices, such as smoothing, which would
empty an outline that lies on one slice alone."""
_CHOICES = {
    "BrushSphere": "0",  # a disc on the slice, no ball
    "Islands.Operation": "REMOVE_SMALL_ISLANDS",  # Slicer's own choice keeps the largest: one muscle of many
    "Islands.MinimumSize": "12",
}
"""What the tools do at first; what somebody has chosen otherwise stays."""
_CHOSEN = "SarcopeniaAssess.Chosen"
"""Attribute of a node that has them. A closed scene takes every attribute away, and Slicer's editor then puts
its own choices there before anyone else is asked."""
MUSCLE_HU = (-29.0, 150.0)
_TAG = "SarcopeniaAssess"
_TAKING = frozenset({"Erase", "Scissors", "Islands"})
"""What takes away, whatever lies under the outline: kept to muscle, they would leave fat and bone in it."""


class CorrectSection:
    """The embedded segment editor.

    Parameters
    ----------
    panel:
        The whole panel.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel, self._ui = panel, panel.ui
        self._observers = VTKObservationMixin()
        self._is_setting = False
        self._effect: str | None = None
        editor = self._ui.segmentEditor
        editor.setEffectNameOrder(list(EFFECTS))
        editor.unorderedEffectsVisible = False
        self.take_scene()
        self._ui.muscleOnlyCheckBox.connect("toggled(bool)", self._mask_changed)

    def take_scene(self) -> None:
        """Use the scene as it is now; the editor's own node first, so that its choices are kept in it."""
        self._observers.removeObservers()
        scene, editor = slicer.mrmlScene, self._ui.segmentEditor
        node = scene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(_TAG)
            node.SetHideFromEditors(True)
            node = scene.AddNode(node)
        node.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
        if node.GetAttribute(_CHOSEN) is None:
            for name, value in (*_CHOICES.items(), (_CHOSEN, "1")):
                node.SetAttribute(name, value)
        editor.setMRMLSegmentEditorNode(node)
        editor.setMRMLScene(scene)
        self._node = node
        self._observers.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._node_changed)
        self._mask_changed()

    def leave_scene(self) -> None:
        """Let go of the scene, which is about to be closed."""
        self._observers.removeObservers()
        self._node = None
        self._ui.segmentEditor.setSegmentationNode(None)
        self._ui.segmentEditor.removeViewObservations()

    def show(self, segmentation_node: Any) -> None:
        """Edit the muscle of a result; `None`: nothing."""
        editor = self._ui.segmentEditor
        editor.setEnabled(segmentation_node is not None)
        self._ui.muscleOnlyCheckBox.setEnabled(segmentation_node is not None)
        if segmentation_node is None:
            editor.setActiveEffectByName("")
            editor.setSegmentationNode(None)
            return
        editor.setSegmentationNode(segmentation_node)
        editor.setSourceVolumeNode(result_nodes.ct_node_of(segmentation_node))
        editor.setCurrentSegmentID(result_nodes.segment_of(segmentation_node))
        self._mask_changed()

    def before_prediction(self, segmentation_node: Any) -> None:
        """Make the step that undo goes back to, before the model's outline is written."""
        self.show(segmentation_node)
        self._ui.segmentEditor.saveStateForUndo()

    def update(self) -> None:
        """Say whether what is painted now is measured."""
        result, here = self._panel.result, self._panel.level.slice_from_feet
        elsewhere = result is not None and here is not None and here != result_nodes.level_of(result)
        self._ui.elsewhereLabel.setVisible(elsewhere)
        if elsewhere:
            self._ui.elsewhereLabel.setText(
                _("The axial view shows another slice: what you paint there is not measured.")
            )
            self._ui.elsewhereLabel.setStyleSheet(f"color: {self._panel.colours['warning']}")

    def enter(self) -> None:
        """The panel is opened: its keys work, and tools that were registered after it are there."""
        self._ui.segmentEditor.updateEffectList()
        self._ui.segmentEditor.installKeyboardShortcuts()

    def leave(self) -> None:
        """The panel is left: no tool stays in the views."""
        editor = self._ui.segmentEditor
        editor.setActiveEffectByName("")
        editor.uninstallKeyboardShortcuts()
        editor.removeViewObservations()

    def _node_changed(self, *_values: Any) -> None:
        """Another tool was taken, or the editor's own key (I) has switched the masking."""
        if self._node is None or self._is_setting:
            return
        effect = self._node.GetActiveEffectName()
        is_on = bool(self._node.GetSourceVolumeIntensityMask())
        switch = self._ui.muscleOnlyCheckBox
        if effect == self._effect and effect not in _TAKING and is_on != bool(switch.checked):
            switch.setChecked(is_on)
        self._effect = effect
        self._mask_changed()

    def _mask_changed(self, *_values: Any) -> None:
        """Paint only where there is muscle; take away everywhere."""
        if self._node is None or self._is_setting:
            return
        self._is_setting = True
        try:
            self._effect = self._node.GetActiveEffectName()
            only = bool(self._ui.muscleOnlyCheckBox.checked) and self._effect not in _TAKING
            self._node.SetSourceVolumeIntensityMask(only)
            self._node.SetSourceVolumeIntensityMaskRange(*MUSCLE_HU)
        finally:
            self._is_setting = False
