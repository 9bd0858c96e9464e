"""Two runs on one folder: the second is told, and a dead one holds nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.output_lock import LOCK_FILE, FolderLock, lock_file

HOLD = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from SarcopeniaAssessLib.output_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder's lock."""
    import SarcopeniaAssessLib

    library = str(Path(SarcopeniaAssessLib.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), library], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_run_is_refused_until_the_first_dies(tmp_path, holder):
    with pytest.raises(OutputError, match="Another run is writing"):
        FolderLock(tmp_path)
    holder.kill()
    holder.wait()
    FolderLock(tmp_path).release()


def test_released_it_may_be_taken_again_and_leaves_nothing(tmp_path):
    for _ in range(2):
        lock = FolderLock(tmp_path)
        with pytest.raises(OutputError):
            FolderLock(tmp_path)
        lock.release()
        lock.release()
    assert not any(tmp_path.iterdir())


def test_where_folders_cannot_be_locked_a_file_is(tmp_path, monkeypatch):
    import fcntl
    import os
    import stat

    real = fcntl.flock

    def refuse_folders(descriptor, how):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(9, "as NFS answers")
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", refuse_folders)
    lock = FolderLock(tmp_path)
    assert (tmp_path / LOCK_FILE).is_file()
    with pytest.raises(OutputError, match="Another run"):
        FolderLock(tmp_path)
    lock.release()
    FolderLock(tmp_path).release()


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    import fcntl

    def refuse(descriptor, how):
        raise OSError(95, "not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OutputError, match="cannot be locked"):
        FolderLock(tmp_path)


def test_a_lock_file_that_cannot_be_made_is_not_taken_for_one_that_is_held(tmp_path, monkeypatch):
    import os

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError), lock_file(tmp_path / "lock", 0.0):
        pass
