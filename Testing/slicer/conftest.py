"""Fixtures of the module's tests: Slicer's real libraries, a fresh scene for each test."""

import os

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from SarcopeniaAssessLib.slicer_bridge.logic import AssessLogic
from SarcopeniaAssessLib.worker_client import LocalWorker
from Testing.library import small_case
from Testing.slicer import mrml_cases
from Testing.slicer.host.application import SlicerHost
from Testing.slicer.host.failures import FAILURES
from Testing.slicer.host.mrml import MrmlHost
from Testing.slicer.panel_clicks import LEVEL_MM, Answers, Clicks, Person


@pytest.fixture
def mrml_host():
    """The scene with its logics; an error of VTK or MRML that a test has not taken fails it."""
    host = MrmlHost()
    yield host
    errors = list(host.errors.messages)
    host.close()
    assert not errors, "\n".join(errors)


@pytest.fixture
def slicer_scene(mrml_host):
    """The `slicer` package with `slicer.mrmlScene` and `slicer.modules` in place."""
    import slicer

    return slicer


@pytest.fixture
def qt_host():
    """The scene with Qt and the application; what Slicer would only print fails the test."""
    host = SlicerHost()
    yield host
    host.close()
    errors = host.errors.messages + FAILURES.messages
    FAILURES.messages = []
    assert not errors, "\n".join(errors)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A file of a model that takes all that has muscle's values: exactly the muscle of `small_case`."""
    return small_case.write_model(tmp_path_factory.mktemp("model") / "everything.safetensors")


@pytest.fixture
def logic():
    """The module without its window."""
    return AssessLogic()


@pytest.fixture
def clicks(qt_host):
    """The panel, a worker that answers as it is told, and a person for its dialogs."""
    made = Clicks(qt_host, Answers())
    made.widget.panel.dialogs = made.person = Person()
    return made


@pytest.fixture
def chosen(clicks):
    """The CT of `small_case` chosen, the slider on its slice 3."""
    clicks.choose(mrml_cases.add_volume())
    clicks.go_to(LEVEL_MM)
    return clicks


@pytest.fixture
def assessed(chosen, model):
    """Assessed inside this process, a man."""
    chosen.widget.panel.run.worker = LocalWorker()
    chosen.person.path = model
    chosen.ui.modelFileButton.click()
    chosen.sex("Male")
    chosen.assess()
    assert chosen.sma_cm2 == small_case.MUSCLE_CM2, chosen.ui.messageLabel.text
    return chosen
