"""Preprocessing by hand, seeded starts, and weights that are kept whole or not at all."""

from hashlib import sha256

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaTraining.classification.architectures import ARCHITECTURES, require_keras
from SarcopeniaTraining.classification.networks import (
    HEAD,
    backbone_shapes,
    build_backbone,
    build_classifier,
    load_weights,
    named_weights,
    network_name,
    prepare,
    save_weights,
    start_weights,
)
from Testing.training.classification.built_networks import SEED, built, noise

RESNET = ARCHITECTURES["ResNet50"]


def values(model):
    return {name: weight.numpy().copy() for name, weight in named_weights(model).items()}


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # red 0, green 51, blue 255; published means and spreads of ImageNet's colours
        ("InceptionV3", (-1.0, -0.6, 1.0)),
        ("InceptionResNetV2", (-1.0, -0.6, 1.0)),
        ("DenseNet121", (-0.485 / 0.229, (0.2 - 0.456) / 0.224, (1 - 0.406) / 0.225)),
        ("ResNet50", (255 - 103.939, 51 - 116.779, 0 - 123.68)),
    ],
)
def test_each_network_has_its_own_preprocessing(name, expected):
    rgb = np.zeros((2, 3, 3, 3), np.uint8)
    rgb[:] = (0, 51, 255)
    prepared = prepare(ARCHITECTURES[name], rgb)
    assert prepared.dtype == np.float32
    np.testing.assert_allclose(prepared, np.broadcast_to(np.float32(expected), rgb.shape), atol=1e-5)
    assert (rgb == (0, 51, 255)).all()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_is_the_one_of_the_networks_own_module(name):
    applications = require_keras().applications
    own = {
        "InceptionV3": applications.inception_v3,
        "DenseNet121": applications.densenet,
        "ResNet50": applications.resnet,
        "InceptionResNetV2": applications.inception_resnet_v2,
    }[name]
    rgb = np.random.default_rng(1).integers(0, 256, (2, 3, 3, 3), np.uint8)
    assert (prepare(ARCHITECTURES[name], rgb) == own.preprocess_input(rgb.astype(np.float32))).all()


@pytest.mark.parametrize(
    "rgb",
    [np.zeros((1, 8, 8, 3), np.float32), np.zeros((1, 8, 8), np.uint8), np.zeros((1, 8, 8, 1), np.uint8)],
)
def test_other_than_8_bit_colour_images_are_refused(rgb):
    with pytest.raises(ModelError, match="give 8-bit images"):
        prepare(RESNET, rgb)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_classifier_is_backbone_pooling_and_two_nodes(name):
    model, arch = built(name), ARCHITECTURES[name]
    assert network_name(model) == name
    assert [layer.name for layer in model.layers[-2:]] == ["pooling", "status"]
    assert model.output_shape == (None, 2)
    seen = model.get_layer(arch.last_convolution).output
    assert len(seen.shape) == 4
    assert model.get_layer("pooling").input is seen  # the deepest place in the image that there is
    assert not any(layer.name.endswith("_conv1") for layer in model.layers)


def test_its_two_outputs_are_probabilities():
    model = built("ResNet50")
    status = model(noise(model), training=False).numpy()
    assert status.shape == (3, 2)
    np.testing.assert_allclose(status.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("InceptionV3", "conv2d", "batch_normalization_93"),
        ("InceptionResNetV2", "conv2d", "batch_normalization_202"),
    ],
)
def test_layers_are_numbered_from_0_whatever_was_built_before(name, first, last):
    arch = ARCHITECTURES[name]
    before, again = built(name), build_backbone(arch, arch.least_side, SEED)
    assert [layer.name for layer in again.layers] == [layer.name for layer in before.layers[:-2]]
    names = {layer.name for layer in again.layers}
    assert {first, last} <= names
    assert not {"conv2d_203", "batch_normalization_203"} & names
    assert len(names) == len(again.layers)


