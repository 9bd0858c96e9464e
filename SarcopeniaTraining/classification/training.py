"""One network in one process: built once, compiled once a scheme, and set back to its start for each run.

The backbone's start is the same for every run, as published weights would be; the run's seed draws the head
and the order of the cases. A run is Adam on cross-entropy in whole epochs, stopped early on validation loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.classification.architectures import Architecture, require_keras
from SarcopeniaTraining.classification.frozen_features import BATCH, frozen_features, rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from SarcopeniaTraining.classification.classify_preset import ClassifyPreset
    from SarcopeniaTraining.classification.frozen_features import Tensors

SETTLING_BATCH, SETTLING_BATCHES = 32, 4
"""Images of a pass whose statistics are taken, and passes."""
_LEAST_PROBABILITY = 1e-7
"""Keras's own: below it a cross-entropy is not told from that of this probability."""


@dataclass(frozen=True, eq=False)
class Part:
    """Cases of one part of a set.

    Attributes
    ----------
    inputs:
        Of the trained part, an array (N, …) each.
    sarcopenic:
        (N,).
    """

    inputs: Tensors
    sarcopenic: NDArray[np.bool_]


@dataclass(frozen=True)
class Trained:
    """What a run left; the model holds the weights of the best epoch.

    Attributes
    ----------
    history:
        `loss` (of training, weighted as it is learned) and `val_loss` (not weighted), a value an epoch.
    """

    epochs: int
    best_epoch: int
    history: Mapping[str, tuple[float, ...]]


def use_threads(threads: int) -> None:
    """Set TensorFlow up before anything is computed: so many threads, the same sums at every repetition.

    A process that has computed already keeps its threads.
    """
    import tensorflow as tf

    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()


class TrainableScheme:
    """The part of a network that a scheme trains, compiled.

    Parameters
    ----------
    frozen, trained:
        Of `schemes.cut`, and no other cut since: the layers' `trainable` is read while it is compiled.
    learning_rate:
        Of Adam, whose other numbers are Keras's.
    settles:
        Whether `settle` is wanted: of a random start.
    """

    def __init__(
        self, frozen: Any | None, trained: Any, learning_rate: float, *, settles: bool = False
    ) -> None:
        keras = require_keras()
        keras.utils.set_random_seed(0)  # operations that want one, under op determinism; none is drawn here
        self.frozen, self.trained = frozen, trained
        self.variables = list(trained.trainable_variables)
        self.weights = list(trained.weights)
        self._optimizer = keras.optimizers.Adam(learning_rate)
        self._optimizer.build(self.variables)
        fixed = {id(self._optimizer.learning_rate)}
        self._state = [each for each in self._optimizer.variables if id(each) not in fixed]
        norms = [each for each in trained.layers if isinstance(each, keras.layers.BatchNormalization)]
        self._norms = [each for each in norms if each.trainable] if settles else []
        self._step, self._ask = self._compiled()
        self._settle = self._settling() if self._norms else None

    @property
    def trained_parameters(self) -> int:
        """How many numbers are learned."""
        return sum(int(np.prod(each.shape)) for each in self.variables)

    def reset(self) -> None:
        """Forget the optimizer's moments and its count of steps."""
        for each in self._state:
            each.assign(np.zeros(each.shape, each.dtype))

    def step(self, inputs: Tensors, labels: NDArray[np.int32], weights: NDArray[np.float32]) -> float:
        """One step of Adam; the loss before it."""
        return float(self._step(list(inputs), labels, weights))

    def settle(self, inputs: Tensors, seed: Sequence[int]) -> None:
        """Set the statistics of batch norms that learn to those of training images, as they are now.

        Keras's moving ones lag by some 200 steps: a trained start has them, a random one is judged by
        statistics of networks that are gone, for longer than a small set trains ("precise BN", Wu & Johnson
        2021, arXiv 2105.07576). Training itself does not read them. Nothing happens of a trained start.
        """
        if self._settle is None:
            return
        order = batches(len(inputs[0]), SETTLING_BATCH, seed)[:SETTLING_BATCHES]
        for number, places in enumerate(order, 1):
            self._settle(list(rows(inputs, places)), np.float32(1 - 1 / number))  # the mean over batches

    def probability(self, inputs: Tensors) -> NDArray[np.float64]:
        """Probability of being sarcopenic, in inference mode."""
        count = len(inputs[0])
        pieces = [
            np.asarray(self._ask([each[n : n + BATCH] for each in inputs])) for n in range(0, count, BATCH)
        ]
        return np.concatenate(pieces).astype(np.float64)[:, 1]

    def _compiled(self) -> tuple[Any, Any]:
        """Steps for batches of any size: another size is not compiled anew."""
        import tensorflow as tf

        keras = require_keras()
        trained, variables, optimizer = self.trained, self.variables, self._optimizer
        several = len(trained.inputs) > 1
        inputs = [tf.TensorSpec([None, *each.shape[1:]], tf.float32) for each in trained.inputs]

        def step(given: Any, labels: Any, weights: Any) -> Any:
            with tf.GradientTape() as tape:
                said = trained(given if several else given[0], training=True)
                loss = tf.reduce_mean(weights * keras.losses.sparse_categorical_crossentropy(labels, said))
            optimizer.apply(tape.gradient(loss, variables), variables)
            return loss

        def ask(given: Any) -> Any:
            return trained(given if several else given[0], training=False)

        row = [tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32)]
        compiled = tf.function(step, input_signature=[inputs, *row])
        compiled.get_concrete_function()  # now: the next scheme sets other layers trainable
        return compiled, tf.function(ask, input_signature=[inputs])

    def _settling(self) -> Any:
        """A forward pass in training mode whose moving statistics have the momentum that is given."""
        import tensorflow as tf

        trained, norms = self.trained, self._norms
        several = len(trained.inputs) > 1
        inputs = [tf.TensorSpec([None, *each.shape[1:]], tf.float32) for each in trained.inputs]
        before = [each.momentum for each in norms]

        def settle(given: Any, momentum: Any) -> None:
            for each in norms:
                each.momentum = momentum
            trained(given if several else given[0], training=True)

        compiled = tf.function(settle, input_signature=[inputs, tf.TensorSpec([], tf.float32)])
        compiled.get_concrete_function()
        for each, value in zip(norms, before, strict=True):
            each.momentum = value
        return compiled


