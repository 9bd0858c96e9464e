"""One model, one file: weights as .safetensors with the model's entry in the header.

Such a file is read as data; pickles and other formats that can run code are never opened. Nothing here
knows of registries (see `models`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Protocol, Self

from SarcopeniaAssessLib import strict_json
from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaAssessLib.smit import SmitConfig, build_smit
from SarcopeniaAssessLib.spine_unet import SPINE_KIND, SpineUnetConfig, build_spine_unet
from SarcopeniaAssessLib.unet import UnetConfig, build_unet

if TYPE_CHECKING:
    from torch import nn

METADATA_KEY = "sarcopenia_model"
NOT_SAFETENSORS = (
    "give a .safetensors file of this program, or import the checkpoint with `sarcopenia models import`"
)


class SegmentationNetwork(Protocol):
    """What the library asks of any network: logits of the slab, or of one of its slices."""

    def __call__(self, image: Any) -> Any:
        """(b, 1, i, j, k) → (b, classes, i, j, k)."""

    def slice_logits(self, image: Any, k: int) -> Any:
        """(b, 1, i, j, k) → (b, classes, i, j), of slice `k`."""

    def state_dict(self) -> Mapping[str, Any]:
        """Its tensors by name."""


@dataclass(frozen=True)
class ModelEntry:
    """What is known of a model; the JSON object of a registry and of a weights file.

    Attributes
    ----------
    name, version:
        Small letters, digits, `.`, `_`, `-`; the version is free text.
    architecture:
        `kind` ("smit") and the fields of its configuration.
    preprocessing:
        The fields of `preprocessing.SlabPreset`.
    trained_on, licence:
        A sentence each, shown with every result and by `models info`.
    training, scores:
        Command, seed and the like; measured scores by data set.
    card:
        `use`, `not_for`, `failures` (sentences), `rebuild` (a command), `document` (the whole card's place).
    calibration:
        What the network's doubt is worth: the fields of `uncertainty.Calibration`, or empty.
    file, sha256, url:
        Weights file beside the registry, its checksum, and where it can be downloaded. None where not
        known: a file does not state its own checksum.
    folder:
        Where the entry was found; not written.
    """

    name: str
    version: str
    architecture: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    trained_on: str
    licence: str = "research use only"
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    file: str | None = None
    sha256: str | None = None
    url: str | None = None
    folder: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", self.name):
            raise ModelError(f"a model cannot be named {self.name!r}", "use small letters, digits, . _ and -")
        if self.file is not None and (
            Path(self.file).name != self.file or not self.file.endswith(".safetensors")
        ):
            raise ModelError(
                f"model {self.name}: file is {self.file!r}", "give the bare name of a .safetensors file"
            )
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ModelError(f"model {self.name}: sha256 is {self.sha256!r}", "give 64 hexadecimal digits")
        if self.architecture.get("kind") not in tuple(ARCHITECTURES):  # a list could be asked of no dict
            raise ModelError(
                f"model {self.name}: architecture {self.architecture.get('kind')!r} is not known",
                f"known are {', '.join(ARCHITECTURES)}; a newer version of this program may know it",
            )

    @classmethod
    def from_mapping(cls, values: object, folder: Path | None = None) -> Self:
        """Read an entry from JSON; fields of later versions are ignored.

        Raises
        ------
        ModelError
            A field that is missing or of another type.
        """
        if not isinstance(values, Mapping):
            raise ModelError("a model's entry is no JSON object", "correct the registry or take another file")
        kinds = {f.name: _KINDS[str(f.type)] for f in fields(cls) if f.name != "folder"}
        for name, kind in kinds.items():
            required = name in ("name", "version", "architecture", "preprocessing", "trained_on")
            if (required or name in values) and not isinstance(values.get(name), kind):
                raise ModelError(
                    f"a model's entry has {values.get(name)!r} as {name}",
                    "correct the registry or take another file",
                )
        _refuse_steering(values, str(values["name"])[:64])
        return cls(**{name: values[name] for name in kinds if name in values}, folder=folder)

    def to_mapping(self) -> dict[str, Any]:
        """Return the entry as JSON can hold it."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "folder"}


def _refuse_steering(values: Any, name: str) -> None:
    """Refuse texts that would steer a terminal or turn the direction of what is read: an entry is printed."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            _refuse_steering(key, name)
            _refuse_steering(value, name)
    elif isinstance(values, list | tuple):
        for value in values:
            _refuse_steering(value, name)
    elif isinstance(values, str) and any(unicodedata.category(sign) in ("Cc", "Cf") for sign in values):
        raise ModelError(
            f"the entry of model {name!r} holds control characters", "take the model from another source"
        )


_KINDS: Mapping[str, Any] = {
    "str": str,
    "str | None": str | None,
    "Mapping[str, Any]": Mapping,
}


@dataclass(frozen=True)
class SegmentationModel:
    """A network in eval mode with its entry, whose `sha256` is that of the file it came from."""

    network: SegmentationNetwork
    entry: ModelEntry


# A new kind of network is one line here: fields of `architecture` → a torch module; one that draws muscle
# has `slice_logits`.
ARCHITECTURES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "smit": lambda values: build_smit(SmitConfig.from_mapping(values)),
    "unet": lambda values: build_unet(UnetConfig.from_mapping(values)),
    SPINE_KIND: lambda values: build_spine_unet(SpineUnetConfig.from_mapping(values)),
}


def _build(architecture: Mapping[str, Any]) -> Any:
    """The network of an entry's `architecture`, with fresh weights."""
    return ARCHITECTURES[architecture["kind"]]({k: v for k, v in architecture.items() if k != "kind"})


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces.

    Raises
    ------
    ModelError
        The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read ({error.strerror})", "check the file") from None
    return digest.hexdigest()


def read_entry(path: Path) -> ModelEntry:
    """Read the entry in a weights file's header; no tensor is touched.

    Raises
    ------
    ModelError
        The file is missing, of another format, truncated, or carries no entry.
    """
    with _opened(path) as weights:
        text = (weights.metadata() or {}).get(METADATA_KEY)
    if text is None:
        raise ModelError(f"{path.name} holds tensors but does not say of which model", NOT_SAFETENSORS)
    try:
        values = strict_json.parse(text)
    except ValueError:
        raise ModelError(f"the entry in {path.name} is no JSON", NOT_SAFETENSORS) from None
    return ModelEntry.from_mapping(values, path.parent)


def tensor_names(path: Path) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Names of the tensors and the header of any .safetensors file; no tensor is touched.

    Raises
    ------
    ModelError
        The file is missing, of another format or truncated.
    """
    with _opened(path) as weights:
        return tuple(weights.keys()), weights.metadata() or {}


def read_network(entry: ModelEntry, path: Path) -> nn.Module:
    """Build the entry's network and fill it with the file's tensors, in eval mode on the CPU.

    Raises
    ------
    ModelError
        Tensors that are missing, too many, of another shape, or not finite.
    """
    import torch

    with torch.device("meta"):
        network: nn.Module = _build(entry.architecture)
    own = network.state_dict()
    with _opened(path) as weights:
        shapes = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
        _check_shapes(path.name, {name: tuple(t.shape) for name, t in own.items()}, shapes)
        tensors = {name: weights.get_tensor(name).clone() for name in own}
    for name, tensor in tensors.items():
        tensors[name] = tensor.to(own[name].dtype)
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{path.name}: {name} is not finite", "take another file; this one is damaged")
    network.load_state_dict(tensors, assign=True)
    return network.eval()


WINDOW_ORDERS: Mapping[str, str] = {
    "exact": "exact: windows go back where they came from; any shape",
    "official": "official: as published, which scrambles tokens; right at the trained size only",
}


def in_words(entry: ModelEntry) -> dict[str, str]:
    """Network, size, window order and what the network sees, a sentence each.

    Raises
    ------
    ModelError
        The entry's architecture or preprocessing makes no sense.
    """
    try:
        return _in_words(entry)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelError(
            f"model {entry.name}: its entry makes no sense", "take another file, or import the model again"
        ) from None


def _in_words(entry: ModelEntry) -> dict[str, str]:
    import torch

    architecture, sees = entry.architecture, entry.preprocessing
    with torch.device("meta"):
        network: Any = _build(architecture)
    count = sum(p.numel() for p in network.parameters())
    told = {"network": f"{str(architecture['kind']).upper()}, {count / 1e6:.2f} million parameters"}
    if architecture["kind"] == "smit":
        order = network.config.window_reverse
        side = network.config.image_size
        told["window_order"] = WINDOW_ORDERS[order] + (f" ({side}×{side}×{side})" if side else "")
    if architecture["kind"] == SPINE_KIND:
        told["purpose"] = "finds the level of L3 (--l3 auto); draws no muscle"
        told["sees"] = (
            f"the whole scan on a grid of {sees['grid_mm']:g} mm, {sees['hu_low']:g}…{sees['hu_high']:g} HU"
        )
        return told
    tile = sees.get("tile")
    told["sees"] = (
        f"{sees['slices']} slices {sees['slice_mm']:g} mm apart, pixels of {sees['in_plane_mm']:g} mm, "
        f"{sees.get('hu_low', -175.0):g}…{sees.get('hu_high', 250.0):g} HU, "
        + (f"in windows of {tile}×{tile} that overlap by half" if tile else "the whole plane at once")
    )
    return told


def save_model(path: str | Path, network: nn.Module | SegmentationNetwork, entry: ModelEntry) -> ModelEntry:
    """Write a network and its entry as one .safetensors file, whole or not at all.

    Returns
    -------
    ModelEntry
        The entry with the file's name, checksum and folder: what a registry lists.

    Raises
    ------
    ModelError
        The entry's architecture is not that of the network, or the name is not .safetensors.
    OutputError
        The file cannot be written.
    """
    import torch
    from safetensors.torch import save

    path = Path(path)
    named = replace(entry, file=path.name, sha256=None, folder=path.parent)
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    with torch.device("meta"):
        twin = _build(entry.architecture)
    expected = {name: tuple(t.shape) for name, t in twin.state_dict().items()}
    _check_shapes(path.name, expected, {name: tuple(t.shape) for name, t in tensors.items()})
    text = json.dumps(named.to_mapping(), ensure_ascii=False, sort_keys=True)
    write_whole(path, save(tensors, {METADATA_KEY: text}))
    return replace(named, sha256=file_sha256(path))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file by one rename, so that it is there whole or not at all.

    Raises
    ------
    OutputError
        The folder cannot be written to, or is full.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=".writing-", delete=False) as stream:
            temporary = Path(stream.name)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"{path.name} cannot be written ({error.strerror})", "choose a writable folder with room"
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelError(
            f"there is no model file {path.name}",
            "check the path, or name a model of `sarcopenia models list`",
        )
    if path.suffix != ".safetensors":
        raise ModelError(
            f"{path.name} is no .safetensors file; formats that can run code are not opened", NOT_SAFETENSORS
        )
    try:
        with safe_open(path, "pt") as weights:
            yield weights
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path.name} is damaged or no safetensors file ({error})", NOT_SAFETENSORS
        ) from None


def _check_shapes(
    file: str, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    remedy = "take the file that belongs to this entry, or one made by this version"
    for names, what in (
        (expected.keys() - found.keys(), "lacks"),
        (found.keys() - expected.keys(), "has no use for"),
    ):
        if names:
            raise ModelError(
                f"{file} {what} {len(names)} tensors of the network, {min(names)} among them", remedy
            )
    for name, shape in expected.items():
        if found[name] != shape:
            raise ModelError(f"{file}: {name} has the shape {found[name]}, the network {shape}", remedy)
