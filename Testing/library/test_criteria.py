"""Published cut-offs and what they say: figures typed here again from the sources' table, not read back."""

import json
import math
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from SarcopeniaAssessLib import criteria_data, resource_path
from SarcopeniaAssessLib.criteria import (
    AREA_SENTENCE,
    CHILD_REASON,
    REFERENCE_AGE_SENTENCE,
    STATUS_SENTENCES,
    Measure,
    Status,
    StatusValue,
    default_criterion,
    disagreement_finding,
    format_area,
    judge,
    load_criteria,
    resolve_criterion,
    status_text,
)
from SarcopeniaAssessLib.criteria_data import Criterion, Figure
from SarcopeniaAssessLib.errors import CriterionError, Severity
from SarcopeniaAssessLib.measurement import Measurement
from SarcopeniaAssessLib.patient import PatientFacts, Sex

SARCOPENIC, NOT, UNDETERMINED = StatusValue

# id: (measure, men, women, low is, sure)
PRINTED = {
    "bhardwaj2025": ("sma_cm2", 144, 92, "<", "paper"),
    "derstine2018_sma": ("sma_cm2", 144.3, 92.2, "<", "abstract"),
    "derstine2018_smi": ("smi_cm2_m2", 45.4, 34.4, "<", "abstract"),
    "derstine2018_hu": ("mean_hu", 38.5, 34.3, "<", "abstract"),
    "vanderwerf2018_sma": ("sma_cm2", 134.0, 89.2, "<", "abstract"),
    "vanderwerf2018_smi": ("smi_cm2_m2", 41.6, 32.0, "<", "abstract"),
    "vanderwerf2018_hu": ("mean_hu", 29.3, 22.0, "<", "abstract"),
    "prado2008": ("smi_cm2_m2", 52.4, 38.5, "≤", "secondary"),
    "mourtzakis2008": ("smi_cm2_m2", 55.4, 38.9, "<", "memory"),
    "fearon2011": ("smi_cm2_m2", 55, 39, "<", "memory"),
    "carey2017": ("smi_cm2_m2", 50, 39, "<", "abstract"),
    "zeng2021": ("smi_cm2_m2", 44.77, 32.50, "<", "abstract"),
    "jsh2016": ("smi_cm2_m2", 42, 38, "<", "memory"),
}
OF_THEIR_OWN = {
    "martin2013_smi",
    "martin2013_hu",
    "framingham2023_sma",
    "framingham2023_smi",
    "framingham2023_hu",
}


def person(sex=Sex.MALE, age=None, height=None, weight=None):
    return PatientFacts(sex, "given" if sex else None, age, height, weight)


def status_of(name, measurement, patient, **more):
    judged = judge(measurement, patient, names=[name], **more).status
    assert judged.criterion == name
    return judged


def measuring(measure, value):
    """A measurement in which only one number matters."""
    return Measurement(**{"sma_cm2": 150.0, "mean_hu": 40.0, "smi_cm2_m2": 50.0} | {measure: value})


class TestData:
    def test_holds_every_source_and_nothing_else(self):
        assert set(load_criteria()) == set(PRINTED) | OF_THEIR_OWN
        assert default_criterion() == "bhardwaj2025"

    @pytest.mark.parametrize(("name", "printed"), PRINTED.items())
    def test_as_printed(self, name, printed):
        criterion = load_criteria()[name]
        cutoffs = {figure.sex: figure.cutoff for figure in criterion.figures}
        assert cutoffs == {"male": printed[1], "female": printed[2]}
        assert (criterion.measure.value, criterion.comparison, criterion.sure) == (printed[0], *printed[3:])

    def test_ids_can_be_typed_and_begin_with_their_source(self):
        for name, criterion in load_criteria().items():
            assert name == name.lower()
            assert name.isascii()
            assert name.startswith(criterion.source)
            assert criterion.citation
            assert criterion.population
            assert criterion.statistic

    def test_dois_are_bare_or_absent(self):
        dois = [criterion.doi for criterion in load_criteria().values()]
        assert all(doi is None or doi.startswith("10.") for doi in dois)
        assert load_criteria()["framingham2023_sma"].doi is None

    def test_every_entry_of_a_source_is_used(self):
        data = json.loads(resource_path("Criteria.json").read_text(encoding="utf-8"))
        assert set(data["sources"]) == {entry["source"] for entry in data["criteria"]}

    def test_the_answer_is_a_copy(self):
        load_criteria().clear()
        assert load_criteria()

    @pytest.mark.parametrize(
        "figure",
        [{"sex": "male"}, {"sex": "other", "cutoff": 1.0}, {"sex": "male", "cutoff": 1.0, "mean": 2.0}],
    )
    def test_an_invalid_figure_cannot_exist(self, figure):
        with pytest.raises(CriterionError):
            Figure(**figure)

    @pytest.mark.parametrize(
        "change",
        [{"unit": "mm²"}, {"comparison": None}, {"comparison": ">"}, {"sure": "certain"}, {"figures": ()}],
    )
    def test_an_invalid_criterion_cannot_exist(self, change):
        fields = {
            name: getattr(load_criteria()["bhardwaj2025"], name) for name in Criterion.__dataclass_fields__
        }
        with pytest.raises(CriterionError, match="bhardwaj2025"):
            Criterion(**fields | change)

    @pytest.mark.parametrize(
        "text", ["", "{", '{"criteria": [], "sources": {}}', '{"default": "x", "criteria": []}']
    )
    def test_a_damaged_file_is_told(self, text, tmp_path, monkeypatch):
        (tmp_path / "Criteria.json").write_text(text, encoding="utf-8")
        monkeypatch.setattr(criteria_data, "resource_path", tmp_path.joinpath)
        with pytest.raises(CriterionError, match=r"Criteria\.json"):
            criteria_data.read_criteria.__wrapped__()


