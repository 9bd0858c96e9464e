"""Keras classifiers: one of the four backbones, global average pooling, a two-node softmax.

Class 1 is sarcopenic. A network is the same whatever was built before it in the process: its layers have the
names that `keras.applications` gives to the first network, and its seeded start owes nothing to global state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.model_file import file_sha256, write_whole
from SarcopeniaTraining.classification.architectures import ARCHITECTURES, Architecture, require_keras

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD, POOLING = "status", "pooling"
"""Names of the softmax layer and of the pooling before it."""
CLASSES = 2
METADATA_KEY = "sarcopenia_classifier"


def prepare(arch: Architecture, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Put images through the network's own `preprocess_input`.

    Parameters
    ----------
    arch:
        The network.
    rgb:
        (n, side, side, 3), grey levels 0 … 255.

    Returns
    -------
    ndarray
        (n, side, side, 3), float32; see `architectures.PREPROCESSINGS`. `rgb` is left as it is.

    Raises
    ------
    ModelError
        Other than 8-bit images of three colours.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 4 or rgb.shape[-1] != 3:
        raise ModelError(
            f"{arch.name} was given images of shape {rgb.shape} and type {rgb.dtype}",
            "give 8-bit images of shape (n, side, side, 3)",
        )
    own = require_keras().applications.imagenet_utils.preprocess_input
    prepared = own(rgb.astype(np.float32), data_format="channels_last", mode=arch.preprocessing)
    return np.asarray(prepared, np.float32)


def build_backbone(arch: Architecture, side: int, seed: int) -> Any:
    """Build a network without its top, with a seeded random start.

    Parameters
    ----------
    arch, side:
        The network and the side of its square images in pixels.
    seed:
        Of `start_weights`.

    Returns
    -------
    keras.Model
        (n, side, side, 3) prepared images → (n, h, w, channels).

    Raises
    ------
    ModelError
        `side` is too small, or Keras is not installed.
    """
    backbone = _plain_backbone(arch, side)
    start_weights(backbone, seed)
    return backbone


@cache
def backbone_shapes(arch: Architecture) -> Mapping[str, tuple[int, ...]]:
    """Shapes of a backbone's weights by `weight_name`; they are the same for every side.

    Raises
    ------
    ModelError
        Keras is not installed.
    """
    backbone = _plain_backbone(arch, arch.least_side)
    return {name: tuple(weight.shape) for name, weight in named_weights(backbone).items()}


def _plain_backbone(arch: Architecture, side: int) -> Any:
    arch.check_side(side)
    keras = require_keras()
    backbone = getattr(keras.applications, arch.name)(
        include_top=False, weights=None, input_shape=(side, side, 3)
    )
    _name_as_first(backbone)
    return backbone


def _name_as_first(backbone: Any) -> None:
    """Number unnamed layers from 0: Keras goes on counting where the last network of the process ended."""
    numbered: dict[str, list[tuple[int, Any]]] = {}
    for layer in backbone.layers:
        kind, _, number = layer.name.rpartition("_") if layer.name[-1].isdigit() else (layer.name, "", "0")
        if not number.isdigit():  # conv2d: the digit is its kind's
            kind, number = layer.name, "0"
        if kind.replace("_", "") == type(layer).__name__.lower():
            numbered.setdefault(kind, []).append((int(number), layer))
    for kind, layers in numbered.items():
        first = min(number for number, _ in layers)
        for number, layer in layers:
            layer.name = f"{kind}_{number - first}" if number > first else kind


def build_classifier(arch: Architecture, side: int, seed: int, backbone_weights: Path | None = None) -> Any:
    """Build a backbone with pooling and a two-node softmax; its layers are reachable by `get_layer`.

    Parameters
    ----------
    arch, side:
        The network and the side of its square images in pixels.
    seed:
        Of the start; of the head alone where `backbone_weights` are given.
    backbone_weights:
        A file of RadImageNet, see `radimagenet`.

    Returns
    -------
    keras.Model
        (n, side, side, 3) prepared images → (n, 2) probabilities; class 1 is sarcopenic.

    Raises
    ------
    ModelError
        `side` is too small, the weights are of another network, or Keras is not installed.
    """
    keras = require_keras()
    backbone = build_backbone(arch, side, seed)
    pooled = keras.layers.GlobalAveragePooling2D(name=POOLING)(backbone.output)
    status = keras.layers.Dense(CLASSES, activation="softmax", name=HEAD)(pooled)
    model = keras.Model(backbone.input, status, name=arch.name.lower())
    start_weights(model, seed, [HEAD])
    if backbone_weights is not None:
        from SarcopeniaTraining.classification.radimagenet import load_backbone_weights

        load_backbone_weights(model, arch, backbone_weights)
    return model


def start_weights(model: Any, seed: int, layers: Iterable[str] | None = None) -> None:
    """Give layers their seeded start: Keras's own (Glorot's uniform kernels), drawn apart for every weight.

    Biases, centres and moving means are 0, scales and moving variances 1. The same seed gives the same
    weights in any process and on any machine.

    Parameters
    ----------
    model:
        A backbone or a classifier; changed in place.
    seed:
        Not negative.
    layers:
        Their names; all where not given. `[HEAD]` alone is a new head on the same backbone.
    """
    chosen = None if layers is None else set(layers)
    for layer in model.layers:
        if chosen is None or layer.name in chosen:
            for weight in layer.weights:
                weight.assign(_start(weight_name(layer, weight), tuple(weight.shape), seed))


def _start(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    kind = name.rsplit("/", 1)[-1]
    if kind in ("gamma", "moving_variance"):
        return np.ones(shape, np.float32)
    if kind != "kernel":
        return np.zeros(shape, np.float32)
    field = int(np.prod(shape[:-2], dtype=np.int64))  # pixels under a convolution's kernel; 1 of a dense one
    limit = np.sqrt(6.0 / (field * (shape[-2] + shape[-1])))
    draw = np.random.default_rng([seed, crc32(name.encode())])
    return np.asarray(limit * (2.0 * draw.random(shape, np.float32) - 1.0), np.float32)


def weight_name(layer: Any, weight: Any) -> str:
    """Name a weight by its layer and its own name: `conv1_conv/kernel`."""
    return f"{layer.name}/{weight.name}"


def named_weights(model: Any) -> dict[str, Any]:
    """The network's variables by `weight_name`, trainable or not."""
    return {weight_name(layer, weight): weight for layer in model.layers for weight in layer.weights}


