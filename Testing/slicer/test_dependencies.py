"""What is lacking, and its installation: pip is a process of its own, as in Slicer, and never goes online."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import slicer

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.errors import WorkerError
from SarcopeniaAssessLib.slicer_bridge import dependencies
from SarcopeniaAssessLib.slicer_bridge.dependencies import (
    Lacking,
    Requirement,
    install,
    lacking,
    requirements,
)

ROOT = Path(__file__).parents[2]
SLICERS_OWN = {"numpy", "SimpleITK"}
BY_THE_EXTENSION_PYTORCH = {"torch"}
OF_THE_COMMAND = {"click", "rich"}

FAKE_PIP = """
import os, pathlib, re, sys
pathlib.Path(os.environ["PIP_SAW"]).write_text("\\n".join(sys.argv[1:]))
if words := os.environ.get("PIP_FAILS"):
    sys.stderr.write(words)
    sys.exit(1)
for each in sys.argv[1:]:
    if match := re.fullmatch(r"([\\w-]+)>=([\\d.]+)", each):
        folder = pathlib.Path(os.environ["PIP_SITE"]) / f"{match[1].replace('-', '_')}-{match[2]}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {match[1]}\\nVersion: {match[2]}\\n")
"""
"""What `python -m pip` is in these tests: it notes its arguments and leaves the packages' metadata."""


class Pip:
    """The process's ends: what it was asked, and how it is to fail."""

    def __init__(self, folder, monkeypatch):
        self.site, self.saw = folder / "site", folder / "saw.txt"
        self.site.mkdir()
        program = folder / "python"
        (program / "pip").mkdir(parents=True)
        (program / "pip" / "__init__.py").touch()
        (program / "pip" / "__main__.py").write_text(FAKE_PIP)
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(program),
            "PIP_SITE": str(self.site),
            "PIP_SAW": str(self.saw),
        }
        monkeypatch.syspath_prepend(str(self.site))

    def install(self, arguments):
        """As `slicer.util.pip_install`: a process, CalledProcessError if it fails."""
        words = arguments.split() if isinstance(arguments, str) else list(arguments)
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, done.args, output=done.stdout)

    @property
    def asked(self):
        return self.saw.read_text().splitlines() if self.saw.exists() else None


@pytest.fixture
def pip(tmp_path, monkeypatch):
    made = Pip(tmp_path, monkeypatch)
    monkeypatch.setattr(slicer.util, "pip_install", made.install)
    return made


ABSENT = Requirement("sarcopenia-absent-package", "1.2")
TORCH = Requirement("sarcopenia-absent-torch", "2.6")


def test_requirements_are_those_of_the_library_without_what_slicer_brings():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {Requirement.of(line) for line in project["dependencies"]}
    wanted |= {
        Requirement.of(line) for line in project["optional-dependencies"]["dicom"] if "pydicom" in line
    }
    elsewhere = SLICERS_OWN | BY_THE_EXTENSION_PYTORCH | OF_THE_COMMAND
    assert set(requirements()) == {each for each in wanted if each.name not in elsewhere}
    assert str(next(each for each in wanted if each.name == "torch")) == dependencies.TORCH


def test_what_dicom_needs_is_the_rest_of_the_librarys_extra():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dicom"]
    wanted = {Requirement.of(line) for line in extra} - set(requirements())
    assert set(requirements(resource_path("requirements-dicom.txt"))) == wanted
    assert not dependencies.lacking_for_dicom()


def test_torch_is_not_asked_for_where_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(dependencies, "TORCH", str(TORCH))
    assert lacking([]).torch == TORCH
    assert not dependencies.lacking_for_dicom()


def test_every_requirement_is_a_lower_bound(tmp_path):
    pinned = tmp_path / "requirements.txt"
    pinned.write_text("scipy==1.13\n")
    with pytest.raises(ValueError, match="name>=version"):
        requirements(pinned)


