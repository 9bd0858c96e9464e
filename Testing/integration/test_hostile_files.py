"""Files made to do harm: each is refused in a line, or shown as the text that it is (docs/security.md)."""

from __future__ import annotations

import ast
import csv
import gzip
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from SarcopeniaAssessLib.console import printable
from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.errors import InputError, ModelError, SarcopeniaError
from SarcopeniaAssessLib.manifest_rows import as_cell, read_rows
from SarcopeniaAssessLib.model_file import ModelEntry
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.report import csv_row, report_pdf
from SarcopeniaAssessLib.run_summary import RunSummary
from SarcopeniaAssessLib.smit_checkpoints import load_official_smit
from SarcopeniaAssessLib.verification import verify_path
from Testing.library import small_case
from Testing.library.ct_files import affine, anatomy, write_itk, write_nifti

ROOT = Path(__file__).parents[2]
FORMULAS = {t: f"'{t}" for t in ("=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1")}
FORMULAS |= {"\t=1": "' =1", "\r=1": "' =1", "\n\x1b=1": "'  =1"}
"""What a spreadsheet would run → the cell that it gets."""


def command(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    places = os.pathsep.join((str(ROOT / "SarcopeniaAssess"), str(ROOT)))
    return subprocess.run(
        [sys.executable, "-m", "SarcopeniaAssessLib", *arguments],
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": places, **environment},
        timeout=60,
        check=False,
    )


def header(path: Path, at: int, kind: str, *values: float) -> bytes:
    """A NIfTI file's bytes with other values in its header (offsets of nifti1.h)."""
    content = path.read_bytes()
    packed = struct.pack(f"<{len(values)}{kind}", *values)
    return content[:at] + packed + content[at + len(packed) :]


@pytest.mark.parametrize("side", [30000, 32767])
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_of_300_bytes_takes_no_memory(tmp_path, side, packed):
    """NIfTI-1 holds sides up to 32767; 27 to 70 TB here."""
    image = header(write_nifti(tmp_path / "ct.nii", anatomy(), affine()), 42, "h", side, side, side)[:352]
    path = tmp_path / "absurd.nii.gz"
    path.write_bytes(gzip.compress(image) if packed else image)
    started = time.perf_counter()
    with pytest.raises(InputError, match="truncated"):
        open_ct(path)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("packed", [False, True])
def test_60000_cubed_in_nifti_2(tmp_path, packed):
    import nibabel as nib

    nib.save(nib.Nifti2Image(anatomy(), affine()), tmp_path / "ct.nii")
    image = header(tmp_path / "ct.nii", 24, "q", 60000, 60000, 60000)[:544]
    path = tmp_path / "absurd.nii"
    path.write_bytes(gzip.compress(image) if packed else image)
    with pytest.raises(InputError, match="truncated"):
        open_ct(path)


def test_what_inflates_without_end_is_left(tmp_path):
    """50 MB of zeros behind the last voxel, in 50 kB."""
    image = write_nifti(tmp_path / "ct.nii", anatomy(), affine()).read_bytes()
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(image + bytes(50 << 20), 9))
    with pytest.raises(InputError, match="goes on"):
        open_ct(tmp_path / "bomb.nii.gz")
    (tmp_path / "padded.nii.gz").write_bytes(gzip.compress(image + bytes(4096), 9))
    np.testing.assert_array_equal(open_ct(tmp_path / "padded.nii.gz").slab(2, 3), anatomy()[:, :, 2:3])


@pytest.mark.parametrize("offset", [0, 348, -1, 351.5, 352.5, 1e30, float("nan"), float("inf")])
@pytest.mark.parametrize("packed", [False, True])
def test_voxels_do_not_begin_in_the_header_or_nowhere(tmp_path, offset, packed):
    image = header(write_nifti(tmp_path / "ct.nii", anatomy(), affine()), 108, "f", offset)
    (tmp_path / "x.nii").write_bytes(gzip.compress(image) if packed else image)
    with pytest.raises(InputError, match="begin"):
        open_ct(tmp_path / "x.nii")


