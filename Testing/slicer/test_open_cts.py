"""Volume nodes as CTs: at once from memory, with what their files tell later, others once changed."""

import hashlib
import threading

import numpy as np
import pytest
import slicer

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaAssessLib.slicer_bridge import open_cts
from SarcopeniaAssessLib.slicer_bridge.open_cts import OpenCts
from Testing.library import ct_files, small_case
from Testing.slicer.mrml_cases import add_transform, add_volume, load_volume, moved


@pytest.fixture
def held(monkeypatch):
    """Files are read only after `held.set()`."""
    gate, read = threading.Event(), open_cts.found_ct

    def waits(ct, source):
        assert gate.wait(60)
        return read(ct, source)

    monkeypatch.setattr(open_cts, "found_ct", waits)
    yield gate
    gate.set()


@pytest.fixture
def file(tmp_path):
    return ct_files.write_nifti(tmp_path / "ct.nii.gz", small_case.ct(), small_case.affine())


def test_a_ct_is_there_before_its_file_is_read(slicer_scene, held, file):
    cts, node = OpenCts(), load_volume(file)
    quick = cts.quick(node)
    np.testing.assert_array_equal(quick.slab(0, 7), small_case.ct())
    assert cts.known(node).input == quick.input
    held.set()
    whole = cts.wait(node)
    assert whole.input.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    known = cts.known(node)
    np.testing.assert_array_equal(known.ras_from_ijk, small_case.affine())
    assert known.input == quick.input, "a worker keeps the voxels that it has by this"
    assert cts.quick(node) is quick, "asked again, it is the same"


def test_facts_are_there_before_the_file_is_read(slicer_scene, held):
    cts, node = OpenCts(), add_volume()
    node.SetAttribute("DICOM.PatientSex", "F")
    assert cts.facts(node) == PatientFacts(Sex.FEMALE, "dicom")
    held.set()
    cts.wait(node)
    assert cts.facts(node) == PatientFacts(Sex.FEMALE, "dicom")


@pytest.mark.parametrize("change", ["voxels", "image", "place", "transform"])
def test_a_changed_node_is_another_ct(slicer_scene, change):
    cts, node = OpenCts(), add_volume()
    before = cts.quick(node)
    assert cts.shows(node, before)
    if change == "voxels":
        slicer.util.arrayFromVolume(node)[0, 0, 0] = -900
        slicer.util.arrayFromVolumeModified(node)
    elif change == "image":
        slicer.util.updateVolumeFromArray(node, slicer.util.arrayFromVolume(node)[:-1].copy())
    elif change == "place":
        node.SetSpacing(4.0, 5.0, 7.0)
    else:
        node.SetAndObserveTransformNodeID(add_transform(moved(0.0, 0.0, 1.0)).GetID())
    assert not cts.shows(node, before)
    after = cts.quick(node)
    assert after.input.sha256 != before.input.sha256
    assert cts.shows(node, after)


def test_a_name_or_a_colour_makes_no_other_ct(slicer_scene):
    cts, node = OpenCts(), add_volume()
    before = cts.quick(node)
    node.SetName("renamed")
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetWindowLevel(400, 40)
    assert cts.quick(node) is before


def test_a_new_node_under_an_old_ones_id_has_its_own_patient(slicer_scene):
    cts, node = OpenCts(), add_volume()
    node.SetAttribute("DICOM.PatientSex", "F")
    assert cts.facts(node).sex is Sex.FEMALE
    image, taken = node.GetImageData(), node.GetID()
    slicer.mrmlScene.Clear(0)
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    other.SetAndObserveImageData(image)
    other.CopyOrientation(node)
    assert other.GetID() == taken
    assert cts.facts(other) == PatientFacts()


def test_what_cannot_be_read_is_raised_where_it_is_waited_for(slicer_scene, monkeypatch):
    def fails(ct, source):
        raise MemoryError

    monkeypatch.setattr(open_cts, "found_ct", fails)
    cts, node = OpenCts(), add_volume()
    assert cts.known(node).shape == small_case.SHAPE
    with pytest.raises(MemoryError):
        cts.wait(node)


def test_removed_volumes_are_let_go(slicer_scene):
    cts, node = OpenCts(), add_volume()
    cts.quick(node)
    slicer.mrmlScene.RemoveNode(node)
    with pytest.raises(InputError, match="no longer"):
        cts.quick(node)
    cts.quick(add_volume())
    assert [opened.node for opened in cts._open.values()] != [node]
    assert len(cts._open) == 1


def test_a_timer_lends_the_reading_thread_time_until_it_is_done(qt_host, held, file):
    cts, node = OpenCts(), load_volume(file)
    cts.quick(node)
    timer = cts._timer
    assert timer.active
    held.set()
    cts.wait(node)
    while cts._timer is not None:
        slicer.app.processEvents()
    assert cts.known(node).patient == PatientFacts()


def test_closing_the_scene_ends_the_timer(qt_host, held, file):
    cts = OpenCts()
    cts.quick(load_volume(file))
    assert cts._timer is not None
    slicer.mrmlScene.Clear(0)
    cts.forget()
    assert cts._timer is None
