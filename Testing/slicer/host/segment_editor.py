"""Slicer's segment editor as a widget: the real vtkSlicerSegmentEditorLogic under documented names."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Slot

from Testing.slicer.host.mrml_widgets import Observed, qMRMLWidget
from Testing.slicer.host.pythonqt import invokable
from Testing.slicer.host.segment_editor_effects import EFFECTS, qSlicerSegmentEditorAbstractEffect


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
        self._buttons: dict[str, QtWidgets.QToolButton] = {}
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

    @Slot()
    def updateEffectList(self) -> None:
        """Lay the buttons out anew."""
        for button in self._buttons.values():
            self._grid.removeWidget(button)
            button.deleteLater()
        rest = [name for name in EFFECTS if name not in self._order] if self.unorderedEffectsVisible else []
        self._buttons = {}
        for n, name in enumerate([*(each for each in self._order if each in EFFECTS), *rest]):
            button = QtWidgets.QToolButton(self)
            button.setText(EFFECTS[name])
            button.setToolTip(EFFECTS[name])
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle(self._style))
            button.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
            button.clicked.connect(lambda on, name=name: self.setActiveEffectByName(name if on else ""))
            self._grid.addWidget(button, n // self._columns, n % self._columns)
            self._buttons[name] = button
        self.updateWidgetFromMRML()

    @invokable
    def effectCount(self) -> int:
        """How many effects are shown."""
        return len(self._buttons)

    @invokable
    def effectByIndex(self, index: int) -> Any:
        """The n-th effect shown."""
        return self._effects[list(self._buttons)[index]]

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
            for event in (slicer.vtkMRMLScene.EndCloseEvent, slicer.vtkMRMLScene.EndBatchProcessEvent):
                self._of_scene.add(scene, event, self.updateWidgetFromMRML)
        self.updateWidgetFromMRML()

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
        """As onSelectEffectShortcut: the n-th effect on, or off where it was on; 0: none."""
        names = list(self._buttons)
        if self._node is None or number > len(names):
            return
        name = names[number - 1] if number else ""
        self.setActiveEffectByName("" if name == self._node.GetActiveEffectName() else name)

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
        node = self._node
        segmentation = (
            node.GetSegmentationNode() if node is not None and self.mrmlScene() is not None else None
        )
        if segmentation is not self._told[0]:
            self._told = (segmentation, self._told[1])
            self._take(segmentation)
            self.segmentationNodeChanged.emit(segmentation)
        source = node.GetSourceVolumeNode() if node is not None else None
        if source is not self._told[1]:
            self._told = (self._told[0], source)
            self.sourceVolumeNodeChanged.emit(source)
        active = node.GetActiveEffectName() if node is not None else ""
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
