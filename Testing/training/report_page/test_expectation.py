"""Which numbers could agree, by what decides them."""

from dataclasses import replace

import pytest

from SarcopeniaTraining.report_page import expectation as rules
from SarcopeniaTraining.report_page.circumstances import (
    Circumstances,
    Classification,
    Cohort,
    Data,
    Segmentation,
)
from SarcopeniaTraining.report_page.expectation import (
    Verdict,
    classification_expectation,
    segmentation_expectation,
)

SEGMENTATION = Segmentation({"name": "paper"}, (47, 16, 16), "smit.safetensors", None, True, 1)
WEIGHTS = {"ResNet50": {"file": "r.h5"}, "DenseNet121": {"file": "d.h5"}}
CLASSIFICATION = Classification({"name": "paper"}, WEIGHTS, None, False, 1, (54, 12, 13), 1)
PATIENTS = Cohort(Data.PATIENTS, patients=79, sarcopenic=18, men=52)
AS_PRINTED = Circumstances("paper", None, PATIENTS, SEGMENTATION, CLASSIFICATION)


def of_segmentation(**changed):
    return segmentation_expectation(
        replace(AS_PRINTED, segmentation=replace(SEGMENTATION, **changed))
    ).reasons


def of_classification(network="ResNet50", scheme="unfreezeall", **changed):
    told = replace(AS_PRINTED, classification=replace(CLASSIFICATION, **changed))
    return classification_expectation(told, network, scheme).reasons


def test_everything_as_printed_should_agree():
    assert segmentation_expectation(AS_PRINTED).verdict is Verdict.YES
    assert classification_expectation(AS_PRINTED, "ResNet50", "freezeall").verdict is Verdict.YES


@pytest.mark.parametrize(
    ("cohort", "verdict", "reason"),
    [
        (replace(PATIENTS, data=Data.PHANTOMS), Verdict.NO, rules.PHANTOMS),
        (replace(PATIENTS, men=51), Verdict.OPEN, rules.OTHER_PATIENTS),
        (replace(PATIENTS, data=Data.UNTOLD), Verdict.OPEN, rules.UNKNOWN_DATA),
    ],
)
def test_whose_images_they_are(cohort, verdict, reason):
    found = segmentation_expectation(replace(AS_PRINTED, cohort=cohort))
    assert (found.verdict, found.reasons) == (verdict, (reason,))


def test_each_thing_that_speaks_against_the_segmentation():
    assert of_segmentation(preset={"name": "smoke"}) == (rules.OTHER_PRESET,)
    assert of_segmentation(encoder=None) == (rules.NO_ENCODER,)
    assert of_segmentation(encoder_given=False) == (rules.NO_ENCODER,)
    assert of_segmentation(sizes=(20, 16, 16)) == (rules.OTHER_SIZES,)


def test_each_thing_that_speaks_against_the_classifiers():
    assert of_classification(preset={"name": "smoke"}) == (rules.OTHER_PRESET,)
    assert of_classification(side=80) == (rules.SMALL_IMAGES,)
    assert of_classification(side=224)[0] is rules.SAME_COUNTS
    assert of_classification(leak=True) == (rules.LEAK,)
    assert of_classification(preset={"name": "paper", "class_weights": True}) == (rules.WEIGHTED,)
    assert of_classification(sizes=(55, 12, 13)) == (rules.OTHER_SIZES,)


def test_a_random_start_is_the_networks_own():
    starts = {**WEIGHTS, "ResNet50": "random"}
    assert of_classification("ResNet50", starts=starts) == (rules.RANDOM_START,)
    assert of_classification("DenseNet121", starts=starts) == (rules.SAME_COUNTS,)


def test_frozen_layers_at_a_random_start_are_told():
    starts = {"ResNet50": "random"}
    assert of_classification(scheme="unfreezetop10", starts=starts) == (
        rules.RANDOM_START,
        rules.FROZEN_RANDOM,
    )


def test_what_was_not_run():
    told = replace(AS_PRINTED, segmentation=None, classification=None)
    assert segmentation_expectation(told).reasons == (rules.NOT_RUN,)
    assert classification_expectation(told, "ResNet50", "freezeall").reasons == (rules.NOT_RUN,)


def test_a_printed_number_without_a_counterpart():
    found = segmentation_expectation(AS_PRINTED).without_pair(rules.MIXED_SIGNS)
    assert found.verdict is Verdict.NO_PAIR
    assert found.reasons == (rules.MIXED_SIGNS, rules.SAME_COUNTS)
