"""Sentences of the panel: made of records, short, and the same numbers as on the page."""

import pytest

from SarcopeniaAssessLib.assessment import GivenFacts, ask, draw
from SarcopeniaAssessLib.errors import DeviceError, ModelError, Offer
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.review import Decision, ReviewedResult
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaAssessLib.wording import area_text
from Testing.library.small_case import LEVEL, affine, ct, write_model


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    model = load_model(write_model(tmp_path_factory.mktemp("model") / "everything.safetensors"))
    facts = GivenFacts("male", 67.0, 1.75, 80.0)
    question = ask(CtVolume.from_array(ct(), affine()), facts, l3=f"slice:{LEVEL}")
    return ReviewedResult.of(question, draw(question, model, "cpu"))


@pytest.fixture
def words(qt_host):
    from SarcopeniaAssessLib.slicer_bridge import panel_words

    return panel_words


def test_the_status_and_its_cut_off(words, result):
    assert words.status_sentence(result.record) == ("Status: sarcopenic", "sarcopenic")
    assert words.cutoff_sentence(result.record) == "Low: Bhardwaj 2025, men: SMA < 144 cm²"
    assert "Bhardwaj" in words.citation(result.record)


def test_without_a_status_the_reason_is_the_sentence(words, result):
    record = result.record | {
        "status": result.record["status"] | {"value": "undetermined", "reason": "needs sex", "cutoff": None}
    }
    assert words.status_sentence(record) == ("No status: needs sex", "undetermined")
    assert words.cutoff_sentence(record) == ""


def test_numbers_without_a_height_say_what_is_missing(words, result):
    assert "SMI 44.4 cm²/m²" in words.numbers_sentence(result.record)  # 136 / 1.75²
    assert "slices below and above 134.0 and 138.0 cm²" in words.numbers_sentence(result.record)
    muscle = result.record["muscle"] | {"smi_cm2_m2": None}
    assert "SMI needs the height" in words.numbers_sentence(result.record | {"muscle": muscle})


def test_numbers_of_a_stroke_leave_out_what_a_stroke_does_not_change(words, result):
    assert "slices below" not in words.numbers_sentence(result.record, is_live=True)


def test_an_empty_outline_has_no_range(words, result):
    muscle = result.record["muscle"] | {"sma_cm2": 0.0, "sma_interval_cm2": [0.0, 0.0]}
    assert words.interval_sentence(result.record | {"muscle": muscle}) == ""


def test_a_corrected_outline_tells_the_models_own_area(words, result):
    assert words.opinion_sentence(result.record, None) == ""
    mask = result.mask.copy()
    mask[mask.nonzero()[0][0], :] = False
    edited = result.with_mask(mask).record
    told = words.opinion_sentence(edited, edited["model_opinion"]["sma_cm2"])
    assert told.startswith("Corrected by a person. The model alone: 136.0 cm².")
    assert f"{edited['mask']['pixels_changed']} pixels differ" in told
    given = edited | {"mask": edited["mask"] | {"source": "given"}}
    assert words.opinion_sentence(given, None) == "Outlined by a person, without a model."


def test_criteria_stand_in_a_table_and_what_contradicts_is_marked(words, result):
    record = result.record
    table = words.criteria_html(record, words.LIGHT)
    assert table.count("<tr>") == 2 + len(record["other_criteria"])
    contradicting = [each for each in record["other_criteria"] if each["value"] == "not sarcopenic"]
    assert table.count("≠") == len(contradicting) > 0
    assert area_text(record).split()[0] in table


def test_texts_of_a_record_cannot_become_markup(words, result):
    finding = {"code": "any", "severity": "warning", "message": "<b>5 < 6</b>"}
    html = words.quality_html(result.record | {"quality": [finding]}, words.LIGHT)
    assert "&lt;b&gt;5 &lt; 6&lt;/b&gt;" in html
    assert f'<span style="color:{words.LIGHT["warning"]}"><b>Look at:</b>' in html


def test_the_weightiest_finding_comes_first(words, result):
    findings = [{"code": "a", "severity": each, "message": each} for each in ("info", "error", "warning")]
    html = words.quality_html(result.record | {"quality": findings}, words.DARK)
    assert html.index("Problem:") < html.index("Look at:") < html.index("Note:")


def test_what_the_status_says_already_is_not_said_again(words, result):
    finding = {"code": "any", "severity": "error", "message": "The field of view cuts muscle off."}
    status = result.record["status"] | {"value": "undetermined", "reason": finding["message"].rstrip(".")}
    record = result.record | {"quality": [finding], "status": status}
    assert words.quality_html(record, words.LIGHT) == ""
    assert words.status_sentence(record)[0] == "No status: The field of view cuts muscle off"


def test_a_decision_and_what_took_it_back(words, result):
    assert words.review_sentence(result.record)[0] == "Not reviewed yet."
    accepted = result.accept(Decision("A. Reader"))
    text, colour = words.review_sentence(accepted.record)
    assert text.startswith("✓ Accepted by A. Reader, 20")
    assert colour == "not sarcopenic"
    mask = result.mask.copy()
    mask[:, mask.nonzero()[1][0]] = False
    assert words.review_sentence(accepted.with_mask(mask).record) == (
        "Not reviewed: the acceptance by A. Reader was taken back, because the mask was edited.",
        "warning",
    )
    rejected = result.reject(Decision("B. Reader"))
    assert words.review_sentence(rejected.record)[0].startswith("Rejected by B. Reader")


def test_an_error_is_two_sentences(words):
    assert (
        words.error_sentence(ModelError("no such file", "choose another")) == "No such file. Choose another."
    )


def test_options_of_the_command_reach_nobody_in_the_window(words, result):
    error = DeviceError("the memory of cuda does not suffice", "choose --device cpu or auto")
    assert words.error_sentence(error) == (
        "The memory of cuda does not suffice. Choose the CPU under Model and device."
    )
    told = "L3 may also be at slice 5: look which is L3 and give it as --l3 slice:K."
    asked = "L3 may also be at slice 5: look which is L3 and set the level there."
    finding = {"code": "level_ambiguous", "severity": "error", "message": told}
    assert asked in words.quality_html(result.record | {"quality": [finding]}, words.LIGHT)
    status = result.record["status"] | {"value": "undetermined", "reason": told.rstrip(".")}
    record = result.record | {"status": status, "other_criteria": []}
    assert words.status_sentence(record)[0] == f"No status: {asked.rstrip('.')}"
    short = status | {"reason": "needs age; give --age"}
    table = words.criteria_html(record | {"status": short}, words.LIGHT)
    assert "needs age; give the age" in table


def test_every_offer_has_a_button(words):
    assert all(words.offer_text(offer) for offer in Offer)


def test_the_question_before_an_installation_names_packages_and_obstacles(words):
    asked = words.installation_question(("torch", "nibabel"), ("disk: 1 GB free",))
    assert "torch, nibabel" in asked
    assert "disk: 1 GB free" in asked
    assert "may fail" not in words.installation_question(("torch",), ())
