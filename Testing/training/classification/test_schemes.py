"""What each scheme lets learn, by hand for all four networks; the cut that changes no output."""

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.classification.architectures import ARCHITECTURES, require_keras
from SarcopeniaTraining.classification.networks import named_weights, start_weights
from SarcopeniaTraining.classification.schemes import TOP_LAYERS, Scheme, apply_scheme, cut, top_layers
from Testing.training.classification.built_networks import SEED, built, noise, with_statistics

TOP = {
    "InceptionV3": (
        "activation_88 activation_91 activation_92 batch_normalization_93 activation_85 mixed9_1 "
        "concatenate_1 activation_93 mixed10 pooling"
    ),
    "DenseNet121": (
        "conv5_block16_0_bn conv5_block16_0_relu conv5_block16_1_conv conv5_block16_1_bn "
        "conv5_block16_1_relu conv5_block16_2_conv conv5_block16_concat bn relu pooling"
    ),
    "ResNet50": (
        "conv5_block3_1_bn conv5_block3_1_relu conv5_block3_2_conv conv5_block3_2_bn conv5_block3_2_relu "
        "conv5_block3_3_conv conv5_block3_3_bn conv5_block3_add conv5_block3_out pooling"
    ),
    "InceptionResNetV2": (
        "batch_normalization_202 activation_199 activation_202 block8_10_mixed block8_10_conv "
        "custom_scale_layer_39 conv_7b conv_7b_bn conv_7b_ac pooling"
    ),
}
# Trained numbers of unfreezetop10, counted by hand: kernels, biases, scales and centres, and the softmax.
TRAINED = {
    "InceptionV3": 192 + 2048 * 2 + 2,
    "DenseNet121": 2 * 992 + 992 * 128 + 2 * 128 + 9 * 128 * 32 + 2 * 1024 + 1024 * 2 + 2,
    "ResNet50": (2 * 512 + 9 * 512 * 512 + 512 + 2 * 512 + 512 * 2048 + 2048 + 2 * 2048 + 2048 * 2 + 2),
    "InceptionResNetV2": 256 + 448 * 2080 + 2080 + 2080 * 1536 + 1536 + 1536 * 2 + 2,
}
FEATURES = {"InceptionV3": 2048, "DenseNet121": 1024, "ResNet50": 2048, "InceptionResNetV2": 1536}
# Channels of the tensors at the cut of unfreezetop10, in any order.
BOUNDARY = {
    "InceptionV3": [192, 320, 768, 768],
    "DenseNet121": [992],
    "ResNet50": [512, 2048],
    "InceptionResNetV2": [192, 256, 2080],
}


def trained_numbers(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)


def learning_layers(model):
    return [layer.name for layer in model.layers if layer.trainable and layer.weights]


def test_three_schemes_by_their_printed_names():
    assert [str(scheme) for scheme in Scheme] == ["unfreezeall", "freezeall", "unfreezetop10"]
    assert Scheme.named("UnfreezeTop10 ") is Scheme.UNFREEZE_TOP_10
    with pytest.raises(ModelError, match="no scheme 'freeze'; take one of unfreezeall, freezeall"):
        Scheme.named("freeze")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_top_ten_layers(name):
    top = [layer.name for layer in top_layers(built(name))]
    assert top == TOP[name].split()
    assert len(top) == TOP_LAYERS == 10


def test_top_layers_of_something_else_are_refused():
    keras = require_keras()
    image = keras.Input((8, 8, 3))
    other = keras.Model(image, keras.layers.Conv2D(2, 1, name="last")(image))
    with pytest.raises(ModelError, match="is no classifier: it ends in last"):
        top_layers(other)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_learns_in_each_scheme(name):
    model = built(name)
    apply_scheme(model, Scheme.UNFREEZE_TOP_10)
    assert trained_numbers(model) == TRAINED[name]
    assert set(learning_layers(model)) <= {*TOP[name].split(), "status"}
    apply_scheme(model, Scheme.FREEZE_ALL)
    assert learning_layers(model) == ["status"]
    assert trained_numbers(model) == FEATURES[name] * 2 + 2
    apply_scheme(model, Scheme.UNFREEZE_ALL)
    assert all(layer.trainable for layer in model.layers)
    moving = sum(w.shape[0] for k, w in named_weights(model).items() if "moving_" in k)
    assert trained_numbers(model) == model.count_params() - moving


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_cut_network_gives_what_the_whole_one_gives(name):
    model = with_statistics(built(name))
    images = noise(model)
    whole = model(images, training=False).numpy()
    assert np.ptp(whole[:, 1]) > 1e-5  # else any cut would pass
    for scheme, channels in ((Scheme.FREEZE_ALL, [FEATURES[name]]), (Scheme.UNFREEZE_TOP_10, BOUNDARY[name])):
        frozen, trained = cut(model, scheme)
        between = frozen(images, training=True)  # frozen: the same in both modes
        tensors = between if isinstance(between, list) else [between]
        assert sorted(tensor.shape[-1] for tensor in tensors) == channels
        np.testing.assert_allclose(trained(between, training=False).numpy(), whole, atol=1e-5)
        assert frozen.trainable_variables == []
        assert [w.path for w in trained.trainable_variables] == [w.path for w in model.trainable_variables]
    start_weights(model, SEED)


def test_nothing_is_cut_where_nothing_is_frozen():
    model = built("ResNet50")
    frozen, trained = cut(model, Scheme.UNFREEZE_ALL)
    assert frozen is None
    assert trained is model


def test_a_trained_part_shares_the_networks_weights():
    model = built("ResNet50")
    _, trained = cut(model, Scheme.FREEZE_ALL)
    trained.get_layer("status").bias.assign([3.0, -3.0])
    assert model.get_layer("status").bias.numpy().tolist() == [3.0, -3.0]
    start_weights(model, SEED)


@pytest.mark.parametrize(
    ("scheme", "moves"),
    [
        (Scheme.UNFREEZE_ALL, {"conv1_bn", "conv5_block2_3_bn", "conv5_block3_2_bn"}),
        (Scheme.UNFREEZE_TOP_10, {"conv5_block3_2_bn"}),
        (Scheme.FREEZE_ALL, set()),
    ],
)
def test_statistics_of_frozen_batch_norms_do_not_move(scheme, moves):
    model = built("ResNet50")
    start_weights(model, SEED)
    apply_scheme(model, scheme)
    model(noise(model), training=True)
    watched = ("conv1_bn", "conv5_block2_3_bn", "conv5_block3_2_bn")
    moved = {name for name in watched if model.get_layer(name).moving_mean.numpy().any()}
    assert moved == moves
    everything = {
        n.split("/")[0] for n, w in named_weights(model).items() if n.endswith("mean") and w.numpy().any()
    }
    assert everything <= set(TOP["ResNet50"].split()) or scheme is Scheme.UNFREEZE_ALL
    start_weights(model, SEED)
