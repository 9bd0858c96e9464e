"""Checkpoints of the published SMIT code: read as data, renamed key by key, never matched in silence."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.smit import SmitConfig, build_smit
from SarcopeniaAssessLib.smit_checkpoints import INDEX, load_official_smit, official_name
from SarcopeniaAssessLib.smit_encoder import relative_position_index

OFFICIAL = {
    "embed_dim": 4,
    "depths": [1, 2, 1, 1],
    "num_heads": [1, 2, 2, 4],
    "window_size": [4, 4, 4],
    "img_size": [32, 32, 32],
    "out_channels": 3,
    "patch_size": 2,
    "mlp_ratio": 2,
    "qkv_bias": True,
    "decoder_norm": "batch",
}


def official_state(config: dict = OFFICIAL, seed: int = 5) -> dict[str, torch.Tensor]:
    """A state dict under official names, with the index that the official code stores."""
    torch.manual_seed(seed)
    state = {
        official_name(n): t.clone()
        for n, t in build_smit(SmitConfig.from_official(config)).state_dict().items()
    }
    for name in [n for n in state if n.endswith("bias_table")]:
        state[name.replace("bias_table", "index")] = relative_position_index((4, 4, 4), (4, 4, 4)).clone()
    return state


@pytest.mark.parametrize("kind", [".safetensors", ".pt", ".pth"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "net"])
def test_an_official_checkpoint_fills_the_network(tmp_path, kind, prefix, wrapper):
    state = official_state()
    named = {prefix + n: t for n, t in state.items()}
    path = tmp_path / f"weights{kind}"
    if kind == ".safetensors":
        save_file(named, path)
    else:
        torch.save(named if wrapper is None else {"epoch": 3, wrapper: named}, path)
    network, report = load_official_smit(path, OFFICIAL)
    assert report.complete
    assert sorted(report.matched) == sorted(state)
    assert report.unused == ()
    assert not network.training
    assert network.config.window_reverse == "official"
    for name, tensor in network.state_dict().items():
        assert tensor.equal(state[official_name(name)])
    with torch.inference_mode():
        assert network(torch.rand(1, 1, 32, 32, 32)).shape == (1, 3, 32, 32, 32)


@pytest.mark.parametrize(
    "prefix",
    ["transformer.", "module.transformer.", "module.", "", "student.", "student.backbone.transformer."],
)
def test_an_encoder_alone_leaves_the_decoder_fresh(tmp_path, prefix):
    state = official_state()
    encoder = {n.removeprefix("transformer."): t for n, t in state.items() if n.startswith("transformer.")}
    head = {"mask_token": torch.zeros(4), "head.weight": torch.zeros(2, 2)}
    torch.save({prefix + n: t for n, t in encoder.items()} | head, tmp_path / "student.pt")
    network, report = load_official_smit(tmp_path / "student.pt", OFFICIAL)
    assert set(report.matched) == {f"transformer.{n}" for n in encoder}
    assert set(report.fresh) == {n for n in state if not n.startswith("transformer.")}
    assert report.unused == ("mask_token", "head.weight")
    assert "left fresh: decoder1, decoder2" in str(report)
    assert report.encoder_only
    assert report.doubt is None
    assert network.encoder.patch_embedding.proj.weight.equal(encoder["patch_embed.proj.weight"])


def test_a_checkpoint_that_matches_nothing_is_refused(tmp_path):
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match="none of the checkpoint's tensors"):
        load_official_smit(tmp_path / "other.pt", OFFICIAL)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ModelError, match="no state dict"):
        load_official_smit(tmp_path / "list.pt", OFFICIAL)


def test_another_shape_is_refused_by_name(tmp_path):
    torch.save(official_state(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"out\.conv\.conv\.weight has the shape \(3, 4, 1, 1, 1\)"):
        load_official_smit(tmp_path / "w.pt", OFFICIAL | {"out_channels": 2})


def test_a_table_in_another_order_is_reordered(tmp_path):
    """The checkpoint's own index says which row belongs to which pair of tokens."""
    state = official_state()
    shuffled = torch.randperm(343)
    for name in [n for n in state if n.endswith("bias_table")]:
        index = name.replace("bias_table", "index")
        table = torch.empty_like(state[name])
        table[shuffled] = state[name]
        state |= {name: table, index: shuffled[state[index]]}
    torch.save(state, tmp_path / "w.pt")
    network, _ = load_official_smit(tmp_path / "w.pt", OFFICIAL)
    straight = official_state()
    for name, tensor in network.state_dict().items():
        assert tensor.equal(straight[official_name(name)])
    first = next(n for n in state if n.endswith(INDEX))
    state[first] = torch.randint(343, (64, 64))
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="no function of the relative position"):
        load_official_smit(tmp_path / "w.pt", OFFICIAL)


@pytest.mark.parametrize(
    "beside", [np.float64(0.9), np.int64(7), np.zeros(3), argparse.Namespace(lr=1e-4, best=np.float64(0.5))]
)
def test_what_trainers_keep_beside_the_weights_is_not_in_the_way(tmp_path, beside):
    inner = {"model": official_state(), "epoch": 3}
    torch.save({"state_dict": inner, "best": beside, "optimizer": {"state": {}}}, tmp_path / "w.pt")
    _, report = load_official_smit(tmp_path / "w.pt", OFFICIAL)
    assert report.complete
    assert report.unused == ()


def test_a_foreign_object_is_refused_by_its_name(tmp_path):
    torch.save({"state_dict": official_state(), "path": Path("x")}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"it holds a pathlib"):
        load_official_smit(tmp_path / "w.pt", OFFICIAL)


def test_half_precision_is_used_in_single(tmp_path):
    torch.save({n: t.half() for n, t in official_state().items()}, tmp_path / "w.pt")
    network, report = load_official_smit(tmp_path / "w.pt", OFFICIAL)
    assert report.complete
    assert {p.dtype for p in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(("depths", "told"), [([1, 3, 1, 1], "stay random"), ([1, 1, 1, 1], "have no place")])
def test_other_depths_are_told_loudly(tmp_path, depths, told):
    torch.save(official_state(), tmp_path / "w.pt")
    with pytest.warns(UserWarning, match=rf"(?s)WARNING: .*{told}.*\(transformer\.layers\.1\.blocks\.[12]"):
        _, report = load_official_smit(tmp_path / "w.pt", OFFICIAL | {"depths": depths})
    assert not report.encoder_only


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    state = official_state()
    torch.save(state | {"module.out.conv.conv.bias": torch.ones(3)}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"out\.conv\.conv\.bias twice"):
        load_official_smit(tmp_path / "w.pt", OFFICIAL)


def test_a_weight_that_is_not_finite_is_refused(tmp_path):
    state = official_state()
    state["out.conv.conv.bias"][1] = torch.nan
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"out\.conv\.conv\.bias is not finite"):
        load_official_smit(tmp_path / "w.pt", OFFICIAL)
