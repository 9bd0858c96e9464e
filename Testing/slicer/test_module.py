"""The module's own test and its reload, as "Reload and Test" in Slicer runs them."""

import sys

import pytest

from Testing.slicer.panel_clicks import MODULE


@pytest.fixture
def module(qt_host):
    qt_host.load(MODULE)
    return qt_host


def test_the_modules_own_test_passes(module):
    sys.modules["SarcopeniaAssess"].SarcopeniaAssessTest().runTest()


def test_it_passes_after_a_reload(module):
    import slicer

    before = sys.modules["SarcopeniaAssess"]
    reloaded = slicer.util.reloadScriptedModule("SarcopeniaAssess")
    assert reloaded is not before
    assert slicer.modules.SarcopeniaAssessWidget.logic is not None
    reloaded.SarcopeniaAssessTest().runTest()


def test_what_the_menu_shows(module):
    import slicer

    shown = slicer.modules.sarcopeniaassess
    assert shown.title == "Sarcopenia Assess"
    assert "Segmentation" in shown.categories
    assert "Research use only" in shown.helpText
    assert set(shown.dependencies) <= {"Segmentations", "Volumes"}


def test_nothing_is_left_in_an_empty_scene_when_the_module_is_left(module):
    import slicer

    widget = module.widget("SarcopeniaAssess")
    widget.enter()
    widget.exit()
    for kind in ("Segmentation", "ScalarVolume", "Text"):
        assert slicer.mrmlScene.GetNumberOfNodesByClass(f"vtkMRML{kind}Node") == 0
