"""The section *Export*: files of the result, and where decisions are logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from SarcopeniaAssessLib import remedies
from SarcopeniaAssessLib.case_table import RECORD
from SarcopeniaAssessLib.dicom_results import NOT_WRITTEN, SEGMENTATION
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.record import read_record
from SarcopeniaAssessLib.slicer_bridge import export, panel_words
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
        self._ui.exportDicomButton.connect("clicked()", self._dicom)
        self._ui.exportCaseButton.connect("clicked()", self._case_folder)
        self._ui.auditFolderButton.connect("clicked()", self._choose_folder)
        self._ui.auditFolderLineEdit.connect("editingFinished()", self._folder_typed)

    def restore(self) -> None:
        """Take the folder of the scene's parameters; whether the patient is named is never kept."""
        folder = self._panel.logic.parameters.audit_folder
        self._ui.auditFolderLineEdit.setText("" if folder is None else str(folder))
        self.show_new_ct()

    def show_new_ct(self) -> None:
        """Another patient, perhaps: that the last one was to be named says nothing of this one."""
        self._ui.keepIdentityCheckBox.setChecked(False)
        self._ui.exportLabel.setText("")

    def show(self, record: Mapping[str, Any] | None) -> None:
        """Allow what can be saved of a record; `None`: no result, or none that can be measured."""
        is_dicom = record is not None and record["input"]["format"] == "dicom"
        for name in ("exportRecordButton", "exportReportButton", "exportTableButton", "exportCaseButton"):
            getattr(self._ui, name).setEnabled(record is not None)
        self._ui.exportDicomButton.setEnabled(is_dicom)
        self._ui.keepIdentityCheckBox.setEnabled(is_dicom)
        text, colour = ("", "info") if record is None else panel_words.dicom_sentence(record)
        self._ui.dicomLabel.setText(text)
        self._ui.dicomLabel.setVisible(bool(text))
        self._ui.dicomLabel.setStyleSheet(f"color: {self._panel.colours[colour]}")

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

    def _dicom(self) -> None:
        panel, keeps = self._panel, bool(self._ui.keepIdentityCheckBox.checked)
        if not panel.run.has_dicom_packages():
            return
        folder = panel.dialogs.folder(_("Folder for SEG and SR"))
        if folder is None:
            return

        def save() -> list[str] | None:
            record = panel.logic.record(panel.result)
            there = [name for name in export.dicom_names(record) if (folder / name).exists()]
            question = _("{names} is there already. Replace it?").format(names=", ".join(there))
            if there and not panel.dialogs.confirm(question, _("Replace files")):
                return None
            files = panel.logic.exportDicom(panel.result, folder, keepIdentity=keeps)
            return [_saved(*(file.name for file in files)), panel_words.identity_sentence(keeps=keeps)]

        self._tell(save)

    def _case_folder(self) -> None:
        panel, keeps = self._panel, bool(self._ui.keepIdentityCheckBox.checked)
        if self._ui.exportDicomButton.enabled and not panel.run.has_dicom_packages():
            return
        out = panel.dialogs.folder(_("Output folder: the case gets a folder of its own in it"))
        if out is None:
            return

        def save() -> list[str] | None:
            place = export.CasePlace.of(out, panel.logic.record(panel.result), replacing=True)
            question = _("{case}: an earlier result of this CT, not accepted, is there. Replace it?")
            if place.replaces and not panel.dialogs.confirm(
                question.format(case=place.case), _("Replace the case")
            ):
                return None
            case = panel.logic.exportCase(panel.result, out, keepIdentity=keeps, replaceCase=place.replaces)
            return [_saved(case.name), *_said_of(case, keeps=keeps)]

        self._tell(save)

    def _case(self) -> str:
        try:
            return str(self._panel.logic.record(self._panel.result)["case"])
        except SarcopeniaError:
            return "ct"

    def _write(self, path: Path | None, suffix: str, write: Callable[[Path], None]) -> None:
        if path is None:
            return
        path = path if path.suffix else path.with_suffix(suffix)

        def save() -> list[str]:
            write(path)
            return [_saved(path.name)]

        self._tell(save)

    def _tell(self, save: Callable[[], list[str] | None]) -> None:
        """Save, and say what was saved or what went wrong; nothing where somebody said no."""
        self._ui.exportLabel.setText("")
        try:
            told = save()
        except TOLD as error:
            self._panel.run.fail(remedies.explained(error))
            return
        self._panel.run.clear_message()
        self._ui.exportLabel.setText(" ".join(told or ()))

    def _choose_folder(self) -> None:
        folder = self._panel.dialogs.folder(_("Folder of the audit log"))
        if folder is not None:
            self._ui.auditFolderLineEdit.setText(str(folder))
            self._folder_typed()

    def _folder_typed(self, *_values: Any) -> None:
        text = self._ui.auditFolderLineEdit.text.strip()
        self._panel.logic.parameters.audit_folder = text or None


def _saved(*names: str) -> str:
    return str(_("Saved: {names}.").format(names=", ".join(names)))


def _said_of(case: Path, *, keeps: bool) -> list[str]:
    """What to know of a case's folder that was written: who is named in it, or why it has no SEG and SR."""
    if (case / SEGMENTATION).exists():
        return [panel_words.identity_sentence(keeps=keeps)]
    quality = read_record(case / RECORD)["quality"]
    return [each["message"] for each in quality if each["code"] == NOT_WRITTEN]
