"""The four base classes of a scripted module and `slicer.i18n`, as Slicer's own files have them."""

from __future__ import annotations

import inspect
import sys
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
from PySide6 import QtCore


class ScriptedLoadableModule:
    """Title, help, icon of a module: set on its parent."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title, parent.categories, parent.dependencies = "", [], []
        parent.contributors, parent.helpText, parent.acknowledgementText = [], "", ""

    def resourcePath(self, filename: str) -> str:
        """A file of the module's Resources."""
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        """A sentence with a link."""
        return f'<p>See the <a href="{docPage or self.moduleName}">online documentation</a>.</p>'

    def runTest(self, msec: int = 100, **named: Any) -> None:
        """Run the module's test class."""
        case = getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**named)


class ScriptedLoadableModuleWidget:
    """The panel: made in `setup`, below the widget that it got."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        assert parent is not None, "the host gives every widget a parent, as the module manager does"
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )

    def resourcePath(self, filename: str) -> str:
        """A file of the module's Resources."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """Make the panel."""

    def cleanup(self) -> None:
        """Let everything go."""

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(
                "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
            )


class ScriptedLoadableModuleLogic:
    """What a module does without its panel, and its parameter node."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """The one of this module; made if there is none."""
        found = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if found is None:
            return slicer.mrmlScene.AddNode(self.createParameterNode())
        if found.GetAttribute("ModuleName") != self.moduleName:
            found.SetAttribute("ModuleName", self.moduleName)
        return found

    def getAllParameterNodes(self) -> list[Any]:
        """Every parameter node of this module."""
        every = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in every if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        """A new one, not yet in the scene."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The module's own test, which also runs inside Slicer."""

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Tell and let the event loop run."""
        slicer.util.delayDisplay(message, 0 if requestedDelay is None else min(requestedDelay, 100))

    def runTest(self) -> None:
        """Run the module's tests; to be overridden."""


def translate(context: str, text: str) -> str:
    """A sentence in the application's language."""
    return QtCore.QCoreApplication.translate(context, text)


def tr(text: str) -> str:
    """As `slicer.i18n.tr`: the context is the caller's file, within a package `Package.file`."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    path = Path(inspect.getsourcefile(frame.f_back) or "")
    packaged = (path.parent / "__init__.py").is_file()
    return translate(f"{path.parent.name}.{path.stem}" if packaged else path.stem, text)


def install() -> None:
    """Make `slicer.ScriptedLoadableModule` and `slicer.i18n` importable."""
    module, words = ModuleType("slicer.ScriptedLoadableModule"), ModuleType("slicer.i18n")
    classes = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    for each in classes:
        setattr(module, each.__name__, each)
    module.__all__ = [each.__name__ for each in classes]
    words.tr, words.translate = tr, translate
    for name, made in (("ScriptedLoadableModule", module), ("i18n", words)):
        sys.modules[f"slicer.{name}"] = made
        setattr(slicer, name, made)


def uninstall() -> None:
    """Take them away again."""
    for name in ("ScriptedLoadableModule", "i18n"):
        sys.modules.pop(f"slicer.{name}", None)
        delattr(slicer, name)
