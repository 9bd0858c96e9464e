"""The record: what is built is valid, and no field can be broken without its path being told."""

import json
import math
import re
import uuid
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest

from SarcopeniaAssessLib import record_rules, resource_path
from SarcopeniaAssessLib.criteria import Measure, judge
from SarcopeniaAssessLib.errors import Finding, RecordError, Severity
from SarcopeniaAssessLib.level import Level, LevelMethod
from SarcopeniaAssessLib.level_choice import MeasuredLevel
from SarcopeniaAssessLib.measurement import Measurement
from SarcopeniaAssessLib.patient import InputFacts, PatientFacts, Sex
from SarcopeniaAssessLib.record import (
    InputBlock,
    MaskBlock,
    RecordParts,
    accept,
    build_record,
    read_record,
    record_json,
    reject,
    validate_record,
)
from SarcopeniaAssessLib.uncertainty import Doubt
from SarcopeniaAssessLib.volume import CtVolume

SCHEMA_PATH = resource_path("sarcopenia-assessment-1.schema.json")
MODEL = SimpleNamespace(
    name="smit-compact", version="1", sha256="ab" * 32, trained_on="3,000 phantoms, no patient data"
)
INPUT = InputBlock("dicom", (512, 512, 97), (0.78, 0.78, 5.0), "LPS", "0f" * 32, 120.0, True, 5.0)
ADULT = PatientFacts(Sex.MALE, "dicom", 71.0, 1.75, 82.0)
# 153.125 cm² at 1.75 m are 153.125 / 3.0625 = 50 cm²/m².
MEASURED = Measurement(153.125, 37.5, 149.0, 50.0)


def parts(**changes):
    """Everything that a complete record of a model's mask is made of."""
    fields = {
        "case": "patient-7",
        "input": INPUT,
        "patient": ADULT,
        "level": Level(41, -212.5, LevelMethod.LABELS, 0.93),
        "measurement": MEASURED,
        "judgement": judge(MEASURED, ADULT, interval=(148.0, 158.0)),
        "findings": (Finding("contrast_given", Severity.INFO, "Contrast was given."),),
        "mask": MaskBlock("model", 1.0, 0),
        "neighbours_sma_cm2": (151.0, None),
        "interval": (148.0, 158.0),
        "doubt": Doubt(0.004, 0.08),
        "candidates": (
            MeasuredLevel(Level(41, -212.5, LevelMethod.AUTO, 0.7), MEASURED),
            MeasuredLevel(Level(34, -247.5, LevelMethod.AUTO, 0.3, vertebra="L4"), None),
        ),
        "model": MODEL,
        "device": "cpu",
        "timing_s": {"read": 1.5, "preprocess": 0.1, "network": 0.4, "total": 2.25},
    }
    return RecordParts(**fields | changes)


def given_mask(**changes):
    """A mask from another tool, without CT, patient or model."""
    measured = Measurement(120.0)
    return parts(
        **{
            "patient": PatientFacts(),
            "measurement": measured,
            "judgement": judge(measured, PatientFacts(), interval=(117.7, 122.3)),
            "findings": (),
            "mask": MaskBlock("given"),
            "neighbours_sma_cm2": (None, None),
            "interval": (117.7, 122.3),
            "doubt": None,
            "candidates": (),
            "model": None,
            "device": None,
            "timing_s": {},
        }
        | changes
    )


def child():
    patient = PatientFacts(Sex.FEMALE, "given", 12.0)
    measured = Measurement(80.0, 55.0, 79.0)
    finding = Finding("under_18", Severity.ERROR, "The patient is a child.")
    return parts(
        patient=patient,
        measurement=measured,
        judgement=judge(measured, patient),
        interval=None,
        findings=(finding,),
        input=replace(INPUT, kvp=None, contrast=None, slice_thickness_mm=None),
    )


