"""An experiment of a few numbers for the tests: bright and dark pictures, a network of thirteen layers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaTraining.classification.classifier_images import ClassifierImages, Source
from SarcopeniaTraining.classification.classify_preset import load_classify_preset
from SarcopeniaTraining.classification.experiment import ClassificationPlan
from SarcopeniaTraining.splits import Fold, Splits

SIDE, CASES = 32, 20
NAMES = tuple(f"C{n:02d}" for n in range(CASES))
PRESET = dataclasses.replace(
    load_classify_preset("smoke"),
    name="tiny",
    networks=("ResNet50",),
    sets=(1, 2),
    side=SIDE,
    learning_rate=0.01,
)


def tiny_images(seed: int = 1) -> ClassifierImages:
    """Every fourth case is sarcopenic, and a little brighter."""
    rng = np.random.default_rng(seed)
    sarcopenic = np.arange(CASES) % 4 == 0
    grey = rng.integers(60, 120, (CASES, SIDE, SIDE)) + 60 * sarcopenic[:, None, None]
    rgb = np.repeat(grey[..., None], 3, axis=3).astype(np.uint8)
    return ClassifierImages(NAMES, rgb, sarcopenic, NAMES, (None,) * CASES, Source.CT)


def tiny_splits() -> Splits:
    """Two sets of 10, 5 and 5 cases; each part has both classes."""
    first = Fold(1, NAMES[:10], NAMES[10:15], NAMES[15:])
    return Splits((first, Fold(2, NAMES[10:], NAMES[:5], NAMES[5:10])), 1, "c" * 64)


def tiny_plan(out: Path, **changes: Any) -> ClassificationPlan:
    """All three schemes on both sets."""
    plan = ClassificationPlan(
        preset=PRESET,
        cohort={"name": "tiny", "digest": "c" * 64, "people": {}},
        splits=tiny_splits(),
        out=out,
        images={SIDE: tiny_images()},
    )
    return dataclasses.replace(plan, **changes)


def small_classifier(arch: Any, side: int, seed: int, backbone_weights: Path | None = None) -> Any:
    """Stands in for `build_classifier`: strided convolutions and batch norms, then the real head."""
    from SarcopeniaTraining.classification.architectures import require_keras
    from SarcopeniaTraining.classification.networks import HEAD, POOLING, start_weights

    keras = require_keras()
    image = keras.Input((side, side, 3))
    seen = image
    for number, strides in enumerate((4, 2, 1, 1)):
        seen = keras.layers.Conv2D(3, 3, strides, "same", name=f"conv{number}")(seen)
        seen = keras.layers.BatchNormalization(name=f"norm{number}")(seen)
        seen = keras.layers.Activation("relu", name=f"seen{number}")(seen)
    pooled = keras.layers.GlobalAveragePooling2D(name=POOLING)(seen)
    model = keras.Model(image, keras.layers.Dense(2, "softmax", name=HEAD)(pooled), name=arch.name.lower())
    start_weights(model, seed)
    return model
