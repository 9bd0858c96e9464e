"""One network set back for each run: it learns, stops early, takes the best back, and repeats itself exactly.

Tiny Keras networks in place of the published ones, whose own tests are those of networks and schemes.
"""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.classification.architectures import architecture
from SarcopeniaTraining.classification.training import (
    NetworkTraining,
    Part,
    TrainableScheme,
    batches,
    class_weights,
    cross_entropy,
    learn,
)
from Testing.training.classification.tiny_experiment import PRESET, SIDE, small_classifier, tiny_images

LEARNING = dataclasses.replace(PRESET, epochs=4, patience=4, batch=4)


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


def two_inputs(keras):
    """Two boundary tensors, a batch norm, a softmax: what a cut network looks like."""
    keras.utils.set_random_seed(5)
    left, right = keras.Input((2,)), keras.Input((3,))
    joined = keras.layers.BatchNormalization(name="norm")(keras.layers.Concatenate()([left, right]))
    return keras.Model([left, right], keras.layers.Dense(2, "softmax", name="status")(joined))


def part(count: int, seed: int) -> Part:
    """Cases whose first number alone tells the class."""
    rng = np.random.default_rng(seed)
    sarcopenic = np.arange(count) % 3 == 0
    left = rng.normal(size=(count, 2)).astype(np.float32)
    left[:, 0] += np.where(sarcopenic, 1.5, -1.5)
    return Part((left, rng.normal(size=(count, 3)).astype(np.float32)), sarcopenic)


@pytest.fixture
def scheme(keras):
    return TrainableScheme(None, two_inputs(keras), 0.05)


def values(scheme) -> list[np.ndarray]:
    return [each.numpy() for each in scheme.weights]


def test_it_learns(scheme):
    trained = learn(scheme, part(30, 1), part(12, 2), LEARNING, seed=3)
    assert trained.history["val_loss"][-1] < trained.history["val_loss"][0]
    assert trained.history["loss"][-1] < 0.5
    said = scheme.probability(part(30, 9).inputs)
    assert ((said > 0.5) == part(30, 9).sarcopenic).mean() > 0.85


def test_set_back_a_run_repeats_itself_bit_for_bit(scheme):
    start = values(scheme)
    first = learn(scheme, part(30, 1), part(12, 2), LEARNING, seed=3)
    after = values(scheme)
    for weight, value in zip(scheme.weights, start, strict=True):
        weight.assign(value)
    again = learn(scheme, part(30, 1), part(12, 2), LEARNING, seed=3)
    assert again == first
    assert all((a == b).all() for a, b in zip(after, values(scheme), strict=True))


def test_another_seed_orders_the_cases_otherwise(scheme):
    start = values(scheme)
    first = learn(scheme, part(30, 1), part(12, 2), LEARNING, seed=3)
    for weight, value in zip(scheme.weights, start, strict=True):
        weight.assign(value)
    assert learn(scheme, part(30, 1), part(12, 2), LEARNING, seed=4) != first


def test_early_stopping_takes_the_best_weights_back(scheme, monkeypatch):
    """Validation losses as told: the best in epoch 2, then three worse ones; the sixth is never trained."""
    told = iter([0.9, 0.5, 0.6, 0.5, 0.7, 0.1])
    kept = []

    def entropy(sarcopenic, probability):
        kept.append(values(scheme))
        return next(told)

    monkeypatch.setattr("SarcopeniaTraining.classification.training.cross_entropy", entropy)
    patient = dataclasses.replace(LEARNING, epochs=9, patience=3)
    trained = learn(scheme, part(30, 1), part(12, 2), patient, seed=3)
    assert (trained.epochs, trained.best_epoch) == (5, 2)
    assert trained.history["val_loss"] == (0.9, 0.5, 0.6, 0.5, 0.7)
    assert all((a == b).all() for a, b in zip(values(scheme), kept[1], strict=True))
    assert any((a != b).any() for a, b in zip(values(scheme), kept[4], strict=True))


def test_a_step_of_adam_by_hand(keras):
    """Its first step moves every weight by the learning rate against its gradient, however small that is.

    One input of 1, weights 0: both classes at 1/2, so that class 1 must rise and class 0 fall.
    """
    given = keras.Input((1,))
    model = keras.Model(given, keras.layers.Dense(2, "softmax", kernel_initializer="zeros")(given))
    scheme = TrainableScheme(None, model, 0.01)
    ones = np.ones((4, 1), np.float32)
    loss = scheme.step((ones,), np.ones(4, np.int32), np.ones(4, np.float32))
    assert loss == pytest.approx(math.log(2), rel=1e-6)
    assert model.layers[-1].kernel.numpy()[0] == pytest.approx([-0.01, 0.01], rel=1e-4)
    assert scheme.trained_parameters == 4


