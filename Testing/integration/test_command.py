"""The command from outside: every bad input one line and a remedy, good ones finished, nothing by halves."""

import csv
import gzip
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import SarcopeniaAssessLib
from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.record import accept, read_record, record_json, validate_record
from Testing.library.ct_files import dicom_image, save, store, write_dicom, write_enhanced
from Testing.library.small_case import (
    LEVEL,
    MUSCLE_CM2,
    SHAPE,
    affine,
    area_cm2,
    ct,
    muscle,
    write_model,
    write_nifti,
)

PATHS = [str(Path(SarcopeniaAssessLib.__file__).parents[1]), str(Path(__file__).parents[2])]
MAIN = "from SarcopeniaAssessLib.__main__ import main\nmain()"
LINE = f"good  SMA {MUSCLE_CM2:.1f} cm²  mean 50 HU  sarcopenic (cut-off 144)\n"
LPS = store(ct(), affine(), (0, 1, 2), (True, True, False))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A good CT and a model that finds its muscle."""
    folder = tmp_path_factory.mktemp("files")
    write_nifti(folder / "good.nii.gz", ct())
    write_model(folder / "everything.safetensors")
    return folder


@pytest.fixture
def run(files, capsys):
    """Run the command in this process: (exit status, standard output, standard error)."""

    def call(*arguments, model="everything.safetensors", level=f"slice:{LEVEL}", sex="male", verb="assess"):
        words = [verb, *map(str, arguments)]
        if verb == "assess":
            words += ["--model", str(files / model)]
        words += ["--l3", level] if level else []
        words += ["--sex", sex] if sex else []
        status = run_group(cli, words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def child(*arguments, script=None, **options):
    """Run the command in a process of its own; `script` may prepare it."""
    code = f"import sys; sys.path[:0] = {PATHS!r}\n{script or ''}\n{MAIN}"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, check=False, **options
    )


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def complaints(err):
    return [line for line in err.splitlines() if ": warning: " not in line]


# ---------------------------------------------------------------- what works


def test_the_line(run, files):
    status, out, err = run(files / "good.nii.gz")
    assert (status, out) == (0, LINE)
    assert complaints(err) == []


def test_json_lines_on_standard_output_alone(run, files):
    status, out, _ = run(files / "good.nii.gz", files / "good.nii.gz", "--json", sex=None)
    records = [json.loads(line) for line in out.splitlines()]
    assert status == 0  # undetermined counts
    assert [made["case"] for made in records] == ["good", "good-2"]
    for made in records:
        validate_record(made)
        assert made["status"]["value"] == "undetermined"


def test_without_out_nothing_is_written(run, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = tree(files)
    assert run(files / "good.nii.gz")[0] == 0
    assert tree(files) == before
    assert tree(tmp_path) == []


def test_the_output_folder(run, files, tmp_path):
    out = tmp_path / "results"
    status, said, _ = run(files / "good.nii.gz", "--out", out, "--height", 1.75)
    assert (status, said) == (0, LINE)
    expected = ["SHA256SUMS", "assessment.json", "muscle.nii.gz", "overlay.png", "report.pdf"]
    assert tree(out) == ["assessments.csv", "good", *(f"good/{name}" for name in expected)]
    record = read_record(out / "good" / "assessment.json")
    assert record["muscle"]["smi_cm2_m2"] == pytest.approx(MUSCLE_CM2 / 1.75**2)
    mask = nib.load(out / "good" / "muscle.nii.gz")
    np.testing.assert_array_equal(mask.affine, nib.load(files / "good.nii.gz").affine)
    assert np.count_nonzero(mask.dataobj) * 0.2 == pytest.approx(MUSCLE_CM2)
    with (out / "assessments.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == ["good"]
    assert float(rows[0]["sma_cm2"]) == record["muscle"]["sma_cm2"]


@pytest.mark.parametrize("form", ["folder", "enhanced", "nrrd", "mha"])
def test_every_format_gives_the_same_area(run, files, tmp_path, form):
    from Testing.library.ct_files import write_itk

    path = tmp_path / form
    if form == "folder":
        write_dicom(path, *LPS, names=[f"{(5 * k) % 7}.dcm" for k in range(7)])
    elif form == "enhanced":
        write_enhanced(path, *LPS)
    else:
        path = write_itk(tmp_path / f"{form}.{form}", *LPS)
    status, out, err = run(path, "--json")
    assert status == 0, err
    record = json.loads(out)
    assert record["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2, rel=1e-6)
    assert record["l3"]["slice_from_feet"] == LEVEL


def test_sex_from_the_header_and_a_contradiction(run, tmp_path):
    write_dicom(tmp_path / "ct", *LPS, PatientSex="F", PatientAge="071Y", PatientSize="1.60")
    for sex in (None, "dicom"):
        status, out, _ = run(tmp_path / "ct", sex=sex)
        assert (status, out.rstrip().endswith("not sarcopenic (cut-off 92)")) == (0, True)
    _, out, err = run(tmp_path / "ct", "--json", sex="male")
    made = json.loads(out)
    assert made["status"]["cutoff"] == 144
    assert made["patient"]["age_years"] == 71
    assert "contradicts" in err


def test_measure_counts_by_hand(run, files, tmp_path):
    path = write_nifti(tmp_path / "mine.nii.gz", muscle())
    status, out, _ = run(path, verb="measure")
    assert (status, out) == (0, f"mine  SMA {MUSCLE_CM2:.1f} cm²  sarcopenic (cut-off 144)\n")
    status, out, _ = run(path, "--ct", files / "good.nii.gz", "--out", tmp_path / "out", verb="measure")
    assert out == f"mine  SMA {MUSCLE_CM2:.1f} cm²  mean 50 HU  sarcopenic (cut-off 144)\n"
    assert (tmp_path / "out" / "mine" / "report.pdf").is_file()


def test_keep_identity_without_a_place_to_write_to_says_that_it_keeps_nothing(run, files, tmp_path):
    status, out, err = run(files / "good.nii.gz", "--keep-identity")
    assert (status, out) == (0, LINE)
    assert "no effect" in err
    assert "no effect" not in run(files / "good.nii.gz", "--keep-identity", "--out", tmp_path / "out")[2]


@pytest.mark.parametrize("options", [(), ("--keep-identity",)])
def test_a_dicom_study_gets_segmentation_and_report_with_or_without_its_patient(run, tmp_path, options):
    from pydicom import dcmread

    write_dicom(tmp_path / "ct", *LPS, PatientSex="M")
    assert run(tmp_path / "ct", "--out", tmp_path / "out", *options)[0] == 0
    for name in ("muscle.seg.dcm", "report.sr.dcm"):
        read = dcmread(tmp_path / "out" / "ct" / name)
        assert str(read.PatientName) == ("Planted^Name" if options else "")
        assert read.PatientSex == ("M" if options else "")
    assert run(tmp_path / "out", verb="verify", level=None, sex=None)[0] == 0


def test_a_mask_measured_on_a_dicom_ct_gets_them_too(run, tmp_path):
    from pydicom import dcmread

    write_dicom(tmp_path / "ct", *LPS)
    path = write_nifti(tmp_path / "mine.nii.gz", *store(muscle(), affine(), (0, 1, 2), (True, True, False)))
    out = tmp_path / "out"
    assert run(path, "--ct", tmp_path / "ct", "--out", out, verb="measure")[0] == 0
    (segment,) = dcmread(out / "mine" / "muscle.seg.dcm").SegmentSequence
    assert segment.SegmentAlgorithmType == "MANUAL"
    assert run(out, verb="verify", level=None, sex=None)[0] == 0


def test_a_case_may_be_named(run, files):
    assert run(files / "good.nii.gz", "--case", "number 7")[1].startswith("number_7  SMA")


def test_several_criteria(run, files):
    out = run(files / "good.nii.gz", "--criterion", "vanderwerf2018", "--criterion", "bhardwaj2025")[1]
    assert out.rstrip().endswith("not sarcopenic, borderline (cut-off 134)")


# ---------------------------------------------------------------- bad input


def nifti(tmp_path, array, **header):
    image = nib.Nifti1Image(array, affine())
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, tmp_path / "bad.nii.gz")
    return tmp_path / "bad.nii.gz"


def raw_header(tmp_path, change):
    """A NIfTI whose header bytes are changed behind nibabel's back."""
    nib.save(nib.Nifti1Image(ct(), affine()), tmp_path / "plain.nii")
    content = bytearray((tmp_path / "plain.nii").read_bytes())
    change(content)
    (tmp_path / "bad.nii.gz").write_bytes(gzip.compress(bytes(content)))
    return tmp_path / "bad.nii.gz"


