"""The whole story on a CT whose muscle was counted by hand, and a model that finds exactly it."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import GivenFacts, ask, assess
from SarcopeniaAssessLib.errors import (
    CriterionError,
    DeviceError,
    GeometryError,
    InputError,
    LevelError,
    MaskError,
    ModelError,
    PatientError,
)
from SarcopeniaAssessLib.models import SegmentationModel, load_model
from SarcopeniaAssessLib.patient import InputFacts, PatientFacts, Sex
from SarcopeniaAssessLib.record import validate_record
from SarcopeniaAssessLib.segmentation import segment_slices
from SarcopeniaAssessLib.uncertainty import measure_doubt
from SarcopeniaAssessLib.volume import CtVolume
from Testing.library.ct_files import STORAGES, rotation, store
from Testing.library.small_case import (
    LEVEL,
    MUSCLE_CM2,
    PIXEL_CM2,
    affine,
    area_cm2,
    ct,
    muscle,
    write_model,
    write_nifti,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write_model(tmp_path_factory.mktemp("model") / "everything.safetensors"))


@pytest.fixture(scope="module")
def volume():
    return CtVolume.from_array(ct(), affine())


def codes(assessment):
    return {entry["code"]: entry["severity"] for entry in assessment.record["quality"]}


def test_from_a_file_to_the_record(tmp_path, model):
    path = write_nifti(tmp_path / "patient.nii.gz", ct())
    done = assess(path, sex="male", height_m=1.75, age_years=60, l3=f"slice:{LEVEL}", model=model)
    made = done.record
    validate_record(made)
    json.dumps(made, allow_nan=False)
    assert made["case"] == "patient"
    assert made["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)
    assert made["muscle"]["mean_hu"] == pytest.approx(50)
    assert made["muscle"]["sma_hu_m29_150_cm2"] == pytest.approx(MUSCLE_CM2)
    assert made["muscle"]["smi_cm2_m2"] == pytest.approx(MUSCLE_CM2 / 1.75**2)
    assert made["l3"]["neighbours_sma_cm2"] == pytest.approx([area_cm2(LEVEL - 1), area_cm2(LEVEL + 1)])
    assert made["l3"]["superior_mm"] == pytest.approx(-421.5 + 6 * LEVEL)
    assert (made["status"]["value"], made["status"]["cutoff"]) == ("sarcopenic", 144)
    assert made["patient"] == {
        "sex": "male",
        "sex_source": "given",
        "age_years": 60,
        "height_m": 1.75,
        "weight_kg": None,
    }
    assert made["model"]["name"] == "everything"
    assert made["model"]["sha256"] == model.entry.sha256
    assert made["mask"] == {"source": "model", "dice_with_model": 1, "pixels_changed": 0}
    assert made["software"]["device"] == "cpu"
    assert made["review"]["state"] == "unreviewed"


def test_the_mask_lies_on_the_cts_own_grid(volume, model):
    done = assess(volume, l3=f"slice:{LEVEL}", model=model)
    expected = np.zeros_like(muscle())
    expected[:, :, LEVEL] = muscle()[:, :, LEVEL]
    np.testing.assert_array_equal(done.mask, expected)
    assert done.mask.dtype == np.uint8
    assert done.mask.flags.f_contiguous
    np.testing.assert_array_equal(done.slice_mask, muscle()[:, :, LEVEL] == 1)
    np.testing.assert_array_equal(done.slice_hu, ct()[:, :, LEVEL])


@pytest.mark.parametrize(("order", "flips"), STORAGES[::7], ids=str)
def test_every_storage_gives_the_same_area_on_its_own_grid(model, order, flips):
    turned = np.eye(4)
    turned[:3, :3] = rotation(6, -4, 11)
    native, ras = store(ct(), turned @ affine(), order, flips)
    done = assess(CtVolume.from_array(native, ras), l3=f"slice:{LEVEL}", model=model)
    expected, _ = store(muscle(), affine(), order, flips)
    # The slab's grid is turned against the slice's, so a pixel at the field of view's edge may differ.
    assert done.record["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2, rel=0.005)
    assert done.mask.shape == native.shape
    assert int(done.mask.sum()) == round(MUSCLE_CM2 / PIXEL_CM2)
    assert (expected[done.mask == 1] == 1).all()


@pytest.mark.parametrize(("level", "neighbours"), [(0, [None, 1]), (6, [5, None])])
def test_at_the_scans_end_a_neighbour_is_null(volume, model, level, neighbours):
    made = assess(volume, l3=f"slice:{level}", model=model).record
    expected = [None if k is None else pytest.approx(area_cm2(k)) for k in neighbours]
    assert made["l3"]["neighbours_sma_cm2"] == expected
    assert made["muscle"]["sma_cm2"] == pytest.approx(area_cm2(level))
    assert "level_near_end" in {entry["code"] for entry in made["quality"]}


def test_the_interval_joins_reader_and_model(volume, model):
    interval = assess(volume, l3="slice:3", model=model).record["muscle"]["sma_interval_cm2"]
    half = MUSCLE_CM2 * np.hypot(0.019, 0.05)
    assert interval == pytest.approx([MUSCLE_CM2 - half, MUSCLE_CM2 + half])


CALIBRATION = {
    "floor": 0.01,
    "stray": 1.0,
    "attenuation": 0.5,
    "shift": 0.1,
    "quantile": 2.0,
    "scale_limit": 0.2,
    "cases": 100,
}


def calibrated(tmp_path, **changes):
    return load_model(
        write_model(tmp_path / "calibrated.safetensors", calibration={**CALIBRATION, **changes})
    )


def test_a_calibrated_models_interval_is_its_own_doubts(volume, tmp_path):
    muscle_block = assess(volume, l3="slice:3", model=calibrated(tmp_path)).record["muscle"]
    doubt = muscle_block["doubt"]
    assert doubt["stray"] < 1e-3
    scale = 0.01 + doubt["stray"] + 0.5 * doubt["attenuation"]
    middle, half = 0.1 * doubt["attenuation"], np.hypot(2 * scale, 0.019)
    expected = [MUSCLE_CM2 * np.exp(middle - half), MUSCLE_CM2 * np.exp(middle + half)]
    assert muscle_block["sma_interval_cm2"] == pytest.approx(expected)


def test_noise_widens_the_interval_and_a_given_mask_has_the_readers_alone(tmp_path):
    model = calibrated(tmp_path, scale_limit=9.0)
    noise = np.random.default_rng(1).normal(0, 25, ct().shape)
    spans = []
    for hu in (ct(), np.rint(ct() + noise).astype(np.int16)):
        made = assess(CtVolume.from_array(hu, affine()), l3="slice:3", model=model).record["muscle"]
        low, high = made["sma_interval_cm2"]
        spans.append((high - low) / made["sma_cm2"])
    assert spans[1] > 1.5 * spans[0]


def test_doubt_beyond_calibration_is_told_and_takes_the_status_not_the_area(volume, tmp_path):
    done = assess(volume, sex="male", l3="slice:3", model=calibrated(tmp_path, scale_limit=0.01))
    assert codes(done)["network_doubts"] == "error"
    assert done.record["status"]["value"] == "undetermined"
    assert done.record["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)
    assert "network_doubts" not in codes(assess(volume, l3="slice:3", model=calibrated(tmp_path)))


def test_where_the_network_doubts_is_kept_for_the_picture(volume, model):
    done = assess(volume, l3="slice:3", model=model)
    assert done.slice_doubt.shape == done.slice_doubtful.shape == done.slice_mask.shape
    # The network is sure: five against minus five in logits.
    assert done.slice_doubt.max() < 0.001
    assert not done.slice_doubtful.any()


class OfTwoMinds:
    """Sure of what is brighter than 35 HU, says 0.4 of what lies between −20 and 35, and no of the rest."""

    def slice_logits(self, image, k):
        import torch

        hu = image[:, 0, :, :, k] * 425 - 175
        margin = torch.where(hu > 35, 6.0, torch.where(hu > -20, -0.405, -6.0))
        return torch.stack([torch.zeros_like(margin), margin], 1)


def test_the_doubt_is_of_this_slice_in_millimetres_of_both_directions(model):
    preprocessing = {"in_plane_mm": 1.0, "slice_mm": 5.0, "slices": 3}
    doubter = SegmentationModel(OfTwoMinds(), replace(model.entry, preprocessing=preprocessing))
    hu = np.full((120, 60, 3), -100, np.int16)
    hu[30:60, 15:40] = 50
    hu[60:63, 15:40] = 10  # up to 2.3 mm beside it
    hu[80:95, 10:20, 1] = 10
    volume = CtVolume.from_array(hu, np.diag([1.0, 2.0, 5.0, 1.0]))
    done = assess(volume, l3="slice:1", model=doubter)
    (found,) = segment_slices(volume, [1], doubter)
    expected, swapped = (
        measure_doubt(found.outline_probability, hu[:, :, 1], found.mask, mm) for mm in ((1, 2), (2, 1))
    )
    assert done.record["muscle"]["doubt"] == asdict(expected)
    assert abs(swapped.stray / expected.stray - 1) > 0.05
    assert done.slice_doubtful[82:93, 12:18].all()
    assert not done.slice_doubtful[:58].any()
    assert done.slice_doubt[87, 15] == pytest.approx(0.8, abs=0.01)
    assert not done.slice_doubtful[:, 25:][70:].any()


def test_a_model_without_a_measured_error_claims_no_interval(volume, tmp_path):
    unscored = write_model(tmp_path / "unscored.safetensors", scores={})
    made = assess(volume, sex="male", l3="slice:3", model=unscored).record
    assert made["muscle"]["sma_interval_cm2"] is None
    assert made["status"]["borderline"] is None


def test_an_interval_across_the_cut_off_is_borderline(volume, model):
    # 144 / 136 is 5.9 %, the interval's half 5.3 %; on slice 5 there are 140 cm², 2.9 % below.
    assert assess(volume, sex="male", l3="slice:3", model=model).record["status"]["borderline"] is False
    made = assess(volume, sex="male", l3="slice:5", model=model).record
    assert made["muscle"]["sma_cm2"] == pytest.approx(140)
    assert made["status"]["borderline"] is True


def test_without_a_sex_there_is_an_area_and_no_status(volume, model):
    made = assess(volume, l3="slice:3", model=model).record
    assert made["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)
    assert made["status"]["value"] == "undetermined"
    assert made["status"]["reason"] == "needs sex"
    assert made["patient"]["sex"] is made["patient"]["sex_source"] is None


def test_a_child_has_an_area_and_no_status(volume, model):
    done = assess(volume, sex=Sex.FEMALE, age_years=17.9, l3="slice:3", model=model)
    assert done.record["status"]["value"] == "undetermined"
    assert codes(done)["under_18"] == "error"


def test_what_is_given_overrides_the_header_and_a_contradiction_is_told(volume, model):
    header = PatientFacts(Sex.FEMALE, "dicom", 70.0, 1.6, None)
    facts = InputFacts("dicom", "0" * 64)
    of_dicom = CtVolume.from_array(ct(), affine(), patient=header, input=facts)
    taken = assess(of_dicom, l3="slice:3", model=model)
    assert taken.record["patient"]["sex_source"] == "dicom"
    assert taken.record["status"]["cutoff"] == 92
    given = assess(of_dicom, sex="male", age_years=50, l3="slice:3", model=model)
    assert given.record["patient"] == {
        "sex": "male",
        "sex_source": "given",
        "age_years": 50,
        "height_m": 1.6,
        "weight_kg": None,
    }
    assert codes(given)["sex_contradicts"] == "warning"
    assert "sex_contradicts" not in codes(taken)
    assert given.record["status"]["cutoff"] == 144


def test_the_first_criterion_is_the_status_and_the_rest_stand_beside(volume, model):
    names = ["derstine2018_smi", "vanderwerf2018_sma"]
    made = assess(volume, sex="male", l3="slice:3", model=model, criteria=names).record
    assert made["status"]["criterion"] == "derstine2018_smi"
    assert made["status"]["reason"] == "needs height"
    others = [entry["criterion"] for entry in made["other_criteria"]]
    assert others[0] == "vanderwerf2018_sma"
    assert "bhardwaj2025" in others


def test_criteria_that_contradict_are_remarked(volume, model):
    done = assess(volume, sex="male", l3="slice:3", model=model)  # 136: below 144, above van der Werf's 134
    assert "criteria_disagree" in codes(done)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"l3": None}, LevelError),
        ({"l3": "slice:7"}, LevelError),
        ({"l3": "auto"}, LevelError),
        ({"sex": "unknown"}, PatientError),
        ({"height_m": 175}, PatientError),
        ({"age_years": -1}, PatientError),
        ({"criteria": ["bhardwaj1999"]}, CriterionError),
        ({"device": "cuda:99"}, DeviceError),
        ({"device": "abacus"}, DeviceError),
        ({"model": "no-such-model"}, ModelError),
        ({"case": "///"}, InputError),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_a_remedy(volume, model, asked, error):
    with pytest.raises(error) as told:
        assess(volume, **{"l3": "slice:3", "model": model, **asked})
    assert told.value.problem
    assert told.value.remedy


def test_a_slice_without_muscle_is_no_patient_with_none(model):
    hu = ct()
    hu[:, :, 5][hu[:, :, 5] == 50] = -100
    with pytest.raises(MaskError, match="finds no muscle"):
        assess(CtVolume.from_array(hu, affine()), sex="male", l3="slice:5", model=model)


def test_a_missing_file_and_a_tilted_scan_are_refused_by_their_rooms(tmp_path, model):
    with pytest.raises(InputError):
        assess(tmp_path / "none.nii.gz", l3="slice:3", model=model)
    tilted = np.eye(4)
    tilted[:3, :3] = rotation(40, 0, 0)
    path = write_nifti(tmp_path / "tilted.nii.gz", ct(), tilted @ affine())
    with pytest.raises(GeometryError):
        assess(path, l3="slice:3", model=model)


def test_time_is_accounted_for(volume, model):
    timing = assess(volume, l3="slice:3", model=model).record["timing_s"]
    assert timing["write"] is None
    parts = [timing["read"], timing["preprocess"], timing["network"]]
    assert min(parts) >= 0
    assert timing["total"] >= sum(parts)


def test_every_assessment_has_an_id_of_its_own(volume, model):
    ids = {assess(volume, l3="slice:3", model=model).record["id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_question_is_settled_before_any_network_is_loaded(volume):
    question = ask(volume, GivenFacts("female"), l3="s:-403.4", criteria=["derstine2018"])
    assert question.level.slice_from_feet == LEVEL
    assert question.criteria == ("derstine2018_sma",)
    assert question.volume.patient.sex is Sex.FEMALE
    assert question.case == "ct"
