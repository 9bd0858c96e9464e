"""Checkpoints: whole or not at all, two generations, damage is noticed and said."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import SarcopeniaAssessLib
from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaTraining.checkpoints import CHECKPOINT, PREVIOUS, Checkpoints, provenance


def state(step: int) -> dict:
    return {"step": step, "weights": {"w": torch.full((3, 5), float(step))}, "losses": [0.5, 0.25]}


def never(line: str) -> None:
    raise AssertionError(line)


def test_what_was_saved_comes_back(tmp_path):
    Checkpoints(tmp_path / "run").save(state(7))
    found = Checkpoints(tmp_path / "run").load(never)
    assert found["step"] == 7
    assert found["losses"] == [0.5, 0.25]
    assert found["weights"]["w"].equal(torch.full((3, 5), 7.0))


def test_a_new_folder_has_none(tmp_path):
    assert Checkpoints(tmp_path / "new").load(never) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_of_a_damaged_newest_the_previous_is_taken_and_it_is_said(tmp_path, damage):
    kept = Checkpoints(tmp_path)
    kept.save(state(1))
    kept.save(state(2))
    path, content = tmp_path / CHECKPOINT, bytearray((tmp_path / CHECKPOINT).read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(
        {"cut": path.read_bytes()[:-9], "flipped": content, "empty": b"", "other": b"no checkpoint"}[damage]
    )
    told = []
    assert kept.load(told.append)["step"] == 1
    assert told == [f"{CHECKPOINT} is damaged; going on from {PREVIOUS}"]


def test_of_a_newest_that_a_kill_between_two_renames_left_out_the_previous_is_taken(tmp_path):
    kept = Checkpoints(tmp_path)
    kept.save(state(1))
    kept.newest.rename(kept.previous)
    assert kept.load(never)["step"] == 1


def test_two_damaged_ones_are_an_error(tmp_path):
    told = []
    kept = Checkpoints(tmp_path)
    kept.save(state(1))
    kept.save(state(2))
    kept.newest.write_bytes(b"x")
    kept.previous.write_bytes(b"x")
    with pytest.raises(ModelError, match="start this training again"):
        kept.load(told.append)
    assert told == []


def test_a_pickle_that_would_run_code_is_not_opened(tmp_path):
    torch.save({"path": Path("x")}, tmp_path / CHECKPOINT)
    with pytest.raises(ModelError):
        Checkpoints(tmp_path).load(never)


FULL = """
import resource, signal, sys, torch
from pathlib import Path
from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaTraining.checkpoints import Checkpoints
kept = Checkpoints(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    kept.save({"step": 3, "weights": torch.zeros(100_000)})
except OutputError as error:
    print(error)
"""


def test_a_full_disk_keeps_both_former_checkpoints(tmp_path):
    """A limit on the size of files is met in `write`, as a full disk is."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000
    kept = Checkpoints(tmp_path)
    kept.save(state(1))
    kept.save(state(2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    roots = [str(Path(SarcopeniaAssessLib.__file__).parents[1]), str(Path(__file__).parents[2])]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {roots!r}\n{FULL}", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be written" in done.stdout
    assert "make room" in done.stdout
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        Checkpoints(tmp_path / "file" / "run")


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    (tmp_path / f"{CHECKPOINT}.part99").write_bytes(b"half")
    Checkpoints(tmp_path).save(state(1))
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_provenance_names_commit_and_versions():
    found = provenance()
    assert found["torch"] == torch.__version__
    assert {"commit", "python", "monai", "numpy", "platform"} <= set(found)


def test_provenance_without_git_or_a_package_leaves_them_out(monkeypatch):
    monkeypatch.setenv("PATH", "")
    found = provenance(["numpy", "no-such-package"])
    assert set(found) == {"commit", "python", "numpy", "platform"}
    assert found["commit"] is None