@pytest.mark.parametrize(
    ("installed", "is_met"),
    [("1.2", True), ("1.2.0", True), ("1.10", True), ("2.0+cu128", True), ("1.1.9", False), (None, False)],
)
def test_versions_are_compared_as_numbers(tmp_path, monkeypatch, installed, is_met):
    if installed is not None:
        folder = tmp_path / f"sarcopenia_absent_package-{installed}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {ABSENT.name}\nVersion: {installed}\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
    assert ABSENT.is_met is is_met


def test_here_nothing_is_lacking():
    assert not lacking()


def test_what_is_lacking_is_named_torch_first():
    found = lacking([ABSENT, Requirement("numpy", "1.0")], TORCH)
    assert found == Lacking((ABSENT,), TORCH)
    assert found.names == (TORCH.name, ABSENT.name)


def test_packages_are_installed_by_slicers_pip_with_lower_bounds(pip):
    install(Lacking((ABSENT,)))
    assert pip.asked == ["install", "sarcopenia-absent-package>=1.2"]
    assert ABSENT.is_met


def test_nothing_is_installed_where_nothing_is_lacking(pip):
    install(Lacking())
    assert pip.asked is None


def test_slicers_newer_way_is_taken_where_it_exists(pip, monkeypatch):
    seen = {}

    def pip_ensure(lines, requester=None, prompt_install=True):
        seen.update(requester=requester, prompt_install=prompt_install)
        pip.install(lines)

    packaging = ModuleType("slicer.packaging")
    packaging.pip_ensure = pip_ensure
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setattr(slicer, "packaging", packaging, raising=False)
    install(Lacking((ABSENT,)))
    assert seen == {"requester": "SarcopeniaAssess", "prompt_install": False}, "the panel has asked already"
    assert ABSENT.is_met


def test_torch_comes_from_the_extension_pytorch_and_comes_first(pip, monkeypatch):
    order = []

    def install_torch(**asked):
        order.append((asked, pip.asked))
        pip.install([str(TORCH)])

    extension = ModuleType("PyTorchUtils")
    extension.PyTorchUtilsLogic = lambda: SimpleNamespace(installTorch=install_torch)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    install(Lacking((ABSENT,), TORCH))
    assert order == [({"askConfirmation": False, "torchVersionRequirement": ">=2.6"}, None)]
    assert pip.asked == ["install", str(ABSENT)]


def test_without_the_extension_pytorch_it_says_what_to_do(pip):
    with pytest.raises(WorkerError, match="install PyTorch in the Extensions Manager") as told:
        install(Lacking((ABSENT,), TORCH))
    assert "folder with the packages' wheels" in told.value.remedy
    assert pip.asked is None, "nothing is installed by halves"


def test_a_folder_of_wheels_needs_no_network_and_no_extension(pip, tmp_path):
    wheels = tmp_path / "offline wheels"
    wheels.mkdir()
    with pytest.raises(WorkerError, match="no wheels in that folder"):
        install(Lacking((ABSENT,), TORCH), wheels)
    (wheels / "any-1-py3-none-any.whl").touch()
    install(Lacking((ABSENT,), TORCH), wheels)
    assert pip.asked == ["install", "--no-index", "--find-links", str(wheels), str(TORCH), str(ABSENT)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))",
            "certificate is not trusted",
        ),
        ("Cannot connect to proxy. ProxyError", "cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "full"),
        ("ERROR: something that nobody has seen", "could not be installed"),
    ],
)
def test_what_pip_says_becomes_one_sentence(pip, words, told):
    pip.environment["PIP_FAILS"] = words
    with pytest.raises(WorkerError, match=told) as error:
        install(Lacking((ABSENT,)))
    assert "non-zero exit status" not in f"{error.value.problem} {error.value.remedy}"
    assert words in error.value.details, "the copied details hold what pip said"


def test_a_package_that_is_still_missing_is_told(pip, monkeypatch):
    monkeypatch.setattr(slicer.util, "pip_install", lambda lines: None)
    with pytest.raises(WorkerError, match="sarcopenia-absent-package cannot be found; restart Slicer"):
        install(Lacking((ABSENT,)))
