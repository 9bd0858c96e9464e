"""The verb `models`: what networks this computer has, and how one is added."""

from __future__ import annotations

from typing import Any

import click

from SarcopeniaAssessLib.console import PROGRAM, complain


@click.group()
def models() -> None:
    """List, inspect, check, import and download segmentation models."""


@models.command("list")
def models_list() -> None:
    """List the models of this computer, the default first."""
    from SarcopeniaAssessLib.models import list_models
    from SarcopeniaAssessLib.spine_unet import SPINE_KIND

    entries = list_models()
    if not entries:
        complain("no model is installed; import one with `sarcopenia models import FILE --name NAME`")
    for entry in entries:
        purpose = "finds L3, draws no muscle; " if entry.architecture["kind"] == SPINE_KIND else ""
        click.echo(f"{entry.name}  {entry.version}  {purpose}trained on: {entry.trained_on}")


@models.command("info")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Everything that is known, as its file says.")
def models_info(name: str | None, *, as_json: bool) -> None:
    """Print the card of a model: what for, how good, where it fails; without NAME of the default."""
    import json

    from SarcopeniaAssessLib.card import card_text
    from SarcopeniaAssessLib.model_file import in_words
    from SarcopeniaAssessLib.models import default_model_name, model_entry
    from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE

    entry = model_entry(name or default_model_name())
    if not as_json:
        click.echo(card_text(entry))
        return
    told = {"in_words": in_words(entry), **entry.to_mapping(), "use": RESEARCH_SENTENCE}
    click.echo(json.dumps(told, indent=2, ensure_ascii=False))


@models.command("verify")
@click.argument("name")
def models_verify(name: str) -> None:
    """Compare a model's weights with their checksum."""
    from SarcopeniaAssessLib.models import verify_model

    entry = verify_model(name)
    click.echo(f"{entry.name}  {entry.version}  sha256 {entry.sha256} agrees")


@models.command("import")
@click.argument("source", metavar="FILE", type=click.Path())
@click.argument("given_name", metavar="[NAME]", required=False)
@click.option("--name", metavar="NAME", help="What to call it here; the same as NAME after FILE.")
@click.option(
    "--config", type=click.Path(), metavar="JSON", help="Configuration of an official SMIT checkpoint."
)
@click.option(
    "--spacing",
    type=(float, float),
    metavar="IN_PLANE SLICE",
    help="Its pixel size and slice distance in mm; as published 1.5 2.",
)
@click.option(
    "--hu", type=(float, float), metavar="LOW HIGH", help="HU that it got as 0 and 1; as published -175 250."
)
@click.option("--slices", type=int, metavar="N", help="Slices it sees at once, where its size is free; 96.")
def models_import(
    source: str,
    given_name: str | None,
    name: str | None,
    config: str | None,
    *,
    spacing: tuple[float, float] | None,
    hu: tuple[float, float] | None,
    slices: int | None,
) -> None:
    """Add a .safetensors model, or an official SMIT checkpoint with its configuration, as NAME."""
    from SarcopeniaAssessLib.model_import import import_model

    if (given_name is None) == (name is None):
        raise click.UsageError("give the model one name, with --name NAME")
    preprocessing: dict[str, Any] = {} if slices is None else {"slices": slices}
    if spacing is not None:
        preprocessing |= {"in_plane_mm": spacing[0], "slice_mm": spacing[1]}
    if hu is not None:
        preprocessing |= {"hu_low": hu[0], "hu_high": hu[1]}
    entry, report = import_model(
        source,
        str(name or given_name),
        config=None if config is None else _json_file(config),
        preprocessing=preprocessing,
    )
    if report is not None:
        click.echo(str(report), err=True)
    click.echo(f"{entry.name}  {entry.version}  sha256 {entry.sha256}")
    click.echo(f"use it with `{PROGRAM} assess CT --model {entry.name}`", err=True)


@models.command("download")
@click.argument("name")
def models_download(name: str) -> None:
    """Fetch a registered model's weights and check them."""
    from SarcopeniaAssessLib.models import download_model

    entry = download_model(name)
    click.echo(f"{entry.name}  {entry.version}  sha256 {entry.sha256}")


def _json_file(path: str) -> dict[str, Any]:
    from pathlib import Path

    from SarcopeniaAssessLib import strict_json

    try:
        content = strict_json.read(Path(path))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise click.UsageError("--config is no JSON object that can be read")
    return content
