"""Many held-out scans over processes: a row a scan as it is done, so that a killed run goes on.

`scans.jsonl` begins with what was scored by what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.held_out import HeldOutScore, read_scan
from SarcopeniaTraining.journal import Journal, code_identity, model_identity
from SarcopeniaTraining.machine import as_done, one_thread

if TYPE_CHECKING:
    from SarcopeniaAssessLib.models import SegmentationModel

ROWS = "scans.jsonl"
SCHEMA = "sarcopenia-held-out-scans/1"


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
    subject = {"schema": SCHEMA, "model": model_identity(entry), **code_identity("second_family")}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder cannot be made ({error.strerror})", "give a folder with write access"
        ) from None
    lock = FolderLock(folder)
    try:
        rows = Journal(folder / ROWS, subject)
        scores = {score.seed: score for score in rows.read(HeldOutScore.from_mapping)}
        missing = [seed for seed in plan.seeds if seed not in scores]
        scored = as_done(partial(score_seed, plan.model), missing, plan.jobs, one_thread)
        for done, score in enumerate(scored, start=1):
            rows.add([score.to_mapping()])
            scores[score.seed] = score
            advance(done, len(missing))
    finally:
        lock.release()
    return [scores[seed] for seed in plan.seeds], subject


def score_seed(model: str, seed: int) -> HeldOutScore:
    """Draw one scan and score it."""
    from SarcopeniaTraining.second_family import draw_l3

    return read_scan(draw_l3(seed), open_model(model)).score


@lru_cache(maxsize=1)
def open_model(model: str) -> SegmentationModel:
    """Model of that name or file, or of the folder of a training."""
    from SarcopeniaTraining.scoring import load_run

    return load_run(model)
