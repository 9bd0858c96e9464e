"""The SMIT network: parity with the published one, exact windows at any shape, slices equal to slabs."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.smit import CONFIGURATIONS, SmitConfig, build_smit
from SarcopeniaAssessLib.smit_checkpoints import INDEX, load_official_smit, official_name
from SarcopeniaAssessLib.smit_encoder import (
    Block,
    attention_mask,
    partition,
    relative_position_index,
    reverse,
)

LIBRARY = Path(__file__).resolve().parents[2] / "SarcopeniaAssess" / "SarcopeniaAssessLib"
SHARED = Path(os.environ.get("SARCOPENIA_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "smit"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no shared/smit here; set SARCOPENIA_SHARED")
LAYERS = {"smit_network", "smit_encoder", "smit_decoder", "unet_network", "fast_linear"}
LAYERS |= {"smit_slice", "smit_slice_encoder", "smit_slice_decoder", "spine_network"}

TINY = SmitConfig(embed_dim=4, depths=(2, 1, 2, 1), num_heads=(1, 1, 2, 2), drop_path_rate=0.0)
THIN = SmitConfig(
    embed_dim=4,
    depths=(2, 2, 1, 1),
    num_heads=(1, 2, 2, 4),
    window_size=(4, 4, 3),
    patch_size=(2, 2, 1),
    merging=(2, 2, 1),
    decoder_kernel=(3, 3, 1),
)


def seeded(config: SmitConfig, seed: int = 0) -> torch.nn.Module:
    """A network whose every number is random, batch norm's running statistics too."""
    torch.manual_seed(seed)
    network = build_smit(config).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif tensor.is_floating_point():
            tensor.add_(0.2 * torch.randn_like(tensor))
    return network


# The published network


@needs_shared
def test_the_fixture_is_equal_at_every_stage():
    network, report = load_official_smit(
        SHARED / "fixture" / "state_dict.safetensors",
        json.loads((SHARED / "fixture" / "config.json").read_text()),
    )
    answer = {k: torch.from_numpy(v) for k, v in np.load(SHARED / "fixture" / "tensors.npz").items()}
    with torch.inference_mode():
        skips, bottleneck = network.encoder(answer["input"])
        logits = network(answer["input"])
    assert report.complete
    assert report.unused == ()
    assert not network.training
    for n, skip in enumerate(skips):
        torch.testing.assert_close(skip, answer[f"stage{n}"], atol=1e-4, rtol=0)
    torch.testing.assert_close(bottleneck.flatten(2).transpose(1, 2), answer["bottleneck"], atol=1e-4, rtol=0)
    torch.testing.assert_close(logits, answer["output"], atol=1e-4, rtol=0)


@needs_shared
def test_the_exact_order_differs_on_the_fixture():
    config = json.loads((SHARED / "fixture" / "config.json").read_text())
    network, _ = load_official_smit(
        SHARED / "fixture" / "state_dict.safetensors", config | {"window_reverse": "exact"}
    )
    answer = np.load(SHARED / "fixture" / "tensors.npz")
    with torch.inference_mode():
        stage0 = network.encoder(torch.from_numpy(answer["input"]))[0][0]
    assert np.abs(stage0.numpy() - answer["stage0"]).max() > 0.5  # 1.4 was measured on the official code


@needs_shared
def test_every_official_key_and_shape_has_its_place():
    official = {k: tuple(v) for k, v in json.loads((SHARED / "official_keys.json").read_text()).items()}
    with torch.device("meta"):
        network = build_smit(CONFIGURATIONS["smit-base"])
    ours = {official_name(n): tuple(t.shape) for n, t in network.state_dict().items()}
    assert len(ours) == len(network.state_dict())
    assert ours == {k: shape for k, shape in official.items() if not k.endswith(INDEX)}


def test_the_published_network_has_its_published_size():
    with torch.device("meta"):
        network = build_smit(CONFIGURATIONS["smit-base"])
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == 62.90
    assert round(sum(p.numel() for p in network.encoder.parameters()) / 1e6, 2) == 8.76


@pytest.mark.parametrize("shape", [(64, 64, 64), (32, 32, 64), (31, 32, 32), (48, 48, 48)])
def test_the_official_order_refuses_what_it_is_not_defined_for(shape):
    network = build_smit(
        replace(TINY, window_reverse="official", window_padding="zeros", image_size=32)
    ).eval()
    with pytest.raises(ModelError, match="32×32×32"):
        network(torch.zeros(1, 1, *shape))


# Windows


@st.composite
def tokens_and_window(draw):
    window = tuple(draw(st.integers(1, 4)) for _ in range(3))
    counts = tuple(draw(st.integers(1, 3)) for _ in range(3))
    return window, tuple(w * n for w, n in zip(window, counts, strict=True)), draw(st.integers(1, 2))


