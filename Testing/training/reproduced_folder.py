"""The folder of a reproduction, for the tests of its report: real tables and figures of drawn scores."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np

from SarcopeniaTraining.agreement_figures import bland_altman_figure, regression_figure
from SarcopeniaTraining.agreement_table import agreement_table
from SarcopeniaTraining.classification.run_scores import choose, combinations, score_runs
from SarcopeniaTraining.classification.run_words import RunWords
from SarcopeniaTraining.classification.runs_table import runs_table
from SarcopeniaTraining.classification.table_1 import table_1
from SarcopeniaTraining.classification.table_2 import table_2
from SarcopeniaTraining.figure_style import BLUE, panels, save
from SarcopeniaTraining.fold_summary import best_of, summaries
from SarcopeniaTraining.splits import Fold, Splits, write_splits
from SarcopeniaTraining.table_3 import table_3
from SarcopeniaTraining.table_4 import table_4
from SarcopeniaTraining.table_files import Block, Shown, Table, number, word, write_table
from Testing.training.classification.made_runs import NETWORKS, random_records
from Testing.training.made_scores import run_of, score

SEGMENTATION, CLASSIFICATION = (47, 16, 16), (54, 12, 13)
DIGEST = hashlib.sha256(b"cohort").hexdigest()
STEPS = (
    ("phantoms", "Phantoms"),
    ("pretrain", "Pre-training"),
    ("finetune", "Fine-tuning of ten folds"),
    ("evaluate", "Scores of the segmentation"),
    ("classify", "Classifier runs"),
    ("classify-evaluate", "Scores of the classifiers"),
    ("two_routes", "Two routes to a status"),
    ("gather", "Tables and figures in one place"),
)


def draw_reproduction(folder: Path, *, only: str | None = None, pictures: bool = True) -> Path:
    """Everything that the report reads; `only`: "classify" or "segment" leaves the rest out."""
    (folder / "tables").mkdir(parents=True)
    (folder / "figures").mkdir()
    captions: dict[str, str] = {}
    if only != "classify":
        captions |= _segmentation(folder, pictures)
    if only != "segment":
        captions |= _classification(folder, pictures)
    if only is None and pictures:
        captions |= _explanations(folder)
    text = "".join(f"**{name}** {words}\n\n" for name, words in captions.items())
    (folder / "figures" / "captions.md").write_text(text)
    _facts(folder, only)
    return folder


def fold_scores(folds=10, patients=16, seed=11):
    """Readings of every fold's test patients, three of them sarcopenic."""
    rng = np.random.default_rng(seed)
    readings = []
    for fold in range(1, folds + 1):
        for n in range(patients):
            sex, cutoff = (("male", 144.0), ("female", 92.0))[n % 3 == 0]
            truth = cutoff * (0.85 + 0.04 * n if n < 3 else rng.uniform(1.05, 1.45))
            predicted = truth * (1 + rng.normal(0.01, 0.045))
            case = f"P{1 + (7 * fold + n) % 79:03d}"
            dice = float(np.clip(rng.normal(0.9, 0.03), 0.7, 0.98))
            readings.append(score(case, (float(truth), float(predicted)), dice, sex=sex, fold=fold))
    return readings


@cache
def _segmented():
    """Folds, the best of them, and their tables; drawn once."""
    run = run_of({n: 0.85 + 0.01 * (n % 4) for n in range(1, 11)}, Path("finetune"), preset="smoke")
    folds = summaries(run, fold_scores())
    best = best_of(folds, run)
    everyone = tuple(one for fold in folds for one in fold.scores)
    name = "this run (finetune, preset smoke)"
    agreed = agreement_table(best.scores, everyone, best.run.number)
    return folds, best, everyone, (table_3(folds, name), table_4(best, name), agreed)


@cache
def _classified():
    """Tables of 120 runs; drawn once."""
    scores = score_runs(random_records(), {})
    words = RunWords("this run (classify, random start)", ("This run: random start.",))
    first = table_1(combinations(scores), words)
    return first, table_2(choose(scores), words), runs_table(scores, words)


