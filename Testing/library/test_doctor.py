"""The doctor finds what is missing, and its report may be sent to anyone."""

import getpass
import json
import socket
from pathlib import Path

import pytest

from SarcopeniaAssessLib import doctor, models
from Testing.library.small_case import write_model


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A shipped registry with one model, as a wheel has it."""
    write_model(tmp_path / "everything.safetensors")
    entry = models.load_model(tmp_path / "everything.safetensors").entry
    listed = {"default": entry.name, "models": [{**entry.to_mapping(), "file": "everything.safetensors"}]}
    (tmp_path / "Models.json").write_text(json.dumps(listed))
    monkeypatch.setattr(models, "resource_path", lambda name: tmp_path / name)
    monkeypatch.setenv("SARCOPENIA_MODELS", str(tmp_path / "own"))
    return tmp_path


def found():
    return {check.name: check for check in doctor.examine()}


def test_a_sound_computer(registry):
    checks = found()
    assert all(check.ok is not False for check in checks.values()), [str(c) for c in checks.values()]
    assert "agree with their checksum, the default" in checks["model everything"].found
    for name in (*doctor.NEEDED, "Criteria.json", "torch device", "temporary files"):
        assert checks[name].ok


def test_weights_that_were_altered(registry):
    path = registry / "everything.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    check = found()["model everything"]
    assert check.ok is False
    assert "sha256" in check.found


def test_no_default_model(registry):
    (registry / "Models.json").write_text('{"default": null, "models": []}')
    assert found()["models"].ok is False


def test_a_package_that_is_missing(registry, monkeypatch):
    real = doctor._version
    monkeypatch.setattr(
        doctor, "_version", lambda name: None if name in ("nibabel", "pydicom") else real(name)
    )
    checks = found()
    assert checks["nibabel"].ok is False
    assert checks["pydicom"].ok is None  # only DICOM needs it
    assert "pip install" in checks["pydicom"].found


def test_resources_that_are_missing(registry, monkeypatch):
    monkeypatch.setattr(doctor, "resource_path", lambda name: registry / "nowhere" / name)
    assert found()["Criteria.json"].ok is False


def test_no_place_for_temporary_files(registry, monkeypatch):
    def refuse():
        raise PermissionError

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    assert found()["temporary files"].ok is False


def test_the_report_names_no_person_no_computer_and_no_path(registry):
    report = "\n".join(map(str, doctor.examine()))
    for identity in (str(Path.home()), str(registry), socket.gethostname()):
        assert identity not in report
    assert getpass.getuser() not in report.replace("groot", "").split()