def beside(tmp_path: Path, name: str, old: bytes, new: bytes) -> Path:
    """A header with its voxels beside it, and one change to the header."""
    path = write_itk(tmp_path / name, anatomy(), affine())
    text = path.read_bytes()
    assert old in text
    path.write_bytes(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("to", ["absolute", "above", "drive"])
@pytest.mark.parametrize(
    ("name", "old"), [("ct.mhd", b"ElementDataFile = ct.raw"), ("ct.nhdr", b"data file: ct.raw")]
)
def test_a_header_does_not_lead_to_files_elsewhere(tmp_path, name, old, to):
    place = tmp_path / "given"
    place.mkdir()
    shutil.copy(
        write_itk(tmp_path / "ct.mhd", anatomy(), affine()).with_suffix(".raw"), tmp_path / "secret.raw"
    )
    elsewhere = {
        "absolute": str(tmp_path / "secret.raw"),
        "above": "../secret.raw",
        "drive": "C:\\secret.raw",
    }[to]
    path = beside(place, name, old, old.rpartition(b"ct.raw")[0] + elsewhere.encode())
    with pytest.raises(InputError, match="elsewhere"):
        open_ct(path)


@pytest.mark.parametrize("value", [b"LIST", b"LIST 2D", b"ct%03d.raw 1 9 1"])
@pytest.mark.parametrize(
    ("name", "old"), [("ct.mhd", b"ElementDataFile = ct.raw"), ("ct.nhdr", b"data file: ct.raw")]
)
def test_a_header_does_not_name_many_files(tmp_path, name, old, value):
    with pytest.raises(InputError, match="many files"):
        open_ct(beside(tmp_path, name, old, old.rpartition(b"ct.raw")[0] + value))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ct.nrrd", b"sizes: 30 22 9", b"sizes: 30 22 9\nsizes: 30 22 9"),
        ("ct.nrrd", b"sizes: 30 22 9", b"sizes: inf 22 9"),
        ("ct.nrrd", b"sizes: 30 22 9", b"sizes: 60000 60000 60000"),
        ("ct.nrrd", b"sizes: 30 22 9", b"# " + b"x" * 70000 + b"\nsizes: 30 22 9"),
        ("ct.nrrd", b"encoding: raw", b"encoding: hex"),
        ("ct.mha", b"DimSize = 30 22 9", b"DimSize = 30 22 9\nDimSize = 30 22 9"),
        ("ct.mha", b"DimSize = 30 22 9", b"DimSize = nan 22 9"),
        ("ct.mha", b"DimSize = 30 22 9", b"DimSize = 60000 60000 60000"),
        ("ct.mha", b"ElementDataFile = LOCAL", b"elementdatafile = LOCAL"),
        ("ct.mha", b"DimSize = 30 22 9", b"ElementDataFile : /etc/passwd\nDimSize = 30 22 9"),
    ],
)
def test_headers_that_two_readers_would_understand_differently(tmp_path, name, old, new):
    with pytest.raises(InputError):
        open_ct(beside(tmp_path, name, old, new))


def test_a_note_of_an_nrrd_header_is_no_field(tmp_path):
    """`space:=` is text of whoever wrote the file; the space is what the field says."""
    plain = open_ct(write_itk(tmp_path / "ct.nrrd", anatomy(), affine())).ras_from_ijk
    noted = beside(tmp_path, "ct.nrrd", b"encoding: raw", b"space:=right-anterior-superior\nencoding: raw")
    np.testing.assert_array_equal(open_ct(noted).ras_from_ijk, plain)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_no_pipe_is_waited_for(tmp_path):
    (tmp_path / "case").mkdir()
    os.mkfifo(tmp_path / "case" / "assessment.json")
    os.mkfifo(tmp_path / "pipe.nii")
    with pytest.raises(SarcopeniaError):
        open_ct(tmp_path / "pipe.nii")
    with pytest.raises(SarcopeniaError):
        verify_path(tmp_path / "pipe.nii")
    (tmp_path / "case" / "assessment.json").unlink()
    (tmp_path / "case" / "assessment.json").write_text(json.dumps(small_case.record()))
    (tmp_path / "case" / "report.pdf").symlink_to("/dev/zero")
    (found,) = verify_path(tmp_path / "case")
    assert [finding.code for finding in found.findings] == ["no_file"]


