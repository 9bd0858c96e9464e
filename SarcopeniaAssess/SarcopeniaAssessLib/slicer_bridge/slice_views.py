"""The slice views as the panel needs them: the axial one follows a level and leads it; lines in the others.

Everything goes through the scene's nodes, so it works in any layout and without a window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import vtk

from SarcopeniaAssessLib.slicer_bridge.nodes import array_of

if TYPE_CHECKING:
    from SarcopeniaAssessLib.volume import CtVolume

LEVEL_COLOUR = (1.0, 0.85, 0.2)
RESULT_COLOUR = (0.95, 0.45, 0.35)
_MARGIN_MM = 15.0
_LEAST_UPWARD = 0.7
"""Of a view's unit normal along superior; a view that is turned further looks along the slices."""


class Levels:
    """The heights of a CT's slices, looked up often.

    Parameters
    ----------
    ct:
        The CT.
    """

    def __init__(self, ct: CtVolume) -> None:
        self._centres = np.array([ct.slice_centre_mm(k) for k in range(ct.slice_count)])
        self.superior_mm = self._centres[:, 2]
        order = np.sort(self.superior_mm)
        self.spacing_mm = float(np.median(np.diff(order))) if len(order) > 1 else 1.0
        self._corners = ct.ras_from_canonical @ np.array(
            [[0, ct.canonical_shape[0] - 1, 0], [0, 0, ct.canonical_shape[1] - 1], [0, 0, 0], [1, 1, 1]],
            float,
        )
        self._step = ct.ras_from_canonical[:3, 2]

    def nearest(self, superior_mm: float) -> int:
        """Slice from the feet whose centre is nearest in height."""
        return int(np.argmin(np.abs(self.superior_mm - superior_mm)))

    def centre_mm(self, k: int) -> tuple[float, float, float]:
        """RAS of a slice's centre."""
        x, y, z = (float(value) for value in self._centres[k])
        return x, y, z

    def corners_mm(self, k: int) -> list[tuple[float, ...]]:
        """RAS of three corners of a slice: its first voxel, the last along i, the last along j."""
        corners = self._corners[:3] + (k * self._step)[:, None]
        return [tuple(float(value) for value in corner) for corner in corners.T]

    def crossed_by(self, slice_to_ras: Any) -> float | None:
        """Height at which a view's plane crosses the middle of the slices; `None`: it runs along them."""
        view = array_of(slice_to_ras)
        normal, origin = view[:3, 2], view[:3, 3]
        if not _looks_along_the_body(slice_to_ras):
            return None
        first, last = self._centres[0], self._centres[-1]
        along = float(normal @ (last - first))
        if abs(along) < 1e-6:
            return float(first[2])
        share = float(normal @ (origin - first)) / along
        return float(first[2] + share * (last[2] - first[2]))


def axial_view(scene: Any) -> Any:
    """The slice node that shows axial slices, tilted or not: the red one, else the first; `None`: none."""
    nodes = [scene.GetNthNodeByClass(n, "vtkMRMLSliceNode") for n in range(_count(scene, "vtkMRMLSliceNode"))]
    axial = [node for node in nodes if _looks_along_the_body(node.GetSliceToRAS())]
    return next((node for node in axial if node.GetLayoutName() == "Red"), axial[0] if axial else None)


def show_volume(scene: Any, volume_node: Any) -> None:
    """Let every slice view show a volume behind everything."""
    for n in range(_count(scene, "vtkMRMLSliceCompositeNode")):
        scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode").SetBackgroundVolumeID(volume_node.GetID())


def jump_to(scene: Any, point_mm: tuple[float, float, float]) -> None:
    """Move the axial view to a point; zoom and place in the plane stay."""
    node = axial_view(scene)
    if node is not None:
        node.JumpSliceByOffsetting(*point_mm)


class LevelLine:
    """A slice drawn as a line across the sagittal and the coronal view; not saved with the scene.

    Parameters
    ----------
    tag, colour:
        Name among the scene's singletons; RGB, 0…1.
    """

    def __init__(self, tag: str, colour: tuple[float, float, float]) -> None:
        self._tag, self._colour = tag, colour

    def show(self, scene: Any, corners_mm: list[tuple[float, ...]]) -> None:
        """Draw it where a slice with these corners lies."""
        origin, first, second = (np.array(corner) for corner in corners_mm)
        along, across = first - origin, second - origin
        along, across = (
            side / max(float(np.linalg.norm(side)), 1e-6) * _MARGIN_MM for side in (along, across)
        )
        plane = vtk.vtkPlaneSource()
        plane.SetOrigin(*(origin - along - across))
        plane.SetPoint1(*(first + along - across))
        plane.SetPoint2(*(second - along + across))
        plane.Update()
        node = self._node(scene)
        node.SetAndObservePolyData(plane.GetOutput())
        node.GetDisplayNode().SetVisibility(True)

    def hide(self, scene: Any) -> None:
        """Draw nothing."""
        node = scene.GetSingletonNode(self._tag, "vtkMRMLModelNode")
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(False)

    def _node(self, scene: Any) -> Any:
        node = scene.GetSingletonNode(self._tag, "vtkMRMLModelNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLModelNode")
            node.UnRegister(None)
            node.SetSingletonTag(self._tag)
            node.SetName(self._tag)
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            node.SetSelectable(False)
            node = scene.AddNode(node)
        if node.GetDisplayNode() is None:
            node.SetAndObserveDisplayNodeID(self._display(scene).GetID())
        return node

    def _display(self, scene: Any) -> Any:
        display = scene.CreateNodeByClass("vtkMRMLModelDisplayNode")
        display.UnRegister(None)
        display.SetSaveWithScene(False)
        display.SetColor(*self._colour)
        display.SetVisibility3D(False)
        display.SetVisibility2D(True)
        display.SetSliceIntersectionThickness(2)
        axial = axial_view(scene)
        for n in range(_count(scene, "vtkMRMLSliceNode")):
            view = scene.GetNthNodeByClass(n, "vtkMRMLSliceNode")
            if view is not axial:
                display.AddViewNodeID(view.GetID())
        return scene.AddNode(display)


def _looks_along_the_body(slice_to_ras: Any) -> bool:
    return bool(abs(slice_to_ras.GetElement(2, 2)) >= _LEAST_UPWARD)


def _count(scene: Any, kind: str) -> int:
    return int(scene.GetNumberOfNodesByClass(kind))
