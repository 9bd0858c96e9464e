"""Grad-CAM against a computation by hand; layers that are refused; maps of frozen networks."""

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification.architectures import ARCHITECTURES, require_keras
from SarcopeniaTraining.classification.grad_cam import grad_cam_at, readable_layers, upsampled
from Testing.training.classification.built_networks import built, noise, with_statistics
from Testing.training.classification.tiny_classifier import LAYER, tiny_network


@pytest.fixture(scope="module")
def by_hand():
    """Two channels, red and green less 1, both cut off below nought; a head that sees every place.

    The logits differ by (1, 2, 3, 2) · red − (4, 0, 8, 8) · green, place by place: the mean gradients are
    2 and −5. The first logit alone would have 7 more for each.
    """
    keras = require_keras()
    image = keras.Input((2, 2, 3))
    seen = keras.layers.Conv2D(2, 1, activation="relu", name="seen")(image)
    flat = keras.layers.Flatten(name="flat")(seen)
    model = keras.Model(image, keras.layers.Dense(2, "softmax", name="status")(flat))
    kernel = np.zeros((1, 1, 3, 2))
    kernel[0, 0, 0, 0] = kernel[0, 0, 1, 1] = 1
    model.get_layer("seen").set_weights([kernel, np.array([0.0, -1.0])])
    difference = np.array([1, -4, 2, 0, 3, -8, 2, -8], float)  # red and green of each place in turn
    model.get_layer("status").set_weights([np.stack([np.full(8, 7.0), 7 + difference], 1), np.zeros(2)])
    return model


IMAGE = np.zeros((1, 2, 2, 3), np.float32)
IMAGE[0, :, :, 0] = [[1, 2], [3, 4]]
IMAGE[0, :, :, 1] = [[0, 1], [2, 3]]  # less 1 and cut off: [[0, 0], [1, 2]]


def test_the_map_is_the_one_computed_by_hand(by_hand):
    cam = grad_cam_at(by_hand, "seen")
    assert cam.cells == (2, 2)
    sarcopenic, not_so = cam.maps(np.repeat(IMAGE, 2, axis=0), (1, 0))
    np.testing.assert_allclose(
        sarcopenic, [[2 * 1, 2 * 2], [2 * 3 - 5 * 1, 0]]
    )  # 2 · 4 − 5 · 2 speaks against
    np.testing.assert_allclose(not_so, [[0, 0], [0, 2]])


def test_images_of_a_batch_do_not_see_each_other_and_many_are_read_in_turn(by_hand):
    cam = grad_cam_at(by_hand, "seen")
    many = np.concatenate([IMAGE * (n + 1) for n in range(11)])
    maps = cam.maps(many, [1] * 11)
    for number in (0, 7, 10):
        np.testing.assert_allclose(maps[number], cam.maps(many[number : number + 1], [1])[0], rtol=1e-6)
    assert cam.maps(many[:0], []).shape == (0, 2, 2)


def test_a_network_that_was_built_frozen_has_the_same_map():
    images = np.random.default_rng(1).normal(size=(2, 24, 24, 3)).astype(np.float32)
    free, frozen = tiny_network(), tiny_network(trainable=False)
    assert not frozen.trainable_weights
    before = grad_cam_at(free, LAYER).maps(images, (1, 0))
    np.testing.assert_array_equal(grad_cam_at(frozen, LAYER).maps(images, (1, 0)), before)
    assert before.max() > 0


def test_a_layer_before_the_first_weights_can_be_read():
    keras = require_keras()
    image = keras.Input((2, 2, 3))
    seen = keras.layers.ZeroPadding2D(1, name="padded")(image)
    seen = keras.layers.Conv2D(1, 1, use_bias=False, name="first")(seen)
    pooled = keras.layers.GlobalAveragePooling2D()(seen)
    model = keras.Model(image, keras.layers.Dense(2, "softmax")(pooled))
    model.layers[-1].set_weights([np.array([[0.0, 16.0]]), np.zeros(2)])
    model.get_layer("first").set_weights([np.array([1.0, -1.0, 0.0]).reshape(1, 1, 3, 1)])
    (cells,) = grad_cam_at(model, "padded").maps(IMAGE, (1,))
    np.testing.assert_allclose(cells[1:3, 1:3], [[1, 1], [1, 1]])  # red less green, 16 cells at 16 / 16
    assert cells[0].max() == cells[:, 0].max() == 0


def test_a_class_that_is_called_always_has_a_map_at_the_last_convolution():
    """Its cells add up to the difference of the logits: above nought for the class that is called."""
    model = tiny_network()
    images = np.random.default_rng(2).normal(size=(9, 24, 24, 3)).astype(np.float32)
    called = (model(images).numpy()[:, 1] >= 0.5).astype(int)
    assert (grad_cam_at(model, LAYER).maps(images, called).max(axis=(1, 2)) > 0).all()


def test_any_layer_that_has_an_image_can_be_read_and_no_other():
    model = tiny_network()
    assert readable_layers(model) == ["first", LAYER]
    assert grad_cam_at(model, "first").cells == (5, 5)
    with pytest.raises(InputError, match=r"the network has no layer 'third'; .*first, seen"):
        grad_cam_at(model, "third")
    with pytest.raises(InputError, match="the output of layer 'pooling' is no image"):
        grad_cam_at(model, "pooling")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_papers_networks_are_read_at_the_last_layer_before_pooling(name):
    model, arch = with_statistics(built(name)), ARCHITECTURES[name]
    assert readable_layers(model)[-1] == arch.last_convolution
    images = noise(model, 1)
    called = int(model(images, training=False).numpy()[0, 1] >= 0.5)
    cam = grad_cam_at(model, arch.last_convolution)
    (cells,) = cam.maps(images, (called,))
    assert cells.shape == cam.cells
    assert cells.max() > 0


def test_a_network_without_the_softmax_is_refused():
    keras = require_keras()
    image = keras.Input((4, 4, 3))
    seen = keras.layers.Conv2D(2, 1, name="seen")(image)
    bare = keras.Model(image, keras.layers.GlobalAveragePooling2D()(seen))
    with pytest.raises(InputError, match="two-node softmax"):
        grad_cam_at(bare, "seen")


def test_a_map_is_interpolated_between_the_centres_of_its_cells():
    row = upsampled(np.array([[0, 1], [0, 1]], np.float32), 4)
    np.testing.assert_allclose(row, [[0, 0.25, 0.75, 1]] * 4)
    np.testing.assert_allclose(upsampled(np.array([[3.0]], np.float32), 5), 3)