class Harmful:
    """What a pickle can be: a call, made when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".ckpt", ".pkl", ".safetensors"])
def test_weights_run_no_code(tmp_path, suffix, wrapped):
    import torch

    path, marker = tmp_path / f"weights{suffix}", tmp_path / "harm"
    if wrapped:
        torch.save({"state_dict": {"a": torch.zeros(2)}, "epoch": Harmful(marker)}, path)
    else:
        path.write_bytes(pickle.dumps(Harmful(marker)))
    with pytest.raises(ModelError):
        load_model(path)
    with pytest.raises(ModelError):
        load_official_smit(path, {})
    assert not marker.exists()
    with path.open("rb") as stream:
        torch.load(stream, weights_only=False) if wrapped else pickle.load(stream)
    assert marker.exists()  # it would have


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text, tmp_path):
    cell = FORMULAS[text]
    assert as_cell(text) == cell
    assert as_cell(cell) == cell
    record = small_case.record(model={"version": text}, software={"version": text})
    row = csv_row(record)
    assert (row["model_version"], row["software_version"]) == (cell, cell)
    assert (row["l3_superior_mm"], as_cell(-1.5), as_cell("a=1"), as_cell("")) == (-403.5, -1.5, "a=1", "")
    summary = RunSummary()
    summary._failed["one"] = text
    for _ in range(2):  # taken over from one run to the next
        summary.keep_failures(tmp_path / "failures.csv", tmp_path / ".part", ())
    with (tmp_path / "failures.csv").open(newline="", encoding="utf-8") as file:
        assert [row["problem"] for row in csv.DictReader(file)] == [cell]


def test_signs_that_steer_a_terminal_are_written_out(tmp_path):
    assert printable("a\x1b[2Jb\x9bc\u202ed\u2028\U000e0001cm² −") == (
        "a\\u001b[2Jb\\u009bc\\u202ed\\u2028\\udb40\\udc01cm² −"
    )
    assert json.loads(printable('"\x9b\U000e0001"')) == "\x9b\U000e0001"
    (tmp_path / "out" / "a\x1b[31mb").mkdir(parents=True)
    (tmp_path / "out" / "a\x1b[31mb" / "assessment.json").write_text("{}")
    done = command("verify", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"a\\u001b[31mb" in done.stderr
    done = command("assess", "no\x1b]0;x\x07.nii", "--model", "m\x1b[0m.safetensors", cwd=tmp_path)
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr


@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\u202e", "\n"])
@pytest.mark.parametrize("field", ["trained_on", "version", "licence"])
def test_a_models_entry_holds_no_steering_signs(field, sign):
    entry = {
        "name": "m", "version": "1", "architecture": {"kind": "smit"}, "preprocessing": {}, "trained_on": "x",
    }  # fmt: skip
    ModelEntry.from_mapping(entry)
    with pytest.raises(ModelError, match="control"):
        ModelEntry.from_mapping({**entry, field: f"a{sign}b"})
    with pytest.raises(ModelError, match="control"):
        ModelEntry.from_mapping({**entry, "card": {"use": ["fine", f"a{sign}b"]}})


def test_a_page_shows_markup_as_text(tmp_path):
    from PIL import Image

    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (Debian: poppler-utils)")
    marked = '<img src="/etc/passwd"/><a href="http://x.invalid">b</a></para>&lt;'
    record = small_case.record(
        quality=[{"code": "<b>c", "severity": "warning", "message": marked}],
        model={"name": "m", "version": "1", "sha256": "cd" * 32, "trained_on": marked},
    )
    (tmp_path / "a.pdf").write_bytes(report_pdf(record, Image.new("RGB", (60, 40))))
    shown = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "a.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    assert (
        "".join(shown.split()).count('<imgsrc="/etc/passwd"/><ahref="http://x.invalid">b</a></para>&lt;') == 2
    )
    assert b"/URI" not in (tmp_path / "a.pdf").read_bytes()


def test_a_list_of_studies_is_not_without_end(tmp_path, monkeypatch):
    from SarcopeniaAssessLib import manifest_rows

    monkeypatch.setattr(manifest_rows, "_LARGEST_BYTES", 100)
    (tmp_path / "a.csv").write_text("case,ct\n" + "a,b\n" * 22)  # 96 bytes
    assert len(read_rows(tmp_path / "a.csv")) == 22
    (tmp_path / "a.csv").write_text("case,ct\n" + "a,b\n" * 24)  # 104 bytes
    with pytest.raises(InputError, match="larger"):
        read_rows(tmp_path / "a.csv")


@pytest.mark.parametrize("number", ["9" * 400, "1e999", "-inf", "nan", "١" * 400])
def test_numbers_of_a_list_that_no_person_has(tmp_path, number):
    (tmp_path / "a.csv").write_text(f"case,ct,age_years,l3_slice_from_feet\na,b,{number},\nc,d,,{number}\n")
    from SarcopeniaAssessLib.study_list import read_studies

    with pytest.raises(InputError, match="line 2"):
        read_studies(tmp_path / "a.csv")


def test_nothing_parses_xml():
    """No XML is read anywhere, so no entity is expanded; reportlab's escape only writes."""
    found = set()
    for path in [*(ROOT / "SarcopeniaAssess").rglob("*.py"), *(ROOT / "SarcopeniaTraining").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {
                name for name in names if name.split(".")[0] in ("xml", "lxml", "defusedxml", "xmltodict")
            }
    assert found <= {"xml.sax.saxutils.escape"}


@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.ISO-8859-1", "tr_TR.UTF-8"])
def test_the_locale_changes_nothing(tmp_path, locale):
    small_case.write_model(tmp_path / "m.safetensors")
    small_case.write_nifti(tmp_path / "İstanbul-ß.nii.gz", small_case.ct())
    done = command(
        "assess", "İstanbul-ß.nii.gz", "--l3", "slice:3", "--sex", "male", "--model", "m.safetensors",
        cwd=tmp_path, LC_ALL=locale, LANG=locale,
        PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # 136 cm² is counted by hand in small_case.
    assert "İstanbul-ß  SMA 136.0 cm²" in done.stdout.decode("utf-8")
