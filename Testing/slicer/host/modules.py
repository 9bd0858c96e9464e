"""The modules `qt` and `ctk` of Slicer's Python."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.slicer.host import ctk_widgets, mrml_widgets, segment_editor, ui_files
from Testing.slicer.host.pythonqt import view_class

_PARTS = (QtWidgets, QtGui, QtCore)
_OURS = {"QUiLoader": ui_files.QUiLoader}
_QMRML = ("qMRMLWidget", "qMRMLNodeComboBox")


class _Qt(ModuleType):
    """One flat module of all of Qt that Slicer wraps; QObjects as PythonQt shows them, values as they are."""

    def __getattr__(self, name: str) -> Any:
        found = _OURS.get(name)
        for part in _PARTS:
            found = found if found is not None else getattr(part, name, None)
        if found is None or name.startswith("_") or name in ("Signal", "Slot", "Property"):
            raise AttributeError(f"module 'qt' has no attribute '{name}'")
        if isinstance(found, type) and issubclass(found, QtCore.QObject):
            return view_class(found)
        return found


def install() -> None:
    """Make `import qt` and `import ctk` work, and `slicer.qMRML…` for the widgets that scripts make."""
    import slicer

    sys.modules["qt"] = _Qt("qt")
    ctk = ModuleType("ctk")
    for name in ("ctkCollapsibleButton", "ctkSliderWidget", "ctkMessageBox"):
        setattr(ctk, name, view_class(getattr(ctk_widgets, name)))
    sys.modules["ctk"] = ctk
    for name in _QMRML:
        setattr(slicer, name, view_class(getattr(mrml_widgets, name)))
    slicer.qMRMLSegmentEditorWidget = view_class(segment_editor.qMRMLSegmentEditorWidget)


def uninstall() -> None:
    """Take them away again: the library's own tests must not find a Qt."""
    import slicer

    for name in ("qt", "ctk"):
        sys.modules.pop(name, None)
    for name in (*_QMRML, "qMRMLSegmentEditorWidget"):
        delattr(slicer, name)