def zero_sform(content):
    content[280:328] = bytes(48)
    content[252:256] = np.array([0, 1], "<i2").tobytes()


def spacing(value):
    def change(content):
        content[80:92] = np.array([value, 5, 6], "<f4").tobytes()
        content[252:256] = np.array([1, 0], "<i2").tobytes()

    return change


def sform_spacing(value):
    def change(content):
        content[280:284] = np.array([value], "<f4").tobytes()
        content[252:256] = np.array([0, 1], "<i2").tobytes()

    return change


def with_nan():
    hu = ct().astype(np.float32)
    hu[2, 3, 0] = np.nan
    return hu


def dicom(tmp_path, **attributes):
    write_dicom(tmp_path / "bad", *LPS, **attributes)
    return tmp_path / "bad"


def missing(tmp_path):
    return tmp_path / "bad.nii.gz"


def empty(tmp_path):
    (tmp_path / "bad.nii.gz").write_bytes(b"")
    return tmp_path / "bad.nii.gz"


def empty_folder(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "letter.txt").write_text("no image")
    return tmp_path / "bad"


def truncated(tmp_path):
    path = nifti(tmp_path, ct())
    path.write_bytes(path.read_bytes()[:-2000])
    return path


BAD_CT = {
    "missing": missing,
    "empty": empty,
    "folder without DICOM": empty_folder,
    "truncated": truncated,
    "2-D": lambda tmp: nifti(tmp, ct()[:, :, 3]),
    "4-D": lambda tmp: nifti(tmp, np.stack([ct()] * 2, axis=-1)),
    "5-D": lambda tmp: nifti(tmp, np.stack([ct()] * 3, axis=-1)[:, :, :, None]),
    "NaN": lambda tmp: nifti(tmp, with_nan()),
    "complex": lambda tmp: nifti(tmp, ct().astype(np.complex64)),
    "singular affine": lambda tmp: raw_header(tmp, zero_sform),
    "zero spacing": lambda tmp: raw_header(tmp, spacing(0)),
    "zero column": lambda tmp: raw_header(tmp, sform_spacing(0)),
    "spacing of metres": lambda tmp: raw_header(tmp, sform_spacing(0.004)),
    "infinite affine": lambda tmp: raw_header(tmp, sform_spacing(np.inf)),
    "MR": lambda tmp: dicom(tmp, SOPClassUID="1.2.840.10008.5.1.4.1.1.4", Modality="MR"),
    "PET": lambda tmp: dicom(tmp, SOPClassUID="1.2.840.10008.5.1.4.1.1.128", Modality="PT"),
    "secondary capture": lambda tmp: dicom(tmp, SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="OT"),
    "no rescale": lambda tmp: dicom(tmp, RescaleSlope=None, RescaleIntercept=None),
    "all air": lambda tmp: nifti(tmp, np.full(SHAPE, -1000, np.int16)),
    "no intercept": lambda tmp: nifti(tmp, (ct() + 1024).astype(np.int16)),
    "label map": lambda tmp: nifti(tmp, muscle()),
}


