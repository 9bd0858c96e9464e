"""A weights file, or a checkpoint of the published SMIT code, into the user's registry."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaAssessLib.model_file import ModelEntry, save_model, tensor_names, write_whole
from SarcopeniaAssessLib.models import REGISTRY, list_models, load_model, read_registry, user_model_folder
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaAssessLib.preprocessing import SlabPreset
from SarcopeniaAssessLib.smit_checkpoints import LoadReport, load_official_smit

if TYPE_CHECKING:
    from SarcopeniaAssessLib.smit import SmitConfig

PUBLISHED_SPACING_MM = (1.5, 2.0)
"""In the plane and along the body, of the published fine-tuning (arXiv 2205.10342)."""
PUBLISHED_SLICES = 96
PATIENCE_S = 60.0
FINE_TUNE = "fine-tune it first: `sarcopenia finetune COHORT --encoder FILE --out RUN`"


def import_model(
    path: str | Path,
    name: str,
    *,
    config: Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
) -> tuple[ModelEntry, LoadReport | None]:
    """Add a model to the user's registry under a name of its own.

    Parameters
    ----------
    path:
        A .safetensors file with an entry, or an official SMIT checkpoint.
    config:
        Configuration of an official checkpoint, which does not say what shape it has.
    preprocessing:
        Fields of `SlabPreset` that an official checkpoint was trained with and that differ from the
        published ones: 1.5 mm in the plane, 2 mm along the body, −175…250 HU, cubes of `image_size`.

    Returns
    -------
    tuple[ModelEntry, LoadReport | None]
        The new entry, and what of an official checkpoint matched.

    Raises
    ------
    ModelError
        The name is taken; the file is none of these; a checkpoint that leaves part of the network
        untrained, or of which part is left over; preprocessing that the network cannot take.
    """
    _check_free(name)
    path = Path(path)
    report: LoadReport | None = None
    network: Any
    if config is None:
        if preprocessing:
            raise ModelError(
                "the preprocessing of this program's files is part of them", "leave it out, or give --config"
            )
        _check_says_what_it_is(path)
        model = load_model(path)
        network, entry = model.network, replace(model.entry, name=name, url=None)
    else:
        network, report = _official_network(path, config)
        entry = ModelEntry(
            name=name,
            version="imported",
            architecture={"kind": "smit", **network.config.to_mapping()},
            preprocessing=official_preset(network.config, preprocessing or {}).to_mapping(),
            trained_on="not known: imported from a checkpoint of the published SMIT code",
            licence="not known: the licence of the checkpoint applies",
        )
    with _registry_held() as folder:
        _check_free(name)
        saved = save_model(folder / f"{name}.safetensors", network, entry)
        own, _ = read_registry(folder / REGISTRY)
        listed = {"default": None, "models": [e.to_mapping() for e in (*own, saved)]}
        write_whole(folder / REGISTRY, json.dumps(listed, indent=2, ensure_ascii=False).encode())
    return saved, report


def official_preset(config: SmitConfig, fields: Mapping[str, Any]) -> SlabPreset:
    """What an official network sees: the published preprocessing with other fields as given.

    Raises
    ------
    ModelError
        Values that no slab has, or in the official window order any slab but the trained cube.
    """
    side = config.image_size
    if config.window_reverse == "official" and side is None:
        raise ModelError(
            "the configuration does not say at what size the weights were trained",
            "add img_size: the official window order is learned at one size",
        )
    in_plane_mm, slice_mm = PUBLISHED_SPACING_MM
    cube = {"slices": side or PUBLISHED_SLICES, "tile": side}
    preset = SlabPreset.from_mapping({"in_plane_mm": in_plane_mm, "slice_mm": slice_mm, **cube, **fields})
    if side is not None and (preset.slices, preset.tile) != (side, side):
        raise ModelError(
            f"{preset.slices} slices in windows of {preset.tile} are asked for, but the official "
            f"window order is right for cubes of {side} only",
            f"leave slices and tile out, or give {side} for both",
        )
    return preset


def _official_network(path: Path, config: Mapping[str, Any]) -> tuple[Any, LoadReport]:
    with warnings.catch_warnings():  # whatever is in doubt is refused below
        warnings.simplefilter("ignore", UserWarning)
        network, report = load_official_smit(path, config)
    if report.encoder_only:
        raise ModelError(
            f"{path.name} holds an encoder alone ({len(report.matched)} tensors), which does not segment",
            FINE_TUNE.replace("FILE", path.name),
        )
    if report.doubt:
        raise ModelError(report.doubt, "give the configuration that the checkpoint was trained with")
    if not report.complete:
        raise ModelError(
            f"the checkpoint leaves {len(report.fresh)} tensors untrained, {report.fresh[0]} among them",
            "give a whole checkpoint, or " + FINE_TUNE.replace("FILE", path.name),
        )
    channels = network.config.in_channels, network.config.out_channels
    if channels != (1, 2):
        raise ModelError(
            f"the network turns {channels[0]} channels into {channels[1]} classes",
            "give one that turns CT alone into background and muscle, in this order",
        )
    return network, report


def _check_free(name: str) -> None:
    if any(e.name == name for e in list_models()):
        raise ModelError(f"there is a model {name} already", "give it another name")


def _check_says_what_it_is(path: Path) -> None:
    """Tell a checkpoint, or an encoder of this program, from a model that can be loaded as it is."""
    if not path.is_file():
        raise ModelError(f"there is no model file {path.name}", "check the path")
    names, header = tensor_names(path) if path.suffix == ".safetensors" else ((), {})
    if "sarcopenia_encoder" in header or (names and all(n.startswith("encoder.") for n in names)):
        raise ModelError(
            f"{path.name} is an encoder, which does not segment", FINE_TUNE.replace("FILE", path.name)
        )
    if "sarcopenia_model" not in header:
        raise ModelError(
            f"{path.name} does not say which network it belongs to",
            "give the configuration of a published SMIT checkpoint with --config JSON (docs/smit.md)",
        )


@contextmanager
def _registry_held() -> Iterator[Path]:
    """Hold the user's folder against other imports, waiting for one under way; yields the folder."""
    folder = user_model_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder of models cannot be made ({error.strerror})", "set SARCOPENIA_MODELS to another"
        ) from None
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            lock = FolderLock(folder)
            break
        except OutputError:
            if time.monotonic() > until:
                raise ModelError(
                    "another import holds the folder of models", "wait for its end and try again"
                ) from None
            time.sleep(0.05)
    try:
        yield folder
    finally:
        lock.release()