def save_weights(model: Any, path: str | Path) -> str:
    """Write a classifier's weights as one .safetensors file, whole or not at all.

    Parameters
    ----------
    model:
        Of `build_classifier`.
    path:
        Ends in .safetensors.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from safetensors.numpy import save

    path = Path(path)
    tensors = {name: np.ascontiguousarray(weight.numpy()) for name, weight in named_weights(model).items()}
    header = json.dumps({"network": network_name(model)}, sort_keys=True)
    write_whole(path, save(tensors, {METADATA_KEY: header}))
    return file_sha256(path)


def load_weights(model: Any, path: str | Path) -> None:
    """Fill a classifier with the weights of `save_weights`; on a failure it is left as it was.

    Parameters
    ----------
    model:
        Of `build_classifier`; changed in place.
    path:
        The file.

    Raises
    ------
    ModelError
        The file is missing, damaged, or of another network.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"there is no file {path.name} of weights", "check the path")
    tensors, network = _read_tensors(path)
    if network != network_name(model):
        raise ModelError(
            f"{path.name} holds {network}, the network is {network_name(model)}", "give this network's file"
        )
    own = named_weights(model)
    check_shapes(
        path.name, {k: tuple(w.shape) for k, w in own.items()}, {k: v.shape for k, v in tensors.items()}
    )
    for name, weight in own.items():
        weight.assign(tensors[name])


def network_name(model: Any) -> str:
    """The architecture's name of a classifier, as in the paper's tables."""
    return next((name for name in ARCHITECTURES if name.lower() == model.name), str(model.name))


def check_shapes(
    file: str, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    """Hold a file's tensors against a network's, by name and shape.

    Raises
    ------
    ModelError
        Tensors that are missing, too many or of another shape.
    """
    remedy = "give the file of this very network"
    for names, what in (
        (expected.keys() - found.keys(), "lacks"),
        (found.keys() - expected.keys(), "has no use for"),
    ):
        if names:
            raise ModelError(f"{file} {what} {len(names)} weights, {min(names)} among them", remedy)
    for name, shape in expected.items():
        if found[name] != shape:
            raise ModelError(f"{file}: {name} has the shape {found[name]}, the network {shape}", remedy)


def _read_tensors(path: Path) -> tuple[dict[str, NDArray[np.float32]], str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as weights:
            header = json.loads((weights.metadata() or {})[METADATA_KEY])
            return {name: weights.get_tensor(name) for name in weights.keys()}, header["network"]  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        raise ModelError(
            f"{path.name} is damaged or holds no classifier of this program",
            "give a .safetensors file of `sarcopenia classify`",
        ) from None
