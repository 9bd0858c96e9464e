"""The module without its window: assess, keep or replace, and the same record as the command."""

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import slicer

from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.assessment import GivenFacts, draw
from SarcopeniaAssessLib.ct_io import read_label_map
from SarcopeniaAssessLib.errors import InputError, LevelError, MaskError, PatientError
from SarcopeniaAssessLib.geometry import CanonicalAxes
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.slicer_bridge import nodes, open_cts, result_nodes
from SarcopeniaAssessLib.slicer_bridge.logic import AssessLogic
from SarcopeniaAssessLib.worker_client import LocalWorker
from Testing.library import ct_files, small_case
from Testing.slicer.mrml_cases import (
    OBLIQUE,
    STORAGES,
    add_bending,
    add_transform,
    add_volume,
    edit,
    load_dicom,
    load_volume,
    moved,
    nodes_in_scene,
    stored,
    turned,
    voxels,
)
from Testing.slicer.test_sources import dicom_folder, uneven_folder

pytestmark = pytest.mark.usefixtures("slicer_scene")
DATA = Path(os.environ.get("SARCOPENIA_TEST_DATA", Path(__file__).parents[2] / "../shared/data")) / "abdomen"
REAL_CT = DATA / "ct.nii.gz"
MUSCLE = small_case.muscle()[:, :, 3] > 0


def assessed(logic, model, volume, **given):
    return logic.assess(volume, **{"sex": "male", "l3": "slice:3", "model": model, **given})