def test_weights_of_cases_count_in_the_loss(keras):
    given = keras.Input((1,))
    model = keras.Model(given, keras.layers.Dense(2, "softmax", kernel_initializer="zeros")(given))
    scheme = TrainableScheme(None, model, 0.0)
    ones = np.ones((2, 1), np.float32)
    loss = scheme.step((ones,), np.array([0, 1], np.int32), np.array([3.0, 0.5], np.float32))
    assert loss == pytest.approx(1.75 * math.log(2), rel=1e-6)


def test_batch_norm_learns_its_statistics_unless_it_is_frozen(keras):
    moving = {}
    for frozen in (False, True):
        model = two_inputs(keras)
        norm = model.get_layer("norm")
        norm.trainable = not frozen
        learn(TrainableScheme(None, model, 0.01), part(30, 1), part(12, 2), LEARNING, seed=3)
        moving[frozen] = norm.moving_mean.numpy()
    assert np.abs(moving[False]).max() > 0
    assert (moving[True] == 0).all()


def test_a_loss_that_is_no_number_is_told(scheme):
    broken = part(30, 1)
    broken.inputs[0][7] = np.nan
    with pytest.raises(ModelError, match=r"loss of epoch 1 is no number; .* lower learning rate"):
        learn(scheme, broken, part(12, 2), LEARNING, seed=3)


def test_batches_hold_every_case_once_in_a_seeded_order():
    pieces = batches(54, 8, (1, 1))
    assert [len(piece) for piece in pieces] == [8] * 6 + [6]
    assert sorted(np.concatenate(pieces)) == list(range(54))
    assert np.concatenate(pieces).tolist() == np.concatenate(batches(54, 8, (1, 1))).tolist()
    assert np.concatenate(pieces).tolist() != np.concatenate(batches(54, 8, (1, 2))).tolist()


def test_no_case_is_left_alone():
    assert [len(piece) for piece in batches(17, 8, (1, 1))] == [8, 9]
    assert [len(piece) for piece in batches(1, 8, (1, 1))] == [1]
    assert [len(piece) for piece in batches(2, 1, (1, 1))] == [1, 1]


def test_class_weights_by_hand():
    """3 of 12: 12/2/3 = 2 each for the few, 12/2/9 = 2/3 for the many; the mean is 1."""
    weights = class_weights(np.arange(12) < 3)
    assert weights.tolist() == pytest.approx([2.0] * 3 + [2 / 3] * 9)
    with pytest.raises(ModelError, match="all training cases are of one class"):
        class_weights(np.ones(4, np.bool_))


def test_class_weights_move_the_network_towards_the_few(keras):
    """Inputs that tell nothing: what is learned is the share of the class, 1/3, or with weights 1/2."""
    said = {}
    for weighted in (False, True):
        scheme = TrainableScheme(None, two_inputs(keras), 0.05)
        nothing = Part((np.zeros((30, 2), np.float32), np.zeros((30, 3), np.float32)), np.arange(30) % 3 == 0)
        learning = dataclasses.replace(PRESET, epochs=30, patience=30, batch=30, class_weights=weighted)
        learn(scheme, nothing, nothing, learning, seed=1)
        said[weighted] = scheme.probability(nothing.inputs)[0]
    assert said[False] == pytest.approx(1 / 3, abs=0.05)
    assert said[True] > 0.38


def test_cross_entropy_by_hand():
    found = cross_entropy(np.array([True, False, False]), np.array([0.5, 0.75, 0.0]))
    assert found == pytest.approx((math.log(2) + math.log(4) + 0) / 3)
    assert cross_entropy(np.array([True]), np.array([0.0])) == pytest.approx(7 * math.log(10))
    assert math.isnan(cross_entropy(np.array([True]), np.array([math.nan])))


def settled(keras, count, *, frozen=False, settles=True):
    """A batch norm after `settle` on so many cases, and its inputs."""
    model = two_inputs(keras)
    norm = model.get_layer("norm")
    norm.trainable = not frozen
    cases = part(count, 1)
    TrainableScheme(None, model, 0.01, settles=settles).settle(cases.inputs, (3, 1))
    return norm, np.concatenate(cases.inputs, axis=1)


def test_settled_statistics_are_those_of_the_training_cases(keras):
    norm, given = settled(keras, 20)
    assert norm.moving_mean.numpy() == pytest.approx(given.mean(axis=0), abs=1e-6)
    assert norm.moving_variance.numpy() == pytest.approx(given.var(axis=0), abs=1e-5)
    assert norm.momentum == 0.99


