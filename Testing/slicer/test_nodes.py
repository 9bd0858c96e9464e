"""Volume nodes as CTs and masks as segments: on the right pixels however a volume is stored or turned."""

import numpy as np
import pytest
import slicer
import vtk

from SarcopeniaAssessLib.errors import GeometryError, InputError, IntensityError, MaskError
from SarcopeniaAssessLib.geometry import pixel_area_cm2
from SarcopeniaAssessLib.slicer_bridge import nodes
from Testing.library import small_case
from Testing.slicer.mrml_cases import (
    OBLIQUE,
    STORAGES,
    add_bending,
    add_transform,
    add_volume,
    moved,
    turned,
    voxels,
)

pytestmark = pytest.mark.usefixtures("slicer_scene")
LEVEL = small_case.LEVEL
MUSCLE = small_case.muscle()[:, :, LEVEL] > 0


def native_of(canonical, storage):
    """A canonical array in a storage order, as Slicer's own array of it."""
    order, signs = STORAGES[storage]
    return canonical.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]


def only_on(k, mask=MUSCLE):
    volume = np.zeros(small_case.SHAPE, np.uint8)
    volume[:, :, k] = mask
    return volume


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("placed", [np.eye(4), OBLIQUE], ids=["straight", "oblique"])
class TestAVolumeAsACt:
    def test_voxels_and_places_are_the_patients(self, storage, placed):
        ct = nodes.ct_of(add_volume(ras=placed @ small_case.affine(), storage=storage))
        np.testing.assert_array_equal(ct.slab(0, 7), small_case.ct())
        np.testing.assert_allclose(ct.ras_from_canonical, placed @ small_case.affine(), atol=1e-9)
        assert ct.pixel_area_cm2 == pytest.approx(small_case.PIXEL_CM2)

    def test_a_parent_transform_is_part_of_the_place(self, storage, placed):
        world = moved(3.0, 5.0, -40.0) @ turned(-9.0, 2)
        above = add_transform(moved(0.0, 0.0, 11.0))
        transform = add_transform(world)
        transform.SetAndObserveTransformNodeID(above.GetID())
        node = add_volume(ras=placed @ small_case.affine(), storage=storage)
        node.SetAndObserveTransformNodeID(transform.GetID())
        expected = moved(0.0, 0.0, 11.0) @ world @ placed @ small_case.affine()
        ct = nodes.ct_of(node)
        np.testing.assert_allclose(ct.ras_from_canonical, expected, atol=1e-9)
        assert [finding.code for finding in ct.findings if finding.code == "transform_scales"] == []

    def test_a_mask_comes_back_from_the_slice_it_was_written_to(self, storage, placed):
        volume = add_volume(ras=placed @ small_case.affine(), storage=storage)
        node, segment = nodes.new_segmentation(volume)
        nodes.write_mask(node, segment, volume, MUSCLE, LEVEL)
        ct = nodes.ct_of(volume)
        for k in range(7):
            expected = MUSCLE if k == LEVEL else np.zeros_like(MUSCLE)
            np.testing.assert_array_equal(nodes.read_mask(node, segment, ct, k), expected)
        np.testing.assert_array_equal(voxels(node, segment, volume), native_of(only_on(LEVEL), storage))

    def test_it_comes_back_under_transforms_too(self, storage, placed):
        volume = add_volume(ras=placed @ small_case.affine(), storage=storage)
        volume.SetAndObserveTransformNodeID(add_transform(turned(-9.0, 2) @ moved(1.0, 2.0, 3.0)).GetID())
        node, segment = nodes.new_segmentation(volume)
        assert node.GetTransformNodeID() == volume.GetTransformNodeID()
        nodes.write_mask(node, segment, volume, MUSCLE, LEVEL)
        np.testing.assert_array_equal(nodes.read_mask(node, segment, nodes.ct_of(volume), LEVEL), MUSCLE)
        # out of the CT's transform but in the same place of the world
        node.HardenTransform()
        np.testing.assert_array_equal(nodes.read_mask(node, segment, nodes.ct_of(volume), LEVEL), MUSCLE)
        nodes.write_mask(node, segment, volume, MUSCLE[::-1], LEVEL)
        np.testing.assert_array_equal(
            nodes.read_mask(node, segment, nodes.ct_of(volume), LEVEL), MUSCLE[::-1]
        )


