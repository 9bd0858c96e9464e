"""A worker's job driven by a timer: what is called, how often, and that nothing is called after Cancel."""

import sys
import time
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import GivenFacts, ask
from SarcopeniaAssessLib.errors import ModelError, Offer, WorkerError
from SarcopeniaAssessLib.slicer_bridge.job import TimedJob, slicer_python, slicer_worker
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaAssessLib.worker_client import (
    DrawRequest,
    Finished,
    HelloRequest,
    LocalWorker,
    Progress,
    WarmWorker,
)
from Testing.library.small_case import LEVEL, affine, ct, muscle, write_model
from Testing.worker_machine import gone, python_with

GUARD_S = 120.0
WAITING_TORCH = """
import time
time.sleep(600)
"""


class Timer:
    """As much of a QTimer as a job needs; ticks when a test says so."""

    made: ClassVar[list["Timer"]] = []

    def __init__(self):
        self.slots, self.is_running, self.is_deleted, self.interval = [], False, False, None
        self.timeout = SimpleNamespace(connect=self.slots.append, disconnect=self.slots.remove)
        Timer.made.append(self)

    def setInterval(self, ms):
        self.interval = ms

    def start(self):
        self.is_running = True

    def stop(self):
        self.is_running = False

    def deleteLater(self):
        self.is_deleted = True

    def tick(self):
        assert not self.is_deleted
        for slot in list(self.slots) if self.is_running else ():
            slot()


@pytest.fixture
def timers(monkeypatch):
    module = ModuleType("qt")
    module.QTimer = Timer
    monkeypatch.setitem(sys.modules, "qt", module)
    monkeypatch.setattr(Timer, "made", [])
    return Timer.made


@pytest.fixture(scope="module")
def question():
    return ask(CtVolume.from_array(ct(), affine()), GivenFacts(), l3=f"slice:{LEVEL}")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "everything.safetensors")


class Heard:
    """What a job has called."""

    def __init__(self):
        self.calls = []

    def callables(self):
        return {
            "on_progress": lambda *words: self.calls.append(("progress", *words)),
            "on_done": lambda result: self.calls.append(("done", result)),
            "on_error": lambda error: self.calls.append(("error", error)),
        }

    @property
    def kinds(self):
        return [call[0] for call in self.calls]


def ticked(timer, until):
    """Tick until something holds."""
    deadline = time.monotonic() + GUARD_S
    while not until() and time.monotonic() < deadline:
        timer.tick()
        time.sleep(0.01)
    assert until()


def test_the_drawing_is_handed_over_once(timers, question, model_file):
    heard = Heard()
    job = TimedJob(LocalWorker(), DrawRequest(question, model_file, "cpu"), **heard.callables())
    (timer,) = timers
    assert timer.interval == 50
    assert heard.calls == [], "the click returns before anything is done"
    ticked(timer, lambda: job.is_over)
    assert heard.kinds == ["progress", "done"]
    np.testing.assert_array_equal(heard.calls[-1][1].mask, muscle()[:, :, LEVEL] == 1)
    assert (timer.is_running, timer.is_deleted, timer.slots) == (False, True, [])
    job.cancel()
    assert heard.kinds == ["progress", "done"]


def test_an_error_is_handed_over_once(timers, question):
    heard = Heard()
    job = TimedJob(LocalWorker(), DrawRequest(question, "nowhere", "cpu"), **heard.callables())
    ticked(timers[0], lambda: job.is_over)
    assert heard.kinds == ["progress", "error"]
    assert isinstance(heard.calls[-1][1], ModelError)


def test_nothing_is_called_after_cancel_and_no_process_stays(tmp_path, timers, question):
    heard = Heard()
    with WarmWorker(python_with(tmp_path, {"torch.py": WAITING_TORCH}), within=tmp_path) as worker:
        job = TimedJob(worker, DrawRequest(question, None, "cpu"), **heard.callables())
        ticked(timers[0], lambda: [call for call in heard.calls if "Loading the software" in call])
        pid, before = worker.pid, list(heard.calls)
        job.cancel()
        assert gone(pid)
        assert job.is_over
        job._poll()
        assert heard.calls == before
        TimedJob(worker, DrawRequest(question), **heard.callables())
        with pytest.raises(WorkerError, match="One job is under way"):
            TimedJob(worker, DrawRequest(question), **heard.callables())


