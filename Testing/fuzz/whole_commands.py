"""Damaged files through the command itself: its lines, its exit status, nothing half written in DIR."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from Testing.fuzz.child import damaged_copy
from Testing.fuzz.seeds import Seed
from Testing.library import small_case

FILES = ["SHA256SUMS", "assessment.json", "muscle.nii.gz", "overlay.png", "report.pdf"]
DICOM_FILES = ["muscle.seg.dcm", "report.sr.dcm"]
TOLD = ("assessments.csv", "failures.csv")
_OWN_LINE = re.compile(r"sarcopenia: |\d+ of \d+ done")
_BATCH = 50


def findings(root: Path, seeds: list[Seed], count: int, master: str) -> list[str]:
    """What is wrong with what the command said and left, a text for each fault."""
    model = small_case.write_model(root / "model.safetensors")
    cts = [seed for seed in seeds if seed.kind == "ct"]
    if not cts:
        return []
    told = []
    for start in range(0, count, _BATCH):
        inputs = []
        for number in range(start, min(count, start + _BATCH)):
            seed = cts[number % len(cts)]
            place = root / "commands" / f"{number}-{seed.name}"
            place.parent.mkdir(exist_ok=True)
            path, _ = damaged_copy(seed, place, Random(f"{master}:command:{number}"))
            if path == place:
                inputs.append(path)
            else:  # a case is called after its file
                inputs.append(path.rename(path.with_name(f"c{number}{''.join(path.suffixes)}")))
                if path.suffix in (".nhdr", ".mhd") or path.name == "DICOMDIR":
                    inputs[-1].rename(path)  # what lies beside it is found by its name
                    inputs[-1] = path
        out = root / f"out-{start}"
        told += list(
            _faults(
                _command(["assess", *map(str, inputs), "--l3", "slice:2", "--sex", "male"], model, out), out
            )
        )
    return told


def _command(arguments: list[str], model: Path, out: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": "SarcopeniaAssess", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "SarcopeniaAssessLib", *arguments, "--model", str(model), "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=600,
        env=environment,
        check=False,
    )


def _faults(done: subprocess.CompletedProcess[str], out: Path) -> Iterator[str]:
    if "Traceback" in done.stderr or "unexpected" in done.stderr:
        lines = [line for line in done.stderr.splitlines() if "unexpected" in line or "Traceback" in line]
        yield f"command: {lines[:5]}"
    if done.returncode not in (0, 1, 2):
        yield f"command: exit status {done.returncode}: {done.stderr[-500:]}"
    for line in done.stderr.splitlines():
        if not _OWN_LINE.match(line):
            yield f"command: a line that is none of its own: {line[:200]!r}"
    if not out.exists():
        return
    for entry in out.iterdir():
        if entry.is_dir():
            names = sorted(path.name for path in entry.iterdir())
            if names not in (FILES, sorted([*FILES, *DICOM_FILES])):
                yield f"command: {entry.name} holds {names}"
        elif entry.name not in TOLD:
            yield f"command: {entry.name} was left behind"
