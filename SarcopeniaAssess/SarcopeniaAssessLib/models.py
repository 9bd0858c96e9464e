"""Segmentation models by name: the registries, checksums, and the way to a network ready to use.

Registries are `Resources/Models.json` (shipped) and the `Models.json` of the user's model folder (imported
and downloaded ones). Both name the sha256 that a file must have before any of its tensors is used.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from SarcopeniaAssessLib import resource_path, strict_json
from SarcopeniaAssessLib.errors import DeviceError, ModelError
from SarcopeniaAssessLib.model_file import (
    ModelEntry,
    SegmentationNetwork,
    file_sha256,
    read_entry,
    read_network,
    save_model,
    write_whole,
)
from SarcopeniaAssessLib.smit_checkpoints import LoadReport, load_official_smit
from SarcopeniaAssessLib.spine_unet import SPINE_KIND

__all__ = [
    "LoadReport",
    "ModelEntry",
    "SegmentationModel",
    "default_model_name",
    "download_model",
    "list_models",
    "load_level_finder",
    "load_model",
    "load_official_smit",
    "model_entry",
    "read_registry",
    "save_model",
    "untiled",
    "user_model_folder",
    "verify_model",
    "weights_path",
]

REGISTRY = "Models.json"
LEVEL_FINDER = "l3-finder"
"""The registered network that finds L3; it draws no muscle."""
FILE_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".pkl", ".h5", ".keras", ".onnx", ".zip")


@dataclass(frozen=True)
class SegmentationModel:
    """A network in eval mode with its entry, whose `sha256` is that of the file it came from."""

    network: SegmentationNetwork
    entry: ModelEntry


def user_model_folder() -> Path:
    """Return the folder of imported and downloaded models: $SARCOPENIA_MODELS or the platform's place."""
    if given := os.environ.get("SARCOPENIA_MODELS"):
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "sarcopenia-assess" / "models"


def list_models() -> tuple[ModelEntry, ...]:
    """Return every entry of the shipped registry and of the user's, the default first.

    Raises
    ------
    ModelError
        A registry that cannot be read.
    """
    shipped, default = read_registry(resource_path(REGISTRY))
    own, _ = read_registry(user_model_folder() / REGISTRY)
    names = {e.name for e in shipped}
    entries = [*shipped, *(e for e in own if e.name not in names)]
    return tuple(sorted(entries, key=lambda e: e.name != default))


def default_model_name() -> str:
    """Return the name of the model that is used where none is named.

    Raises
    ------
    ModelError
        The registry names none.
    """
    _, default = read_registry(resource_path(REGISTRY))
    if default is None:
        raise ModelError("no default model is installed", "name a model or a .safetensors file with --model")
    return default


def model_entry(name: str) -> ModelEntry:
    """Return the entry of that name.

    Raises
    ------
    ModelError
        No registry has it; the error lists the names and the closest one.
    """
    entries = {e.name: e for e in list_models()}
    if name in entries:
        return entries[name]
    close = get_close_matches(name, entries, n=1)
    known = f"known are {', '.join(entries)}" if entries else "none is installed"
    raise ModelError(f"there is no model {name!r}", f"did you mean {close[0]}? {known}" if close else known)


def verify_model(name: str) -> ModelEntry:
    """Compare the weights of a registered model with its checksum.

    Raises
    ------
    ModelError
        The weights are absent or are not those of the registry.
    """
    entry = model_entry(name)
    _check_sha256(entry, file_sha256(weights_path(entry)))
    return entry


def load_model(name_or_path: str | Path | None = None, device: str = "cpu") -> SegmentationModel:
    """Load a registered model, or a .safetensors file that carries its own entry.

    Parameters
    ----------
    name_or_path:
        A name of the registry, a file, or None for the default model.
    device:
        "cpu", "cuda", "cuda:1", "mps" …, as torch names it.

    Returns
    -------
    SegmentationModel
        The network in eval mode on the device; `entry.sha256` is that of the file.

    Raises
    ------
    ModelError
        An unknown name; a file that is missing, altered, truncated, no safetensors or without an entry;
        tensors that do not fit the architecture or are not finite.
    DeviceError
        The device is not there or has no room.
    """
    name_or_path = default_model_name() if name_or_path is None else name_or_path
    if _means_file(name_or_path):
        path = Path(name_or_path)
        entry, registered = read_entry(path), False
    else:
        entry, registered = model_entry(str(name_or_path)), True
        path = weights_path(entry)
    if entry.architecture["kind"] == SPINE_KIND:
        raise ModelError(
            f"model {entry.name} finds the level of L3 and draws no muscle",
            "leave out --model, or name one that `sarcopenia models list` shows as drawing muscle",
        )
    sha256 = file_sha256(path)
    if registered:
        _check_sha256(entry, sha256)
        read_entry(path)
    network = read_network(entry, path)
    try:
        network = network.to(device)
    except (RuntimeError, AssertionError, ImportError):
        # torch tells a missing device, a missing driver and a full memory by several types.
        raise DeviceError(f"the model cannot be moved to {device}", "choose --device cpu") from None
    return SegmentationModel(cast(SegmentationNetwork, network), replace(entry, sha256=sha256))


