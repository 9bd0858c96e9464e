"""Files as the program meets them, made here: what the fuzzing starts from.

A seed is a folder; its files are damaged one or two at a time, and what its kind names is read again.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from Testing.library import small_case
from Testing.library.ct_files import affine, anatomy, rotation, store, write_dicom, write_enhanced, write_itk

CODECS = {
    "rle": "1.2.840.10008.1.2.5",
    "jpegls": "1.2.840.10008.1.2.4.80",
    "jpeg2000": "1.2.840.10008.1.2.4.90",
}


@dataclass(frozen=True)
class Seed:
    """A valid input of one kind.

    Attributes
    ----------
    kind:
        How it is read: a name of `targets.TARGETS`.
    folder, entry:
        Its files, and what of them is given to the reader ("" for the folder itself).
    """

    kind: str
    name: str
    folder: Path
    entry: str = ""


def make_seeds(root: Path) -> list[Seed]:
    """Every seed, each in a folder of its own below `root`."""
    made: list[Seed] = []

    def add(kind: str, name: str, write: Callable[[Path], object], entry: str = "") -> None:
        folder = root / f"{kind}-{name}"
        folder.mkdir(parents=True)
        write(folder)
        made.append(Seed(kind, name, folder, entry))

    _add_volumes(add)
    _add_dicom(add)
    _add_records(add)
    _add_models(add)
    _add_tables(add)
    return made


Add = Callable[..., None]


def _add_volumes(add: Add) -> None:
    turned = affine(rotation(8, 5, 20))
    native, ras = store(anatomy(), turned, (2, 0, 1), (True, False, True))

    def nifti(name: str, array: np.ndarray, placed: np.ndarray, *, second: bool = False) -> Callable:
        import nibabel as nib

        image = (nib.Nifti2Image if second else nib.Nifti1Image)(array, placed)
        return lambda folder: nib.save(image, folder / name)

    add("ct", "nifti", nifti("ct.nii", native, ras), "ct.nii")
    add("ct", "nifti-gz", nifti("ct.nii.gz", native, ras), "ct.nii.gz")
    add("ct", "nifti2-float", nifti("ct.nii", native.astype(">f4"), ras, second=True), "ct.nii")
    for name, packed in (("ct.nrrd", False), ("ct.nhdr", True), ("ct.mha", False), ("ct.mhd", True)):
        add(
            "ct",
            name.replace("ct.", ""),
            lambda folder, n=name, p=packed: write_itk(folder / n, native, ras, p),
            name,
        )
    labels = (anatomy() > 0).astype(np.uint8) * 3
    mask = small_case.muscle() * (np.arange(7) == small_case.LEVEL)
    add("labels", "nifti", nifti("v.nii.gz", labels, affine()), "v.nii.gz")
    add("labels", "float", nifti("v.nii", labels.astype(np.float32), affine()), "v.nii")
    add("labels", "nrrd", lambda folder: write_itk(folder / "v.nrrd", labels, affine(), True), "v.nrrd")
    add("mask", "nifti", nifti("m.nii.gz", mask, small_case.affine()), "m.nii.gz")
    add("mask", "mha", lambda folder: write_itk(folder / "m.mha", mask, small_case.affine()), "m.mha")


def _add_dicom(add: Add) -> None:
    native, ras = anatomy()[:, :, :5], affine()
    add("ct", "dicom", lambda folder: write_dicom(folder, native, ras))
    add("ct", "enhanced", lambda folder: write_enhanced(folder / "e.dcm", native, ras), "e.dcm")
    for name, syntax in CODECS.items():
        add("ct", f"dicom-{name}", lambda folder, s=syntax: _compressed(folder, s))
    if shutil.which("dcmcjpeg"):
        add("ct", "dicom-jpeg", _jpeg)
    add("ct", "dicom-zip", lambda folder: _zipped(folder, native, ras), "study.zip")
    if shutil.which("dcmmkdir"):
        add("ct", "dicomdir", lambda folder: _dicomdir(folder, native, ras), "DICOMDIR")


def _compressed(folder: Path, syntax: str) -> None:
    import pydicom

    for path in write_dicom(folder, small_case.ct()[:, :, :4], small_case.affine()):
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax)
        dataset.save_as(path)


def _jpeg(folder: Path) -> None:
    for path in write_dicom(folder, small_case.ct()[:, :, :4], small_case.affine()):
        subprocess.run(["dcmcjpeg", str(path), str(path)], check=True, capture_output=True)


def _zipped(folder: Path, native: np.ndarray, ras: np.ndarray) -> None:
    files = write_dicom(folder / "unpacked", native, ras)
    with zipfile.ZipFile(folder / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, f"PAT/ST1/{path.name}")
    shutil.rmtree(folder / "unpacked")


def _dicomdir(folder: Path, native: np.ndarray, ras: np.ndarray) -> None:
    place = folder / "IMAGES"
    write_dicom(
        place,
        native,
        ras,
        [f"IM{k}" for k in range(native.shape[2])],
        StudyDate="20300101",
        StudyTime="120000",
        StudyID="1",
        AccessionNumber="7",
    )
    subprocess.run(
        ["dcmmkdir", "+id", str(folder), "+D", str(folder / "DICOMDIR"), "+r", "-Nxc"],
        check=False,
        capture_output=True,
    )
    if not (folder / "DICOMDIR").exists():  # dcmtk asks for more of a medium than this series has
        from pydicom.fileset import FileSet

        fileset = FileSet()
        for path in sorted(place.iterdir()):
            fileset.add(path)
        shutil.rmtree(place)
        fileset.write(folder)


def _add_records(add: Add) -> None:
    from SarcopeniaAssessLib import audit
    from SarcopeniaAssessLib.record import accept, record_json
    from Testing.library import dicom_cases

    record = small_case.record()
    text = record_json(record)
    add("record", "json", lambda folder: (folder / "r.json").write_text(text, "utf-8"), "r.json")

    def log(folder: Path) -> None:
        for event, one in (("rejected", record), ("accepted", accept(record, "Ada"))):
            audit.append(folder / audit.LOG_FILE, event, one)

    add("audit", "log", log, audit.LOG_FILE)

    def case(folder: Path) -> None:
        source = dicom_cases.write_ct(folder.with_name("source-of-case"))
        dicom_cases.write(folder / "one", dicom_cases.assessed(source))
        shutil.rmtree(source)

    def several(folder: Path) -> None:
        from SarcopeniaAssessLib.case_table import CaseTable

        case(folder)
        CaseTable(folder, lambda name: folder / f".{name}.part")
        log(folder)

    add("case", "dicom", case, "one")
    add("output", "folder", several)


def _add_models(add: Add) -> None:
    def registry(folder: Path) -> None:
        from SarcopeniaAssessLib.model_file import file_sha256, read_entry

        small_case.write_model(folder / "m.safetensors")
        entry = read_entry(folder / "m.safetensors").to_mapping()
        entry |= {"file": "m.safetensors", "sha256": file_sha256(folder / "m.safetensors")}
        content = {"default": "everything", "models": [entry]}
        (folder / "Models.json").write_text(json.dumps(content, indent=1), "utf-8")
        (folder / "m.safetensors").unlink()

    def checkpoint(folder: Path) -> None:
        import torch
        from safetensors.torch import load_file

        small_case.write_model(folder / "m.safetensors")
        tensors = load_file(folder / "m.safetensors")
        (folder / "m.safetensors").unlink()
        torch.save({"state_dict": dict(list(tensors.items())[:6]), "epoch": 3}, folder / "m.pt")

    add(
        "model",
        "safetensors",
        lambda folder: small_case.write_model(folder / "m.safetensors"),
        "m.safetensors",
    )
    add("registry", "json", registry, "Models.json")
    add("checkpoint", "pt", checkpoint, "m.pt")


def _add_tables(add: Add) -> None:
    rows = [
        "case;ct;sex;age_years;height_m;l3_slice_from_feet",
        "a;a.nii.gz;male;61,5;1,80;3",
        'b;"b c.nii";f;;;',
        "c;c.mha;unknown;70;1,6;12",
    ]
    listed = [
        {"case": "a", "ct": "a.nii.gz", "sex": "m", "age_years": 61.5, "l3": "slice:3"},
        {"case": "b", "ct": "sub/b", "sex": None, "series": "1.2.3", "weight_kg": 70},
    ]

    def with_files(folder: Path) -> None:
        for name in ("a.nii.gz", "b c.nii", "c.mha", "sub/b"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(gzip.compress(b"x"))

    def table(name: str, text: str, *, encoding: str = "utf-8") -> Callable:
        def write(folder: Path) -> None:
            with_files(folder)
            (folder / name).write_text(text, encoding)

        return write

    add("list", "csv", table("studies.csv", "\n".join(rows)), "studies.csv")
    add("list", "utf16", table("studies.csv", "\r\n".join(rows), encoding="utf-16"), "studies.csv")
    add("list", "json", table("studies.json", json.dumps({"cases": listed})), "studies.json")
    add("cohort", "csv", table("manifest.csv", "\n".join(rows)), "manifest.csv")
    for kind in ("finetune", "classify", "pretrain"):
        add("preset", kind, lambda folder, k=kind: _preset(folder, k), f"{kind}.json")
    folds = [
        {"number": 1, "train": ["a", "b"], "validation": ["c"], "test": ["d"]},
        {"number": 2, "train": ["a", "c"], "validation": ["d"], "test": ["b"]},
    ]
    splits = {
        "schema": "sarcopenia-splits/1",
        "seed": 3,
        "cohort_digest": "ab" * 32,
        "stratified": True,
        "folds": folds,
    }
    add("splits", "json", lambda folder: (folder / "s.json").write_text(json.dumps(splits)), "s.json")


def _preset(folder: Path, kind: str) -> None:
    from SarcopeniaTraining.presets import preset_names, read_preset

    values = read_preset(kind, preset_names(kind)[0])  # type: ignore[arg-type]
    (folder / f"{kind}.json").write_text(json.dumps(values), "utf-8")
