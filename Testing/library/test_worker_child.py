"""A worker's process that is cancelled, killed, frozen or left: one sentence, and nothing stays.

The processes are real. Their torch is a file that waits for as long as a test wants it to be at work, and
then breaks with words of its own, so that a process costs a third of a second.
"""

import gc
import os
import signal
import subprocess
import sys
import time

import pytest

from SarcopeniaAssessLib import worker_job
from SarcopeniaAssessLib.assessment import GivenFacts, ask
from SarcopeniaAssessLib.errors import Offer, WorkerError
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaAssessLib.worker_client import DrawRequest, Failed, Limits, Progress, WarmWorker
from SarcopeniaAssessLib.worker_files import PREFIX
from Testing.library.small_case import LEVEL, affine, ct
from Testing.worker_machine import ROOT, family, gone, parent, python_with

GUARD_S = 120.0
"""Against a test that hangs; nothing is timed."""
WAITING_TORCH = """
import pathlib, subprocess, time
busy = pathlib.Path(__file__).with_name("busy")
if busy.exists():
    subprocess.Popen(["sleep", "600"])
while busy.exists():
    time.sleep(0.02)
raise RuntimeError("the abacus broke")
"""
BROKE = r"failed unexpectedly \(RuntimeError: the abacus broke\)"
"""What the next click is answered where no process is in its way."""


@pytest.fixture(scope="module")
def question():
    return ask(CtVolume.from_array(ct(), affine()), GivenFacts(), l3=f"slice:{LEVEL}")


@pytest.fixture
def request_(question):
    return DrawRequest(question, None, "cpu")


@pytest.fixture
def busy(tmp_path):
    """A file: while it is there, a process of `worker` is at work, with a process of its own."""
    path = tmp_path / "shadows" / "busy"
    path.parent.mkdir()
    path.touch()
    return path


@pytest.fixture
def worker(tmp_path, busy):
    made = WarmWorker(python_with(tmp_path, {"torch.py": WAITING_TORCH}), within=tmp_path)
    yield made
    made.close()
    assert list(tmp_path.glob(f"{PREFIX}*")) == []


def until(job, text):
    """Poll a job until it tells of something."""
    deadline = time.monotonic() + GUARD_S
    events = []
    while time.monotonic() < deadline:
        events += job.poll()
        assert not [event for event in events if isinstance(event, Failed)]
        if [event for event in events if isinstance(event, Progress) and text in event.text]:
            return
        time.sleep(0.01)
    raise AssertionError(f"never told of {text}")


