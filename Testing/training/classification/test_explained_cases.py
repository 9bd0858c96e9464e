"""Which cases are explained, and where the cohort is found."""

from types import SimpleNamespace

import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification.classifier_run import Prediction
from SarcopeniaTraining.classification.explained_cases import choose_cases, find_cohort, load_explained
from SarcopeniaTraining.splits import Fold
from Testing.training.classification.explained_run import picture_cohort

RECORD = SimpleNamespace(
    set=1,
    test=tuple(
        Prediction(name, truth, value)
        for name, truth, value in (
            ("D", False, 0.9), ("A", True, 0.1), ("C", False, 0.2), ("B", False, 0.3), ("E", True, 0.9),
        )
    ),
)  # fmt: skip


def test_both_classes_in_turn_by_name_whatever_was_said_of_them():
    assert choose_cases(RECORD, (), 4) == ("A", "B", "E", "C")
    assert choose_cases(RECORD, (), 1) == ("A",)
    assert choose_cases(RECORD, (), 99) == ("A", "B", "E", "C", "D")


def test_cases_that_are_named_are_taken_once_each_in_their_order():
    assert choose_cases(RECORD, ("Z", "A", "Z"), 1) == ("Z", "A")


def run_over(cohort, folder):
    facts = {
        "cohort": {"name": cohort.path.parent.name, "digest": cohort.digest},
        "images": {"side": 24, "field_mm": 420, "source": "pictures"},
    }
    fold = Fold(1, ("P1", "P2"), ("P3",), ("P4",))
    return SimpleNamespace(folder=folder, facts=facts, splits=SimpleNamespace(folds=(fold,)))


def test_the_cohort_is_found_beside_the_run_or_where_it_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cohort = picture_cohort(tmp_path / "pictures", 4)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    run = run_over(cohort, tmp_path / "runs" / "one")
    assert find_cohort(run, None).digest == cohort.digest  # a folder above the run
    moved = tmp_path / "elsewhere"
    (tmp_path / "pictures").rename(moved)
    assert find_cohort(run, moved).digest == cohort.digest
    with pytest.raises(InputError, match="--cohort PATH"):
        find_cohort(run, None)


def test_parts_are_told_and_what_is_not_there_is_refused(tmp_path):
    cohort = picture_cohort(tmp_path / "pictures", 5)
    run = run_over(cohort, tmp_path / "run")
    made = load_explained(run, RECORD, cohort, ("P5", "P4", "P1", "P3"), 24, lambda _: None)
    assert {case.case: case.part for case in made.cases} == {
        "P5": "", "P4": "test", "P1": "training", "P3": "validation"
    }  # fmt: skip
    assert [case.case for case in made.cases] == list(made.images.names) == ["P5", "P4", "P1", "P3"]
    assert [case.sarcopenic for case in made.cases] == [False, False, False, True]
    assert made.images.rgb.shape == (4, 24, 24, 3)
    assert made.tissues == {}
    with pytest.raises(InputError, match="no case P6"):
        load_explained(run, RECORD, cohort, ("P6",), 24, lambda _: None)
