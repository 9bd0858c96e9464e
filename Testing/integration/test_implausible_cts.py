"""What is no adult's abdomen, from a file to the record: refused, or measured with an error and no status."""

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import assess
from SarcopeniaAssessLib.errors import IntensityError, MaskError
from SarcopeniaAssessLib.given_mask import measure_mask
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.record import validate_record
from SarcopeniaAssessLib.wording import case_line
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid, phantom
from Testing.library import implausible_cts as made
from Testing.library.ct_files import store, write_dicom
from Testing.library.small_case import write_model, write_nifti

AFFINE = np.diag([1.0, 1.0, 5.0, 1.0])
AFFINE[:3, 3] = -211.5, -160.0, 300.0


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """It calls everything muscle that has muscle's HU: the rules alone stand between it and a status."""
    return load_model(write_model(tmp_path_factory.mktemp("model") / "everything.safetensors"))


@pytest.fixture(scope="module")
def adult():
    return phantom(Person.random(2_300_004), Grid.axial((*made.SHAPE, 1), (1.2, 1.2, 5.0))).hu[:, :, 0]


def as_nifti(folder, canonical):
    return write_nifti(folder / "ct.nii.gz", canonical, AFFINE)


def as_dicom(folder, canonical):
    write_dicom(folder / "ct", *store(canonical, AFFINE, (0, 1, 2), (True, True, False)))
    return folder / "ct"


def codes_of(path, model):
    return {each["code"] for each in assess(path, sex="male", l3="slice:1", model=model).record["quality"]}


FORMATS = pytest.mark.parametrize("written", [as_nifti, as_dicom])


def three_slices(hu):
    return np.repeat(hu[:, :, None], 3, axis=2)


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (lambda _: made.head(), "head"),
        (lambda _: made.chest(), "chest"),
        (lambda _: made.thighs(), "two_legs"),
        (lambda _: made.pelvis(), "pelvis"),
        (lambda _: made.hips(), "no_vertebra"),
        (lambda _: made.water(), "uniform"),
        # Squeezed to −1000…200, where even the check of the values takes it for a CT.
        (lambda adult: (0.6 * made.as_mr(adult, scaled=True) - 400).astype(np.int16), "not_ct"),
        (lambda adult: made.shrunk(adult, 0.55), "child_size"),
        (lambda adult: adult[:, ::-1], "upside_down"),
        (
            lambda adult: made.with_metal(adult, [(175, 110), (225, 110)], streak_hu=300),
            "metal_streaks",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_is_measured_with_an_error_and_no_status_in_both_formats_alike(
    tmp_path, model, adult, image, code
):
    canonical = three_slices(image(adult))
    told = []
    for written in (as_nifti, as_dicom):
        record = assess(written(tmp_path, canonical), sex="male", l3="slice:1", model=model).record
        validate_record(record)
        errors = {each["code"]: each["message"] for each in record["quality"] if each["severity"] == "error"}
        assert code in errors
        assert record["muscle"]["sma_cm2"] > 0
        assert record["status"]["value"] == "undetermined"
        assert record["status"]["reason"] in {each.rstrip(".") for each in errors.values()}
        assert {each["value"] for each in record["other_criteria"]} == {"undetermined"}
        assert "undetermined" in case_line(record)
        told.append((sorted(errors), record["muscle"], record["status"]))
    assert told[0] == told[1]


def test_padding_hides_no_background_that_is_not_air(tmp_path, model, adult):
    outside = adult < -500
    image = np.where(outside, -2000, adult)
    assert "not_ct" not in codes_of(as_nifti(tmp_path, three_slices(image)), model)
    image[:, -40:][outside[:, -40:]] = -500
    assert "not_ct" in codes_of(as_nifti(tmp_path, three_slices(image)), model)


@FORMATS
def test_an_adult_has_a_status(tmp_path, model, adult, written):
    record = assess(written(tmp_path, three_slices(adult)), sex="male", l3="slice:1", model=model).record
    assert not [each for each in record["quality"] if each["severity"] == "error"]
    assert record["status"]["value"] != "undetermined"


@FORMATS
@pytest.mark.parametrize("hu", [-1000, 0, 50])
def test_one_value_everywhere_is_refused(tmp_path, model, written, hu):
    with pytest.raises(IntensityError):
        assess(
            written(tmp_path, np.full((*made.SHAPE, 3), hu, np.int16)),
            sex="male",
            l3="slice:1",
            model=model,
        )


@FORMATS
@pytest.mark.parametrize("scaled", [False, True])
def test_mr_as_it_is_stored_or_stretched_is_refused(tmp_path, model, adult, written, scaled):
    image = three_slices(made.as_mr(adult, scaled=scaled))
    with pytest.raises(IntensityError):
        assess(written(tmp_path, image), sex="male", l3="slice:1", model=model)


@FORMATS
def test_an_empty_slice_beside_a_body_is_refused(tmp_path, model, adult, written):
    canonical = np.repeat(adult[:, :, None], 7, axis=2)
    canonical[:, :, 3] = -1000
    with pytest.raises(IntensityError, match="nothing but air"):
        assess(written(tmp_path, canonical), sex="male", l3="slice:3", model=model)


@FORMATS
def test_a_slice_without_muscle_is_refused(tmp_path, model, written):
    fat = np.full((*made.SHAPE, 3), -1000, np.int16)
    fat[made.ellipse((150, 100))] = -105
    with pytest.raises(MaskError, match="no muscle"):
        assess(written(tmp_path, fat), sex="male", l3="slice:1", model=model)


@FORMATS
def test_a_given_mask_on_what_is_no_abdomen_has_no_status(tmp_path, written):
    mask = np.zeros((*made.SHAPE, 3), np.uint8)
    mask[150:250, 120:220, 1] = 1  # 100 cm² of brain
    scan = written(tmp_path, three_slices(made.head()))
    record = measure_mask(write_nifti(tmp_path / "mask.nii.gz", mask, AFFINE), ct=scan).record
    assert record["muscle"]["sma_cm2"] == pytest.approx(100)
    assert record["muscle"]["sma_interval_cm2"] == pytest.approx([98.1, 101.9])
    assert record["muscle"]["doubt"] is None
    assert {"head"} <= {each["code"] for each in record["quality"] if each["severity"] == "error"}
    assert record["status"]["value"] == "undetermined"