def at_work(worker, request):
    """A job in a process that has started another; and the number of its session."""
    job = worker.submit(request)
    until(job, "Loading the software")
    deadline = time.monotonic() + GUARD_S
    while len(family(worker.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(family(worker.pid)) == 2
    return job, worker.pid


def assert_usable(worker, request, busy):
    """The next click is answered by a process that is not busy."""
    busy.unlink()
    with pytest.raises(WorkerError, match=BROKE) as told:
        worker.submit(request).result(GUARD_S)
    assert told.value.offer == Offer.AGAIN
    assert worker.pid is not None


def test_cancel_ends_the_process_and_what_it_has_started(worker, request_, busy):
    job, pid = at_work(worker, request_)
    job.cancel()
    assert gone(pid)
    assert worker.pid is None
    assert job.is_over
    assert job.poll() == []
    with pytest.raises(WorkerError, match="cancelled"):
        job.result(GUARD_S)
    assert [path.suffix for path in worker.folder().iterdir()] == [".npy"]
    assert_usable(worker, request_, busy)


def test_a_job_that_is_cancelled_at_once_says_nothing(worker, request_):
    job = worker.submit(request_)
    job.cancel()
    assert job.poll() == []


def test_cancel_ends_what_is_frozen(worker, request_, busy):
    job, pid = at_work(worker, request_)
    os.kill(pid, signal.SIGSTOP)
    job.cancel()
    assert gone(pid)


def test_a_cancelled_job_that_is_over_harms_no_other(worker, request_, busy):
    first, _ = at_work(worker, request_)
    busy.unlink()
    with pytest.raises(WorkerError):
        first.result(GUARD_S)
    pid = worker.pid
    first.cancel()
    assert worker.pid == pid


def test_a_killed_process_is_told_as_want_of_memory(worker, request_, busy):
    job, pid = at_work(worker, request_)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="most likely for want of memory") as told:
        job.result(GUARD_S)
    assert told.value.offer == Offer.AGAIN
    assert gone(pid), "what it had started is ended too"
    assert_usable(worker, request_, busy)


def test_a_crashed_process_is_told_with_its_signal(worker, request_, busy):
    job, pid = at_work(worker, request_)
    os.kill(pid, signal.SIGSEGV)
    with pytest.raises(WorkerError, match="ended by signal 11"):
        job.result(GUARD_S)
    assert gone(pid)


def test_a_frozen_process_is_ended_and_told(worker, request_, busy):
    job, pid = at_work(worker, request_)
    os.kill(pid, signal.SIGSTOP)
    worker.limits = Limits(silence_s=0.5)
    with pytest.raises(WorkerError, match=r"has not been heard for \d+ s and was ended") as told:
        job.result(GUARD_S)
    assert told.value.offer == Offer.AGAIN
    assert gone(pid)
    worker.limits = Limits()
    assert_usable(worker, request_, busy)


def test_a_process_that_lives_tells_so(worker, request_, busy):
    job, pid = at_work(worker, request_)
    job._since.silent_s = 30.0
    deadline = time.monotonic() + GUARD_S
    while job._since.silent_s >= 30.0 and time.monotonic() < deadline:
        assert [event for event in job.poll() if isinstance(event, Failed)] == []
        time.sleep(0.02)
    assert job._since.silent_s < 30.0
    assert worker.pid == pid


def test_a_time_in_which_nobody_listened_is_no_silence(worker, request_, busy, monkeypatch):
    """A computer that slept an hour, or a program that was stopped: the process could not be heard."""
    job, pid = at_work(worker, request_)
    hour_later = time.monotonic() + 3600.0
    os.kill(pid, signal.SIGSTOP)
    job.poll()
    monkeypatch.setattr(worker_job.time, "monotonic", lambda: hour_later)
    assert [event for event in job.poll() if isinstance(event, Failed)] == []
    os.kill(pid, signal.SIGCONT)


def test_progress_takes_the_standstill_back(worker, request_, busy):
    job = worker.submit(request_)
    while not job._is_sent:
        job.poll()
    job._since.stuck_s = 30.0
    until(job, "Loading the software")
    assert job._since.stuck_s < 30.0


def test_a_process_that_does_not_come_on_is_ended(worker, request_, busy):
    job, pid = at_work(worker, request_)
    worker.limits = Limits(stuck_s=0.5)
    with pytest.raises(WorkerError, match="has made no progress"):
        job.result(GUARD_S)
    assert gone(pid)


def test_one_job_at_a_time_and_a_dropped_one_is_ended(worker, request_, busy):
    job, pid = at_work(worker, request_)
    with pytest.raises(WorkerError, match="One job is under way"):
        worker.submit(request_)
    del job
    gc.collect()
    busy.unlink()
    with pytest.raises(WorkerError, match=BROKE):
        worker.submit(request_).result(GUARD_S)
    assert gone(pid)


def test_waiting_has_an_end_and_the_job_goes_on(worker, request_, busy):
    job, pid = at_work(worker, request_)
    with pytest.raises(TimeoutError, match="no answer within"):
        job.result(0.1)
    assert not job.is_over
    assert worker.pid == pid


def test_closing_ends_the_process_and_removes_every_file(tmp_path, worker, request_, busy):
    job, pid = at_work(worker, request_)
    folder = worker.folder()
    worker.close()
    assert gone(pid)
    assert not folder.exists()
    assert job.is_over
    assert_usable(worker, request_, busy)


def test_a_worker_that_is_forgotten_ends_its_process(tmp_path, request_, busy):
    forgotten = WarmWorker(python_with(tmp_path, {"torch.py": WAITING_TORCH}), within=tmp_path)
    job, pid = at_work(forgotten, request_)
    del forgotten, job
    gc.collect()
    assert gone(pid)
    assert list(tmp_path.glob(f"{PREFIX}*")) == []


def test_an_idle_process_ends_and_the_next_click_starts_another(tmp_path, worker, request_, busy):
    busy.unlink()
    worker.limits = Limits(idle_s=0.2)
    with pytest.raises(WorkerError):
        worker.submit(request_).result(GUARD_S)
    pid = worker._held.child.process.pid
    deadline = time.monotonic() + GUARD_S
    while worker.pid is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert worker.pid is None
    assert worker._held.child.status == 0
    assert gone(pid)
    with pytest.raises(WorkerError, match=BROKE):
        worker.submit(request_).result(GUARD_S)


def test_a_process_that_was_killed_between_clicks_is_replaced_without_a_word(worker, request_, busy):
    busy.unlink()
    for _ in range(2):
        with pytest.raises(WorkerError, match=BROKE):
            worker.submit(request_).result(GUARD_S)
        os.kill(worker.pid, signal.SIGKILL)
        while worker.pid is not None:
            time.sleep(0.01)


def test_a_click_just_when_an_idle_process_ends_is_answered(worker, request_, busy):
    busy.unlink()
    worker.limits = Limits(idle_s=0.3)
    for _ in range(2):
        with pytest.raises(WorkerError, match=BROKE):
            worker.submit(request_).result(GUARD_S)
        pid = worker.pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.4)
        job = worker.submit(request_)
        job.poll()
        os.kill(pid, signal.SIGCONT)
        with pytest.raises(WorkerError, match=BROKE):
            job.result(GUARD_S)


PARENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from SarcopeniaAssessLib.assessment import GivenFacts, ask
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaAssessLib.worker_client import DrawRequest, WarmWorker
from Testing.library.small_case import affine, ct
worker = WarmWorker(sys.argv[2], within=Path(sys.argv[3]))
question = ask(CtVolume.from_array(ct(), affine()), GivenFacts(), l3="slice:3")
job = worker.submit(DrawRequest(question, None, "cpu"))
while not [event for event in job.poll() if "Loading the software" in event.text]:
    time.sleep(0.01)
print(worker.pid, flush=True)
"""


@pytest.mark.parametrize("end", ["killed", "exits", "raises"])
def test_the_process_and_its_files_do_not_outlive_the_program(tmp_path, busy, end):
    python = python_with(tmp_path, {"torch.py": WAITING_TORCH})
    last = {"killed": "time.sleep(600)", "exits": "", "raises": "raise SystemExit(1)"}[end]
    program = subprocess.Popen(
        [sys.executable, "-c", PARENT + last, ROOT, python, tmp_path], stdout=subprocess.PIPE, text=True
    )
    pid = int(program.stdout.readline())
    if end == "killed":
        assert list(tmp_path.glob(f"{PREFIX}*"))
        program.kill()
    program.wait(GUARD_S)
    assert gone(pid)
    assert list(tmp_path.glob(f"{PREFIX}*")) == []


def test_a_program_that_is_killed_before_it_has_asked_leaves_nothing(tmp_path, busy):
    """Its CT lies there already; the process has not even begun to read."""
    python = python_with(tmp_path, {"torch.py": WAITING_TORCH}, before="sleep 0.3")
    code = PARENT.replace("while not [", "while False and [")
    program = subprocess.Popen(
        [sys.executable, "-c", code + "job._hu.wait()\ntime.sleep(600)", ROOT, python, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(program.stdout.readline())
    assert list(tmp_path.glob(f"{PREFIX}*"))
    program.kill()
    program.wait(GUARD_S)
    assert gone(pid)
    assert list(tmp_path.glob(f"{PREFIX}*")) == []


LAUNCHER = """
import subprocess, sys
status = subprocess.call([sys.executable, *sys.argv[1:]])
if status < 0:
    print("error: [python-real] exit abnormally - Report the problem.", file=sys.stderr)
    raise SystemExit(1)
raise SystemExit(status)
"""


@pytest.fixture
def launched(tmp_path, busy):
    """A worker whose Python is a launcher of another, as Slicer's is."""
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    python = python_with(tmp_path, {"torch.py": WAITING_TORCH}, arguments=f'"{tmp_path / "launcher.py"}"')
    with WarmWorker(python, within=tmp_path) as made:
        yield made
    assert list(tmp_path.glob(f"{PREFIX}*")) == []


def launched_at_work(worker, request):
    """As `at_work`; and the number of the launched process."""
    job = worker.submit(request)
    until(job, "Loading the software")
    deadline = time.monotonic() + GUARD_S
    while len(family(worker.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    (python,) = [number for number in family(worker.pid) if parent(number) == worker.pid]
    return job, worker.pid, python


def test_cancel_ends_a_launcher_and_what_it_has_launched(launched, request_, busy):
    job, pid, _ = launched_at_work(launched, request_)
    job.cancel()
    assert gone(pid)
    assert_usable(launched, request_, busy)


def test_a_launched_process_that_is_killed_is_told_as_want_of_memory(launched, request_, busy):
    job, pid, python = launched_at_work(launched, request_)
    os.kill(python, signal.SIGKILL)
    with pytest.raises(WorkerError, match="most likely for want of memory"):
        job.result(GUARD_S)
    assert gone(pid)


def test_a_launcher_that_is_killed_leaves_nothing(launched, request_, busy):
    job, pid, _ = launched_at_work(launched, request_)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerError):
        job.result(GUARD_S)
    assert gone(pid)


def test_a_python_without_torch_is_not_kept_and_may_be_repaired(tmp_path, worker, request_, busy):
    torch = busy.with_name("torch.py")
    torch.write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    with pytest.raises(WorkerError, match="torch is not installed in this Python") as told:
        worker.submit(request_).result(GUARD_S)
    assert told.value.offer == Offer.INSTALL
    assert worker.pid is None
    torch.write_text(WAITING_TORCH)
    assert_usable(worker, request_, busy)