GOOD = {
    "model": build_record(parts()),
    "given": build_record(given_mask()),
    "child": build_record(child()),
    "accepted": accept(build_record(parts()), "Dr. A. Reader", "A Hospital", "fine", 31.5),
    "rejected": reject(build_record(given_mask()), "Dr. A. Reader"),
}


def at(record, path):
    """The container and key of a dotted path."""
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        record = record[step]
    return record, last


def leaves(value, path=""):
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list) and value:
        yield from leaves(value[0], f"{path}.0")
    else:
        yield path


class TestBuild:
    def test_holds_exactly_the_promised_fields(self):
        promised = {
            "input": "format shape spacing_mm orientation sha256",
            "patient": "sex sex_source age_years height_m weight_kg",
            "l3": "superior_mm slice_from_feet method confidence neighbours_sma_cm2",
            "muscle": "sma_cm2 sma_interval_cm2 mean_hu sma_hu_m29_150_cm2 smi_cm2_m2",
            "status": "criterion cutoff unit value borderline",
            "model": "name version sha256 trained_on",
            "mask": "source dice_with_model pixels_changed",
            "review": "state reviewer organization at comment seconds_to_accept",
            "software": "name version python torch device",
            "timing_s": "read preprocess network write total",
        }
        record = GOOD["model"]
        lists = {"other_criteria": "criterion cutoff unit value reason", "quality": "code severity message"}
        assert set(record) == {"schema", "id", "case", "assessed_at", *promised, *lists}
        for block, fields in promised.items():
            assert set(fields.split()) <= set(record[block])
        for block, fields in lists.items():
            assert set(fields.split()) <= set(record[block][0])

    def test_of_a_models_mask(self):
        record = GOOD["model"]
        assert record["schema"] == "sarcopenia-assessment/1"
        assert uuid.UUID(record["id"]).version == 4
        assert record["input"]["spacing_mm"] == [0.78, 0.78, 5.0]
        assert record["l3"] == {
            "superior_mm": -212.5, "slice_from_feet": 41, "method": "labels", "confidence": 0.93,
            "reason": None, "neighbours_sma_cm2": [151.0, None],
            "candidates": [
                {"superior_mm": -212.5, "slice_from_feet": 41, "vertebra_guess": "L3", "confidence": 0.7,
                 "sma_cm2": 153.125},
                {"superior_mm": -247.5, "slice_from_feet": 34, "vertebra_guess": "L4", "confidence": 0.3,
                 "sma_cm2": None},
            ],
        }  # fmt: skip
        assert record["muscle"]["doubt"] == {"stray": 0.004, "attenuation": 0.08}
        assert GOOD["given"]["muscle"]["doubt"] is GOOD["given"]["l3"]["candidates"] is None
        assert record["muscle"]["smi_cm2_m2"] == 50.0
        assert record["status"] == {
            "criterion": "bhardwaj2025", "cutoff": 144.0, "unit": "cm²", "value": "not sarcopenic",
            "borderline": False, "reason": None,
        }  # fmt: skip
        assert record["model"]["trained_on"] == "3,000 phantoms, no patient data"
        assert record["review"]["state"] == "unreviewed"
        assert record["timing_s"]["write"] is None
        assert re.match(r"3\.\d+\.\d+", record["software"]["python"])
        assert record["software"]["torch"]

    def test_of_a_given_mask_absent_facts_are_null(self):
        record = GOOD["given"]
        assert set(record["model"].values()) == {None}
        assert set(record["patient"].values()) == {None}
        assert record["mask"] == {"source": "given", "dice_with_model": None, "pixels_changed": None}
        assert record["muscle"]["mean_hu"] is None
        assert (record["software"]["torch"], record["software"]["device"]) == (None, None)
        assert set(record["timing_s"].values()) == {None}
        assert record["status"]["reason"] == "needs sex"

    def test_numbers_are_unrounded_and_plain(self):
        third = np.float32(1) / np.float32(3)
        record = build_record(given_mask(
            measurement=Measurement(np.float64(400) / 3), interval=(np.float32(100.0), np.float64(150.0)),
            judgement=judge(Measurement(400 / 3), PatientFacts()), timing_s={"read": third},
            input=replace(INPUT, shape=tuple(np.array([7, 8, 9]))),
        ))  # fmt: skip
        assert record["muscle"]["sma_cm2"] == 400 / 3
        assert type(record["timing_s"]["read"]) is float
        assert [type(side) for side in record["input"]["shape"]] == [int] * 3

    def test_every_assessment_has_an_id_of_its_own(self):
        assert build_record(parts())["id"] != build_record(parts())["id"]

    def test_further_stages_are_timed_too(self):
        assert build_record(parts(timing_s={"level": 3.0}))["timing_s"]["level"] == 3.0

    def test_input_of_a_volume(self):
        affine = np.diag([-0.8, 0.9, 4.0, 1.0])
        hu = np.zeros((6, 7, 8), dtype=np.int16)
        volume = CtVolume.from_array(hu, affine, input=InputFacts("memory", "c" * 64, kvp=100.0))
        block = InputBlock.of(volume)
        assert block == InputBlock("nifti", (6, 7, 8), (0.8, 0.9, 4.0), "LAS", "c" * 64, 100.0, None, None)
        assert (
            InputBlock.of(replace(volume, input=InputFacts("dicom", "d" * 64, contrast=False))).format
            == "dicom"
        )

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"measurement": Measurement(math.nan)}, "muscle.sma_cm2"),
            ({"measurement": Measurement(130.0, 40.0, 120.0, 130.0 / 3.0625)}, "muscle.sma_interval_cm2"),
            (
                {"interval": None, "measurement": Measurement(140.0, 37.5, 139.0, 140.0 / 3.0625)},
                "status.value",
            ),
            ({"case": "../../etc"}, "case"),
            ({"model": None}, "model.name"),
            ({"findings": (Finding("fov_cuts_muscle", Severity.ERROR, "Cut."),)}, "status.value"),
            ({"id": str(uuid.UUID(int=5))}, "id"),
        ],
    )
    def test_parts_that_contradict_each_other_make_no_record(self, changes, path):
        with pytest.raises(RecordError, match=re.escape(path)):
            build_record(parts(**changes))

    def test_identity_has_no_place(self):
        text = record_json(GOOD["model"])
        for word in ("PatientName", "PatientID", "BirthDate", "uid", "path", "/"):
            if word != "/":
                assert word.lower() not in text.lower()
        assert set(GOOD["model"]["patient"]) == {"sex", "sex_source", "age_years", "height_m", "weight_kg"}