class TestNames:
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("carey2017", "carey2017"),
            (" Derstine2018_SMI ", "derstine2018_smi"),
            ("derstine2018", "derstine2018_sma"),  # a source stands for its first criterion
            ("martin2013", "martin2013_smi"),
        ],
    )
    def test_resolved(self, typed, meant):
        assert resolve_criterion(typed) == meant

    @pytest.mark.parametrize(
        ("typed", "suggested"),
        [("bhardwaj2052", "bhardwaj2025"), ("derstine", "derstine2018_sma"), ("JSH", "jsh2016")],
    )
    def test_unknown_names_get_the_closest_and_all(self, typed, suggested):
        with pytest.raises(CriterionError, match=f"did you mean {suggested}") as raised:
            judge(Measurement(150.0), person(), names=["bhardwaj2025", typed])
        assert all(name in raised.value.remedy for name in PRINTED)
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize("typed", ["", "xyz", "§"])
    def test_without_a_close_one_nothing_is_suggested(self, typed):
        with pytest.raises(CriterionError) as raised:
            resolve_criterion(typed)
        assert "did you mean" not in raised.value.remedy


class TestStatus:
    @pytest.mark.parametrize(("name", "sex"), list(product(PRINTED, Sex)))
    def test_below_at_and_above_the_cutoff(self, name, sex):
        measure, men, women, low_is, _ = PRINTED[name]
        cutoff = men if sex is Sex.MALE else women
        at_cutoff = SARCOPENIC if low_is == "≤" else NOT
        for value, expected in [(cutoff - 0.01, SARCOPENIC), (cutoff, at_cutoff), (cutoff + 0.01, NOT)]:
            judged = status_of(name, measuring(measure, value), person(sex, 70))
            assert (judged.value, judged.cutoff, judged.reason) == (expected, cutoff, None)

    def test_the_default_is_the_papers_rule(self):
        assert judge(Measurement(143.999), person()).status == Status(
            "bhardwaj2025", 144.0, "cm²", SARCOPENIC, None, None
        )
        assert judge(Measurement(92.0), person(Sex.FEMALE)).status.value is NOT

    def test_a_sum_of_pixels_at_the_cutoff_is_at_the_cutoff(self):
        # 0.1 + 0.2 style rounding: 144 cm² less one ulp is 144 cm².
        almost = math.nextafter(144.0, 0.0)
        assert judge(Measurement(almost), person()).status.value is NOT
        assert format_area(almost, 144.0) == "144.0"

    def test_144_1_flips_between_the_paper_and_its_source(self):
        judged = judge(Measurement(144.1), person())
        others = {status.criterion: status.value for status in judged.others}
        assert judged.status.value is NOT
        assert others["derstine2018_sma"] is SARCOPENIC
        assert judged.disagreements == ("Derstine 2018, SMA (< 144.3 cm²) says sarcopenic",)

    def test_no_sex_no_status_anywhere(self):
        judged = judge(Measurement(60.0, 20.0, 50.0, 25.0), person(None, 70, 1.6, 60.0), interval=(59, 61))
        assert judged.status == Status("bhardwaj2025", None, "cm²", UNDETERMINED, None, "needs sex")
        assert all(other.value is UNDETERMINED and other.reason == "needs sex" for other in judged.others)
        assert judged.disagreements == ()

    def test_age_unknown_still_has_a_status(self):
        assert judge(Measurement(150.0), person(age=None)).status.value is NOT

    @pytest.mark.parametrize(
        ("age", "has_status"), [(0.0, False), (17.99, False), (18.0, True), (90.0, True)]
    )
    def test_children_have_none(self, age, has_status):
        judged = judge(
            Measurement(100.0, 50.0, 90.0, 40.0), person(age=age, height=1.6, weight=50), interval=(98, 102)
        )
        assert (judged.status.value is SARCOPENIC) == has_status
        if not has_status:
            assert {s.reason for s in (judged.status, *judged.others)} == {CHILD_REASON}
            assert {s.value for s in (judged.status, *judged.others)} == {UNDETERMINED}

    def test_withheld_by_a_quality_error(self):
        judged = judge(Measurement(100.0, 40.0), person(), interval=(98, 102), withheld="muscle is cut off")
        assert judged.status == Status("bhardwaj2025", 144.0, "cm²", UNDETERMINED, None, "muscle is cut off")
        assert {other.reason for other in judged.others} == {"muscle is cut off"}
        assert judged.disagreements == ()

    def test_undetermined_and_a_reason_go_together(self):
        for patient in (person(), person(None), person(Sex.FEMALE, 80, 1.6, 60.0), person(Sex.FEMALE, 60)):
            judged = judge(Measurement(100.0), patient)
            for status in (judged.status, *judged.others):
                assert (status.value is UNDETERMINED) == (status.reason is not None)


