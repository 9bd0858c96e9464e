"""Forms (`.ui`) read as Slicer reads them: its widgets made, unknown ones refused, their scene passed on."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from Testing.slicer.host import ctk_widgets, mrml_widgets, segment_editor
from Testing.slicer.host.pythonqt import invokable

CUSTOM = {
    kind.__name__: kind
    for kind in (
        ctk_widgets.ctkCollapsibleButton,
        ctk_widgets.ctkSliderWidget,
        mrml_widgets.qMRMLNodeComboBox,
        mrml_widgets.qMRMLWidget,
        segment_editor.qMRMLSegmentEditorWidget,
    )
}
_PROPERTIES = {
    name: {kind.staticMetaObject.property(n).name() for n in range(kind.staticMetaObject.propertyCount())}
    for name, kind in CUSTOM.items()
}  # read once: PySide forgets the meta-object with the last widget of its class
_SCENE = ("mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)")


class QUiLoader(QtUiTools.QUiLoader):
    """Qt's loader with Slicer's widgets as Designer's plugins bring them."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._made: list[QtWidgets.QWidget] = []

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        """A widget of Slicer, CTK or Qt; any other class is an error."""
        if class_name in CUSTOM:
            made = CUSTOM[class_name](parent)
            made.setObjectName(name)
        elif class_name in self.availableWidgets():
            made = super().createWidget(class_name, parent, name)
        else:
            raise LookupError(f"the form needs {class_name}, which the host lacks")
        self._made.append(made)
        return made

    @invokable
    def load(self, file: QtCore.QFile, parent: Any = None) -> Any:
        """The form's widget; a property or a connection that its class does not have is an error."""
        tree = ET.fromstring(bytes(file.readAll().data()))
        connections = [_connection(each) for each in tree.findall("connections/connection")]
        for each in tree.findall("connections"):
            tree.remove(each)
        _refuse_unknown_properties(tree)
        buffer = QtCore.QBuffer()
        buffer.setData(ET.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(buffer, parent)
        for sender, signal, receiver, slot in connections:
            _connect(_named(widget, sender), signal, _named(widget, receiver), slot)
        return widget


def _connection(element: ET.Element) -> tuple[str, str, str, str]:
    return tuple(element.findtext(part, "") for part in ("sender", "signal", "receiver", "slot"))  # type: ignore[return-value]


def _named(root: QtWidgets.QWidget, name: str) -> QtWidgets.QWidget:
    found = root if root.objectName() == name else root.findChild(QtWidgets.QWidget, name)
    if found is None:
        raise LookupError(f"a connection of the form names {name}, which is not there")
    return found


def _connect(sender: Any, signal: str, receiver: Any, slot: str) -> None:
    if (signal, slot) == _SCENE:
        sender.mrmlSceneChanged.connect(receiver.setMRMLScene)
    elif not QtCore.QObject.connect(sender, QtCore.SIGNAL(signal), receiver, QtCore.SLOT(slot)):
        raise LookupError(f"no connection from {signal} to {slot}")


def _refuse_unknown_properties(tree: ET.Element) -> None:
    """Designer writes only what a class has; Qt would keep others as dynamic properties, in silence."""
    for widget in tree.iter("widget"):
        class_name = widget.get("class", "")
        for each in widget.findall("property") if class_name in CUSTOM else ():
            name = each.get("name", "")
            if name not in _PROPERTIES[class_name]:
                raise LookupError(f"{class_name} has no property {name}")
