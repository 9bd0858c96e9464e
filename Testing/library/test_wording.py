"""The same words everywhere, and never a number that contradicts the status beside it."""

import pytest

from SarcopeniaAssessLib import wording
from Testing.library.small_case import record


def test_the_commands_line():
    made = record(
        muscle={"sma_cm2": 163.41, "mean_hu": 41.2, "sma_interval_cm2": None},
        status={"value": "not sarcopenic", "borderline": None},
    )
    assert wording.case_line(made) == "one  SMA 163.4 cm²  mean 41 HU  not sarcopenic (cut-off 144)"


def test_the_line_without_hu_has_no_mean():
    made = record(muscle={"mean_hu": None, "sma_cm2": 120.0}, status={"borderline": None})
    assert wording.case_line(made) == "one  SMA 120.0 cm²  sarcopenic (cut-off 144)"


def test_the_line_of_an_undetermined_case_says_why():
    status = {"value": "undetermined", "cutoff": None, "borderline": None, "reason": "needs sex"}
    assert wording.case_line(record(status=status)).endswith("  undetermined (needs sex)")


def test_a_reason_that_the_record_does_not_give_is_found_in_it():
    status = {"value": "undetermined", "cutoff": 144.0, "borderline": None, "reason": None}
    error = {"code": "fov_cuts_muscle", "severity": "error", "message": "Muscle is cut off."}
    assert wording.status_of(record(status=status, quality=[error])).reason == "Muscle is cut off."
    unknown = record(status=status, patient={"sex": None, "sex_source": None})
    assert wording.status_of(unknown).reason == "needs sex"


@pytest.mark.parametrize(
    ("sma_cm2", "shown"),
    [(143.96, "143.96 cm²"), (144.04, "144.04 cm²"), (143.9, "143.9 cm²"), (144.0, "144.0 cm²")],
)
def test_number_and_status_never_disagree(sma_cm2, shown):
    assert wording.area_text(record(muscle={"sma_cm2": sma_cm2})) == shown


def test_numbers_are_shown_alike_beside_every_criterion():
    # 45.38 lies below Derstine's 45.4, where one decimal would show 45.4.
    assert wording.smi_text(record(muscle={"smi_cm2_m2": 45.38})) == "45.38 cm²/m²"


def test_the_interval_lies_on_its_own_sides_of_the_cut_off():
    made = record(muscle={"sma_interval_cm2": [143.97, 150.0]})
    assert wording.interval_text(made) == "143.97–150.0 cm²"


def test_absent_numbers_are_a_dash():
    made = record(muscle={"mean_hu": None, "smi_cm2_m2": None, "sma_interval_cm2": None})
    assert (wording.mean_hu_text(made), wording.smi_text(made), wording.interval_text(made)) == (
        "–",
        "–",
        "–",
    )
    assert wording.secondary_numbers(made) == ""


def test_negative_numbers_have_a_true_minus():
    assert wording.mean_hu_text(record(muscle={"mean_hu": -3.2})) == "−3 HU"
    assert "superior −403.5 mm" in wording.level_text(record())


def test_headline_and_criterion():
    assert wording.headline(record()) == ("sarcopenic, borderline", "borderline")
    assert wording.criterion_text(record()) == "Bhardwaj 2025, men: SMA < 144 cm²"
    women = record(patient={"sex": "female"}, status={"cutoff": 92.0})
    assert wording.criterion_text(women) == "Bhardwaj 2025, women: SMA < 92 cm²"


def test_a_long_reason_is_cut_at_a_word():
    status = {"value": "undetermined", "borderline": None, "reason": "because " * 30}
    words, colour = wording.headline(record(status=status))
    assert colour == "undetermined"
    assert len(words) <= len("undetermined: ") + 60
    assert words.endswith("because…")


def test_who_drew_the_mask_is_said():
    given = record(mask={"source": "given"}, model=dict.fromkeys(("name", "version", "sha256", "trained_on")))
    assert "given, not drawn by this program" in wording.level_text(given)
    assert "model everything 1" in wording.level_text(record())


def test_the_confidence_of_an_automatic_level_is_said():
    assert (
        wording.method_text(record(l3={"method": "auto", "confidence": 0.874}))
        == "found automatically, confidence 0.87"
    )


def test_the_other_slice_that_may_be_l3_is_told_with_the_method():
    candidates = [
        {"slice_from_feet": 3, "superior_mm": -403.5, "sma_cm2": 143.96},
        {"slice_from_feet": 9, "superior_mm": -367.5, "sma_cm2": 150.2},
    ]
    level = {"method": "auto", "confidence": 0.7, "candidates": candidates}
    assert wording.method_text(record(l3=level)).endswith(
        "confidence 0.70; L3 uncertain: or slice 9, SMA 150.2 cm²"
    )
    candidates[1]["sma_cm2"] = None
    assert wording.method_text(record(l3=level)).endswith("or slice 9, no muscle")
    assert wording.method_text(record(l3={"method": "auto", "confidence": 0.97})).endswith("confidence 0.97")
