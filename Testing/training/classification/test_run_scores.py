"""What is chosen on validation, what on test, and who counts once."""

import pytest

from SarcopeniaTraining.classification.classifier_scores import Confusion
from SarcopeniaTraining.classification.run_scores import choose, combinations, score_runs
from Testing.training.classification.made_runs import record

GOOD = ((0.9, 0.8), (0.2, 0.1))
POOR = ((0.9, 0.1), (0.2, 0.3))
BAD = ((0.2, 0.1), (0.8, 0.9))


def scored(*records, people=None):
    return score_runs(records, people or {})


def test_scores_of_a_run_by_hand():
    (score,) = scored(record(test=((0.9, 0.42), (0.6, 0.2, 0.1)), validation=((0.45, 0.7), (0.35, 0.2))))
    # Pairs in order: 3 of 3 and 2 of 3. Above 0.5: one found, one wrong.
    assert score.test_auc.value == pytest.approx(5 / 6)
    assert score.calls == Confusion(tp=1, fp=1, fn=1, tn=2)
    assert score.validation_auc == 1
    assert score.threshold == pytest.approx(0.4)
    assert score.moved_calls == Confusion(tp=2, fp=1, fn=0, tn=2)
    assert score.calibration.brier == pytest.approx((0.01 + 0.58**2 + 0.36 + 0.04 + 0.01) / 5)


def test_the_best_is_chosen_on_validation_though_another_is_better_on_test():
    first = record(number=1, validation=GOOD, test=BAD)
    second = record(scheme="freezeall", number=2, validation=POOR, test=GOOD)
    (chosen,) = choose(scored(first, second))
    assert chosen.network == "ResNet50"
    assert chosen.best.record is first
    assert chosen.on_test.record is second
    assert (chosen.combination.scheme, len(chosen.combination.runs)) == ("unfreezeall", 1)


def test_of_equal_areas_on_test_the_better_calls_are_taken():
    timid = record(number=1, test=((0.4, 0.3), (0.2, 0.1)))
    bold = record(number=2, test=GOOD)
    (chosen,) = choose(scored(timid, bold))
    assert chosen.on_test.record is bold


def test_of_equal_areas_on_test_accuracy_decides_before_f1():
    # 4 of 6 right with F1 0.5, against 3 of 6 with F1 2/3.
    timid = record(number=1, test=((0.9, 0.4, 0.4), (0.3, 0.2, 0.1)))
    bold = record(number=2, test=((0.9, 0.9, 0.8), (0.6, 0.6, 0.6)))
    (chosen,) = choose(scored(bold, timid))
    assert chosen.on_test.record is timid


def test_of_equal_areas_and_accuracies_on_test_f1_decides():
    # 4 of 6 right both times, with F1 0.5 and 3/4.
    timid = record(number=1, test=((0.9, 0.4, 0.4), (0.3, 0.2, 0.1)))
    bold = record(number=2, test=((0.9, 0.9, 0.8), (0.6, 0.6, 0.1)))
    (chosen,) = choose(scored(timid, bold))
    assert chosen.on_test.record is bold


def test_of_equal_areas_on_validation_the_lower_loss_is_taken():
    high, low = record(number=1, val_loss=(0.6, 0.5)), record(number=2, val_loss=(0.6, 0.4))
    (chosen,) = choose(scored(high, low))
    assert chosen.best.record is low


def test_networks_keep_their_order_and_sets_are_sorted():
    runs = scored(
        record("ResNet50", number=2), record("ResNet50", number=1), record("DenseNet121", "freezeall")
    )
    assert [(one.network, one.scheme) for one in combinations(runs)] == [
        ("ResNet50", "unfreezeall"),
        ("DenseNet121", "freezeall"),
    ]
    assert [run.record.set for run in combinations(runs)[0].runs] == [1, 2]
    assert [one.network for one in choose(runs)] == ["ResNet50", "DenseNet121"]


def test_a_patient_of_two_images_is_one_reading():
    (score,) = scored(record(test=((0.9, 0.3), (0.2, 0.1))), people={"S1": "anna", "S2": "anna"})
    assert score.test.people == ("N1", "N2", "anna")
    assert score.calls == Confusion(tp=1, fp=0, fn=0, tn=2)  # mean of 0.9 and 0.3


def test_parts_of_one_class_are_borne():
    (score,) = scored(record(test={"N1": (False, 0.7)}, validation={"N2": (False, 0.2)}))
    assert (score.test_auc, score.validation_auc, score.threshold) == (None, None, 0.5)
    (combination,) = combinations([score])
    assert (combination.test_auc, combination.validation_auc) == (None, None)
    assert choose([score])[0].best is score
