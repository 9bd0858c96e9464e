"""What users of other extensions suffer from: one test for each, by its number in the design's list."""

import os
import signal

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.slicer_bridge import dependencies
from SarcopeniaAssessLib.slicer_bridge.logic import AssessLogic
from SarcopeniaAssessLib.worker_client import LocalWorker, WarmWorker
from Testing.library import small_case
from Testing.library.small_case import MUSCLE_CM2
from Testing.slicer import mrml_cases
from Testing.slicer.panel_clicks import Clicks
from Testing.worker_machine import family, gone, python_with

LEVEL_MM = -403.5
NO_NETWORK = """
import socket

def refuse(*_):
    raise OSError("this hospital has no network")

socket.socket.connect = socket.getaddrinfo = refuse
"""


@pytest.fixture
def panel(qt_host, model):
    """Make the panel with a worker, a man's CT chosen at its slice 3."""

    def make(worker):
        clicks = Clicks(qt_host, worker)
        clicks.use_model(model)
        clicks.choose(mrml_cases.add_volume())
        clicks.sex("Male")
        clicks.go_to(LEVEL_MM)
        return clicks

    return make


def test_pain_1_the_window_goes_on_and_cancel_ends_every_process(panel, tmp_path):
    """A torch that never finishes loading: events are handled all the while, and Cancel leaves nothing."""
    python = python_with(tmp_path, {"torch/__init__.py": "import time\ntime.sleep(600)\n"})
    with WarmWorker(python) as worker:
        clicks = panel(worker)
        before = mrml_cases.nodes_in_scene()
        clicks.click_assess()
        clicks.host.wait_until(lambda: worker.pid is not None)
        pid = worker.pid
        assert family(pid)
        clicks.go_to(LEVEL_MM + 6.0)
        assert clicks.ui.levelInfoLabel.text.startswith("Slice 4 ")
        assert clicks.ui.cancelButton.enabled
        clicks.ui.cancelButton.click()
        assert gone(pid)
        assert mrml_cases.nodes_in_scene() == before
        assert clicks.ui.assessButton.enabled


@pytest.mark.parametrize(
    ("torch", "word"),
    [
        (f"import os\nos.kill(os.getpid(), {int(signal.SIGKILL)})", "memory"),  # the kernel, short of it
        ("raise MemoryError", "memory"),
        ("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')", "torch"),
        ("raise ImportError('DLL load failed while importing _C')", "torch"),
    ],
    ids=["killed", "out of memory", "without torch", "broken torch"],
)
def test_pain_2_an_exit_status_becomes_a_sentence_with_a_remedy(panel, tmp_path, torch, word):
    with WarmWorker(python_with(tmp_path, {"torch/__init__.py": torch + "\n"})) as worker:
        clicks = panel(worker)
        before = mrml_cases.nodes_in_scene()
        clicks.click_assess()
        clicks.wait()
        told = clicks.ui.messageLabel.text
        assert word in told.lower()
        assert not any(each in told for each in ("Traceback", "exit status", "-9", "Error", "\n"))
        assert clicks.ui.offerButton.text
        assert clicks.ui.assessButton.enabled
        assert mrml_cases.nodes_in_scene() == before
        pid = worker.pid
    assert pid is None or gone(pid)


def test_pain_3_nothing_is_installed_before_this_computer_was_examined_and_somebody_asked(panel, monkeypatch):
    wanted = dependencies.Lacking((dependencies.Requirement("nibabel", "99.0"),), None)
    asked, installed = [], []
    monkeypatch.setattr(dependencies, "lacking", lambda *_: wanted)
    monkeypatch.setattr(dependencies, "install", lambda *arguments: installed.append(arguments))
    clicks = panel(LocalWorker())
    clicks.widget.panel.dialogs.confirm = lambda question, _title: asked.append(question)
    clicks.ui.assessButton.click()
    assert len(asked) == 1
    assert "nibabel" in asked[0]
    assert installed == []
    assert clicks.ui.assessButton.enabled


def test_pain_4_the_bundled_model_needs_no_network(panel, tmp_path):
    with WarmWorker(python_with(tmp_path, {"sitecustomize.py": NO_NETWORK})) as worker:
        clicks = panel(worker)
        clicks.ui.modelComboBox.setCurrentIndex(0)
        clicks.assess()
        assert clicks.sma_cm2, clicks.ui.messageLabel.text


def test_pain_5_the_area_follows_the_spacing(panel):
    """The same voxels, twice as wide: the muscle's area, not its surface, and not its count of pixels."""
    clicks = panel(LocalWorker())
    clicks.assess()
    assert clicks.sma_cm2 == MUSCLE_CM2
    wide = small_case.affine() @ np.diag([2.0, 1.0, 1.0, 1.0])
    clicks.choose(mrml_cases.add_volume(ras=wide, name="Wide"))
    clicks.go_to(LEVEL_MM)
    clicks.assess()
    assert clicks.sma_cm2 == pytest.approx(2 * MUSCLE_CM2)


def test_pain_6_painting_leaves_other_segments_alone_and_the_prediction_can_be_undone(panel):
    clicks = panel(LocalWorker())
    clicks.assess()
    node, volume = clicks.widget.panel.result, clicks.ui.ctSelector.currentNode()
    other = node.GetSegmentation().AddEmptySegment("bone", "Bone")
    muscle = next(each for each in node.GetSegmentation().GetSegmentIDs() if each != other)
    drawn = mrml_cases.voxels(node, muscle, volume).copy()
    editor = clicks.ui.segmentEditor
    editor.setCurrentSegmentID(other)
    clicks.use("Paint", (-60.0, -75.0, LEVEL_MM), 6.0)
    assert mrml_cases.voxels(node, other, volume).sum() > 0
    assert np.array_equal(mrml_cases.voxels(node, muscle, volume), drawn)
    assert clicks.sma_cm2 == MUSCLE_CM2
    clicks.undo()
    clicks.undo()
    clicks.undo()
    assert not clicks.sma_cm2
    assert editor.activeEffect().name == "Paint"


def test_pain_7_the_logic_opens_no_dialog(qt_host, monkeypatch):
    import qt
    import slicer

    from Testing.slicer.host import ctk_widgets

    opened = []
    for name in ("messageBox", "errorDisplay", "warningDisplay", "infoDisplay", "confirmOkCancelDisplay"):
        monkeypatch.setattr(slicer.util, name, lambda *_words, name=name, **_more: opened.append(name))
    monkeypatch.setattr(ctk_widgets.ctkMessageBox, "exec", lambda _self: opened.append("box"))
    logic, volume = AssessLogic(), mrml_cases.add_volume()
    with pytest.raises(SarcopeniaError):
        logic.assess(volume, l3="s:9999")
    with pytest.raises(SarcopeniaError):
        logic.assess(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"), l3="slice:0")
    assert opened == []
    assert not [each for each in qt.QApplication.topLevelWidgets() if each.isVisible()]
    assert os.environ["QT_QPA_PLATFORM"] == "offscreen"