class TestSchema:
    def test_is_itself_valid_and_ships_with_the_library(self):
        schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["properties"]["schema"]["const"] == "sarcopenia-assessment/1"

    def test_says_what_every_field_of_a_record_is_and_in_which_unit(self):
        units = {"cm2": "cm²", "mm": "mm", "hu": "HU", "m2": "cm²/m²", "years": "years", "m": "m", "kg": "kg"}
        schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
        for path in (path for record in GOOD.values() for path in leaves(record)):
            told, description = schema, None
            for key in path.split("."):
                told = told["items"] if key.isdigit() else told["properties"][key]
                description = told.get("description", description)
            name = [key for key in path.split(".") if not key.isdigit()][-1]
            assert description is not None, path
            unit = "s" if path.startswith("timing_s") else units.get(name.rsplit("_", 1)[-1], "")
            assert re.search(rf"(?<!\w){unit}(?!\w)", description), (path, description)

    @pytest.mark.parametrize("name", GOOD)
    def test_good_records_pass_by_the_published_schema_alone(self, name):
        jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))).validate(
            GOOD[name]
        )
        validate_record(GOOD[name])

    def test_a_record_as_the_interface_lists_it_passes(self):
        record = deepcopy(GOOD["model"])
        del record["status"]["reason"]
        for name in ("kvp", "contrast", "slice_thickness_mm"):
            del record["input"][name]
        for other in record["other_criteria"]:
            del other["borderline"]
        validate_record(record)

    @pytest.mark.parametrize("block", ["l3", "muscle", "model", "mask", "software", "status"])
    def test_fields_may_be_added(self, block):
        record = deepcopy(GOOD["model"])
        record["added"] = {"anything": 1}
        record[block]["added"] = "later"
        validate_record(record)


