"""The rules of the house that no reader should have to remember: imports, sizes, tests, paths.

Ruff and import-linter hold most of them; here they are shown to bite on a planted fault.
"""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "SarcopeniaAssess" / "SarcopeniaAssessLib"
TRAINING = ROOT / "SarcopeniaTraining"
SOURCES = sorted([*LIBRARY.rglob("*.py"), *TRAINING.rglob("*.py")])
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as lint; lint()"

HEAVY = {"torch", "monai", "lightning", "tensorflow", "keras", "slicer", "qt", "ctk", "vtk"}
READERS = {"nibabel", "SimpleITK", "pydicom", "PIL", "reportlab", "jsonschema", "scipy"}

DAMAGED = "Testing/fuzz/found/"
"""What fuzzing found: files that are damaged on purpose, no text and no line of ours."""
TESTED_ELSEWHERE = {
    "__init__": ("test_criteria", "resource_path: whatever reads shipped data goes through it"),
    "criteria_data": ("test_criteria", "the data and the rules that read them are one subject"),
    "field_of_view": ("test_quality", "its findings are quality's"),
    "manifest_rows": ("test_manifest", "rows are told by the manifest that has them"),
    "local_worker": ("test_worker_client", "the same requests, without a process"),
    "model_file": ("test_models", "a file is opened by its model's name"),
    "models_command": ("test_model_import", "models are listed and imported there by the command"),
    "patient": ("test_volume", "facts are part of what makes a volume valid"),
    "record_rules": ("test_record", "the rules are the record's"),
    "smit_decoder": ("test_smit", "one network in three files"),
    "smit_encoder": ("test_smit", "one network in three files"),
    "smit_network": ("test_smit", "one network in three files"),
    "smit_slice_decoder": ("test_smit_slice", "one inference in three files"),
    "smit_slice_encoder": ("test_smit_slice", "one inference in three files"),
    "spine_course": ("test_spine_chain", "the course is what the chain is read from"),
    "spine_network": ("test_spine", "one network in two files"),
    "spine_unet": ("test_spine", "one network in two files"),
    "stored_image": ("test_itk_formats", "what the readers of single files share"),
    "unet_network": ("test_unet", "one network in two files"),
    "worker": ("test_worker_client", "the child is met as its program meets it"),
    "worker_job": ("test_worker_child", "what a job makes of its process's fate"),
    "worker_lines": ("test_worker_protocol", "lines are what requests and answers are made of"),
}
"""Library files without a test file of their own name: which file tests them, and why there."""


def run_python(
    *arguments: str, cwd: Path = ROOT, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, input=stdin, capture_output=True, text=True, check=False
    )


def ruff(source: str, path: str) -> str:
    """What `ruff check` says of a source as if it lay at a path of the tree."""
    done = run_python(
        "-m", "ruff", "check", "--select", "TID253", "--stdin-filename", path, "-", stdin=source
    )
    return done.stdout


@pytest.mark.parametrize("name", ["torch", "monai", "slicer", "qt", "vtk", "tensorflow"])
@pytest.mark.parametrize(
    "path", [LIBRARY / "measurement.py", TRAINING / "networks.py"], ids=lambda path: path.stem
)
def test_a_planted_import_at_file_scope_fails_ruff(path, name):
    source, place = path.read_text(), str(path.relative_to(ROOT))
    assert "TID253" not in ruff(source, place)
    assert "TID253" in ruff(f"import {name}\n{source}", place)
    assert "TID253" in ruff(f"from {name} import anything\n{source}", place)


