"""The section *Review*: who accepts or rejects the result, and what takes that back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.remedies import explained
from SarcopeniaAssessLib.slicer_bridge.panel_run import TOLD
from SarcopeniaAssessLib.slicer_bridge.panel_words import review_sentence

if TYPE_CHECKING:
    from SarcopeniaAssessLib.slicer_bridge.panel import Panel


class ReviewSection:
    """Reviewer, Accept and Reject.

    Parameters
    ----------
    panel:
        The whole panel.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel, self._ui = panel, panel.ui
        self._state: str | None = None
        self._ui.reviewerLineEdit.connect("textChanged(QString)", self._typed)
        self._ui.organizationLineEdit.connect("textChanged(QString)", self._typed)
        self._ui.acceptButton.connect("clicked()", self.accept)
        self._ui.rejectButton.connect("clicked()", self.reject)

    def restore(self) -> None:
        """Take reviewer and organization of the scene's parameters."""
        parameters = self._panel.logic.parameters
        for box, text in (
            (self._ui.reviewerLineEdit, parameters.reviewer),
            (self._ui.organizationLineEdit, parameters.organization),
        ):
            if text and box.text != text:
                box.setText(text)

    def show(self, record: Mapping[str, Any] | None) -> None:
        """Show whether a record is reviewed; `None`: no result, or none that can be measured."""
        self._state = None if record is None else record["review"]["state"]
        text, colour = ("", "info") if record is None else review_sentence(record)
        self._ui.reviewLabel.setText(text)
        self._ui.reviewLabel.setVisible(bool(text))
        self._ui.reviewLabel.setStyleSheet(f"color: {self._panel.colours[colour]}")
        self.update()

    def show_new(self) -> None:
        """Another result: remark and tick of the one before are not its."""
        self._ui.commentLineEdit.setText("")
        self._ui.oedemaCheckBox.setChecked(False)

    def update(self) -> None:
        """Allow what can be decided now."""
        can = (
            self._state is not None
            and bool(self._ui.reviewerLineEdit.text.strip())
            and not self._panel.run.is_busy
        )
        self._ui.acceptButton.setEnabled(can and self._state != "accepted")
        self._ui.rejectButton.setEnabled(can and self._state == "unreviewed")

    def accept(self) -> None:
        """Accept the result as it is now."""
        self._decide(self._panel.logic.accept)

    def reject(self) -> None:
        """Reject the result."""
        self._decide(self._panel.logic.reject)

    def _decide(self, decide: Any) -> None:
        ui = self._ui
        if self._panel.result is None:
            return
        try:
            decide(
                self._panel.result,
                ui.reviewerLineEdit.text.strip(),
                ui.organizationLineEdit.text.strip(),
                ui.commentLineEdit.text.strip(),
                oedema_or_fluid=bool(ui.oedemaCheckBox.checked),
            )
        except TOLD as error:
            self._panel.run.fail(explained(error))
            return
        self._panel.run.clear_message()
        self._panel.refresh()

    def _typed(self, *_values: Any) -> None:
        parameters = self._panel.logic.parameters
        parameters.reviewer = self._ui.reviewerLineEdit.text.strip()
        parameters.organization = self._ui.organizationLineEdit.text.strip()
        self.update()
