"""The wheel is whole: built, installed without its source tree beside it, it finds its data and works."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESOURCES = ROOT / "SarcopeniaAssess" / "Resources"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    pytest.importorskip("hatchling")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Python of a new environment that has the wheel, and sees this environment's other packages."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel],
        check=True,
        capture_output=True,
    )
    site = Path(
        subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    # A plain path: the .pth files there, among them the editable install's, are not followed.
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return python


def run(python, *arguments, cwd):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, *arguments], cwd=cwd, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_resource_is_in_it(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {path.relative_to(RESOURCES).as_posix() for path in RESOURCES.rglob("*") if path.is_file()}
    assert {"Criteria.json", "Models.json", "sarcopenia-assessment-1.schema.json"} <= shipped
    assert {f"SarcopeniaAssessLib/Resources/{name}" for name in shipped} <= names
    presets = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "SarcopeniaTraining").rglob("presets/*/*.json")
    }
    assert "SarcopeniaTraining/presets/finetune/smoke.json" in presets
    assert presets <= names
    assert not [name for name in names if name.startswith(("Testing/", "docs/")) or "__pycache__" in name]


def test_it_finds_its_data_inside_itself(installed, tmp_path):
    said = run(
        installed,
        "-c",
        "import SarcopeniaAssessLib as lib; from SarcopeniaAssessLib.criteria import load_criteria; "
        "from SarcopeniaAssessLib.models import list_models; "
        "print(lib.__file__, len(load_criteria()), len(list_models()), lib.resource_path('').parent.name)",
        cwd=tmp_path,
    )
    place, criteria, _, folder = said.split()
    assert ROOT not in Path(place).parents
    assert int(criteria) >= 15
    assert folder == "SarcopeniaAssessLib"


def test_its_command_assesses_the_sample(installed, tmp_path):
    sample = RESOURCES / "demo" / "ct.nii.gz"
    command = installed.with_name("sarcopenia")
    said = run(
        command,
        "assess",
        sample,
        "--sex",
        "male",
        "--l3",
        "slice:12",
        "--out",
        "results",
        "--case",
        "a",
        cwd=tmp_path,
    )
    assert said.startswith("a  SMA ")
    assert {"assessment.json", "muscle.nii.gz", "overlay.png", "report.pdf"} <= {
        path.name for path in (tmp_path / "results" / "a").iterdir()
    }
