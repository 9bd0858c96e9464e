"""An encoder goes from one network into another of the same kind, and into no other."""

import dataclasses
import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaAssessLib.smit import SmitConfig, build_smit
from SarcopeniaTraining.encoders import (
    METADATA_KEY,
    other_order,
    read_encoder_facts,
    save_encoder,
    take_encoder,
)

CUBES = SmitConfig(embed_dim=4, depths=(1, 1, 2, 1), num_heads=(1, 1, 2, 2), decoder_channels=(4, 4, 4, 4, 4))
SLABS = SmitConfig(
    embed_dim=4,
    depths=(2, 1, 1, 1),
    num_heads=(1, 2, 2, 2),
    window_size=(4, 4, 3),
    patch_size=(4, 4, 1),
    merging=(2, 2, 1),
    decoder_kernel=(3, 3, 1),
)


def fresh(config, seed):
    torch.manual_seed(seed)
    return build_smit(config)


@pytest.fixture(params=[CUBES, SLABS], ids=["cubes", "slabs"])
def saved(request, tmp_path):
    network = fresh(request.param, 1)
    path = tmp_path / "encoder.safetensors"
    digest = save_encoder(path, network.encoder, request.param, {"seed": 7, "steps": 12})
    return network, path, digest


def test_a_round_trip_gives_the_same_features_and_leaves_the_decoder(saved):
    first, path, _ = saved
    second = fresh(first.config, 2)
    decoder = {name: t.clone() for name, t in second.decoder.state_dict().items()}
    report = take_encoder(second, path)
    image = torch.rand(1, 1, *first.config.total_stride)
    for one, other in zip(first.eval().encoder(image)[0], second.eval().encoder(image)[0], strict=True):
        assert torch.equal(one, other)
    assert all(torch.equal(t, decoder[name]) for name, t in second.decoder.state_dict().items())
    assert set(report.matched) == {f"encoder.{name}" for name in first.encoder.state_dict()}
    assert set(report.fresh) == {f"decoder.{name}" for name in decoder}
    assert report.unused == ()


def test_the_file_says_where_it_comes_from(saved):
    network, path, digest = saved
    facts = read_encoder_facts(path)
    assert facts["seed"] == 7
    assert facts["steps"] == 12
    assert SmitConfig.from_mapping(facts["config"]) == network.config
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert all(name.startswith("encoder.") for name in load_file(path))


def test_fields_of_the_decoder_and_of_training_do_not_matter(saved):
    network, path, _ = saved
    other = dataclasses.replace(network.config, out_channels=5, drop_path_rate=0.0, decoder_norm="instance")
    assert len(take_encoder(fresh(other, 3), path).matched) == len(network.encoder.state_dict())


@pytest.mark.parametrize(
    ("field", "value"),
    [("embed_dim", 8), ("window_padding", "zeros"), ("depths", (2, 2, 2, 2)), ("qkv_bias", True)],
)
def test_another_configuration_is_refused_by_its_field_and_nothing_changes(saved, field, value):
    network, path, _ = saved
    other = fresh(dataclasses.replace(network.config, **{field: value}), 4)
    before = {name: t.clone() for name, t in other.state_dict().items()}
    with pytest.raises(ModelError, match=field):
        take_encoder(other, path)
    assert all(torch.equal(t, before[name]) for name, t in other.state_dict().items())


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda t: t.pop("encoder.skip_norms.1.weight"), "lacks 1 tensors, encoder.skip_norms.1.weight"),
        (lambda t: t.update({"encoder.more": torch.zeros(1)}), "no use for 1 tensors, encoder.more"),
        (lambda t: t.update({"encoder.skip_norms.1.weight": torch.zeros(3)}), r"shape \(3,\), .* \(8,\)"),
        (lambda t: t["encoder.skip_norms.1.weight"].fill_(float("nan")), "not finite"),
    ],
    ids=["lacking", "more", "shape", "nan"],
)
def test_tensors_that_do_not_fit_are_told_by_name(saved, spoil, told):
    network, path, _ = saved
    tensors = load_file(path)
    header = json.dumps(read_encoder_facts(path))
    spoil(tensors)
    save_file(tensors, path, {METADATA_KEY: header})
    with pytest.raises(ModelError, match=told):
        take_encoder(network, path)