def all_fields():
    return sorted({(name, path) for name in ("model", "accepted", "child") for path in leaves(GOOD[name])})


OPTIONAL = {"assessed_at", "kvp", "contrast", "slice_thickness_mm", "doubt", "candidates"}


class TestEveryFieldIsGuarded:
    @pytest.mark.parametrize(("name", "path"), all_fields())
    def test_missing(self, name, path):
        record = deepcopy(GOOD[name])
        container, key = at(record, path)
        optional = key in OPTIONAL or (path.endswith(".reason") and path.startswith(("status", "l3")))
        if isinstance(container, dict) and not optional and not path.endswith(".borderline"):
            del container[key]
            with pytest.raises(RecordError, match=re.escape(dotted(path))):
                validate_record(record)

    @pytest.mark.parametrize(("name", "path"), all_fields())
    @pytest.mark.parametrize("wrong", [{"no": 1}, [[]], True, math.nan, -1e9, "", "\n"])
    def test_of_a_wrong_kind_or_far_outside(self, name, path, wrong):
        record = deepcopy(GOOD[name])
        container, key = at(record, path)
        booleans = path.rsplit(".", 1)[-1] in ("borderline", "contrast")
        free = booleans and wrong is True
        text = path.rsplit(".", 1)[-1] in (
            "message", "reviewer", "organization", "comment", "trained_on", "name", "version", "torch",
            "device", "reason",
        )  # fmt: skip
        if free or (text and wrong == "\n"):
            return
        container[key] = wrong
        with pytest.raises(RecordError):
            validate_record(record)

    @pytest.mark.parametrize(
        "block",
        ["input", "patient", "l3", "muscle", "status", "model", "mask", "review", "software", "timing_s"],
    )
    @pytest.mark.parametrize("wrong", [None, [], "text", 3])
    def test_blocks_are_objects(self, block, wrong):
        with pytest.raises(RecordError, match=f"^{block}: expected object"):
            validate_record(GOOD["model"] | {block: wrong})

    @pytest.mark.parametrize("block", ["input", "patient", "review", "quality.0"])
    def test_blocks_next_to_identity_are_closed(self, block):
        record = deepcopy(GOOD["model"])
        container, key = at(record, block)
        container[key]["name"] = "Doe^Jane"
        with pytest.raises(RecordError, match="does not belong here") as raised:
            validate_record(record)
        assert "Doe" not in str(raised.value)

    @pytest.mark.parametrize(
        ("path", "wrong", "told"),
        [
            ("schema", "sarcopenia-assessment/2", 'schema: expected "sarcopenia-assessment/1", got text'),
            ("id", "7", "id: does not have the form"),
            ("case", "a/b", "case: does not have the form"),
            ("case", "", "case: does not have the form"),
            ("input.format", "memory", "input.format: expected one of"),
            ("input.shape", [512, 512], "input.shape: needs 3 entries, has 2"),
            ("input.shape.1", 0, r"input.shape\[1\]: 0 is below 1"),
            ("input.shape.1", 3.5, r"input.shape\[1\]: expected integer, got 3.5"),
            ("input.spacing_mm.2", 0, r"input.spacing_mm\[2\]: 0 is not above 0"),
            ("input.orientation", "RRS", "input.orientation: does not have the form"),
            ("input.sha256", "AB" * 32, "input.sha256: does not have the form"),
            ("patient.sex", "M", "patient.sex: expected one of"),
            ("patient.height_m", 175, "patient.height_m: 175 is above 2.5"),
            ("patient.age_years", -1, "patient.age_years: -1 is below 0"),
            ("patient.weight_kg", 500, "patient.weight_kg: 500 is above 400"),
            ("l3.confidence", 1.01, "l3.confidence: 1.01 is above 1"),
            ("l3.slice_from_feet", 4.5, "l3.slice_from_feet: expected integer, got 4.5"),
            ("l3.method", "hand", "l3.method: expected one of"),
            ("l3.neighbours_sma_cm2", [1.0, 2.0, 3.0], "l3.neighbours_sma_cm2: needs 2 entries, has 3"),
            ("l3.neighbours_sma_cm2", None, "l3.neighbours_sma_cm2: expected array, got null"),
            ("muscle.sma_cm2", None, "muscle.sma_cm2: expected number, got null"),
            ("muscle.sma_cm2", math.inf, "muscle.sma_cm2 is inf"),
            ("muscle.mean_hu", 151, "muscle.mean_hu: 151 is above 150"),
            ("status.value", "borderline", "status.value: expected one of"),
            ("status.unit", "mm²", "status.unit: expected one of"),
            ("quality.0.severity", "fatal", r"quality\[0\].severity: expected one of"),
            ("quality.0.code", "Two words", r"quality\[0\].code: does not have the form"),
            ("other_criteria.2.value", "yes", r"other_criteria\[2\].value: expected one of"),
            ("mask.source", "drawn", "mask.source: expected one of"),
            ("mask.dice_with_model", 1.5, "mask.dice_with_model: 1.5 is above 1"),
            ("review.state", "signed", "review.state: expected one of"),
            ("software.name", "", "software.name: is empty"),
            ("timing_s.read", -0.1, "timing_s.read: -0.1 is below 0"),
            ("timing_s.other", "long", "timing_s.other: expected number or null, got text"),
        ],
    )
    def test_the_message_names_field_and_fault(self, path, wrong, told):
        record = deepcopy(GOOD["model"])
        container, key = at(record, path)
        container[key] = wrong
        with pytest.raises(RecordError, match=told) as raised:
            validate_record(record)
        assert "\n" not in str(raised.value)


