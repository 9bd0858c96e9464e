"""The host's scene behaves as Slicer's: volumes, segmentations, saved scenes, errors that are told."""

import numpy as np
import vtk

from Testing.slicer.host.mrml import MrmlHost


def with_muscle(slicer):
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(volume, np.zeros((5, 6, 7), np.int16))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Muscle")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = node.GetSegmentation().AddEmptySegment("", "Muscle")
    marked = np.zeros((5, 6, 7), np.uint8)
    marked[2, 3:5, 2:6] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(marked, node, segment, volume)
    return volume, node, segment, marked


def test_a_segment_comes_back_as_it_was_drawn(slicer_scene):
    volume, node, segment, marked = with_muscle(slicer_scene)
    found = slicer_scene.util.arrayFromSegmentBinaryLabelmap(node, segment, volume)
    assert np.array_equal(found != 0, marked != 0)


def test_a_scene_is_saved_and_read_again(slicer_scene, tmp_path):
    _, _, segment, marked = with_muscle(slicer_scene)
    path = str(tmp_path / "scene.mrb")
    assert slicer_scene.mrmlScene.WriteToMRB(path)
    slicer_scene.mrmlScene.Clear(False)
    assert slicer_scene.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert slicer_scene.mrmlScene.ReadFromMRB(path)
    node, volume = slicer_scene.util.getNode("Muscle"), slicer_scene.util.getNode("CT")
    found = slicer_scene.util.arrayFromSegmentBinaryLabelmap(node, segment, volume)
    assert np.array_equal(found != 0, marked != 0)


def test_nodes_stand_in_the_subject_hierarchy(slicer_scene):
    volume, node, _, _ = with_muscle(slicer_scene)
    tree = slicer_scene.mrmlScene.GetSubjectHierarchyNode()
    assert tree.GetItemByDataNode(volume) != tree.GetInvalidItemID()
    assert tree.GetItemByDataNode(node) != tree.GetItemByDataNode(volume)


def test_a_terminology_names_skeletal_muscle(slicer_scene):
    logic = slicer_scene.modules.terminologies.logic()
    entry = slicer_scene.vtkSlicerTerminologyEntry()
    found = vtk.vtkStringArray()
    logic.GetLoadedTerminologyNames(found)
    names = [found.GetValue(n) for n in range(found.GetNumberOfValues())]
    assert "Segmentation category and type - DICOM master list" in names
    written = "~".join(
        [names[0], "SCT^85756007^Tissue", "SCT^127954009^Skeletal muscle", "^^", "", "^^", "^^"]
    )
    assert logic.DeserializeTerminologyEntry(written, entry)
    assert entry.GetTypeObject().GetCodeMeaning() == "Skeletal muscle"


def test_the_three_slice_views_lie_as_in_slicer(slicer_scene):
    nodes = slicer_scene.util.getNodesByClass("vtkMRMLSliceNode")
    assert {node.GetLayoutName(): node.GetOrientation() for node in nodes} == {
        "Red": "Axial",
        "Yellow": "Sagittal",
        "Green": "Coronal",
    }


def test_an_error_of_mrml_is_heard():
    host = MrmlHost()
    try:
        assert host.errors.messages == []
        host.scene.GetNodeByID("none")
        host.scene.AddNode(None)
        assert any("vtkMRMLScene" in message for message in host.errors.messages)
    finally:
        host.close()


def test_a_later_host_is_gone_with_its_scene():
    import slicer

    first = MrmlHost()
    first.close()
    second = MrmlHost()
    assert slicer.mrmlScene is second.scene
    assert slicer.modules.volumes.logic().GetMRMLScene() is second.scene
    second.close()
    assert not hasattr(slicer, "mrmlScene")
    assert not hasattr(slicer, "modules")
