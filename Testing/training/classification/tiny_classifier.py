"""A classifier of a few numbers that Keras builds in a moment, for the tests of explanations."""

from __future__ import annotations

from typing import Any

import numpy as np

from SarcopeniaTraining.classification.architectures import architecture, require_keras
from SarcopeniaTraining.classification.classifier_run import LoadedClassifier
from SarcopeniaTraining.classification.networks import start_weights

SIDE = 24
LAYER = "seen"


def tiny_network(side: int = SIDE, seed: int = 3, trainable: bool = True) -> Any:
    """Two convolutions and a two-node softmax named as that of the real networks."""
    keras = require_keras()
    image = keras.Input((side, side, 3))
    seen = keras.layers.Conv2D(4, 5, strides=4, activation="relu", name="first", trainable=trainable)(image)
    seen = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name=LAYER, trainable=trainable)(seen)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooling")(seen)
    model = keras.Model(
        image, keras.layers.Dense(2, "softmax", name="status", trainable=trainable)(pooled), name="resnet50"
    )
    start_weights(model, seed)
    for weight in model.get_layer("status").weights:
        weight.assign(weight / 50)  # probabilities away from 0 and 1
    return model


def tiny_classifier(seed: int = 3) -> LoadedClassifier:
    """The tiny network with the preprocessing of ResNet50; of no run."""
    record: Any = None
    return LoadedClassifier(tiny_network(seed=seed), architecture("ResNet50"), SIDE, record)


def sections(count: int, side: int = SIDE) -> np.ndarray[Any, Any]:
    """Pictures like sections, (count, side, side, 3): grey ellipses, each with a brighter patch elsewhere."""
    row, column = np.mgrid[:side, :side] / side - 0.5
    made = []
    for number in range(count):
        grey = np.where((row / 0.34) ** 2 + (column / (0.4 + 0.01 * number)) ** 2 < 1, 90, 0)
        at = -0.25 + 0.4 * number / max(count - 1, 1)
        grey = np.where((row - 0.05) ** 2 + (column - at) ** 2 < 0.015, 210, grey)
        grain = np.random.default_rng(number).integers(-25, 26, grey.shape)
        made.append(np.repeat(np.where(grey > 0, grey + grain, 0)[:, :, None], 3, axis=2))
    return np.array(made, np.uint8)
