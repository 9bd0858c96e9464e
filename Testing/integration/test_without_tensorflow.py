"""TensorFlow belongs to the classifiers: no assessment, no click in Slicer and no worker ever meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from SarcopeniaAssessLib import resource_path
from SarcopeniaTraining.cli import TRAINING_VERBS

ROOT = Path(__file__).parents[2]
FORBIDDEN = ("tensorflow", "keras", "lime")
# Python runs it at the start of every process that inherits PYTHONPATH, workers of a worker included.
WATCH = f"""
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN!r}:
            with open(os.environ["MET_FILE"], "a") as met:
                met.write(name + "\\n")
            raise ModuleNotFoundError("absent on purpose: " + name)

sys.meta_path.insert(0, Watch())
"""


@pytest.fixture
def watched(tmp_path):
    """Runs Python with the watch in it and in all it starts; returns what it met and the finished process."""
    place, met = tmp_path / "watch", tmp_path / "met.txt"
    place.mkdir()
    (place / "sitecustomize.py").write_text(WATCH)
    path = os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, "MET_FILE": str(met)},
            capture_output=True,
            text=True,
            check=False,
        )
        return (met.read_text().split() if met.exists() else []), done

    return run


@pytest.mark.parametrize("package", FORBIDDEN)
def test_the_watch_bites_also_in_a_child(watched, package):
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', 'import {package}.anything'])"
    met, _ = watched("-c", child)
    assert met == [package]


def test_an_assessment(watched, tmp_path):
    ct = resource_path("demo") / "ct.nii.gz"
    out = tmp_path / "results"
    asked = ("assess", str(ct), "--sex", "male", "--l3", "slice:12", "--out", str(out))
    met, done = watched("-m", "SarcopeniaTraining.cli", *asked)
    assert done.returncode == 0, done.stderr
    assert (out / "ct" / "assessment.json").is_file()
    assert met == []


def test_the_help_of_every_verb(watched):
    asked = "; ".join(
        f"main([{verb!r}, '--help'], standalone_mode=False)" for verb in ("assess", *TRAINING_VERBS)
    )
    met, done = watched("-c", f"from SarcopeniaTraining.cli import cli as main; {asked}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage:") == 1 + len(TRAINING_VERBS)
    assert met == []


@pytest.mark.parametrize(
    "clicked",
    [
        "Testing/slicer/test_module.py::test_the_modules_own_test_passes",
        "Testing/slicer/test_click_through.py::test_a_ct_is_assessed",
    ],
)
def test_the_module_and_its_warm_worker(watched, clicked):
    met, done = watched("-m", "pytest", "-v", "-p", "no:cacheprovider", clicked)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert met == []
