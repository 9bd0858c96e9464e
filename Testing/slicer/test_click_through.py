"""A person at the panel, from a loaded CT to an accepted and saved result, and all that can come between.

The CT of `small_case`: 136.0 cm² on its slice 3, a pixel is 0.2 cm², a man's cut-off 144, so sarcopenic.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import assess
from Testing.library import small_case
from Testing.library.small_case import MUSCLE_CM2, PIXEL_CM2
from Testing.slicer import mrml_cases
from Testing.slicer.mrml_cases import nodes_in_scene
from Testing.slicer.panel_clicks import ROOT, Clicks, warm_worker
from Testing.slicer.test_sources import dicom_folder
from Testing.worker_machine import gone

DATA = Path(os.environ.get("SARCOPENIA_TEST_DATA", ROOT.parent / "shared" / "data")) / "abdomen"
LEVEL_MM = -403.5
IN_MUSCLE = (-60.0, -75.0, LEVEL_MM)
IN_FAT = (-100.0, 5.0, LEVEL_MM)


@pytest.fixture(scope="module")
def worker():
    with warm_worker() as made:
        yield made


@pytest.fixture
def clicks(qt_host, worker, model):
    made = Clicks(qt_host, worker)
    made.use_model(model)
    return made


@pytest.fixture
def assessed(clicks):
    """The CT chosen, a man, assessed at its slice 3."""
    clicks.choose(mrml_cases.add_volume())
    clicks.sex("Male")
    clicks.go_to(LEVEL_MM)
    clicks.assess()
    assert clicks.sma_cm2 == MUSCLE_CM2, clicks.ui.messageLabel.text
    return clicks


def test_an_empty_panel_asks_for_a_ct(clicks):
    ui = clicks.ui
    for name in ("assessButton", "cancelButton", "acceptButton", "rejectButton", "levelSlider"):
        assert not getattr(ui, name).enabled
    assert clicks.sma_cm2 is None


def test_a_ct_is_assessed(assessed):
    assert assessed.ui.statusLabel.text.endswith("sarcopenic")
    assert "not" not in assessed.ui.statusLabel.text
    assert len(assessed.results) == 1
    assert assessed.state == "unreviewed"


def test_edited_undone_accepted_and_edited_again(assessed):
    assert not assessed.ui.acceptButton.enabled  # nobody is named
    assessed.use("Erase", IN_MUSCLE, 2.0)
    assert assessed.sma_cm2 == pytest.approx(MUSCLE_CM2 - PIXEL_CM2)
    assessed.undo()
    assert assessed.sma_cm2 == MUSCLE_CM2
    assessed.review("A. Reader")
    assert assessed.state == "accepted"
    assert "A. Reader" in assessed.ui.reviewLabel.text
    assert not assessed.ui.acceptButton.enabled
    assessed.use("Erase", IN_MUSCLE, 2.0)
    assert assessed.state == "unreviewed"
    assert assessed.ui.reviewLabel.text.startswith("Not reviewed")
    assert assessed.ui.acceptButton.enabled
    record = assessed.widget.logic.record(assessed.widget.panel.result)
    assert record["mask"]["source"] == "edited"
    assert record["mask"]["pixels_changed"] == 1
    assert record["model_opinion"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)


def test_undo_goes_back_to_before_the_prediction(assessed):
    assessed.ui.reviewerLineEdit.text = "A. Reader"
    assessed.undo()
    assert not assessed.sma_cm2
    assessed.host.wait_until(lambda: not assessed.ui.acceptButton.enabled)  # nothing is marked
    assessed.ui.segmentEditor.redo()
    assessed.settle()
    assert assessed.sma_cm2 == MUSCLE_CM2


def test_painting_keeps_to_muscle_until_it_is_told_otherwise(assessed):
    assessed.use("Paint", IN_FAT, 2.0)
    assert assessed.sma_cm2 == MUSCLE_CM2
    assessed.ui.muscleOnlyCheckBox.checked = False
    assessed.use("Paint", IN_FAT, 2.0)
    assert assessed.sma_cm2 == pytest.approx(MUSCLE_CM2 + PIXEL_CM2)


def test_looking_elsewhere_changes_nothing(assessed):
    assessed.review("A. Reader")
    assessed.go_to(LEVEL_MM + 12.0)
    assert assessed.sma_cm2 == MUSCLE_CM2
    assert assessed.state == "accepted"
    assert assessed.ui.goToResultButton.enabled
    assessed.ui.goToResultButton.click()
    assert assessed.ui.levelSlider.value == LEVEL_MM


def test_the_slider_moves_the_axial_view_and_is_moved_by_it(assessed):
    import slicer

    view = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    assessed.go_to(LEVEL_MM - 6.0)
    assert view.GetSliceOffset() == pytest.approx(LEVEL_MM - 6.0)
    view.SetSliceOffset(LEVEL_MM + 6.0)
    assessed.settle()
    assert assessed.ui.levelSlider.value == pytest.approx(LEVEL_MM + 6.0)


def test_assessed_again_an_unedited_result_is_replaced_an_edited_one_kept(assessed):
    first = assessed.results
    assessed.assess()
    assert assessed.results == first
    assessed.use("Erase", IN_MUSCLE, 2.0)
    assessed.assess()
    assert len(assessed.results) == 2
    assert assessed.sma_cm2 == MUSCLE_CM2
    kept = next(node for node in assessed.results if node is not assessed.widget.panel.result)
    assert assessed.widget.logic.measure(kept)["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2 - PIXEL_CM2)


def test_cancelled_in_mid_run_and_assessed_again(clicks, worker):
    clicks.choose(mrml_cases.add_volume())
    clicks.sex("Male")
    clicks.go_to(LEVEL_MM)
    before = nodes_in_scene()
    clicks.click_assess()
    pid = worker.pid
    clicks.ui.cancelButton.click()
    assert pid is None or gone(pid)
    assert nodes_in_scene() == before
    assert clicks.sma_cm2 is None
    clicks.assess()
    assert clicks.sma_cm2 == MUSCLE_CM2
    warm = worker.pid
    clicks.assess()
    assert worker.pid == warm


def test_a_killed_worker_is_one_sentence_and_the_panel_goes_on(assessed, worker):
    import signal

    before, pid = nodes_in_scene(), worker.pid
    assessed.click_assess()
    os.kill(worker.pid or pid, signal.SIGKILL)
    assessed.wait()
    assert assessed.ui.messageLabel.text.count("\n") == 0
    assert assessed.ui.messageLabel.text
    assert gone(pid)
    assert nodes_in_scene() == before
    assessed.assess()
    assert assessed.sma_cm2 == MUSCLE_CM2


def test_saved_cleared_and_loaded_all_is_there(assessed, tmp_path):
    import slicer

    assessed.use("Erase", IN_MUSCLE, 2.0)
    assessed.review("A. Reader")
    before = assessed.widget.logic.record(assessed.widget.panel.result)
    path = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    slicer.mrmlScene.Clear(False)
    assessed.settle()
    assert assessed.sma_cm2 is None
    assert assessed.ui.ctSelector.currentNode() is None
    assert slicer.mrmlScene.ReadFromMRB(path)
    assessed.settle()
    assert assessed.ui.ctSelector.currentNode().GetName() == "CT"
    assert assessed.sma_cm2 == pytest.approx(MUSCLE_CM2 - PIXEL_CM2)
    assert assessed.ui.levelSlider.value == pytest.approx(LEVEL_MM)
    assert assessed.ui.reviewerLineEdit.text == "A. Reader"
    after = assessed.widget.logic.record(assessed.widget.panel.result)
    assert after == before
    assert after["review"]["state"] == "accepted"


def test_a_saved_scene_whose_ct_is_missing_is_opened(assessed, tmp_path):
    import slicer

    path = str(tmp_path / "scene.mrb")
    slicer.mrmlScene.RemoveNode(assessed.ui.ctSelector.currentNode())
    assessed.settle()
    assert slicer.mrmlScene.WriteToMRB(path)
    slicer.mrmlScene.Clear(False)
    assert slicer.mrmlScene.ReadFromMRB(path)
    assessed.settle()
    assert assessed.sma_cm2 is None
    assert not assessed.ui.acceptButton.enabled
    assessed.choose(mrml_cases.add_volume())
    assessed.go_to(LEVEL_MM)
    assessed.assess()
    assert assessed.sma_cm2 == MUSCLE_CM2


def test_a_volume_without_voxels_is_chosen(clicks):
    import slicer

    clicks.choose(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing yet"))
    assert not clicks.ui.assessButton.enabled
    assert clicks.sma_cm2 is None


def test_a_scene_closed_while_the_worker_runs(assessed, worker, model):
    import slicer

    pid = worker.pid
    assessed.click_assess()
    slicer.mrmlScene.Clear(False)
    assessed.settle()
    assert not assessed.ui.cancelButton.enabled
    assert gone(pid)
    for kind in ("Segmentation", "ScalarVolume", "Text"):
        assert slicer.mrmlScene.GetNumberOfNodesByClass(f"vtkMRML{kind}Node") == 0, kind
    assessed.use_model(model)  # the choice was the scene's
    assessed.choose(mrml_cases.add_volume())
    assessed.sex("Male")
    assessed.go_to(LEVEL_MM)
    assessed.assess()
    assert assessed.sma_cm2 == MUSCLE_CM2


def test_what_was_entered_for_one_patient_is_not_the_others_in_a_saved_scene(assessed, tmp_path):
    import slicer

    assessed.ui.ageSpinBox.value = 71.0
    assessed.choose(mrml_cases.add_volume(name="Second"))
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    assessed.settle()
    assert assessed.ui.ctSelector.currentNode().GetName() == "Second"
    assert assessed.ui.sexComboBox.currentText == "Unknown"
    assert assessed.ui.ageSpinBox.value == 0.0
    assessed.choose(slicer.util.getNode("CT"))
    assert assessed.ui.sexComboBox.currentText == "Male"
    assert assessed.ui.ageSpinBox.value == 71.0


def test_two_cts_in_one_scene(assessed):
    first, sma = assessed.ui.ctSelector.currentNode(), assessed.sma_cm2
    assessed.review("A. Reader")
    hu = small_case.ct()
    hu[60:70, 30:41][hu[60:70, 30:41] == 50] = -100  # the second block is fat: 110 pixels less
    second = mrml_cases.add_volume(hu, name="Second")
    assessed.choose(second)
    assert assessed.sma_cm2 is None
    assessed.go_to(LEVEL_MM)
    assessed.assess()
    assert assessed.sma_cm2 == pytest.approx(MUSCLE_CM2 - 110 * PIXEL_CM2)
    assessed.choose(first)
    assert assessed.sma_cm2 == sma
    assert assessed.state == "accepted"
    assert len(assessed.results) == 2


def test_another_patients_voxels_in_the_ct_are_not_shown_as_accepted(assessed):
    import slicer

    volume = assessed.ui.ctSelector.currentNode()
    own = slicer.util.arrayFromVolume(volume).copy()
    assessed.review("A. Reader")
    slicer.util.updateVolumeFromArray(volume, np.ascontiguousarray(own[:, ::-1]))
    assessed.settle()
    assert assessed.sma_cm2 is None
    assert "A. Reader" not in assessed.ui.reviewLabel.text
    for name in ("acceptButton", "rejectButton", "exportRecordButton", "exportReportButton"):
        assert not getattr(assessed.ui, name).enabled, name
    assert assessed.ui.assessButton.enabled
    slicer.util.updateVolumeFromArray(volume, own)
    assessed.settle()
    assert assessed.sma_cm2 == MUSCLE_CM2
    assert "A. Reader" in assessed.ui.reviewLabel.text


@pytest.mark.parametrize("storage", sorted(mrml_cases.STORAGES))
def test_an_oblique_ct_in_every_storage(clicks, storage):
    """Turned by 20° in its plane and 7° out of it: no area changes."""
    turned = mrml_cases.OBLIQUE @ small_case.affine()
    clicks.choose(mrml_cases.add_volume(ras=turned, storage=storage))
    middle = turned @ [(small_case.SHAPE[0] - 1) / 2, (small_case.SHAPE[1] - 1) / 2, small_case.LEVEL, 1]
    clicks.go_to(float(middle[2]))
    clicks.assess()
    assert clicks.sma_cm2 == MUSCLE_CM2, clicks.ui.messageLabel.text
    in_muscle = turned @ [30, 15, small_case.LEVEL, 1]
    clicks.use("Erase", tuple(in_muscle[:3]), 1.9)
    assert clicks.sma_cm2 == pytest.approx(MUSCLE_CM2 - PIXEL_CM2)


def test_a_ct_from_dicom_brings_its_patient(clicks, tmp_path):
    clicks.choose(mrml_cases.load_dicom(dicom_folder(tmp_path / "series")))
    clicks.go_to(LEVEL_MM)
    clicks.assess()
    assert clicks.sma_cm2 == MUSCLE_CM2, clicks.ui.messageLabel.text
    assert clicks.ui.sexComboBox.currentText == "Female"
    assert (clicks.ui.ageSpinBox.value, clicks.ui.heightSpinBox.value) == (61.0, 162.0)
    patient = clicks.widget.logic.record(clicks.widget.panel.result)["patient"]
    assert (patient["sex"], patient["sex_source"]) == ("female", "dicom")
    clicks.sex("Male")
    clicks.settle()
    assert clicks.ui.statusLabel.text.endswith(": sarcopenic")
    patient = clicks.widget.logic.record(clicks.widget.panel.result)["patient"]
    assert (patient["sex"], patient["sex_source"]) == ("male", "given")


def test_the_module_is_reloaded(assessed):
    import slicer

    before = assessed.widget
    slicer.util.reloadScriptedModule("SarcopeniaAssess")
    assessed.take(assessed.host.widget("SarcopeniaAssess"))
    assert assessed.widget is not before
    assessed.settle()
    assert assessed.sma_cm2 == MUSCLE_CM2
    assessed.use("Erase", IN_MUSCLE, 2.0)
    assert assessed.sma_cm2 == pytest.approx(MUSCLE_CM2 - PIXEL_CM2)
    assert before.panel is None


def test_every_control_says_what_it_is_for(clicks):
    """Tooltips on all that can be pressed or filled in; no two keys with Alt lead to different places."""
    import qt

    keys = []
    for name, widget in vars(clicks.ui).items():
        if name.endswith(("Button", "ComboBox", "SpinBox", "LineEdit", "CheckBox", "Slider", "Selector")):
            assert widget.toolTip, name
        text = getattr(widget, "text", "")
        if isinstance(text, str) and not name.endswith("LineEdit"):
            keys += [qt.QKeySequence.mnemonic(text).toString()] if "&" in text else []
    assert sorted(set(keys)) == sorted(keys)
    assert len(keys) > 10


def test_the_record_is_that_of_the_command(clicks):
    """The phantom that comes with the library, by the bundled model, from the same file."""
    path = ROOT / "SarcopeniaAssess" / "Resources" / "demo" / "ct.nii.gz"
    clicks.ui.modelComboBox.setCurrentIndex(0)
    volume = mrml_cases.load_volume(path)
    clicks.choose(volume)
    clicks.sex("Male")
    expected = assess(path, sex="male", l3="slice:12").record
    clicks.go_to(expected["l3"]["superior_mm"])
    clicks.assess()
    record = clicks.widget.logic.record(clicks.widget.panel.result)
    apart = ("id", "timing_s", "l3", "assessed_at")
    assert {key: value for key, value in record.items() if key not in apart} == {
        key: value for key, value in expected.items() if key not in apart
    }
    assert {**record["l3"], "method": "slice"} == expected["l3"]


@pytest.mark.skipif(not DATA.is_dir(), reason="the real CT is not part of the repository")
def test_a_real_ct(clicks):
    clicks.ui.modelComboBox.setCurrentIndex(0)
    clicks.choose(mrml_cases.load_volume(DATA / "ct.nii.gz"))
    clicks.sex("Female")
    clicks.assess()
    assert clicks.sma_cm2 is not None, clicks.ui.messageLabel.text
    first = clicks.sma_cm2
    clicks.assess()
    assert clicks.sma_cm2 == first
    assert np.isfinite(clicks.widget.logic.measure(clicks.widget.panel.result)["muscle"]["mean_hu"])