class TestInputsThatLack:
    @pytest.mark.parametrize(
        ("name", "patient", "reason"),
        [
            ("carey2017", person(), "needs height"),
            ("carey2017", person(None), "needs sex and height"),
            ("derstine2018_hu", person(), "needs HU"),
            ("martin2013_smi", person(), "needs height and weight"),
            ("martin2013_smi", person(height=1.7), "needs weight"),
            ("martin2013_hu", person(None), "needs sex, height, weight and HU"),
            ("framingham2023_sma", person(Sex.FEMALE), "needs age"),
            ("framingham2023_smi", person(Sex.FEMALE), "needs age and height"),
        ],
    )
    def test_are_named(self, name, patient, reason):
        smi = None if patient.height_m is None else 150.0 / patient.height_m**2
        judged = status_of(name, Measurement(150.0, smi_cm2_m2=smi), patient)
        assert (judged.value, judged.reason, judged.cutoff is None) == (
            UNDETERMINED, reason, name not in ("carey2017", "derstine2018_hu") or patient.sex is None
        )  # fmt: skip

    def test_are_listed_among_the_others(self):
        others = {status.criterion: status for status in judge(Measurement(150.0), person()).others}
        assert others["martin2013_smi"].reason == "needs height and weight"
        assert others["derstine2018_smi"].reason == "needs height"
        assert others["derstine2018_hu"].reason == "needs HU"


class TestMartin:
    @pytest.mark.parametrize(
        ("sex", "weight_kg", "smi_cutoff", "hu_cutoff"),
        [  # at 1.60 m a BMI of 25 is 64 kg
            (Sex.MALE, 63.9, 43, 41),
            (Sex.MALE, 64.0, 53, 33),
            (Sex.FEMALE, 63.9, 41, 41),
            (Sex.FEMALE, 64.0, 41, 33),
        ],
    )
    def test_depends_on_bmi(self, sex, weight_kg, smi_cutoff, hu_cutoff):
        patient = person(sex, 70, 1.60, weight_kg)
        for name, measure, cutoff in [
            ("martin2013_smi", "smi_cm2_m2", smi_cutoff),
            ("martin2013_hu", "mean_hu", hu_cutoff),
        ]:
            low = status_of(name, measuring(measure, cutoff - 0.1), patient)
            same = status_of(name, measuring(measure, cutoff), patient)
            assert (low.cutoff, low.value, same.value) == (cutoff, SARCOPENIC, NOT)