def dotted(path):
    """`quality.0.code` as messages print it: `quality[0].code`."""
    return re.sub(r"\.(\d+)", r"[\1]", path)


class TestContradictions:
    @pytest.mark.parametrize(
        ("name", "changes", "told"),
        [
            (
                "model",
                {"patient.sex_source": None},
                "patient.sex_source.*a sex and its source belong together",
            ),
            ("given", {"patient.sex_source": "given"}, "patient.sex_source.*belong together"),
            ("model", {"patient.sex": None, "patient.sex_source": None}, "status.value.*without a sex"),
            ("model", {"patient.age_years": 17.5}, "status.value.*under 18"),
            ("model", {"quality.0.severity": "error"}, "status.value.*a quality error withholds"),
            ("model", {"model.name": None}, "model.name.*names its model"),
            ("given", {"model.name": "smit"}, "model.name.*a given mask has no model"),
            ("given", {"mask.dice_with_model": 0.9}, "mask.dice_with_model.*a given mask has no model"),
            (
                "model",
                {"review.reviewer": "Someone"},
                "review.reviewer.*an unreviewed result has no reviewer",
            ),
            ("accepted", {"review.reviewer": None}, "review.reviewer.*names its reviewer"),
            ("accepted", {"review.reviewer": " "}, "review.reviewer.*names its reviewer"),
            ("accepted", {"review.at": None}, "review.at.*names its reviewer and time"),
            ("accepted", {"review.at": "2025-02-30T10:00:00Z"}, "review.at.*no date and time"),
            ("accepted", {"review.at": "2025-02-20T10:00:00"}, "review.at.*form"),
            ("model", {"status.cutoff": None}, "status.cutoff"),
            ("given", {"status.borderline": False}, "status.borderline"),
            ("given", {"other_criteria.0.reason": None}, r"other_criteria\[0\].reason"),
            ("model", {"other_criteria.0.reason": "needs height"}, r"other_criteria\[0\].reason"),
            (
                "model",
                {"status.value": "sarcopenic"},
                "status.value: contradicts 153.125 beside the cut-off 144.0",
            ),
            ("model", {"other_criteria.0.value": "sarcopenic"}, r"other_criteria\[0\].value: contradicts"),
            ("model", {"status.unit": "HU"}, "status.unit: is not cm²"),
            ("model", {"other_criteria.0.criterion": "bhardwaj2025"}, "criterion: is listed twice"),
            ("model", {"muscle.sma_interval_cm2": [154.0, 160.0]}, "muscle.sma_interval_cm2: does not hold"),
            ("model", {"muscle.sma_interval_cm2": [160.0, 150.0]}, "muscle.sma_interval_cm2: does not hold"),
            ("model", {"muscle.sma_hu_m29_150_cm2": 153.2}, "muscle.sma_hu_m29_150_cm2: is larger"),
            ("model", {"muscle.mean_hu": None}, "muscle.mean_hu: belongs together"),
            ("given", {"muscle.mean_hu": 40.0}, "muscle.mean_hu: belongs together"),
            ("model", {"muscle.smi_cm2_m2": 51.0}, "muscle.smi_cm2_m2: is 51.0, but area and height give 50"),
            ("model", {"muscle.smi_cm2_m2": None}, "muscle.smi_cm2_m2: belongs together with a height"),
            ("given", {"muscle.smi_cm2_m2": 40.0}, "muscle.smi_cm2_m2: belongs together with a height"),
        ],
    )
    def test_are_told(self, name, changes, told):
        record = deepcopy(GOOD[name])
        for path, value in changes.items():
            container, key = at(record, path)
            container[key] = value
        with pytest.raises(RecordError, match=told):
            validate_record(record)

    def test_a_status_without_its_number(self):
        record = deepcopy(GOOD["model"])
        record["muscle"] |= {"mean_hu": None, "sma_hu_m29_150_cm2": None}
        with pytest.raises(
            RecordError, match=r"other_criteria\[1\]|other_criteria\[\d\].value: is determined, but"
        ):
            validate_record(record)

    def test_a_criterion_of_a_later_version_is_not_judged(self):
        record = deepcopy(GOOD["model"])
        record["status"] |= {"criterion": "someone2031", "value": "sarcopenic"}
        validate_record(record)

    def test_all_measures_of_the_criteria_are_in_the_record(self):
        assert {measure.value for measure in Measure} < set(GOOD["model"]["muscle"])

    def test_an_edited_mask_may_have_been_given_before(self):
        record = deepcopy(GOOD["given"])
        record["mask"] = {"source": "edited", "dice_with_model": None, "pixels_changed": 12}
        validate_record(record)