def test_a_sheared_volume_is_measured_by_its_parallelograms():
    ras = small_case.affine()
    ras[1, 2] = 1.5  # a tilted gantry: each slice a bit further to anterior
    volume = add_volume(ras=ras)
    ct = nodes.ct_of(volume)
    assert ct.pixel_area_cm2 == pytest.approx(pixel_area_cm2(ras, 2)) == pytest.approx(0.2)
    node, segment = nodes.new_segmentation(volume)
    nodes.write_mask(node, segment, volume, MUSCLE, LEVEL)
    np.testing.assert_array_equal(nodes.read_mask(node, segment, ct, LEVEL), MUSCLE)


def test_a_stretching_transform_is_measured_and_told():
    volume = add_volume()
    volume.SetAndObserveTransformNodeID(add_transform(np.diag([1.5, 1.0, 1.0, 1.0])).GetID())
    ct = nodes.ct_of(volume)
    assert ct.pixel_area_cm2 == pytest.approx(1.5 * small_case.PIXEL_CM2)
    assert [finding.code for finding in ct.findings] == ["transform_scales"]


def test_a_bending_transform_is_refused_with_what_to_do():
    volume = add_volume()
    volume.SetAndObserveTransformNodeID(add_bending().GetID())
    with pytest.raises(GeometryError, match=r"bends.*harden"):
        nodes.ct_of(volume)


def test_what_is_no_ct_is_refused():
    with pytest.raises(InputError, match="No CT is chosen"):
        nodes.ct_of(None)
    with pytest.raises(InputError, match="no image data"):
        nodes.ct_of(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))
    with pytest.raises(InputError, match="no CT"):
        nodes.ct_of(add_volume(kind="vtkMRMLLabelMapVolumeNode"))
    with pytest.raises(InputError, match="no CT"):
        nodes.ct_of(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode"))
    with pytest.raises(IntensityError, match="mask or label map"):
        nodes.ct_of(add_volume(small_case.muscle()))
    colours = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 5, 6)
    image.AllocateScalars(vtk.VTK_SHORT, 3)
    colours.SetAndObserveImageData(image)
    with pytest.raises(InputError, match="several numbers"):
        nodes.ct_of(colours)


def test_voxels_are_not_copied():
    volume = add_volume()
    ct = nodes.ct_of(volume)
    slicer.util.arrayFromVolume(volume)[3, 40, 50] = 77
    assert ct.slab(3, 4)[50, 40, 0] == 77


def add_other(node, mask, k, volume, name="Fat"):
    """Another segment in the same segmentation, written by Slicer's own function."""
    segment = node.GetSegmentation().AddEmptySegment("", name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        np.ascontiguousarray(only_on(k, mask).transpose(2, 1, 0)), node, segment, volume
    )
    return segment


def test_other_segments_are_never_touched():
    volume = add_volume()
    node, segment = nodes.new_segmentation(volume)
    fat = small_case.ct()[:, :, LEVEL] == -100
    beside = add_other(node, fat, LEVEL, volume)
    over = add_other(node, MUSCLE[:, ::-1] | MUSCLE, LEVEL, volume, "Overlapping")
    elsewhere = add_other(node, MUSCLE, 5, volume, "Elsewhere")
    for mask in (MUSCLE, np.roll(MUSCLE, 7, axis=0), np.ones_like(MUSCLE), np.zeros_like(MUSCLE), MUSCLE):
        nodes.write_mask(node, segment, volume, mask, LEVEL)
        np.testing.assert_array_equal(voxels(node, beside, volume), only_on(LEVEL, fat))
        np.testing.assert_array_equal(voxels(node, over, volume), only_on(LEVEL, MUSCLE[:, ::-1] | MUSCLE))
        np.testing.assert_array_equal(voxels(node, elsewhere, volume), only_on(5))
        ct = nodes.ct_of(volume)
        np.testing.assert_array_equal(nodes.read_mask(node, segment, ct, LEVEL), mask)