def test_a_callback_that_cancels_is_the_last(timers, question, model_file):
    heard, jobs = Heard(), []
    callables = heard.callables() | {"on_progress": lambda *_: jobs[0].cancel()}
    jobs.append(TimedJob(LocalWorker(), DrawRequest(question, model_file, "cpu"), **callables))
    ticked(timers[0], lambda: jobs[0].is_over)
    assert heard.calls == []
    assert jobs[0].is_over


def test_what_was_heard_together_with_it_is_not_told_after_a_cancel(timers):
    heard, jobs = Heard(), []
    job = SimpleNamespace(poll=lambda: [Progress(0.5, "half"), Finished(1)], cancel=lambda: None)
    callables = heard.callables() | {"on_progress": lambda *_: jobs[0].cancel()}
    jobs.append(TimedJob(SimpleNamespace(submit=lambda _: job), HelloRequest(), **callables))
    timers[0].tick()
    assert heard.calls == []


def test_a_callback_that_lets_events_run_is_not_called_within_itself(timers, question, model_file):
    depth = []

    def progress(*_):
        depth.append("in")
        timers[0].tick()  # as slicer.app.processEvents() would
        depth.append("out")

    heard = Heard()
    callables = heard.callables() | {"on_progress": progress, "on_done": lambda _: depth.append("done")}
    job = TimedJob(LocalWorker(), DrawRequest(question, model_file, "cpu"), **callables)
    ticked(timers[0], lambda: job.is_over)
    assert depth == ["in", "out", "done"]


@pytest.fixture
def application(tmp_path, monkeypatch):
    """Slicer as it is installed: an application that is no Python, its Python in `bin` beside it."""
    home = tmp_path / "Slicer 5.12"
    (home / "bin").mkdir(parents=True)
    module = ModuleType("slicer")
    module.app = SimpleNamespace(slicerHome=str(home))
    monkeypatch.setitem(sys.modules, "slicer", module)
    monkeypatch.setattr(sys, "executable", str(home / "bin" / "SlicerApp-real"))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return home


def made_executable(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_slicers_python_is_taken_from_the_path_first(application, tmp_path, monkeypatch):
    beside = made_executable(application / "bin" / "PythonSlicer")
    assert slicer_python() == beside
    on_path = made_executable(tmp_path / "first" / "PythonSlicer")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert slicer_python() == on_path


def test_the_application_is_never_taken_for_a_python(application):
    made_executable(application / "bin" / "SlicerApp-real")
    with pytest.raises(WorkerError, match="not found beside the application") as told:
        slicer_worker()
    assert told.value.offer == Offer.HERE


def test_outside_the_application_it_is_this_python(application, monkeypatch):
    del sys.modules["slicer"].app
    own = made_executable(application / "bin" / "python3.12")
    monkeypatch.setattr(sys, "executable", str(own))
    assert slicer_python() == own


def test_with_qts_own_timer_the_event_loop_goes_on(qt_host, tmp_path, question):
    """The click returns, other timers tick while a process works, Cancel leaves none of either."""
    import qt

    heard, ticks = Heard(), []
    beside = qt.QTimer()
    beside.timeout.connect(lambda: ticks.append(len(heard.calls)))
    beside.start(10)
    with WarmWorker(python_with(tmp_path, {"torch.py": WAITING_TORCH}), within=tmp_path) as worker:
        job = TimedJob(worker, DrawRequest(question, None, "cpu"), **heard.callables())
        qt_host.wait_until(lambda: [call for call in heard.calls if "Loading the software" in call], GUARD_S)
        pid, before = worker.pid, list(heard.calls)
        job.cancel()
        assert gone(pid)
        seen = len(ticks)
        qt_host.wait_until(lambda: len(ticks) > seen + 10, GUARD_S)
        assert heard.calls == before
    beside.stop()


def test_with_qts_own_timer_the_answer_comes(qt_host, question, model_file):
    heard = Heard()
    job = TimedJob(LocalWorker(), DrawRequest(question, model_file, "cpu"), **heard.callables())
    qt_host.wait_until(lambda: job.is_over, GUARD_S)
    assert heard.kinds == ["progress", "done"]
    qt_host.wait_until(lambda: True)