class TestReview:
    def test_accept_leaves_the_record_alone_and_keeps_everything_else(self):
        before = deepcopy(GOOD["model"])
        accepted = accept(before, "  Dr. A. Reader ", "A Hospital", "fine", 31.5)
        assert before == GOOD["model"]
        review = accepted.pop("review")
        assert accepted == {name: value for name, value in before.items() if name != "review"}
        assert review | {"at": None} == {
            "state": "accepted", "reviewer": "Dr. A. Reader", "organization": "A Hospital", "at": None,
            "comment": "fine", "seconds_to_accept": 31.5,
        }  # fmt: skip
        assert datetime.fromisoformat(review["at"]).utcoffset() is not None

    def test_changes_to_the_copy_do_not_reach_the_original(self):
        before = deepcopy(GOOD["model"])
        accept(before, "Dr. A. Reader")["muscle"]["sma_cm2"] = 1.0
        assert before == GOOD["model"]

    def test_only_the_reviewer_is_needed(self):
        review = accept(GOOD["given"], "R")["review"]
        assert (review["organization"], review["comment"], review["seconds_to_accept"]) == (None, None, None)

    @pytest.mark.parametrize("decide", [accept, reject])
    @pytest.mark.parametrize("reviewer", ["", "  ", "\t\n"])
    def test_an_empty_reviewer_is_refused(self, decide, reviewer):
        with pytest.raises(RecordError, match="needs a reviewer"):
            decide(GOOD["model"], reviewer)

    def test_what_is_accepted_stays_so(self):
        with pytest.raises(RecordError, match="accepted already"):
            reject(GOOD["accepted"], "Dr. B. Other")

    def test_what_is_rejected_may_be_accepted(self):
        assert accept(GOOD["rejected"], "Dr. B. Other")["review"]["state"] == "accepted"

    def test_an_invalid_record_cannot_be_accepted(self):
        with pytest.raises(RecordError, match="case"):
            accept(GOOD["model"] | {"case": ""}, "Dr. A. Reader")

    def test_negative_seconds(self):
        with pytest.raises(RecordError, match=r"review\.seconds_to_accept"):
            accept(GOOD["model"], "Dr. A. Reader", seconds=-1)


