"""`doctor`: what this computer has and lacks, in a report that may be sent to anyone."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from SarcopeniaAssessLib import __version__, resource_path
from SarcopeniaAssessLib.errors import SarcopeniaError

NEEDED = (
    "numpy",
    "scipy",
    "torch",
    "safetensors",
    "nibabel",
    "SimpleITK",
    "jsonschema",
    "pillow",
    "reportlab",
)
NEEDED_BY_COMMAND = ("click", "rich")
DICOM = ("pydicom", "highdicom", "pylibjpeg", "pylibjpeg-openjpeg")
_RESOURCES = ("Criteria.json", "Models.json", "sarcopenia-assessment-1.schema.json")
_LEAST_MEMORY_GB = 4.0


@dataclass(frozen=True)
class Check:
    """One line of the report; `ok` is `None` where nothing depends on it."""

    name: str
    found: str
    ok: bool | None = None

    def __str__(self) -> str:
        mark = {True: "ok  ", False: "FAIL", None: "    "}[self.ok]
        return f"{mark}  {self.name:<36}{self.found}"


def examine() -> tuple[Check, ...]:
    """Look at everything; takes a few seconds, for torch is imported and models are read."""
    return tuple(
        check
        for part in (_python, _packages, _resources, _models, _device, _memory, _writable)
        for check in part()
    )


def _python() -> Iterator[Check]:
    yield Check("sarcopenia-assess", __version__)
    is_known = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Check("Python", f"{platform.python_version()} (3.11 or 3.12 is tested)", is_known)
    yield Check("platform", f"{platform.system()} {platform.release()}, {platform.machine()}")


def _packages() -> Iterator[Check]:
    for name in (*NEEDED, *NEEDED_BY_COMMAND):
        version = _version(name)
        yield Check(name, version or "missing: install sarcopenia-assess again", version is not None)
    for name in DICOM:
        yield Check(name, _version(name) or "missing: DICOM needs pip install 'sarcopenia-assess[dicom]'")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "present, version not known" if find_spec({"pillow": "PIL"}.get(name, name)) else None


def _resources() -> Iterator[Check]:
    for name in _RESOURCES:
        is_there = resource_path(name).is_file()
        yield Check(name, "found" if is_there else "missing: install sarcopenia-assess again", is_there)


def _models() -> Iterator[Check]:
    from SarcopeniaAssessLib.models import default_model_name, list_models, verify_model

    try:
        entries, default = list_models(), default_model_name()
    except SarcopeniaError as error:
        yield Check("models", f"{error.problem}; {error.remedy}", False)
        return
    for entry in entries:
        is_default = entry.name == default
        try:
            verify_model(entry.name)
        except SarcopeniaError as error:
            # One that can be downloaded later does no harm as long as it is not the default.
            yield Check(f"model {entry.name}", error.problem, False if is_default else None)
        else:
            words = "weights agree with their checksum" + (", the default" if is_default else "")
            yield Check(f"model {entry.name}", f"{entry.version}: {words}", True)


def _device() -> Iterator[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("torch device", f"torch cannot be loaded ({type(error).__name__})", False)
        return
    names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    mps = ["Apple GPU (mps)"] if torch.backends.mps.is_available() else []
    found = ", ".join([*names, *mps]) or "no GPU; the CPU is fast enough"
    yield Check("torch device", f"{found}; {torch.get_num_threads()} CPU threads", True)


def _memory() -> Iterator[Check]:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        yield Check("memory", "not known here")
        return
    total_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    enough = total_gb >= _LEAST_MEMORY_GB
    yield Check("memory", f"{total_gb:.1f} GB" + ("" if enough else ": long CTs may not fit"), enough or None)


def _writable() -> Iterator[Check]:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"0")
    except OSError:
        yield Check("temporary files", "cannot be written: set TMPDIR to a folder that can", False)
    else:
        yield Check("temporary files", "can be written", True)
