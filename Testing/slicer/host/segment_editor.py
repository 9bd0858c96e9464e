"""Slicer's segment editor as a widget: the real vtkSlicerSegmentEditorLogic under documented names."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Slot

from Testing.slicer.host.mrml_widgets import Observed, qMRMLWidget
from Testing.slicer.host.pythonqt import invokable
from Testing.slicer.host.segment_editor_effects import (
    DEFAULTS,
    EFFECTS,
    qSlicerSegmentEditorAbstractEffect,
)


def _shown(name: str, default: bool = True) -> Any:
    """A part that can be hidden."""

    def read(self: Any) -> bool:
        return bool(self._shown.get(name, default))

    def write(self: Any, visible: bool) -> None:
        self._shown[name] = visible
        self.updateWidgetFromMRML()

    return Property(bool, read, write)


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Effects, undo and redo, masking; what they do is the logic's."""

    segmentationNodeChanged = QtCore.Signal(object)
    sourceVolumeNodeChanged = QtCore.Signal(object)
    currentSegmentIDChanged = QtCore.Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self._node: Any = None
        self._shown: dict[str, bool] = {}
        self._order: list[str] = []
        self._columns, self._style, self._read_only = 2, Qt.ToolButtonStyle.ToolButtonTextBesideIcon, False
        self._told: tuple[Any, Any] = (None, None)
        self._effects = {name: qSlicerSegmentEditorAbstractEffect(name, self) for name in EFFECTS}
        self._shortcuts: list[QtGui.QShortcut] = []
        self._of_node, self._of_scene, self._of_segments = Observed(self), Observed(self), Observed(self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._grid = QtWidgets.QGridLayout()
        self._group = QtWidgets.QButtonGroup(self)
        self._buttons = {name: self._button(name, title) for name, title in {"": "None", **EFFECTS}.items()}
        self._displayed: list[str] = []
        steps = QtWidgets.QHBoxLayout()
        self.undo_button, self.redo_button = (QtWidgets.QToolButton(self) for _ in range(2))
        for button, text, called in (
            (self.undo_button, "Undo", self.undo),
            (self.redo_button, "Redo", self.redo),
        ):
            button.setText(text)
            button.clicked.connect(called)
            steps.addWidget(button)
        steps.addStretch(1)
        layout.addLayout(self._grid)
        layout.addLayout(steps)
        self.updateEffectList()
        self._of_segments.add(self.logic, self.logic.SegmentationHistoryChangedEvent, self._update_steps)

    segmentationNodeSelectorVisible = _shown("segmentationNodeSelectorVisible")
    sourceVolumeNodeSelectorVisible = _shown("sourceVolumeNodeSelectorVisible")
    maskingSectionVisible = _shown("maskingSectionVisible")
    specifyGeometryButtonVisible = _shown("specifyGeometryButtonVisible")
    show3DButtonVisible = _shown("show3DButtonVisible")
    addRemoveSegmentButtonsVisible = _shown("addRemoveSegmentButtonsVisible")
    switchToSegmentationsButtonVisible = _shown("switchToSegmentationsButtonVisible")
    autoShowSourceVolumeNode = _shown("autoShowSourceVolumeNode")
    unorderedEffectsVisible = _shown("unorderedEffectsVisible")
    undoEnabled = _shown("undoEnabled")
    jumpToSelectedSegmentEnabled = _shown("jumpToSelectedSegmentEnabled", False)

    def _set_states(self, most: int) -> None:
        self.logic.SetMaximumNumberOfUndoStates(most)

    maximumNumberOfUndoStates = Property(
        int, lambda self: self.logic.GetMaximumNumberOfUndoStates(), _set_states
    )

    @Slot(bool)
    def setReadOnly(self, read_only: bool) -> None:
        """Nothing can be edited; no effect stays active."""
        self._read_only = read_only
        if read_only:
            self.setActiveEffect(None)
        self.updateWidgetFromMRML()

    readOnly = Property(bool, lambda self: self._read_only, setReadOnly)

    @Slot(int)
    def setEffectColumnCount(self, columns: int) -> None:
        """How many effects stand in a row."""
        self._columns = columns
        self.updateEffectList()

    effectColumnCount = Property(int, lambda self: self._columns, setEffectColumnCount)

    @Slot(int)
    def setEffectButtonStyle(self, style: Any) -> None:
        """Words or pictures on the effects."""
        self._style = style
        self.updateEffectList()

    @invokable
    def setEffectNameOrder(self, names: list[str]) -> None:
        """The effects in that order; the rest behind them or, by `unorderedEffectsVisible`, hidden."""
        self._order = list(names)
        self.updateEffectList()

    @invokable
    def effectNameOrder(self) -> list[str]:
        """As it was asked for."""
        return self._order

    @invokable
    def availableEffectNames(self) -> list[str]:
        """Every effect."""
        return list(self._effects)

    def _button(self, name: str, title: str) -> QtWidgets.QToolButton:
        """An effect's button; "": the arrow that puts every effect down."""
        button = QtWidgets.QToolButton(self)
        button.setText(title)
        button.setToolTip(title if name else "No editing")
        button.setCheckable(True)
        button.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        button.clicked.connect(lambda: self.setActiveEffectByName(name))
        self._group.addButton(button)
        return button

    @Slot()
    def updateEffectList(self) -> None:
        """Lay the buttons out anew: none, those asked for in order, then the rest unless it is hidden."""
        rest = [name for name in EFFECTS if name not in self._order] if self.unorderedEffectsVisible else []
        self._displayed = ["", *(name for name in self._order if name in EFFECTS), *rest]
        for button in self._buttons.values():
            self._grid.removeWidget(button)
            button.hide()
        for n, name in enumerate(self._displayed):
            button = self._buttons[name]
            button.setToolButtonStyle(Qt.ToolButtonStyle(self._style))
            self._grid.addWidget(button, n // self._columns, n % self._columns)
            button.show()
        self.updateWidgetFromMRML()

    @invokable
    def effectCount(self) -> int:
        """How many buttons are shown, that of no effect among them."""
        return len(self._displayed)

    @invokable
    def effectByIndex(self, index: int) -> Any:
        """The effect of the n-th button shown; None for the first, which is that of no effect."""
        return self._effects.get(self._displayed[index]) if 0 <= index < len(self._displayed) else None

    @invokable
    def effectByName(self, name: str) -> Any:
        """An effect or None."""
        return self._effects.get(name)

    @invokable
    def activeEffect(self) -> Any:
        """The chosen effect or None."""
        return self._effects.get(self._node.GetActiveEffectName() or "") if self._node else None

    @invokable
    def setActiveEffect(self, effect: Any) -> None:
        """Choose an effect; None for none. Without a parameter node that is an error, as in Slicer."""
        if self._node is None:
            assert effect is None, (
                "qMRMLSegmentEditorWidget::setActiveEffect: Invalid segment editor parameter set node"
            )
            return
        self._node.SetActiveEffectName(effect.property("name") if effect is not None else "")

    @Slot(str)
    def setActiveEffectByName(self, name: str) -> None:
        """Choose an effect by its name."""
        self.setActiveEffect(self._effects.get(name))

    @invokable
    def mrmlSegmentEditorNode(self) -> Any:
        """The node that keeps what is chosen."""
        return self._node

    @Slot(object)
    def setMRMLScene(self, scene: Any) -> None:
        """The scene; the logic works in it too."""
        if scene is self.mrmlScene():
            return
        super().setMRMLScene(scene)
        self._of_scene.clear()
        self.logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self.logic.SetMRMLScene(scene)
        if scene is not None:
            self._of_scene.add(scene, slicer.vtkMRMLScene.EndCloseEvent, self._scene_closed)
            self._of_scene.add(scene, slicer.vtkMRMLScene.EndBatchProcessEvent, self.updateWidgetFromMRML)
        self.updateWidgetFromMRML()

    def _scene_closed(self) -> None:
        self._set_defaults()
        self.updateWidgetFromMRML()

    def _set_defaults(self) -> None:
        """As setMRMLDefaults of each effect: what the node lacks, without a Modified event."""
        if self._node is None:
            return
        before = self._node.GetDisableModifiedEvent()
        self._node.SetDisableModifiedEvent(1)
        for name, value in DEFAULTS.items():
            if not self._node.GetAttribute(name):
                self._node.SetAttribute(name, value)
        self._node.SetDisableModifiedEvent(before)

    @Slot(object)
    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        """The node that keeps what is chosen."""
        if node is self._node:
            return
        self._of_node.clear()
        self._node = node
        self.logic.SetSegmentEditorNode(node)
        if node is not None:
            self._of_node.add(node, "ModifiedEvent", self.updateWidgetFromMRML)
        self._set_defaults()
        self.updateWidgetFromMRML()

    @invokable
    def segmentationNode(self) -> Any:
        """What is edited."""
        return self.logic.GetSegmentationNode()

    @invokable
    def segmentationNodeID(self) -> str:
        """Its ID."""
        node = self.logic.GetSegmentationNode()
        return node.GetID() if node else ""

    @Slot(object)
    def setSegmentationNode(self, node: Any) -> None:
        """Edit another segmentation; no effect stays active. An error without parameter node."""
        if self.logic.GetSegmentationNode() is node:
            return
        self.logic.SetSegmentationNode(node)
        self.setActiveEffect(None)

    @Slot(str)
    def setSegmentationNodeID(self, node_id: str) -> None:
        """Edit another segmentation by its ID."""
        self.setSegmentationNode(self.mrmlScene().GetNodeByID(node_id))

    @invokable
    def sourceVolumeNode(self) -> Any:
        """The volume that masking by intensity looks at."""
        return self.logic.GetSourceVolumeNode()

    @invokable
    def sourceVolumeNodeID(self) -> str:
        """Its ID."""
        node = self.logic.GetSourceVolumeNode()
        return node.GetID() if node else ""

    @Slot(object)
    def setSourceVolumeNode(self, node: Any) -> None:
        """The volume that masking by intensity looks at."""
        self.logic.SetSourceVolumeNode(node)

    @Slot(str)
    def setSourceVolumeNodeID(self, node_id: str) -> None:
        """The same by its ID."""
        self.setSourceVolumeNode(self.mrmlScene().GetNodeByID(node_id))

    @invokable
    def currentSegmentID(self) -> str:
        """The segment that is edited."""
        return (self._node.GetSelectedSegmentID() or "") if self._node else ""

    @Slot(str)
    def setCurrentSegmentID(self, segment_id: str) -> None:
        """Edit another segment."""
        if self._node is not None:
            self._node.SetSelectedSegmentID(segment_id)

    @Slot()
    def toggleSourceVolumeIntensityMaskEnabled(self) -> None:
        """Masking by intensity on or off."""
        self.logic.ToggleSourceVolumeIntensityMask()

    @Slot()
    def saveStateForUndo(self) -> None:
        """Keep the segmentation as it is for an undo."""
        self.logic.SaveStateForUndo()

    @Slot()
    def undo(self) -> None:
        """One step back."""
        self.logic.Undo()

    @Slot()
    def redo(self) -> None:
        """One step on."""
        self.logic.Redo()

    @Slot()
    @Slot(QtWidgets.QWidget)
    def installKeyboardShortcuts(self, parent: Any = None) -> None:
        """Digits toggle the effects shown, Esc puts them down; Z and Y undo and redo, I masks."""
        self.uninstallKeyboardShortcuts()
        wanted = {"Z": self.undo, "Ctrl+Z": self.undo, "Y": self.redo, "Ctrl+Y": self.redo}
        wanted |= {"I": self.toggleSourceVolumeIntensityMaskEnabled, "Esc": lambda: self._toggle(0)}
        wanted |= {str(n % 10): lambda n=n: self._toggle(n) for n in range(1, 11)}
        for keys, called in wanted.items():
            self._shortcuts.append(QtGui.QShortcut(QtGui.QKeySequence(keys), parent or self.window(), called))

    def _toggle(self, number: int) -> None:
        """As onSelectEffectShortcut: the n-th effect on, or off where it was on; none where there is none."""
        if self._read_only:
            return
        chosen = self.effectByIndex(number)
        self.setActiveEffect(None if chosen is self.activeEffect() else chosen)

    @Slot()
    def uninstallKeyboardShortcuts(self) -> None:
        """The reverse."""
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []

    @invokable
    def setupViewObservations(self) -> None:
        """Mouse and keys of the views go to the active effect; here nobody moves a mouse over a view."""

    @invokable
    def removeViewObservations(self) -> None:
        """The reverse."""

    @Slot()
    def updateWidgetFromMRML(self) -> None:
        """Buttons as the node has them; a segmentation newly chosen brings its volume and first segment."""
        node, scene = self._node, self.mrmlScene()
        if scene is not None and (scene.IsClosing() or scene.IsBatchProcessing()):
            return
        segmentation = node.GetSegmentationNode() if node is not None and scene is not None else None
        if segmentation is not self._told[0]:
            self._told = (segmentation, self._told[1])
            self._take(segmentation)
            self.segmentationNodeChanged.emit(segmentation)
        source = node.GetSourceVolumeNode() if node is not None else None
        if source is not self._told[1]:
            self._told = (self._told[0], source)
            self.sourceVolumeNodeChanged.emit(source)
        active = (node.GetActiveEffectName() or "") if node is not None else ""
        for name, button in self._buttons.items():
            button.setEnabled(segmentation is not None and source is not None and not self._read_only)
            button.setChecked(name == active)
        self._update_steps()

    def _take(self, segmentation: Any) -> None:
        """As qMRMLSegmentEditorWidget::updateWidgetFromSegmentationNode."""
        if segmentation is None:
            return
        role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
        self.logic.SetSourceVolumeNode(segmentation.GetNodeReference(role))
        segmentation.CreateDefaultDisplayNodes()
        self.logic.SelectFirstSegment(False)

    def _update_steps(self) -> None:
        usable = bool(self.undoEnabled) and not self._read_only
        self.undo_button.setEnabled(usable and self.logic.CanUndo())
        self.redo_button.setEnabled(usable and self.logic.CanRedo())
