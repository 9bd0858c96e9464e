"""The section *Export*: files of the result, and where decisions are logged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from SarcopeniaAssessLib import remedies
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.slicer_bridge import export
from SarcopeniaAssessLib.slicer_bridge.panel_run import TOLD

if TYPE_CHECKING:
    from SarcopeniaAssessLib.slicer_bridge.panel import Panel

_TABLE = "assessments.csv"


class ExportSection:
    """Buttons that write files.

    Parameters
    ----------
    panel:
        The whole panel.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel, self._ui = panel, panel.ui
        self._ui.exportRecordButton.connect("clicked()", self._record)
        self._ui.exportReportButton.connect("clicked()", self._report)
        self._ui.exportTableButton.connect("clicked()", self._table)
        self._ui.auditFolderButton.connect("clicked()", self._choose_folder)
        self._ui.auditFolderLineEdit.connect("editingFinished()", self._folder_typed)

    def restore(self) -> None:
        """Take the folder of the scene's parameters."""
        folder = self._panel.logic.parameters.audit_folder
        self._ui.auditFolderLineEdit.setText("" if folder is None else str(folder))

    def update(self, *, can_export: bool) -> None:
        """Allow export where there is a result that can be measured."""
        for name in ("exportRecordButton", "exportReportButton", "exportTableButton"):
            getattr(self._ui, name).setEnabled(can_export)

    def _record(self) -> None:
        name = f"{self._case()}-assessment.json"
        path = self._panel.dialogs.save_file(_("Save record"), name, _("Records (*.json)"))
        self._write(
            path, ".json", lambda to: export.write_record(to, self._panel.logic.record(self._panel.result))
        )

    def _report(self) -> None:
        name = f"{self._case()}-report.pdf"
        path = self._panel.dialogs.save_file(_("Save report"), name, _("Pages (*.pdf)"))
        self._write(
            path, ".pdf", lambda to: export.write_report(to, self._panel.logic.assessment(self._panel.result))
        )

    def _table(self) -> None:
        path = self._panel.dialogs.add_to_file(_("Add to table"), _TABLE, _("Tables (*.csv)"))
        self._write(path, ".csv", lambda to: export.add_row(to, self._panel.logic.record(self._panel.result)))

    def _case(self) -> str:
        try:
            return str(self._panel.logic.record(self._panel.result)["case"])
        except SarcopeniaError:
            return "ct"

    def _write(self, path: Path | None, suffix: str, write: Callable[[Path], None]) -> None:
        if path is None:
            return
        path = path if path.suffix else path.with_suffix(suffix)
        try:
            write(path)
        except TOLD as error:
            self._ui.exportLabel.setText("")
            self._panel.run.fail(remedies.explained(error))
            return
        self._panel.run.clear_message()
        self._ui.exportLabel.setText(_("Saved: {name}").format(name=path.name))

    def _choose_folder(self) -> None:
        folder = self._panel.dialogs.folder(_("Folder of the audit log"))
        if folder is not None:
            self._ui.auditFolderLineEdit.setText(str(folder))
            self._folder_typed()

    def _folder_typed(self, *_values: Any) -> None:
        text = self._ui.auditFolderLineEdit.text.strip()
        self._panel.logic.parameters.audit_folder = text or None
