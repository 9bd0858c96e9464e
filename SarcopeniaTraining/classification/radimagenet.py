"""RadImageNet's weights: Keras files that the user has, held against the network before any training.

Two layouts of Keras's older HDF5 are read: a whole saved model, and weights alone. Both name every layer.
Source: https://github.com/BMEII-AI/RadImageNet; docs/classification-networks.md tells of its files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.model_file import file_sha256
from SarcopeniaTraining.classification.architectures import Architecture, require_keras
from SarcopeniaTraining.classification.networks import backbone_shapes, check_shapes, named_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

ORIGIN = "https://github.com/BMEII-AI/RadImageNet"
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
PYTORCH_SUFFIXES = (".pt", ".pth")
_AGAIN = "download RadImageNet's Keras file of this network again"
# The first of these that a file has tells its network; InceptionResNetV2 has InceptionV3's conv2d_93 too.
_TELLTALES: Mapping[str, str] = {
    "InceptionResNetV2": "block8_10_conv",
    "DenseNet121": "conv5_block16_2_conv",
    "ResNet50": "conv5_block3_3_conv",
    "InceptionV3": "conv2d_93",
}
_NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?")


def find_weights(folder: str | Path, arch: Architecture) -> Path:
    """Find a network's file in a folder or in the folders inside it.

    RadImageNet's scripts write `-notop`, the files it gives out have `_notop`; both are taken, in any case.

    Raises
    ------
    ModelError
        There is none, several, or only PyTorch's.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(
            f"there is no folder {folder.name} of RadImageNet's weights", f"put the files of {ORIGIN} there"
        )
    wanted = _plain(arch.weights_file)
    files = sorted(p for pattern in ("*", "*/*") for p in folder.glob(pattern) if p.is_file())
    found = [p for p in files if _plain(p.name) == wanted]
    if len(found) > 1:
        raise ModelError(
            f"{folder.name} holds {arch.weights_file} {len(found)} times", "keep the one that is meant"
        )
    if found:
        return found[0]
    stem = arch.weights_file.split("_")[0].casefold()
    for path in files:
        if path.suffix.casefold() in PYTORCH_SUFFIXES and path.name.casefold().startswith(stem):
            raise _pytorch(path)
    raise ModelError(
        f"{folder.name} holds no {arch.weights_file}", f"put the Keras file of {ORIGIN} there under this name"
    )


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")


def check_weights(path: str | Path, arch: Architecture) -> str:
    """Hold a file against a network, every layer by name and shape; nothing is trained or changed.

    Returns
    -------
    str
        SHA-256 of the file, which every run keeps that starts from it.

    Raises
    ------
    ModelError
        The file is missing, no HDF5, truncated, damaged, PyTorch's, of another layout or another network.
    """
    path = Path(path)
    _read(path, arch)
    return file_sha256(path)


def load_backbone_weights(model: Any, arch: Architecture, path: str | Path) -> None:
    """Fill a backbone, alone or in a classifier, with a file's weights; on a failure it is left as it was.

    Raises
    ------
    ModelError
        As of `check_weights`.
    """
    own = named_weights(model)
    for name, tensor in _read(Path(path), arch).items():
        own[name].assign(tensor)


def _read(path: Path, arch: Architecture) -> dict[str, NDArray[np.float32]]:
    """The file's tensors by the network's own names, all of them, finite and of the right shape."""
    _check_kind(path)
    require_keras()
    import h5py  # type: ignore[import-untyped]

    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)  # a whole saved model, or weights alone
            if not _names(group, "layer_names"):
                raise ModelError(
                    f"{path.name} is an HDF5 file without Keras's list of layers",
                    f"give {arch.weights_file} as RadImageNet gives it out, not one saved by Keras 3",
                )
            tensors = dict(_tensors(group))
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError):
        raise ModelError(f"{path.name} is truncated or damaged", _AGAIN) from None
    _check_network(path, arch, tensors)
    check_shapes(path.name, backbone_shapes(arch), {name: t.shape for name, t in tensors.items()})
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ModelError(f"{path.name}: {name} is not finite", _AGAIN)
    return tensors


def _check_kind(path: Path) -> None:
    if not path.is_file():
        raise ModelError(f"there is no file {path.name} of weights", f"get it from {ORIGIN}")
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read ({error.strerror})", "check the file") from None
    if path.suffix.casefold() in PYTORCH_SUFFIXES or start[:2] == b"PK" or start[:1] == b"\x80":
        raise _pytorch(path)
    if start != HDF5_SIGNATURE:
        raise ModelError(f"{path.name} is no HDF5 file", _AGAIN)


def _pytorch(path: Path) -> ModelError:
    return ModelError(
        f"{path.name} is PyTorch's: its networks stride and pad elsewhere than Keras's, so that the weights "
        "would not mean the same",
        f"give the Keras file (.h5) of {ORIGIN}",
    )


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names among a group's attributes, empty where there is none.

    Keras splits a list too long for one attribute into `NAME0`, `NAME1`, ...
    """
    parts = [attribute] if attribute in group.attrs else []
    while parts[:1] != [attribute] and f"{attribute}{len(parts)}" in group.attrs:
        parts.append(f"{attribute}{len(parts)}")
    names = [name for part in parts for name in group.attrs[part]]
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names]


def _tensors(group: Any) -> Iterator[tuple[str, NDArray[np.float32]]]:
    layers = [name for name in _names(group, "layer_names") if _names(group[name], "weight_names")]
    own = _own_names(layers)
    for layer in layers:
        for name in _names(group[layer], "weight_names"):
            weight = name.rsplit("/", 1)[-1].split(":")[0]
            yield f"{own[layer]}/{weight}", np.asarray(group[layer][name], np.float32)


def _own_names(layers: list[str]) -> dict[str, str]:
    """The network's own name of every layer in a file.

    Older Keras wrote `conv1/conv` where Keras 3 has `conv1_conv`. Every Keras numbers unnamed layers on from
    what the process built before.
    """
    first: dict[str, int] = {}
    for layer in layers:
        if match := _NUMBERED.fullmatch(layer):
            number = int(match[2] or 0)
            first[match[1]] = min(number, first.get(match[1], number))
    own = {}
    for layer in layers:
        match = _NUMBERED.fullmatch(layer)
        number = int(match[2] or 0) - first[match[1]] if match else 0
        own[layer] = layer.replace("/", "_") if not match else match[1] + (f"_{number}" if number else "")
    return own


def _check_network(path: Path, arch: Architecture, tensors: Mapping[str, Any]) -> None:
    layers = {name.split("/")[0] for name in tensors}
    found = next((name for name in _TELLTALES if _TELLTALES[name] in layers), None)
    if found is not None and found != arch.name:
        raise ModelError(
            f"{path.name} holds {found}, not {arch.name}", f"give {arch.weights_file} for {arch.name}"
        )
