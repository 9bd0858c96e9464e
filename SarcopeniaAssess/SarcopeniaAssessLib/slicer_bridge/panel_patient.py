"""The section *CT*: which volume, and what is known of its patient, from where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.patient import PatientFacts, Sex

if TYPE_CHECKING:
    from SarcopeniaAssessLib.slicer_bridge.panel import Panel

_SEXES = (Sex.MALE, Sex.FEMALE, None)
"""In the order of the entries of `sexComboBox`."""
_BOXES = (
    ("age_years", "ageSpinBox", 1.0),
    ("height_m", "heightSpinBox", 100.0),
    ("weight_kg", "weightSpinBox", 1.0),
)
"""Fact, widget, and what the fact is multiplied with to be shown (height in cm)."""


class PatientSection:
    """Selector of the CT, and the patient's facts.

    Parameters
    ----------
    panel:
        The whole panel.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel, self._ui = panel, panel.ui
        self._header = PatientFacts()
        self._given: dict[str, GivenFacts] = {}
        self._ui.ctSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._chosen)
        self._ui.sexComboBox.connect("currentIndexChanged(int)", self._changed)
        for _fact, box, _factor in _BOXES:
            getattr(self._ui, box).connect("valueChanged(double)", self._changed)
        self.show(None)

    def choose(self, volume_node: Any) -> None:
        """Let the selector show a volume."""
        self._ui.ctSelector.setCurrentNode(volume_node)

    def remember(self, volume_node: Any, given: GivenFacts) -> None:
        """Take facts for a CT that were given before, e.g. those of a scene that was loaded."""
        if volume_node is not None and given != GivenFacts():
            self._given[volume_node.GetID()] = given

    def remember_facts(self, volume_node: Any, patient: PatientFacts) -> None:
        """Take what is known of a CT's patient from its result, unless something was given already."""
        if volume_node.GetID() in self._given:
            return
        header = self._panel.logic.openCts.facts(volume_node)
        names = ("sex", "age_years", "height_m", "weight_kg")
        told = {
            name: getattr(patient, name) for name in names if getattr(patient, name) != getattr(header, name)
        }
        self.remember(volume_node, GivenFacts(**told))

    def forget(self) -> None:
        """Drop what was given, for when the scene is closed."""
        self._given.clear()
        self.show(None)

    def show(self, volume_node: Any) -> None:
        """Show the facts of a CT's patient; `None`: no CT."""
        for name in ("sexComboBox", "ageSpinBox", "heightSpinBox", "weightSpinBox"):
            getattr(self._ui, name).setEnabled(volume_node is not None)
        self._header = PatientFacts() if volume_node is None else self._panel.logic.openCts.facts(volume_node)
        given = GivenFacts() if volume_node is None else self._given.get(volume_node.GetID(), GivenFacts())
        self._fill(given)

    def given(self) -> GivenFacts:
        """What the widgets say beyond the CT's header."""
        sex = _SEXES[min(self._ui.sexComboBox.currentIndex, 2)]
        values = {
            fact: self._given_number(fact, getattr(self._ui, box), factor) for fact, box, factor in _BOXES
        }
        return GivenFacts(sex=None if sex == self._header.sex else sex, **values)

    def _given_number(self, fact: str, box: Any, factor: float) -> float | None:
        known = getattr(self._header, fact)
        shown = 0.0 if known is None else round(known * factor, box.decimals)
        value = float(box.value)
        return None if value in (0.0, shown) else value / factor

    def _chosen(self, volume_node: Any) -> None:
        self._panel.choose_volume(volume_node)

    def _changed(self, *_values: Any) -> None:
        volume_node = self._panel.volume
        if volume_node is None:
            return
        given = self.given()
        try:
            self._panel.logic.parameters.facts = given
        except SarcopeniaError as error:
            self._panel.run.fail(error)
            return
        self._given[volume_node.GetID()] = given
        self._fill(given)
        self._panel.facts_changed(given)

    def _fill(self, given: GivenFacts) -> None:
        facts = given.over(self._header)
        combo = self._ui.sexComboBox
        was_blocked = combo.blockSignals(True)
        combo.setCurrentIndex(_SEXES.index(facts.sex))
        combo.blockSignals(was_blocked)
        for fact, name, factor in _BOXES:
            box, value = getattr(self._ui, name), getattr(facts, fact)
            was_blocked = box.blockSignals(True)
            box.setValue(0.0 if value is None else value * factor)
            box.blockSignals(was_blocked)
        self._ui.factsLabel.setText(self._sources(given))

    def _sources(self, given: GivenFacts) -> str:
        """Where the facts come from, in one line."""
        names = {"sex": _("sex"), "age_years": _("age"), "height_m": _("height"), "weight_kg": _("weight")}
        by_hand = [name for key, name in names.items() if getattr(given, key) is not None]
        read = [
            name
            for key, name in names.items()
            if getattr(given, key) is None and getattr(self._header, key) is not None
        ]
        unknown = [name for name in names.values() if name not in (*by_hand, *read)]
        parts = [
            told.format(names=", ".join(each))
            for told, each in (
                (_("From DICOM: {names}."), read),
                (_("Entered: {names}."), by_hand),
                (_("Not known: {names}."), unknown),
            )
            if each
        ]
        return " ".join(parts) if self._panel.volume is not None else _("Choose a CT, or load one first.")
