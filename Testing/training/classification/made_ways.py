"""Ways of a study without a network: a cohort of pictures in memory, splits, and records of what was said."""

import numpy as np

from SarcopeniaTraining.classification.classifier_images import ClassifierImages, Source
from SarcopeniaTraining.classification.classifier_run import Prediction, RunRecord
from SarcopeniaTraining.classification.classify_preset import load_classify_preset
from SarcopeniaTraining.splits import Fold, Splits

SIDE = 32


def images_of(names, sarcopenic, sexes=None, source=Source.CT):
    """Images whose grey is the case's place."""
    rgb = np.repeat(np.arange(len(names), dtype=np.uint8)[:, None], SIDE * SIDE * 3, axis=1)
    return ClassifierImages(
        names=tuple(names),
        rgb=rgb.reshape(-1, SIDE, SIDE, 3),
        sarcopenic=np.array(sarcopenic, bool),
        patients=tuple(names),
        sexes=tuple(sexes or [None] * len(names)),
        source=source,
    )


def cases(count, sarcopenic):
    """S01 … are sarcopenic, N01 … are not."""
    sick = [f"S{n:02d}" for n in range(1, sarcopenic + 1)]
    return [*sick, *(f"N{n:02d}" for n in range(1, count - sarcopenic + 1))]


def two_sets():
    """Twice eight to train on (2 of them sarcopenic), four to validate and four to test (2 each)."""
    folds = (
        Fold(
            1,
            ("S01", "S02", "N01", "N02", "N03", "N04", "N05", "N06"),
            ("S03", "S04", "N07", "N08"),
            ("S05", "S06", "N09", "N10"),
        ),
        Fold(
            2,
            ("S05", "S06", "N05", "N06", "N07", "N08", "N09", "N10"),
            ("S01", "S02", "N01", "N02"),
            ("S03", "S04", "N03", "N04"),
        ),
    )
    return Splits(folds, 1, "digest")


def preset_of(**changes):
    """The smoke preset with one network, one scheme, two sets, at 32 pixels."""
    from dataclasses import replace

    small = {
        "networks": ("ResNet50",),
        "schemes": ("unfreezeall",),
        "sets": (1, 2),
        "side": SIDE,
        "epochs": 1,
    }
    return replace(load_classify_preset("smoke"), **{**small, **changes})


def is_sick(name):
    """Label of the cases of `cases`."""
    return name.startswith("S")


def record(fold, said, label=is_sick, *, class_weights=False):
    """A run of a set; `said` gives the probability of each case."""

    def part(names):
        return tuple(Prediction(name, label(name), said(name)) for name in names)

    return RunRecord(
        network="ResNet50",
        scheme="unfreezeall",
        set=fold.number,
        seed=1,
        start="random",
        epochs=1,
        best_epoch=1,
        history={"loss": (0.7,), "val_loss": (0.7,)},
        validation=part(fold.validation),
        test=part(fold.test),
        class_weights=class_weights,
        seconds=1.0,
        resident_mb=1.0,
        trained_parameters=1,
    )


def trainer(said, seen):
    """Instead of a training: `said(plan)` gives what its networks say of a case; `seen` gets the plans."""

    def runs(plan):
        images = plan.images[SIDE]
        label = dict(zip(images.names, images.sarcopenic.tolist(), strict=True))
        weights = plan.preset.class_weights
        return [record(fold, said(plan), label.__getitem__, class_weights=weights) for fold in plan.folds()]

    def train(plans, jobs):
        seen.extend(plans)
        return [runs(plan) for plan in plans]

    return train