def by_command(capsys, *arguments):
    """The record that the command prints."""
    assert run_group(cli, ["assess", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def comparable(record):
    return {name: value for name, value in record.items() if name not in ("id", "timing_s", "assessed_at")}


class TestTheCommandSaysTheSame:
    @pytest.mark.parametrize(
        ("name", "storage"), [*(("ct.nii.gz", storage) for storage in STORAGES), ("ct.nrrd", "dicom")]
    )
    def test_of_a_file(self, logic, model, tmp_path, capsys, name, storage):
        write = ct_files.write_nifti if "nii" in name else ct_files.write_itk
        path = write(tmp_path / name, *stored(small_case.ct(), OBLIQUE @ small_case.affine(), storage))
        node = logic.assess(load_volume(path), "female", "slice:3", age_years=60, height_m=1.6, model=model)
        arguments = ("--sex", "female", "--age", 60, "--height", 1.6, "--l3", "slice:3", "--model", model)
        other = by_command(capsys, path, *arguments, "--out", tmp_path / "out")
        assert comparable(logic.record(node)) == comparable(other)
        mask = read_label_map(tmp_path / "out" / "ct" / "muscle.nii.gz")
        np.testing.assert_array_equal(logic.assessment(node).mask, mask.labels)
        # Slicer stores a left-handed file in another order, so the two are compared as the patient lies.
        volume = result_nodes.ct_node_of(node)
        shown = nodes.ct_of(volume).axes.view(voxels(node, result_nodes.segment_of(node), volume))
        np.testing.assert_array_equal(shown, CanonicalAxes.of(mask.ras_from_ijk).view(mask.labels))

    @pytest.mark.parametrize(("write", "l3"), [(dicom_folder, "s:-403"), (uneven_folder, "s:-397")])
    def test_of_a_dicom_series(self, logic, model, tmp_path, capsys, write, l3):
        files = write(tmp_path / "series")
        node = logic.assess(load_dicom(files), l3=l3, model=model)
        other = by_command(capsys, tmp_path / "series", "--l3", l3, "--model", model)
        assert comparable(logic.record(node)) == comparable(other)
        assert other["patient"]["sex"] == "female", "taken from the header by both"

    @pytest.mark.skipif(not REAL_CT.is_file(), reason="no real CT: set SARCOPENIA_TEST_DATA")
    def test_of_a_patient(self, logic, capsys):
        node = logic.assess(load_volume(REAL_CT), "male", "slice:70")
        other = by_command(capsys, REAL_CT, "--sex", "male", "--l3", "slice:70")
        assert comparable(logic.record(node)) == comparable(other)

    def test_through_a_worker(self, logic, model, tmp_path, capsys, monkeypatch):
        path = ct_files.write_nifti(tmp_path / "ct.nii", small_case.ct(), small_case.affine())
        logic.worker = LocalWorker()
        asked, submit = [], logic.worker.submit
        monkeypatch.setattr(
            logic.worker, "submit", lambda request: (asked.append(request), submit(request))[1]
        )
        node = assessed(logic, model, load_volume(path))
        assert len(asked) == 1
        other = by_command(capsys, path, "--sex", "male", "--l3", "slice:3", "--model", model)
        assert comparable(logic.record(node)) == comparable(other)


def test_what_is_measured_is_in_the_record_too(logic, model):
    node = assessed(logic, model, add_volume(), height_m=1.7)
    measured, record = logic.measure(node), logic.record(node)
    assert measured["muscle"]["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2)
    assert measured["muscle"] == {name: record["muscle"][name] for name in measured["muscle"]}
    assert measured["status"] == record["status"]
    assert (measured["review"]["state"], measured["edited"]) == ("unreviewed", False)


@pytest.mark.parametrize("storage", STORAGES)
def test_a_turned_volume_under_a_transform_has_the_same_area(logic, model, storage):
    volume = add_volume(ras=OBLIQUE @ small_case.affine(), storage=storage)
    volume.SetAndObserveTransformNodeID(add_transform(turned(-7.0, 2) @ moved(4.0, 4.0, 50.0)).GetID())
    node = assessed(logic, model, volume)
    record = logic.record(node)
    assert record["muscle"]["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2)
    superior_mm = (
        nodes.world_from_ijk(volume) @ [*((np.array(volume.GetImageData().GetDimensions()) - 1) / 2), 1]
    )[2]
    assert record["l3"]["superior_mm"] == pytest.approx(superior_mm), (
        "slice 3 of 7 is the middle, in the world"
    )
    again = assessed(logic, model, volume, l3=f"s:{superior_mm}")
    assert again is node


def test_a_height_between_two_slices_is_the_files(logic, model, tmp_path, monkeypatch):
    """Slices 3 and 4 lie at −403.15 and −397.5 mm; on Slicer's even grid, 4 would be nearer."""
    read_files = open_cts.found_ct

    def slowly(ct, source):
        time.sleep(0.3)
        return read_files(ct, source)

    monkeypatch.setattr(open_cts, "found_ct", slowly)
    node = assessed(logic, model, load_dicom(uneven_folder(tmp_path)), l3="s:-400.4")
    assert logic.record(node)["l3"]["slice_from_feet"] == 3


def test_another_model_is_another_model(logic, model, tmp_path):
    volume = add_volume()
    other = small_case.write_model(tmp_path / "other.safetensors", name="other")
    names = [logic.record(assessed(logic, each, volume))["model"]["name"] for each in (model, other, model)]
    assert names == ["everything", "other", "everything"]


class TestAsynchronously:
    def test_it_gives_the_same(self, logic, model):
        volume = add_volume()
        before = nodes_in_scene()
        pending = logic.begin(volume, GivenFacts("male"), l3="slice:3")
        assert nodes_in_scene() == before
        node = logic.finish(pending, draw(pending.question, load_model(model), "cpu"))
        assert comparable(logic.record(node)) == comparable(
            logic.record(assessed(AssessLogic(), model, volume))
        )

    def test_what_the_files_tell_meanwhile_is_in_the_record(self, logic, model, tmp_path, monkeypatch):
        read, read_files = threading.Event(), open_cts.found_ct

        def waits(ct, source):
            assert read.wait(60)
            return read_files(ct, source)

        monkeypatch.setattr(open_cts, "found_ct", waits)
        volume = load_dicom(uneven_folder(tmp_path))
        volume.SetAttribute("DICOM.PatientSex", "M")
        pending = logic.begin(volume, l3="slice:3")
        assert pending.question.volume.patient.sex == "male"
        drawing = draw(pending.question, load_model(model), "cpu")
        read.set()
        record = logic.record(logic.finish(pending, drawing))
        assert record["input"]["format"] == "dicom"
        assert record["patient"]["sex"] == "female"
        assert record["l3"]["superior_mm"] == pytest.approx(small_case.ORIGIN_MM[2] + 3 * 6.0 + 0.35)

    def test_a_scene_closed_meanwhile_stays_empty(self, logic, model):
        pending = logic.begin(add_volume(), l3="slice:3")
        drawing = draw(pending.question, load_model(model), "cpu")
        slicer.mrmlScene.Clear(0)
        before = nodes_in_scene()
        with pytest.raises(InputError, match="closed or changed"):
            logic.finish(pending, drawing)
        assert nodes_in_scene() == before

    def test_another_ct_in_its_place_is_not_drawn_on(self, logic, model):
        pending = logic.begin(add_volume(), l3="slice:3")
        drawing = draw(pending.question, load_model(model), "cpu")
        slicer.mrmlScene.Clear(0)
        add_volume(np.ascontiguousarray(small_case.ct()[::-1]))
        before = nodes_in_scene()
        with pytest.raises(InputError):
            logic.finish(pending, drawing)
        assert nodes_in_scene() == before

    @pytest.mark.parametrize("change", ["voxels", "place", "image"])
    def test_a_ct_changed_meanwhile_is_not_drawn_on(self, logic, model, change):
        volume = add_volume()
        pending = logic.begin(volume, l3="slice:3")
        drawing = draw(pending.question, load_model(model), "cpu")
        if change == "voxels":
            slicer.util.updateVolumeFromArray(volume, slicer.util.arrayFromVolume(volume)[:, ::-1].copy())
        elif change == "place":
            volume.SetOrigin(1.0, 2.0, 3.0)
        else:
            volume.SetAndObserveImageData(None)
        with pytest.raises(InputError, match="closed or changed"):
            logic.finish(pending, drawing)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"l3": "slice:7"}, LevelError),
        ({"l3": "s:900"}, LevelError),
        ({"sex": "unsure"}, PatientError),
        ({"height_m": 175}, PatientError),
    ],
)
def test_what_is_refused_leaves_nothing(logic, model, given, kind):
    volume = add_volume()
    before = nodes_in_scene()
    with pytest.raises(kind):
        assessed(logic, model, volume, **given)
    assert nodes_in_scene() == before


