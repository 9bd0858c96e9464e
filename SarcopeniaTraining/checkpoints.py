"""The resumable state of one training in one folder: the newest and the one before it, both checked.

A checkpoint appears by one rename and carries its own SHA-256, so one that a crash or a full disk cut
short is noticed, said, and the previous one is taken.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.errors import ModelError, OutputError, SarcopeniaError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.presets import preset_difference

CHECKPOINT, PREVIOUS = "checkpoint.pt", "checkpoint-previous.pt"
RUN = "run.json"
"""What a training's folder says of its preset and its making."""
_MAGIC = b"SARCOPENIA-CHECKPOINT-1\n"
_DIGEST_BYTES = 32


class DivergedError(SarcopeniaError):
    """A loss that is no number: the training stops, its last good checkpoint stays."""


class Checkpoints:
    """Two generations of a training's state in `folder`.

    Parameters
    ----------
    folder:
        Made if it is missing.

    Raises
    ------
    OutputError
        The folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.newest, self.previous = folder / CHECKPOINT, folder / PREVIOUS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(f"{CHECKPOINT}.part*"):
                left.unlink()
        except OSError as error:
            raise OutputError(
                f"the training's folder cannot be made ({error.strerror})", "give a folder with write access"
            ) from None

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state by one rename; the former newest becomes the previous one.

        Parameters
        ----------
        state:
            Tensors, numbers, text, and dicts, lists and tuples of them.

        Raises
        ------
        OutputError
            The disk is full or refuses; both former checkpoints are as they were.
        """
        import torch

        payload = io.BytesIO()
        torch.save(dict(state), payload)
        content = payload.getbuffer()
        part = self.newest.with_name(f"{CHECKPOINT}.part{os.getpid()}")
        try:
            with part.open("wb") as stream:
                stream.write(_MAGIC + hashlib.sha256(content).digest())
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            if self.newest.exists():
                self.newest.replace(self.previous)
            part.replace(self.newest)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise OutputError(
                f"the checkpoint cannot be written ({error.strerror})",
                f"{self._kept()}make room, then repeat the command: it goes on",
            ) from None

    @contextmanager
    def told_if_kept(self) -> Iterator[None]:
        """Within it, a training that diverges says whether a good checkpoint is there.

        Raises
        ------
        DivergedError
            The one raised within, its remedy begun with what is kept.
        """
        try:
            yield
        except DivergedError as error:
            raise DivergedError(error.problem, f"{self._kept()}{error.remedy}") from None

    def _kept(self) -> str:
        there = self.newest.is_file() or self.previous.is_file()
        return "the last good checkpoint is kept; " if there else ""

    def load(self, tell: Callable[[str], None]) -> dict[str, Any] | None:
        """The newest state that is intact, its tensors on the CPU; None where none was ever saved.

        Parameters
        ----------
        tell:
            Gets one line if the newest is damaged and the previous one is taken.

        Raises
        ------
        ModelError
            There are checkpoints, but none is intact.
        """
        present = [path for path in (self.newest, self.previous) if path.is_file()]
        for path in present:
            state = _read(path)
            if state is not None:
                if path != present[0]:
                    tell(f"{present[0].name} is damaged; going on from {path.name}")
                return state
        if present:
            raise ModelError(
                f"{' and '.join(path.name for path in present)} cannot be read",
                "remove them to start this training again",
            )
        return None


def _read(path: Path) -> dict[str, Any] | None:
    """The state in a file, or None if the file is not what was written."""
    import torch

    try:
        content = memoryview(path.read_bytes())
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST_BYTES
    payload = content[start:]
    if content[: len(_MAGIC)] != _MAGIC or hashlib.sha256(payload).digest() != content[len(_MAGIC) : start]:
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    return state


def claim_folder(folder: Path, preset: Mapping[str, Any]) -> None:
    """Make a folder this preset's by its `run.json`, or make sure that it is.

    Parameters
    ----------
    preset:
        Its fields as JSON holds them; what it says of itself (`presets.WORDS`) may change.

    Raises
    ------
    OutputError
        It holds a training of another preset, its `run.json` is damaged, or it cannot be written.
    """
    path = folder / RUN
    if not path.is_file():
        content = {"preset": dict(preset), "provenance": provenance()}
        write_whole(path, json.dumps(content, indent=1).encode())
        return
    try:
        other = preset_difference(preset, json.loads(path.read_text("utf-8"))["preset"])
    except (ValueError, KeyError, TypeError):
        raise OutputError(f"{RUN} in the folder is damaged", "give another --out") from None
    if other:
        raise OutputError(
            f"the folder holds another training (it differs in {', '.join(other)})", "give another --out"
        )


def provenance(packages: Iterable[str] = ("torch", "monai", "numpy")) -> dict[str, Any]:
    """What a run must say of its making: commit, and the versions of what computed it, if installed."""
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        **dict(_versions(packages)),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def _commit() -> str | None:
    """Of the sources; None where they are no checkout, or git is not installed."""
    words = ["git", "rev-parse", "HEAD"]
    try:
        told = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    except OSError:
        return None
    return told.stdout.strip() or None


def _versions(packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in packages:
        with suppress(PackageNotFoundError):
            yield name, version(name)
