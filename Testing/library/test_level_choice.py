"""Two candidates for L3: a warning where both say the same, no status where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import Drawing, Question, conclude
from SarcopeniaAssessLib.errors import RecordError, Severity
from SarcopeniaAssessLib.level import Level, LevelMethod
from SarcopeniaAssessLib.level_choice import MeasuredLevel, choice_finding
from SarcopeniaAssessLib.measurement import measure_slice
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaAssessLib.record import validate_record
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaAssessLib.wording import case_line

PIXEL_MM, SLICE_MM = 4.0, 5.0
MALE = PatientFacts(Sex.MALE, "given")


def mask(rows: int) -> np.ndarray:
    """60 columns by so many rows of 0.16 cm²: 15 rows are 144 cm², the cut-off for men."""
    made = np.zeros((80, 70), dtype=bool)
    made[10:70, 20 : 20 + rows] = True
    return made


def level(k: int, **more) -> Level:
    return Level(k, -300.0 + SLICE_MM * k, LevelMethod.AUTO, **more)


def candidates(first_rows: int, other_rows: int) -> tuple[MeasuredLevel, MeasuredLevel]:
    areas = [measure_slice(mask(rows), 0.16) for rows in (first_rows, other_rows)]
    other = level(9, confidence=0.2, vertebra="L2")
    return (
        MeasuredLevel(level(2, confidence=0.7, reason="third above", alternatives=(other,)), areas[0]),
        MeasuredLevel(other, areas[1]),
    )


def test_one_candidate_is_no_choice():
    assert choice_finding(candidates(17, 17)[:1], MALE, ()) is None


def test_the_same_status_at_both_is_a_warning_that_tells_the_other():
    finding = choice_finding(candidates(17, 18), MALE, ())
    assert finding is not None
    assert finding.severity is Severity.WARNING
    for said in ("third above", "slice 9", "172.8 cm²", "--l3 slice:K"):
        assert said in finding.message


@pytest.mark.parametrize("rows", [(17, 14), (14, 17)])
def test_a_status_that_hangs_on_the_choice_is_withheld(rows):
    finding = choice_finding(candidates(*rows), MALE, ())
    assert finding is not None
    assert finding.severity is Severity.ERROR


def test_without_sex_there_is_no_status_to_withhold():
    finding = choice_finding(candidates(17, 14), PatientFacts(), ())
    assert finding is not None
    assert finding.severity is Severity.WARNING


def test_a_second_candidate_without_muscle_withholds_the_status():
    first, other = candidates(17, 17)
    finding = choice_finding((first, MeasuredLevel(other.level, None)), MALE, ())
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert "no muscle" in finding.message


def test_where_there_is_no_status_a_second_candidate_without_muscle_withholds_none():
    first, other = candidates(17, 17)
    finding = choice_finding((first, MeasuredLevel(other.level, None)), PatientFacts(), ())
    assert finding is not None
    assert finding.severity is Severity.WARNING


def concluded(first_rows: int, other_rows: int) -> dict:
    hu = np.full((80, 70, 12), -1000, np.int16)
    hu[5:75, 10:60] = -90
    hu[10:70, 20:45] = 50
    affine = np.diag([PIXEL_MM, PIXEL_MM, SLICE_MM, 1.0])
    affine[2, 3] = -300.0
    first, other = candidates(first_rows, other_rows)
    volume = CtVolume.from_array(hu, affine, patient=MALE)
    question = Question(volume, first.level, None, (), "case", 0.0, 0.0)
    return conclude(question, Drawing(mask(first_rows), hu[:, :, 2], alternatives=(other,))).record


def test_the_record_holds_both_and_its_status_agrees_with_the_finding():
    record = concluded(17, 14)
    assert record["status"]["value"] == "undetermined"
    assert "statuses differ" in record["status"]["reason"]
    assert record["l3"]["reason"] == "third above"
    assert [(c["slice_from_feet"], c["vertebra_guess"]) for c in record["l3"]["candidates"]] == [
        (2, "L3"),
        (9, "L2"),
    ]
    assert [c["sma_cm2"] for c in record["l3"]["candidates"]] == pytest.approx([163.2, 134.4])
    assert record["l3"]["candidates"][1]["superior_mm"] == -255.0
    assert record["quality"][0]["severity"] == "error"
    agreeing = concluded(17, 18)["quality"][0]
    assert (agreeing["code"], agreeing["severity"]) == ("level_ambiguous", "warning")


def test_the_commands_line_tells_the_other_slice():
    assert case_line(concluded(17, 18)).endswith("L3 uncertain: or slice 9, SMA 172.8 cm²")


@pytest.mark.parametrize("wrong", [[], [{"slice_from_feet": 3}], "L2", [{"sma_cm2": -1.0}] * 2])
def test_candidates_that_are_none_are_no_record(wrong):
    record = concluded(17, 18)
    record["l3"]["candidates"] = wrong
    with pytest.raises(RecordError, match="candidates"):
        validate_record(record)