def test_a_slice_without_muscle_leaves_nothing(logic, model):
    hu = small_case.ct()
    hu[:, :, 3] = np.where(hu[:, :, 3] == 50, -100, hu[:, :, 3])
    volume = add_volume(hu)
    before = nodes_in_scene()
    with pytest.raises(MaskError, match="no muscle"):
        assessed(logic, model, volume)
    assert nodes_in_scene() == before


def test_a_write_that_fails_leaves_nothing(logic, model):
    volume = add_volume()
    before = nodes_in_scene()

    def refuse(node):
        raise RuntimeError("as an observer may")

    logic.beforePrediction = refuse
    with pytest.raises(RuntimeError):
        assessed(logic, model, volume)
    assert nodes_in_scene() == before


def test_a_write_that_fails_leaves_the_result_before(logic, model):
    volume = add_volume()
    node = assessed(logic, model, volume)
    record, before = logic.record(node), nodes_in_scene()

    def refuse(node):
        raise RuntimeError("as an observer may")

    logic.beforePrediction = refuse
    with pytest.raises(RuntimeError):
        assessed(logic, model, volume, sex="female")
    assert nodes_in_scene() == before
    assert logic.record(node) == record


def test_no_ct_and_a_bent_ct_are_refused(logic):
    with pytest.raises(InputError, match="No CT"):
        logic.begin(None)
    volume = add_volume()
    volume.SetAndObserveTransformNodeID(add_bending().GetID())
    with pytest.raises(Exception, match="bends"):
        logic.begin(volume, l3="slice:3")
    missing = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "file was not found")
    with pytest.raises(InputError, match="no image data"):
        logic.assess(missing, "male", "slice:3")


