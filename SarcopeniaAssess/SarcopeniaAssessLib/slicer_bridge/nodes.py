"""MRML nodes ↔ arrays: a volume node as a `CtVolume`, a mask on one slice as a segment, and back.

Everything is in world coordinates (RAS, mm): parent transforms are part of the affine. Slicer keeps voxels as
(k, j, i); the library sees (i, j, k).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from SarcopeniaAssessLib.errors import Finding, GeometryError, InputError, MaskError, Severity
from SarcopeniaAssessLib.hounsfield import check_hu, evenly_spaced
from SarcopeniaAssessLib.patient import InputFacts
from SarcopeniaAssessLib.slicer_bridge.terminology import MUSCLE_ENTRY, load_terminology
from SarcopeniaAssessLib.volume import ArraySource, CtVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

MUSCLE_NAME = "Skeletal muscle (L3)"
MUSCLE_COLOUR = (192 / 255, 104 / 255, 88 / 255)
"""Of Slicer's terminology for muscle."""
_FILL = 0.2
"""Opacity of the fill in slice views: the muscle under it stays readable; the outline is whole."""
_RIGID = 1e-3


def ct_of(volume_node: Any) -> CtVolume:
    """The CT of a volume node, its voxels shared with Slicer; `input` tells of this session's memory only.

    Raises
    ------
    InputError
        No node, no image data yet, or no scalar CT.
    GeometryError
        The node lies under a transform that is not linear, or its geometry cannot be measured.
    IntensityError
        The values cannot be Hounsfield units.
    """
    array = voxels_of(volume_node)
    ct = CtVolume(
        ArraySource(array),
        world_from_ijk(volume_node),
        input=InputFacts("memory", ""),
        findings=_transform_findings(volume_node),
    )
    check_hu(evenly_spaced(array))
    return ct


def voxels_of(volume_node: Any) -> NDArray[Any]:
    """Voxels of a volume node, (i, j, k), a view of Slicer's memory; errors as `ct_of`."""
    if volume_node is None:
        raise InputError("No CT is chosen", "choose one, or load it first")
    if volume_node.GetScene() is None:
        raise InputError("The CT is no longer in the scene", "load it again")
    if not volume_node.IsA("vtkMRMLScalarVolumeNode") or volume_node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError("What is chosen is no CT", "choose a scalar volume")
    image = volume_node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise InputError("The CT has no image data", "wait until it is loaded, or load it again")
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError("The image holds several numbers a voxel, a CT one", "choose the CT itself")
    i, j, k = image.GetDimensions()
    flat: NDArray[Any] = vtk_to_numpy(image.GetPointData().GetScalars())
    return flat.reshape(k, j, i).transpose(2, 1, 0)


def world_from_ijk(volume_node: Any) -> NDArray[np.float64]:
    """4×4, voxel centres (i, j, k) → world RAS mm, the parent transform included; errors as `ct_of`."""
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    return world_from_local(volume_node) @ array_of(matrix)


def world_from_local(node: Any) -> NDArray[np.float64]:
    """4×4 of a node's parent transform; the unit matrix where it has none.

    Raises
    ------
    GeometryError
        It is not linear: areas differ from place to place then.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        raise GeometryError(
            "The CT lies under a transform that bends it, so no area can be told",
            "take it out of the transform, or harden the transform and use the result",
        )
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return array_of(matrix)


def array_of(matrix: Any) -> NDArray[np.float64]:
    """A `vtkMatrix4x4` as an array."""
    return np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)], np.float64)


def matrix_of(array: NDArray[np.float64]) -> Any:
    """An array as a `vtkMatrix4x4`."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy([float(value) for value in np.asarray(array).ravel()])
    return matrix


def new_segmentation(volume_node: Any, name: str = MUSCLE_NAME) -> tuple[Any, str]:
    """A segmentation of a CT with one empty segment for the muscle.

    It takes the CT's geometry, its parent transform and its place in the subject hierarchy.

    Returns
    -------
    The node and the segment's id.
    """
    scene = volume_node.GetScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetOpacity2DFill(_FILL)
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    place_beside(node, volume_node)
    return node, new_segment(node)


def new_segment(segmentation_node: Any) -> str:
    """Add an empty segment for the muscle; returns its id."""
    load_terminology()
    segment_id: str = segmentation_node.GetSegmentation().AddEmptySegment("", MUSCLE_NAME, MUSCLE_COLOUR)
    segment = segmentation_node.GetSegmentation().GetSegment(segment_id)
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), MUSCLE_ENTRY)
    return segment_id


