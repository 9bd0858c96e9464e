"""The panel as a person uses it: widgets by name, strokes in the editor, words on the screen."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer

from SarcopeniaAssessLib.worker_client import Progress, WarmWorker
from Testing.slicer.host.application import SlicerHost
from Testing.slicer.host.strokes import stroke

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "SarcopeniaAssess" / "SarcopeniaAssess.py"
GUARD_S = 90.0
LEVEL_MM = -403.5
"""Of slice 3 of `small_case`."""


class Clicks:
    """One loaded module, entered.

    Parameters
    ----------
    host:
        Where it is loaded.
    worker:
        Who draws, shared by many tests, since starting one loads torch.
    """

    def __init__(self, host: SlicerHost, worker: Any) -> None:
        self.host, self.worker = host, worker
        self.take(host.load(MODULE))

    def take(self, widget: Any) -> None:
        """Another widget of the module, made by a reload."""
        self.widget, self.ui = widget, widget.ui
        widget.panel.run.worker, widget.panel.run._is_own = self.worker, False
        widget.enter()

    def choose(self, volume_node: Any) -> None:
        """Choose a CT."""
        self.ui.ctSelector.setCurrentNode(volume_node)
        self.settle()

    def use_model(self, path: Path) -> None:
        """Choose a model file through the button."""
        self.widget.panel.dialogs.open_file = lambda _title, _kinds: path
        self.ui.modelFileButton.click()

    def sex(self, word: str) -> None:
        """Choose the sex by the word that its entry begins with."""
        combo = self.ui.sexComboBox
        entries = [combo.itemText(n) for n in range(combo.count)]
        combo.setCurrentIndex(next(n for n, entry in enumerate(entries) if entry.startswith(word)))

    def go_to(self, superior_mm: float) -> None:
        """Move the slider."""
        self.ui.levelSlider.value = superior_mm
        self.settle()

    def click_assess(self) -> None:
        """Press Assess; it returns at once."""
        assert self.ui.assessButton.enabled
        self.ui.assessButton.click()
        assert self.ui.cancelButton.enabled, self.ui.messageLabel.text

    def assess(self) -> None:
        """Press Assess and wait for the result."""
        self.click_assess()
        self.wait()

    def wait(self) -> None:
        """Wait for what is under way, whatever becomes of it."""
        self.host.wait_until(lambda: not self.ui.cancelButton.enabled, GUARD_S)

    def settle(self) -> None:
        """Let events that are due be handled."""
        for _ in range(5):
            self.host.app.processEvents()

    def use(self, effect: str, ras_mm: tuple[float, float, float], radius_mm: float) -> None:
        """One stroke with an effect."""
        self.ui.segmentEditor.setActiveEffectByName(effect)
        stroke(self.ui.segmentEditor, ras_mm, radius_mm)
        self.settle()

    def undo(self) -> None:
        """One step back, as Ctrl+Z or the editor's button."""
        self.ui.segmentEditor.undo()
        self.settle()

    def review(self, reviewer: str, button: str = "acceptButton") -> None:
        """Type a name and press Accept or Reject."""
        self.ui.reviewerLineEdit.text = reviewer
        assert getattr(self.ui, button).enabled
        getattr(self.ui, button).click()
        self.settle()

    @property
    def sma_cm2(self) -> float | None:
        """The first number of the large label; None: there is none."""
        found = re.search(r"[\d.]+(?= cm²)", self.ui.smaLabel.text)
        return float(found.group()) if found else None

    @property
    def results(self) -> list[Any]:
        """Every segmentation node in the scene."""
        return list(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))

    @property
    def state(self) -> str:
        """Review state of the current result, asked as a script would."""
        return str(self.widget.logic.record(self.widget.panel.result)["review"]["state"])


class Answers:
    """A worker that says what a test has put down for it, in order, and notes what it was asked."""

    pid = None

    def __init__(self, *outcomes):
        self.outcomes, self.requests = list(outcomes), []

    def submit(self, request):
        self.requests.append(request)
        events = [[Progress(0.5, "At work")], [self.outcomes.pop(0)]]
        return SimpleNamespace(poll=lambda: events.pop(0), cancel=lambda: None, is_over=False)

    def close(self):
        pass


class Person:
    """Answers the panel's dialogs."""

    def __init__(self):
        self.yes, self.asked, self.shown, self.copied, self.path = True, [], [], [], None

    def confirm(self, question, title):
        self.asked.append(question)
        return self.yes

    def report(self, text, title):
        self.shown.append(text)

    def copy(self, text):
        self.copied.append(text)

    def save_file(self, title, name, kinds):
        return self.path

    add_to_file = save_file

    def open_file(self, title, kinds):
        return self.path

    def folder(self, title):
        return self.path


def warm_worker() -> WarmWorker:
    """A worker in this Python."""
    return WarmWorker()
