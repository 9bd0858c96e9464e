"""The encoder alone: what pre-training leaves and fine-tuning starts from.

One .safetensors file with the encoder's configuration and where it comes from in its header. Official
checkpoints are taken through the library's `smit_checkpoints`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.model_file import file_sha256, write_whole
from SarcopeniaAssessLib.smit import SmitConfig
from SarcopeniaAssessLib.smit_checkpoints import LoadReport, load_official_smit

if TYPE_CHECKING:
    from torch import Tensor

    from SarcopeniaAssessLib.smit_encoder import SmitEncoder
    from SarcopeniaAssessLib.smit_network import Smit

METADATA_KEY = "sarcopenia_encoder"
SCHEMA = "sarcopenia-encoder/1"
PREFIX = "encoder."
ENCODER_FIELDS = (
    "in_channels",
    "embed_dim",
    "depths",
    "num_heads",
    "window_size",
    "patch_size",
    "merging",
    "mlp_ratio",
    "qkv_bias",
    "window_reverse",
    "window_padding",
)
"""Fields of `SmitConfig` that an encoder's weights mean something for; the others are free."""


def save_encoder(path: Path, encoder: SmitEncoder, config: SmitConfig, facts: Mapping[str, Any]) -> str:
    """Write an encoder, whole or not at all.

    Parameters
    ----------
    path:
        Ends in .safetensors; keys are `encoder.` and the names of the encoder's parameters.
    facts:
        Where it comes from (preset, seed, steps, cohort's digest), as JSON holds it; goes into the header.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from safetensors.torch import save

    tensors = {f"{PREFIX}{name}": t.detach().cpu().contiguous() for name, t in encoder.state_dict().items()}
    header = {"schema": SCHEMA, "config": config.to_mapping(), **facts}
    write_whole(path, save(tensors, {METADATA_KEY: json.dumps(header, sort_keys=True)}))
    return file_sha256(path)


def read_encoder_facts(path: str | Path) -> dict[str, Any] | None:
    """The header of an encoder's file; None for a file of another kind.

    Raises
    ------
    ModelError
        The file is missing, damaged, or its header cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"there is no encoder {path.name}", "check the path")
    if path.suffix != ".safetensors":
        return None
    text = _read(path)[0].get(METADATA_KEY)
    if text is None:
        return None
    try:
        facts = json.loads(text)
        if facts["schema"] != SCHEMA:
            raise ValueError(facts["schema"])
        return dict(facts)
    except (ValueError, TypeError, KeyError):
        raise ModelError(
            f"the header of {path.name} is not understood", "take an encoder of this version"
        ) from None


def other_order(network: Smit, path: str | Path) -> str | None:
    """What to tell of an encoder that learned another order of windows than the network's, if it did.

    Official weights learned the official order. In an exact network they are a start like any other, but
    not what they were.
    """
    if network.config.window_reverse == "official" or read_encoder_facts(path) is not None:
        return None
    return (
        f"{Path(path).name} learned the official window order, this network has the exact one; to keep it, "
        'take preset paper-official, or "window_reverse": "official" in a preset of your own'
    )


def take_encoder(network: Smit, path: str | Path) -> LoadReport:
    """Fill a network's encoder; its decoder stays as it is.

    Parameters
    ----------
    path:
        A file of `save_encoder`, or an official checkpoint (`smit_checkpoints.load_official_smit`).

    Returns
    -------
    LoadReport
        What matched, stayed fresh and was left over.

    Raises
    ------
    ModelError
        A file that is missing or damaged, an encoder of another configuration (said by field or by name
        and shape of the tensor), or one that matches nothing. The network is then as it was.
    """
    path = Path(path)
    facts = read_encoder_facts(path)
    if facts is None:
        return _take_official(network, path)
    _check_config(path.name, facts.get("config"), network.config)
    own = {f"{PREFIX}{name}": t for name, t in network.encoder.state_dict().items()}
    found = _read(path)[1]
    _check_tensors(path.name, own, found)
    network.encoder.load_state_dict({n.removeprefix(PREFIX): t.to(own[n].dtype) for n, t in found.items()})
    fresh = tuple(name for name in network.state_dict() if not name.startswith(PREFIX))
    return LoadReport(matched=tuple(found), fresh=fresh, unused=())


def _take_official(network: Smit, path: Path) -> LoadReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the doubt is raised below
        loaded, report = load_official_smit(path, network.config, encoder_alone=True)
    if report.doubt:
        raise ModelError(f"{path.name}: {report.doubt}", "give the configuration that it was trained with")
    network.encoder.load_state_dict(loaded.encoder.state_dict())
    return report


def _check_config(file: str, values: object, config: SmitConfig) -> None:
    if not isinstance(values, Mapping):
        raise ModelError(f"{file} does not say which encoder it is", "take an encoder of this version")
    theirs = SmitConfig.from_mapping(values)
    for name in ENCODER_FIELDS:
        if getattr(theirs, name) != getattr(config, name):
            raise ModelError(
                f"{file} is an encoder with {name} {getattr(theirs, name)}, "
                f"the network has {getattr(config, name)}",
                "pre-train with the configuration that is fine-tuned, or the other way round",
            )


def _check_tensors(file: str, own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    import torch

    remedy = "take the file as pre-training wrote it"
    for names, what in ((own.keys() - found.keys(), "lacks"), (found.keys() - own.keys(), "has no use for")):
        if names:
            raise ModelError(f"{file} {what} {len(names)} tensors, {min(names)} among them", remedy)
    for name, tensor in found.items():
        if tensor.shape != own[name].shape:
            shapes = f"{tuple(tensor.shape)}, in the network {tuple(own[name].shape)}"
            raise ModelError(f"{file}: {name} has the shape {shapes}", remedy)
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{file}: {name} is not finite", remedy)


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a .safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as weights:
            tensors = {name: weights.get_tensor(name).clone() for name in weights.keys()}  # noqa: SIM118
            return weights.metadata() or {}, tensors
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path.name} is damaged or no safetensors file ({error})", "take another copy of the file"
        ) from None
