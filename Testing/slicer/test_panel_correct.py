"""The section Correct: which tools there are, how they begin, and what the switch *Only muscle* limits."""

import pytest
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from Testing.library.small_case import MUSCLE_CM2
from Testing.slicer.host.segment_editor_effects import DEFAULTS
from Testing.slicer.panel_clicks import LEVEL_MM


@pytest.mark.parametrize("tool", ["Erase", "Scissors", "Islands"])
def test_what_takes_away_is_not_kept_to_muscle(assessed, tool):
    editor = assessed.ui.segmentEditor
    node = editor.mrmlSegmentEditorNode()
    for adding in ("Paint", "Draw"):
        editor.setActiveEffectByName(adding)
        assert node.GetSourceVolumeIntensityMask()
        assert tuple(node.GetSourceVolumeIntensityMaskRange()) == (-29.0, 150.0)
        editor.setActiveEffectByName(tool)
        assert not node.GetSourceVolumeIntensityMask()
    assert assessed.ui.muscleOnlyCheckBox.checked
    assert node.GetOverwriteMode() == slicer.vtkMRMLSegmentEditorNode.OverwriteNone


def test_a_speck_of_fat_is_taken_away_whole(assessed):
    """As SegmentEditorIslandsEffect does it by the editor's own logic: the segment is set to what is kept."""
    editor, node, volume = (
        assessed.ui.segmentEditor,
        assessed.widget.panel.result,
        assessed.widget.panel.volume,
    )
    segment = node.GetSegmentation().GetNthSegmentID(0)
    kept = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, volume).copy()
    assessed.ui.muscleOnlyCheckBox.checked = False
    assessed.use("Paint", (-100.0, 5.0, LEVEL_MM), 2.0)
    assert assessed.sma_cm2 > MUSCLE_CM2
    assessed.ui.muscleOnlyCheckBox.checked = True
    editor.setActiveEffectByName("Islands")
    brush = editor.activeEffect().defaultModifierLabelmap()
    vtk_to_numpy(brush.GetPointData().GetScalars())[:] = kept.ravel()
    editor.activeEffect().modifySelectedSegmentByLabelmap(
        brush, slicer.vtkSlicerSegmentEditorLogic.ModificationModeSet
    )
    assessed.settle()
    assert assessed.sma_cm2 == MUSCLE_CM2


def test_tools_begin_with_what_suits_many_muscles_on_one_slice(assessed):
    node = assessed.ui.segmentEditor.mrmlSegmentEditorNode()
    islands = assessed.ui.segmentEditor.effectByName("Islands")
    assert islands.parameter("Operation") == "REMOVE_SMALL_ISLANDS"
    assert islands.integerParameter("MinimumSize") == 12
    assert node.GetAttribute("BrushSphere") == "0"
    node.SetAttribute("Islands.MinimumSize", "50")
    assessed.widget.exit()
    assessed.widget.enter()
    assert islands.integerParameter("MinimumSize") == 50
    shown = [
        assessed.ui.segmentEditor.effectByIndex(n) for n in range(assessed.ui.segmentEditor.effectCount())
    ]
    assert "Smoothing" not in [effect.name for effect in shown if effect is not None]


def test_tools_begin_so_in_the_next_scene_too_whatever_slicers_own_choices_are(clicks, monkeypatch):
    monkeypatch.setitem(DEFAULTS, "BrushSphere", "1")
    slicer.mrmlScene.Clear(False)
    clicks.settle()
    node = clicks.ui.segmentEditor.mrmlSegmentEditorNode()
    islands = clicks.ui.segmentEditor.effectByName("Islands")
    assert islands.parameter("Operation") == "REMOVE_SMALL_ISLANDS"
    assert islands.integerParameter("MinimumSize") == 12
    assert node.GetAttribute("BrushSphere") == "0"
    assert node.GetOverwriteMode() == slicer.vtkMRMLSegmentEditorNode.OverwriteNone


def test_the_editors_own_key_for_masking_is_followed_by_the_switch(assessed):
    editor, switch = assessed.ui.segmentEditor, assessed.ui.muscleOnlyCheckBox
    editor.setActiveEffectByName("Paint")
    editor.toggleSourceVolumeIntensityMaskEnabled()
    assert not switch.checked
    editor.setActiveEffectByName("Erase")
    editor.setActiveEffectByName("Draw")
    assert not editor.mrmlSegmentEditorNode().GetSourceVolumeIntensityMask()
    editor.toggleSourceVolumeIntensityMaskEnabled()
    assert switch.checked


def test_leaving_the_module_puts_the_tool_down(assessed):
    assessed.ui.segmentEditor.setActiveEffectByName("Paint")
    assessed.widget.exit()
    assert assessed.ui.segmentEditor.activeEffect() is None
