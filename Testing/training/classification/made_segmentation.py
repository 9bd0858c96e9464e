"""An evaluated fine-tuning run, alone and beside a classifier's, written by hand for tests of both routes."""

from __future__ import annotations

import json
from collections import defaultdict

from SarcopeniaTraining.splits import Fold, Splits, write_splits
from Testing.training.classification.made_runs import draw_classification, record
from Testing.training.made_scores import score

# Men, cut-off 144: true and predicted area. A, B sarcopenic; C, D, E not.
AREAS = {
    "A": (130.0, 131.0),
    "B": (140.0, 150.0),
    "C": (150.0, 140.0),
    "D": (170.0, 171.0),
    "E": (180.0, 181.0),
}
# Above 0.5: A missed, B found, C and E right, D wrong.
TOLD = {"A": (True, 0.4), "B": (True, 0.8), "C": (False, 0.1), "D": (False, 0.6), "E": (False, 0.2)}
VALIDATION = ((0.4, 0.35), (0.3, 0.1))  # apart above 0.325


def draw_segmentation(folder, scores, digest="d" * 64):
    """`scores` of `made_scores.score`; every fold's test patients are those that are scored."""
    tests = defaultdict(set)
    for one in scores:
        tests[one.fold].add(one.case)
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


def folders(tmp_path, areas=None, records=None, **given):
    """Both runs: of AREAS and of TOLD, unless others are given."""
    scores = areas or [score(case, both, fold=1) for case, both in AREAS.items()]
    segmentation = draw_segmentation(tmp_path / "finetune", scores)
    records = records or [record(test=TOLD, validation=VALIDATION)]
    return segmentation, draw_classification(tmp_path / "classify", records, **given)
