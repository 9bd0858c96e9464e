"""What reads a damaged file, as far as the program itself would go without a network.

Each reads, and returns a word of what came out; it may raise `SarcopeniaError` and nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path


def ct(path: Path) -> str:
    """A CT, or every series of a folder; the slices in the middle are decoded."""
    from SarcopeniaAssessLib.ct_io import list_ct, may_hold_several, open_ct
    from SarcopeniaAssessLib.record import InputBlock

    several = may_hold_several(path)
    for volume in [one.open() for one in list_ct(path)] if several else [open_ct(path)]:
        k = volume.slice_count // 2
        volume.slab(max(0, k - 1), min(volume.slice_count, k + 2))
        volume.around(k)
        InputBlock.of(volume)
    return "read"


def labels(path: Path) -> str:
    """A vertebra label map that tells where L3 is."""
    from SarcopeniaAssessLib.level import find_level
    from SarcopeniaAssessLib.volume import CtVolume
    from Testing.library.ct_files import affine, anatomy

    find_level(f"labels:{path}=3", CtVolume.from_array(anatomy(), affine()))
    return "read"


def mask(path: Path) -> str:
    """A given mask, measured."""
    from SarcopeniaAssessLib.given_mask import measure_mask
    from SarcopeniaAssessLib.wording import case_line

    case_line(measure_mask(path).record)
    return "read"


def record(path: Path) -> str:
    """A record: read, written again, as a line and as a row."""
    from SarcopeniaAssessLib.record import read_record, record_json
    from SarcopeniaAssessLib.report import csv_row
    from SarcopeniaAssessLib.wording import case_line

    read = read_record(path)
    record_json(read).encode("utf-8")
    csv_row(read)
    case_line(read)
    return "read"


def printed(path: Path) -> str:
    """A record that is read is printed, whatever its texts are."""
    from PIL import Image

    from SarcopeniaAssessLib.record import read_record
    from SarcopeniaAssessLib.report import report_pdf

    report_pdf(read_record(path), Image.new("RGB", (40, 30)))
    return "read"


def audit(path: Path) -> str:
    """An audit log: verified, read, and gone on with."""
    from SarcopeniaAssessLib.audit import append, read_audit, verify_audit
    from Testing.library import small_case

    found = verify_audit(path)
    read_audit(path)
    append(path, "accepted", small_case.record())
    return "faults told" if found else "read"


def case(path: Path) -> str:
    """A case's folder, verified."""
    from SarcopeniaAssessLib.verification import verify_path

    found = verify_path(path)
    return "read" if all(each.is_whole for each in found) else "faults told"


def output(path: Path) -> str:
    """An output folder: verified, then taken up by a run that goes on in it."""
    from SarcopeniaAssessLib.results import Existing, OutputFolder

    told = case(path)
    with OutputFolder(path, Existing.RESUME) as folder:
        for name in folder.cases:
            folder.earlier(name)
    return told


def model(path: Path) -> str:
    """A weights file, loaded and described."""
    from SarcopeniaAssessLib.model_file import in_words
    from SarcopeniaAssessLib.models import load_model
    from SarcopeniaAssessLib.preprocessing import SlabPreset

    loaded = load_model(path)
    in_words(loaded.entry)
    SlabPreset.from_mapping(loaded.entry.preprocessing)
    return "read"


def registry(path: Path) -> str:
    """A registry of models, as `models list` and `models info` show it."""
    from SarcopeniaAssessLib.model_file import in_words
    from SarcopeniaAssessLib.models import read_registry, weights_path

    for entry in read_registry(path)[0]:
        in_words(entry)
        weights_path(entry)
    return "read"


def checkpoint(path: Path) -> str:
    """A foreign checkpoint."""
    from SarcopeniaAssessLib.smit_checkpoints import _read_tensors

    _read_tensors(path)
    return "read"


def study_list(path: Path) -> str:
    """A list of studies."""
    from SarcopeniaAssessLib.study_list import read_studies

    read_studies(path)
    return "read"


def cohort(path: Path) -> str:
    """A cohort's manifest."""
    from SarcopeniaTraining.cohort import read_cohort

    read_cohort(path)
    return "read"


def preset(path: Path) -> str:
    """A preset of the kind that its file is named after."""
    if path.stem == "finetune":
        from SarcopeniaTraining.presets import load_preset as load
    elif path.stem == "pretrain":
        from SarcopeniaTraining.pretraining_preset import load_pretrain_preset as load
    else:
        from SarcopeniaTraining.classification.classify_preset import load_classify_preset as load
    load(str(path))
    return "read"


def splits(path: Path) -> str:
    """Saved splits."""
    from SarcopeniaTraining.splits import read_splits

    read_splits(path)
    return "read"


TARGETS: dict[str, Callable[[Path], str]] = {
    "ct": ct,
    "labels": labels,
    "mask": mask,
    "record": record,
    "printed": printed,
    "audit": audit,
    "case": case,
    "output": output,
    "model": model,
    "registry": registry,
    "checkpoint": checkpoint,
    "list": study_list,
    "cohort": cohort,
    "preset": preset,
    "splits": splits,
}
WRITES = ("audit", "output")
"""Kinds whose reading writes, by their purpose."""


def warm_up() -> None:
    """Import what the readers import, so that its memory counts as the program's own and not as a file's."""
    import highdicom
    import nibabel
    import pydicom
    import SimpleITK
    import torch

    torch.set_num_threads(1)
    torch.zeros(8).sum()
    io.BytesIO(repr((highdicom, nibabel, pydicom, SimpleITK)).encode())
