"""What a person has set in the panel, kept in the scene: one small typed class over a scripted node.

A `vtkMRMLScriptedModuleNode` holds text by name and is saved with the scene; `parameterNodeWrapper` is not in
every Slicer that this module runs in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.patient import PatientFacts, Sex

MODULE_NAME = "SarcopeniaAssess"
_CT, _RESULT = "Ct", "Result"


class Parameters:
    """The module's parameters in one scene.

    Parameters
    ----------
    node:
        A `vtkMRMLScriptedModuleNode`.
    """

    def __init__(self, node: Any) -> None:
        self.node = node

    @classmethod
    def of_scene(cls, scene: Any = None) -> Parameters:
        """Those of a scene (by default Slicer's), with a node made where there is none."""
        scene = slicer.mrmlScene if scene is None else scene
        node = scene.GetSingletonNode(MODULE_NAME, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(MODULE_NAME)
            node.SetModuleName(MODULE_NAME)
            node.SetName(MODULE_NAME)
            node = scene.AddNode(node)
        return cls(node)

    @property
    def ct(self) -> Any:
        """The volume node that is chosen; `None`: none. Another one is of another patient: no facts yet."""
        return self.node.GetNodeReference(_CT)

    @ct.setter
    def ct(self, volume_node: Any) -> None:
        if volume_node is not self.ct:
            self.facts = GivenFacts()
        self.node.SetNodeReferenceID(_CT, None if volume_node is None else volume_node.GetID())

    @property
    def result(self) -> Any:
        """The segmentation node of the current result; `None`: none."""
        return self.node.GetNodeReference(_RESULT)

    @result.setter
    def result(self, segmentation_node: Any) -> None:
        self.node.SetNodeReferenceID(
            _RESULT, None if segmentation_node is None else segmentation_node.GetID()
        )

    @property
    def facts(self) -> GivenFacts:
        """What was given of the patient by hand; what was not is `None`."""
        sex = self._text("Sex")
        return GivenFacts(
            sex=Sex(sex) if sex in tuple(Sex) else None,
            age_years=self._number("AgeYears"),
            height_m=self._number("HeightM"),
            weight_kg=self._number("WeightKg"),
        )

    @facts.setter
    def facts(self, facts: GivenFacts) -> None:
        facts.over(PatientFacts())  # refuses what no person has
        blocked = self.node.StartModify()
        try:
            self._set("Sex", None if facts.sex is None else Sex(facts.sex).value)
            self._set("AgeYears", facts.age_years)
            self._set("HeightM", facts.height_m)
            self._set("WeightKg", facts.weight_kg)
        finally:
            self.node.EndModify(blocked)

    @property
    def superior_mm(self) -> float | None:
        """Where the level slider stands, RAS mm; `None`: not set."""
        return self._number("SuperiorMm")

    @superior_mm.setter
    def superior_mm(self, value: float | None) -> None:
        self._set("SuperiorMm", value)

    @property
    def model(self) -> str | None:
        """A registered name or a file; `None`: the default."""
        return self._text("Model")

    @model.setter
    def model(self, value: str | Path | None) -> None:
        self._set("Model", None if value is None else str(value))

    @property
    def device(self) -> str:
        """`auto`, `cpu`, `cuda[:N]` or `mps`."""
        return self._text("Device") or "auto"

    @device.setter
    def device(self, value: str) -> None:
        self._set("Device", value)

    @property
    def reviewer(self) -> str:
        """Who reviews."""
        return self._text("Reviewer") or ""

    @reviewer.setter
    def reviewer(self, value: str) -> None:
        self._set("Reviewer", value)

    @property
    def organization(self) -> str:
        """Of the reviewer."""
        return self._text("Organization") or ""

    @organization.setter
    def organization(self, value: str) -> None:
        self._set("Organization", value)

    @property
    def audit_folder(self) -> Path | None:
        """Where decisions are logged; `None`: nowhere."""
        text = self._text("AuditFolder")
        return None if text is None else Path(text)

    @audit_folder.setter
    def audit_folder(self, value: str | Path | None) -> None:
        self._set("AuditFolder", None if value is None else str(value))

    def _text(self, name: str) -> str | None:
        return self.node.GetParameter(name) or None

    def _number(self, name: str) -> float | None:
        text = self._text(name)
        try:
            return None if text is None else float(text)
        except ValueError:
            return None

    def _set(self, name: str, value: object) -> None:
        if value is None or value == "":
            self.node.UnsetParameter(name)
        else:
            self.node.SetParameter(name, repr(value) if isinstance(value, float) else str(value))
