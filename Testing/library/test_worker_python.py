"""The worker in Pythons that are not there, lack something or are broken: one sentence, and no process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from SarcopeniaAssessLib.assessment import GivenFacts, ask
from SarcopeniaAssessLib.errors import Offer, WorkerError
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaAssessLib.worker_child import child_environment
from SarcopeniaAssessLib.worker_client import DrawRequest, WarmWorker
from SarcopeniaAssessLib.worker_files import PREFIX
from SarcopeniaAssessLib.worker_lines import PROTOCOL, line, message
from SarcopeniaAssessLib.worker_process import own_group
from Testing.library.small_case import LEVEL, affine, ct
from Testing.worker_machine import gone, python_with

GUARD_S = 120.0
"""Against a test that hangs; nothing is timed."""


@pytest.fixture(scope="module")
def request_():
    question = ask(CtVolume.from_array(ct(), affine()), GivenFacts(), l3=f"slice:{LEVEL}")
    return DrawRequest(question, None, "cpu")


def failure(python, request, tmp_path):
    """Why a request fails in another Python; no process and no file stays."""
    with WarmWorker(python, within=tmp_path) as worker:
        job = worker.submit(request)
        with pytest.raises(WorkerError) as told:
            job.result(GUARD_S)
        pid = worker.pid
    assert pid is None or gone(pid)
    assert list(tmp_path.glob(f"{PREFIX}*")) == []
    assert "\n" not in str(told.value)
    return told.value


def test_a_python_that_is_not_there(tmp_path, request_):
    error = failure(tmp_path / "PythonSlicer", request_, tmp_path)
    assert "cannot be started (No such file or directory)" in error.problem
    assert error.offer == Offer.HERE


def test_a_launcher_that_passes_no_input_on(tmp_path, request_):
    error = failure(python_with(tmp_path, before="exec < /dev/null"), request_, tmp_path)
    assert "passes no input on" in error.problem
    assert error.offer == Offer.HERE


def test_a_python_that_does_not_find_the_library(tmp_path, request_):
    python = python_with(tmp_path, before="unset PYTHONPATH", arguments="-S")
    error = failure(python, request_, tmp_path)
    assert "does not find this extension's library" in error.problem
    assert "No module named 'SarcopeniaAssessLib'" in error.details


def test_a_broken_numpy(tmp_path, request_):
    broken = "raise ImportError('numpy._core.multiarray failed to import')"
    error = failure(python_with(tmp_path, {"numpy/__init__.py": broken}), request_, tmp_path)
    assert "numpy is broken" in error.problem
    assert error.offer == Offer.INSTALL


def test_nothing_but_what_drawing_needs_must_be_installed(tmp_path, request_):
    absent = "raise ImportError('this is not installed')"
    names = ("click", "rich", "nibabel", "SimpleITK", "pydicom", "jsonschema", "PIL", "reportlab")
    shadows = {f"{name}.py": absent for name in names} | {"torch.py": "import missing_part"}
    assert "missing_part" in failure(python_with(tmp_path, shadows), request_, tmp_path).problem


@pytest.mark.parametrize("arguments", [["SarcopeniaAssessLib", "worker"], ["SarcopeniaAssessLib.worker"]])
def test_both_commands_answer_lines_and_end_when_told(arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments, "--idle", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdin.write(line({"do": "dance", "id": 7}))
    process.stdin.flush()
    ready = message(process.stdout.readline())
    while (answer := message(process.stdout.readline()))["is"] == "alive":
        pass
    process.stdin.write(line({"do": "shutdown"}))
    process.stdin.flush()
    assert process.wait(GUARD_S) == 0
    process.stdin.close()
    process.stdout.close()
    assert (ready["is"], ready["protocol"], ready["pid"]) == ("ready", PROTOCOL, process.pid)
    assert (answer["is"], answer["id"], answer["text"]) == ("error", 7, "unknown request 'dance'")


def test_a_process_that_nobody_hears_ends_with_its_files(tmp_path):
    """Its input is open still: what it is told first is that nobody reads its lines."""
    folder = tmp_path / f"{PREFIX}any"
    folder.mkdir()
    (folder / "hu.npy").write_bytes(b"0")
    command = [sys.executable, "-m", "SarcopeniaAssessLib.worker", "--folder", folder]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **own_group())
    assert message(process.stdout.readline())["is"] == "ready"
    process.stdout.close()
    process.stdin.write(line({"do": "hello", "id": 1}))
    process.stdin.flush()
    process.wait(GUARD_S)
    assert not folder.exists()
    process.stdin.close()


def test_a_torch_whose_parts_are_missing(tmp_path, request_):
    broken = "raise ImportError('libcudart.so.12: cannot open shared object file: No such file or directory')"
    error = failure(python_with(tmp_path, {"torch/__init__.py": broken}), request_, tmp_path)
    assert "a part of it cannot be loaded" in error.problem


def test_the_library_in_another_version(tmp_path, request_, monkeypatch):
    from SarcopeniaAssessLib import worker_lines

    monkeypatch.setattr(worker_lines, "PROTOCOL", worker_lines.PROTOCOL + 1)
    assert "in another version" in failure(sys.executable, request_, tmp_path).problem


def test_a_library_that_prints_does_not_disturb_the_lines(tmp_path, request_):
    noisy = "import os\nprint('{}', flush=True)\nos.write(1, b'not json\\nhalf a line')\nimport missing_part"
    error = failure(python_with(tmp_path, {"torch.py": noisy}), request_, tmp_path)
    assert error.problem == "The package missing_part is not installed"


def test_what_a_library_prints_before_it_dies_is_read(tmp_path, request_):
    dies = "import os, signal\nprint('CUDA out of memory')\nos.kill(os.getpid(), signal.SIGSEGV)"
    python = python_with(tmp_path, {"torch.py": dies}, before="unset PYTHONUNBUFFERED")
    error = failure(python, request_, tmp_path)
    assert error.problem == "The GPU's memory does not suffice"


def test_the_variables_of_a_child_are_its_programs_but_for_what_python_reads():
    own = child_environment({"HOME": "here", "PYTHONPATH": "theirs", "PYTHONINSPECT": "1"})
    library, theirs = own.pop("PYTHONPATH").split(os.pathsep)
    assert (Path(library) / "SarcopeniaAssessLib" / "worker.py").is_file()
    assert theirs == "theirs"
    assert own == {
        "HOME": "here",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONUTF8": "1",
    }
    assert child_environment({"OMP_WAIT_POLICY": "ACTIVE"})["OMP_WAIT_POLICY"] == "ACTIVE"


def test_a_temporary_folder_that_is_not_there(tmp_path, request_):
    with WarmWorker(within=tmp_path / "nowhere") as worker:
        job = worker.submit(request_)
        with pytest.raises(WorkerError, match="cannot be started"):
            job.result(GUARD_S)


def test_the_folder_that_it_runs_in_and_a_users_packages_are_not_imported(tmp_path, request_, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('a file of the folder was imported')")
    monkeypatch.chdir(tmp_path)
    told = "import os\nraise OSError(os.environ['PYTHONNOUSERSITE'] * 7)"
    assert "1111111" in failure(python_with(tmp_path, {"torch.py": told}), request_, tmp_path).problem
