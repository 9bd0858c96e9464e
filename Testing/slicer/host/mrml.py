"""A scene and Slicer's module logics, as the application wires them, offered where scripts look for them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer
import vtk

from Testing.slicer.host.terminologies import write_terminologies

# What the subject hierarchy's plugins (Qt, and so not in slicer-core) take in by themselves.
_IN_TREE = (
    "vtkMRMLScalarVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLTransformNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLModelNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
)

# Module → class of its logic; in the order in which the application makes them.
_MODULES = {
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "terminologies": "vtkSlicerTerminologiesModuleLogic",
    "units": "vtkSlicerUnitsLogic",
    "data": "vtkSlicerDataModuleLogic",
    "transforms": "vtkSlicerTransformLogic",
    "volumes": "vtkSlicerVolumesLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "tables": "vtkSlicerTablesLogic",
    "texts": "vtkSlicerTextsLogic",
    "plots": "vtkSlicerPlotsLogic",
    "cropvolume": "vtkSlicerCropVolumeLogic",
}


@dataclass(frozen=True)
class Module:
    """What `slicer.modules.<name>` is to a script."""

    name: str
    _logic: Any

    def logic(self) -> Any:
        """Its logic."""
        return self._logic


@dataclass(eq=False)
class Errors:
    """What VTK and Slicer's libraries would print as an error."""

    messages: list[str] = field(default_factory=list)

    def listen(self) -> vtk.vtkOutputWindow:
        """Take the place of VTK's output window; the window is returned and must be kept."""
        window = vtk.vtkOutputWindow()
        window.SetDisplayModeToNever()
        window.AddObserver("ErrorEvent", self._heard)
        vtk.vtkOutputWindow.SetInstance(window)
        return window

    @vtk.calldata_type(vtk.VTK_STRING)
    def _heard(self, _caller: Any, _event: str, text: str) -> None:
        self.messages.append(str(text).strip())


class MrmlHost:
    """One scene with its logics; `slicer.mrmlScene` and `slicer.modules` point to it until `close`.

    Attributes
    ----------
    scene, application:
        The scene and the application logic.
    errors:
        What went wrong in C++ since the start.
    """

    def __init__(self) -> None:
        self.errors = Errors()
        vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)  # errors are kept, not printed
        self._before = vtk.vtkOutputWindow.GetInstance()
        self._window = self.errors.listen()
        self._cache = tempfile.TemporaryDirectory(prefix="slicer-host-")
        self.scene = slicer.vtkMRMLScene()
        self.application = slicer.vtkSlicerApplicationLogic()
        slicer.mrmlScene, slicer.modules = self.scene, SimpleNamespace()
        self._remote = self._with_remote_io()
        self.application.SetMRMLScene(self.scene)
        self.application.SetSliceLogics(vtk.vtkCollection())
        self.application.SetViewLogics(vtk.vtkCollection())
        self.application.SetTemporaryPath(self._cache.name)
        self.application.SetHomeDirectory(self._cache.name)
        self.application.SetShareDirectory(self._cache.name)  # where it looks for colour files, in vain
        self._logics = [self._colours()]
        for name, kind in _MODULES.items():
            self._add(name, getattr(slicer, kind)())
        self._views()
        self.scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._take_into_tree)
        self.scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._take_out_of_tree)

    def close(self) -> None:
        """Clear the scene, let everything go."""
        self.scene.Clear(True)
        for logic in reversed(self._logics):
            logic.SetMRMLScene(None)
        self.application.SetMRMLScene(None)
        vtk.vtkOutputWindow.SetInstance(self._before)
        del slicer.mrmlScene, slicer.modules
        self._cache.cleanup()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _take_into_tree(self, scene: Any, _event: str, node: Any) -> None:
        """As qSlicerSubjectHierarchyPluginLogic::onNodeAdded: not while a scene is read, nothing hidden."""
        tree = scene.GetSubjectHierarchyNode()
        if scene.IsImporting() or node.GetHideFromEditors() or not any(map(node.IsA, _IN_TREE)):
            return
        if tree.GetItemByDataNode(node) == tree.GetInvalidItemID():
            tree.CreateItem(tree.GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _take_out_of_tree(self, scene: Any, _event: str, node: Any) -> None:
        """As qSlicerSubjectHierarchyPluginLogic::onNodeAboutToBeRemoved."""
        tree = None if scene.IsClosing() else scene.GetSubjectHierarchyNode()
        if tree is None or node is tree:
            return
        item = tree.GetItemByDataNode(node)
        if item != tree.GetInvalidItemID():
            tree.RemoveItem(item, False, False)

    def _with_remote_io(self) -> Any:
        """Without it `.mrb` files cannot be read."""
        cache = Path(self._cache.name) / "cache"
        cache.mkdir()
        manager = slicer.vtkDataIOManagerLogic()
        manager.SetMRMLApplicationLogic(self.application)
        remote = slicer.vtkMRMLRemoteIOLogic()
        remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
        remote.SetMRMLScene(self.scene)
        remote.AddDataIOToScene()
        manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
        return remote, manager

    def _colours(self) -> Any:
        logic = slicer.vtkSlicerColorLogic()
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.scene)
        self.application.SetColorLogic(logic)
        self.application.SetModuleLogic("Colors", logic)
        return logic

    def _add(self, name: str, logic: Any) -> None:
        logic.SetMRMLApplicationLogic(self.application)
        if name == "terminologies":  # reads its share directory as it gets its scene
            write_terminologies(Path(self._cache.name))
            logic.SetModuleShareDirectory(self._cache.name)
        logic.SetMRMLScene(self.scene)
        self.application.SetModuleLogic(name.capitalize(), logic)
        self._logics.append(logic)
        setattr(slicer.modules, name, Module(name, logic))

    def _views(self) -> None:
        """The nodes of the three slice views, as the default layout makes them."""
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
        for name, orientation in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")):
            node = self.scene.CreateNodeByClass("vtkMRMLSliceNode")  # with the presets, unlike a bare one
            node.UnRegister(None)
            node.SetName(name)
            node.SetLayoutName(name)
            node.SetSingletonTag(name)
            node = self.scene.AddNode(node)
            node.SetOrientation(orientation)