@pytest.mark.parametrize("make", BAD_CT.values(), ids=BAD_CT)
def test_bad_input_is_one_line_and_the_next_case_is_finished(run, files, tmp_path, make):
    path, out = make(tmp_path), tmp_path / "out"
    status, said, err = run(path, files / "good.nii.gz", "--out", out)
    assert (status, said) == (1, LINE)
    told = [line for line in complaints(err) if not line.endswith(("left", "done"))]
    assert len(told) == 1, err
    assert re.fullmatch(r"sarcopenia: bad: \S.*; \S.*", told[0])
    assert "Traceback" not in err
    assert str(tmp_path) not in err
    assert sorted(entry.name for entry in out.iterdir()) == ["assessments.csv", "good"]


@pytest.mark.parametrize("make", [missing, empty, truncated])
def test_nothing_is_left_where_nothing_succeeded(run, tmp_path, make):
    path = make(tmp_path)
    status, said, _ = run(path, "--out", tmp_path / "out")
    assert (status, said) == (2, "")
    assert not (tmp_path / "out").exists()


def wrong_shape(folder):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    path = folder / "everything.safetensors"
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(path)
    tensors["decoder.head.bias"] = tensors["decoder.head.bias"][:1].clone()
    save_file(tensors, folder / "bad.safetensors", metadata)
    return "bad.safetensors"


