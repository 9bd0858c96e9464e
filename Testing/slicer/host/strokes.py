"""A brush over a slice: what the segment editor's Paint and Erase do with the mouse, by the same logic."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from Testing.slicer.host.pythonqt import unwrap


def stroke(editor: Any, ras_mm: tuple[float, float, float], radius_mm: float) -> None:
    """Press, move and release the mouse once with the active effect, Paint or Erase.

    A ball about a point is put into the selected segment as qSlicerSegmentEditorPaintEffect does: one step of
    undo, within the masking of the editor's node.

    Raises
    ------
    AssertionError
        Another effect is active, or none; or the editor takes no edits.
    """
    widget = unwrap(editor)
    node = widget.mrmlSegmentEditorNode()
    assert node is not None, "the editor has no parameter node"
    name = node.GetActiveEffectName()
    assert name in ("Paint", "Erase"), f"the active effect is {name!r}"
    assert not widget.readOnly, "the editor is read-only"
    logic = widget.logic
    logic.SaveStateForUndo()
    logic.UpdateReferenceGeometryImage()
    logic.ResetModifierLabelmapToDefault()
    brush = logic.GetModifierLabelmap()
    _fill_ball(brush, _in_segmentation(node.GetSegmentationNode(), ras_mm), radius_mm)
    kind = slicer.vtkSlicerSegmentEditorLogic
    mode = kind.ModificationModeAdd if name == "Paint" else kind.ModificationModeRemove
    logic.UpdateMaskLabelmap()
    logic.ModifySegmentByLabelmap(
        node.GetSegmentationNode(), node.GetSelectedSegmentID(), brush, mode, False, False
    )


def _in_segmentation(segmentation: Any, ras_mm: tuple[float, float, float]) -> np.ndarray:
    """The point as the segmentation's own coordinates have it, before its parent transform."""
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        None, segmentation.GetParentTransformNode(), transform
    )
    return np.array(transform.TransformPoint(ras_mm))


def _fill_ball(image: Any, centre_mm: np.ndarray, radius_mm: float) -> None:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    affine = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    i0, i1, j0, j1, k0, k1 = image.GetExtent()
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(k1 - k0 + 1, j1 - j0 + 1, i1 - i0 + 1)
    k, j, i = np.mgrid[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1]
    places = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    voxels[np.linalg.norm(places - centre_mm, axis=-1) <= radius_mm] = 1
    image.Modified()