class TestFramingham:
    @pytest.mark.parametrize(
        ("age", "sma_cm2", "says"),
        [
            # (102.5 − 120.9) / 18.4 = −1.0 and (131.5 − 99.5) / 16.0 = +2.0
            (44.9, 102.5, "women under 45 years have a mean of 120.9 ± 18.4 cm², here -1.0 SD"),
            (75.0, 131.5, "women from 75 years up have a mean of 99.5 ± 16 cm², here +2.0 SD"),
        ],
    )
    def test_is_a_reference_and_no_cutoff(self, age, sma_cm2, says):
        judged = status_of("framingham2023_sma", Measurement(sma_cm2), person(Sex.FEMALE, age))
        assert (judged.value, judged.cutoff) == (UNDETERMINED, None)
        assert judged.reason == f"a reference value, not a cut-off: {says}"

    @pytest.mark.parametrize(
        ("name", "age", "mean"),
        [
            ("framingham2023_smi", 40, "48.2 cm²/m²"),
            ("framingham2023_smi", 80, "43.5 cm²/m²"),
            ("framingham2023_hu", 40, "42.6 HU"),
            ("framingham2023_hu", 80, "25.2 HU"),
        ],
    )
    def test_without_sd_no_distance_is_invented(self, name, age, mean):
        reason = status_of(name, Measurement(110.0, 30.0, 100.0, 40.0), person(Sex.FEMALE, age)).reason
        assert reason.endswith(f"have a mean of {mean}")

    def test_the_ages_between_are_not_known(self):
        judged = status_of("framingham2023_sma", Measurement(110.0), person(Sex.FEMALE, 60))
        assert judged.reason == "no figures known here for women of 60 years"

    def test_does_not_apply_to_men_unless_asked_for(self):
        others = judge(Measurement(150.0), person(age=80)).others
        assert not any(status.criterion.startswith("framingham") for status in others)
        asked = judge(Measurement(150.0), person(age=80), names=["jsh2016", "framingham2023_sma"]).others
        assert asked[0].reason == "no figures known here for men of 80 years"


class TestOrder:
    def test_all_others_follow_in_the_files_order(self):
        judged = judge(Measurement(110.0), person(Sex.FEMALE))
        assert [status.criterion for status in judged.others] == [
            n for n in load_criteria() if n != "bhardwaj2025"
        ]

    def test_the_first_asked_for_is_the_status_the_rest_lead_the_others(self):
        judged = judge(Measurement(150.0), person(), names=["zeng2021", "jsh2016", "zeng2021"])
        assert judged.status.criterion == "zeng2021"
        assert [status.criterion for status in judged.others][:3] == [
            "jsh2016",
            "bhardwaj2025",
            "derstine2018_sma",
        ]
        assert len({status.criterion for status in judged.others}) == len(judged.others)


class TestBorderline:
    @pytest.mark.parametrize(
        ("interval", "expected"),
        [
            (None, None),
            ((140.0, 143.9), False),
            ((140.0, 144.0), True),  # at 144 a man is not sarcopenic, at 140 he is
            ((144.0, 150.0), False),
            ((143.9, 150.0), True),
        ],
    )
    def test_where_the_ends_disagree(self, interval, expected):
        assert judge(Measurement(143.0), person(), interval=interval).status.borderline is expected

    def test_of_an_index_scales_with_height(self):
        # At 2.00 m Carey's 50 cm²/m² is 200 cm².
        measured, patient = Measurement(204.0, smi_cm2_m2=51.0), person(height=2.0)
        assert status_of("carey2017", measured, patient, interval=(199.9, 208.1)).borderline is True
        assert status_of("carey2017", measured, patient, interval=(200.1, 207.9)).borderline is False

    def test_mean_hu_has_no_interval(self):
        measured = Measurement(150.0, 38.4)
        assert status_of("derstine2018_hu", measured, person(), interval=(140, 160)).borderline is None


