"""Grad-CAM: where a layer of a network speaks for a class (Selvaraju et al. 2017, doi 10.1109/ICCV.2017.74).

The score whose gradient is taken is the class's logit less the other class's. The softmax of two nodes sees
nothing but that difference, so a map of one logit alone would hold what has no say in the call; and a
confident network, whose probabilities hardly move, still has a map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BATCH, _CLASSES = 8, 2
_NAMED_AT_MOST = 6


@dataclass(frozen=True, eq=False)
class GradCam:
    """A network that is read at one of its layers; made by `grad_cam_at`.

    Attributes
    ----------
    layer:
        The layer's name.
    cells:
        Rows and columns of its output: how fine a map can be, before it is interpolated.
    """

    layer: str
    cells: tuple[int, int]
    _readings: Any
    _head: Any

    def maps(self, prepared: NDArray[np.float32], classes: Sequence[int]) -> NDArray[np.float32]:
        """Maps of some images, each for a class of its own.

        Parameters
        ----------
        prepared:
            (N, S, S, 3), as the network takes them.
        classes:
            N indices of the softmax.

        Returns
        -------
        (N, rows, columns) of the layer, 0 or more: the channels weighted by the mean gradient of the
        class's score, what speaks against the class cut off.

        Raises
        ------
        InputError
            The call does not depend on the layer.
        """
        starts = range(0, len(prepared), _BATCH)
        parts = [
            self._batch(prepared[at : at + _BATCH], np.asarray(classes[at : at + _BATCH])) for at in starts
        ]
        return np.concatenate(parts) if parts else np.zeros((0, *self.cells), np.float32)

    def _batch(self, prepared: NDArray[np.float32], classes: NDArray[Any]) -> NDArray[np.float32]:
        import tensorflow as tf

        images = tf.convert_to_tensor(prepared)
        with tf.GradientTape() as tape:
            tape.watch(images)  # without it a layer before the first weights is not recorded
            activation, features = self._readings(images, training=False)
            logits = tf.matmul(features, self._head.kernel) + self._head.bias
            signs = tf.constant(np.where(classes == 1, 1.0, -1.0), tf.float32)
            score = tf.reduce_sum(signs * (logits[:, 1] - logits[:, 0]))
        gradient = tape.gradient(score, activation)
        if gradient is None:
            raise InputError(
                f"the call does not depend on layer {self.layer!r}", "give a layer on the way to the softmax"
            )
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        speaking: NDArray[np.float32] = tf.nn.relu(tf.reduce_sum(weights * activation, axis=3)).numpy()
        return speaking


def grad_cam_at(model: Any, layer: str) -> GradCam:
    """Read a classifier at a layer.

    Parameters
    ----------
    model:
        A Keras model whose last layer is a two-node softmax, its layers reachable by name.
    layer:
        Name of a layer whose output is (N, rows, columns, channels).

    Raises
    ------
    InputError
        The model ends otherwise; there is no such layer, or its output is no image: the message names the
        last that can be read.
    """
    from SarcopeniaTraining.classification.architectures import require_keras

    keras = require_keras()
    head = model.layers[-1]
    softmax = isinstance(head, keras.layers.Dense) and head.activation is keras.activations.softmax
    if not softmax or head.units != _CLASSES:
        raise InputError(
            "the network does not end in a two-node softmax", "give a network of `sarcopenia classify`"
        )
    names = readable_layers(model)
    if layer not in names:
        known = any(each.name == layer for each in model.layers)
        last = ", ".join(names[-_NAMED_AT_MOST:])
        raise InputError(
            f"the output of layer {layer!r} is no image" if known else f"the network has no layer {layer!r}",
            f"give one of its {len(names)} layers that Grad-CAM can read, the last are {last}",
        )
    read = model.get_layer(layer)
    _, rows, columns, _ = read.output.shape
    readings = keras.Model(model.input, [read.output, head.input])
    return GradCam(layer, (int(rows), int(columns)), readings, head)


def readable_layers(model: Any) -> list[str]:
    """Names of the layers whose output is an image, from the input on; those of several outputs left out."""
    return [
        layer.name
        for layer in model.layers[1:]
        if len(getattr(layer, "_inbound_nodes", ())) == 1 and len(getattr(layer.output, "shape", ())) == 4
    ]


def upsampled(cells: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """A map on the pixels of the image, (side, side), linearly between the centres of its cells."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(cells, np.float32))
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR), np.float32)
