"""Splits: nobody in two parts, shares as exact as whole patients allow, saved and bound to their cohort."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.splits import (
    CLASSIFICATION_SIZES,
    Fold,
    counts_of,
    make_splits,
    read_splits,
    write_splits,
)


@dataclass(frozen=True)
class Case:
    case: str
    sarcopenic: bool | None
    patient: str | None = None
    is_annotated: bool = True


@dataclass(frozen=True)
class Cohort:
    cases: tuple[Case, ...]
    digest: str = "d1"


def cohort(sarcopenic, others):
    total = sarcopenic + others
    return Cohort(tuple(Case(f"P{n:03d}", n % total < sarcopenic) for n in range(total)))


THE_PAPERS = cohort(18, 61)


def test_the_segmentation_sets_hold_the_cohorts_own_counts():
    splits = make_splits(THE_PAPERS)
    assert [fold.number for fold in splits.folds] == list(range(1, 11))
    for fold in splits.folds:
        # 18 of 79 in 47, 16, 16; the printed 8/39, 6/10, 3/13 sum to 17/62 and are of no such cohort
        assert counts_of(fold, THE_PAPERS) == ((10, 37), (4, 12), (4, 12))


def test_the_classification_sets_are_the_printed_ones():
    splits = make_splits(THE_PAPERS, sizes=CLASSIFICATION_SIZES)
    assert {counts_of(fold, THE_PAPERS) for fold in splits.folds} == {((12, 42), (3, 9), (3, 10))}


@st.composite
def cohorts(draw):
    """Patients with one to three CTs each, and sizes that add up."""
    labels = draw(st.lists(st.booleans(), min_size=9, max_size=60))
    labels[:6] = [True] * 3 + [False] * 3
    cases = []
    for n, label in enumerate(labels):
        scans = draw(st.integers(1, 3))
        patient = None if scans == 1 and draw(st.booleans()) else f"person {n}"
        first = draw(st.integers(0, scans - 1))
        cases += [Case(f"C{n}-{m}", label and m == first, patient) for m in range(scans)]
    validation = draw(st.integers(1, len(labels) - 2))
    test = draw(st.integers(1, len(labels) - validation - 1))
    return Cohort(tuple(draw(st.permutations(cases)))), (len(labels) - validation - test, validation, test)


@settings(max_examples=60, deadline=None)
@given(cohorts(), st.integers(0, 2**31), st.booleans())
def test_no_patient_is_in_two_parts_and_none_is_left_out(made, seed, stratify):
    whole, sizes = made
    person = {case.case: case.patient or case.case for case in whole.cases}
    try:
        splits = make_splits(whole, sizes=sizes, folds=2, seed=seed, stratify=stratify)
    except InputError:
        assert stratify
        return
    for fold in splits.folds:
        people = [{person[case] for case in part} for part in (fold.train, fold.validation, fold.test)]
        assert tuple(map(len, people)) == sizes
        assert sum(map(len, people)) == len(set.union(*people))
        assert sorted([*fold.train, *fold.validation, *fold.test]) == sorted(person)
        if stratify:
            assert all(0 in pair or min(pair) >= 1 for pair in counts_of(fold, whole))
            sick = {case.patient or case.case for case in whole.cases if case.sarcopenic}
            share = len(sick) / sum(sizes)
            assert all(1 <= len(part & sick) < len(part) for part in people)
            assert all(abs(len(part & sick) - share * len(part)) < 2 for part in people)
    splits.require_cohort(whole)


def test_neither_order_of_the_manifest_nor_number_of_folds_changes_a_fold():
    ten = make_splits(THE_PAPERS, seed=4)
    backwards = Cohort(THE_PAPERS.cases[::-1])
    assert make_splits(backwards, seed=4, folds=3).folds == ten.folds[:3]
    assert len({fold.test for fold in ten.folds}) == 10
    assert make_splits(THE_PAPERS, seed=5).folds[0] != ten.folds[0]


def test_cases_without_a_mask_are_in_no_part():
    extra = Cohort((*THE_PAPERS.cases, Case("X", None, is_annotated=False)))
    assert make_splits(extra).folds == make_splits(THE_PAPERS).folds


@pytest.mark.parametrize(
    ("whole", "sizes", "words", "remedy"),
    [
        (cohort(18, 61), (47, 16, 15), r"47\+16\+15 patients are 78, the cohort has 79", "--sizes 48,16,15"),
        (cohort(5, 15), (47, 16, 16), "are 79, the cohort has 20", "--sizes 12,4,4"),
        (cohort(1, 1), (47, 16, 16), "the cohort has 2", "three patients"),
        (cohort(5, 15), (20, 0, 0), "cannot be", "1 or more"),
        (cohort(2, 18), (12, 4, 4), "2 are sarcopenic and 18 not: too few", "--no-stratify"),
        (cohort(3, 37), (36, 2, 2), "none of its 2 .* patients is sarcopenic", "--no-stratify"),
        (cohort(5, 15), (18, 1, 1), "cannot each have both labels", "--no-stratify"),
        (Cohort((*cohort(5, 14).cases, Case("Q", None))), (12, 4, 4), r"no label .*\(Q\)", "--no-stratify"),
    ],
)
def test_what_cannot_be_split_is_refused_with_a_way_out(whole, sizes, words, remedy):
    with pytest.raises(InputError, match=words) as refused:
        make_splits(whole, sizes=sizes)
    assert remedy in refused.value.remedy


def test_unstratified_on_request():
    few = cohort(1, 19)
    splits = make_splits(few, sizes=(12, 4, 4), stratify=False)
    assert not splits.stratified
    assert [len(fold.test) for fold in splits.folds] == [4] * 10


def test_saved_and_read_again(tmp_path):
    splits = make_splits(THE_PAPERS, seed=9, folds=4)
    write_splits(splits, tmp_path / "splits.json")
    assert read_splits(tmp_path / "splits.json", THE_PAPERS) == splits


def test_splits_of_another_cohort_are_refused(tmp_path):
    write_splits(make_splits(THE_PAPERS), tmp_path / "splits.json")
    with pytest.raises(InputError, match="another cohort"):
        read_splits(tmp_path / "splits.json", Cohort(THE_PAPERS.cases, "d2"))


def changed(tmp_path, change):
    write_splits(make_splits(THE_PAPERS, folds=2), tmp_path / "splits.json")
    content = json.loads((tmp_path / "splits.json").read_text("utf-8"))
    change(content)
    (tmp_path / "changed.json").write_text(json.dumps(content), "utf-8")
    return tmp_path / "changed.json"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(schema="other/1"), "no splits of schema"),
        (lambda c: c.pop("seed"), "damaged"),
        (lambda c: c["folds"].reverse(), "not numbered"),
        (lambda c: c["folds"].clear(), "not numbered"),
        (lambda c: c["folds"][1]["test"].append(c["folds"][1]["train"][0]), "stands twice in fold 2"),
        (lambda c: c["folds"][0]["test"].clear(), "a part of fold 1 is empty"),
        (lambda c: c["folds"][0]["test"].append("P999"), "names P999, no case"),
    ],
)
def test_a_file_that_was_changed_is_refused(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        read_splits(changed(tmp_path, change), THE_PAPERS)


def test_a_person_with_two_scans_moved_by_hand_is_found():
    pair = Cohort((*cohort(6, 14).cases, Case("A", False, "Z"), Case("B", False, "Z")))
    splits = make_splits(pair, sizes=(13, 4, 4), folds=1)
    fold = splits.folds[0]
    (home,) = [part for part in (fold.train, fold.validation, fold.test) if "A" in part]
    assert "B" in home
    parts = [tuple(case for case in part if case != "B") for part in fold.parts]
    place = next(n for n, part in enumerate(parts) if "A" not in part)
    parts[place] = (*parts[place], "B")
    moved = type(splits)((Fold(1, *parts),), splits.seed, splits.cohort_digest)
    with pytest.raises(InputError, match="patient Z stands in two parts of fold 1"):
        moved.require_cohort(pair)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_what_is_no_splits_file(tmp_path, content):
    with pytest.raises(InputError):
        read_splits(tmp_path / "none.json")
    (tmp_path / "splits.json").write_text(content)
    with pytest.raises(InputError):
        read_splits(tmp_path / "splits.json")
