"""What the muscle's segment is called in Slicer: the codes of the DICOM segmentation, in Slicer's own form.

Slicer's lists know *Muscle*, but neither *Skeletal muscle* nor *L3 vertebra*: two short lists with these
come with the module (`Resources/Terminologies`) and are shown to Slicer when the first segment is made.
"""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.dicom_codes import L3_VERTEBRA, SKELETAL_MUSCLE, TISSUE, Term

SEGMENT_CONTEXT = "Segmentation category and type - SarcopeniaAssess"
REGION_CONTEXT = "Anatomic codes - SarcopeniaAssess"
_SEGMENT_FILE, _REGION_FILE = "SarcopeniaAssess-Segment.term.json", "SarcopeniaAssess-Region.term.json"
_NONE = "^^"


def _code(term: Term) -> str:
    return f"{term.scheme}^{term.value}^{term.meaning}"


MUSCLE_ENTRY = "~".join(
    (
        SEGMENT_CONTEXT,
        _code(TISSUE),
        _code(SKELETAL_MUSCLE),
        _NONE,
        REGION_CONTEXT,
        _code(L3_VERTEBRA),
        _NONE,
    )
)
"""A segment's terminology tag: list, category, type and modifier; list, region and modifier."""


def load_terminology() -> None:
    """Show both lists to Slicer, once; nothing happens where its module Terminologies is switched off."""
    module = getattr(slicer.modules, "terminologies", None)
    if module is None:
        return
    logic = module.logic()
    folder = resource_path("Terminologies")
    if SEGMENT_CONTEXT not in _names(logic.GetLoadedTerminologyNames):
        logic.LoadTerminologyFromFile(str(folder / _SEGMENT_FILE))
    if REGION_CONTEXT not in _names(logic.GetLoadedRegionContextNames):
        logic.LoadRegionContextFromFile(str(folder / _REGION_FILE))


def _names(fill: Any) -> list[str]:
    found = vtk.vtkStringArray()
    fill(found)
    return [str(found.GetValue(n)) for n in range(found.GetNumberOfValues())]