def test_the_start_is_of_its_seed_alone():
    start = values(built("ResNet50"))
    require_keras().utils.set_random_seed(99)  # Python's, numpy's and TensorFlow's
    again = build_classifier(RESNET, 40, SEED)  # another size of image, another state of every generator
    assert equal(values(again), start)
    start_weights(again, SEED + 1)
    kernels = [name for name in start if name.endswith("kernel")]
    assert not any(np.array_equal(values(again)[name], start[name]) for name in kernels)


def test_the_start_is_glorots():
    start = values(built("ResNet50"))
    kernel = start["conv1_conv/kernel"]  # 7 × 7, 3 colours to 64 channels
    limit = np.sqrt(6 / (49 * (3 + 64)))
    assert 0.99 * limit < np.abs(kernel).max() <= limit
    assert abs(kernel.mean()) < 0.02 * limit
    assert (start["conv1_bn/gamma"] == 1).all()
    assert (start["conv1_bn/moving_variance"] == 1).all()
    for name in ("conv1_conv/bias", "conv1_bn/beta", "conv1_bn/moving_mean", "status/bias"):
        assert (start[name] == 0).all()
    head = start["status/kernel"]
    assert 0.99 * np.sqrt(6 / 2050) < np.abs(head).max() <= np.sqrt(6 / 2050)


def test_a_new_head_leaves_the_backbone():
    model = built("ResNet50")
    before = values(model)
    start_weights(model, SEED + 7, [HEAD])
    after = values(model)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"status/kernel"}
    start_weights(model, SEED, [HEAD])
    assert equal(values(model), before)


def test_shapes_of_a_backbone_are_those_of_every_side():
    shapes = backbone_shapes(RESNET)
    assert shapes["conv1_conv/kernel"] == (7, 7, 3, 64)
    assert {
        k: tuple(w.shape) for k, w in named_weights(built("ResNet50")).items() if "status" not in k
    } == shapes


def test_weights_come_back_as_they_were(tmp_path):
    model = built("ResNet50")
    before = values(model)
    digest = save_weights(model, tmp_path / "ResNet50.safetensors")
    assert digest == sha256((tmp_path / "ResNet50.safetensors").read_bytes()).hexdigest()
    assert [p.name for p in tmp_path.iterdir()] == ["ResNet50.safetensors"]
    start_weights(model, 77)
    load_weights(model, tmp_path / "ResNet50.safetensors")
    assert equal(values(model), before)


def tiny(name="resnet50", channels=4):
    keras = require_keras()
    image = keras.Input((8, 8, 3))
    seen = keras.layers.Conv2D(channels, 3, name="conv1_conv")(image)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooling")(seen)
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name=HEAD)(pooled), name=name)
    start_weights(model, 1)
    return model


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (lambda: tiny("densenet121"), "w.safetensors holds ResNet50, the network is DenseNet121"),
        (
            lambda: tiny(channels=5),
            r"conv1_conv/kernel has the shape \(3, 3, 3, 4\), the network",
        ),
        (lambda: built("ResNet50"), "lacks 316 weights"),
    ],
)
def test_another_networks_weights_are_refused(tmp_path, other, told):
    save_weights(tiny(), tmp_path / "w.safetensors")
    model = other()
    before = values(model)
    with pytest.raises(ModelError, match=told):
        load_weights(model, tmp_path / "w.safetensors")
    assert equal(values(model), before)


def test_weights_that_are_too_many_are_refused(tmp_path):
    save_weights(built("ResNet50"), tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="has no use for 316 weights"):
        load_weights(tiny(), tmp_path / "w.safetensors")


def test_damaged_and_missing_files_are_refused(tmp_path):
    model, path = tiny(), tmp_path / "w.safetensors"
    save_weights(model, path)
    before = values(model)
    content = path.read_bytes()
    for damaged in (content[:-20], b"nothing", b""):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="is damaged or holds no classifier"):
            load_weights(model, path)
    with pytest.raises(ModelError, match=r"there is no file v\.safetensors"):
        load_weights(model, tmp_path / "v.safetensors")
    assert equal(values(model), before)


def test_where_weights_cannot_be_written_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"w\.safetensors cannot be written"):
        save_weights(tiny(), tmp_path / "file" / "w.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