@settings(deadline=None)
@given(tokens_and_window())
def test_the_exact_reverse_undoes_the_partition(case):
    window, size, batch = case
    tokens = torch.arange(batch * np.prod(size) * 2).reshape(batch, *size, 2)
    windows = partition(tokens, window)
    assert windows.shape == (batch * np.prod(size) // np.prod(window), np.prod(window), 2)
    assert reverse(windows, window, size).equal(tokens)
    # The first window is the corner block, token by token.
    a, b, c = window
    assert windows[0].equal(tokens[0, :a, :b, :c].reshape(-1, 2))


def test_the_published_reverse_is_no_inverse():
    tokens = torch.arange(8**3).reshape(1, 8, 8, 8, 1)
    back = reverse(partition(tokens, (4, 4, 4)), (4, 4, 4), (8, 8, 8), "official")
    assert sorted(back.flatten().tolist()) == list(range(8**3))
    assert not back.equal(tokens)


def test_the_bias_row_depends_on_the_relative_position_alone():
    index = relative_position_index((4, 3, 2), (4, 3, 2)).numpy()
    at = np.stack(np.unravel_index(np.arange(24), (4, 3, 2)), 1)
    rows: dict[tuple[int, ...], int] = {}
    for n in range(24):
        for m in range(24):
            offset = tuple(at[n] - at[m])
            assert rows.setdefault(offset, index[n, m]) == index[n, m]
    assert len(set(rows.values())) == 7 * 5 * 3
    # A clamped window uses the rows of the same offsets.
    clamped = relative_position_index((4, 3, 2), (2, 3, 1)).numpy()
    assert clamped[0, 1] == rows[(0, -1, 0)]
    assert clamped[3, 0] == rows[(1, 0, 0)]


def naive_attention(block: Block, tokens: np.ndarray) -> np.ndarray:
    """Shifted-window attention token by token, from its definition: no roll, no reshape, no mask tensor.

    Two tokens see each other when the grid shifted back by half a window puts them into one cell.
    """
    attention = block.attention
    window, real = np.array(attention.window), tokens.shape[:3]
    shift = np.array(block.shift)
    if block.masked_padding:
        shift = np.where(np.array(real) > window, shift, 0)
    else:  # zero tokens fill the last windows and take part
        tokens = np.pad(tokens, [(0, -n % w) for n, w in zip(real, window, strict=True)] + [(0, 0)])
    c, heads = tokens.shape[3], attention.heads
    d = c // heads
    weights = {n: p.detach().double().numpy() for n, p in attention.named_parameters()}
    at = np.argwhere(np.ones(tokens.shape[:3], bool))
    x = tokens.reshape(-1, c)
    q, k, v = np.split(x @ weights["qkv.weight"].T + weights.get("qkv.bias", 0.0), 3, axis=1)
    cell = (at - shift) // window
    sides = 2 * window - 1
    mixed = np.zeros_like(x)
    for n in range(len(x)):
        seen = np.flatnonzero((cell == cell[n]).all(1))
        offset = at[n] - at[seen] + window - 1
        rows = (offset[:, 0] * sides[1] + offset[:, 1]) * sides[2] + offset[:, 2]
        for h in range(heads):
            part = slice(h * d, (h + 1) * d)
            score = q[n, part] @ k[seen, part].T / np.sqrt(d) + weights["bias_table"][rows, h]
            chance = np.exp(score - score.max())
            mixed[n, part] = chance / chance.sum() @ v[seen, part]
    return (mixed @ weights["proj.weight"].T + weights["proj.bias"]).reshape(tokens.shape)[
        : real[0], : real[1], : real[2]
    ]


@pytest.mark.parametrize("size", [(8, 4, 3), (9, 7, 3), (5, 6, 2), (3, 10, 7), (1, 4, 1)])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("padding", ["masked", "zeros"])
def test_windows_equal_attention_written_out(size, shifted, padding):
    torch.manual_seed(1)
    config = replace(THIN, qkv_bias=padding == "zeros", window_padding=padding)
    block = Block(6, 2, shifted, 0.0, config).double().eval()
    for p in block.parameters():
        p.data.normal_()
    tokens = torch.randn(2, *size, 6, dtype=torch.float64)
    with torch.inference_mode():
        ours = block._attend(tokens)
    for sample in range(2):
        np.testing.assert_allclose(ours[sample], naive_attention(block, tokens[sample].numpy()), atol=1e-9)


def test_padding_takes_part_only_where_it_is_published():
    masked = attention_mask((6, 8, 4), (4, 4, 4), (0, 0, 0), masked_padding=True)
    assert masked is not None
    assert masked[0].eq(0).all()
    assert masked[2, 0].lt(0).sum() == 32  # the second window row along i holds 2 real of 4
    assert attention_mask((6, 8, 4), (4, 4, 4), (0, 0, 0), masked_padding=False) is None
    shifted = attention_mask((8, 8, 4), (4, 4, 4), (2, 2, 0), masked_padding=False)
    assert shifted is not None
    assert [bool(w.eq(0).all()) for w in shifted] == [True, False, False, False]


# The whole network


@pytest.mark.parametrize("config", [TINY, THIN, replace(TINY, window_padding="zeros")])
@pytest.mark.parametrize("shape", [(33, 50, 3), (7, 64, 5), (32, 32, 1)])
def test_any_shape_comes_back(config, shape):
    with torch.inference_mode():
        logits = seeded(config)(torch.rand(1, 1, *shape))
    assert logits.shape == (1, 2, *shape)
    assert torch.isfinite(logits).all()


def test_content_moved_by_a_whole_window_moves_its_logits():
    """The grid of patches and windows repeats every stride × window: moved content gives moved logits."""
    network = seeded(replace(THIN, depths=(1, 1, 1, 1)))  # unshifted blocks: windows of 4·16 voxels at most
    image = torch.zeros(1, 1, 384, 64, 3)
    blob = torch.rand(40, 50, 3)
    first, second = image.clone(), image.clone()
    first[0, 0, 140:180, 5:55] = blob
    second[0, 0, 204:244, 5:55] = blob
    with torch.inference_mode():
        a, b = network(first), network(second)
    torch.testing.assert_close(a[:, :, 130:190], b[:, :, 194:254], atol=1e-4, rtol=0)
    assert (a[:, :, 130:190] - b[:, :, 130:190]).abs().max() > 1e-2


@pytest.mark.parametrize(
    "config", [THIN, TINY, replace(TINY, decoder_norm="instance", decoder_channels=(3, 4, 5, 6, 7))]
)
@pytest.mark.parametrize("shape", [(2, 1, 33, 40, 3), (1, 1, 32, 64, 5)])
def test_a_slice_equals_its_slice_of_the_slab(config, shape):
    network, image = seeded(config).double(), torch.rand(shape, dtype=torch.float64)
    with torch.inference_mode():
        logits = network(image)
        for k in range(shape[-1]):
            torch.testing.assert_close(network.slice_logits(image, k), logits[..., k], atol=1e-9, rtol=0)
    with pytest.raises(IndexError):
        network.slice_logits(image, shape[-1])


def test_slices_as_planes_equal_the_volume():
    """The thin decoder computes planes; the same layers on volumes give the same."""
    network, image = seeded(THIN).double(), torch.rand(2, 1, 32, 64, 3, dtype=torch.float64)
    with torch.inference_mode():
        skips, bottleneck = network.encoder(image)
        volume = network.decoder(image, skips, bottleneck)
        torch.testing.assert_close(network(image), volume, atol=1e-9, rtol=0)


def test_one_slice_trains_every_weight():
    network = seeded(THIN).train()
    network.slice_logits(torch.rand(2, 1, 64, 64, 3), 1).square().mean().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_stochastic_depth_acts_in_training_only():
    block = Block(4, 1, False, 0.5, THIN)
    tokens = torch.randn(64, 4, 4, 3, 4)
    assert block.eval()(tokens).equal(block(tokens))
    torch.manual_seed(0)
    unchanged = (block.train()(tokens) == tokens).flatten(1).all(1).float().mean()
    assert 0.1 < unchanged < 0.45  # both branches dropped: 0.25


@pytest.mark.parametrize("shape", [(1, 2, 32, 32, 3), (1, 32, 32, 3), (1, 1, 0, 32, 3)])
def test_an_image_of_another_kind_is_refused(shape):
    with pytest.raises(ModelError, match="give"):
        build_smit(THIN)(torch.zeros(shape))


# Where torch may stand


def test_the_library_opens_without_torch():
    modules = sorted(
        f"SarcopeniaAssessLib.{p.stem}" for p in LIBRARY.glob("[!_]*.py") if p.stem not in LAYERS
    )
    assert "SarcopeniaAssessLib.models" in modules
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(LIBRARY.parent)}, check=False
    )
    assert done.returncode == 0


def test_the_layers_are_imported_by_functions_only():
    importing = set()
    for path in LIBRARY.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            names = ast.dump(node) if isinstance(node, ast.Import | ast.ImportFrom) else ""
            if any(f"'SarcopeniaAssessLib.{layer}'" in names for layer in LAYERS):
                importing.add(path.stem)
    assert importing <= LAYERS
    assert importing  # the network imports its encoder: the search finds what it looks for
