"""What a run over many comes to, and the failures that stay until they are mended."""

import csv

from SarcopeniaAssessLib.batch import Outcome
from SarcopeniaAssessLib.run_summary import FAILURES, RunSummary
from Testing.library.small_case import record


def good(case, **status):
    return Outcome(case, record(case=case, status={"borderline": False, **status}))


def summed(*outcomes):
    summary = RunSummary()
    for outcome in outcomes:
        summary.count(outcome)
    return summary


def failures(folder):
    with (folder / FAILURES).open(encoding="utf-8", newline="") as file:
        return {row["case"]: row["problem"] for row in csv.DictReader(file)}


def test_counts_in_words():
    first, *rest = summed(
        good("a"),
        good("b", value="not sarcopenic", borderline=True),
        good("c", value="undetermined", borderline=None),
        Outcome("d", record(case="d", status={"borderline": False}), warnings=("Slices are thick.",)),
        Outcome("e", problem="The file is empty; copy it again"),
    ).lines()
    assert first == (
        "4 assessed in 0 s: 2 sarcopenic, 1 not sarcopenic, 1 undetermined; 1 borderline, 1 with warnings; "
        "1 failed"
    )
    assert rest == ["1 failed (e): The file is empty; copy it again"]


def test_failures_of_a_kind_stand_together_the_most_frequent_first():
    outcomes = [Outcome(f"case-{n}", problem="No L3; give it") for n in range(7)]
    _, *rest = summed(Outcome("x", problem="Empty; copy it"), *outcomes).lines()
    assert rest == [
        "7 failed (case-0, case-1, case-2, case-3, case-4 and 2 more): No L3; give it",
        "1 failed (x): Empty; copy it",
    ]


def test_a_failure_is_kept_until_its_case_has_a_record(tmp_path):
    path, part = tmp_path / FAILURES, tmp_path / ".part"
    failed = summed(Outcome("a", problem="one; do"), Outcome("b", problem="two, and; do"))
    failed.keep_failures(path, part, ())
    assert failures(tmp_path) == {"a": "one; do", "b": "two, and; do"}
    summed(good("a"), Outcome("c", problem="three; do")).keep_failures(path, part, ("a",))
    assert failures(tmp_path) == {"b": "two, and; do", "c": "three; do"}
    summed(good("b"), good("c")).keep_failures(path, part, ("a", "b", "c"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_and_therefore_refused_is_no_failure(tmp_path):
    refused = summed(Outcome("a", problem="there; do"), Outcome("b", problem="no; do"))
    refused.keep_failures(tmp_path / FAILURES, tmp_path / ".part", ("a",))
    assert failures(tmp_path) == {"b": "no; do"}
