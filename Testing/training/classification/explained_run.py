"""A classifier run over a cohort of tiny CTs or pictures, whose network is the tiny one: made in a moment."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from SarcopeniaAssessLib import models, segmentation
from SarcopeniaTraining.classification import classifier_run
from SarcopeniaTraining.classification.classifier_run import Prediction
from SarcopeniaTraining.image_cohort import read_image_cohort
from SarcopeniaTraining.splits import Fold, Splits, write_splits
from Testing.training.classification.made_runs import draw_classification, record
from Testing.training.classification.tiny_classifier import sections, tiny_classifier
from Testing.training.tiny_cohort import tiny_cohort


def picture_cohort(folder, count=6):
    """Sections as PNG; every third sarcopenic."""
    folder.mkdir()
    for number, rgb in enumerate(sections(count, 48), start=1):
        Image.fromarray(rgb).save(folder / f"P{number}.png")
    with (folder / "manifest.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["case", "image", "sarcopenic"])
        table.writerows([[f"P{n}", f"P{n}.png", "yes" if n % 3 == 0 else "no"] for n in range(1, count + 1)])
    return read_image_cohort(folder)


def made_run(base, cohort):
    """The run's folder: two cases to learn from, one to validate on, the others tested."""
    names = [case.case for case in cohort.cases]
    labels = {case.case: case.sarcopenic for case in cohort.cases}
    parts = tuple(names[:2]), tuple(names[2:3]), tuple(names[3:])
    test = tuple(Prediction(name, labels[name], 0.4) for name in parts[2])
    made = record(start="random")
    made = type(made)(**{**vars(made), "test": test})
    folder = draw_classification(base / "run", [made], digest=cohort.digest)
    write_splits(Splits((Fold(1, *parts),), 1, cohort.digest), folder / "splits.json")
    (folder / "weights").mkdir()
    (folder / "weights" / "ResNet50.safetensors").write_bytes(b"of the tiny network")
    return folder, made


def by_hu(volume, k, *_):
    """In place of a network: muscle where the tiny CTs have muscle."""
    return SimpleNamespace(mask=np.abs(volume.slab(k, k + 1)[:, :, 0] - 55.0) < 15)


@pytest.fixture
def ct_run(tmp_path, monkeypatch):
    """A run over CTs T01 … T06 of which T04 is sarcopenic; cohort and run lie side by side."""
    cohort = tiny_cohort(tmp_path / "cohort", 6)
    folder, made = made_run(tmp_path, cohort)
    _with_tiny_network(monkeypatch, made)
    monkeypatch.setattr(models, "load_model", lambda *_: None)
    monkeypatch.setattr(segmentation, "segment_slice", by_hu)
    return folder


@pytest.fixture
def picture_run(tmp_path, monkeypatch):
    """A run over pictures P1 … P6."""
    cohort = picture_cohort(tmp_path / "cohort")
    folder, made = made_run(tmp_path, cohort)
    _with_tiny_network(monkeypatch, made)
    return folder


def _with_tiny_network(monkeypatch, made):
    def loaded(folder, network):
        tiny = tiny_classifier()
        return type(tiny)(tiny.model, tiny.arch, tiny.side, made)

    monkeypatch.setattr(classifier_run, "load_classifier", loaded)
