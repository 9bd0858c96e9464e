"""`sarcopenia import` and `sarcopenia splits`: what they write, say and refuse."""

import json
import re

import numpy as np
import pytest

from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaTraining.cli import cli
from SarcopeniaTraining.cohort import read_cohort
from SarcopeniaTraining.layouts import TEMPLATE
from SarcopeniaTraining.splits import read_splits
from Testing.library.small_case import ct, muscle, write_nifti


def add(folder, k=3):
    folder.mkdir(parents=True)
    write_nifti(folder / "ct.nii.gz", ct())
    write_nifti(folder / "mask.nii.gz", (muscle() * (np.arange(7) == k)).astype(np.uint8))


def call(*arguments):
    return run_group(cli, [str(argument) for argument in arguments])


def test_some_cases_cannot_be_imported(tmp_path, capsys):
    add(tmp_path / "src" / "A")
    add(tmp_path / "src" / "B", k=9)  # nothing is marked
    (tmp_path / "src" / "manifest.csv").write_text("case,sex,sarcopenic\nA,male,no\n")
    assert call("import", tmp_path / "src", tmp_path / "out", "--kind", "slice") == 1
    out, err = capsys.readouterr()
    assert out == f"1 cases, 0 sarcopenic, 1 left out: {tmp_path / 'out' / 'manifest.csv'}\n"
    assert err.splitlines() == [
        "A  SMA 136.0 cm²",
        "sarcopenia: B: The mask is empty; give one in which the muscle is marked",
        "sarcopenia: A: warning: told not sarcopenic, but 136.00 cm² of a male patient is sarcopenic",
    ]


def test_all_or_none(tmp_path, capsys):
    add(tmp_path / "src" / "A")
    assert call("import", tmp_path / "src", tmp_path / "out", "--kind", "slice", "--number") == 0
    assert capsys.readouterr().out.startswith("1 cases, 0 sarcopenic: ")
    assert call("import", tmp_path / "src", tmp_path / "out", "--kind", "slice", "--number") == 0
    assert "case-001  SMA 136.0 cm²  (was there)" in capsys.readouterr().err
    add(tmp_path / "empty" / "B", k=9)
    assert call("import", tmp_path / "empty", tmp_path / "none", "--kind", "dicom") == 2
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith("sarcopenia: none of 1 cases could be imported")
    )