def flipped_bit(folder):
    """Weights of a registered model that are not those of its checksum."""
    content = bytearray((folder / "everything.safetensors").read_bytes())
    content[-3] ^= 4
    (folder / "own").mkdir(exist_ok=True)
    (folder / "own" / "everything.safetensors").write_bytes(content)
    from SarcopeniaAssessLib.models import load_model

    entry = load_model(folder / "everything.safetensors").entry
    listed = {"default": None, "models": [{**entry.to_mapping(), "file": "everything.safetensors"}]}
    (folder / "own" / "Models.json").write_text(json.dumps(listed))


def as_pickle(folder):
    (folder / "bad.pt").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    return "bad.pt"


def absent(folder):
    return "none.safetensors"


@pytest.mark.parametrize("make", [wrong_shape, flipped_bit, as_pickle, absent])
def test_bad_models(files, tmp_path, capsys, monkeypatch, make):
    shutil.copy(files / "everything.safetensors", tmp_path)
    monkeypatch.setenv("SARCOPENIA_MODELS", str(tmp_path / "own"))
    name = make(tmp_path)
    model = "everything" if name is None else tmp_path / name
    status = run_group(cli, ["assess", str(files / "good.nii.gz"), "--l3", "slice:3", "--model", str(model)])
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert re.fullmatch(r"sarcopenia: good: \S.*; \S.*\n", said.err)


@pytest.mark.parametrize(
    "options",
    [
        {"level": "slice:7"},
        {"level": "slice:-1"},
        {"level": "s:99"},
        {"level": "somewhere"},
        {"level": "labels:none.nii.gz"},
        {"level": "auto"},
        {"level": None},
        {"more": ["--criterion", "nobody1999"]},
        {"more": ["--height", "175"]},
        {"more": ["--age", "200"]},
        {"more": ["--weight", "0.5"]},
        {"more": ["--device", "cuda:99"]},
        {"more": ["--device", "abacus"]},
        {"more": ["--series", "1.2.3"]},
    ],
    ids=str,
)
def test_bad_options_are_one_line(run, files, options):
    given = dict(options)
    status, out, err = run(files / "good.nii.gz", *given.pop("more", []), **given)
    assert (status, out) == (2, "")
    assert re.fullmatch(r"sarcopenia: good: \S.*; \S.*\n", err)


