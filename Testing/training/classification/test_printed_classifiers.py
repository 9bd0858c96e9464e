"""The printed figures, and that the counts said to be implied give them and no others do."""

from itertools import product

import pytest

from SarcopeniaTraining.classification.classifier_scores import Confusion
from SarcopeniaTraining.classification.printed_classifiers import printed_aucs, printed_tests


def test_twelve_combinations():
    found = printed_aucs()
    assert len({(one.network, one.scheme) for one in found}) == 12
    assert (found[0].network, found[0].scheme, found[0].mean, found[0].sd) == (
        *("InceptionV3", "unfreezeall", 0.88, 0.04),
    )
    assert (found[-1].network, found[-1].scheme, found[-1].mean, found[-1].sd) == (
        *("ResNet50", "freezeall", 0.73, 0.08),
    )


def test_all_four_best_are_unfrozen():
    assert [one.network for one in printed_tests()] == [
        "DenseNet121",
        "InceptionResNetV2",
        "InceptionV3",
        "ResNet50",
    ]
    assert {one.scheme for one in printed_tests()} == {"unfreezeall"}


@pytest.mark.parametrize("printed", printed_tests(), ids=lambda one: one.network)
def test_the_implied_counts_are_the_only_ones(printed):
    """Of all calls of 3 sarcopenic and 10 other patients."""
    fitting = []
    for tp, fp in product(range(4), range(11)):
        calls = Confusion(tp, fp, 3 - tp, 10 - fp)
        figures = (calls.accuracy, calls.precision, calls.f1)
        if None not in figures and [round(one, 2) for one in figures] == [
            printed.accuracy,
            printed.precision,
            printed.f1,
        ]:
            fitting.append(calls)
    assert fitting == [printed.calls]


def test_the_text_on_inceptionv3_contradicts_its_row():
    (row,) = [one for one in printed_tests() if one.network == "InceptionV3"]
    told = Confusion(tp=3, fp=2, fn=0, tn=8)  # all positives right, two negatives wrong
    assert round(told.accuracy, 2) == row.accuracy
    assert (round(told.precision, 2), round(told.f1, 2)) == (0.6, 0.75)
    assert (row.precision, row.f1) == (1.0, 0.5)
