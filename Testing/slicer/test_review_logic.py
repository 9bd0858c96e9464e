"""The accept gate in the scene: what is measured while somebody edits, what is decided, what withdraws it."""

import gc
import json
import time
import weakref

import numpy as np
import pytest
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.audit import read_audit, verify_audit
from SarcopeniaAssessLib.errors import (
    GeometryError,
    InputError,
    LevelError,
    MaskError,
    OutputError,
    PatientError,
    RecordError,
)
from SarcopeniaAssessLib.packed_mask import unpack_mask
from SarcopeniaAssessLib.slicer_bridge import nodes, result_nodes
from SarcopeniaAssessLib.slicer_bridge.logic import AssessLogic
from Testing.library import ct_files, small_case
from Testing.slicer.mrml_cases import (
    OBLIQUE,
    STORAGES,
    add_transform,
    add_volume,
    edit,
    load_dicom,
    load_volume,
    moved,
    nodes_in_scene,
    stored,
    voxels,
)
from Testing.slicer.test_sources import dicom_folder, uneven_folder

pytestmark = pytest.mark.usefixtures("slicer_scene")
MUSCLE = small_case.muscle()[:, :, 3] > 0
EDITED_CM2 = small_case.MUSCLE_CM2 - 4.0


@pytest.fixture
def volume():
    return add_volume()


@pytest.fixture
def node(logic, model, volume):
    """A man's result at slice 3, unreviewed."""
    return logic.assess(volume, "male", "slice:3", model=model)


@pytest.fixture
def editor(node, volume):
    """Slicer's own segment editor on the result, one step of undo made before the model drew again."""
    logic = slicer.vtkSlicerSegmentEditorLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    parameters = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    parameters.SetAndObserveSegmentationNode(node)
    logic.SetSegmentEditorNode(parameters)
    logic.SetSourceVolumeNode(volume)
    logic.SetCurrentSegmentID(result_nodes.segment_of(node))
    return logic


def stroke(editor, where, how=None):
    """Paint (or erase) canonical pixels of slice 3 through the editor's modifier labelmap."""
    editor.SaveStateForUndo()
    editor.ResetModifierLabelmapToDefault()
    labelmap = editor.GetModifierLabelmap()
    marked = np.zeros(small_case.SHAPE, np.uint8)
    marked[..., 3][where] = 1
    vtk_to_numpy(labelmap.GetPointData().GetScalars())[:] = marked.transpose(2, 1, 0).ravel()
    labelmap.Modified()
    how = slicer.vtkSlicerSegmentEditorLogic.ModificationModeAdd if how is None else how
    editor.ModifySegmentByLabelmap(
        editor.GetSegmentationNode(), editor.GetCurrentSegmentID(), labelmap, how, False, True
    )


