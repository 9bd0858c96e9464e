"""One run at a time in an output folder, by a lock that the kernel releases when its holder dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from SarcopeniaAssessLib.errors import OutputError

LOCK_FILE = ".sarcopenia.lock"
"""Only where a folder itself cannot be locked: on Windows, and on some network file systems."""


class FolderLock:
    """An exclusive lock on a folder, held until `release` or the process's end.

    Raises
    ------
    OutputError
        Another run holds it, or the file system has no locks.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = _locked(folder)

    def release(self) -> None:
        """Let the next run in; twice is harmless."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def lock_file(file: Path, wait_s: float) -> Iterator[None]:
    """Hold a lock file, made if it is not there and left there, while a `with` block runs.

    Raises
    ------
    OutputError
        Another program still holds it after `wait_s` seconds.
    OSError
        The file cannot be made, or its file system has no locks.
    """
    given_up = time.monotonic() + wait_s
    while True:
        opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            descriptor = _lock(opened)
            break
        except OSError as error:
            # Windows tells a lock that is held by a mere PermissionError, as it does much else.
            if not isinstance(error, BlockingIOError | PermissionError):
                raise
            if time.monotonic() >= given_up:
                raise OutputError("Another program is writing there", "try again in a moment") from error
            time.sleep(0.02)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(folder: Path) -> int | None:
    if sys.platform != "win32":
        try:
            return _lock(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        except BlockingIOError:
            raise _other_run() from None
        except OSError:
            pass  # NFS locks files that are open for writing alone
    try:
        return _lock(os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644))
    except OSError as error:
        if isinstance(error, BlockingIOError) or sys.platform == "win32":
            raise _other_run() from None
        raise OutputError(
            "The output folder cannot be locked against a second run", "give --out on a local disk"
        ) from error


def _lock(descriptor: int) -> int:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _other_run() -> OutputError:
    return OutputError(
        "Another run is writing to the output folder", "wait for its end, or give another --out"
    )
