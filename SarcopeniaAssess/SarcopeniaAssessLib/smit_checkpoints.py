"""Official SMIT checkpoints: read safely, renamed key by key, and never matched in silence.

Official names are those of the published state dict; ours are the attribute
paths of `smit_network.Smit`. A checkpoint is read as tensors only: safetensors, or a torch file with
`weights_only=True`, which refuses anything that would run code.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.smit import SmitConfig, build_smit

if TYPE_CHECKING:
    from torch import Tensor

    from SarcopeniaAssessLib.smit_network import Smit

# Where trainers put the state dict, and what they put before its names; `student` of the pre-training.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "student")
PREFIXES = ("module.", "_orig_mod.", "backbone.", "student.", "model.", "net.", "network.")
# Beside the tensors: numbers of NumPy and a trainer's options, never read.
UNREAD = (
    "argparse.Namespace",
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
)
SHOWN = 8  # parts named in a report's line
INDEX = "relative_position_index"
ENCODER = "transformer."

# Ours → official, applied in this order to the whole name.
RENAMES: tuple[tuple[str, str], ...] = (
    (r"^encoder\.skip_norms\.(\d)", r"transformer.norm\1"),
    (r"^encoder\.patch_embedding", r"transformer.patch_embed"),
    (r"^encoder\.stages", r"transformer.layers"),
    (r"\.merging\.", r".downsample."),
    (r"\.attention\.bias_table$", r".attn.relative_position_bias_table"),
    (r"\.attention\.", r".attn."),
    (r"\.mlp\.0\.", r".mlp.fc1."),
    (r"\.mlp\.2\.", r".mlp.fc2."),
    (r"\.(conv\d)\.", r".\1.conv."),
    (r"^decoder\.image_block", r"encoder1.layer"),
    (r"^decoder\.bottleneck_block", r"encoder10.layer"),
    (r"^decoder\.head", r"out.conv.conv"),
    (r"\.up\.weight$", r".transp_conv.conv.weight"),
    (r"^(decoder\.up_blocks\.\d)\.block", r"\1.conv_block"),
)


def official_name(name: str) -> str:
    """Return the official name of one of our parameters or buffers."""
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    name = re.sub(r"^decoder\.skip_blocks\.(\d)", lambda m: f"encoder{int(m[1]) + 2}.layer", name)
    return re.sub(r"^decoder\.up_blocks\.(\d)", lambda m: f"decoder{5 - int(m[1])}", name)


@dataclass(frozen=True)
class LoadReport:
    """What became of every key of a checkpoint and of the network, by official names.

    Attributes
    ----------
    matched:
        Keys of the checkpoint that are now in the network.
    fresh:
        Keys of the network that the checkpoint lacks: they keep their random start.
    unused:
        Keys of the checkpoint, as they stand there, that the network has no place for.
    """

    matched: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every weight of the network came from the checkpoint."""
        return not self.fresh

    @property
    def encoder_only(self) -> bool:
        """Whether the encoder came whole from the checkpoint and the decoder not at all."""
        return not self.complete and all(name.startswith(ENCODER) for name in self.matched) and not self.doubt

    @property
    def doubt(self) -> str | None:
        """Why the encoder may be another one than the checkpoint's; None where it came whole."""
        absent = [name for name in self.fresh if name.startswith(ENCODER)]
        left = [name for name in map(_official_key, self.unused) if name.startswith(ENCODER)]
        left = [name for name in left if not name.endswith("mask_token")]  # of the pre-training alone
        if not absent and not left:
            return None
        found = [f"{len(absent)} of its tensors stay random ({_parts(absent)})"] if absent else []
        found += [f"{len(left)} of the checkpoint's have no place in it ({_parts(left)})"] if left else []
        return f"the encoder is not the checkpoint's: {' and '.join(found)}"

    def __str__(self) -> str:
        """Summarise in one line per kind, naming the parts that stayed fresh or unused."""
        lines = [f"{len(self.matched)} tensors matched"]
        for keys, what in ((self.fresh, "left fresh"), (self.unused, "of the checkpoint unused")):
            lines.append(f"{len(keys)} {what}" + (f": {_parts(keys)}" if keys else ""))
        if self.doubt:
            lines.append(f"WARNING: {self.doubt}; check the depths and names of the configuration")
        return "\n".join(lines)


def _parts(names: Iterable[str]) -> str:
    """Blocks and parts that tensors belong to, the first few by name."""
    found = {re.match(r"(?:.*\.blocks\.\d+)|(?:transformer\.[^.]+)|[^.]+", name) for name in names}
    parts = sorted({match[0] for match in found if match})
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return ", ".join(parts[:SHOWN]) + more


