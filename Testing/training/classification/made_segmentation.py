"""The folder of an evaluated fine-tuning run, written by hand for the tests of both routes."""

from __future__ import annotations

import json
from collections import defaultdict

from SarcopeniaTraining.splits import Fold, Splits, write_splits


def draw_segmentation(folder, scores, digest="d" * 64):
    """`scores` of `made_scores.score`; every fold's test patients are those that are scored."""
    tests = defaultdict(set)
    for score in scores:
        tests[score.fold].add(score.case)
    folds = [
        Fold(n, ("T1",), ("V1",), tuple(sorted(tests.get(n, ["unscored"])))) for n in range(1, max(tests) + 1)
    ]
    (folder / "evaluation").mkdir(parents=True)
    write_splits(Splits(tuple(folds), 1, digest), folder / "splits.json")
    facts = {
        "schema": "sarcopenia-run/1",
        "preset": {"name": "made"},
        "cohort": {"name": "cohort", "digest": digest},
    }
    (folder / "run.json").write_text(json.dumps(facts))
    for fold in folds:
        if fold.number not in tests:
            continue  # not finished
        place = folder / f"fold-{fold.number:02d}"
        place.mkdir()
        (place / "best.safetensors").write_bytes(b"weights")
        (place / "validation.json").write_text(json.dumps({"epoch-060": {"dice": 0.9}, "best": "epoch-060"}))
    text = json.dumps({"schema": "sarcopenia-fold-scores/1", "scores": [one.to_mapping() for one in scores]})
    (folder / "evaluation" / "scores.json").write_text(text)
    return folder
