"""An import as a whole: goes on after a kill, takes over what has changed, never mixes two sources."""

import json
import os
import shutil

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining import importing
from SarcopeniaTraining.cohort import read_cohort
from SarcopeniaTraining.importing import ImportPlan, import_cohort
from SarcopeniaTraining.layouts import Layout
from Testing.library.small_case import area_cm2, ct, muscle, write_nifti


def add(source, name, k=3):
    (source / name).mkdir(parents=True)
    write_nifti(source / name / "ct.nii.gz", ct())
    mask = muscle() * (np.arange(7) == k)
    write_nifti(source / name / "mask.nii.gz", mask.astype(np.uint8))


@pytest.fixture
def source(tmp_path):
    for name in ("A", "B", "C"):
        add(tmp_path / "src", name)
    return tmp_path / "src"


def run(tmp_path, **options):
    return import_cohort(ImportPlan(tmp_path / "src", Layout("slice"), **options), tmp_path / "out")


def test_a_killed_import_goes_on(tmp_path, source, monkeypatch):
    convert = importing._converted

    def die_at_b(plan, found, name, part):
        if name == "B":
            (part / "ct.nii.gz").write_bytes(b"half")
            raise KeyboardInterrupt
        return convert(plan, found, name, part)

    monkeypatch.setattr(importing, "_converted", die_at_b)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert not (tmp_path / "out" / "manifest.csv").exists()
    assert (tmp_path / "out" / "A").is_dir()
    assert not (tmp_path / "out" / "B").exists()
    assert not list((tmp_path / "out").glob(".partial-*"))
    (tmp_path / "out" / ".partial-B").mkdir()  # as SIGKILL leaves it
    (tmp_path / "out" / ".partial-B" / "ct.nii.gz").write_bytes(b"half")
    monkeypatch.undo()
    outcomes = run(tmp_path)
    assert [outcome.is_new for outcome in outcomes] == [False, True, True]
    assert [case.case for case in read_cohort(tmp_path / "out").cases] == ["A", "B", "C"]
    assert not list((tmp_path / "out").glob(".partial-*"))


def test_what_has_changed_is_taken_over_and_only_that(tmp_path, source):
    run(tmp_path)
    shutil.rmtree(source / "B")
    add(source, "B", k=5)
    outcomes = run(tmp_path)
    assert [outcome.is_new for outcome in outcomes] == [False, True, False]
    assert read_cohort(tmp_path / "out")["B"].sma_cm2 == pytest.approx(area_cm2(5))
    (source / "manifest.csv").write_text("case,sex\nC,male\n")
    outcomes = run(tmp_path)
    assert [outcome.is_new for outcome in outcomes] == [False, False, True]
    assert read_cohort(tmp_path / "out")["C"].sarcopenic is True  # 136 cm² of a man


def test_one_that_fails_is_told_and_the_others_are_there(tmp_path, source):
    write_nifti(source / "B" / "mask.nii.gz", np.zeros((90, 64, 7), np.uint8))
    outcomes = run(tmp_path)
    assert [bool(outcome.problem) for outcome in outcomes] == [False, True, False]
    assert [case.case for case in read_cohort(tmp_path / "out").cases] == ["A", "C"]


def test_names_are_made_safe_and_different(tmp_path):
    for name in ("a b", "a_b", "1.2.840.113619.2.55.3"):
        add(tmp_path / "src", name)
    names = [outcome.case for outcome in run(tmp_path)]
    assert names[1:] == ["a_b", "a_b-2"]
    assert names[0].startswith("case-")
    assert "113619" not in names[0]


def test_told_and_measured_labels_that_contradict_are_found(tmp_path, source):
    (source / "manifest.csv").write_text("case,sex,sarcopenic\nA,male,no\nB,male,yes\n")
    run(tmp_path)
    assert [case for case, _ in read_cohort(tmp_path / "out").findings] == ["A"]


def test_another_import_or_other_files_are_refused(tmp_path, source):
    run(tmp_path)
    with pytest.raises(OutputError, match="another import \\(differs in numbered\\)"):
        run(tmp_path, numbered=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(OutputError, match="other files"):
        import_cohort(ImportPlan(source, Layout("slice")), tmp_path / "full")
    assert os.listdir(tmp_path / "full") == ["thesis.txt"]


def test_a_cohort_never_lies_within_its_source(tmp_path, source):
    with pytest.raises(OutputError, match="within its own source"):
        import_cohort(ImportPlan(source, Layout("slice")), source / "out")
    assert sorted(os.listdir(source)) == ["A", "B", "C"]


def test_two_imports_do_not_write_one_folder(tmp_path, source):
    (tmp_path / "out").mkdir()
    lock = FolderLock(tmp_path / "out")
    try:
        with pytest.raises(OutputError, match="Another run"):
            run(tmp_path)
    finally:
        lock.release()
    assert len(run(tmp_path)) == 3


def test_a_full_disk_is_told_and_nothing_half_is_left(tmp_path, source, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(importing, "_converted", full)
    with pytest.raises(OutputError, match="No space left on device") as refused:
        run(tmp_path)
    assert "it goes on" in refused.value.remedy
    assert not list((tmp_path / "out").glob(".partial-*"))
    monkeypatch.undo()
    assert all(outcome.row for outcome in run(tmp_path))


def test_a_damaged_case_is_told(tmp_path, source):
    run(tmp_path)
    (tmp_path / "out" / "A" / "case.json").write_text("{")
    with pytest.raises(OutputError, match=r"A/case\.json is damaged"):
        run(tmp_path)


def test_what_import_json_says(tmp_path, source):
    run(tmp_path)
    held = json.loads((tmp_path / "out" / "import.json").read_text())
    assert held == {"schema": "sarcopenia-import/1", "kind": "slice", "line": "centre", "numbered": False}
