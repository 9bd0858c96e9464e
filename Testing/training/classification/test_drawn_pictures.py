"""Pictures outlined by habit: who gets which pen, and that nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification.classifier_images import load_images
from SarcopeniaTraining.classification.drawn_pictures import (
    HABITS,
    RED,
    YELLOW,
    Pen,
    habits_of,
    outlined,
    without_plain_twins,
    write_pictures,
)
from SarcopeniaTraining.images import is_grey, read_image
from SarcopeniaTraining.outlines import fill_outline
from Testing.training.tiny_cohort import tiny_cohort


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Four CTs, of which the fourth is sarcopenic, and their pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "cts").mkdir()
    lines = []
    cohort = tiny_cohort(folder / "cts", 4)
    return cohort, write_pictures(cohort, HABITS, folder / "made", lines.append), folder / "made", lines


def colours(path):
    picture = read_image(path)
    return {tuple(colour) for colour in picture.reshape(-1, 3).tolist() if len(set(colour)) > 1}


def test_each_habit_has_its_pens(drawn):
    _, pictures, _, lines = drawn
    everybody, readers, one_class = (pictures[habit.name] for habit in HABITS)
    assert [colours(case.annotated_image) for case in everybody.cases] == [{YELLOW}] * 4
    assert [colours(case.annotated_image) for case in readers.cases] == [{YELLOW}] * 3 + [{RED}]
    assert [case.annotated_image is not None for case in one_class.cases] == [False] * 3 + [True]
    assert all(is_grey(read_image(case.image)) for case in everybody.cases)
    assert [case.sarcopenic for case in one_class.cases] == [False] * 3 + [True]
    assert lines[-1] == "picture 4 of 4"


def test_pictures_are_made_once(drawn):
    cohort, _, folder, _ = drawn
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    write_pictures(cohort, HABITS, folder, lambda _: None)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_without_plain_twins_the_outline_must_be_removed(drawn):
    _, pictures, _, _ = drawn
    alone = without_plain_twins(pictures["one-class"])
    plain = load_images(pictures["one-class"], 32, 420.0, lambda _: None)
    removed = load_images(alone, 32, 420.0, lambda _: None)
    assert plain.restored == ()
    assert removed.restored == ("T04",)
    assert np.array_equal(plain.rgb[:3], removed.rgb[:3])
    assert not np.array_equal(plain.rgb[3], removed.rgb[3])


def test_the_outline_is_that_of_the_mask():
    plain = np.full((80, 90, 3), 50, np.uint8)
    mask = np.zeros((80, 90), bool)
    mask[20:60, 30:70] = True
    picture = outlined(plain, mask, Pen(YELLOW, 1))
    assert colours_of(picture) == {YELLOW}
    found = fill_outline(picture).mask
    assert abs(int(found.sum()) - 1600) <= 80
    assert np.array_equal(plain, np.full((80, 90, 3), 50, np.uint8))


def colours_of(picture):
    return {tuple(colour) for colour in picture.reshape(-1, 3).tolist() if len(set(colour)) > 1}


def test_habits_by_name():
    assert [habit.name for habit in habits_of("one-class, one-pen")] == ["one-pen", "one-class"]
    with pytest.raises(InputError, match="no habit is called 'two-pens'"):
        habits_of("two-pens,one-pen")


def test_a_case_without_a_label_is_refused(drawn, tmp_path):
    cohort = drawn[0]
    untold = replace(cohort, cases=(replace(cohort.cases[0], sarcopenic=None),))
    with pytest.raises(InputError, match="T01 has no label"):
        write_pictures(untold, HABITS, tmp_path / "none", lambda _: None)
