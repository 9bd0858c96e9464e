"""What is listed for installation is all there is, and what is installed loads and runs by itself."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "SarcopeniaAssess"
OWNER = "OWNER"

RUN_INSTALLED = """
import sys
from pathlib import Path
from Testing.slicer.host.application import SlicerHost
from Testing.slicer.host.failures import FAILURES

installed = Path(sys.argv[1])
host = SlicerHost()
widget = host.load(installed / "SarcopeniaAssess.py")
import SarcopeniaAssessLib
assert Path(SarcopeniaAssessLib.__file__).is_relative_to(installed), SarcopeniaAssessLib.__file__
assert widget.ui.assessButton.text
sys.modules["SarcopeniaAssess"].SarcopeniaAssessTest().runTest()
told = FAILURES.messages + host.errors.messages
host.close()
sys.stdout.write("passed" if not told else repr(told))
"""


def listed(name):
    """Files of a list in the module's CMakeLists.txt."""
    text = (MODULE / "CMakeLists.txt").read_text()
    body = re.search(rf"set\({name}\n(.*?)\n\s*\)", text, re.DOTALL)[1]
    return [line.strip().replace("${MODULE_NAME}", "SarcopeniaAssess") for line in body.splitlines()]


def tracked(suffix):
    """Files of the module that git knows, with or without a suffix."""
    done = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=MODULE,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    names = {name for name in done.stdout.split("\0") if name and (MODULE / name).is_file()}
    return {name for name in names - {"CMakeLists.txt"} if name.endswith(".py") == (suffix == ".py")}


@pytest.mark.parametrize(
    ("name", "suffix"), [("MODULE_PYTHON_SCRIPTS", ".py"), ("MODULE_PYTHON_RESOURCES", "")]
)
def test_the_lists_of_cmake_are_the_tree(name, suffix):
    files = listed(name)
    assert sorted(files) == sorted(set(files)), "listed twice"
    told = "add or remove these lines in SarcopeniaAssess/CMakeLists.txt"
    assert set(files) ^ tracked(suffix) == set(), told


def test_what_is_installed_loads_and_runs(tmp_path):
    installed = tmp_path / "lib" / "qt-scripted-modules"
    for name in (*listed("MODULE_PYTHON_SCRIPTS"), *listed("MODULE_PYTHON_RESOURCES")):
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(MODULE / name, installed / name)
    script = tmp_path / "run.py"
    script.write_text(RUN_INSTALLED)
    done = subprocess.run(
        [sys.executable, str(script), str(installed)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}", "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout.endswith("passed"), done.stdout[-3000:] + done.stderr[-3000:]


def test_the_extension_is_named_alike_everywhere():
    cmake = (ROOT / "CMakeLists.txt").read_text()
    name = re.search(r"^project\((\w+)\)", cmake, re.MULTILINE)[1]
    entry = ROOT / "Resources" / f"{name}.json"
    content = json.loads(entry.read_text())
    assert f"add_subdirectory({MODULE.name})" in cmake
    assert content["scm_url"] == f"https://github.com/{OWNER}/{name}.git"
    assert content["build_dependencies"] == ["PyTorch"]
    assert 'set(EXTENSION_DEPENDS "PyTorch")' in cmake
    allowed = {
        "$schema",
        "category",
        "scm_url",
        "scm_revision",
        "build_dependencies",
        "build_subdirectory",
        "tier",
    }
    assert set(content) <= allowed
    icon = re.search(rf'EXTENSION_ICONURL ".*/{OWNER}/{name}/main/(.*?)"', cmake)[1]
    assert (ROOT / icon).is_file()


def test_the_icon_is_128_pixels_wide_and_see_through():
    with Image.open(MODULE / "Resources" / "Icons" / "SarcopeniaAssess.png") as icon:
        assert (icon.format, icon.size, icon.mode) == ("PNG", (128, 128), "RGBA")
        assert icon.getpixel((0, 0))[3] == 0
        assert icon.getpixel((64, 76))[:3] == (247, 243, 232), "the vertebra"
