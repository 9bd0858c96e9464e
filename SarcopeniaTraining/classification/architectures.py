"""The paper's four networks as facts: size, preprocessing, the layer that Grad-CAM reads, RadImageNet's file.

Nothing here builds a network; `networks` does. Opening this file is instant.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from SarcopeniaAssessLib.errors import ModelError

INSTALL = "pip install 'sarcopenia-assess[classification]'"
PREPROCESSINGS: Mapping[str, str] = {
    "tf": "-1 … 1",
    "torch": "0 … 1, less ImageNet's mean of each colour, over its spread",
    "caffe": "0 … 255 in the order blue, green, red, less ImageNet's mean of each colour",
}
"""What `preprocess_input` makes of grey levels 0 … 255, by Keras's word for each network's own."""


@dataclass(frozen=True)
class Architecture:
    """One network of `keras.applications`, without its top.

    Attributes
    ----------
    name:
        As in the paper's tables and in `keras.applications`.
    side:
        Published side of the square image in pixels.
    least_side:
        The smallest that `keras.applications` builds it for.
    preprocessing:
        A key of `PREPROCESSINGS`: the mode of its own `preprocess_input`.
    last_convolution:
        Layer whose output Grad-CAM reads: the deepest activation that still has a place in the image.
    weights_file:
        Name of the Keras file that RadImageNet gives out.
    """

    name: str
    side: int
    least_side: int
    preprocessing: str
    last_convolution: str
    weights_file: str

    def __post_init__(self) -> None:
        if self.preprocessing not in PREPROCESSINGS:
            raise ModelError(
                f"{self.name}: preprocessing {self.preprocessing!r} is not known",
                f"take one of {', '.join(PREPROCESSINGS)}",
            )
        if not 0 < self.least_side <= self.side:
            raise ModelError(
                f"{self.name}: side {self.side} with a least side of {self.least_side} pixels",
                "take the sizes of keras.applications",
            )

    def check_side(self, side: int) -> None:
        """Refuse an image too small for the network.

        Raises
        ------
        ModelError
            `side` is below `least_side`.
        """
        if side < self.least_side:
            raise ModelError(
                f"{self.name} cannot see images of {side}×{side} pixels",
                f"give a side of {self.least_side} pixels or more; as published it is {self.side}",
            )


ARCHITECTURES: Mapping[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture("InceptionV3", 299, 75, "tf", "mixed10", "RadImageNet-InceptionV3_notop.h5"),
        Architecture("DenseNet121", 224, 32, "torch", "relu", "RadImageNet-DenseNet121_notop.h5"),
        Architecture("ResNet50", 224, 32, "caffe", "conv5_block3_out", "RadImageNet-ResNet50_notop.h5"),
        Architecture("InceptionResNetV2", 299, 75, "tf", "conv_7b_ac", "RadImageNet-IRV2_notop.h5"),
    )
}
"""By name, in the order in which the paper's Table 1 first names them."""


def architecture(name: str) -> Architecture:
    """Find a network by its name, in small or capital letters.

    Raises
    ------
    ModelError
        The paper has no such network.
    """
    for known, found in ARCHITECTURES.items():
        if known.casefold() == name.strip().casefold():
            return found
    raise ModelError(f"there is no network {name!r}", f"take one of {', '.join(ARCHITECTURES)}")


def require_keras() -> Any:
    """Import Keras on TensorFlow, quietly.

    Returns
    -------
    module
        `keras`.

    Raises
    ------
    ModelError
        TensorFlow or Keras is not installed, is broken, or Keras runs on another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read once, when TensorFlow is imported
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise ModelError(
            f"the classifiers need TensorFlow and Keras, which cannot be imported ({error.name or error})",
            INSTALL,
        ) from None
    tf.get_logger().setLevel(logging.ERROR)
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"Keras runs on {keras.backend.backend()} here, the classifiers need TensorFlow",
            "set KERAS_BACKEND=tensorflow",
        )
    return keras
