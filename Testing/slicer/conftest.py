"""Fixtures of the module's tests: Slicer's real libraries, a fresh scene for each test."""

import os

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from Testing.slicer.host.application import SlicerHost
from Testing.slicer.host.failures import FAILURES
from Testing.slicer.host.mrml import MrmlHost


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
