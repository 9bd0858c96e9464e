"""The widgets of qMRML that know the scene, with Slicer's documented names and no others."""

from __future__ import annotations

from typing import Any, ClassVar
from weakref import WeakSet

import shiboken6
import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Slot

from Testing.slicer.host.failures import FAILURES
from Testing.slicer.host.pythonqt import invokable


class Observed:
    """Observers of MRML objects that end with their widget; their errors are kept."""

    every: ClassVar[WeakSet[Observed]] = WeakSet()

    def __init__(self, owner: QtCore.QObject) -> None:
        self._owner, self._kept = owner, []
        Observed.every.add(self)

    def add(self, watched: Any, event: Any, function: Any) -> None:
        """Call `function()` at each event."""
        guarded = FAILURES.guarded(function)
        tag = watched.AddObserver(event, lambda *_: guarded() if shiboken6.isValid(self._owner) else None)
        self._kept.append((watched, tag))

    def clear(self) -> None:
        """Observe nothing more."""
        for watched, tag in self._kept:
            watched.RemoveObserver(tag)
        self._kept = []

    @classmethod
    def clear_all(cls) -> None:
        """No widget observes anything any more: VTK must not call into what Python takes apart."""
        for each in list(cls.every):
            each.clear()


class qMRMLWidget(QtWidgets.QWidget):
    """A widget with a scene, which it passes on."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    @invokable
    def mrmlScene(self) -> Any:
        """Its scene, None before it got one."""
        return self._scene

    @Slot(object)
    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene and tell."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


def _flag(name: str, default: bool) -> Any:
    """A switch that shows in nothing but the list of nodes."""

    def read(self: Any) -> bool:
        return bool(self._flags.get(name, default))

    def write(self: Any, value: bool) -> None:
        self._flags[name] = value
        self._list_nodes()

    return Property(bool, read, write)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A choice among the scene's nodes of some classes."""

    currentNodeChanged = QtCore.Signal((object,), (bool,))
    currentNodeIDChanged = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._flags: dict[str, bool] = {}
        self._types: list[str] = []
        self._attributes: list[tuple[str, str, Any]] = []
        self._none_text, self._base, self._listing = "None", "", False
        self._requested = ""
        self._of_scene, self._of_nodes = Observed(self), Observed(self)
        self.box = QtWidgets.QComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.box)
        self.setFocusProxy(self.box)
        self.box.currentTextChanged.connect(self._tell)  # as qMRMLNodeComboBox does: a new name is told too
        self.box.activated.connect(lambda _: self.nodeActivated.emit(self.currentNode()))
        self.setEnabled(False)

    noneEnabled = _flag("noneEnabled", False)
    showHidden = _flag("showHidden", False)
    showChildNodeTypes = _flag("showChildNodeTypes", True)
    addEnabled = _flag("addEnabled", True)
    removeEnabled = _flag("removeEnabled", True)
    editEnabled = _flag("editEnabled", False)
    renameEnabled = _flag("renameEnabled", False)
    selectNodeUponCreation = _flag("selectNodeUponCreation", True)

    def _set_types(self, types: list[str]) -> None:
        self._types = list(types)
        self._list_nodes()

    def _set_none_text(self, text: str) -> None:
        self._none_text = text
        self._list_nodes()

    def _set_base(self, name: str) -> None:
        self._base = name

    nodeTypes = Property("QStringList", lambda self: self._types, _set_types)
    noneDisplay = Property(str, lambda self: self._none_text, _set_none_text)
    baseName = Property(str, lambda self: self._base, _set_base)

    @invokable
    def mrmlScene(self) -> Any:
        """Its scene."""
        return self._scene

    @invokable
    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        """List only nodes of that class that have the attribute (with that value)."""
        self._attributes.append((node_type, name, value))
        self._list_nodes()

    @invokable
    def nodeCount(self) -> int:
        """How many nodes can be chosen."""
        return self.box.count() - bool(self.noneEnabled)

    @invokable
    def currentNode(self) -> Any:
        """The chosen node or None."""
        chosen = self.box.currentData()
        return self._scene.GetNodeByID(chosen) if self._scene is not None and chosen else None

    @Slot(object)
    def setCurrentNode(self, node: Any) -> None:
        """Choose a node; None where None can be chosen."""
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node else "")

    @Slot(str)
    def setCurrentNodeID(self, node_id: str) -> None:
        """Choose a node by its ID; kept until there is a scene."""
        if self._scene is None:
            self._requested = node_id
            return
        row = self.box.findData(node_id or "")
        self.box.setCurrentIndex(row)

    def _current_id(self) -> str:
        return self.box.currentData() or ""

    currentNodeID = Property(str, _current_id, setCurrentNodeID, notify=currentNodeIDChanged)

    @Slot(object)
    def setMRMLScene(self, scene: Any) -> None:
        """List that scene's nodes; without a scene the box is disabled."""
        if scene is self._scene:
            return
        self._scene = scene
        self._of_scene.clear()
        if scene is not None:
            kind = slicer.vtkMRMLScene
            for event in (
                kind.NodeAddedEvent,
                kind.NodeRemovedEvent,
                kind.EndImportEvent,
                kind.EndCloseEvent,
            ):
                self._of_scene.add(scene, event, self._list_nodes)
        self._list_nodes()
        if self._requested:
            self.setCurrentNodeID(self._requested)
        self._requested = ""
        self.setEnabled(scene is not None)

    def _listed(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        exact = node.GetClassName() in self._types
        derived = self.showChildNodeTypes and any(map(node.IsA, self._types))
        if not (exact or derived):
            return False
        for kind, name, value in self._attributes:
            has = node.GetAttribute(name)
            if node.IsA(kind) and (has is None or (value is not None and has != str(value))):
                return False
        return True

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        every = (self._scene.GetNthNode(n) for n in range(self._scene.GetNumberOfNodes()))
        return [node for node in every if self._listed(node)]

    def _list_nodes(self) -> None:
        """As qMRMLSceneModel: not in the middle of an import or while the scene is closed."""
        if self._scene is not None and (self._scene.IsImporting() or self._scene.IsClosing()):
            return
        before, row = self.box.currentData(), self.box.currentIndex()
        nodes = self._nodes()
        self._of_nodes.clear()
        self.box.blockSignals(True)
        self.box.clear()
        if self.noneEnabled:
            self.box.addItem(self._none_text, "")
        for node in nodes:
            self.box.addItem(node.GetName(), node.GetID())
            self._of_nodes.add(node, "ModifiedEvent", lambda node=node: self._renamed(node))
        kept = self.box.findData(before) if before is not None else -1
        # QComboBox: the first row of an empty list becomes current; a removed row leaves its neighbour
        self.box.setCurrentIndex(kept if kept >= 0 else min(max(row, 0), self.box.count() - 1))
        self.box.blockSignals(False)
        if self.box.currentData() != before:
            self._tell(self.box.currentText())

    def _renamed(self, node: Any) -> None:
        row = self.box.findData(node.GetID())
        if row >= 0 and self.box.itemText(row) != node.GetName():
            self.box.setItemText(row, node.GetName())

    def _tell(self, _text: str) -> None:
        node = self.currentNode()
        self.currentNodeChanged[object].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")
