"""A patient's many readings as one, by area and by probability."""

import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification.route_readings import (
    AS_PRINTED,
    MOVED,
    area_readings,
    area_scores,
    classifier_readings,
)
from SarcopeniaTraining.classification.run_scores import combinations, score_runs
from SarcopeniaTraining.run_folder import read_run
from Testing.training.classification.made_runs import record
from Testing.training.classification.made_segmentation import draw_segmentation
from Testing.training.made_scores import score


def one(*scores):
    readings, undetermined = area_readings(scores)
    assert undetermined == ()
    (reading,) = readings.values()
    return reading


def test_most_folds_decide():
    # Cut-off of a man 144 cm²: two of three folds say sarcopenic, though the mean area does not.
    found = one(
        score("A", (150.0, 143.0), fold=1),
        score("A", (150.0, 142.0), fold=2),
        score("A", (150.0, 180.0), fold=3),
    )
    assert (found.called, found.truth, found.positive, found.readings) == (True, False, 2, 3)
    assert found.predicted_sma_cm2 == pytest.approx(155)
    assert found.distance_percent == pytest.approx(100 * 6 / 144)


@pytest.mark.parametrize(("second_cm2", "called"), [(148.0, False), (145.0, False), (144.5, True)])
def test_of_as_many_folds_the_mean_area_decides(second_cm2, called):
    assert one(score("A", (140.0, 143.0), fold=1), score("A", (140.0, second_cm2), fold=2)).called is called


def test_women_have_their_own_cutoff():
    found = one(score("A", (100.0, 91.0), sex="female"))
    assert (found.truth, found.called, found.cutoff_cm2) == (False, True, 92.0)


def test_two_cts_of_a_person_are_one_patient():
    found = one(
        score("A1", (150.0, 150.0), person="anna"), score("A2", (130.0, 150.0), person="anna", fold=2)
    )
    assert (found.person, found.truth, found.readings) == ("anna", True, 2)


def test_a_person_of_two_cutoffs_has_no_status():
    readings, undetermined = area_readings(
        [
            score("A1", (150.0, 150.0), person="anna"),
            score("A2", (150.0, 150.0), person="anna", sex="female", fold=2),
        ]
    )
    assert (readings, undetermined) == ({}, ("anna",))


def test_without_a_sex_there_is_no_status():
    readings, undetermined = area_readings([score("A", (100.0, 90.0), sex=None), score("B", (150.0, 150.0))])
    assert (list(readings), undetermined) == (["B"], ("A",))


def test_probabilities_are_averaged_over_the_sets_that_tested_the_patient():
    # Thresholds: set 1 keeps 0.5, set 2 moves to 0.375.
    first = record(number=1, test={"A": (True, 0.7), "B": (False, 0.2)})
    second = record(
        number=2, test={"A": (True, 0.2), "C": (False, 0.4)}, validation=((0.6, 0.4), (0.35, 0.3))
    )
    (sets,) = combinations(score_runs([first, second], {}))
    found = classifier_readings(sets)
    assert sorted(found) == ["A", "B", "C"]
    assert found["A"].probability == pytest.approx(0.45)
    assert found["A"].margin == pytest.approx((0.2 - 0.175) / 2)
    assert (found["A"].called(AS_PRINTED), found["A"].called(MOVED)) == (False, True)
    assert (found["C"].called(AS_PRINTED), found["C"].called(MOVED)) == (False, True)
    assert (found["A"].readings, found["A"].truth, found["B"].truth) == (2, True, False)


SCORES = [
    score("A", (150.0, 143.0), fold=1),
    score("B", (150.0, 160.0), fold=2),
    score("B", (150.0, 100.0), fold=2, checkpoint="epoch-030"),
]


def test_scores_of_the_chosen_checkpoint_of_finished_folds(tmp_path):
    folder = draw_segmentation(tmp_path / "run", [*SCORES, score("C", (1.0, 1.0), fold=4)])
    found = area_scores(read_run(folder))
    assert [(one.case, one.predicted_sma_cm2) for one in found] == [("A", 143.0), ("B", 160.0), ("C", 1.0)]
    (folder / "fold-04" / "best.safetensors").unlink()
    assert [one.case for one in area_scores(read_run(folder))] == ["A", "B"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "has no evaluation/scores.json; evaluate it first"),
        ("{", "is damaged; evaluate it first"),
        ("[]", "is damaged"),
        ('{"schema": "other", "scores": []}', "is damaged"),
        ('{"schema": "sarcopenia-fold-scores/1", "scores": []}', "is not evaluated to its end"),
    ],
)
def test_a_run_without_its_scores_is_told(tmp_path, content, words):
    folder = draw_segmentation(tmp_path / "run", SCORES)
    path = folder / "evaluation" / "scores.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match=words):
        area_scores(read_run(folder))
