"""What is set in the panel is kept in the scene, typed, and comes back from a saved one."""

from pathlib import Path

import pytest
import slicer

from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.errors import PatientError
from SarcopeniaAssessLib.patient import Sex
from SarcopeniaAssessLib.slicer_bridge.parameters import MODULE_NAME, Parameters
from Testing.slicer.mrml_cases import add_volume

pytestmark = pytest.mark.usefixtures("slicer_scene")


def test_a_scene_has_one_and_nothing_is_set_at_first():
    parameters = Parameters.of_scene()
    assert Parameters.of_scene().node is parameters.node
    assert parameters.node.GetModuleName() == MODULE_NAME
    assert parameters.node.GetSingletonTag() == MODULE_NAME
    assert parameters.ct is None
    assert parameters.result is None
    assert parameters.facts == GivenFacts()
    assert (parameters.superior_mm, parameters.model, parameters.audit_folder) == (None, None, None)
    assert (parameters.device, parameters.reviewer, parameters.organization) == ("auto", "", "")


def set_all(parameters, volume, segmentation):
    parameters.ct, parameters.result = volume, segmentation
    parameters.facts = GivenFacts("female", 61.5, 1.62, 70.25)
    parameters.superior_mm = -403.1234567890123
    parameters.model, parameters.device = "unet-slab-2", "cuda:1"
    parameters.reviewer, parameters.organization = "Dr Müller; „M“", "Klinik 100 %"
    parameters.audit_folder = Path("somewhere") / "ä ö"


def expect_all(parameters):
    assert parameters.ct.GetName() == "CT"
    assert parameters.result.GetName() == "Muscle"
    assert parameters.facts == GivenFacts(Sex.FEMALE, 61.5, 1.62, 70.25)
    assert parameters.superior_mm == -403.1234567890123
    assert (parameters.model, parameters.device) == ("unet-slab-2", "cuda:1")
    assert (parameters.reviewer, parameters.organization) == ("Dr Müller; „M“", "Klinik 100 %")
    assert parameters.audit_folder == Path("somewhere") / "ä ö"


def test_what_is_set_comes_back_also_from_a_saved_scene(tmp_path):
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Muscle")
    set_all(Parameters.of_scene(), add_volume(), segmentation)
    expect_all(Parameters.of_scene())
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    assert Parameters.of_scene().ct is None
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    expect_all(Parameters.of_scene())


def test_what_is_unset_is_gone():
    parameters = Parameters.of_scene()
    set_all(parameters, add_volume(), None)
    parameters.ct = parameters.superior_mm = parameters.model = parameters.audit_folder = None
    parameters.facts = GivenFacts()
    parameters.reviewer = ""
    assert parameters.ct is None
    assert parameters.facts == GivenFacts()
    assert (parameters.superior_mm, parameters.model, parameters.audit_folder) == (None, None, None)
    assert parameters.reviewer == ""


def test_the_facts_of_one_patient_are_never_anothers():
    parameters, first, second = Parameters.of_scene(), add_volume(name="one"), add_volume(name="two")
    parameters.ct = first
    parameters.facts = GivenFacts("female", 61.5)
    parameters.ct = first
    assert parameters.facts == GivenFacts(Sex.FEMALE, 61.5)
    parameters.ct = second
    assert parameters.facts == GivenFacts()


def test_impossible_facts_are_refused_and_change_nothing():
    parameters = Parameters.of_scene()
    parameters.facts = GivenFacts("male")
    with pytest.raises(PatientError, match="metres"):
        parameters.facts = GivenFacts("female", height_m=162.0)
    assert parameters.facts == GivenFacts(Sex.MALE)


def test_text_that_is_no_value_is_none():
    parameters = Parameters.of_scene()
    parameters.node.SetParameter("AgeYears", "old")
    parameters.node.SetParameter("Sex", "unknown")
    assert parameters.facts == GivenFacts()


def test_facts_are_set_in_one_step():
    parameters = Parameters.of_scene()
    told = []
    parameters.node.AddObserver("ModifiedEvent", lambda *_: told.append(parameters.facts))
    parameters.facts = GivenFacts("female", 61.0, 1.62, 70.0)
    assert told == [GivenFacts(Sex.FEMALE, 61.0, 1.62, 70.0)]
