"""Both routes on the same patients: counts, p and tables by hand, and who is left out."""

import json

import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification.classifier_scores import Confusion
from SarcopeniaTraining.classification.two_routes import compare_routes, exact_mcnemar
from SarcopeniaTraining.classification.two_routes_tables import routes_table
from Testing.training.classification.made_runs import record
from Testing.training.classification.made_segmentation import AREAS, TOLD, folders
from Testing.training.made_scores import score


@pytest.fixture
def routes(tmp_path):
    return compare_routes(*folders(tmp_path))


def test_counts_by_hand(routes):
    printed, moved = routes.agreements
    assert (printed.network, printed.scheme, printed.way) == ("ResNet50", "unfreezeall", "above 0.5")
    assert printed.area == Confusion(tp=1, fp=1, fn=1, tn=2)
    assert printed.classifier == Confusion(tp=1, fp=1, fn=1, tn=2)
    # E alone is right by both; A, D only by area; B, C only by the classifier.
    assert (printed.both_right, printed.only_area, printed.only_classifier, printed.neither) == (1, 2, 2, 0)
    assert printed.mcnemar_p == 1
    # Same status of A (yes, no)? no; B (no, yes) no; C (yes, no) no; D (no, yes) no; E yes.
    assert (printed.agreed.right, printed.agreed.count) == (1, 5)
    # Above 0.325 A is found too.
    assert moved.way == "threshold moved on validation"
    assert moved.classifier == Confusion(tp=2, fp=1, fn=0, tn=2)
    assert (moved.both_right, moved.only_area, moved.only_classifier, moved.neither) == (2, 1, 2, 0)


def test_exact_mcnemar_by_hand():
    assert exact_mcnemar(0, 5) == pytest.approx(2 / 32)
    assert exact_mcnemar(1, 5) == pytest.approx(2 * (1 + 6) / 64)
    assert exact_mcnemar(4, 4) == 1
    assert exact_mcnemar(0, 0) is None


def test_who_is_left_out_and_why(tmp_path):
    areas = [score(case, both, fold=1) for case, both in AREAS.items()]
    areas[0] = score("A", AREAS["A"], sex=None)
    areas += [score("F", (150.0, 150.0), fold=2)]
    told = {**TOLD, "B": (False, 0.8), "G": (True, 0.9)}  # B's label contradicts its area
    found = compare_routes(*folders(tmp_path, areas, [record(test=told)], digest="e" * 64))
    assert [one.person for one in found.patients] == ["C", "D", "E"]
    assert (found.contradictory, found.undetermined, found.missed) == (("B",), ("A",), ("F", "G"))
    assert found.same_cohort is False
    notes = "\n".join(routes_table(found).notes)
    for words in (
        "matched by the names",
        "1 left out, label told and true area disagree: B.",
        "1 left out, no status by area (no sex): A.",
        "2 left out, tested by one of the two runs alone: F, G.",
    ):
        assert words in notes


def test_each_networks_own_scheme_and_the_best_of_all(tmp_path):
    good, poor = ((0.9, 0.8), (0.2, 0.1)), ((0.9, 0.1), (0.3, 0.2))
    records = [
        record("ResNet50", "unfreezeall", test=TOLD, validation=poor),
        record("ResNet50", "freezeall", test=TOLD, validation=good, val_loss=(0.6, 0.5)),
        record("DenseNet121", "unfreezeall", test=TOLD, validation=good, val_loss=(0.6, 0.4)),
    ]
    found = compare_routes(*folders(tmp_path, records=records))
    assert found.chosen == {"ResNet50": "freezeall", "DenseNet121": "unfreezeall"}
    assert found.best_network == "DenseNet121"
    assert len(found.agreements) == 4


def test_persons_of_the_cohort_are_one_patient(tmp_path):
    areas = [
        score(case, both, fold=1, person="anna" if case in "AB" else case) for case, both in AREAS.items()
    ]
    found = compare_routes(*folders(tmp_path, areas))
    assert [one.person for one in found.patients] == ["C", "D", "E", "anna"]
    anna = found.patients[-1]
    # Areas 131 and 150 say yes and no; their mean 140.5 decides. Probability (0.4 + 0.8)/2.
    assert anna.area.called
    assert anna.classifiers["ResNet50"].probability == pytest.approx(0.6)


def test_an_image_that_no_fold_tested_is_of_the_person_that_the_classifiers_cohort_names(tmp_path):
    # C2 is nobody's in the folds: with C it is one patient, read by the mean of both.
    told = {**TOLD, "C2": (False, 0.1)}
    both = folders(tmp_path, records=[record(test=told)], people={"C2": "C"})
    found = compare_routes(*both)
    assert found.missed == ()
    (c,) = [one for one in found.patients if one.person == "C"]
    assert c.classifiers["ResNet50"].probability == pytest.approx((TOLD["C"][1] + 0.1) / 2)


def test_nobody_in_common_is_told(tmp_path):
    areas = [score("X", (150.0, 150.0))]
    with pytest.raises(InputError, match="no tested patient in common"):
        compare_routes(*folders(tmp_path, areas))


def test_no_finished_classifier_is_told(tmp_path):
    segmentation, classification = folders(tmp_path, records=[record(test=TOLD)])
    (classification / "runs" / "ResNet50-unfreezeall.jsonl").unlink()
    with pytest.raises(InputError, match="no run of these classifiers is finished"):
        compare_routes(segmentation, classification)


def test_a_folder_of_another_kind_is_told(tmp_path):
    segmentation, classification = folders(tmp_path)
    facts = json.loads((classification / "run.json").read_text()) | {"schema": "x"}
    (classification / "run.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="schema"):
        compare_routes(segmentation, classification)
