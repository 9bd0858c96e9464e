"""Archives, discs and folders through the command: the same results, and nothing left behind."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.fileset import FileSet

from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.verification import verify_path
from Testing.library.ct_files import store, write_dicom
from Testing.library.small_case import MUSCLE_CM2, affine, ct, write_model, write_nifti

NATIVE, RAS = store(ct(), affine(), (0, 1, 2), (True, True, False))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """An archive, a disc and a folder of one CT, an archive of two phases, and labels of L3."""
    folder = tmp_path_factory.mktemp("inputs")
    facts = {"PatientSex": "F", "StudyDate": "20240301", "StudyTime": "1015", "StudyID": "1"}
    files = write_dicom(folder / "studies" / "plain", NATIVE, RAS, **facts)
    with zipfile.ZipFile(folder / "studies" / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"../../{file.name}")
    disc = FileSet()
    for file in files:
        disc.add(file)
    disc.write(folder / "discs" / "disc 7")
    later = write_dicom(
        folder / "later", np.where(NATIVE == 50, 90, NATIVE), RAS, SeriesInstanceUID="1.2.826.0.1.9", **facts
    )
    with zipfile.ZipFile(folder / "phases.zip", "w") as archive:
        for n, file in enumerate((*files, *later)):
            archive.write(file, f"IM{n}")
    labels = np.zeros(NATIVE.shape, np.uint8)
    labels[40:50, 30:40, 3] = 29
    write_nifti(folder / "labels.nii.gz", labels, RAS)
    write_model(folder / "everything.safetensors")
    return folder


def assess(inputs: Path, out: Path, *arguments: str) -> dict[str, dict]:
    """Records by case; every case must have one, and the input's folder must be as it was."""
    before = sorted(inputs.rglob("*"))
    model = str(inputs / "everything.safetensors")
    assert run_group(cli, ["assess", *arguments, "--model", model, "--out", str(out)]) == 0
    assert sorted(inputs.rglob("*")) == before
    return {path.parent.name: json.loads(path.read_text()) for path in out.glob("*/assessment.json")}


def test_a_folder_of_archives_and_folders_each_a_study(inputs, tmp_path):
    records = assess(inputs, tmp_path / "out", str(inputs / "studies"), "--each", "--l3", "slice:3")
    assert sorted(records) == ["packed", "plain"]
    one, other = records["packed"], records["plain"]
    assert one["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)
    assert one["input"] == other["input"]
    assert one["muscle"] == other["muscle"]
    assert (tmp_path / "out" / "packed" / "muscle.seg.dcm").exists()
    assert (tmp_path / "out" / "packed" / "report.sr.dcm").exists()
    assert [finding.message for each in verify_path(tmp_path / "out") for finding in each.findings] == []


def test_a_list_of_studies_takes_archives_and_discs(inputs, tmp_path):
    rows = [("from archive", "studies/packed.zip"), ("from disc", "discs/disc 7/DICOMDIR")]
    with (inputs / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("case", "ct", "l3"), *((*row, "slice:3") for row in rows)])
    records = assess(inputs, tmp_path / "out", str(inputs / "list.csv"))
    assert sorted(records) == ["from_archive", "from_disc"]
    assert records["from_archive"]["input"]["sha256"] == records["from_disc"]["input"]["sha256"]


def test_each_series_of_an_archive_is_a_case(inputs, tmp_path):
    level = f"labels:{inputs / 'labels.nii.gz'}=29"
    records = assess(inputs, tmp_path / "out", str(inputs / "phases.zip"), "--l3", level)
    assert {case: round(record["muscle"]["mean_hu"]) for case, record in records.items()} == {
        "phases-1": 50,
        "phases-2": 90,
    }


def test_a_disc_is_called_after_its_folder(inputs, tmp_path):
    disc = str(inputs / "discs" / "disc 7" / "DICOMDIR")
    assert list(assess(inputs, tmp_path / "out", disc, "--l3", "slice:3")) == ["disc_7"]


def test_a_bomb_among_studies_stops_none(inputs, tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("IM1", bytes(128) + b"DICM" + bytes(80 << 20))
    model = str(inputs / "everything.safetensors")
    given = [str(tmp_path / "bomb.zip"), str(inputs / "studies" / "packed.zip")]
    assert run_group(cli, ["assess", *given, "--model", model, "--l3", "slice:3"]) == 1
    said = capsys.readouterr()
    assert "bomb: The zip archive unpacks to 80 MB from 0.1 MB (files: 1)" in said.err
    assert said.out.startswith("packed")
    assert str(tmp_path) not in said.err


def test_every_row_of_the_page_names_a_test_that_is_there():
    root = Path(__file__).parents[2]
    page = (root / "docs" / "dicom-input.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[-1] for line in page.splitlines() if line.endswith("` |")]
    assert len(rows) > 35
    for row in rows:
        for file, names in re.findall(r"`(test_\w+)`((?:(?:, | )`(?!test_)\w+`)*)", row):
            source = (root / "Testing" / "library" / f"{file}.py").read_text(encoding="utf-8")
            for name in re.findall(r"`(\w+)`", names):
                assert re.search(rf"def test_\w*{name}", source), f"{file}: {name}"
