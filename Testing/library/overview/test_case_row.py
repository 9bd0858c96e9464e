"""A record as the overview shows it: what presses, what is damaged, what a decision changes."""

import pytest

from SarcopeniaAssessLib.errors import RecordError
from SarcopeniaAssessLib.overview.case_row import Attention, row_of
from SarcopeniaAssessLib.record import accept
from Testing.library.small_case import record

CALM = {
    "status": {"borderline": False, "value": "not sarcopenic"},
    "muscle": {"sma_cm2": 160.0},
    "quality": [],
}
WARNED = [{"code": "metal", "severity": "warning", "message": "Metal."}]
ERROR = [{"code": "muscle_cut_off", "severity": "error", "message": "Cut off."}]


def test_a_record_becomes_a_row():
    row = row_of("one", record())
    assert (row.case, row.sex, row.age_years, row.status, row.borderline) == (
        "one",
        "male",
        67.0,
        "sarcopenic",
        True,
    )
    assert row.texts["sma"] == "143.96 cm²"
    assert row.texts["rule"] == "Bhardwaj 2025, men: SMA < 144 cm²"
    assert [each.criterion for each in row.judged] == ["bhardwaj2025", "derstine2018_smi", "martin2013_smi"]
    assert row.flat["sma_cm2"] == 143.96
    assert (row.review, row.decided, row.models_own) == ("unreviewed", None, "")


@pytest.mark.parametrize(
    ("changes", "attention"),
    [
        (CALM, Attention.NONE),
        ({**CALM, "quality": [{"code": "x", "severity": "info", "message": "So."}]}, Attention.NONE),
        ({**CALM, "status": {"value": "undetermined", "borderline": None}}, Attention.UNDETERMINED),
        ({**CALM, "quality": WARNED}, Attention.WARNING),
        ({"quality": WARNED}, Attention.BORDERLINE),
        ({"quality": [*WARNED, *ERROR]}, Attention.ERROR),
    ],
)
def test_the_most_pressing_reason_is_told(changes, attention):
    assert row_of("one", record(**changes)).attention is attention


def test_undecided_cases_near_the_cutoff_come_first_among_their_kind():
    far = row_of("far", record(muscle={"sma_cm2": 120.0}))
    near = row_of("near", record(muscle={"sma_cm2": 143.9}))
    decided = row_of("decided", accept(record(), "A. Reader"))
    calm = row_of("calm", record(**CALM))
    ordered = sorted([calm, decided, far, near], key=lambda row: row.urgency)
    assert [row.case for row in ordered] == ["near", "far", "decided", "calm"]


def test_a_decision_gives_the_numbers_and_leaves_the_programs_own():
    own = record()
    decided = accept(record(muscle={"sma_cm2": 147.0, "smi_cm2_m2": 147.0 / 1.75**2},
                            status={"value": "not sarcopenic"}), "A. Reader")  # fmt: skip
    row = row_of("one", own, decided)
    assert (row.sma_cm2, row.status, row.review) == (147.0, "not sarcopenic", "accepted")
    assert row.flat["sma_cm2"] == 143.96
    assert row.decided["sma_cm2"] == 147.0
    assert row.models_own == "before the decision: SMA 143.96 cm², sarcopenic, borderline"


def test_neither_reviewer_nor_comment_is_in_a_row():
    row = row_of("one", record(), accept(record(), "Q. Quirrell", "Saint Mungo", "Mr Malfoy looks ill"))
    told = repr(row)
    assert not any(word in told for word in ("Quirrell", "Mungo", "Malfoy"))


def test_rejected_numbers_and_those_with_an_error_do_not_count():
    at = {"at": "2026-01-02T03:04:05+00:00", "reviewer": "R"}
    assert row_of("one", record()).counts
    assert not row_of("one", record(review={"state": "rejected", **at})).counts
    assert not row_of("one", record(quality=ERROR)).counts


@pytest.mark.parametrize(
    "changes",
    [
        {"muscle": {"sma_cm2": "<b>143</b>"}},
        {"muscle": {"sma_cm2": True}},
        {"muscle": {"sma_cm2": float("nan")}},
        {"muscle": None},
        {"patient": {"sex": "other"}},
        {"patient": {"age_years": [67]}},
        {"status": {"value": "fine"}},
        {"status": {"criterion": 7}},
        {"review": {"state": "approved"}},
        {"quality": [{"code": "x", "severity": "loud", "message": "x"}]},
        {"quality": [{"code": ["x"], "severity": "info", "message": "x"}]},
        {"input": {"format": ["nifti"]}},
        {"id": 5},
        {"muscle": {"sma_cm2": -1e300}},
        {"muscle": {"sma_hu_m29_150_cm2": "144"}},
        {"patient": {"weight_kg": "81"}},
        {"l3": {"slice_from_feet": 3.5}},
        {"l3": {"slice_from_feet": 2**31}},
        {"l3": {"slice_from_feet": True}},
        {"status": {"borderline": "no"}},
        {"model": {"name": 7}},
        {"review": {"at": "yesterday"}},
        {"review": {"at": "2026-03-01T10:00:00"}},
    ],
)
def test_a_field_of_another_type_is_a_damaged_record(changes):
    made = record()
    for name, value in changes.items():
        made[name] = {**made[name], **value} if isinstance(value, dict) else value
    with pytest.raises(RecordError, match="damaged"):
        row_of("one", made)


def test_what_the_model_alone_said_stands_beside_an_edited_mask_only():
    opinion = {"sma_cm2": 140.04, "status": "sarcopenic"}
    edited = {**record()["mask"], "source": "edited"}
    own = {**record(), "model_opinion": opinion}
    assert row_of("one", {**own, "mask": edited}).models_own == "the model alone: SMA 140.0 cm², sarcopenic"
    assert row_of("one", own).models_own == ""


def test_another_status_of_the_same_area_is_told():
    other = accept(record(status={"borderline": False}), "A. Reader")
    assert row_of("one", record(), accept(record(), "A. Reader")).models_own == ""
    assert row_of("one", record(), other).models_own.startswith("before the decision: SMA 143.96 cm²")
