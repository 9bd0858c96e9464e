"""The muscle's segment carries DICOM's codes, and Slicer's own terminology logic finds them in our lists."""

import re

import pytest
import slicer
import vtk

from SarcopeniaAssessLib.slicer_bridge import nodes
from SarcopeniaAssessLib.slicer_bridge.terminology import (
    MUSCLE_ENTRY,
    REGION_CONTEXT,
    SEGMENT_CONTEXT,
    load_terminology,
)
from Testing.slicer.mrml_cases import add_volume

pytestmark = pytest.mark.usefixtures("slicer_scene")


def tag_of(node, segment_id):
    """The terminology tag of a segment."""
    text = vtk.mutable("")
    assert node.GetSegmentation().GetSegment(segment_id).GetTag("TerminologyEntry", text)
    return str(text.get())


def looked_up(text):
    """An entry as Slicer reads its tag, completed from the lists that are loaded."""
    logic, entry = slicer.modules.terminologies.logic(), slicer.vtkSlicerTerminologyEntry()
    assert logic.DeserializeTerminologyEntry(text, entry)
    entry.GetTypeObject().SetCodeMeaning("")  # comes back only where a list has the code
    entry.GetRegionObject().SetCodeMeaning("")
    logic.UpdateEntryFromLoadedTerminologies(entry, [], [])
    return entry


def coded(entry):
    return (entry.GetCodingSchemeDesignator(), entry.GetCodeValue(), entry.GetCodeMeaning())


def test_a_segment_is_skeletal_muscle_at_l3():
    node, segment = nodes.new_segmentation(add_volume())
    assert tag_of(node, segment) == (
        "Segmentation category and type - SarcopeniaAssess"
        "~SCT^85756007^Tissue~SCT^127954009^Skeletal muscle~^^"
        "~Anatomic codes - SarcopeniaAssess~SCT^36470004^L3 vertebra~^^"
    )


def test_slicer_finds_the_segments_codes_in_the_lists_that_come_with_the_module():
    node, segment = nodes.new_segmentation(add_volume())
    entry = looked_up(tag_of(node, segment))
    assert coded(entry.GetCategoryObject()) == ("SCT", "85756007", "Tissue")
    assert coded(entry.GetTypeObject()) == ("SCT", "127954009", "Skeletal muscle")
    assert coded(entry.GetRegionObject()) == ("SCT", "36470004", "L3 vertebra")
    assert entry.GetTerminologyContextName() == SEGMENT_CONTEXT
    assert entry.GetRegionContextName() == REGION_CONTEXT
    assert entry.GetCategoryObject().GetShowAnatomy(), "else the navigator greys the region out"
    colour = entry.GetTypeObject().GetRecommendedDisplayRGBValue()
    assert [round(255 * part) for part in nodes.MUSCLE_COLOUR] == list(colour)


def test_without_our_lists_slicer_does_not_know_these_codes(mrml_host):
    assert coded(looked_up(MUSCLE_ENTRY).GetTypeObject())[2] == ""
    assert "Failed to find region" in "".join(mrml_host.errors.messages)
    mrml_host.errors.messages.clear()
    load_terminology()
    assert coded(looked_up(MUSCLE_ENTRY).GetTypeObject())[2] == "Skeletal muscle"


def test_the_lists_are_loaded_once_and_nothing_is_needed_of_a_slicer_without_the_module(monkeypatch):
    logic = slicer.modules.terminologies.logic()
    load_terminology()
    before = logic.GetMTime()
    load_terminology()
    assert logic.GetMTime() == before
    monkeypatch.delattr(slicer.modules, "terminologies")
    node, segment = nodes.new_segmentation(add_volume())
    assert tag_of(node, segment) == MUSCLE_ENTRY


def test_the_codes_are_those_of_the_dicom_segmentation():
    from SarcopeniaAssessLib import dicom_codes

    told = re.findall(r"SCT\^(\d+)\^", MUSCLE_ENTRY)
    wanted = (dicom_codes.TISSUE, dicom_codes.SKELETAL_MUSCLE, dicom_codes.L3_VERTEBRA)
    assert told == [term.value for term in wanted]