class TestWatching:
    def test_a_stroke_is_told_once_and_so_is_its_undo(self, logic, node, editor):
        told = []
        logic.watch(node, told.append)
        stroke(editor, (slice(2, 7), slice(30, 34)))  # 20 pixels of air: 4 cm²
        assert [each["muscle"]["sma_cm2"] for each in told] == [pytest.approx(small_case.MUSCLE_CM2 + 4.0)]
        assert told[0]["edited"]
        stroke(editor, (slice(2, 7), slice(30, 34)))
        assert len(told) == 1, "painted over itself, nothing has changed"
        editor.Undo()
        editor.Undo()
        assert told[-1]["muscle"]["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2)
        assert not told[-1]["edited"]
        editor.Redo()
        assert told[-1]["muscle"]["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2 + 4.0)
        assert len(told) == 3

    def test_what_changes_no_result_is_not_told(self, logic, node, volume):
        told = []
        logic.watch(node, told.append)
        segment = node.GetSegmentation().GetSegment(result_nodes.segment_of(node))
        segment.SetColor(0.1, 0.2, 0.3)
        segment.SetName("renamed")
        node.SetName("renamed too")
        node.GetDisplayNode().SetOpacity(0.3)
        other = node.GetSegmentation().AddEmptySegment("", "Fat")
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            np.ones(small_case.SHAPE[::-1], np.uint8), node, other, volume
        )
        logic.parameters.superior_mm = -400.0
        assert told == []

    def test_a_decision_and_other_facts_are_told(self, logic, node, volume):
        told = []
        logic.watch(node, told.append)
        logic.accept(node, "Dr X")
        assert [each["review"]["state"] for each in told] == ["accepted"]
        edit(node, volume)
        assert [each["review"]["state"] for each in told] == ["accepted", "unreviewed"]
        logic.setFacts(node, GivenFacts("female"))
        assert told[-1]["status"]["cutoff"] == 92.0
        assert len(told) == 3

    def test_a_new_prediction_is_told_when_it_is_whole(self, logic, node, volume, model):
        told = []
        logic.watch(node, told.append)
        assert logic.assess(volume, "female", "slice:3", model=model) is node
        assert [(each["status"]["cutoff"], each["edited"]) for each in told] == [(92.0, False)]
        nodes.write_mask(node, result_nodes.segment_of(node), volume, np.zeros_like(MUSCLE), 3)
        told.clear()
        assert logic.assess(volume, "male", "slice:3", model=model) is node
        assert [(each["status"]["cutoff"], each["edited"]) for each in told] == [(144.0, False)]

    def test_a_segment_that_is_removed_is_told_as_an_error(self, logic, node, volume):
        told, errors = [], []
        logic.watch(node, told.append, errors.append)
        node.GetSegmentation().RemoveSegment(result_nodes.segment_of(node))
        assert told == []
        assert ["gone" in error.problem for error in errors] == [True]
        with pytest.raises(MaskError, match="gone"):
            logic.accept(node, "Dr X")

    def test_stopped_it_tells_nothing(self, logic, node, volume):
        told = []
        watch = logic.watch(node, told.append)
        watch.stop()
        watch.stop()
        edit(node, volume)
        assert told == []

    def test_a_closed_scene_tells_nothing(self, logic, node):
        told, errors = [], []
        watch = logic.watch(node, told.append, errors.append)
        slicer.mrmlScene.Clear(0)
        logic.forget()
        watch.refresh()
        watch.stop()
        assert (told, errors) == ([], [])


class TestUndo:
    def test_goes_back_to_before_the_prediction(self, logic, node, volume, model, editor):
        stroke(
            editor, (slice(25, 55), slice(12, 32)), slicer.vtkSlicerSegmentEditorLogic.ModificationModeRemove
        )
        stroke(editor, MUSCLE)
        assert not logic.measure(node)["edited"]
        logic.beforePrediction = lambda each: editor.SaveStateForUndo()
        nodes.write_mask(node, result_nodes.segment_of(node), volume, MUSCLE, 3)
        before = voxels(node, result_nodes.segment_of(node), volume)
        assert logic.assess(volume, "male", "slice:3", model=model) is node
        editor.Undo()
        np.testing.assert_array_equal(voxels(node, result_nodes.segment_of(node), volume), before)

    def test_of_a_first_prediction_leaves_an_empty_segment(self, logic, volume, model):
        editor = slicer.vtkSlicerSegmentEditorLogic()
        editor.SetMRMLScene(slicer.mrmlScene)
        parameters = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        editor.SetSegmentEditorNode(parameters)

        def remember(node):
            parameters.SetAndObserveSegmentationNode(node)
            editor.SetSourceVolumeNode(volume)
            editor.SaveStateForUndo()

        logic.beforePrediction = remember
        node = logic.assess(volume, "male", "slice:3", model=model)
        assert editor.CanUndo()
        editor.Undo()
        measured = logic.measure(node)
        assert measured["muscle"]["sma_cm2"] == 0.0
        assert measured["status"]["value"] == "undetermined"
        editor.Redo()
        assert logic.measure(node)["muscle"]["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2)
        assert not logic.measure(node)["edited"]


class TestDecisions:
    def test_an_accepted_record_holds_both_masks_and_the_time(self, logic, model, volume, monkeypatch):
        now = [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        node = logic.assess(volume, "male", "slice:3", model=model)
        mask = edit(node, volume)
        now[0] += 41.5
        record = logic.accept(node, "Dr X", "Clinic", "psoas", oedema_or_fluid=True)
        assert logic.record(node) == record
        assert record["review"]["seconds_to_accept"] == 41.5
        assert record["review"]["organization"] == "Clinic"
        assert record["review"]["oedema_or_fluid"] is True
        assert record["muscle"]["sma_cm2"] == pytest.approx(EDITED_CM2)
        assert record["model_opinion"]["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2)
        assert record["mask"]["pixels_changed"] == 20
        assert record["mask"]["dice_with_model"] == pytest.approx(2 * 660 / (680 + 660))
        np.testing.assert_array_equal(unpack_mask(record["mask"]["pixels"]), mask)
        np.testing.assert_array_equal(unpack_mask(record["model_opinion"]["pixels"]), MUSCLE)
        assert node.GetAttribute(result_nodes.REVIEW) == "accepted"

    def test_the_time_runs_on_while_somebody_watches(self, logic, model, volume, monkeypatch):
        now = [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        node = logic.assess(volume, "male", "slice:3", model=model)
        logic.watch(node, lambda told: None)
        now[0] += 10.0
        logic.setFacts(node, GivenFacts("male", age_years=70.0))
        now[0] += 10.0
        assert logic.accept(node, "Dr X")["review"]["seconds_to_accept"] == 20.0
        edit(node, volume)
        now[0] += 5.0
        slicer.util.arrayFromVolumeModified(volume)  # another CT to look at, and the same at the level
        assert logic.accept(node, "Dr X")["review"]["seconds_to_accept"] == 25.0

    def test_the_time_is_not_taken_from_another_result_of_the_node(self, logic, node):
        earlier = result_nodes.stored(node)
        logic.setFacts(node, GivenFacts("male", age_years=70.0))
        node.SetAttribute(result_nodes.RESULT, earlier)  # as a scene that is loaded over this one does
        assert logic.accept(node, "Dr X")["review"]["seconds_to_accept"] is None

    def test_back_at_a_level_its_mask_of_now_is_accepted(self, logic, node, volume):
        segment = result_nodes.segment_of(node)
        logic.setLevel(node, small_case.ORIGIN_MM[2] + 5 * 6.0)
        nodes.write_mask(node, segment, volume, MUSCLE & (np.arange(90) < 55)[:, None], 3)
        logic.setLevel(node, small_case.ORIGIN_MM[2] + 3 * 6.0)
        record = logic.accept(node, "Dr X")
        assert record["muscle"]["sma_cm2"] == pytest.approx(570 * small_case.PIXEL_CM2)
        assert logic.measure(node)["muscle"]["sma_cm2"] == record["muscle"]["sma_cm2"]
        assert unpack_mask(record["mask"]["pixels"]).sum() == 570
        assert (record["mask"]["source"], record["model"]["name"]) == ("given", None)

    def test_nobody_cannot_accept(self, logic, node):
        for decide in (logic.accept, logic.reject):
            with pytest.raises(RecordError, match="reviewer"):
                decide(node, " ")
        assert logic.record(node)["review"]["state"] == "unreviewed"

    def test_an_edit_withdraws_it_visibly(self, logic, node, volume):
        logic.accept(node, "Dr X")
        edit(node, volume)
        record = logic.record(node)
        assert record["review"]["state"] == "unreviewed"
        assert record["review"]["withdrawn"]["reviewer"] == "Dr X"
        assert node.GetAttribute(result_nodes.REVIEW) == "unreviewed"
        again = logic.accept(node, "Dr Y")
        assert again["review"]["reviewer"] == "Dr Y"
        assert again["mask"]["source"] == "edited"

    def test_an_edit_that_nobody_watched_withdraws_it_too(self, logic, node, volume):
        logic.accept(node, "Dr X")
        edit(node, volume)
        assert AssessLogic().record(node)["review"]["state"] == "unreviewed"

    def test_painting_on_other_slices_is_no_edit_of_this_one(self, logic, node, volume):
        accepted = logic.accept(node, "Dr X")
        whole = np.zeros(small_case.SHAPE, np.uint8)
        whole[:, :, 2] = MUSCLE[::-1]
        whole[:, :, 3] = MUSCLE
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            np.ascontiguousarray(whole.transpose(2, 1, 0)), node, result_nodes.segment_of(node), volume
        )
        assert logic.record(node) == accepted

    @pytest.mark.parametrize(
        ("facts", "reason"),
        [
            (GivenFacts("female"), "sex changed"),
            (GivenFacts("male", age_years=70.0), "age changed"),
            (GivenFacts("male", height_m=1.8), "height changed"),
            (GivenFacts("male", weight_kg=80.0), "weight changed"),
        ],
    )
    def test_other_facts_withdraw_it(self, logic, node, facts, reason):
        accepted = logic.accept(node, "Dr X")
        logic.setFacts(node, GivenFacts("male"))
        assert logic.record(node) == accepted, "the same facts once more"
        logic.setFacts(node, facts)
        record = logic.record(node)
        assert record["review"]["state"] == "unreviewed"
        assert record["review"]["withdrawn"]["reason"] == reason

    def test_a_sex_keeps_its_source_where_it_stays(self, logic, model, volume, tmp_path):
        volume.SetAttribute("DICOM.PatientSex", "F")
        node = logic.assess(volume, l3="slice:3", model=model)
        volume.RemoveAttribute("DICOM.PatientSex")
        accepted = logic.accept(node, "Dr X")
        (loaded,) = saved_and_loaded(tmp_path / "scene.mrb")
        later = AssessLogic()
        later.setFacts(loaded, GivenFacts("female"))
        assert later.record(loaded) == accepted
        later.setFacts(loaded, GivenFacts("male"))
        assert later.record(loaded)["patient"]["sex_source"] == "given"

    def test_facts_that_are_left_out_are_the_headers(self, logic, model, volume):
        volume.SetAttribute("DICOM.PatientSex", "F")
        volume.SetAttribute("DICOM.PatientAge", "061Y")
        node = logic.assess(volume, "male", "slice:3", age_years=70.0, weight_kg=80.0, model=model)
        nodes.write_mask(node, result_nodes.segment_of(node), volume, MUSCLE, 5)
        logic.setLevel(node, small_case.ORIGIN_MM[2] + 5 * 6.0)
        record = logic.record(node)
        assert "sex_contradicts" in [finding["code"] for finding in record["quality"]]
        logic.setFacts(node, GivenFacts())
        record = logic.record(node)
        assert record["patient"] == {
            "sex": "female", "sex_source": "dicom", "age_years": 61.0, "height_m": None, "weight_kg": None,
        }  # fmt: skip
        assert "sex_contradicts" not in [finding["code"] for finding in record["quality"]]

    def test_impossible_facts_change_nothing(self, logic, node):
        accepted = logic.accept(node, "Dr X")
        with pytest.raises(PatientError):
            logic.setFacts(node, GivenFacts("male", height_m=180.0))
        assert logic.record(node) == accepted

    def test_a_level_set_anew_withdraws_it_and_measures_there(self, logic, node, volume, model):
        logic.accept(node, "Dr X")
        with pytest.raises(LevelError):
            logic.setLevel(node, 500.0)
        assert logic.record(node)["review"]["state"] == "accepted", "refused, it changed nothing"
        logic.setLevel(node, small_case.ORIGIN_MM[2] + 3 * 6.0 + 1.0)
        assert logic.record(node)["review"]["state"] == "accepted", "the same slice"
        whole = np.zeros(small_case.SHAPE, np.uint8)
        whole[:, :, 3], whole[:10, :10, 5] = MUSCLE, 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            np.ascontiguousarray(whole.transpose(2, 1, 0)), node, result_nodes.segment_of(node), volume
        )
        changed = logic.setLevel(node, small_case.ORIGIN_MM[2] + 5 * 6.0)
        np.testing.assert_array_equal(changed.mask, whole[:, :, 5] > 0)
        assert not logic.measure(node)["edited"]
        record = logic.record(node)
        assert record["l3"]["slice_from_feet"] == 5
        assert record["muscle"]["sma_cm2"] == pytest.approx(100 * small_case.PIXEL_CM2)
        assert (record["mask"]["source"], record["model"]["name"]) == ("given", None)
        assert record["review"]["withdrawn"]["reason"] == "the level was set anew"
        assert record["patient"]["sex"] == "male"
        assert logic.assess(volume, "male", "slice:5", model=model) is not node, "drawn by hand, it is kept"

    def test_a_level_where_nothing_is_marked_waits_for_assess(self, logic, node, volume, model, tmp_path):
        logic.accept(node, "Dr X")
        logic.setLevel(node, small_case.ORIGIN_MM[2] + 5 * 6.0)
        assert node.GetAttribute(result_nodes.REVIEW) == "unreviewed"
        measured = logic.measure(node)
        assert measured["muscle"]["sma_cm2"] == 0.0
        assert (measured["status"]["value"], measured["status"]["reason"]) == (
            "undetermined",
            "the mask is empty",
        )
        for ask in (logic.record, lambda each: logic.accept(each, "Dr Y")):
            with pytest.raises(MaskError, match="assess the CT at this level"):
                ask(node)
        (loaded,) = saved_and_loaded(tmp_path / "scene.mrb")
        later = AssessLogic()
        assert later.measure(loaded) == measured
        again = later.assess(result_nodes.ct_node_of(loaded), "male", "slice:5", model=model)
        assert again is loaded, "there is nothing to keep"
        record = later.record(loaded)
        assert record["muscle"]["sma_cm2"] == pytest.approx(small_case.area_cm2(5))
        assert record["mask"]["source"] == "model"
        shown = voxels(loaded, result_nodes.segment_of(loaded), result_nodes.ct_node_of(loaded))
        assert not shown[:, :, 3].any(), "the old level's outline is gone"

    def test_an_erased_mask_is_not_accepted(self, logic, node, volume):
        nodes.write_mask(node, result_nodes.segment_of(node), volume, np.zeros_like(MUSCLE), 3)
        assert logic.measure(node)["muscle"]["sma_cm2"] == 0.0
        with pytest.raises(MaskError, match="no muscle"):
            logic.accept(node, "Dr X")

    @pytest.mark.parametrize("change", ["moved", "voxels"])
    def test_a_ct_that_is_moved_or_changed_is_told(self, logic, node, volume, change):
        accepted = logic.accept(node, "Dr X")
        if change == "moved":
            transform = add_transform(moved(0.0, 0.0, 30.0))
            volume.SetAndObserveTransformNodeID(transform.GetID())
        else:
            slicer.util.arrayFromVolume(volume)[3, 20, 30] = 60
            slicer.util.arrayFromVolumeModified(volume)
        for each in (logic, AssessLogic()):
            with pytest.raises(GeometryError, match=r"elsewhere|other values"):
                each.measure(node)
            with pytest.raises(GeometryError):
                each.accept(node, "Dr Y")
            assert each.record(node) == accepted, "what was accepted is what it was"
        if change == "moved":
            volume.SetAndObserveTransformNodeID(None)
        else:
            slicer.util.arrayFromVolume(volume)[3, 20, 30] = 50
            slicer.util.arrayFromVolumeModified(volume)
        assert logic.measure(node)["review"]["state"] == "accepted"

    def test_a_ct_changed_on_other_slices_is_the_same_here(self, logic, node, volume):
        accepted = logic.accept(node, "Dr X")
        slicer.util.arrayFromVolume(volume)[5, 20, 30] = 60
        slicer.util.arrayFromVolumeModified(volume)
        assert logic.record(node) == accepted


class TestTheAuditLog:
    def test_decisions_and_withdrawals_are_lines(self, logic, node, volume, tmp_path):
        logic.parameters.audit_folder = tmp_path
        logic.accept(node, "Dr X")
        edit(node, volume)
        logic.measure(node)
        rejected = logic.reject(node, "Dr Y", "Clinic", "not L3", oedema_or_fluid=True)["review"]
        assert (rejected["organization"], rejected["comment"]) == ("Clinic", "not L3")
        assert rejected["oedema_or_fluid"] is True
        log = tmp_path / "audit.jsonl"
        assert verify_audit(log) == []
        lines = read_audit(log)
        assert [line["event"] for line in lines] == ["accepted", "withdrawn", "rejected"]
        assert lines[1]["record"] == lines[0]["record"]
        assert lines[2]["record"] == logic.record(node)

    def test_what_cannot_be_logged_is_not_accepted(self, logic, node, tmp_path):
        logic.parameters.audit_folder = tmp_path / "nowhere"
        with pytest.raises(OutputError, match="audit log"):
            logic.accept(node, "Dr X")
        assert logic.record(node)["review"]["state"] == "unreviewed"

    def test_an_edit_goes_on_where_the_log_cannot(self, logic, node, volume, tmp_path):
        logic.parameters.audit_folder = tmp_path
        logic.accept(node, "Dr X")
        (tmp_path / "audit.jsonl").write_text("cut off")
        edit(node, volume)
        assert logic.measure(node)["review"]["state"] == "unreviewed"

    def test_no_folder_no_log(self, logic, node, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        logic.accept(node, "Dr X")
        assert list(tmp_path.iterdir()) == []


def saved_and_loaded(path):
    """Through a `.mrb` and back, into an emptied scene; the results that are there then."""
    assert slicer.mrmlScene.WriteToMRB(str(path))
    slicer.mrmlScene.Clear(0)
    assert list(result_nodes.results()) == []
    assert slicer.mrmlScene.ReadFromMRB(str(path))
    return list(result_nodes.results())


class TestASavedScene:
    @pytest.mark.parametrize(
        "state", ["unreviewed", "edited", "accepted", "edited and accepted", "withdrawn"]
    )
    def test_keeps_result_edits_and_acceptance(self, logic, node, volume, tmp_path, state):
        if state == "withdrawn":
            logic.accept(node, "Dr X", "Clinic")
        if state in ("edited", "edited and accepted", "withdrawn"):
            edit(node, volume)
        if "accepted" in state:
            logic.accept(node, "Dr Müller", "Klinik", "„fein“; 100 %: a|b", oedema_or_fluid=False)
        before, measured = logic.record(node), logic.measure(node)
        mask = logic.result(node).mask
        logic.forget()
        (loaded,) = saved_and_loaded(tmp_path / "scene.mrb")
        later = AssessLogic()
        after = later.record(loaded)
        # An edited mask that nobody has decided on is concluded anew, under a new id.
        assert after | {"id": ""} == before | {"id": ""}
        assert later.measure(loaded) == measured
        np.testing.assert_array_equal(later.result(loaded).mask, mask)
        assert result_nodes.ct_node_of(loaded).GetName() == "CT"
        assert later.assessment(loaded).record | {"id": ""} == before | {"id": ""}

    @pytest.mark.parametrize("storage", STORAGES)
    def test_finds_its_ct_again_however_its_file_is_stored(self, logic, model, tmp_path, storage):
        """Slicer may store it in another order, which is not the record's."""
        native = stored(small_case.ct(), OBLIQUE @ small_case.affine(), storage)
        path = ct_files.write_nifti(tmp_path / "ct.nii.gz", *native)
        self.expect_the_same(logic, logic.assess(load_volume(path), "male", "slice:3", model=model), tmp_path)

    @pytest.mark.parametrize("k", [3, 4])
    def test_finds_its_ct_again_where_slices_lie_unevenly(self, logic, model, tmp_path, k):
        """Slicer's grid is even, the record's place is the slice's own."""
        volume = load_dicom(uneven_folder(tmp_path / "ct"))
        self.expect_the_same(logic, logic.assess(volume, "male", f"slice:{k}", model=model), tmp_path)

    def expect_the_same(self, logic, node, tmp_path):
        accepted = logic.accept(node, "Dr X")
        (loaded,) = saved_and_loaded(tmp_path / "scene.mrb")
        later = AssessLogic()
        assert later.measure(loaded)["review"]["state"] == "accepted"
        assert later.record(loaded) == accepted
        later.setFacts(loaded, GivenFacts("female"))
        changed = later.record(loaded)
        assert changed["review"]["withdrawn"]["reviewer"] == "Dr X"
        assert (changed["input"], changed["l3"]) == (accepted["input"], accepted["l3"])
        assert changed["muscle"]["sma_cm2"] == accepted["muscle"]["sma_cm2"]

    def test_can_be_edited_and_assessed_again(self, logic, node, model, tmp_path):
        logic.accept(node, "Dr X")
        (loaded,) = saved_and_loaded(tmp_path / "scene.mrb")
        volume, later = result_nodes.ct_node_of(loaded), AssessLogic()
        new = later.assess(volume, "male", "slice:3", model=model)
        assert new is not loaded, "what is accepted is kept"
        edit(loaded, volume)
        record = later.record(loaded)
        assert record["review"]["withdrawn"]["reviewer"] == "Dr X"
        assert record["mask"]["pixels_changed"] == 20
        assert later.accept(loaded, "Dr Y")["review"]["seconds_to_accept"] is None, "another sitting"

    def test_twice_in_one_scene_keeps_two_results(self, logic, node, volume, tmp_path):
        edit(node, volume)
        before = logic.record(node)
        assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"))
        logic.accept(node, "Dr X")
        assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
        mine, loaded = result_nodes.results()
        assert (mine, result_nodes.ct_node_of(mine)) == (node, volume)
        assert result_nodes.ct_node_of(loaded) not in (None, volume)
        assert logic.record(mine)["review"]["state"] == "accepted"
        assert logic.record(loaded) | {"id": ""} == before | {"id": ""}

    def test_holds_nothing_that_names_the_patient(self, logic, model, tmp_path):
        """Nor does anything else that this module writes: log, parameters, nodes and their names."""
        planted = {
            "PatientName": "Planted^Name", "PatientID": "planted-4711", "PatientBirthDate": "19480317",
            "StudyDescription": "planted study", "SeriesDescription": "planted series",
            "InstitutionName": "Planted Hospital", "AccessionNumber": "planted-1",
        }  # fmt: skip
        volume = load_dicom(dicom_folder(tmp_path / "ct", **planted))
        volume.SetName("3: Planted^Name 19480317")
        before = set(nodes_in_scene())
        logic.parameters.ct = volume
        (tmp_path / "log").mkdir()
        logic.parameters.audit_folder = tmp_path / "log"
        node = logic.assess(volume, l3="slice:3", model=model)
        logic.accept(node, "Dr X")
        edit(node, volume)
        record = logic.record(node)
        made = [slicer.mrmlScene.GetNodeByID(each) for each in set(nodes_in_scene()) - before]
        texts = [json.dumps(record), (tmp_path / "log" / "audit.jsonl").read_text(encoding="utf-8")]
        for each in (*made, logic.parameters.node):
            texts += [each.GetName(), str(each), *map(each.GetAttribute, each.GetAttributeNames())]
        assert record["patient"]["sex"] == "female", "the header was read"
        assert node in made
        told = "\n".join(texts).lower()
        assert [word for word in ("planted", "19480317", "1.2.826") if word in told] == []
        files = sorted(path.name for path in (tmp_path / "log").iterdir())
        assert files == [".audit.jsonl.lock", "audit.jsonl", "audit.jsonl.seal"]

    def test_a_damaged_result_is_told_and_kept(self, logic, node, volume, model):
        whole = result_nodes.stored(node)
        segment = result_nodes.segment_of(node)
        for damaged in (whole[:-30], whole.replace('"level":{', '"levels":{', 1), whole.replace("/1", "/9")):
            node.SetAttribute(result_nodes.RESULT, damaged)
            with pytest.raises(RecordError, match="assess the CT again"):
                logic.measure(node)
            new = logic.assess(volume, "male", "slice:3", model=model)
            assert new is not node
            assert node.GetAttribute(result_nodes.RESULT) == damaged
            np.testing.assert_array_equal(voxels(node, segment, volume)[:, :, 3], MUSCLE)
            slicer.mrmlScene.RemoveNode(new)


def test_closing_the_scene_leaves_nothing(logic, node, volume):
    logic.accept(node, "Dr X")
    kept = weakref.ref(logic.result(node))
    slicer.mrmlScene.Clear(0)
    logic.forget()
    gc.collect()
    assert kept() is None, "nor in memory"
    assert list(result_nodes.results()) == []
    assert [each for each in nodes_in_scene() if "Segmentation" in each or "Volume" in each] == []
    with pytest.raises(InputError, match="no longer in the scene"):
        logic.begin(volume, l3="slice:3")
