"""Records of classifier runs for the tests, made by hand, and a folder that holds them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from SarcopeniaTraining.classification.classifier_run import Prediction, RunRecord
from SarcopeniaTraining.splits import Fold, Splits, write_splits

TRUTH = {"a": True, "b": False, "c": True, "d": False, "e": True, "f": False}
SPLITS = Splits(
    (Fold(1, ("a", "b"), ("c", "d"), ("e", "f")), Fold(2, ("c", "d"), ("e", "f"), ("a", "b"))), 1, "d" * 64
)


def predicted(**probability: float) -> tuple[Prediction, ...]:
    """Predictions of cases of `TRUTH`."""
    return tuple(Prediction(case, TRUTH[case], value) for case, value in probability.items())


def record(
    network: str = "ResNet50",
    scheme: str = "unfreezeall",
    number: int = 1,
    *,
    validation: tuple[Prediction, ...] | None = None,
    val_loss: Sequence[float] = (0.7, 0.6),
) -> RunRecord:
    """A run whose best epoch has the least of `val_loss`."""
    best = min(range(len(val_loss)), key=val_loss.__getitem__) + 1
    return RunRecord(
        network=network,
        scheme=scheme,
        set=number,
        seed=17,
        start="random",
        epochs=len(val_loss),
        best_epoch=best,
        history={"loss": tuple(value + 0.1 for value in val_loss), "val_loss": tuple(val_loss)},
        validation=validation or predicted(c=0.7, d=0.4),
        test=predicted(e=0.625, f=0.5),
        class_weights=False,
        seconds=1.5,
        resident_mb=900.0,
        trained_parameters=4098,
    )


def facts(planned: dict[str, list[int]]) -> dict[str, object]:
    """What `run.json` says of a run over `SPLITS`."""
    return {
        "schema": "sarcopenia-classification/1",
        "preset": {"name": "made"},
        "cohort": {"name": "made", "digest": "d" * 64, "people": {}},
        "start": {combination.rsplit("-", 1)[0]: "random" for combination in planned},
        "images": {"side": 32, "field_mm": 420.0, "source": "ct", "learned_from": "ct"},
        "software": {},
        "seed": 1,
        "leak": False,
        "planned": planned,
    }


def write_run(folder: Path, records: Sequence[RunRecord], planned: dict[str, list[int]]) -> Path:
    """A folder as `sarcopenia classify` leaves it, without weights."""
    (folder / "runs").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(facts(planned)))
    write_splits(SPLITS, folder / "splits.json")
    for combination in planned:
        lines = [{"identity": "made"}]
        lines += [each.to_mapping() for each in records if f"{each.network}-{each.scheme}" == combination]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "runs" / f"{combination}.jsonl").write_text(text)
    return folder
