"""Real peers for the inbox's tests, on loopback: a PACS by pynetdicom, Orthanc, and CT studies to send.

A PACS here runs in a process of its own, so that it can be killed, and keeps what it has taken in a folder.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Testing.library import small_case
from Testing.library.ct_files import dicom_image

ROOT = Path(__file__).parents[3]
OURS, PACS = "SARCOPENIA", "PACS"
SEG_CLASS, SR_CLASS = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.34"
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
SLICES = small_case.SHAPE[2]
LABELS = "l3.nii.gz"
"""Beside the settings: where L3 is in every small CT."""


def study(number: int, **attributes: Any) -> list[Any]:
    """A small CT as data sets, a study of its own; `attributes` go into every header."""
    hu, ras = small_case.ct(), small_case.affine()
    given = {
        "StudyInstanceUID": f"1.2.826.0.1.7.{number}",
        "SeriesInstanceUID": f"1.2.826.0.1.7.{number}.1",
        "FrameOfReferenceUID": f"1.2.826.0.1.7.{number}.2",
        "PatientID": f"PLANTED-{number}",
        "PatientSex": "M",
        **attributes,
    }
    return [dicom_image(hu[:, :, k], ras, k, **given) for k in range(SLICES)]


def send(port: int, images: list[Any], calling: str = PACS, called: str = OURS, **options: Any) -> list[int]:
    """Status of each C-STORE; -1 where the connection was lost, all -2 where no association came about."""
    from pynetdicom import AE

    from SarcopeniaAssessLib.archive.dimse_peer import undisturbed

    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
    for sop_class, syntax in {(str(one.SOPClassUID), str(one.file_meta.TransferSyntaxUID)) for one in images}:
        entity.add_requested_context(sop_class, syntax)
    association = entity.associate("127.0.0.1", port, ae_title=called, **options)
    if not association.is_established:
        return [-2] * len(images)
    told = []
    with undisturbed(association):
        for image in images:
            try:
                status = association.send_c_store(image).get("Status")
            except ValueError:  # no context for it
                told.append(-1)
                continue
            except RuntimeError:
                status = None
            if status is None:  # the connection is lost
                told += [-1] * (len(images) - len(told))
                break
            told.append(status)
        if association.is_established:
            association.release()
    return told


def echo(port: int, calling: str = PACS, called: str = OURS, **options: Any) -> int | None:
    """Status of a C-ECHO; `None` where no association came about."""
    from pynetdicom import AE

    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", port, ae_title=called, **options)
    if not association.is_established:
        return None
    status = association.send_c_echo().get("Status")
    association.release()
    return status


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(condition: Any, seconds: float = 240.0) -> Any:
    """What a condition gives once it is true; fails after so long."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
    return found


@dataclass
class Peer:
    """A PACS that keeps what it takes as files, each named by its UID and the number of times it came."""

    folder: Path
    port: int
    process: subprocess.Popen[str]

    @property
    def taken(self) -> dict[str, int]:
        """How often each UID was stored."""
        told = self.folder / "log.jsonl"
        counts: dict[str, int] = {}
        for line in told.read_text().splitlines() if told.exists() else []:
            uid = json.loads(line)["uid"]
            counts[uid] = counts.get(uid, 0) + 1
        return counts

    def objects(self) -> list[Any]:
        """What it has, as data sets."""
        from pydicom import dcmread

        return [dcmread(path) for path in sorted(self.folder.glob("*.dcm"))]

    def kill(self) -> None:
        """At once."""
        self.process.kill()
        self.process.wait()


def start_peer(folder: Path, port: int | None = None, **behaviour: Any) -> Peer:
    """Start a PACS; `behaviour`: `refuse` so many objects first with `status`, `drop` dead at one."""
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    module = "Testing.library.archive.pacs"
    words = [sys.executable, "-m", module, str(folder), str(port), json.dumps(behaviour)]
    process = subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return Peer(folder, port, process)


def environment() -> dict[str, str]:
    """Of a child: it finds the packages, and computes on one thread."""
    path = os.pathsep.join([str(ROOT / "SarcopeniaAssess"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def write_settings(folder: Path, model: Path, peer: str = "", **sections: dict[str, Any]) -> Path:
    """A settings file with short waits; `sections` change its values, `peer` is TOML put behind it."""
    given: dict[str, dict[str, Any]] = {
        "folders": {"spool": "spool", "results": "results"},
        "listen": {"callers": [PACS], "port": 0, "timeout_s": 20},
        "limits": {"quiet_s": 0.5, "interrupted_s": 20, "free_gib": 0},
        "assess": {"model": str(model), "device": "cpu"},
    }
    for name, values in sections.items():
        given.setdefault(name, {}).update(values)
    lines = []
    for name, values in given.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    labels = small_case.muscle() * 0
    labels[40:50, 20:26, small_case.LEVEL] = 1
    small_case.write_nifti(folder / LABELS, labels)
    file = folder / "inbox.toml"
    file.write_text("\n".join([*lines, peer, ""]))
    return file


def send_section(port: int, **more: Any) -> str:
    """TOML that names a PACS on loopback."""
    values = {"ae_title": PACS, "host": "127.0.0.1", "port": port, "timeout_s": 20, **more}
    return "\n".join(["[send]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())])


class Running:
    """`sarcopenia inbox` as a process; its lines are kept."""

    def __init__(self, settings: Path) -> None:
        self.log = settings.with_name("inbox.log")
        self._stream = self.log.open("a")
        start = self.log.stat().st_size
        words = [sys.executable, "-m", "Testing.library.archive.small_inbox", str(settings)]
        self.process = subprocess.Popen(words, cwd=ROOT, env=environment(), stderr=self._stream)
        line = wait_for(lambda: self._listening(start))
        self.port = int(line.split(" on port ")[1].split(",")[0])

    def _listening(self, start: int) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        lines = self.log.read_text()[start:].splitlines()
        return next((line for line in lines if " on port " in line and "use" in line.lower()), None)

    def end(self) -> int:
        """SIGTERM; the exit status."""
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running(settings: Path) -> Any:
    """An inbox for the time of a block."""
    one = Running(settings)
    try:
        yield one
    finally:
        one.kill()