class TestShown:
    @pytest.mark.parametrize(
        ("value", "cutoffs", "text"),
        [
            (163.44, (144,), "163.4"),
            (143.96, (144,), "143.96"),
            (144.04, (144,), "144.04"),
            (143.9996, (144,), "143.9996"),
            (144.0, (144,), "144.0"),
            (144.28, (144, 144.3), "144.28"),  # one number beside two cut-offs
            (143.96, (None,), "144.0"),
            (143.96, (), "144.0"),
            (-0.01, (), "0.0"),
            (91.95, (92.0, None), "91.95"),
        ],
    )
    def test_on_the_right_side(self, value, cutoffs, text):
        assert format_area(value, *cutoffs) == text

    def test_whole_numbers_first_for_hu(self):
        assert format_area(41.2, 38.5, decimals=0) == "41"
        assert format_area(38.6, 38.5, decimals=0) == "39"
        assert format_area(38.4, 38.5, decimals=0) == "38"
        assert format_area(38.45, 38.5, decimals=0) == "38"

    @given(st.floats(0.1, 500.0), st.sampled_from([144.0, 144.3, 92.0, 92.2, 44.77]))
    def test_number_and_status_never_disagree(self, value, cutoff):
        shown = float(format_area(value, cutoff))
        distance = abs(value - cutoff)
        if distance > 1e-6:
            assert (shown < cutoff, shown > cutoff) == (value < cutoff, value > cutoff)
        assert abs(shown - value) <= 0.0500001

    @given(st.floats(143.9, 144.4))
    def test_nor_for_every_criterion_at_once(self, value):
        judged = judge(Measurement(value), person())
        areas = [s for s in (judged.status, *judged.others) if s.unit == "cm²"]
        shown = float(format_area(value, *(s.cutoff for s in areas)))
        again = judge(Measurement(shown), person())
        assert [s.value for s in (again.status, *again.others)] == [
            s.value for s in (judged.status, *judged.others)
        ]

    @pytest.mark.parametrize(
        ("status", "text"),
        [
            (Status("bhardwaj2025", 144.0, "cm²", NOT, False), "not sarcopenic (cut-off 144)"),
            (
                Status("derstine2018_sma", 144.3, "cm²", SARCOPENIC, True),
                "sarcopenic, borderline (cut-off 144.3)",
            ),
            (Status("x", None, "cm²", UNDETERMINED, None, "needs sex"), "undetermined (needs sex)"),
        ],
    )
    def test_in_words(self, status, text):
        assert status_text(status) == text

    def test_the_sentences_beside_every_status(self):
        assert STATUS_SENTENCES == (REFERENCE_AGE_SENTENCE, AREA_SENTENCE)
        assert "18–40" in REFERENCE_AGE_SENTENCE
        assert "low muscle area" in AREA_SENTENCE
        assert "EWGSOP2" in AREA_SENTENCE

    def test_disagreements_become_one_finding(self):
        finding = disagreement_finding(judge(Measurement(144.1), person()))
        assert (finding.code, finding.severity) == ("criteria_disagree", Severity.INFO)
        assert "; Bhardwaj 2025 says not sarcopenic, but" in finding.message
        assert "Derstine 2018, SMA (< 144.3 cm²) says sarcopenic" in finding.message
        assert disagreement_finding(judge(Measurement(200.0), person())) is None


def figure_words(criterion, sex):
    """The cut-offs or means of one sex as docs/criteria.md prints them."""
    words = []
    for figure in (each for each in criterion.figures if each.sex == sex):
        number = figure.cutoff if figure.cutoff is not None else figure.mean
        spread = f" ± {figure.sd:g}" if figure.sd is not None else ""
        bounds = [
            f"{name} {sign} {bound:g}"
            for name, sign, bound in [
                ("age", "≥", figure.age_from), ("age", "<", figure.age_below),
                ("BMI", "≥", figure.bmi_from), ("BMI", "<", figure.bmi_below),
            ]
            if bound is not None
        ]  # fmt: skip
        words.append(f"{number:g}{spread}" + (f" ({', '.join(bounds)})" if bounds else ""))
    return "; ".join(words) or "–"


def documented_row(criterion):
    sign = criterion.comparison or "reference"
    assumed = " (assumed)" if criterion.comparison_confirmed is False else ""
    cells = (
        f"`{criterion.id}`", criterion.measure.value, figure_words(criterion, "male"),
        figure_words(criterion, "female"), sign + assumed, criterion.statistic, criterion.sure,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def test_the_documented_table_agrees_with_the_data():
    lines = Path(__file__).parents[2].joinpath("docs/criteria.md").read_text(encoding="utf-8").splitlines()
    documented = [line for line in lines if line.startswith("| `")]
    assert documented == [documented_row(criterion) for criterion in load_criteria().values()]


def test_every_source_is_cited_in_the_document():
    text = Path(__file__).parents[2].joinpath("docs/criteria.md").read_text(encoding="utf-8")
    for criterion in load_criteria().values():
        assert criterion.citation in text
        assert criterion.population in text
        assert criterion.doi is None or f"https://doi.org/{criterion.doi}" in text


def test_measures_are_fields_of_the_measurement():
    assert {measure.value for measure in Measure} < set(Measurement.__dataclass_fields__)
