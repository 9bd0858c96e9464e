"""What this computer has, looked at before anything is downloaded: a report that may be sent to anyone.

It names no patient, no user and no path, and imports no package that it looks at.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from SarcopeniaAssessLib import __version__
from SarcopeniaAssessLib.doctor import Check
from SarcopeniaAssessLib.slicer_bridge.dependencies import TORCH, TORCH_EXTENSION, Requirement, requirements

NEEDED_DISK_GB = 6.0
"""torch for an NVIDIA card with its libraries takes 4 to 5 GB once unpacked; for the CPU about 1 GB."""
NEEDED_TEMPORARY_GB = 1.0
LEAST_MEMORY_GB = 4.0
_DRIVER_WITHIN_S = 5.0
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


def examine() -> tuple[Check, ...]:
    """Look at everything; takes a second or two where there is an NVIDIA card."""
    parts = (_program, _packages, _disk, _memory, _graphics, _network)
    return tuple(check for part in parts for check in part())


def report(checks: tuple[Check, ...]) -> str:
    """The checks as text, a line each."""
    return "\n".join(str(check) for check in checks)


def obstacles(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """What will make an installation fail."""
    return tuple(check for check in checks if check.ok is False)


def _program() -> Iterator[Check]:
    import slicer

    yield Check("SarcopeniaAssess", __version__)
    application = getattr(slicer, "app", None)
    if application is not None:
        version = f"{application.majorVersion}.{application.minorVersion}"
        yield Check("Slicer", f"{version}, revision {application.revision}")
    known = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Check("Python", f"{platform.python_version()} (3.11 or 3.12 is tested)", known or None)
    yield Check("system", f"{platform.system()} {platform.release()}, {platform.machine()}")


def _packages() -> Iterator[Check]:
    for each in (Requirement.of(TORCH), *requirements()):
        installed = each.installed
        found = f"missing, {each.least} or later is needed" if installed is None else installed
        if installed is not None and not each.is_met:
            found = f"{installed}, {each.least} or later is needed"
        yield Check(each.name, found, True if each.is_met else None)
    there = find_spec(TORCH_EXTENSION) is not None
    yield Check("extension PyTorch", "there" if there else "not there: it installs torch", there or None)


def _disk() -> Iterator[Check]:
    packages = sysconfig.get_paths()["purelib"]
    yield from _free("disk of the packages", packages, NEEDED_DISK_GB)
    writable = os.access(packages, os.W_OK)
    yield Check(
        "packages can be written",
        "yes" if writable else "no: start Slicer once as an administrator, or install it for yourself",
        writable,
    )
    yield from _free("disk of temporary files", tempfile.gettempdir(), NEEDED_TEMPORARY_GB)


def _free(name: str, folder: str, needed_gb: float) -> Iterator[Check]:
    try:
        free_gb = shutil.disk_usage(folder).free / 1e9
    except OSError:
        yield Check(name, "not known here")
        return
    enough = free_gb >= needed_gb
    yield Check(name, f"{free_gb:.1f} GB free" + ("" if enough else f", {needed_gb:g} GB are needed"), enough)


def _memory() -> Iterator[Check]:
    total_gb = _total_memory_gb()
    if total_gb is None:
        yield Check("memory", "not known here")
        return
    enough = total_gb >= LEAST_MEMORY_GB
    yield Check("memory", f"{total_gb:.1f} GB" + ("" if enough else ": long CTs may not fit"), enough or None)


def _total_memory_gb() -> float | None:
    if sys.platform == "win32":
        return _windows_memory_gb()
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def _windows_memory_gb() -> float | None:
    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (f"bytes_{n}", ctypes.c_ulonglong) for n in range(7)
        ]

    status: Any = Status(length=ctypes.sizeof(Status))
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 - not on other systems
    return status.bytes_0 / 1e9 if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None


def _graphics() -> Iterator[Check]:
    if sys.platform == "darwin":
        yield Check("graphics", "Apple GPU" if platform.machine() == "arm64" else "no GPU that torch can use")
        return
    program = shutil.which("nvidia-smi")
    if program is None:
        yield Check("graphics", "no NVIDIA driver; the CPU is fast enough")
        return
    flags: dict[str, Any] = (
        {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)} if sys.platform == "win32" else {}
    )
    query = [program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            query, capture_output=True, text=True, timeout=_DRIVER_WITHIN_S, check=False, **flags
        )
        lines = done.stdout.strip().splitlines() if done.returncode == 0 else []
    except (OSError, subprocess.TimeoutExpired):
        lines = []
    if not lines:
        yield Check("graphics", "the NVIDIA driver does not answer; the CPU will be used")
    for line in lines:
        name, driver, memory = ([part.strip() for part in line.split(",")] + ["", ""])[:3]
        yield Check("graphics", f"{name}, driver {driver}, {memory}", True)


def _network() -> Iterator[Check]:
    """Whether a proxy is set; never which, for its address may hold a password."""
    yield Check("proxy", "set" if any(os.environ.get(name) for name in _PROXIES) else "none set")
