"""A result that comes back from text is the one that went, also on a CT that another program has read."""

import json
from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import Drawing, GivenFacts, Question, ask, draw
from SarcopeniaAssessLib.errors import Finding, GeometryError, RecordError, Severity
from SarcopeniaAssessLib.level import Level, LevelMethod
from SarcopeniaAssessLib.level_choice import MeasuredLevel
from SarcopeniaAssessLib.measurement import Measurement
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.patient import InputFacts, PatientFacts, Sex
from SarcopeniaAssessLib.review import Decision, ReviewedResult, ReviewState
from SarcopeniaAssessLib.review_state import from_text, records_of, slice_of, to_text
from SarcopeniaAssessLib.volume import CtVolume
from Testing.library import small_case

CALIBRATION = {
    "floor": 0.01, "stray": 0.5, "attenuation": 0.1, "shift": 0.05, "quantile": 2.0, "scale_limit": 5.0,
    "cases": 100,
}  # fmt: skip


@pytest.fixture(scope="module")
def volume():
    """A CT of which a header told much."""
    return CtVolume.from_array(
        small_case.ct(),
        small_case.affine(),
        patient=PatientFacts(Sex.FEMALE, "dicom", 58.0, 1.61, 70.0),
        input=InputFacts("dicom", "ab" * 32, 100.0, "B30f", True, 5.0, "FFS"),
        findings=(Finding("gantry_tilt", Severity.WARNING, "The gantry was tilted by 12°."),),
    )


@pytest.fixture(scope="module")
def result(volume, tmp_path_factory):
    """A woman's, whose L3 may also be at slice 5."""
    file = small_case.write_model(tmp_path_factory.mktemp("m") / "m.safetensors", calibration=CALIBRATION)
    question = ask(volume, GivenFacts(age_years=59.0), l3="slice:3", case="one", criteria=("bhardwaj2025",))
    other = Level(5, volume.slice_superior_mm(5), LevelMethod.AUTO, 0.3, "ribs", "L4")
    drawing = draw(question, load_model(file), "cpu")
    level = Level(3, question.level.superior_mm, LevelMethod.AUTO, 0.7, "ribs", alternatives=(other,))
    alternatives = (MeasuredLevel(other, Measurement(139.0, 50.0, 139.0, 53.6)),)
    return ReviewedResult.of(replace(question, level=level), replace(drawing, alternatives=alternatives))


@pytest.fixture(scope="module")
def read_again(volume):
    """The same voxels as another program has read them: hash and header lost, float rounding in the place."""
    return CtVolume.from_array(
        small_case.ct().astype(np.float32), volume.ras_from_ijk + np.outer([1, 1, 1, 0], [1e-7] * 4)
    )


def edited(result):
    mask = result.mask.copy()
    mask[25:35, 12:14] = False
    return result.with_mask(mask)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r,
        edited,
        lambda r: edited(r).accept(Decision("Dr Müller", "Klinik", "„fein“; 100 %", True, 12.5)),
        lambda r: r.reject(Decision("Dr X")),
        lambda r: edited(r.accept(Decision("Dr X"))),
        lambda r: r.with_facts(PatientFacts()),
    ],
    ids=["unreviewed", "edited", "accepted", "rejected", "withdrawn", "facts"],
)
def test_a_result_comes_back_as_it_was(result, change, read_again):
    before = change(result)
    text = to_text(before)
    assert text.isascii()
    assert "\n" not in text
    after = from_text(text, read_again)
    assert after.state is before.state
    assert after.record == before.record
    assert after.assessment.record == before.assessment.record, "concluded anew, it is the same"
    np.testing.assert_array_equal(after.mask, before.mask)
    np.testing.assert_array_equal(after.drawing.mask, before.drawing.mask)
    assert after.live() == before.live()
    assert to_text(after) == text


def test_what_is_done_afterwards_is_the_same_too(result, read_again):
    mine, other = edited(result), edited(from_text(to_text(result), read_again))
    assert mine.record | {"id": ""} == other.record | {"id": ""}
    facts = PatientFacts(Sex.MALE, "given", 70.0, 1.8, 80.0)
    assert mine.with_facts(facts).record | {"id": ""} == other.with_facts(facts).record | {"id": ""}


def test_doubtful_regions_are_drawn_again(result, read_again):
    drawing = result.drawing
    share = np.zeros_like(drawing.probability)
    share[25:55, 12:32] = 1.0
    share[60:70, 30:41] = 0.5
    before = replace(result, drawing=replace(drawing, probability=share, fragments_removed_cm2=9.0))
    after = from_text(to_text(before), read_again)
    told = [finding["code"] for finding in after.with_facts(PatientFacts()).record["quality"]]
    assert "fragments_removed" in told
    assert before.assessment.slice_doubtful.any()
    np.testing.assert_array_equal(after.assessment.slice_doubtful, before.assessment.slice_doubtful)


def test_a_mask_without_a_model_comes_back(volume, read_again):
    level = Level(3, volume.slice_superior_mm(3), LevelMethod.S)
    question = Question(volume, level, None, (), "one", 0.0, 0.0)
    drawing = Drawing(small_case.muscle()[:, :, 3] > 0, volume.slab(3, 4)[:, :, 0])
    before = ReviewedResult.of(question, drawing)
    after = from_text(to_text(before), read_again)
    assert after.record == before.record
    assert after.record["mask"]["source"] == "given"


def test_a_result_finds_no_place_on_another_ct(result, volume):
    moved = volume.ras_from_ijk.copy()
    moved[2, 3] += 0.01
    with pytest.raises(GeometryError, match="elsewhere"):
        from_text(to_text(result), CtVolume.from_array(small_case.ct(), moved))
    with pytest.raises(GeometryError, match="other voxels"):
        from_text(to_text(result), CtVolume.from_array(small_case.ct()[:, :, :6], volume.ras_from_ijk))
    other = small_case.ct()
    other[30, 15, 3] += 1
    with pytest.raises(GeometryError, match="other values"):
        from_text(to_text(result), CtVolume.from_array(other, volume.ras_from_ijk))


def test_records_are_there_without_the_ct(result):
    accepted = result.accept(Decision("Dr X"))
    assert records_of(to_text(accepted)) == {"assessed": result.record, "decided": accepted.record}
    assert records_of(to_text(result))["decided"] is None
    assert from_text(to_text(accepted), result.question.volume).state is ReviewState.ACCEPTED
    assert slice_of(to_text(accepted)) == 3
    for path, value in ((("level",), None), (("level", "slice_from_feet"), "x"), (("state",), "other")):
        with pytest.raises(RecordError):
            slice_of(damage(to_text(result), *path, value=value))


def damage(text, *path, value=None):
    state = json.loads(text)
    inner = state
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return json.dumps(state)


@pytest.mark.parametrize(
    "path",
    [
        ("assessed",),
        ("level", "method"),
        ("ct", "input"),
        ("ct", "findings"),
        ("patient", "age_years"),
        ("drawing", "mask", "bits"),
        ("drawing", "model", "name"),
        ("drawing", "neighbours"),
        ("drawing", "probability", "steps"),
        ("mask",),
        ("level", "slice_from_feet"),
    ],
)
def test_a_damaged_result_is_told(result, volume, path):
    value = "no such thing" if path[-1] != "slice_from_feet" else 99
    with pytest.raises(RecordError, match="damaged"):
        from_text(damage(to_text(result), *path, value=value), volume)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"state": "sarcopenia-review/2"}', "nonsense"])
def test_what_is_no_result_is_refused(volume, text):
    with pytest.raises(RecordError):
        from_text(text, volume)
