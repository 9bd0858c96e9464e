"""Fixtures of the module's tests: Slicer's real libraries, a fresh scene for each test."""

import pytest

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
