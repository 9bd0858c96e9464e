"""Many held-out scans over processes: a row a scan as it is done, so that a killed run goes on.

`scans.jsonl` begins with what was scored by what; rows are only ever added to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SarcopeniaAssessLib
from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.held_out import HeldOutScore, read_scan
from SarcopeniaTraining.machine import workers

if TYPE_CHECKING:
    from SarcopeniaAssessLib.models import SegmentationModel

ROWS = "scans.jsonl"
SCHEMA = "sarcopenia-held-out-scans/1"
_ANEW = "give another --out, or remove the file to score every scan anew"


@dataclass(frozen=True)
class HeldOutPlan:
    """What is scored.

    Attributes
    ----------
    model:
        Registered name, .safetensors file or the folder of a training.
    seeds:
        Of the scans, one each.
    jobs:
        Processes, one thread each.
    """

    model: str
    seeds: tuple[int, ...]
    jobs: int = 1


def score_held_out(
    plan: HeldOutPlan, folder: Path, advance: Callable[[int, int], None] = lambda _done, _all: None
) -> tuple[list[HeldOutScore], dict[str, Any]]:
    """Score the scans that the folder lacks; return the plan's scores by seed, and what was scored by what.

    Raises
    ------
    SarcopeniaError
        A model that cannot be loaded; a folder that is damaged, in use, not writable, or holds scores of
        another model or another version of family or library.
    """
    entry = open_model(plan.model).entry
    subject = {
        "schema": SCHEMA,
        "model": {"name": entry.name, "version": entry.version, "sha256": entry.sha256},
        "family_sha256": sources_sha256(Path(__file__).parent / "second_family"),
        "library_sha256": sources_sha256(Path(SarcopeniaAssessLib.__file__).parent),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder cannot be made ({error.strerror})", "give a folder with write access"
        ) from None
    lock = FolderLock(folder)
    try:
        rows = RowFile(folder / ROWS, subject)
        missing = [seed for seed in plan.seeds if seed not in rows.scores]
        for done, score in enumerate(_scored(missing, plan), start=1):
            rows.add(score)
            advance(done, len(missing))
    finally:
        lock.release()
    return [rows.scores[seed] for seed in plan.seeds], subject


class RowFile:
    """The rows on disk: a line of what is scored by what, then a line a scan.

    Raises
    ------
    OutputError
        The file is damaged, or holds scores of something else.
    """

    def __init__(self, path: Path, subject: dict[str, Any]) -> None:
        self._path = path
        self.scores: dict[int, HeldOutScore] = {}
        lines = path.read_text("utf-8").split("\n") if path.is_file() else []
        if len(lines) < 2:  # a first line that a crash cut short holds nothing
            self._write(json.dumps(subject) + "\n", "w")
            return
        try:
            held = json.loads(lines[0])
            # The last piece is empty, or what a crash left of a row: that scan is scored again.
            for line in lines[1:-1]:
                score = HeldOutScore.from_mapping(json.loads(line))
                self.scores[score.seed] = score
        except (ValueError, KeyError, TypeError):
            raise OutputError(f"{path.name} is damaged", _ANEW) from None
        if held != subject:
            other = sorted(name for name in {*held, *subject} if held.get(name) != subject.get(name))
            words = ", ".join(name.replace("_sha256", "'s code") for name in other)
            raise OutputError(f"{path.name} holds scores of another {words}", _ANEW)
        if lines[-1]:
            self._write("\n".join(lines[:-1]) + "\n", "w")

    def add(self, score: HeldOutScore) -> None:
        """Keep a row; it is on disk when this returns.

        Raises
        ------
        OutputError
            The folder is full or not writable.
        """
        self._write(json.dumps(score.to_mapping()) + "\n", "a")
        self.scores[score.seed] = score

    def _write(self, text: str, mode: str) -> None:
        try:
            with self._path.open(mode, encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            raise OutputError(
                f"{self._path.name} cannot be written ({error.strerror})",
                "choose a writable folder with room",
            ) from None


def sources_sha256(folder: Path) -> str:
    """SHA-256 over the Python files of a package, by name: another code, another number."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _scored(seeds: Sequence[int], plan: HeldOutPlan) -> Iterator[HeldOutScore]:
    """Scores as they are ready."""
    if min(plan.jobs, len(seeds)) <= 1:
        for seed in seeds:
            yield score_seed(plan.model, seed)
        return
    with workers(plan.jobs, len(seeds), _one_thread) as pool:
        begun = [pool.submit(score_seed, plan.model, seed) for seed in seeds]
        try:
            for done in as_completed(begun):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what is begun is finished, no more
            raise


def score_seed(model: str, seed: int) -> HeldOutScore:
    """Draw one scan and score it."""
    from SarcopeniaTraining.second_family import draw_l3

    return read_scan(draw_l3(seed), open_model(model)).score


@lru_cache(maxsize=1)
def open_model(model: str) -> SegmentationModel:
    """Model of that name or file, or of the folder of a training."""
    if not Path(model).is_dir():
        return load_model(model)
    from SarcopeniaTraining.scoring import load_run

    return load_run(model)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