def test_of_many_cases_they_are_the_mean_over_batches_whatever_stood_there_before(keras):
    norm, given = settled(keras, 70)
    pieces = batches(70, 32, (3, 1))
    means = np.mean([given[piece].mean(axis=0) for piece in pieces], axis=0)
    assert [len(piece) for piece in pieces] == [32, 32, 6]
    assert norm.moving_mean.numpy() == pytest.approx(means, abs=1e-6)


@pytest.mark.parametrize("how", [{"frozen": True}, {"settles": False}])
def test_frozen_norms_and_trained_starts_keep_theirs(keras, how):
    norm, _ = settled(keras, 20, **how)
    assert (norm.moving_mean.numpy() == 0).all()


def test_training_does_not_read_them(keras):
    """They change what is said of other cases, not what is learned."""
    history = {}
    for settles in (False, True):
        scheme = TrainableScheme(None, two_inputs(keras), 0.05, settles=settles)
        history[settles] = learn(scheme, part(30, 1), part(12, 2), LEARNING, seed=3).history
    assert history[True]["loss"] == history[False]["loss"]
    assert history[True]["val_loss"] != history[False]["val_loss"]


class Noted:
    """Stands in for a compiled scheme and notes what it is given."""

    def __init__(self):
        self.weights, self.steps, self.settled = [], [], []

    def reset(self):
        self.steps.clear()

    def step(self, inputs, labels, weights):
        self.steps.append(inputs[0][:, 0])
        return float(len(labels))

    def settle(self, inputs, seed):
        self.settled.append(inputs)

    def probability(self, inputs):
        return np.full(len(inputs[0]), 0.5)


def test_an_epoch_is_every_case_once_in_an_order_of_its_own_then_settled_on_the_training_cases():
    """30 cases in batches of 4: seven of 4 and one of 2, whose told losses 4 and 2 count by their cases."""
    scheme, train = Noted(), part(30, 1)
    trained = learn(scheme, train, part(12, 2), dataclasses.replace(LEARNING, epochs=2), seed=3)
    first, second = (np.concatenate(steps).tolist() for steps in (scheme.steps[:8], scheme.steps[8:]))
    assert sorted(first) == sorted(second) == sorted(train.inputs[0][:, 0].tolist())
    assert first != second
    assert [inputs is train.inputs for inputs in scheme.settled] == [True, True]
    assert trained.history["loss"] == pytest.approx([(7 * 4 * 4 + 2 * 2) / 30] * 2)


@pytest.mark.parametrize(("file", "settles"), [(None, True), (Path("RadImageNet.h5"), False)])
def test_a_random_start_settles_and_a_trained_one_does_not(keras, monkeypatch, file, settles):
    monkeypatch.setattr("SarcopeniaTraining.classification.networks.build_classifier", small_classifier)
    network = NetworkTraining(architecture("ResNet50"), SIDE, 1, 0.01, file)
    scheme = network.scheme("unfreezeall")
    scheme.settle(network.features("unfreezeall", tiny_images().rgb), (1,))
    assert (network.model.get_layer("norm0").moving_mean.numpy() != 0).any() == settles


def test_a_run_starts_from_the_backbone_as_built_and_a_head_of_its_seed(keras, monkeypatch):
    monkeypatch.setattr("SarcopeniaTraining.classification.networks.build_classifier", small_classifier)
    network = NetworkTraining(architecture("ResNet50"), SIDE, 1, 0.01)
    built = [each.numpy() for each in network.model.weights]
    for each in network.model.weights:
        each.assign(each + 1)
    network.set_back(1)
    assert all((each.numpy() == was).all() for each, was in zip(network.model.weights, built, strict=True))
    network.set_back(2)
    other = [(each.numpy() != was).any() for each, was in zip(network.model.weights, built, strict=True)]
    assert [each.path for each, n in zip(network.model.weights, other, strict=True) if n] == ["status/kernel"]


def test_a_scheme_trains_what_it_says_though_another_was_built_since(keras, monkeypatch):
    monkeypatch.setattr("SarcopeniaTraining.classification.networks.build_classifier", small_classifier)
    network = NetworkTraining(architecture("ResNet50"), SIDE, 1, 0.01)
    whole = network.scheme("unfreezeall")
    inputs = network.features("unfreezeall", tiny_images().rgb)
    network.scheme("freezeall")
    whole.step(inputs, np.arange(20, dtype=np.int32) % 2, np.ones(20, np.float32))
    assert (network.model.get_layer("norm0").moving_mean.numpy() != 0).any()
