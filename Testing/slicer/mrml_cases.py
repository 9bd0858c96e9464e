"""CTs and masks in a MRML scene whose areas can be counted by hand, however their voxels are stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk

from SarcopeniaAssessLib.slicer_bridge.nodes import ct_of, matrix_of, read_mask, write_mask
from SarcopeniaAssessLib.slicer_bridge.result_nodes import segment_of
from Testing.library import small_case

STORAGES = {
    "plain": ((0, 1, 2), (1, 1, 1)),
    "dicom": ((0, 1, 2), (-1, -1, 1)),
    "flipped": ((0, 1, 2), (-1, 1, -1)),
    "sagittal": ((1, 2, 0), (1, -1, -1)),
    "coronal": ((0, 2, 1), (-1, -1, 1)),
}
"""Canonical axis along each native axis, and whether it runs with (1) or against (−1) it."""


def turned(degrees: float, axis: int) -> np.ndarray[Any, Any]:
    """4×4 rotation about a world axis."""
    angle = np.radians(degrees)
    made = np.eye(4)
    one, other = (each for each in range(3) if each != axis)
    made[one, one] = made[other, other] = np.cos(angle)
    made[one, other], made[other, one] = -np.sin(angle), np.sin(angle)
    return made


def moved(*by_mm: float) -> np.ndarray[Any, Any]:
    """4×4 translation."""
    made = np.eye(4)
    made[:3, 3] = by_mm
    return made


OBLIQUE = moved(31.0, -17.0, 205.0) @ turned(20.0, 2) @ turned(7.0, 0)
"""Turned in the plane, tilted out of it and moved: no area changes by it."""


def stored(
    canonical: np.ndarray[Any, Any], ras: np.ndarray[Any, Any], storage: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The same image in another storage order: (i, j, k) and its affine."""
    order, signs = STORAGES[storage]
    native = canonical.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    affine = np.eye(4)
    affine[:3, 3] = ras[:3, 3]
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[:3, axis] = sign * ras[:3, world]
        if sign < 0:
            affine[:3, 3] += (native.shape[axis] - 1) * ras[:3, world]
    return np.ascontiguousarray(native), affine


def add_volume(
    hu: np.ndarray[Any, Any] | None = None,
    ras: np.ndarray[Any, Any] | None = None,
    *,
    name: str = "CT",
    storage: str = "plain",
    kind: str = "vtkMRMLScalarVolumeNode",
) -> Any:
    """A volume node of canonical HU (by default of `small_case`)."""
    native, affine = stored(
        small_case.ct() if hu is None else hu, small_case.affine() if ras is None else ras, storage
    )
    node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(native.transpose(2, 1, 0)))
    node.SetIJKToRASMatrix(matrix_of(affine))
    return node


def load_volume(path: Path) -> Any:
    """A file loaded as Slicer loads it."""
    node = slicer.modules.volumes.logic().AddArchetypeVolume(str(path), path.name.split(".")[0])
    assert node is not None
    return node


def load_dicom(files: Sequence[Path]) -> Any:
    """DICOM files loaded as Slicer's DICOM plugin loads them; their order does not matter."""
    listed = vtk.vtkStringArray()
    for file in files:
        listed.InsertNextValue(str(file))
    node = slicer.modules.volumes.logic().AddArchetypeScalarVolume(str(files[0]), "Abdomen", 0, listed)
    assert node is not None
    return node


def add_transform(world_from_local: np.ndarray[Any, Any]) -> Any:
    """A linear transform node."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(matrix_of(world_from_local))
    return node


def add_bending() -> Any:
    """A transform node that is not linear."""
    spline = vtk.vtkThinPlateSplineTransform()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for corner in np.ndindex(2, 2, 2):
        source.InsertNextPoint(*(100.0 * np.array(corner)))
        target.InsertNextPoint(*(100.0 * np.array(corner) + (5.0 if all(corner) else 0.0)))
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformToParent(spline)
    return node


def voxels(segmentation_node: Any, segment_id: str, volume_node: Any) -> np.ndarray[Any, Any]:
    """A segment on the whole grid of a volume, (i, j, k), as Slicer itself exports it."""
    array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation_node, segment_id, volume_node)
    return array.transpose(2, 1, 0)


def edit(segmentation_node: Any, volume_node: Any, k: int = small_case.LEVEL) -> np.ndarray[Any, Any]:
    """Erase 20 pixels, 4 cm², of muscle on a slice, as any effect does; the (I, J) mask then."""
    ct = ct_of(volume_node)
    segment_id = segment_of(segmentation_node)
    mask = read_mask(segmentation_node, segment_id, ct, k)
    mask[25:30, 12:16] = False
    write_mask(segmentation_node, segment_id, volume_node, mask, k)
    return mask


def nodes_in_scene() -> list[str]:
    """Ids of everything in the scene but its singletons."""
    scene = slicer.mrmlScene
    all_nodes = (scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes()))
    return [node.GetID() for node in all_nodes if not node.GetSingletonTag()]