def load_official_smit(
    weights_path: str | Path, config: Mapping[str, Any] | SmitConfig, *, encoder_alone: bool = False
) -> tuple[Smit, LoadReport]:
    """Load a checkpoint of the published SMIT code into our network.

    Parameters
    ----------
    weights_path:
        A .safetensors file, or .pt/.pth that holds tensors, numbers and text alone; whole networks or
        encoders alone, under one or more of `WRAPPERS`, their names behind any of `PREFIXES`.
    config:
        `SmitConfig`, or its fields as a mapping with `img_size` as in the official code. The window
        order is the published one unless the mapping says `"window_reverse": "exact"`.
    encoder_alone:
        Leave a decoder in the file unused, whatever its classes.

    Returns
    -------
    tuple[Smit, LoadReport]
        The network in eval mode, (1, 1, i, j, k) → logits, and what matched, stayed fresh, was unused.

    Raises
    ------
    ModelError
        A file that is missing, unsafe or no checkpoint; a tensor of another shape, not finite or there
        twice; no tensor matched.

    Warns
    -----
    UserWarning
        The encoder came in part only, as with other depths than the checkpoint's.
    """
    if not isinstance(config, SmitConfig):
        config = SmitConfig.from_official(config)
    found = _by_official_key(_read_tensors(Path(weights_path)))
    network = build_smit(config)
    own = network.state_dict()
    ours = {official_name(name): name for name in own}
    chosen: dict[str, Tensor] = {}
    wanted = {o: name for o, name in ours.items() if o.startswith(ENCODER) or not encoder_alone}
    for official, name in wanted.items():
        if official in found:
            tensor = found[official][1]
            if name.endswith("bias_table"):
                tensor = _reindexed(tensor, found, official, own[name], config)
            _check_tensor(official, tensor, own[name])
            chosen[name] = tensor.to(own[name].dtype)
    if not chosen:
        part = "the encoder of " if encoder_alone else ""
        raise ModelError(
            f"none of the checkpoint's tensors has a place in {part}a SMIT of this configuration",
            "give a checkpoint of the published SMIT code, or its own depths",
        )
    network.load_state_dict(own | chosen)
    indices = {o.replace("bias_table", "index") for o in ours if o.endswith("relative_position_bias_table")}
    report = LoadReport(
        matched=tuple(o for o in found if o in wanted or o in indices),
        fresh=tuple(o for o in ours if o not in found or o not in wanted),
        unused=tuple(name for o, (name, _) in found.items() if o not in wanted and o not in indices),
    )
    if report.doubt:
        warnings.warn(str(report), stacklevel=2)
    return network.eval(), report


def _by_official_key(tensors: Mapping[str, Tensor]) -> dict[str, tuple[str, Tensor]]:
    found: dict[str, tuple[str, Tensor]] = {}
    for name, tensor in tensors.items():
        official = _official_key(name)
        if official in found:
            raise ModelError(
                f"the checkpoint holds {official} twice, as {found[official][0]} and as {name}",
                "give a file with one network, the one to be used",
            )
        found[official] = name, tensor
    return found


def _official_key(name: str) -> str:
    while prefix := next((p for p in PREFIXES if name.startswith(p)), None):
        name = name.removeprefix(prefix)
    if re.match(r"((patch_embed|layers|norm\d)\.|mask_token$)", name):
        return f"{ENCODER}{name}"
    return name


def _check_tensor(name: str, tensor: Tensor, own: Tensor) -> None:
    if tensor.is_complex() or not bool(tensor.isfinite().all()):
        raise ModelError(f"{name} is not finite", "give an intact checkpoint; this one is damaged")
    if tuple(tensor.shape) != tuple(own.shape):
        raise ModelError(
            f"{name} has the shape {tuple(tensor.shape)}, in the network {tuple(own.shape)}",
            "give the configuration that the checkpoint was trained with",
        )


def _reindexed(
    table: Tensor, found: Mapping[str, tuple[str, Tensor]], official: str, own: Tensor, config: SmitConfig
) -> Tensor:
    """Bring the rows of a bias table into our order, where the checkpoint says that its order is another."""
    from SarcopeniaAssessLib.smit_encoder import relative_position_index

    key = official.replace("bias_table", "index")
    if key not in found:
        return table
    _check_tensor(official, table, own)
    ours = relative_position_index(config.window_size, config.window_size)
    theirs = found[key][1]
    _check_tensor(key, theirs, ours)
    if theirs.equal(ours.to(theirs.dtype)):  # in half precision, indices above 2048 are rounded
        return table
    theirs = theirs.long()
    if int(theirs.min()) < 0 or int(theirs.max()) >= len(table):
        raise ModelError(f"{key} points outside its table", "give an intact checkpoint")
    rows = table.clone()
    rows[ours.flatten()] = table[theirs.flatten()]
    if not rows[ours].equal(table[theirs]):
        raise ModelError(f"{key} is no function of the relative position", "give an intact checkpoint")
    return rows


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Read every tensor of a checkpoint without running anything that it holds."""
    if not path.is_file():
        raise ModelError(f"there is no checkpoint {path.name}", "check the path")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            import torch

            with torch.serialization.safe_globals([(_Unread, name) for name in UNREAD]):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch reports a refused pickle, a truncated zip and a foreign format by a dozen exception types.
        foreign = re.search(r"GLOBAL ([\w.]+) was not an allowed", str(error))
        raise ModelError(
            f"{path.name} cannot be read as tensors alone "
            f"({f'it holds a {foreign[1]}' if foreign else type(error).__name__})",
            "give a .safetensors file, or a .pt or .pth file that holds a plain state dict",
        ) from error
    return _tensors_of(content, path.name)


class _Unread:
    """What stands for an object beside the tensors: nothing of it is built or run."""

    def __new__(cls, *_: object) -> Self:
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        pass


def _tensors_of(content: Any, name: str) -> dict[str, Tensor]:
    from torch import Tensor

    while isinstance(content, Mapping):
        inner = next((content[w] for w in WRAPPERS if isinstance(content.get(w), Mapping)), None)
        if inner is None:
            return {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
        content = inner
    raise ModelError(f"{name} holds no state dict", "give a file that maps names to tensors")