class TestAnotherAssess:
    def test_replaces_what_nobody_touched(self, logic, model):
        volume = add_volume()
        node = assessed(logic, model, volume)
        first = logic.record(node)["id"]
        before = nodes_in_scene()
        assert assessed(logic, model, volume, sex="female") is node
        assert nodes_in_scene() == before
        record = logic.record(node)
        assert record["id"] != first
        assert record["status"]["cutoff"] == 92.0

    def test_replaces_what_was_rejected(self, logic, model):
        volume = add_volume()
        node = assessed(logic, model, volume)
        logic.reject(node, "Dr X")
        assert assessed(logic, model, volume) is node
        assert logic.record(node)["review"]["state"] == "unreviewed"

    def test_keeps_what_was_edited(self, logic, model):
        volume = add_volume()
        node = assessed(logic, model, volume)
        edit(node, volume)
        kept = voxels(node, result_nodes.segment_of(node), volume)
        new = assessed(logic, model, volume)
        assert new is not node
        np.testing.assert_array_equal(voxels(node, result_nodes.segment_of(node), volume), kept)
        assert logic.record(node)["mask"]["source"] == "edited"
        assert logic.record(new)["mask"]["source"] == "model"
        assert assessed(logic, model, volume) is new, "the unedited one of the two is replaced"

    def test_keeps_what_was_accepted(self, logic, model):
        volume = add_volume()
        node = assessed(logic, model, volume)
        accepted = logic.accept(node, "Dr X")
        new = assessed(logic, model, volume)
        assert new is not node
        assert logic.record(node) == accepted
        assert logic.record(new)["review"]["state"] == "unreviewed"

    def test_of_another_level_is_another_result(self, logic, model):
        volume = add_volume()
        node, above = assessed(logic, model, volume), assessed(logic, model, volume, l3="slice:5")
        assert above is not node
        assert logic.resultsOf(volume) == [node, above]
        assert logic.resultsOf(volume, 5) == [above]
        assert logic.measure(node)["muscle"]["sma_cm2"] == pytest.approx(small_case.area_cm2(3))
        assert logic.measure(above)["muscle"]["sma_cm2"] == pytest.approx(small_case.area_cm2(5))

    def test_touches_no_other_segment(self, logic, model):
        volume = add_volume()
        node = assessed(logic, model, volume)
        other = node.GetSegmentation().AddEmptySegment("", "Fat")
        fat = (small_case.ct() == -100).astype(np.uint8)
        fat[30:40, 15:20, 3] = 1  # also over muscle
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            np.ascontiguousarray(fat.transpose(2, 1, 0)), node, other, volume
        )
        assert logic.measure(node)["edited"] is False
        assert assessed(logic, model, volume) is node
        np.testing.assert_array_equal(voxels(node, other, volume), fat)
        np.testing.assert_array_equal(voxels(node, result_nodes.segment_of(node), volume)[:, :, 3], MUSCLE)


def test_two_cts_keep_apart(logic, model):
    first, second = add_volume(name="one"), add_volume(small_case.ct()[:, :, ::-1].copy(), name="two")
    mine, other = assessed(logic, model, first), assessed(logic, model, second)
    assert logic.resultsOf(first) == [mine]
    assert logic.resultsOf(second) == [other]
    assert logic.measure(other)["muscle"]["sma_cm2"] == pytest.approx(small_case.area_cm2(3))
    logic.accept(mine, "Dr X")
    edit(other, second)
    logic.parameters.ct = second  # looking elsewhere is no step of a review
    assert logic.record(mine)["review"]["state"] == "accepted"
    assert logic.record(other)["mask"]["source"] == "edited"
    slicer.mrmlScene.RemoveNode(second)
    assert logic.record(mine)["review"]["state"] == "accepted"
    for ask in (logic.measure, logic.record, logic.assessment):
        with pytest.raises(InputError, match="CT of this result is gone"):
            ask(other)
    accepted = logic.record(mine)
    slicer.mrmlScene.RemoveNode(first)
    assert logic.record(mine) == accepted, "what was decided is known without the CT"
    with pytest.raises(InputError, match="CT of this result is gone"):
        logic.measure(mine)


def test_facts_come_from_dicom_and_are_overruled_by_hand(logic, model):
    volume = add_volume()
    for name, value in {"PatientSex": "F", "PatientAge": "061Y", "PatientSize": "1.62"}.items():
        volume.SetAttribute(f"DICOM.{name}", value)
    node = logic.assess(volume, l3="slice:3", model=model)
    patient = logic.record(node)["patient"]
    assert (patient["sex"], patient["sex_source"], patient["height_m"]) == ("female", "dicom", 1.62)
    node = logic.assess(volume, "male", "slice:3", height_m=1.8, model=model)
    record = logic.record(node)
    assert record["patient"] == {
        "sex": "male", "sex_source": "given", "age_years": 61.0, "height_m": 1.8, "weight_kg": None,
    }  # fmt: skip
    assert "sex_contradicts" in [finding["code"] for finding in record["quality"]]


def test_a_case_is_never_named_after_a_node(logic, model):
    node = assessed(logic, model, add_volume(name="Planted^Name 1948"))
    assert logic.record(node)["case"] == "ct"


def test_no_node_is_no_result(logic):
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    for node in (None, other, add_volume()):
        with pytest.raises(InputError, match="no result"):
            logic.measure(node)
        with pytest.raises(InputError, match="no result"):
            logic.record(node)
        with pytest.raises(InputError, match="no result"):
            logic.accept(node, "Dr X")