def test_a_segment_is_read_from_a_labelmap_that_it_shares():
    volume = add_volume()
    node, segment = nodes.new_segmentation(volume)
    fat = small_case.ct()[:, :, LEVEL] == -100
    beside = add_other(node, fat, LEVEL, volume)
    nodes.write_mask(node, segment, volume, MUSCLE, LEVEL)
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert node.GetSegmentation().GetNumberOfLayers() == 1
    ct = nodes.ct_of(volume)
    np.testing.assert_array_equal(nodes.read_mask(node, segment, ct, LEVEL), MUSCLE)
    np.testing.assert_array_equal(nodes.read_mask(node, beside, ct, LEVEL), fat)
    nodes.write_mask(node, segment, volume, MUSCLE | fat, LEVEL)
    np.testing.assert_array_equal(nodes.read_mask(node, segment, ct, LEVEL), MUSCLE | fat)
    np.testing.assert_array_equal(nodes.read_mask(node, beside, ct, LEVEL), fat)


def test_a_segment_that_is_a_surface_alone_is_told():
    volume = add_volume()
    node, segment = nodes.new_segmentation(volume)
    nodes.write_mask(node, segment, volume, MUSCLE, LEVEL)
    assert node.CreateClosedSurfaceRepresentation()
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.RemoveBinaryLabelmapRepresentation()
    with pytest.raises(MaskError, match="no labelmap"):
        nodes.read_mask(node, segment, nodes.ct_of(volume), LEVEL)


def test_only_one_slice_is_ever_filled():
    volume = add_volume()
    node, segment = nodes.new_segmentation(volume)
    nodes.write_mask(node, segment, volume, MUSCLE, 1)
    nodes.write_mask(node, segment, volume, MUSCLE[::-1], 5)
    np.testing.assert_array_equal(voxels(node, segment, volume), only_on(5, MUSCLE[::-1]))


def test_a_segmentation_of_another_geometry_is_resampled():
    """A block of 40 × 30 pixels of 2 × 2.5 mm, 60 cm², on a grid shifted by a third of a CT pixel."""
    volume = add_volume()
    fine = small_case.affine() @ np.diag([0.5, 0.5, 0.5, 1.0])
    fine[:3, 3] += np.array(small_case.SPACING_MM) / 3
    drawn = np.zeros((180, 128, 14), np.int16)
    drawn[60:100, 40:70, 5] = 1
    reference = add_volume(drawn, fine, name="finer")
    node, segment = nodes.new_segmentation(reference)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        np.ascontiguousarray(drawn.transpose(2, 1, 0)).astype(np.uint8), node, segment, reference
    )
    # CT pixel i lies at 2 i − 2/3 of the finer grid, nearest to its 2 i − 1: 60 … 99 are those of 31 … 50.
    expected = np.zeros_like(MUSCLE)
    expected[31:51, 21:36] = True
    assert expected.sum() * small_case.PIXEL_CM2 == pytest.approx(60.0)
    np.testing.assert_array_equal(nodes.read_mask(node, segment, nodes.ct_of(volume), 3), expected)
    assert not nodes.read_mask(node, segment, nodes.ct_of(volume), 4).any()


def test_the_node_is_known_to_slicer_for_what_it_is():
    volume = add_volume()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    study = hierarchy.CreateStudyItem(patient, "Study")
    hierarchy.CreateItem(study, volume)
    node, segment = nodes.new_segmentation(volume)
    display = node.GetDisplayNode()
    assert (display.GetOpacity2DFill(), display.GetOpacity2DOutline()) == (0.2, 1.0)
    assert node.GetName() == "Skeletal muscle (L3)"
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is volume
    assert node.GetDisplayNode() is not None
    made = node.GetSegmentation().GetSegment(segment)
    assert made.GetName() == "Skeletal muscle (L3)"
    second, _ = nodes.new_segmentation(volume)
    assert second.GetName() == "Skeletal muscle (L3)_1"


def test_a_segment_that_is_empty_or_gone():
    volume = add_volume()
    ct = nodes.ct_of(volume)
    node, segment = nodes.new_segmentation(volume)
    assert not nodes.read_mask(node, segment, ct, LEVEL).any()
    node.GetSegmentation().RemoveSegment(segment)
    with pytest.raises(MaskError, match="gone"):
        nodes.read_mask(node, segment, ct, LEVEL)
    with pytest.raises(MaskError, match="gone"):
        nodes.write_mask(node, segment, volume, MUSCLE, LEVEL)