def place_beside(node: Any, volume_node: Any) -> None:
    """Put a node under the same item of the subject hierarchy as a CT: its study, or wherever it lies."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volume_node.GetScene())
    if hierarchy is None:
        return
    of_ct = hierarchy.GetItemByDataNode(volume_node)
    parent = hierarchy.GetItemParent(of_ct) if of_ct else hierarchy.GetSceneItemID()
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)


def write_mask(segmentation_node: Any, segment_id: str, volume_node: Any, mask: NDArray[Any], k: int) -> None:
    """Let a segment be a mask on one slice of a CT, and nothing elsewhere; other segments stay as they are.

    Parameters
    ----------
    mask:
        (I, J), canonical; every value but 0 is inside.
    k:
        Slice from the feet.

    Raises
    ------
    MaskError
        The segment is gone, or Slicer refuses.
    """
    ct = ct_of(volume_node)
    if segmentation_node.GetSegmentation().GetSegment(segment_id) is None:
        raise MaskError("The segment of the muscle is gone", "assess the CT again")
    shape, extent = list(ct.shape), [edge for side in ct.shape for edge in (0, side - 1)]
    across = ct.axes.order[2]
    shape[across] = 1
    extent[2 * across : 2 * across + 2] = [ct.axes.native_slice(k, ct.slice_count)] * 2
    native = np.zeros(shape, np.uint8)
    ct.axes.view(native)[:, :, 0] = np.asarray(mask) != 0
    image = slicer.vtkOrientedImageData()
    image.SetExtent(extent)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = native.transpose(2, 1, 0).ravel()
    image.SetImageToWorldMatrix(
        matrix_of(np.linalg.inv(world_from_local(segmentation_node)) @ world_from_ijk(volume_node))
    )
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    if not logic.SetBinaryLabelmapToSegment(image, segmentation_node, segment_id, logic.MODE_REPLACE):
        raise MaskError("Slicer could not write the mask into the segmentation", "assess the CT again")


def read_mask(segmentation_node: Any, segment_id: str, ct: CtVolume, k: int) -> NDArray[np.bool_]:
    """What a segment marks on one slice of a CT: (I, J), canonical.

    A segment on another grid is resampled to the CT's (nearest voxel); on the CT's own it is taken as it is.

    Raises
    ------
    MaskError
        The segment is gone, or has no labelmap.
    GeometryError
        The segmentation lies under a transform that is not linear.
    """
    segmentation = segmentation_node.GetSegmentation()
    segment = None if segmentation is None else segmentation.GetSegment(segment_id)
    if segment is None:
        raise MaskError("The segment of the muscle is gone", "assess the CT again")
    inside = np.zeros(ct.canonical_shape[:2], np.bool_)
    # No copy of the segment alone, which takes a quarter of a second of a large labelmap that is shared.
    image = segmentation_node.GetBinaryLabelmapInternalRepresentation(segment_id)
    if image is None:
        if segment.GetRepresentation("Closed surface") is None:
            return inside
        raise MaskError("The segment has no labelmap", "make binary labelmap the segmentation's source")
    labels, first = _labels_of(image)
    if labels is None:
        return inside
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    labels_from_world = np.linalg.inv(world_from_local(segmentation_node) @ array_of(matrix))
    labels_from_canonical = labels_from_world @ ct.ras_from_canonical
    found = _sampled_slice(labels, first, labels_from_canonical, inside.shape, k)
    inside[:] = found == segment.GetLabelValue()
    return inside


def _labels_of(image: Any) -> tuple[NDArray[Any] | None, NDArray[np.int64]]:
    """Labels (i, j, k) and the index of their first voxel; `None` where the extent is empty."""
    extent = image.GetExtent()
    first = np.array(extent[::2], np.int64)
    i, j, k = (extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in range(3))
    scalars = image.GetPointData().GetScalars()
    if scalars is None or min(i, j, k) < 1:
        return None, first
    return vtk_to_numpy(scalars).reshape(k, j, i).transpose(2, 1, 0), first


def _sampled_slice(
    labels: NDArray[Any],
    first: NDArray[np.int64],
    labels_from_canonical: NDArray[np.float64],
    shape: tuple[int, ...],
    k: int,
) -> NDArray[Any]:
    """The nearest label to each pixel of canonical slice k, (I, J); 0 outside the labels."""
    step_i, step_j, step_k, origin = labels_from_canonical[:3].T
    start = origin + k * step_k - first
    inside = np.ones(shape, np.bool_)
    index = []
    for axis in range(3):
        at = (start[axis] + step_i[axis] * np.arange(shape[0]))[:, None] + step_j[axis] * np.arange(shape[1])
        nearest = np.rint(at).astype(np.int64)
        inside &= (nearest >= 0) & (nearest < labels.shape[axis])
        index.append(np.clip(nearest, 0, labels.shape[axis] - 1))
    nearest_label: NDArray[Any] = np.where(inside, labels[index[0], index[1], index[2]], 0)
    return nearest_label


def _transform_findings(volume_node: Any) -> tuple[Finding, ...]:
    """A warning where the parent transform changes sizes, and with them areas."""
    axes = world_from_local(volume_node)[:3, :3]
    if np.abs(axes.T @ axes - np.eye(3)).max() < _RIGID:
        return ()
    message = (
        "The CT lies under a transform that stretches it: the area is that of the stretched image; take the "
        "CT out of the transform to measure the patient."
    )
    return (Finding("transform_scales", Severity.WARNING, message),)
