"""Heights, views and lines: what is looked at is the slice that is named, however the CT lies."""

import zipfile

import numpy as np
import pytest
import slicer

from SarcopeniaAssessLib.slicer_bridge.nodes import ct_of, matrix_of
from SarcopeniaAssessLib.slicer_bridge.slice_views import LevelLine, Levels, axial_view, jump_to, show_volume
from Testing.library import small_case
from Testing.slicer import mrml_cases

COUNT = small_case.SHAPE[2]


@pytest.fixture
def levels(slicer_scene):
    return Levels(ct_of(mrml_cases.add_volume()))


def view_at(rotation, point_mm):
    """SliceToRAS of a view through a point."""
    made = np.eye(4)
    made[:3, :3] = rotation[:3, :3]
    made[:3, 3] = point_mm
    return matrix_of(made)


def test_the_nearest_slice_by_height(levels):
    step = small_case.affine()[2, 2]
    for k in range(COUNT):
        height = small_case.affine()[2, 3] + k * step
        assert levels.superior_mm[k] == pytest.approx(height)
        assert levels.nearest(height + 0.49 * step) == k
    assert levels.nearest(-1e6) == 0
    assert levels.nearest(1e6) == COUNT - 1
    assert levels.spacing_mm == pytest.approx(step)


@pytest.mark.parametrize("storage", sorted(mrml_cases.STORAGES))
def test_a_jump_comes_back_as_the_same_slice(slicer_scene, storage):
    turned = mrml_cases.OBLIQUE @ small_case.affine()
    levels = Levels(ct_of(mrml_cases.add_volume(ras=turned, storage=storage)))
    for k in range(COUNT):
        jump_to(slicer_scene.mrmlScene, levels.centre_mm(k))
        crossed = levels.crossed_by(axial_view(slicer_scene.mrmlScene).GetSliceToRAS())
        assert levels.nearest(crossed) == k
        assert crossed == pytest.approx(levels.superior_mm[k])


def test_a_view_turned_within_its_plane_or_tilted_a_little_still_leads(levels):
    at = levels.centre_mm(2)
    for rotation in (mrml_cases.turned(30.0, 2), mrml_cases.turned(15.0, 0)):
        assert levels.crossed_by(view_at(rotation, at)) == pytest.approx(at[2])


def test_a_view_along_the_slices_leads_nowhere(levels):
    assert levels.crossed_by(view_at(mrml_cases.turned(90.0, 0), levels.centre_mm(2))) is None


def test_the_axial_view_is_found_by_its_orientation_the_red_one_first(slicer_scene):
    scene = slicer_scene.mrmlScene
    red, green = (scene.GetSingletonNode(name, "vtkMRMLSliceNode") for name in ("Red", "Green"))
    assert axial_view(scene) is red
    green.SetOrientation("Axial")
    assert axial_view(scene) is red
    red.SetOrientation("Sagittal")
    assert axial_view(scene) is green
    green.SetOrientation("Coronal")
    assert axial_view(scene) is None
    green.GetSliceToRAS().DeepCopy(view_at(mrml_cases.turned(20.0, 0), (0.0, 0.0, 0.0)))
    green.UpdateMatrices()
    assert green.GetOrientation() == "Reformat"
    assert axial_view(scene) is green, "tilted to the volume's plane"
    green.SetOrientation("Coronal")
    jump_to(scene, (0.0, 0.0, 0.0))


def test_a_line_lies_where_its_slice_lies_and_only_in_the_other_views(levels, slicer_scene):
    scene = slicer_scene.mrmlScene
    line = LevelLine("TestLevel", (1.0, 0.0, 0.0))
    line.show(scene, levels.corners_mm(3))
    line.show(scene, levels.corners_mm(4))
    assert scene.GetNumberOfNodesByClass("vtkMRMLModelNode") == 1
    node = scene.GetSingletonNode("TestLevel", "vtkMRMLModelNode")
    bounds = [0.0] * 6
    node.GetPolyData().GetBounds(bounds)
    affine = small_case.affine()
    height = affine[2, 3] + 4 * affine[2, 2]
    assert bounds[4:] == pytest.approx([height, height])
    across = sorted([affine[0, 3], affine[0, 3] + (small_case.SHAPE[0] - 1) * affine[0, 0]])
    assert bounds[:2] == pytest.approx([across[0] - 15.0, across[1] + 15.0])
    display = node.GetDisplayNode()
    assert display.GetVisibility2D()
    assert not display.GetVisibility3D()
    shown = {display.GetNthViewNodeID(n) for n in range(display.GetNumberOfViewNodeIDs())}
    assert shown == {"vtkMRMLSliceNodeYellow", "vtkMRMLSliceNodeGreen"}
    line.hide(scene)
    assert not display.GetVisibility()
    assert node.GetHideFromEditors()


def test_lines_are_not_saved(levels, slicer_scene, tmp_path):
    LevelLine("TestLevel", (1.0, 0.0, 0.0)).show(slicer_scene.mrmlScene, levels.corners_mm(3))
    path = tmp_path / "scene.mrb"
    assert slicer_scene.mrmlScene.WriteToMRB(str(path))
    with zipfile.ZipFile(path) as bundle:
        (scene_file,) = (name for name in bundle.namelist() if name.endswith(".mrml"))
        assert b"TestLevel" not in bundle.read(scene_file)


def test_hiding_a_line_that_was_never_shown_adds_nothing(slicer_scene):
    before = mrml_cases.nodes_in_scene()
    LevelLine("TestLevel", (1.0, 0.0, 0.0)).hide(slicer_scene.mrmlScene)
    assert mrml_cases.nodes_in_scene() == before


def test_a_chosen_ct_is_shown_in_every_view(slicer_scene):
    scene = slicer_scene.mrmlScene
    first, second = (scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode") for _ in range(2))
    volume = mrml_cases.add_volume()
    show_volume(scene, volume)
    assert {node.GetBackgroundVolumeID() for node in (first, second)} == {volume.GetID()}
    assert slicer.mrmlScene is scene
