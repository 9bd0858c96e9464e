"""The private folder through which arrays pass between a program and its worker.

A CT lies there as a `.npy` that the worker maps, answers as `.npz`. It is a patient's data, so the folder is
readable by its user alone and disappears with the program, or, where that was killed, with the next one.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaAssessLib.volume import ArraySource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.volume import CtVolume

PREFIX = "sarcopenia-worker-"
_LEFT_FOR_S = 60.0
_PIECE = 1 << 30
"""Written in one call of the system: between calls the thread would wait for its program's main one."""


class ExchangeFolder:
    """A new private folder, locked for as long as its program runs.

    Parameters
    ----------
    within:
        Where to make it; `None`: the temporary folder.

    Raises
    ------
    OSError
        It cannot be made there.
    """

    def __init__(self, within: Path | None = None) -> None:
        base = Path(tempfile.gettempdir()) if within is None else within
        remove_left(base)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        self._lock: FolderLock | None = None
        with contextlib.suppress(OutputError):
            self._lock = FolderLock(self.path)

    def remove(self) -> None:
        """Remove it with all that lies in it; twice is harmless."""
        if self._lock is not None:
            self._lock.release()
        remove_folder(self.path)


def remove_folder(path: Path) -> None:
    """Remove an exchange folder, and nothing that does not bear its name."""
    if path.name.startswith(PREFIX):
        shutil.rmtree(path, ignore_errors=True)


def remove_left(base: Path) -> None:
    """Remove the folders of programs that were killed: those that nobody locks."""
    for path in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime >= _LEFT_FOR_S:
                remove_unless_held(path)


def remove_unless_held(path: Path) -> None:
    """Remove an exchange folder whose program has ended; one that somebody locks stays."""
    with contextlib.suppress(OutputError):
        FolderLock(path).release()
        remove_folder(path)


class HuFile:
    """A CT's voxels on their way into a file, written by a thread.

    Parameters
    ----------
    path:
        Appears by a rename when all of it is there.
    volume:
        Its native array is written as it lies in memory, HU of any type, (i, j, k).
    """

    def __init__(self, path: Path, volume: CtVolume) -> None:
        self.path, self.key = path, hu_key(volume)
        self.error: BaseException | None = None
        self._is_unwanted = False
        self._thread = threading.Thread(target=self._write, args=(volume,), daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it is written, or cannot be (`error`); waits so long at most, and lets the thread run."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def holds(self, volume: CtVolume) -> bool:
        """Whether it is the file of this CT, and still there; never of one whose checksum is not known."""
        if self.error is not None or self.key is None or self.key != hu_key(volume):
            return False
        return self._thread.is_alive() or self.path.is_file()

    def remove(self) -> None:
        """Remove the file; the thread does, where it still writes. Returns at once."""
        self._is_unwanted = True
        self._unlink(self.path)

    def _write(self, volume: CtVolume) -> None:
        part = self.path.with_suffix(".part")
        try:
            write_array(part, native_array(volume))
            part.replace(self.path)
        except BaseException as error:
            self.error = error
            self._unlink(part)
        if self._is_unwanted:
            self._unlink(self.path)

    @staticmethod
    def _unlink(path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def hu_key(volume: CtVolume) -> tuple[Any, ...] | None:
    """What the voxels of a CT are known by, in their order; `None` if its checksum is not known.

    One CT may be stored in several orders: by its file, and by a program that has turned its axes.
    """
    if not volume.input.sha256:
        return None
    stored = (volume.shape, volume.source.dtype.str, volume.axes.order, volume.axes.flipped)
    return (volume.input.format, volume.input.sha256, *stored)


def native_array(volume: CtVolume) -> NDArray[Any]:
    """All voxels in native order, (i, j, k) HU; a view where they are in memory."""
    if isinstance(volume.source, ArraySource):
        return volume.source.array
    return volume.source.read(2, 0, volume.shape[2])


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write a `.npy` by the system's own writes, whose errors say what is wrong (numpy's do not)."""
    whole = array if array.flags.f_contiguous else np.ascontiguousarray(array)
    in_order = whole.T if whole.flags.f_contiguous else whole
    raw = np.ascontiguousarray(in_order).reshape(-1).view(np.uint8).data
    with path.open("wb") as file:
        header = np.lib.format.header_data_from_array_1_0(whole)
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(raw), _PIECE):
            file.write(raw[start : start + _PIECE])


def mapped_array(path: Path) -> NDArray[Any]:
    """The array of a `.npy`, mapped: read from the file where it is touched."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
