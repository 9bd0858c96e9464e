"""Previews of the panel in its states, and slices as Slicer's MRML libraries render them.

    python -m Testing.slicer.previews OUT

The panel is drawn by Qt's Fusion style, not by Slicer: a panel preview, no screenshot of the application.
The CT is the phantom that comes with the library.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from SarcopeniaAssessLib.errors import Offer, WorkerError
from SarcopeniaAssessLib.worker_client import WarmWorker
from Testing.slicer import mrml_cases
from Testing.slicer.host.application import SlicerHost, qt_application
from Testing.slicer.host.failures import FAILURES
from Testing.slicer.host.pythonqt import unwrap
from Testing.slicer.host.slice_pictures import SlicePicture
from Testing.slicer.panel_clicks import ROOT, Clicks

WIDTH = 420
DEMO = ROOT / "SarcopeniaAssess" / "Resources" / "demo" / "ct.nii.gz"
DEMO_LEVEL_MM = -417.5


class LongWords(QtCore.QTranslator):
    """Every sentence about a third longer, as German makes them; placeholders and markup stay."""

    def translate(self, _context: str, text: str, *_rest: Any) -> str:
        """The longer text."""
        parts = re.split(r"(\{[^}]*\}|<[^>]*>)", text)
        return "".join(
            part if part.startswith(("{", "<")) else re.sub(r"([A-Za-z&]{4,})", r"\1ungs", part)
            for part in parts
        )

    def isEmpty(self) -> bool:
        """Qt asks before it installs one."""
        return False


def dark() -> QtGui.QPalette:
    """A dark window."""
    palette = QtGui.QPalette(QtGui.QColor(50, 50, 50))
    role = QtGui.QPalette.ColorRole
    for each in (role.WindowText, role.Text, role.ButtonText, role.ToolTipText):
        palette.setColor(each, QtGui.QColor(230, 230, 230))
    palette.setColor(role.PlaceholderText, QtGui.QColor(140, 140, 140))
    palette.setColor(role.Base, QtGui.QColor(35, 35, 35))
    palette.setColor(role.Highlight, QtGui.QColor(60, 110, 170))
    for each in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QtGui.QPalette.ColorGroup.Disabled, each, QtGui.QColor(120, 120, 120))
    return palette


class Studio:
    """The module in a scrolled column as wide as Slicer's module panel, photographed whole."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder, self._suffix = folder, suffix
        self.host = SlicerHost()
        self.worker = WarmWorker()
        self.clicks = Clicks(self.host, self.worker)
        self._column = QtWidgets.QScrollArea()
        self._column.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self._column.setWidgetResizable(True)
        self._column.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._column.setWidget(unwrap(slicer.modules.sarcopeniaassess.widgetRepresentation()))
        self._column.resize(WIDTH, 900)
        self._column.show()

    def photograph(self, state: str) -> Path:
        """The whole panel as it is now."""
        self._column.resize(WIDTH, 200)
        self.clicks.settle()
        content = self._column.widget()
        self._column.resize(WIDTH, content.height())
        self.clicks.settle()
        path = self._folder / f"panel-{state}{self._suffix}.png"
        self._column.grab().save(str(path))
        wide = content.minimumSizeHint().width()
        print(f"{path.name}: {WIDTH} × {content.height()}" + (f", needs {wide}" if wide > WIDTH else ""))
        return path

    def close(self) -> None:
        """Put everything away."""
        self._column.takeWidget()
        self.worker.close()
        self.host.close()


def states(studio: Studio) -> None:
    """From the empty panel to an error, one after the other."""
    clicks = studio.clicks
    studio.photograph("empty")
    clicks.choose(mrml_cases.load_volume(DEMO))
    clicks.sex("Male")
    clicks.go_to(DEMO_LEVEL_MM)
    clicks.click_assess()
    studio.host.wait_until(lambda: clicks.ui.progressBar.value > 0, 60.0)
    studio.photograph("running")
    clicks.wait()
    studio.photograph("result")
    clicks.ui.heightSpinBox.value = 174.0
    clicks.review("Dr. A. Reader")
    studio.photograph("accepted")
    middle = studio.host.app.layoutManager().sliceWidget("Red").mrmlSliceNode().GetSliceToRAS()
    clicks.use("Erase", (middle.GetElement(0, 3) + 60.0, middle.GetElement(1, 3) - 40.0, DEMO_LEVEL_MM), 25.0)
    studio.host.wait_until(lambda: clicks.state == "unreviewed")
    clicks.widget.panel.refresh()
    studio.photograph("withdrawn")
    clicks.choose(_cut_off())
    clicks.go_to(DEMO_LEVEL_MM)
    clicks.assess()
    studio.photograph("warning")
    clicks.widget.panel.run.fail(
        WorkerError(
            "There is not enough memory on the graphics card",
            "use the processor: slower, the same result",
            Offer.CPU,
            details="CUDA out of memory",
        ),
        clicks.widget.panel.run.assess,
    )
    studio.photograph("error")
    clicks.ui.modelSection.collapsed = False
    clicks.wait()
    clicks.ui.modelSection.collapsed = False
    studio.photograph("model")


def _cut_off() -> Any:
    """The phantom with one flank outside the image."""
    volume = mrml_cases.load_volume(DEMO)
    volume.SetName("CT, flank cut off")
    voxels = slicer.util.arrayFromVolume(volume)
    kept = np.ascontiguousarray(voxels[:, :, :330])
    slicer.util.updateVolumeFromArray(volume, kept)
    return volume


def slices(folder: Path, studio: Studio) -> None:
    """The three views of the phantom with its result."""
    clicks = studio.clicks
    volume = mrml_cases.load_volume(DEMO)
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevel(400, 40)
    clicks.choose(volume)
    clicks.sex("Male")
    clicks.go_to(DEMO_LEVEL_MM)
    clicks.assess()
    clicks.go_to(DEMO_LEVEL_MM)
    views = studio.host.app.layoutManager()
    for name, plane, size in (
        ("Red", "axial", (700, 520)),
        ("Yellow", "sagittal", (520, 420)),
        ("Green", "coronal", (700, 420)),
    ):
        if plane != "axial":
            views.sliceWidget(name).logic.SetSliceOffset(0.0)
        picture = SlicePicture(views.sliceWidget(name), size)
        picture.save(folder / f"slice-{plane}.png")
        picture.close()
        print(f"slice-{plane}.png")


def main(folder: Path) -> int:
    """Draw everything into a folder; 1 where an error reached nobody meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    application, failures = qt_application(), []
    light = QtGui.QPalette(QtGui.QColor(239, 239, 239))
    looks: tuple[tuple[str, QtGui.QPalette, Any], ...] = (
        ("", light, None),
        ("-dark", dark(), None),
        ("-long", light, LongWords()),
    )
    for suffix, palette, words in looks:
        application.setPalette(palette)
        if words is not None:
            application.installTranslator(words)
        failures += _draw(folder, suffix, states)
        if words is not None:
            application.removeTranslator(words)
    failures += _draw(folder, "", lambda studio: slices(folder, studio))
    for each in failures:
        print(each, file=sys.stderr)
    return 1 if failures else 0


def _draw(folder: Path, suffix: str, draw: Callable[[Studio], object]) -> list[str]:
    studio = Studio(folder, suffix)
    draw(studio)
    studio.close()
    found = studio.host.errors.messages + FAILURES.messages
    FAILURES.messages = []
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m Testing.slicer.previews OUT")
    sys.exit(main(Path(sys.argv[1])))
