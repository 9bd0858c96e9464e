"""A frozen worker, and altered weights, at the panel: one sentence, and everything else is as before."""

import json
import os
import shutil
import signal
from dataclasses import replace

from SarcopeniaAssessLib.model_file import read_entry
from SarcopeniaAssessLib.worker_client import WarmWorker
from SarcopeniaAssessLib.worker_job import Limits
from Testing.library.small_case import MUSCLE_CM2
from Testing.slicer import mrml_cases
from Testing.slicer.panel_clicks import Clicks
from Testing.worker_machine import gone, python_with

LEVEL_MM = -403.5
WAITS = """
import pathlib, sys, time
while not pathlib.Path({go!r}).exists():
    time.sleep(0.05)
sys.path.remove({shadows!r})
del sys.modules["torch"]
import torch
"""


def at_l3(clicks):
    clicks.choose(mrml_cases.add_volume())
    clicks.sex("Male")
    clicks.go_to(LEVEL_MM)
    return clicks


def told(clicks):
    """The one sentence, after a look that nothing of a program's insides is in it."""
    text = clicks.ui.messageLabel.text
    assert text
    assert not any(each in text for each in ("Traceback", "SIGSTOP", "Error", "\n"))
    return text


def test_a_frozen_worker_is_ended_told_and_replaced(qt_host, model, tmp_path):
    go = tmp_path / "go"
    waits = WAITS.format(go=str(go), shadows=str(tmp_path / "shadows"))
    with WarmWorker(python_with(tmp_path, {"torch/__init__.py": waits})) as worker:
        clicks = at_l3(Clicks(qt_host, worker))
        clicks.use_model(model)
        before = mrml_cases.nodes_in_scene()
        clicks.click_assess()
        qt_host.wait_until(lambda: "Loading" in clicks.ui.progressLabel.text)
        pid = worker.pid
        os.kill(pid, signal.SIGSTOP)
        worker.limits = Limits(silence_s=0.5)
        clicks.wait()
        assert "has not been heard" in told(clicks)
        assert gone(pid)
        assert mrml_cases.nodes_in_scene() == before
        worker.limits = Limits()
        go.touch()
        clicks.ui.offerButton.click()
        clicks.wait()
        assert clicks.sma_cm2 == MUSCLE_CM2, clicks.ui.messageLabel.text


def test_weights_with_another_checksum_are_not_used(qt_host, model, tmp_path, monkeypatch):
    shutil.copy(model, tmp_path / "altered.safetensors")
    entry = replace(read_entry(model), name="altered", file="altered.safetensors", sha256="0" * 64)
    (tmp_path / "Models.json").write_text(json.dumps({"models": [entry.to_mapping()]}))
    monkeypatch.setenv("SARCOPENIA_MODELS", str(tmp_path))
    with WarmWorker() as worker:
        clicks = at_l3(Clicks(qt_host, worker))
        box = clicks.ui.modelComboBox
        box.setCurrentIndex(next(n for n in range(box.count) if box.itemText(n).startswith("altered")))
        before = mrml_cases.nodes_in_scene()
        clicks.assess()
        assert "sha256" in told(clicks)
        assert clicks.sma_cm2 is None
        assert mrml_cases.nodes_in_scene() == before
        clicks.use_model(model)
        clicks.assess()
        assert clicks.sma_cm2 == MUSCLE_CM2, clicks.ui.messageLabel.text
