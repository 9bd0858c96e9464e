"""A step as a child: its words, its failures, and that it neither outlives its parent nor meets its twin."""

import os
import subprocess
import sys
import time

import pytest

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.output_lock import lock_file
from SarcopeniaTraining.reproduction_child import LOCK, StepFailedError, run_step
from SarcopeniaTraining.reproduction_records import FOLDER
from Testing.killed_parent import ROOT, left, workers_left

SAYS = """
import os, sys, time
print("result", sys.argv[1])
print("sarcopenia: warning: small", file=sys.stderr)
print("epoch 1", file=sys.stderr)
if sys.argv[1] == "kill":
    os.kill(os.getpid(), 9)
if sys.argv[1] == "wait":
    open("pid", "w").write(str(os.getpid()))
    time.sleep(60)
sys.exit(int(sys.argv[1]))
"""
PARENT = """
import os, sys, time
from pathlib import Path
from threading import Thread
from SarcopeniaTraining.reproduction_child import run_step

out = Path(sys.argv[0]).parent
os.environ["PYTHONPATH"] = str(out)
Thread(target=run_step, args=("step", ["says", "wait"], out), daemon=True).start()
for _ in range(600):
    if (out / "pid").is_file() and (out / "pid").read_text():
        print((out / "pid").read_text(), flush=True)
        break
    time.sleep(0.05)
time.sleep(60)
"""


@pytest.fixture
def out(tmp_path, monkeypatch):
    """A folder with the module `says`, which ends with the status it is given."""
    (tmp_path / "says.py").write_text(SAYS)
    (tmp_path / FOLDER).mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_lines_are_told_and_kept(out):
    told = []
    run_step("step", ["says", "0"], out, told.append)
    assert told == ["sarcopenia: warning: small", "epoch 1"]
    assert sorted((out / "logs" / "step.log").read_text().splitlines()) == sorted([*told, "result 0"])


def test_the_last_complaint_is_the_message(out):
    with pytest.raises(StepFailedError, match=r"^warning: small; when that is put right"):
        run_step("step", ["says", "3"], out)


def test_a_killed_step_is_told_as_such(out):
    with pytest.raises(StepFailedError, match=r"killed \(signal 9\)"):
        run_step("step", ["says", "kill"], out)


def test_without_a_complaint_the_log_is_named(out):
    (out / "says.py").write_text("import sys; sys.exit(4)")
    with pytest.raises(StepFailedError, match=r"ended with status 4; logs/step\.log tells more"):
        run_step("step", ["says"], out)


def test_a_full_disk_is_told_and_ends_the_step(out):
    (out / "logs").mkdir()
    (out / "logs" / "step.log").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
        run_step("step", ["says", "wait"], out)
    pid = int((out / "pid").read_text() or 0) if (out / "pid").is_file() else 0
    assert not pid or left([pid]) == []


def test_a_child_ends_with_its_killed_parent(out):
    assert workers_left(out / "parent.py", PARENT) == []


def test_a_step_waits_for_what_a_killed_reproduction_left_running(out):
    """The lock is held for a second more: the step begins when it is free."""
    with lock_file(out / FOLDER / LOCK, 0):
        command = [sys.executable, "-m", "SarcopeniaTraining.reproduction_child", "says", "0"]
        path = os.pathsep.join([str(ROOT / "SarcopeniaAssess"), str(ROOT), str(out)])
        child = subprocess.Popen(
            command, cwd=out, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
        )
        time.sleep(1.5)
        assert left([child.pid]) == [child.pid]
    assert child.communicate(timeout=30)[0] == "result 0\n"
