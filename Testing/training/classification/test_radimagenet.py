"""Files shaped as RadImageNet's, under the names that older Keras gave: read, or refused in a sentence."""

import shutil
from hashlib import sha256

import h5py
import numpy as np
import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.classification.architectures import ARCHITECTURES, require_keras
from SarcopeniaTraining.classification.networks import backbone_shapes, named_weights, start_weights
from SarcopeniaTraining.classification.radimagenet import (
    check_weights,
    find_weights,
    load_backbone_weights,
)
from Testing.training.classification.built_networks import SEED, built

DENSENET, INCEPTION = ARCHITECTURES["DenseNet121"], ARCHITECTURES["InceptionV3"]
FIRST_NUMBER = 94  # as if the process had built an InceptionV3 before


def old_name(layer):
    """The name by which Keras 2 knew a layer of Keras 3."""
    if layer in ("conv1_conv", "conv1_bn"):
        return layer.replace("_", "/")  # of DenseNet121's alone
    kind, _, number = layer.rpartition("_") if layer[-1].isdigit() and "_" in layer else (layer, "", "0")
    if kind in ("conv2d", "batch_normalization"):
        return f"{kind}_{int(number) + FIRST_NUMBER}"
    return layer


def tensor(name, shape, arch):
    draw = np.random.default_rng([*arch.name.encode(), *name.encode()])
    return draw.normal(0, 0.1, shape).astype(np.float32)


def write(path, arch, whole=True, change=lambda tensors: None, pieces=False):
    """Write random weights in the network's order of layers, by h5py alone."""
    tensors = {name: tensor(name, shape, arch) for name, shape in backbone_shapes(arch).items()}
    change(tensors)
    layers = {}
    for name in tensors:
        layers.setdefault(name.split("/")[0], []).append(name.split("/")[1])
    renamed = {layer: old_name(layer) if arch.name != "ResNet50" else layer for layer in layers}
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        if whole:
            file.attrs["model_config"] = b"{}"
        names = np.array([b"input_1", *(renamed[layer].encode() for layer in layers)])
        if pieces:
            for n, piece in enumerate(np.array_split(names, 3)):
                group.attrs[f"layer_names{n}"] = piece
        else:
            group.attrs["layer_names"] = names
        group.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        for layer, weights in layers.items():
            old = renamed[layer]
            into = group.create_group(old)
            into.attrs["weight_names"] = [f"{old}/{weight}:0".encode() for weight in weights]
            for weight in weights:
                into[f"{old}/{weight}:0"] = tensors[f"{layer}/{weight}"]
    return path


@pytest.fixture(scope="module")
def densenet_file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("weights") / DENSENET.weights_file, DENSENET)


