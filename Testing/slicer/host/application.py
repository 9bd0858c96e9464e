"""Slicer as an application: `slicer.app`, Qt, the views, and a scripted module loaded from its file."""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from Testing.slicer.host import modules, pythonqt, scripted
from Testing.slicer.host.failures import FAILURES
from Testing.slicer.host.mrml import MrmlHost
from Testing.slicer.host.mrml_widgets import Observed, qMRMLWidget
from Testing.slicer.host.pythonqt import View, wrap
from Testing.slicer.host.slice_views import LayoutManager


class _ModuleManager(QtCore.QObject):
    moduleAboutToBeUnloaded = QtCore.Signal(str)
    moduleLoaded = QtCore.Signal(str)


class Application:
    """`slicer.app` as far as a scripted module may rely on it; anything else is an AttributeError."""

    applicationName = "Slicer"
    majorVersion, minorVersion, revision = 5, 13, "31053"

    def __init__(self, mrml: MrmlHost) -> None:
        self._mrml, self._qt = mrml, qt_application()
        self._manager = wrap(_ModuleManager())
        self._views = LayoutManager(mrml.scene, mrml.application)
        self.temporaryPath = mrml.application.GetTemporaryPath()
        self.slicerHome = mrml.application.GetHomeDirectory()
        self.testing = True

    def testingEnabled(self) -> bool:
        """Whether message boxes answer themselves."""
        return self.testing

    def processEvents(self) -> None:
        """Let Qt work."""
        self._qt.processEvents()

    def applicationLogic(self) -> Any:
        """vtkSlicerApplicationLogic."""
        return self._mrml.application

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._mrml.scene

    def moduleManager(self) -> Any:
        """Tells of modules loaded and unloaded."""
        return self._manager

    def layoutManager(self) -> LayoutManager:
        """The views."""
        return self._views

    def topLevelWidgets(self) -> list[Any]:
        """Qt's."""
        return [wrap(each) for each in QtWidgets.QApplication.topLevelWidgets()]

    def translate(self, context: str, text: str) -> str:
        """A sentence in the application's language."""
        return QtCore.QCoreApplication.translate(context, text)

    def settings(self) -> Any:
        """QSettings of this run."""
        return pythonqt.view_class(QtCore.QSettings)()

    userSettings = settings

    def palette(self) -> Any:
        """Colours of the theme."""
        return self._qt.palette()

    def setOverrideCursor(self, cursor: Any) -> None:
        """The cursor of waiting."""
        self._qt.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        """The cursor of before."""
        self._qt.restoreOverrideCursor()

    def close(self) -> None:
        """Let the scene go."""
        self._views.close()


def qt_application() -> QtWidgets.QApplication:
    """The one application of this process; its settings are nobody's."""
    found = QtWidgets.QApplication.instance()
    if found is None:
        gc.freeze()  # what is loaded by now stays: later collections look at a test's own objects
        found = QtWidgets.QApplication(["Slicer"])
        found.setStyle("Fusion")
    QtCore.QStandardPaths.setTestModeEnabled(True)
    return found


class ModuleWidget(qMRMLWidget):
    """The parent of a module's panel: qSlicerScriptedLoadableModuleWidget."""

    def __init__(self) -> None:
        super().__init__()
        self.setLayout(QtWidgets.QVBoxLayout())
        self.remake: Callable[[], None] = lambda: None

    @QtCore.Slot()
    def reload(self) -> None:
        """Make the panel from the file as it is now."""
        self.remake()


class ScriptedModule:
    """A module in `slicer.modules`: its file, its panel, its logic."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = str(path), path.stem
        self.title, self.categories, self.dependencies = "", [], []
        self.contributors, self.helpText, self.acknowledgementText = [], "", ""
        self.icon: Any = None
        self.hidden = False
        self._holder: Any = None
        self._logic: Any = None

    def widgetRepresentation(self) -> Any:
        """The widget that holds the panel; made when first asked for."""
        if self._holder is None:
            self._holder = ModuleWidget()
            self._holder.remake = self._make
            self._make()
        return wrap(self._holder)

    def _make(self) -> None:
        """As qSlicerScriptedLoadableModuleWidget: the class, `setup`, then the scene."""
        made = getattr(sys.modules[self.name], f"{self.name}Widget")(wrap(self._holder))
        setattr(slicer.modules, f"{self.name}Widget", made)
        made.setup()
        self._holder.setMRMLScene(slicer.mrmlScene)

    def logic(self) -> Any:
        """C++'s part of the logic; a scripted module has none that does anything."""
        return None


class SlicerHost(MrmlHost):
    """The scene with Qt, the application and its views; modules are loaded into it."""

    def __init__(self) -> None:
        super().__init__()
        qt_application()
        FAILURES.messages.clear()
        FAILURES.__enter__()
        modules.install()
        scripted.install()
        self.app = slicer.app = Application(self)
        self._modules: list[ScriptedModule] = []

    def load(self, path: Path) -> Any:
        """Load a scripted module; its widget object (`SarcopeniaAssessWidget`), entered."""
        folder = str(path.parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = loaded
        spec.loader.exec_module(loaded)
        module = ScriptedModule(path)
        setattr(slicer.modules, path.stem.lower(), module)
        getattr(loaded, path.stem)(module)
        self._modules.append(module)
        module.widgetRepresentation()
        return self.widget(path.stem)

    def widget(self, name: str) -> Any:
        """The panel of a loaded module as it is now (a reload makes another)."""
        return getattr(slicer.modules, f"{name}Widget")

    def wait_until(self, condition: Callable[[], Any], seconds: float = 20.0) -> None:
        """Let Qt work until a condition holds; fail after some time."""
        end = monotonic() + seconds
        while not condition():
            assert monotonic() < end, "the condition did not come true in time"
            self.app.processEvents()
            sleep(0.005)

    def close(self) -> None:
        """Unload the modules, delete the windows, let the scene go."""
        for module in self._modules:
            self.app.moduleManager().moduleAboutToBeUnloaded.emit(module.name)
            sys.modules.pop(module.name, None)
            if module._holder is not None:
                View.delete(wrap(module._holder))
        self._modules = []
        Observed.clear_all()
        for widget in QtWidgets.QApplication.topLevelWidgets():
            widget.deleteLater()
        QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)
        self.app.close()
        del slicer.app
        modules.uninstall()
        scripted.uninstall()
        FAILURES.__exit__()
        pythonqt.forget_all()
        gc.collect()
        super().close()
