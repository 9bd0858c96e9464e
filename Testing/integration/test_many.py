"""`assess` over many: a list or a folder of studies, failures kept, killed and resumed."""

import csv
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from SarcopeniaAssessLib.__main__ import cli, run_group
from Testing.library.small_case import LEVEL, MUSCLE_CM2, ct, write_model, write_nifti

COUNT = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_model(tmp_path_factory.mktemp("model") / "everything.safetensors"))


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """CTs and an empty file, and the list of them."""
    folder = tmp_path_factory.mktemp("studies")
    lines = ["case,ct,sex,l3_slice_from_feet"]
    for number in range(COUNT):
        path = folder / "scans" / f"{number:02d}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        if number == 3:
            path.write_bytes(b"")
        else:
            write_nifti(path, ct())
        lines.append(f"patient {number:02d},scans/{path.name},{'male' if number % 2 else ''},{LEVEL}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    return folder


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_list_of_studies(studies, model, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["assess", str(studies / "list.csv"), "--model", model, "--out", str(out), "--sex", "female"]
    assert run_group(cli, words) == 1
    rows = {row["case"]: row for row in table(out / "assessments.csv")}
    assert sorted(rows) == [f"patient_{n:02d}" for n in range(COUNT) if n != 3]
    assert float(rows["patient_00"]["sma_cm2"]) == pytest.approx(MUSCLE_CM2)
    # The list's sex goes before the command's, which holds where the list says nothing.
    assert (rows["patient_01"]["sex"], rows["patient_00"]["sex"]) == ("male", "female")
    assert [row["case"] for row in table(out / "failures.csv")] == ["patient_03"]
    said = capsys.readouterr().err.splitlines()
    assert said[-2].startswith(f"sarcopenia: {COUNT - 1} assessed in ")
    assert "5 sarcopenic, 6 not sarcopenic, 0 undetermined" in said[-2]
    assert said[-1].startswith("sarcopenia: 1 failed (patient_03): The file is empty; ")


def test_a_failure_that_is_mended_is_forgotten(studies, model, tmp_path):
    out, mended = tmp_path / "out", tmp_path / "studies"
    (mended / "scans").mkdir(parents=True)
    for path in (studies / "scans").iterdir():
        (mended / "scans" / path.name).write_bytes(path.read_bytes())
    (mended / "list.csv").write_bytes((studies / "list.csv").read_bytes())
    words = ["assess", str(mended / "list.csv"), "--model", model, "--out", str(out), "--resume"]
    assert run_group(cli, words) == 1
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/assessment.json")}
    write_nifti(mended / "scans" / "03.nii.gz", ct())
    assert run_group(cli, words) == 0
    assert not (out / "failures.csv").exists()
    assert len(table(out / "assessments.csv")) == COUNT
    assert {path: path.stat().st_mtime_ns for path in before} == before  # the others were kept


def test_a_case_mended_by_itself_is_forgotten_too(studies, model, tmp_path):
    out = tmp_path / "out"
    words = ["assess", str(studies / "list.csv"), "--model", model, "--out", str(out)]
    assert run_group(cli, words) == 1
    assert run_group(cli, words) == 2  # all are refused: they are there
    assert [row["case"] for row in table(out / "failures.csv")] == ["patient_03"]
    write_nifti(tmp_path / "mended.nii.gz", ct())
    alone = ["assess", str(tmp_path / "mended.nii.gz"), "--case", "patient_03", "--l3", f"slice:{LEVEL}"]
    assert run_group(cli, [*alone, "--model", model, "--out", str(out)]) == 0
    assert not (out / "failures.csv").exists()


def test_a_disk_full_at_the_very_end_takes_no_case_back(studies, model, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("SarcopeniaAssessLib.run_summary.write_synced", full)
    words = ["assess", str(studies / "list.csv"), "--model", model, "--out", str(tmp_path / "out")]
    assert run_group(cli, words) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == COUNT - 1
    assert "sarcopenia: failures.csv is not up to date: The disk is full" in said.err
    assert len(table(tmp_path / "out" / "assessments.csv")) == COUNT - 1


def test_each_entry_of_a_folder(studies, model, tmp_path):
    out = tmp_path / "out"
    words = ["assess", str(studies / "scans"), "--each", "--model", model, "--l3", f"slice:{LEVEL}"]
    assert run_group(cli, [*words, "--jobs", "2", "--out", str(out)]) == 1
    assert [row["case"] for row in table(out / "assessments.csv")] == [
        f"{number:02d}" for number in range(COUNT) if number != 3
    ]


def test_a_list_with_a_wrong_row_is_refused_before_anything_is_written(studies, model, tmp_path, capsys):
    path = studies / "wrong.csv"
    path.write_text("case,ct,sex\na,scans/00.nii.gz,male\nb,scans/01.nii.gz,x\n")
    assert run_group(cli, ["assess", str(path), "--model", model, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("sarcopenia: wrong.csv: line 3: sex 'x' is unknown")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_five_random_moments_each_case_is_there_once_and_whole(tmp_path, model, jobs):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    for number in range(80):
        write_nifti(scans / f"{number:03d}.nii.gz", ct())
    words = [sys.executable, "-m", "SarcopeniaAssessLib", "assess", str(scans), "--each", "--model", model]
    words += ["--l3", f"slice:{LEVEL}", "--out", str(out), "--resume", "--jobs", str(jobs)]
    moments, kills = random.Random(jobs), 0
    while kills < 5:
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        child.stdout.readline()  # a first result has come
        time.sleep(moments.uniform(0.0, 1.5))
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            kills += 1
        child.wait()
        child.stdout.close()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = Counter(path.name for path in out.iterdir())
    assert sorted(names) == sorted([*(f"{number:03d}" for number in range(80)), "assessments.csv"])
    assert [row["case"] for row in table(out / "assessments.csv")] == [f"{n:03d}" for n in range(80)]
    for path in out.glob("*/assessment.json"):
        assert json.loads(path.read_text())["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)