def test_a_label_that_is_not_there_says_which_are(run, files, tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[40:50, 30:40, 3] = 28
    path = write_nifti(tmp_path / "labels.nii.gz", labels)
    _, _, err = run(files / "good.nii.gz", level=f"labels:{path}=29")
    assert "28" in err
    assert run(files / "good.nii.gz", level=f"labels:{path}=28")[1] == LINE


def several_labels():
    mask = muscle()
    mask[0, 0, 3] = 4
    return mask


@pytest.mark.parametrize(
    ("mask", "more"),
    [
        (np.zeros(SHAPE, np.uint8), []),
        (several_labels(), []),
        (muscle(), ["--label", "3"]),
        (muscle()[1:], ["--ct"]),
        (muscle(), ["--ct", "none"]),
        (muscle() * 0.5, []),
    ],
    ids=["empty", "several labels", "no such label", "another grid", "no CT", "probabilities"],
)
def test_bad_masks(run, files, tmp_path, mask, more):
    path = write_nifti(tmp_path / "mine.nii.gz", mask)
    given = [*more, files / "good.nii.gz"] if more == ["--ct"] else more
    status, out, err = run(path, *given, verb="measure")
    assert (status, out) == (2, "")
    assert re.fullmatch(r"sarcopenia: mine: \S.*; \S.*\n", err)


def test_several_slices_need_a_level(run, tmp_path):
    path = write_nifti(tmp_path / "mine.nii.gz", muscle())
    status, _, err = run(path, verb="measure", level=None)
    assert status == 2
    assert "--l3" in err


# ---------------------------------------------------------------- output


def test_a_case_that_is_there(run, files, tmp_path):
    good, out = files / "good.nii.gz", tmp_path / "out"
    run(good, "--out", out)
    before = (out / "good" / "assessment.json").read_bytes()
    status, said, err = run(good, "--out", out)
    assert (status, said) == (2, "")
    assert "--resume" in err
    status, said, _ = run(good, "--out", out, "--resume")
    assert (status, said) == (0, LINE)
    assert (out / "good" / "assessment.json").read_bytes() == before
    status, said, err = run(good, "--out", out, "--resume", sex="female")
    assert (status, said) == (2, "")
    assert "sex differs" in err
    status, said, _ = run(good, "--out", out, "--overwrite", sex="female")
    assert status == 0
    assert said.rstrip().endswith("not sarcopenic (cut-off 92)")
    assert (out / "good" / "assessment.json").read_bytes() != before


def test_what_a_person_accepted_is_never_replaced(run, files, tmp_path):
    run(files / "good.nii.gz", "--out", tmp_path)
    path = tmp_path / "good" / "assessment.json"
    path.write_text(record_json(accept(read_record(path), "A. Reader")), encoding="utf-8")
    status, _, err = run(files / "good.nii.gz", "--out", tmp_path, "--overwrite")
    assert status == 2
    assert "accepted" in err
    assert read_record(path)["review"]["reviewer"] == "A. Reader"
    assert run(files / "good.nii.gz", "--out", tmp_path, "--resume")[0] == 0


def test_rows_of_earlier_runs_are_kept(run, files, tmp_path):
    run(files / "good.nii.gz", "--out", tmp_path / "out")
    write_nifti(tmp_path / "another.nii.gz", ct())
    run(tmp_path / "another.nii.gz", "--out", tmp_path / "out")
    lines = (tmp_path / "out" / "assessments.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["case", "another", "good"]


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere"])
def test_an_output_folder_that_cannot_be(run, files, tmp_path, place):
    (tmp_path / "file").write_text("mine")
    status, out, err = run(files / "good.nii.gz", "--out", tmp_path / place)
    assert (status, out) == (2, "")
    assert re.fullmatch(r"sarcopenia: good: \S.*; \S.*\n", err)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_name_too_long(run, files, tmp_path):
    status, _, err = run(files / "good.nii.gz", "--out", tmp_path, "--case", "x" * 300)
    assert status == 2
    assert re.fullmatch(r"sarcopenia: x+: .*too long.*; .*\n", err)
    assert tree(tmp_path) == []


def test_a_full_disk(files, tmp_path):
    """A limit on file sizes, which the picture exceeds and the record does not."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    done = child(
        "assess", files / "good.nii.gz", "--model", files / "everything.safetensors",
        "--l3", "slice:3", "--out", tmp_path / "out", script=limit,
    )  # fmt: skip
    assert done.returncode == 2
    assert re.fullmatch(r"sarcopenia: good: The disk is full.*; .*\n", done.stderr.decode())
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_standard_output_that_is_full(files):
    with Path("/dev/full").open("wb") as full:
        code = f"import sys; sys.path[:0] = {PATHS!r}\n{MAIN}"
        done = subprocess.run(
            [sys.executable, "-c", code, "doctor"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert done.stderr.decode().startswith("sarcopenia: The output cannot be written")
    assert b"Traceback" not in done.stderr


SLOW_MASK = """
import time
from SarcopeniaAssessLib import case_files
def slow(file, mask, affine):
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
case_files.write_mask = slow
"""


# A shell's background job inherits an ignored SIGINT, for which Python installs no handler.
HEAR_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


@pytest.mark.parametrize(("how", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_killed_in_mid_write(run, files, tmp_path, how, status):
    out = tmp_path / "out"
    run(files / "good.nii.gz", "--out", out)
    before = tree(out)
    code = f"import sys; sys.path[:0] = {PATHS!r}\n{HEAR_INTERRUPTS}\n{SLOW_MASK}\n{MAIN}"
    words = ["assess", files / "good.nii.gz", "--model", files / "everything.safetensors", "--l3", "slice:3"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words), "--out", str(out), "--overwrite"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "writing\n"
    process.send_signal(how)
    _, err = process.communicate()
    assert process.returncode == status
    assert "Traceback" not in err
    if how == signal.SIGINT:
        assert err.splitlines()[-1].startswith("sarcopenia: interrupted; ")
        assert tree(out) == before
    assert (out / "good" / "muscle.nii.gz").stat().st_size > 100
    assert run(files / "good.nii.gz", "--out", out, "--resume")[0] == 0
    assert tree(out) == before


# ---------------------------------------------------------------- usage


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["assses"],
        ["assess"],
        ["measure"],
        ["assess", "x", "--sex", "unknown"],
        ["assess", "x", "--height", "tall"],
        ["assess", "x", "--jobs", "0"],
        ["assess", "x", "--nonsense"],
        ["assess", "x", "--resume", "--overwrite", "--out", "y"],
        ["assess", "x", "--resume"],
        ["assess", "x", "y", "--case", "z"],
        ["assess", "x", "--case", "///"],
        ["assess", "x", "--each"],
        ["assess", "none.csv"],
        ["models"],
        ["models", "info", "none-such"],
        ["models", "verify", "none-such"],
        ["models", "download", "none-such"],
        ["models", "import", "none.safetensors", "name"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exit_status_2(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SARCOPENIA_MODELS", str(tmp_path / "own"))
    assert run_group(cli, words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"sarcopenia: [^\n]*; \S[^\n]*\n", said.err)
    assert tree(tmp_path) == []


def test_what_nobody_expected_is_one_line_too_and_a_traceback_on_demand(run, files, monkeypatch):
    from SarcopeniaAssessLib import batch

    def fail(*_):
        raise ZeroDivisionError("Doe^John")

    monkeypatch.setattr(batch, "conclude", fail)
    status, out, err = run(files / "good.nii.gz")
    assert (status, out) == (2, "")
    kind = "Something unexpected happened (ZeroDivisionError)"
    assert err == f"sarcopenia: good: {kind}; run again with --debug and report it\n"
    assert "Traceback" in run(files / "good.nii.gz", "--debug")[2]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_utf8_in_any_locale(tmp_path, encoding):
    path = write_nifti(tmp_path / "mine.nii.gz", muscle())
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment["PYTHONIOENCODING"] = encoding
    done = child("measure", path, "--l3", "slice:3", env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode("utf-8").startswith(
        f"mine  SMA {area_cm2(3):.1f} cm²  undetermined (needs sex)"
    )


def test_the_models_verbs(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SARCOPENIA_MODELS", str(tmp_path / "own"))
    assert run_group(cli, ["models", "import", str(files / "everything.safetensors"), "mine"]) == 0
    assert run_group(cli, ["models", "verify", "mine"]) == 0
    assert run_group(cli, ["models", "list"]) == 0
    out = capsys.readouterr().out
    assert "mine  1  trained on: nothing: it calls every pixel muscle" in out
    assert run_group(cli, ["models", "info", "mine"]) == 0
    assert "nothing: it calls every pixel muscle" in capsys.readouterr().out
    assert run_group(cli, ["models", "info", "mine", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "mine"
    assert "Research use only" in told["use"]
    assert run_group(cli, ["assess", str(files / "good.nii.gz"), "--model", "mine", "--l3", "slice:3"]) == 0


# ---------------------------------------------------------------- identity

IDENTITY = {
    "PatientName": "Zebedee^Quillon",
    "PatientID": "ID-77331",
    "PatientBirthDate": "19480615",
    "StudyInstanceUID": "1.2.826.0.1.55501.1",
    "SeriesInstanceUID": "1.2.826.0.1.55501.2",
    "FrameOfReferenceUID": "1.2.826.0.1.55501.3",
    "AccessionNumber": "ACC-99120",
    "InstitutionName": "Saint Ermintrude",
    "ReferringPhysicianName": "Dougal^Florence",
    "StudyDescription": "Zebedee follow-up",
    "SeriesDescription": "Quillon portal",
    "PatientComments": "Zebedee Quillon lives in Brian Street",
    "OtherPatientIDs": "OTHER-5512",
    "StudyDate": "20230714",
}
TOKENS = re.compile(
    "zebedee|quillon|77331|19480615|55501|99120|ermintrude|dougal|florence|brian|5512|20230714", re.IGNORECASE
)


def contents(path):
    """Bytes of a file, unpacked where it is packed."""
    content = path.read_bytes()
    yield content
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    if content.startswith(b"%PDF"):
        for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
            for decode in (zlib.decompress, lambda packed: zlib.decompress(_ascii85(packed))):
                try:
                    yield decode(stream)
                except (ValueError, zlib.error):
                    continue


def without_uids(path, content):
    """A file's text; of DICOM results without the UIDs that they must carry, of all without hashes."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "", content.decode("latin-1"))
    return re.sub(r"1\.2\.826\.0\.1\.55501\.[123]|2\.25\.\d+", "", text) if path.suffix == ".dcm" else text


def _ascii85(packed):
    import base64

    return base64.a85decode(b"<~" + packed.strip(), adobe=True)


@pytest.mark.parametrize("name", ["series", "1.2.826.0.1.55501.2"])
def test_no_identity_in_any_output_log_or_file_name(run, tmp_path, name):
    write_dicom(
        tmp_path / "scans" / name, *LPS, names=[f"{IDENTITY['PatientID']}_{k}" for k in range(7)], **IDENTITY
    )
    status, out, err = run(tmp_path / "scans" / name, "--out", tmp_path / "out", "--json", "--debug")
    assert status == 0, err
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) == 8
    texts = [out, err, *(str(path.relative_to(tmp_path)) for path in written)]
    texts += [without_uids(path, content) for path in written for content in contents(path)]
    for text in texts:
        assert not TOKENS.search(text)
        assert str(tmp_path) not in text


@pytest.mark.parametrize("fault", [{"RescaleSlope": None}, {"PixelSpacing": None}, {"Modality": "MR"}])
def test_no_identity_in_what_failures_say(run, tmp_path, fault):
    write_dicom(tmp_path / "series", *LPS, **{**IDENTITY, **fault})
    status, out, err = run(tmp_path / "series")
    assert status == 2
    assert not TOKENS.search(out + err)
    assert str(tmp_path) not in err


def test_the_list_of_series_is_the_one_place_for_uids_and_descriptions(run, tmp_path):
    for uid in ("1.2.826.0.1.7", "1.2.826.0.1.8"):
        write_dicom(tmp_path / "two" / uid[-1], *LPS, **{**IDENTITY, "SeriesInstanceUID": uid})
    status, _, err = run(tmp_path / "two")
    assert status == 2
    assert re.fullmatch(r"sarcopenia: two: [^\n]*; choose one with --series UID\n", err)
    assert "UID 1.2.826.0.1.7" in err
    assert "Quillon portal" in err
    assert run(tmp_path / "two", "--series", "1.2.826.0.1.8")[0] == 0


def test_a_lone_slice_of_dicom_is_measured(run, tmp_path):
    path = save(dicom_image(LPS[0][:, :, 3], LPS[1], 3), tmp_path / "lone.dcm")
    status, out, err = run(path, level="slice:0")
    assert status == 0, err
    assert out.startswith(f"lone  SMA {MUSCLE_CM2:.1f} cm²")
