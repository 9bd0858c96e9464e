"""What a computer has: told before anything is downloaded, without names and paths."""

import getpass
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import slicer  # noqa: F401 - the report asks it for its version

from SarcopeniaAssessLib.slicer_bridge import preflight


def found(name):
    return [check for check in preflight.examine() if check.name == name]


def test_every_part_is_told():
    names = {check.name for check in preflight.examine()}
    wanted = {"Python", "torch", "extension PyTorch", "disk of the packages", "memory", "graphics", "proxy"}
    assert wanted <= names


def test_the_report_is_a_line_each():
    checks = preflight.examine()
    assert len(preflight.report(checks).splitlines()) == len(checks)


def test_no_package_is_imported_to_be_looked_at():
    code = (
        "import slicer, sys; from SarcopeniaAssessLib.slicer_bridge import preflight; preflight.examine();"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "scipy", "nibabel", "reportlab", "pydicom"}


@pytest.mark.parametrize(("free_gb", "ok"), [(5.9, False), (6.1, True)])
def test_a_full_disk_is_an_obstacle(monkeypatch, free_gb, ok):
    usage = shutil.disk_usage(Path.cwd())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=int(free_gb * 1e9)))
    (check,) = found("disk of the packages")
    assert check.ok is ok
    assert f"{free_gb} GB free" in check.found
    obstacles = [each.name for each in preflight.obstacles(preflight.examine())]
    assert ("disk of the packages" in obstacles) is not ok


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'NVIDIA H100, 560.35, 81559 MiB'", "NVIDIA H100, driver 560.35, 81559 MiB"),
        ("echo broken >&2; exit 9", "the NVIDIA driver does not answer"),
        ("sleep 30", "the NVIDIA driver does not answer"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
def test_the_graphics_card_is_told_as_its_driver_tells_it(tmp_path, monkeypatch, script, told):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(preflight, "_DRIVER_WITHIN_S", 0.5)
    (check,) = found("graphics")
    assert told in check.found


def test_neither_the_proxys_password_nor_a_path_nor_a_user_is_told(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://doctor:secret-word@proxy.example:3128")
    text = preflight.report(preflight.examine())
    assert [check.found for check in found("proxy")] == ["set"]
    assert "secret-word" not in text
    assert str(Path.home()) not in text
    assert sys.prefix not in text
    assert f"/{getpass.getuser()}" not in text


def test_a_folder_that_cannot_be_asked_is_no_obstacle(monkeypatch):
    def refuse(_):
        raise OSError("no such place")

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    (check,) = found("disk of the packages")
    assert (check.found, check.ok) == ("not known here", None)
