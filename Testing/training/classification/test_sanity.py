"""The check with randomised weights: what is randomised, and which maps fail."""

import numpy as np
import pytest

from SarcopeniaTraining.classification.networks import start_weights
from SarcopeniaTraining.classification.sanity import UNCHANGED_ABOVE, Level, randomise, verdict
from Testing.training.classification.tiny_classifier import SIDE, tiny_network

IMAGES = np.random.default_rng(3).normal(0, 90, (3, SIDE, SIDE, 3)).astype(np.float32)


def weights(model):
    return {f"{layer.name}/{w.name}": w.numpy() for layer in model.layers for w in layer.weights}


def changed(level, seed=8):
    model = tiny_network()
    before = weights(model)
    randomise(model, level, seed, IMAGES)
    return {name for name, values in weights(model).items() if not np.array_equal(values, before[name])}


def test_the_head_alone_or_every_kernel():
    assert changed(Level.HEAD) == {"status/kernel"}  # a bias starts at nought, and is there already
    assert changed(Level.ALL) == {"first/kernel", "seen/kernel", "status/kernel"}


def test_the_same_seed_gives_the_same_weights():
    one, other, another = tiny_network(), tiny_network(seed=4), tiny_network()
    for model, seed in ((one, 8), (other, 8), (another, 9)):
        randomise(model, Level.ALL, seed, IMAGES)
    assert all(np.array_equal(values, weights(other)[name]) for name, values in weights(one).items())
    assert not np.array_equal(weights(one)["seen/kernel"], weights(another)["seen/kernel"])


@pytest.mark.parametrize("level", Level)
def test_no_image_is_called_beyond_doubt_by_a_random_network(level):
    model = tiny_network()
    randomise(model, level, 8, 40 * IMAGES)
    said = model(40 * IMAGES).numpy()[:, 1]
    assert np.abs(np.log(said / (1 - said))).max() == pytest.approx(2, rel=1e-3)


def test_a_random_network_in_doubt_is_left_as_it_started():
    model, started = tiny_network(), tiny_network()
    randomise(model, Level.ALL, 8, IMAGES / 1e4)
    start_weights(started, 8)
    assert all(np.array_equal(values, weights(started)[name]) for name, values in weights(model).items())


def test_a_map_that_stays_fails():
    assert verdict([0.9, 0.7]) == (0.8, False)
    assert verdict([UNCHANGED_ABOVE]) == (UNCHANGED_ABOVE, False)
    assert verdict([0.9, -0.4, None]) == (0.25, True)
    assert verdict([-1.0]) == (-1.0, True)
    assert verdict([None]) == (None, None)