def _segmentation(folder: Path, pictures: bool) -> dict[str, str]:
    folds, best, everyone, tables = _segmented()
    for table in tables:
        write_table(table, folder / "tables")
    (folder / "finetune" / "evaluation").mkdir(parents=True)
    _splits(folder / "finetune", SEGMENTATION)
    _json(
        folder / "finetune" / "run.json",
        {
            "schema": "sarcopenia-run/1",
            "preset": {"name": "smoke", "epochs": 10, "seed": 1, "network": {"kind": "smit"}},
            "cohort": {"name": "phantoms", "digest": DIGEST},
            "provenance": {"commit": "a" * 40, "python": "3.11.7", "torch": "2.13.0"},
            "encoder": {"source": "encoder.safetensors", "sha256": "b" * 64},
            "train_patients": None,
        },
    )
    hashes = {f"fold-{fold.run.number:02d}": f"{fold.run.number:064x}" for fold in folds}
    summary = {"schema": "sarcopenia-evaluation/1", "best_fold": best.run.number, "model_sha256": hashes}
    _json(folder / "finetune" / "evaluation" / "summary.json", {**summary, "unfinished_folds": []})
    if not pictures:
        return {}
    others = [one for one in everyone if one.fold != best.run.number]
    save(
        bland_altman_figure(best.scores, others, best.run.number),
        folder / "figures" / "segment-bland_altman.png",
    )
    save(
        regression_figure(best.scores, others, best.run.number), folder / "figures" / "segment-regression.png"
    )
    return {
        "segment-bland_altman.png": "Bland–Altman plots of the test patients: bias (line) and limits of "
        "agreement (dashed). A ring marks a wrong status.",
        "segment-regression.png": "Predicted against true area of the test patients; pale: other folds.",
    }


def _classification(folder: Path, pictures: bool) -> dict[str, str]:
    for table in _classified():
        write_table(table, folder / "tables")
    (folder / "classify").mkdir()
    _splits(folder / "classify", CLASSIFICATION)
    _json(
        folder / "classify" / "run.json",
        {
            "schema": "sarcopenia-classification/1",
            "preset": {
                "name": "smoke",
                "epochs": 3,
                "patience": 2,
                "learning_rate": 5e-5,
                "batch": 8,
                "class_weights": False,
            },
            "cohort": {"name": "phantoms", "digest": DIGEST},
            "start": dict.fromkeys(NETWORKS, "random"),
            "images": {"side": 80, "field_mm": 420, "source": "ct"},
            "software": {"tensorflow": "2.21.0", "keras": "3.15.1"},
            "seed": 7,
            "leak": False,
        },
    )
    if not pictures:
        return {}
    _plain_figure(folder / "figures" / "classify-roc.png", "ROC curves")
    _plain_figure(folder / "figures" / "classify-confusion.png", "Confusion matrices")
    return {
        "classify-roc.png": "ROC curves of each network over the sets, on test patients.",
        "classify-confusion.png": "Confusion matrices of each network’s best run on validation.",
    }


def _explanations(folder: Path) -> dict[str, str]:
    block = Block(
        "this run",
        ("network", "tissue", "share_of_attribution", "share_of_pixels"),
        (
            Shown("network", word("network")),
            Shown("tissue", word("tissue")),
            Shown("share of attribution", number("share_of_attribution", 2)),
            Shown("share of pixels", number("share_of_pixels", 2)),
        ),
    )
    rows = [
        {"network": name, "tissue": tissue, "share_of_attribution": 0.25, "share_of_pixels": 0.1 * place}
        for name in NETWORKS
        for place, tissue in enumerate(("muscle", "fat", "bone", "rest"), start=1)
    ]
    write_table(Table("attribution", "Where the attribution lies", (block,), tuple(rows)), folder / "tables")
    _plain_figure(folder / "figures" / "explain-grad_cam.png", "Grad-CAM")
    return {"explain-grad_cam.png": "Grad-CAM and LIME of four patients, as the paper's Figure 3."}


def _plain_figure(path: Path, title: str) -> None:
    figure, (axis,) = panels(1, 1, 3.4)
    axis.plot([0, 0.2, 0.5, 1], [0, 0.6, 0.85, 1], color=BLUE, marker="o")
    axis.set_title(title)
    save(figure, path)


def _facts(folder: Path, only: str | None) -> None:
    part = {
        "classify": ("finetune", "evaluate", "pretrain", "two_routes"),
        "segment": ("classify", "two_routes"),
    }
    left_out = part.get(only or "", ())
    steps = [
        {
            "name": name,
            "title": title,
            "state": "not wanted" if name.startswith(left_out or "-") else "done",
            "seconds": 12.5 * place,
            "code_sha256": f"{place:064x}",
        }
        for place, (name, title) in enumerate(STEPS, start=1)
    ]
    _json(
        folder / "reproduction.json",
        {
            "schema": "sarcopenia-reproduction/1",
            "preset": {"name": "smoke"},
            "cohort": {
                "kind": "phantom",
                "name": "phantoms",
                "digest": DIGEST,
                "patients": 79,
                "sarcopenic": 18,
                "men": 52,
                "seed": 5,
            },
            "command": "sarcopenia reproduce --preset smoke --out OUT",
            "start": {"classifier": "random", "encoder": None},
            "only": only,
            "steps": steps,
        },
    )


def _splits(folder: Path, sizes: tuple[int, int, int]) -> None:
    names = iter(f"P{n:03d}" for n in range(1, sum(sizes) + 1))
    parts = [tuple(next(names) for _ in range(size)) for size in sizes]
    write_splits(Splits((Fold(1, *parts),), 3, DIGEST), folder / "splits.json")


def _json(path: Path, values: dict) -> None:
    path.write_text(json.dumps(values))
