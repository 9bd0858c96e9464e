"""Every dialog that the panel opens, in one place: tests and scripts put another object here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _


class Dialogs:
    """Asks the person at the window.

    Parameters
    ----------
    parent:
        The widget over which dialogs open.
    """

    def __init__(self, parent: Any) -> None:
        self._parent = parent

    def confirm(self, question: str, title: str) -> bool:
        """Whether the answer is OK."""
        return bool(slicer.util.confirmOkCancelDisplay(question, title, parent=self._parent))

    def report(self, text: str, title: str) -> None:
        """Show a text that may be copied."""
        box = qt.QDialog(self._parent)
        box.setWindowTitle(title)
        layout = qt.QVBoxLayout(box)
        shown = qt.QPlainTextEdit()
        shown.setPlainText(text)
        shown.setReadOnly(True)
        shown.setLineWrapMode(qt.QPlainTextEdit.NoWrap)
        shown.setMinimumSize(620, 340)
        layout.addWidget(shown)
        buttons = qt.QDialogButtonBox()
        copy = buttons.addButton(_("Copy"), qt.QDialogButtonBox.ActionRole)
        buttons.addButton(qt.QDialogButtonBox.Close)
        copy.connect("clicked()", lambda: self.copy(text))
        buttons.connect("rejected()", box.reject)
        layout.addWidget(buttons)
        box.exec_()

    def copy(self, text: str) -> None:
        """Put a text onto the clipboard."""
        qt.QApplication.clipboard().setText(text)

    def open_file(self, title: str, kinds: str) -> Path | None:
        """A file that is there; `None`: cancelled."""
        return self._path(qt.QFileDialog.getOpenFileName(self._parent, title, "", kinds))

    def save_file(self, title: str, name: str, kinds: str) -> Path | None:
        """Where to write; the dialog has asked before a file is replaced. `None`: cancelled."""
        return self._path(qt.QFileDialog.getSaveFileName(self._parent, title, name, kinds))

    def add_to_file(self, title: str, name: str, kinds: str) -> Path | None:
        """Where to add a line; a file that is there is kept, so nothing is asked. `None`: cancelled."""
        dialog = qt.QFileDialog(self._parent, title)
        dialog.setAcceptMode(qt.QFileDialog.AcceptSave)
        dialog.setNameFilter(kinds)
        dialog.setOption(qt.QFileDialog.DontConfirmOverwrite, True)
        dialog.selectFile(name)
        chosen = dialog.selectedFiles() if dialog.exec_() else ()
        return self._path(chosen[0] if chosen else None)

    def folder(self, title: str) -> Path | None:
        """A folder that is there; `None`: cancelled."""
        return self._path(qt.QFileDialog.getExistingDirectory(self._parent, title))

    @staticmethod
    def _path(chosen: Any) -> Path | None:
        return Path(str(chosen)) if chosen else None
