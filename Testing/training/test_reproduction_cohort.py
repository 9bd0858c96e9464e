"""What is said of a cohort: counts by person, phantoms known as such, every file that it consists of."""

import json

import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.phantom.cohort import SCHEMA
from SarcopeniaTraining.reproduction_cohort import annotated_people, any_known, cohort_files, facts_of
from Testing.training.tiny_cohort import case_files, tiny_cohort, write_manifest


def test_facts_of_somebodys_cohort(tmp_path):
    """T01 … T08: every fourth is sarcopenic; T03 and T06 are women."""
    tiny_cohort(tmp_path / "clinic")
    facts = facts_of(tmp_path / "clinic")
    assert (facts.kind, facts.name, facts.seed) == ("given", "clinic", None)
    assert (facts.patients, facts.sarcopenic, facts.men) == (8, 2, 6)
    assert facts.segmentable


def test_two_cts_of_one_person_count_once_and_as_sarcopenic_if_either_is(tmp_path):
    rows = [
        case_files(tmp_path, number) | {"patient": ("p1", "p1", "p2")[number - 3]} for number in (3, 4, 5)
    ]
    write_manifest(tmp_path, rows)
    facts = facts_of(tmp_path)
    assert (facts.patients, facts.sarcopenic) == (2, 1)
    assert annotated_people(tmp_path) == 2


def test_what_the_manifest_leaves_open_is_not_counted(tmp_path):
    rows = [case_files(tmp_path, number) | {"sarcopenic": ("", "yes")[number - 1]} for number in (1, 2)]
    write_manifest(tmp_path, rows)
    assert facts_of(tmp_path).sarcopenic is None
    assert any_known([True, None]) is None
    assert any_known([False, True])
    assert any_known([False]) is False


def test_phantoms_are_known_by_what_lies_beside_their_manifest(tmp_path):
    tiny_cohort(tmp_path / "drawn", 2)
    (tmp_path / "drawn" / "cohort.json").write_text(json.dumps({"schema": SCHEMA, "seed": 5}))
    assert (facts_of(tmp_path / "drawn").kind, facts_of(tmp_path / "drawn").seed) == ("phantom", 5)


def test_the_files_are_manifest_cts_and_masks(tmp_path):
    tiny_cohort(tmp_path / "clinic", 2)
    found = {path.relative_to(tmp_path / "clinic").as_posix() for path in cohort_files(tmp_path / "clinic")}
    assert found == {
        "manifest.csv",
        "T01/ct.nii.gz",
        "T01/muscle.nii.gz",
        "T02/ct.nii.gz",
        "T02/muscle.nii.gz",
    }


def test_a_cohort_of_pictures_cannot_be_segmented(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "manifest.csv").write_text("case,image,sarcopenic\nA,a.png,yes\n")
    facts = facts_of(tmp_path)
    assert not facts.segmentable
    assert (facts.patients, facts.sarcopenic, facts.men) == (1, 1, None)


def test_no_cohort_is_told(tmp_path):
    with pytest.raises(InputError, match="There is no cohort"):
        facts_of(tmp_path / "nowhere")
