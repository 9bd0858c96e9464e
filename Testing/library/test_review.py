"""Review: who decided what of which mask, what withdraws it, and what the record then holds."""

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import Drawing, GivenFacts, ask, assess, draw
from SarcopeniaAssessLib.case_files import write_case
from SarcopeniaAssessLib.ct_io import read_label_map
from SarcopeniaAssessLib.errors import MaskError, RecordError
from SarcopeniaAssessLib.level import Level, LevelMethod
from SarcopeniaAssessLib.measurement import READER_VARIABILITY
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.packed_mask import unpack_mask
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaAssessLib.record import read_record, record_json, validate_record
from SarcopeniaAssessLib.report import csv_row
from SarcopeniaAssessLib.review import Decision, ReviewedResult, ReviewState
from SarcopeniaAssessLib.volume import CtVolume
from Testing.library import small_case

DR_X = Decision("Dr X", "Clinic", "psoas corrected", seconds=31.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(small_case.write_model(tmp_path_factory.mktemp("model") / "m.safetensors"))


@pytest.fixture(scope="module")
def volume():
    return CtVolume.from_array(small_case.ct(), small_case.affine())


@pytest.fixture(scope="module")
def result(model, volume):
    question = ask(volume, GivenFacts(Sex.MALE, 67.0, 1.75, 82.0), l3="slice:3", case="one")
    return ReviewedResult.of(question, draw(question, model, "cpu"))


@pytest.fixture
def grown(result):
    """The model's mask with 60 pixels of fat added (12 cm²) and 10 of muscle erased (2 cm²)."""
    mask = result.mask.copy()
    mask[5:11, 25:35] = True
    mask[25, 12:22] = False
    return result.with_mask(mask)


def test_an_unreviewed_result_says_what_assess_says(result, model, volume):
    alone = assess(volume, sex="male", age_years=67, height_m=1.75, weight_kg=82, l3="slice:3", model=model)
    varying = {"id", "timing_s", "case", "assessed_at"}
    mine, other = (
        {name: value for name, value in record.items() if name not in varying}
        for record in (result.record, alone.record)
    )
    assert mine == other
    assert result.record == result.assessment.record | {"id": result.record["id"]}
    np.testing.assert_array_equal(result.assessment.mask, alone.mask)


def test_an_edit_keeps_both_opinions(result, grown):
    record = grown.record
    assert result.record["muscle"]["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2)
    assert record["muscle"]["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2 + 12.0 - 2.0)
    assert record["mask"]["source"] == "edited"
    assert record["mask"]["pixels_changed"] == 70
    # 680 pixels of the model, 730 now, 670 in both
    assert record["mask"]["dice_with_model"] == pytest.approx(2 * 670 / (680 + 730))
    np.testing.assert_array_equal(unpack_mask(record["mask"]["pixels"]), grown.mask)
    opinion = record["model_opinion"]
    assert opinion["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2)
    assert opinion["id"] == result.record["id"] != record["id"]
    assert (opinion["status"], record["status"]["value"]) == ("sarcopenic", "not sarcopenic")
    np.testing.assert_array_equal(unpack_mask(opinion["pixels"]), result.mask)
    assert record["model"] == result.record["model"]
    assert record["muscle"]["doubt"] is None
    assert grown.record == record, "asked twice, it is the same record"


def test_the_interval_of_an_edited_mask_is_reader_variability(result, grown):
    low, high = grown.record["muscle"]["sma_interval_cm2"]
    sma_cm2 = grown.record["muscle"]["sma_cm2"]
    assert high / sma_cm2 - 1 == pytest.approx(READER_VARIABILITY, rel=0.05)
    assert 1 - low / sma_cm2 == pytest.approx(READER_VARIABILITY, rel=0.05)
    low, high = result.record["muscle"]["sma_interval_cm2"]
    assert high / small_case.MUSCLE_CM2 - 1 > 2 * READER_VARIABILITY, "the model's own error is larger"


def test_what_the_network_doubted_is_not_drawn_on_an_edited_mask(result, grown):
    assert result.assessment.slice_doubtful is not None
    assert grown.assessment.slice_doubtful is None
    assert grown.assessment.slice_doubt is None
    pieces = replace(result.drawing, fragments_removed_cm2=9.0)
    for each, told in ((result, True), (grown, False)):
        quality = replace(each, drawing=pieces).assessment.record["quality"]
        assert ("fragments_removed" in [finding["code"] for finding in quality]) == told


def test_undone_edits_leave_the_first_record(result, grown):
    back = grown.with_mask(result.mask.astype(np.uint8) * 255)
    assert not back.is_edited
    assert back.record == result.record


def test_accepting_holds_who_when_and_how_long(grown):
    accepted = grown.accept(DR_X)
    review = accepted.record["review"]
    assert accepted.state is ReviewState.ACCEPTED
    assert (review["state"], review["reviewer"], review["organization"]) == ("accepted", "Dr X", "Clinic")
    assert (review["comment"], review["seconds_to_accept"]) == ("psoas corrected", 31.5)
    assert review["at"] is not None
    np.testing.assert_array_equal(unpack_mask(accepted.record["mask"]["pixels"]), grown.mask)
    assert grown.state is ReviewState.UNREVIEWED, "the result before is as it was"
    accepted.record["review"]["reviewer"] = "someone else"
    assert accepted.record["review"]["reviewer"] == "Dr X", "nobody changes it through a copy"


def test_an_accepted_result_without_an_edit_holds_the_models_mask(result):
    record = result.accept(Decision("Dr X")).record
    assert record["mask"]["source"] == "model"
    np.testing.assert_array_equal(unpack_mask(record["mask"]["pixels"]), result.mask)
    np.testing.assert_array_equal(unpack_mask(record["model_opinion"]["pixels"]), result.mask)
    assert record["model_opinion"]["sma_cm2"] == record["muscle"]["sma_cm2"]


def test_what_is_accepted_is_not_accepted_again(grown):
    accepted = grown.accept(DR_X)
    for decide in (accepted.accept, accepted.reject):
        with pytest.raises(RecordError, match="accepted already"):
            decide(Decision("Dr Y"))


def test_a_rejection_can_be_thought_over(result):
    rejected = result.reject(Decision("Dr X", comment="not L3"))
    assert rejected.state is ReviewState.REJECTED
    assert rejected.record["review"]["seconds_to_accept"] is None
    accepted = rejected.accept(Decision("Dr Y"))
    assert accepted.record["review"]["reviewer"] == "Dr Y"
    assert accepted.record["muscle"] == result.record["muscle"]


@pytest.mark.parametrize("reviewer", ["", "  \t"])
def test_nobody_cannot_decide(result, reviewer):
    for decide in (result.accept, result.reject):
        with pytest.raises(RecordError, match="reviewer"):
            decide(Decision(reviewer))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.with_mask(np.roll(r.mask, 1, axis=0)), "the mask was edited"),
        (lambda r: r.with_facts(PatientFacts(Sex.FEMALE, "given", 67.0, 1.75, 82.0)), "sex changed"),
        (lambda r: r.with_facts(PatientFacts(Sex.MALE, "given", 68.0, 1.75, 82.0)), "age changed"),
        (lambda r: r.with_facts(PatientFacts(Sex.MALE, "given", 67.0, None, 82.0)), "height changed"),
        (lambda r: r.with_facts(PatientFacts(Sex.MALE, "given", 67.0, 1.75, 60.0)), "weight changed"),
        (lambda r: r.with_facts(PatientFacts()), "sex and age and height and weight changed"),
    ],
)
@pytest.mark.parametrize("decide", ["accept", "reject"])
def test_a_change_withdraws_the_decision_visibly(result, change, reason, decide):
    decided = getattr(result, decide)(Decision("Dr X"))
    changed = change(decided)
    assert changed.state is ReviewState.UNREVIEWED
    review = changed.record["review"]
    assert review["state"] == "unreviewed"
    assert review["reviewer"] is None
    assert review["withdrawn"]["state"] == decided.state
    assert review["withdrawn"]["reviewer"] == "Dr X"
    assert review["withdrawn"]["at"] == decided.record["review"]["at"]
    assert review["withdrawn"]["reason"] == reason
    again = changed.with_mask(np.roll(changed.mask, 1, axis=1))
    assert again.record["review"]["withdrawn"]["reason"] == reason, "a second change withdraws nothing new"
    accepted = changed.accept(Decision("Dr Z"))
    assert "withdrawn" not in accepted.record["review"]
    assert accepted.withdrawn is None


def test_going_back_does_not_accept_again(result):
    accepted = result.accept(Decision("Dr X"))
    back = accepted.with_mask(np.roll(result.mask, 1, axis=0)).with_mask(result.mask)
    assert back.state is ReviewState.UNREVIEWED
    assert back.record["review"]["withdrawn"]["reviewer"] == "Dr X"
    assert back.record | {"review": None} == result.record | {"review": None}


def test_every_changed_result_has_an_id_of_its_own(result, grown):
    facts = PatientFacts(Sex.MALE, "given", 68.0, 1.75, 82.0)
    again = grown.accept(DR_X).with_mask(np.roll(grown.mask, 1, axis=0))
    each = (result, grown, again, grown.with_facts(facts), result.with_facts(facts))
    assert len({one.record["id"] for one in each}) == len(each)
    assert again.accept(DR_X).record["id"] == again.record["id"], "a decision is of the record that was seen"


def test_what_changes_nothing_withdraws_nothing(grown):
    accepted = grown.accept(DR_X)
    assert accepted.with_mask(accepted.mask.astype(np.int16)) is accepted
    assert accepted.with_facts(PatientFacts(Sex.MALE, "given", 67.0, 1.75, 82.0)) is accepted


def test_other_facts_give_another_status_of_the_same_mask(result):
    woman = result.with_facts(PatientFacts(Sex.FEMALE, "given", 67.0, 1.6, 82.0))
    record = woman.record
    assert record["muscle"]["sma_cm2"] == result.record["muscle"]["sma_cm2"]
    assert record["muscle"]["smi_cm2_m2"] == pytest.approx(136.0 / 1.6**2)
    assert (record["status"]["cutoff"], record["status"]["value"]) == (92.0, "not sarcopenic")
    assert record["mask"] == {"source": "model", "dice_with_model": 1.0, "pixels_changed": 0}
    assert record["id"] != result.record["id"]
    assert record["timing_s"] == result.record["timing_s"]


def test_the_indices_of_alternatives_follow_the_height(result):
    other = replace(result.question.level, slice_from_feet=5, vertebra="L4")
    measured = SimpleNamespace(level=other, measurement=replace(result._measured, sma_cm2=128.0))
    doubtful = replace(result, drawing=replace(result.drawing, alternatives=()))
    assert doubtful.with_facts(PatientFacts()).drawing.alternatives == ()
    from SarcopeniaAssessLib.level_choice import MeasuredLevel

    two = replace(
        result, drawing=replace(result.drawing, alternatives=(MeasuredLevel(other, measured.measurement),))
    )
    facts = PatientFacts(Sex.MALE, "given", 67.0, 1.6, 82.0)
    assert two.with_facts(facts).drawing.alternatives[0].measurement.smi_cm2_m2 == pytest.approx(50.0)
    unknown = replace(facts, height_m=None)
    assert two.with_facts(unknown).drawing.alternatives[0].measurement.smi_cm2_m2 is None


def test_oedema_is_told_wherever_warnings_are(result):
    record = result.accept(Decision("Dr X", oedema_or_fluid=True)).record
    assert record["review"]["oedema_or_fluid"] is True
    assert record["quality"][-1]["code"] == "oedema_or_fluid"
    assert record["quality"][-1]["severity"] == "warning"
    record = result.accept(Decision("Dr X", oedema_or_fluid=False)).record
    assert record["review"]["oedema_or_fluid"] is False
    assert record["quality"] == result.record["quality"]
    assert "oedema_or_fluid" not in result.accept(Decision("Dr X")).record["review"]


def test_an_erased_mask_is_measured_but_not_decided(result):
    erased = result.with_mask(np.zeros_like(result.mask))
    live = erased.live()
    assert live["muscle"]["sma_cm2"] == 0.0
    assert (live["status"]["value"], live["status"]["reason"]) == ("undetermined", "the mask is empty")
    with pytest.raises(MaskError, match="no muscle"):
        erased.accept(Decision("Dr X"))
    with pytest.raises(MaskError, match="no muscle"):
        _ = erased.record


def test_a_mask_of_another_slice_is_refused(result):
    with pytest.raises(MaskError, match=r"\(90, 64\).*\(64, 90\)"):
        result.with_mask(result.mask.T)


def test_live_numbers_are_those_of_the_record(result, grown):
    for each in (result, grown, grown.with_facts(PatientFacts(Sex.FEMALE, "given", None, 1.6, None))):
        live, record = each.live(), each.record
        assert live["muscle"] == {name: record["muscle"][name] for name in live["muscle"]}
        assert live["status"] == record["status"]
        assert live["edited"] == (each is not result)


def test_the_networks_doubt_does_not_withhold_the_status_of_a_corrected_mask(result, grown):
    told = {"code": "network_doubts", "severity": "error", "message": "The network doubts too much."}
    assessed = {**result.assessed, "quality": [told]}
    assert replace(result, assessed=assessed).live()["status"]["reason"] == "The network doubts too much"
    assert replace(grown, assessed=assessed).live()["status"]["value"] == "not sarcopenic"


def test_a_mask_drawn_by_hand_from_the_start_has_no_model(result):
    drawing = replace(result.drawing, model=None, device=None, doubt=None, probability=None)
    by_hand = ReviewedResult.of(result.question, drawing)
    edited = by_hand.with_mask(np.roll(by_hand.mask, 1, axis=0))
    for record in (by_hand.record, edited.record, edited.accept(Decision("Dr X")).record):
        assert record["mask"]["source"] == "given"
        assert record["mask"]["dice_with_model"] is None
        assert record["model"]["name"] is None
        assert "model_opinion" not in record


def at_slice_5(result, mask):
    question = result.question
    level = Level(5, question.volume.slice_superior_mm(5), LevelMethod.S)
    drawing = Drawing(mask, question.volume.slab(5, 6)[:, :, 0])
    return result.accept(DR_X).at_level(replace(question, level=level), drawing)


def test_a_level_set_anew_holds_what_a_person_has_marked_there(result):
    mask = small_case.muscle()[:, :, 5] > 0
    moved = at_slice_5(result, mask)
    assert moved.state is ReviewState.UNREVIEWED
    assert moved.is_kept
    record = moved.record
    assert record["review"]["withdrawn"]["reason"] == "the level was set anew"
    assert record["muscle"]["sma_cm2"] == pytest.approx(small_case.area_cm2(5))
    assert (record["l3"]["slice_from_feet"], record["l3"]["method"]) == (5, "s")
    assert (record["mask"]["source"], record["model"]["name"]) == ("given", None)
    assert (record["software"]["torch"], record["timing_s"]["network"]) == (None, None)
    assert record["id"] != result.record["id"]
    assert moved.live()["muscle"] == {name: record["muscle"][name] for name in moved.live()["muscle"]}
    assert moved.accept(DR_X).record["l3"]["slice_from_feet"] == 5


@pytest.mark.parametrize("is_accepted", [False, True])
def test_back_at_the_first_level_the_record_is_of_the_mask_that_is_there_now(result, is_accepted):
    away = at_slice_5(result, np.zeros_like(result.mask))
    mask = np.roll(result.mask, 3, axis=0)
    mask[28] = False  # 20 pixels of the rolled block of 30 × 20
    back = away.at_level(result.question, Drawing(mask, result.drawing.hu))
    back = back.accept(DR_X) if is_accepted else back
    record = back.record
    assert record["muscle"]["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2 - 4.0)
    assert (record["mask"]["source"], record["model"]["name"]) == ("given", None)
    assert record["id"] != result.record["id"]
    assert back.live()["muscle"] == {name: record["muscle"][name] for name in back.live()["muscle"]}


def test_the_networks_doubt_does_not_withhold_the_status_of_a_mask_drawn_by_hand(result):
    told = {"code": "network_doubts", "severity": "error", "message": "The network doubts too much."}
    doubtful = replace(result, assessed={**result.assessed, "quality": [told]})
    by_hand = doubtful.at_level(result.question, Drawing(result.mask, result.drawing.hu))
    assert by_hand.live()["status"]["value"] == by_hand.record["status"]["value"] == "sarcopenic"


def test_a_level_without_a_mask_keeps_nothing_and_records_nothing(result):
    moved = at_slice_5(result, np.zeros_like(result.mask))
    assert not moved.is_kept
    assert moved.live()["status"]["value"] == "undetermined"
    with pytest.raises(MaskError, match="assess the CT"):
        _ = moved.record
    drawn = moved.with_mask(small_case.muscle()[:, :, 5])
    assert drawn.record["muscle"]["sma_cm2"] == pytest.approx(small_case.area_cm2(5))
    assert drawn.record["mask"]["source"] == "given"


def test_errors_of_the_old_level_do_not_withhold_the_new_ones_status(result):
    told = {"code": "mask_touches_border", "severity": "error", "message": "It touches the border."}
    assessed = replace(result, assessed={**result.assessed, "quality": [told]})
    assert assessed.live()["status"]["value"] == "undetermined"
    moved = at_slice_5(assessed.with_mask(np.roll(result.mask, 1)), small_case.muscle()[:, :, 5] > 0)
    assert moved.live()["status"]["value"] == "sarcopenic"


@pytest.mark.parametrize("is_accepted", [False, True])
def test_the_files_of_a_case_are_those_of_the_edited_mask(grown, tmp_path, is_accepted):
    each = grown.accept(DR_X) if is_accepted else grown
    written = write_case(tmp_path, each.assessment)
    assert read_record(tmp_path / "assessment.json") == written
    assert written["review"] == each.record["review"]
    mask = read_label_map(tmp_path / "muscle.nii.gz").labels
    np.testing.assert_array_equal(mask[:, :, 3] > 0, grown.mask)
    assert mask.sum() == grown.mask.sum()
    assert csv_row(written)["review"] == each.state.value
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_every_state_is_a_valid_record(result, grown):
    for each in (result, grown, grown.accept(DR_X), result.reject(Decision("Dr X", oedema_or_fluid=True))):
        validate_record(json.loads(record_json(each.record)))


def test_kept_is_what_a_person_has_edited_or_accepted(result, grown):
    assert not result.is_kept
    assert not result.reject(Decision("Dr X")).is_kept
    assert grown.is_kept
    assert result.accept(Decision("Dr X")).is_kept
    assert not grown.with_mask(result.mask).is_kept


def test_time_spent_on_review_is_not_the_assessments(result):
    time.sleep(0.01)
    drawn_by = {**result.assessed["software"], "version": "0.0.1", "device": "cuda:0"}
    earlier = replace(result, assessed={**result.assessed, "software": drawn_by})
    changed = earlier.with_facts(PatientFacts())
    assert changed.record["timing_s"] == result.record["timing_s"]
    assert changed.record["software"] == drawn_by, "a saved scene may be opened by a later version"