class TestText:
    @pytest.mark.parametrize("name", GOOD)
    def test_round_trip(self, name, tmp_path):
        path = tmp_path / "assessment.json"
        path.write_text(record_json(GOOD[name]), encoding="utf-8")
        assert read_record(path) == GOOD[name]

    def test_is_readable_and_in_the_schemas_order(self):
        shuffled = {"extra": [1]} | dict(reversed(GOOD["model"].items()))
        shuffled["muscle"] = dict(reversed(shuffled["muscle"].items()))
        text = record_json(shuffled)
        assert "cm²" in text
        names = list(json.loads(text))
        assert (names[:3], names[-1]) == (["schema", "id", "case"], "extra")
        assert next(iter(json.loads(text)["muscle"])) == "sma_cm2"
        del shuffled["extra"]
        assert record_json(shuffled) == record_json(GOOD["model"])

    def test_one_line_for_json_lines(self):
        assert "\n" not in record_json(GOOD["model"], indent=None)

    def test_nothing_invalid_is_written(self):
        with pytest.raises(RecordError, match=r"timing_s\.read"):
            record_json(GOOD["model"] | {"timing_s": dict.fromkeys(GOOD["model"]["timing_s"], math.nan)})

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "not JSON"),
            (b'{"schema": "sarcopenia-assess', "not JSON"),
            (b"[]", "not a JSON object"),
            (b"{}", "schema: is missing"),
            (b"\xff\xfe\x00", "not JSON"),
            (b'{"schema": NaN}', "not JSON"),
        ],
    )
    def test_damaged_files(self, content, told, tmp_path):
        path = tmp_path / "assessment.json"
        path.write_bytes(content)
        with pytest.raises(RecordError, match=told) as raised:
            read_record(path)
        assert str(tmp_path) not in str(raised.value)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(RecordError, match="cannot be read") as raised:
            read_record(tmp_path / "none.json")
        assert str(tmp_path) not in str(raised.value)

    def test_a_missing_schema_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr(record_rules, "resource_path", tmp_path.joinpath)
        with pytest.raises(RecordError, match="install the program again"):
            record_rules._schema.__wrapped__()


def test_a_record_that_leaves_out_a_borderline_is_read_with_none(tmp_path):
    from Testing.library import small_case

    record = small_case.record()
    del record["other_criteria"][0]["borderline"]
    (tmp_path / "r.json").write_text(json.dumps(record), "utf-8")
    assert read_record(tmp_path / "r.json")["other_criteria"][0]["borderline"] is None
