"""The section *Model and device*: folded, for nothing in it has to be changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.models import list_models
from SarcopeniaAssessLib.slicer_bridge import dependencies, preflight
from SarcopeniaAssessLib.spine_unet import SPINE_KIND
from SarcopeniaAssessLib.worker_client import HelloRequest

if TYPE_CHECKING:
    from SarcopeniaAssessLib.assessment import Drawing
    from SarcopeniaAssessLib.slicer_bridge.panel import Panel

_CPU = "cpu"


class ModelSection:
    """What draws, and where it runs.

    Parameters
    ----------
    panel:
        The whole panel.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel, self._ui = panel, panel.ui
        self._is_known = False
        self._trained: dict[str, str] = {}
        self._fill_models()
        self._fill_devices([])
        ui = self._ui
        ui.modelSection.collapsed = True
        ui.modelComboBox.connect("currentIndexChanged(int)", self._chosen)
        ui.deviceComboBox.connect("currentIndexChanged(int)", self._chosen)
        ui.modelFileButton.connect("clicked()", self._browse)
        ui.computerButton.connect("clicked()", self.report)
        ui.installButton.connect("clicked()", self._panel_install)
        ui.wheelsButton.connect("clicked()", self._choose_wheels)
        ui.modelSection.connect("contentsCollapsed(bool)", self._folded)
        self._show_trained()

    @property
    def model(self) -> str | None:
        """Name or file; `None`: the default."""
        return self._data(self._ui.modelComboBox) or None

    @property
    def device(self) -> str:
        """As `segmentation.choose_device` takes it."""
        return self._data(self._ui.deviceComboBox) or "auto"

    @property
    def wheels(self) -> Path | None:
        """A folder of wheels to install from; `None`: the network."""
        text = self._ui.wheelsLineEdit.text.strip()
        return Path(text) if text else None

    def use_cpu(self) -> None:
        """Choose the processor."""
        self._ui.deviceComboBox.setCurrentIndex(self._ui.deviceComboBox.findData(_CPU))

    def used(self, drawing: Drawing) -> None:
        """Show where the last drawing was made."""
        device = drawing.device or _CPU
        seconds = (drawing.timing_s or {}).get("network")
        told = (
            _("Last used: the processor.")
            if device == _CPU
            else _("Last used: {device}.").format(device=device)
        )
        self._ui.deviceInfoLabel.setText(
            told if seconds is None else told + " " + _("It took {seconds:.1f} s.").format(seconds=seconds)
        )

    def restore(self) -> None:
        """Take model and device of the scene's parameters."""
        parameters = self._panel.logic.parameters
        self._select(self._ui.modelComboBox, parameters.model or "")
        self._select(self._ui.deviceComboBox, parameters.device)

    def report(self) -> None:
        """Show what this computer has, to be copied."""
        self._panel.dialogs.report(preflight.report(preflight.examine()), _("This computer"))

    def _panel_install(self) -> None:
        self._panel.run.install()

    def _choose_wheels(self) -> None:
        folder = self._panel.dialogs.folder(_("Folder with the packages' wheels"))
        if folder is not None:
            self._ui.wheelsLineEdit.setText(str(folder))

    def _folded(self, is_folded: bool) -> None:
        """Ask the worker once which devices there are: that loads torch, so not before somebody looks."""
        if is_folded or self._is_known or self._panel.run.is_busy or dependencies.lacking():
            return
        self._panel.run.start(HelloRequest, self._met, lambda: self._folded(False))

    def _met(self, told: dict[str, Any]) -> None:
        self._is_known = True
        self._fill_devices(told["devices"])
        titles = {each["name"]: each["title"] for each in told["devices"]}
        auto = told["auto"]
        words = _("Automatic takes {title}.").format(title=titles.get(auto, auto))
        if auto == _CPU:
            words += " " + _("No graphics card that torch {version} can use was found.").format(
                version=told["torch"]
            )
        self._ui.deviceInfoLabel.setText(words)

    def _fill_models(self) -> None:
        try:
            entries = [each for each in list_models() if each.architecture["kind"] != SPINE_KIND]
        except SarcopeniaError as error:
            self._ui.modelInfoLabel.setText(str(error))
            entries = []
        for n, each in enumerate(entries):
            name = "" if n == 0 else each.name
            title = _("{name} (comes with the extension)") if n == 0 else "{name}"
            self._ui.modelComboBox.addItem(title.format(name=each.name), name)
            self._trained[name] = each.trained_on

    def _fill_devices(self, devices: list[dict[str, str]]) -> None:
        combo, before = self._ui.deviceComboBox, self.device
        was_blocked = combo.blockSignals(True)
        combo.clear()
        combo.addItem(_("Automatic"), "auto")
        for each in devices or [{"name": _CPU, "title": _("Processor (CPU)")}]:
            combo.addItem(each["title"], each["name"])
        combo.blockSignals(was_blocked)
        self._select(combo, before)

    def _browse(self) -> None:
        path = self._panel.dialogs.open_file(_("Model file"), _("Models (*.safetensors)"))
        if path is not None:
            self._select(self._ui.modelComboBox, str(path))

    def _select(self, combo: Any, data: str) -> None:
        index = combo.findData(data)
        if index < 0:
            combo.addItem(Path(data).name if combo is self._ui.modelComboBox else data, data)
            index = combo.count - 1
        combo.setCurrentIndex(index)

    def _chosen(self, *_values: Any) -> None:
        parameters = self._panel.logic.parameters
        parameters.model, parameters.device = self.model, self.device
        self._show_trained()

    def _show_trained(self) -> None:
        trained = self._trained.get(self.model or "")
        self._ui.modelInfoLabel.setText(
            "" if trained is None else _("Trained on: {what}.").format(what=trained.rstrip("."))
        )

    @staticmethod
    def _data(combo: Any) -> str:
        return str(combo.itemData(combo.currentIndex) or "")