class NetworkTraining:
    """A network that is built once and set back to its start before each run.

    Parameters
    ----------
    arch, side:
        Which, and pixels of its square images.
    seed:
        Of a random start.
    learning_rate:
        Of Adam, which is compiled.
    backbone_weights:
        A RadImageNet file to start from; `None`: a random start.
    """

    def __init__(
        self,
        arch: Architecture,
        side: int,
        seed: int,
        learning_rate: float,
        backbone_weights: Path | None = None,
    ) -> None:
        from SarcopeniaTraining.classification.networks import build_classifier

        self.arch, self.side, self.learning_rate = arch, side, learning_rate
        self._is_random = backbone_weights is None
        self.model = build_classifier(arch, side, seed, backbone_weights)
        self._start = [each.numpy() for each in self.model.weights]
        self._schemes: dict[str, TrainableScheme] = {}

    def set_back(self, seed: int) -> None:
        """The start of a run: the backbone's weights as they were built, and a head drawn from its seed."""
        from SarcopeniaTraining.classification.networks import HEAD, start_weights

        for weight, value in zip(self.model.weights, self._start, strict=True):
            weight.assign(value)
        start_weights(self.model, seed, [HEAD])

    def scheme(self, name: str) -> TrainableScheme:
        """The scheme's trained part, compiled at its first run."""
        from SarcopeniaTraining.classification.schemes import Scheme, cut

        if name not in self._schemes:
            parts = cut(self.model, Scheme(name))
            self._schemes[name] = TrainableScheme(*parts, self.learning_rate, settles=self._is_random)
        return self._schemes[name]

    def features(self, name: str, images: NDArray[np.uint8]) -> Tensors:
        """What the trained part of a scheme is given of each image; the backbone must be at its start."""
        from SarcopeniaTraining.classification.networks import prepare

        return frozen_features(self.scheme(name).frozen, images, lambda rgb: prepare(self.arch, rgb))


def learn(
    scheme: TrainableScheme, train: Part, validation: Part, preset: ClassifyPreset, seed: int
) -> Trained:
    """Train to the end or to the early stop, and take the best epoch's weights back.

    Parameters
    ----------
    preset:
        Its epochs, patience, batch and class weights; the learning rate is compiled.

    Raises
    ------
    ModelError
        The loss is no number.
    """
    scheme.reset()
    labels = train.sarcopenic.astype(np.int32)
    weights = class_weights(train.sarcopenic) if preset.class_weights else np.ones(len(labels), np.float32)
    history: dict[str, list[float]] = {"loss": [], "val_loss": []}
    best_epoch, best = 0, [each.numpy() for each in scheme.weights]
    for epoch in range(1, preset.epochs + 1):
        losses = []
        for places in batches(len(labels), preset.batch, (seed, epoch)):
            loss = scheme.step(rows(train.inputs, places), labels[places], weights[places])
            losses.append(loss * len(places))
        history["loss"].append(sum(losses) / len(labels))
        scheme.settle(train.inputs, (seed, epoch, 1))
        said = scheme.probability(validation.inputs)
        history["val_loss"].append(cross_entropy(validation.sarcopenic, said))
        if not all(math.isfinite(each[-1]) for each in history.values()):
            raise ModelError(f"the loss of epoch {epoch} is no number", "train with a lower learning rate")
        if best_epoch == 0 or history["val_loss"][-1] < history["val_loss"][best_epoch - 1]:
            best_epoch, best = epoch, [each.numpy() for each in scheme.weights]
        if epoch - best_epoch >= preset.patience:
            break
    for weight, value in zip(scheme.weights, best, strict=True):
        weight.assign(value)
    told = {name: tuple(values) for name, values in history.items()}
    return Trained(len(history["loss"]), best_epoch, told)


def batches(count: int, batch: int, seed: Sequence[int]) -> list[NDArray[np.intp]]:
    """A seeded order of all cases in pieces; the last may be smaller, but is never one case alone.

    Batch normalisation has no spread of one image that is seen as a single point: a lone last case joins the
    piece before it.
    """
    order = np.random.default_rng(list(seed)).permutation(count)
    pieces = [order[first : first + batch] for first in range(0, count, batch)]
    if len(pieces) > 1 and len(pieces[-1]) == 1 and batch > 1:
        pieces[-2:] = [np.concatenate(pieces[-2:])]
    return pieces


def class_weights(sarcopenic: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Each case's weight: half the cases over those of its class, so that both classes count alike.

    Raises
    ------
    ModelError
        All are of one class.
    """
    positive = int(sarcopenic.sum())
    if positive in (0, len(sarcopenic)):
        raise ModelError("all training cases are of one class", "give splits whose parts have both")
    half = len(sarcopenic) / 2
    return np.where(sarcopenic, half / positive, half / (len(sarcopenic) - positive)).astype(np.float32)


def cross_entropy(sarcopenic: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    """Mean of −log of what was said of the true class; NaN where a probability is."""
    true = np.where(sarcopenic, probability, 1 - probability)
    return float(-np.log(np.clip(true, _LEAST_PROBABILITY, 1)).mean())
