"""No command opens a connection, asks a name server or listens, unless a network is what it was asked for.

A hook of Python's own (PEP 578) stands in every process that a command starts, forbids every step towards a
network, and writes down that one was tried. The verbs do real work meanwhile.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.library import small_case

ROOT = Path(__file__).parents[2]
HOOK = """
import os, socket, sys
def _forbid(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request"):
        told = str(arguments[0])
    elif event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"):
        if arguments[0].family == socket.AF_UNIX:
            return
        # urllib3, which pydicom imports, tries at its import whether this machine has an IPv6 loopback.
        probes = sys._getframe(1).f_code.co_name == "_has_ipv6"
        if probes and event == "socket.bind" and arguments[1][:2] == ("::1", 0):
            return
        told = str(arguments[1])
    else:
        return
    with open(os.environ["NETWORK_TRIED"], "a") as log:
        log.write(event + " " + told + "\\n")
    raise OSError("the test forbids networks")
sys.addaudithook(_forbid)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A CT, a mask, a model, and the hook."""
    folder = tmp_path_factory.mktemp("no-network")
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(HOOK)
    small_case.write_model(folder / "m.safetensors")
    for name in ("a", "b"):
        small_case.write_nifti(folder / f"{name}.nii.gz", small_case.ct())
    mask = small_case.muscle()
    mask[:, :, [k for k in range(mask.shape[2]) if k != small_case.LEVEL]] = 0
    small_case.write_nifti(folder / "mask.nii.gz", mask)
    return folder


def command(place: Path, *arguments: str, module: str = "SarcopeniaTraining.cli") -> tuple[int, str, str]:
    """Exit status, standard error and what of a network was tried."""
    tried = place / "tried.txt"
    tried.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(place / "hook"), str(ROOT / "SarcopeniaAssess"), str(ROOT))),
        "NETWORK_TRIED": str(tried),
        "SARCOPENIA_MODELS": str(place / "models"),
    }
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        cwd=place,
        env=environment,
        check=False,
    )
    return done.returncode, done.stderr, tried.read_text() if tried.exists() else ""


def test_the_hook_bites(place):
    """Where a download is asked for by name, and only there, the network is tried."""
    entry = {
        "name": "far", "version": "1", "architecture": {"kind": "smit"}, "preprocessing": {},
        "trained_on": "nothing", "file": "far.safetensors", "sha256": "ab" * 32, "url": "https://models.invalid/far.safetensors",
    }  # fmt: skip
    (place / "models").mkdir(exist_ok=True)
    (place / "models" / "Models.json").write_text(json.dumps({"default": None, "models": [entry]}))
    status, said, tried = command(place, "models", "download", "far")
    assert status == 2
    assert "far cannot be downloaded" in said
    assert "models.invalid" in tried
    assert command(place, "models", "list") == (0, "", "")
    status, said, tried = command(place, "assess", "a.nii.gz", "--l3", "slice:3", "--model", "far")
    assert (status, tried) == (2, "")
    assert "models download far" in said


def test_a_cluster_is_met_only_where_it_is_named(place):
    pytest.importorskip("ray")
    status, _, tried = command(place, "assess", "a.nii.gz", "--cluster", "192.0.2.1:6379", "--out", "ray")
    assert status == 2
    assert "192.0.2.1" in tried


def test_verbs_of_an_assessment_use_no_network(place):
    given = ("--l3", "slice:3", "--sex", "male", "--model", "m.safetensors", "--out", "out")
    for arguments, status in (
        (("assess", "a.nii.gz", "b.nii.gz", *given, "--jobs", "2"), 0),
        (("assess", "a.nii.gz", *given, "--resume", "--json"), 0),
        (("assess", "nothing.nii.gz", *given), 2),
        (("measure", "mask.nii.gz", "--ct", "a.nii.gz", "--sex", "female"), 0),
        (("verify", "out"), 0),
        (("overview", "out"), 0),
        (("models", "info", "default"), 2),
        (("models", "verify", "nothing"), 2),
    ):
        found, said, tried = command(place, *arguments)
        assert (found, tried) == (status, ""), (arguments, said)


@pytest.mark.slow
def test_verbs_of_cohorts_use_no_network(place):
    for arguments in (
        ("phantom", "cohort", "--patients", "3", "--sarcopenic", "1", "--men", "2", "--seed", "5"),
        ("splits", "cohort", "--folds", "1", "--out", "splits.json"),
        ("import", "cohort", "copy"),
    ):
        found, said, tried = command(place, *arguments)
        assert tried == "", (arguments, said)
        assert found in (0, 2), (arguments, said)
    assert (place / "cohort" / "manifest.csv").exists()


def test_looking_at_the_computer_uses_no_network(place):
    status, said, tried = command(place, "doctor", module="SarcopeniaAssessLib")
    assert (said, tried) == ("", "")
    assert status in (0, 1), "1: something of this computer will not do"


@pytest.mark.slow
def test_training_and_reproduction_use_no_network(place):
    """Minutes: the whole paper in small, with all of its libraries."""
    found, said, tried = command(place, "reproduce", "--preset", "smoke", "--out", "paper")
    assert (found, tried) == (0, ""), said[-2000:]
