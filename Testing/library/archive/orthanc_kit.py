"""Orthanc, a PACS that others wrote, on loopback with a folder of its own: DICOM, DICOMweb, REST."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from Testing.library.archive.archive_kit import OURS, PACS, free_port, wait_for

PROGRAM = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "inbox", "a secret: ü"


def require() -> None:
    """Skip where Orthanc is not installed."""
    if not Path(PROGRAM).exists() or not DICOMWEB.exists():
        pytest.skip("Orthanc is not installed (Debian: orthanc, orthanc-dicomweb)")


@dataclass
class Orthanc:
    """One that runs."""

    folder: Path
    port: int
    http_port: int
    process: subprocess.Popen[bytes]

    @property
    def dicomweb(self) -> str:
        """Address of its DICOMweb service."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def ask(self, path: str, body: Any = None) -> Any:
        """GET, or with a body POST."""
        address = f"http://127.0.0.1:{self.http_port}{path}"
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, content, {"Authorization": f"Basic {secret}"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read() or b"null")

    def kinds(self) -> dict[str, int]:
        """How many objects it has of each modality."""
        counts: dict[str, int] = {}
        for series in self.ask("/series?expand"):
            kind = series["MainDicomTags"]["Modality"]
            counts[kind] = counts.get(kind, 0) + len(series["Instances"])
        return counts

    def kill(self) -> None:
        """At once."""
        self.process.kill()
        self.process.wait()


def start(folder: Path, inbox_port: int = 1, ports: tuple[int, int] | None = None) -> Orthanc:
    """Start one that knows the inbox as the modality `inbox`; in a folder that has one, with what it has."""
    folder.mkdir(exist_ok=True)
    port, http_port = ports or (free_port(), free_port())
    configuration = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "DicomAet": PACS,
        "DicomPort": port,
        "HttpPort": http_port,
        "DicomCheckCalledAet": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomModalities": {"inbox": [OURS, "127.0.0.1", inbox_port]},
        "Plugins": [str(DICOMWEB)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "StorageCompression": False,
        "JobsHistorySize": 10_000,  # of ten otherwise: more are forgotten before they are asked for
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([PROGRAM, str(folder / "orthanc.json")], stdout=log, stderr=log)
    one = Orthanc(folder, port, http_port, process)

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return bool(one.ask("/system"))
        except OSError:
            return False

    wait_for(answers, 120)
    return one