@pytest.mark.parametrize("whole", [True, False], ids=["whole model", "weights alone"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_loads_in_both_layouts(tmp_path, name, whole):
    arch, model = ARCHITECTURES[name], built(name)
    path = write(tmp_path / arch.weights_file, arch, whole)
    load_backbone_weights(model, arch, path)
    head = model.get_layer("status").kernel.numpy()
    for weight_name, weight in named_weights(model).items():
        if not weight_name.startswith("status/"):
            assert np.array_equal(weight.numpy(), tensor(weight_name, weight.shape, arch)), weight_name
    assert np.abs(head).max() <= np.sqrt(6 / (head.shape[0] + 2))  # the seeded start, as it was
    start_weights(model, SEED)
    path.unlink()


@pytest.mark.parametrize("name", ["DenseNet121", "InceptionV3"])
def test_keras_itself_reads_the_same_from_the_file(tmp_path, name):
    arch = ARCHITECTURES[name]
    path = write(tmp_path / arch.weights_file, arch, whole=False)
    backbone = getattr(require_keras().applications, name)(
        include_top=False, weights=str(path), input_shape=(arch.least_side, arch.least_side, 3)
    )
    model = built(name)
    load_backbone_weights(model, arch, path)
    ours = [weight.numpy() for layer in model.layers[:-2] for weight in layer.weights]
    keras = [weight.numpy() for layer in backbone.layers for weight in layer.weights]
    assert all(np.array_equal(one, other) for one, other in zip(ours, keras, strict=True))
    start_weights(model, SEED)


def test_a_check_changes_nothing_and_tells_the_sum(densenet_file):
    assert check_weights(densenet_file, DENSENET) == sha256(densenet_file.read_bytes()).hexdigest()
    again = densenet_file.with_name("again.h5")
    shutil.copy(densenet_file, again)
    with again.open("ab") as stream:
        stream.write(b"\0")
    assert check_weights(again, DENSENET) == sha256(again.read_bytes()).hexdigest()


def test_names_in_pieces_are_put_together(tmp_path):
    path = write(tmp_path / "w.h5", DENSENET, pieces=True)
    assert check_weights(path, DENSENET)


@pytest.mark.parametrize(
    "arch", [a for a in ARCHITECTURES.values() if a is not DENSENET], ids=lambda a: a.name
)
def test_the_file_of_another_network_is_named(densenet_file, arch):
    with pytest.raises(ModelError) as told:
        check_weights(densenet_file, arch)
    assert told.value.problem == f"{densenet_file.name} holds DenseNet121, not {arch.name}"


def test_inception_and_inception_resnet_are_told_apart(tmp_path):
    other = ARCHITECTURES["InceptionResNetV2"]
    with pytest.raises(ModelError, match="holds InceptionV3, not InceptionResNetV2"):
        check_weights(write(tmp_path / "a.h5", INCEPTION), other)
    with pytest.raises(ModelError, match="holds InceptionResNetV2, not InceptionV3"):
        check_weights(write(tmp_path / "b.h5", other), INCEPTION)


def replaced(name, value):
    def change(tensors):
        assert name in tensors
        tensors[name] = value(tensors[name])

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            replaced("conv1_conv/kernel", lambda t: t[:5, :5]),
            r"conv1_conv/kernel has the shape \(5, 5, 3, 64\), the network \(7, 7, 3, 64\)",
        ),
        (lambda tensors: tensors.pop("bn/beta"), "lacks 1 weights, bn/beta among them"),
        (
            lambda tensors: tensors.update({"predictions/kernel": np.zeros((4, 2), np.float32)}),
            "has no use for 1 weights, predictions/kernel",
        ),
        (
            replaced("bn/gamma", lambda t: np.where(np.arange(len(t)) == 7, np.nan, t)),
            "bn/gamma is not finite",
        ),
    ],
)
def test_a_weight_that_does_not_fit_is_named_and_nothing_changed(tmp_path, change, told):
    path, model = write(tmp_path / "w.h5", DENSENET, change=change), built("DenseNet121")
    before = [weight.numpy().copy() for weight in model.weights]
    with pytest.raises(ModelError, match=told):
        load_backbone_weights(model, DENSENET, path)
    assert all(np.array_equal(weight.numpy(), was) for weight, was in zip(model.weights, before, strict=True))


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path, densenet_file, share):
    content = densenet_file.read_bytes()
    path = tmp_path / "w.h5"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match=r"^w\.h5 is truncated or damaged; download"):
        check_weights(path, DENSENET)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ResNet50.pt", b"PK\x03\x04"),
        ("ResNet50.pth", b"anything"),
        ("renamed.h5", b"PK\x03\x04 a zip of PyTorch"),
        ("renamed.h5", b"\x80\x02 a pickle"),
    ],
)
def test_pytorchs_files_are_refused_with_the_reason(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name} is PyTorch's: its networks stride and pad elsewhere"):
        check_weights(tmp_path / name, DENSENET)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"version https://git-lfs"])
def test_what_is_no_hdf5_is_refused(tmp_path, content):
    (tmp_path / "w.h5").write_bytes(content)
    with pytest.raises(ModelError, match=r"w\.h5 is no HDF5 file"):
        check_weights(tmp_path / "w.h5", DENSENET)


def test_keras_3s_own_weights_and_a_missing_file_are_refused(tmp_path):
    keras = require_keras()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save_weights(tmp_path / "new.weights.h5")
    with pytest.raises(ModelError, match=r"without Keras's list of layers; .* not one saved by Keras 3"):
        check_weights(tmp_path / "new.weights.h5", DENSENET)
    with pytest.raises(ModelError, match=r"there is no file w\.h5"):
        check_weights(tmp_path / "w.h5", DENSENET)


@pytest.mark.parametrize(
    "place",
    [
        "RadImageNet-IRV2_notop.h5",
        "RadImageNet-IRV2-notop.h5",
        "radimagenet-irv2_NOTOP.h5",
        "tensorflow/RadImageNet-IRV2_notop.h5",
    ],
)
def test_a_file_is_found_as_it_is_called(tmp_path, place):
    for name in (place, "RadImageNet-InceptionV3_notop.h5", "RadImageNet-IRV2_notop.pth"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert find_weights(tmp_path, ARCHITECTURES["InceptionResNetV2"]) == tmp_path / place


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([], "holds no RadImageNet-DenseNet121_notop.h5; put the Keras file of https://github.com/BMEII-AI"),
        (["RadImageNet-ResNet50_notop.h5"], "holds no RadImageNet-DenseNet121_notop.h5"),
        (["RadImageNet-DenseNet121.pt"], r"DenseNet121\.pt is PyTorch's"),
        (["RadImageNet-DenseNet121_notop.h5", "RadImageNet-DenseNet121-notop.h5"], "2 times; keep the one"),
    ],
)
def test_a_folder_without_the_file_is_told(tmp_path, files, told):
    for name in files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelError, match=told) as error:
        find_weights(tmp_path, DENSENET)
    assert str(tmp_path) not in str(error.value)


def test_a_folder_that_is_none_is_told(tmp_path):
    with pytest.raises(ModelError, match="there is no folder nowhere of RadImageNet's weights"):
        find_weights(tmp_path / "nowhere", DENSENET)