def test_missing_damaged_and_foreign_files_are_refused(saved, tmp_path):
    network, path, _ = saved
    with pytest.raises(ModelError, match="there is no encoder none"):
        take_encoder(network, tmp_path / "none.safetensors")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelError, match="damaged"):
        take_encoder(network, path)
    save_file({"unknown": torch.zeros(2)}, path)
    with pytest.raises(ModelError):
        take_encoder(network, path)
    save_file({"unknown": torch.zeros(2)}, path, {METADATA_KEY: "{"})
    with pytest.raises(ModelError, match="header"):
        take_encoder(network, path)


def official(network, prefix):
    """Tensors of a network's encoder by official names, as the published pre-training saves them."""
    from SarcopeniaAssessLib.smit_checkpoints import official_name

    named = {official_name(f"encoder.{n}"): t.clone() for n, t in network.encoder.state_dict().items()}
    return {f"{prefix}{name.removeprefix('transformer.')}": t for name, t in named.items()}


def test_an_official_encoder_with_the_prefix_module(tmp_path):
    first, second = fresh(CUBES, 1), fresh(CUBES, 2)
    path = tmp_path / "official.pt"
    torch.save({"state_dict": {**official(first, "module."), "module.mask_token": torch.zeros(1)}}, path)
    report = take_encoder(second, path)
    for name, tensor in second.encoder.state_dict().items():
        assert torch.equal(tensor, first.encoder.state_dict()[name])
    assert len(report.matched) == len(first.encoder.state_dict())
    assert report.unused == ("module.mask_token",)
    assert not any(name.startswith("transformer.") for name in report.fresh)


def test_of_a_whole_official_checkpoint_the_encoder_is_taken_whatever_its_classes(tmp_path):
    from SarcopeniaAssessLib.smit_checkpoints import official_name

    first, second = fresh(dataclasses.replace(CUBES, out_channels=5), 1), fresh(CUBES, 2)
    decoder = {name: t.clone() for name, t in second.decoder.state_dict().items()}
    path = tmp_path / "whole.pt"
    torch.save({"net": {official_name(n): t.clone() for n, t in first.state_dict().items()}}, path)
    report = take_encoder(second, path)
    for name, tensor in second.encoder.state_dict().items():
        assert torch.equal(tensor, first.encoder.state_dict()[name])
    assert all(torch.equal(t, decoder[name]) for name, t in second.decoder.state_dict().items())
    assert len(report.matched) == len(first.encoder.state_dict())
    assert len(report.unused) == len(first.decoder.state_dict())
    assert len(report.fresh) == len(decoder)


def test_an_official_encoder_that_fits_in_part_is_refused(tmp_path):
    network = fresh(CUBES, 2)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    path = tmp_path / "shallow.pt"
    torch.save(official(fresh(dataclasses.replace(CUBES, depths=(1, 1, 1, 1)), 1), "module."), path)
    with pytest.raises(ModelError, match=r"stay random \(transformer.layers.2.blocks.1\)"):
        take_encoder(network, path)
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


def test_the_other_window_order_of_official_weights_is_told(saved, tmp_path):
    network, own, _ = saved
    path = tmp_path / "official.pt"
    torch.save(official(network, "module."), path)
    assert "learned the official window order" in other_order(network, path)
    assert other_order(network, own) is None
    published = dataclasses.replace(CUBES, window_reverse="official", window_padding="zeros")
    assert other_order(fresh(published, 1), path) is None


def test_of_an_official_file_without_encoder_nothing_is_taken(tmp_path):
    network = fresh(CUBES, 1)
    path = tmp_path / "head.safetensors"
    save_file({"out.conv.conv.weight": network.state_dict()["decoder.head.weight"].clone()}, path)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    with pytest.raises(ModelError, match="encoder"):
        take_encoder(network, path)
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


def test_a_folder_that_cannot_be_written_is_told(saved, tmp_path):
    network, _, _ = saved
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        save_encoder(tmp_path / "file" / "encoder.safetensors", network.encoder, network.config, {})
