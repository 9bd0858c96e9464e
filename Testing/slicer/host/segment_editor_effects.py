"""The effects of Slicer's segment editor as scripts meet them; what the mouse does is `strokes`."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore
from PySide6.QtCore import Property

from Testing.slicer.host.pythonqt import invokable

# Those of Slicer 5.12, by name and the words on their button.
EFFECTS = {
    "Threshold": "Threshold",
    "Paint": "Paint",
    "Draw": "Draw",
    "Erase": "Erase",
    "Level tracing": "Level tracing",
    "Grow from seeds": "Grow from seeds",
    "Fill between slices": "Fill between slices",
    "Margin": "Margin",
    "Hollow": "Hollow",
    "Smoothing": "Smoothing",
    "Scissors": "Scissors",
    "Islands": "Islands",
    "Logical operators": "Logical operators",
    "Mask volume": "Mask volume",
}
# What the effects begin with: setMRMLDefaults of qSlicerSegmentEditorPaintEffect, -ScissorsEffect and
# SegmentEditorIslandsEffect, as attributes of the editor's node.
DEFAULTS = {
    "BrushSphere": "0",
    "BrushPixelMode": "0",
    "BrushDiameterIsRelative": "1",
    "BrushRelativeDiameter": "3",
    "EditIn3DViews": "0",
    "Scissors.Operation": "EraseInside",
    "Scissors.Shape": "FreeForm",
    "Scissors.SliceCutMode": "Unlimited",
    "Islands.Operation": "KEEP_LARGEST_ISLAND",
    "Islands.MinimumSize": "1000",
}


class qSlicerSegmentEditorAbstractEffect(QtCore.QObject):
    """A tool: its name, and its parameters, which the editor's node keeps."""

    def __init__(self, name: str, editor: Any) -> None:
        super().__init__(editor)
        self._name, self._editor = name, editor

    name = Property(str, lambda self: self._name)
    title = Property(str, lambda self: EFFECTS[self._name])

    def _kept(self, name: str) -> str | None:
        node = self._editor.mrmlSegmentEditorNode()
        return node.GetAttribute(f"{self._name}.{name}") or node.GetAttribute(name)

    @invokable
    def parameterDefined(self, name: str) -> bool:
        """Whether this effect has a value of its own for a parameter."""
        return self._editor.mrmlSegmentEditorNode().GetAttribute(f"{self._name}.{name}") is not None

    @invokable
    def parameter(self, name: str) -> str:
        """A parameter as text; empty if there is none."""
        return self._kept(name) or ""

    @invokable
    def integerParameter(self, name: str) -> int:
        """A parameter as a number."""
        return int(self._kept(name) or 0)

    @invokable
    def doubleParameter(self, name: str) -> float:
        """A parameter as a number."""
        return float(self._kept(name) or 0.0)

    @invokable
    def setParameter(self, name: str, value: Any) -> None:
        """A parameter of this effect."""
        self._editor.mrmlSegmentEditorNode().SetAttribute(f"{self._name}.{name}", str(value))

    @invokable
    def setCommonParameter(self, name: str, value: Any) -> None:
        """A parameter of every effect."""
        self._editor.mrmlSegmentEditorNode().SetAttribute(name, str(value))

    @invokable
    def parameterSetNode(self) -> Any:
        """The editor's node."""
        return self._editor.mrmlSegmentEditorNode()

    @invokable
    def saveStateForUndo(self) -> None:
        """Keep the segmentation as it is for an undo."""
        self._editor.saveStateForUndo()

    @invokable
    def modifierLabelmap(self) -> Any:
        """The brush's image."""
        return self._editor.logic.GetModifierLabelmap()

    @invokable
    def defaultModifierLabelmap(self) -> Any:
        """The brush's image, emptied, in the segmentation's reference geometry."""
        self._editor.logic.ResetModifierLabelmapToDefault()
        return self._editor.logic.GetModifierLabelmap()

    @invokable
    def modifySelectedSegmentByLabelmap(self, labelmap: Any, mode: int, bypass_masking: bool = False) -> None:
        """Put the brush's image into the selected segment, within the masking."""
        node = self._editor.mrmlSegmentEditorNode()
        self._editor.logic.ModifySegmentByLabelmap(
            node.GetSegmentationNode(), node.GetSelectedSegmentID(), labelmap, mode, False, bypass_masking
        )
