"""The section *Result*: the area in large figures, what it means, and what to be careful of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from SarcopeniaAssessLib import wording
from SarcopeniaAssessLib.slicer_bridge import panel_words

if TYPE_CHECKING:
    from SarcopeniaAssessLib.errors import SarcopeniaError
    from SarcopeniaAssessLib.slicer_bridge.panel import Panel

_DETAILS = ("intervalLabel", "cutoffLabel", "numbersLabel", "opinionLabel", "qualityLabel", "criteriaLabel")


class ResultSection:
    """Numbers and sentences of the current result.

    Parameters
    ----------
    panel:
        The whole panel.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel, self._ui = panel, panel.ui
        self._ui.criteriaSection.collapsed = True
        self.show(None)

    def show(self, record: Mapping[str, Any] | None) -> None:
        """Show a whole record; `None`: no result."""
        if record is None:
            self._ui.smaLabel.setText("–")
            self._status(_("No result yet."), "info")
            self._set({})
            return
        self._ui.cutoffLabel.toolTip = panel_words.citation(record)
        opinion = record.get("model_opinion")
        colours = self._panel.colours
        self._show_numbers(record)
        self._set(
            {
                "intervalLabel": panel_words.interval_sentence(record),
                "cutoffLabel": panel_words.cutoff_sentence(record),
                "numbersLabel": panel_words.numbers_sentence(record),
                "opinionLabel": panel_words.opinion_sentence(
                    record, None if opinion is None else opinion["sma_cm2"]
                ),
                "qualityLabel": panel_words.quality_html(record, colours),
                "criteriaLabel": panel_words.criteria_html(record, colours),
            }
        )

    def show_live(self, record: Mapping[str, Any], live: Mapping[str, Any]) -> None:
        """Show the numbers of this moment; all that takes longer follows with the whole record."""
        now = panel_words.merged(record, live)
        self._show_numbers(now)
        self._ui.intervalLabel.setText(panel_words.interval_sentence(now))
        self._ui.numbersLabel.setText(panel_words.numbers_sentence(now, is_live=True))

    def show_error(self, error: SarcopeniaError) -> None:
        """Say why nothing can be measured."""
        self._ui.smaLabel.setText("–")
        self._status(panel_words.error_sentence(error), "error")
        self._set({})

    def _show_numbers(self, record: Mapping[str, Any]) -> None:
        self._ui.smaLabel.setText(wording.area_text(record))
        self._status(*panel_words.status_sentence(record))

    def _status(self, text: str, colour: str) -> None:
        self._ui.statusLabel.setText(text)
        self._ui.statusLabel.setStyleSheet(f"color: {self._panel.colours[colour]}")

    def _set(self, texts: Mapping[str, str]) -> None:
        for name in _DETAILS:
            label = getattr(self._ui, name)
            label.setText(texts.get(name, ""))
            if name != "criteriaLabel":
                label.setVisible(bool(texts.get(name)))
        self._ui.criteriaSection.setVisible(bool(texts.get("criteriaLabel")))