@pytest.fixture(scope="module")
def copied_tree(tmp_path_factory):
    """Both packages and the configuration, for planting faults in."""
    tree = tmp_path_factory.mktemp("house")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(LIBRARY, tree / "SarcopeniaAssess" / LIBRARY.name, ignore=ignored)
    shutil.copytree(TRAINING, tree / TRAINING.name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of a copied tree; its packages come before the installed ones."""
    places = f"import sys; sys.path[:0] = [{str(tree / 'SarcopeniaAssess')!r}, {str(tree)!r}]; "
    return run_python("-c", places + LINT_IMPORTS, cwd=tree)


def test_the_tree_as_it_is_keeps_every_contract(copied_tree):
    done = lint_imports(copied_tree)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "planted", "contract"),
    [
        ("SarcopeniaAssess/SarcopeniaAssessLib/level.py", "import slicer", "Slicer, Qt and VTK"),
        ("SarcopeniaTraining/networks.py", "import vtk", "The training package uses neither"),
        (
            "SarcopeniaAssess/SarcopeniaAssessLib/level.py",
            "import SarcopeniaTraining",
            "The library never imports",
        ),
        ("SarcopeniaTraining/networks.py", "import tensorflow", "tensorflow is imported only"),
        ("SarcopeniaAssess/SarcopeniaAssessLib/smit.py", "import monai", "neither MONAI nor Lightning"),
        ("SarcopeniaAssess/SarcopeniaAssessLib/smit_network.py", "import scipy", "Network and weights need"),
        (
            "SarcopeniaAssess/SarcopeniaAssessLib/volume.py",
            "from SarcopeniaAssessLib import assessment",
            "The rooms of the library",
        ),
        ("SarcopeniaAssess/SarcopeniaAssessLib/new_room.py", "pass", "The rooms of the library"),
    ],
)
def test_a_planted_lazy_import_breaks_its_contract(copied_tree, file, planted, contract):
    path = copied_tree / file
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n\ndef planted():\n    {planted}\n")
    try:
        done = lint_imports(copied_tree)
    finally:
        path.unlink() if before is None else path.write_text(before)
    assert done.returncode != 0
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert [line for line in broken if contract in line], done.stdout


@pytest.mark.parametrize(
    "opened", ["SarcopeniaAssessLib.assessment", "SarcopeniaAssessLib.models", "SarcopeniaAssessLib.__main__"]
)
def test_opening_a_room_loads_no_network_and_no_reader(opened):
    done = run_python("-c", f"import {opened}, sys; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & (HEAVY | READERS)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_file_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            lines = node.end_lineno - node.lineno + 1 - len((docstring or "").splitlines())
            assert lines <= LONGEST_FUNCTION, f"{node.name} has {lines} lines beside its docstring"


def test_every_library_file_has_a_test_of_its_name():
    rooms = {path.stem for path in LIBRARY.glob("*.py")}
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "Testing").rglob("test_*.py")}
    without = rooms - tested
    assert without - TESTED_ELSEWHERE.keys() == set()
    assert TESTED_ELSEWHERE.keys() - without == set(), "tested by name now, or gone: take it off the list"
    assert {file.removeprefix("test_") for file, _ in TESTED_ELSEWHERE.values()} <= tested


def tracked_texts():
    """Tracked files that are text, as (relative path, text)."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name.startswith(DAMAGED):
            continue
        if name and path.is_file() and b"\0" not in path.read_bytes()[:4096]:
            yield name, path.read_text(encoding="utf-8")


def test_the_map_of_the_rooms_names_every_room():
    """Files by their name, packages as `name/`, in the page that says how everything is built."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {
        path.relative_to(package).parts for package in (LIBRARY, TRAINING) for path in package.rglob("*.py")
    }
    names = {parts[0] + "/" if len(parts) > 1 else Path(parts[0]).stem for parts in rooms} - {"__init__"}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_no_machine_path_in_tracked_files():
    machine = re.compile(r"(?<![\w.~/:-])/(?:home|root|work|Users|opt|mnt|srv|tmp)/\w|\b[A-Z]:\\\\?Users\b")
    found = [f"{name}: {hit.group()}" for name, text in tracked_texts() for hit in machine.finditer(text)]
    assert found == []