def load_level_finder() -> tuple[Any, ModelEntry]:
    """Load the registered network that finds L3, in eval mode on the CPU, with its entry.

    Raises
    ------
    ModelError
        Its weights are missing or are not those of the registry.
    """
    entry = model_entry(LEVEL_FINDER)
    path = weights_path(entry)
    _check_sha256(entry, file_sha256(path))
    return read_network(entry, path), entry


def untiled(model: SegmentationModel) -> SegmentationModel:
    """The same network, given the slice plane at once instead of in overlapping windows; its version says so.

    Quicker, since no overlap is computed twice, and not equal: docs/benchmarks.md has what it changes.

    Raises
    ------
    ModelError
        A network in the official window order, which is right for its windows alone.
    """
    entry = model.entry
    if entry.preprocessing.get("tile") is None:
        return model
    if entry.architecture.get("window_reverse") == "official":
        raise ModelError(
            f"model {entry.name} has the official window order, which is right in its windows alone",
            "leave out --untiled, or use a model in the exact order",
        )
    seen = {**entry.preprocessing, "tile": None}
    return replace(model, entry=replace(entry, preprocessing=seen, version=f"{entry.version}, untiled"))


def weights_path(entry: ModelEntry) -> Path:
    """Where an entry's weights lie: beside its registry, or downloaded into the user's folder.

    Raises
    ------
    ModelError
        They are in neither place.
    """
    for folder in (entry.folder, user_model_folder()):
        if folder is not None and entry.file is not None and (folder / entry.file).is_file():
            return folder / entry.file
    remedy = (
        f"run `sarcopenia models download {entry.name}`"
        if entry.url
        else "reinstall, or choose another model"
    )
    raise ModelError(f"the weights of model {entry.name} are not on this computer", remedy)


def download_model(name: str) -> ModelEntry:
    """Fetch the weights of a registered model into the user's folder, and check them before they lie there.

    Raises
    ------
    ModelError
        The model has no address, cannot be reached, or is not the file that the registry describes.
    """
    from hashlib import sha256
    from urllib.error import URLError
    from urllib.request import urlopen

    entry = model_entry(name)
    if entry.url is None:
        raise ModelError(
            f"model {name} has no address to download from", "it is bundled or was imported: nothing to do"
        )
    if not entry.url.startswith("https://") or entry.sha256 is None or entry.file is None:
        raise ModelError(f"model {name} has no https address with a checksum", "correct the registry")
    try:
        with urlopen(entry.url, timeout=60) as answer:  # noqa: S310 - https is checked above
            content = answer.read()
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise ModelError(
            f"model {name} cannot be downloaded ({reason})", "check the connection and try again"
        ) from None
    _check_sha256(entry, sha256(content).hexdigest())
    write_whole(user_model_folder() / entry.file, content)
    return entry


def _means_file(name_or_path: str | Path) -> bool:
    text = str(name_or_path)
    return (
        isinstance(name_or_path, Path)
        or "/" in text
        or "\\" in text
        or bool(Path(text).suffix in FILE_SUFFIXES)
    )


def _check_sha256(entry: ModelEntry, sha256: str) -> None:
    if entry.sha256 is None:
        raise ModelError(f"the registry has no checksum for model {entry.name}", "correct the registry")
    if sha256 != entry.sha256:
        raise ModelError(
            f"model {entry.name}: the weights have the sha256 {sha256[:12]}…, not {entry.sha256[:12]}…",
            "the file is damaged or was replaced: reinstall or download it again",
        )


def read_registry(path: Path) -> tuple[tuple[ModelEntry, ...], str | None]:
    """Entries of a Models.json and the name of its default; none where there is no such file.

    Raises
    ------
    ModelError
        It is no registry, or its default is not among its models.
    """
    if not path.is_file():
        return (), None
    try:
        values = strict_json.read(path)
        models, default = values["models"], values.get("default")
        entries = tuple(ModelEntry.from_mapping(m, path.parent) for m in models)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"the registry {REGISTRY} cannot be read ({error})", "correct or remove it"
        ) from None
    if default is not None and all(e.name != default for e in entries):
        raise ModelError(f"the registry's default {default!r} is not among its models", "correct it")
    return entries, default