def test_the_template_is_printed_and_a_layout_is_followed(tmp_path, capsys):
    assert call("import", "--layout-template") == 0
    assert capsys.readouterr().out == TEMPLATE
    add(tmp_path / "src" / "Healthy" / "P1" / "scan")
    layout = TEMPLATE.replace("{case}/CT", "{case}/scan/ct.nii.gz").replace(
        "{case}/*.nii.gz", "{case}/scan/mask*"
    )
    (tmp_path / "layout.toml").write_text(layout.replace("Non-sarcopenia", "Healthy"))
    given = (
        "import",
        tmp_path / "src",
        tmp_path / "out",
        "--kind",
        "zenodo",
        "--layout",
        tmp_path / "layout.toml",
    )
    assert call(*given) == 0
    assert read_cohort(tmp_path / "out")["P1"].sarcopenic is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["import", "SRC", "OUT", "--kind", "zenodo"], "--layout-template"),
        (["import", "SRC", "OUT", "--kind", "slice"], "the source is no folder"),
        (["import", "SRC", "OUT"], "--kind"),
        (["import", "SRC", "OUT", "--kind", "slice", "--layout", "none.toml"], "none.toml cannot be read"),
        (["splits", "SRC", "--out", "OUT"], "no cohort"),
        (["splits", "SRC", "--out", "OUT", "--sizes", "1,2"], "no cohort"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("sarcopenia: ")
    assert words in err
    assert list(tmp_path.iterdir()) == []


def cohort(folder, sarcopenic, others, extra=""):
    folder.mkdir()
    for name in ("ct", "mask"):
        (folder / name).write_text("not opened")
    lines = [f"S{n},ct,mask,yes" for n in range(sarcopenic)] + [f"N{n},ct,mask,no" for n in range(others)]
    (folder / "manifest.csv").write_text("case,ct,muscle,sarcopenic\n" + "\n".join(lines) + "\n" + extra)
    return folder


def test_the_papers_splits_say_what_is_printed_otherwise(tmp_path, capsys):
    folder = cohort(tmp_path / "c", 18, 61, extra="X,ct,,\n")
    assert call("splits", folder, "--out", tmp_path / "s.json", "--folds", 3) == 0
    out, err = capsys.readouterr()
    assert re.sub(" +", " ", out).splitlines() == [
        "train 47 cases 10/37 (sarcopenic/not)",
        "validation 16 cases 4/12 (sarcopenic/not)",
        "test 16 cases 4/12 (sarcopenic/not)",
        f"3 folds, seed 1: {tmp_path / 's.json'}",
    ]
    assert "1 cases without a mask or a label are in no part" in err
    assert "17 and 62 patients, where its cohort has 18 and 61" in err
    splits = read_splits(tmp_path / "s.json", read_cohort(folder))
    assert [len(fold.test) for fold in splits.folds] == [16, 16, 16]


def test_the_classifiers_sets_and_a_seed(tmp_path, capsys):
    folder = cohort(tmp_path / "c", 18, 61)
    given = ("splits", folder, "--sizes", "54,12,13", "--seed", 7, "--out", tmp_path / "s.json")
    assert call(*given) == 0
    out, err = capsys.readouterr()
    assert "12/42" in out
    assert "3/10" in out
    assert err == ""
    assert json.loads((tmp_path / "s.json").read_text())["seed"] == 7


def test_a_cohort_too_small_to_stratify(tmp_path, capsys):
    folder = cohort(tmp_path / "c", 1, 9)
    given = ("splits", folder, "--out", tmp_path / "s.json", "--sizes", "6,2,2")
    assert call(*given) == 2
    assert "give --no-stratify" in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()
    assert call(*given, "--no-stratify") == 0
    assert call("splits", folder, "--out", tmp_path / "s.json", "--sizes", "6,2") == 2
    assert "three whole numbers" in capsys.readouterr().err


def test_files_are_checked_on_request(tmp_path, capsys):
    for name in ("A", "B", "C", "D"):
        add(tmp_path / "c" / name)
    write_nifti(tmp_path / "c" / "B" / "mask.nii.gz", muscle()[1:])
    (tmp_path / "c" / "D" / "ct.nii.gz").write_bytes(b"none")
    rows = [f"{n},{n}/ct.nii.gz,{n}/mask.nii.gz,3,male,yes,{136 if n == 'A' else 150}" for n in "ABCD"]
    head = "case,ct,muscle,l3_slice_from_feet,sex,sarcopenic,sma_cm2\n"
    (tmp_path / "c" / "manifest.csv").write_text(head + "\n".join(rows))
    given = ("splits", tmp_path / "c", "--out", tmp_path / "s.json", "--sizes", "2,1,1", "--no-stratify")
    assert call(*given, "--check") == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("sarcopenia: B: A slice of the mask has 89×64 pixels, of the CT 90×64; ")
    assert told[1] == "sarcopenia: C: warning: the mask measures 136.00 cm² at L3, the manifest says 150.00"
    assert told[2].startswith("sarcopenia: D: The file is no NIfTI")
    assert told[3].startswith("sarcopenia: 2 cases cannot be used")
    assert len(told) == 4
    assert not (tmp_path / "s.json").exists()
    assert call(*given) == 0  # nothing is opened
    assert [line[:40] for line in capsys.readouterr().err.splitlines()] == [
        f"sarcopenia: {n}: warning: told sarcopenic, but"[:40] for n in "BCD"
    ]
