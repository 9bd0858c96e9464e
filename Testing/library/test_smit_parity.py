"""The network equals the published one (`official_smit`) in every configuration that the latter allows."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from SarcopeniaAssessLib.models import load_official_smit
from Testing.library.official_smit import OfficialSmit, random_official

SHARED = Path(os.environ.get("SARCOPENIA_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "smit"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no shared/smit here; set SARCOPENIA_SHARED")

TINY = {
    "embed_dim": 4,
    "depths": [2, 1, 2, 1],
    "num_heads": [1, 1, 2, 2],
    "window_size": [4, 4, 4],
    "img_size": [32, 32, 32],
    "out_channels": 2,
    "patch_size": 2,
    "mlp_ratio": 4,
    "qkv_bias": False,
    "decoder_norm": "batch",
}
SIDE_64 = {"img_size": [64, 64, 64]}
CASES = {
    "as the fixture": {},
    "heads 3 6 12 24": {"embed_dim": 12, "num_heads": [3, 6, 12, 24]},
    "heads 1 2 4 8": {"embed_dim": 8, "num_heads": [1, 2, 4, 8]},
    "published depths": {"depths": [2, 2, 4, 2], "num_heads": [4, 4, 4, 4]},
    "odd depths": {"depths": [1, 3, 1, 2]},
    "deep last stages": {"depths": [1, 1, 3, 4]},
    "window 2": {"window_size": [2, 2, 2]},
    "window 3": {"window_size": [3, 3, 3]},
    "window 7, larger than the map": {"window_size": [7, 7, 7]},
    "window 7 at 64": SIDE_64 | {"window_size": [7, 7, 7]},
    "window 8 at 64, the shift as large as the map": SIDE_64 | {"window_size": [8, 8, 8]},
    "window 4 2 4": {"window_size": [4, 2, 4], "depths": [2, 2, 1, 1], **SIDE_64},
    "64": SIDE_64 | {"depths": [2, 2, 2, 2]},
    "one class": {"out_channels": 1},
    "five classes": {"out_channels": 5},
    "two channels": {"in_channels": 2},
    "narrow MLP": {"mlp_ratio": 2},
    "fractional MLP": {"mlp_ratio": 2.5},
    "qkv bias": {"qkv_bias": True},
    "instance norm": SIDE_64 | {"decoder_norm": "instance"},
    "patch 4": SIDE_64 | {"patch_size": 4},
}
LARGE = {
    "published": {
        "embed_dim": 48,
        "depths": [2, 2, 4, 2],
        "num_heads": [4, 4, 4, 4],
        "img_size": [96, 96, 96],
    },
    "window 7 at 96": {"window_size": [7, 7, 7], "img_size": [96, 96, 96], "depths": [2, 2, 2, 2]},
    "swin heads at 96": {
        "embed_dim": 24,
        "num_heads": [3, 6, 12, 24],
        "img_size": [96, 96, 96],
        "qkv_bias": True,
        "out_channels": 14,
    },
}


def differences(config, tmp_path, batch=1):
    """Largest difference of each stage, the bottleneck, the logits, and slices of the logits."""
    official = random_official(config, seed=11)
    save_file(official.state_dict(), tmp_path / "official.safetensors")
    ours, report = load_official_smit(tmp_path / "official.safetensors", config)
    assert (report.fresh, report.unused) == ((), ())
    assert len(report.matched) == len(official.state_dict())
    image = torch.rand(batch, config.get("in_channels", 1), *config["img_size"])
    last = image.shape[-1] - 1
    with torch.inference_mode():
        stages, bottleneck, logits = official(image)
        our_stages, our_bottleneck = ours.encoder(image)
        pairs = {f"stage{n}": pair for n, pair in enumerate(zip(our_stages, stages, strict=True))}
        pairs["bottleneck"] = our_bottleneck, bottleneck
        pairs["logits"] = ours(image), logits
        for k in (0, last // 2, last // 2 + 1, last):
            pairs[f"slice {k}"] = ours.slice_logits(image, k), logits[..., k]
    assert 0.1 < float(logits.std()) < 20  # neither nothing to compare, nor beyond an absolute tolerance
    return {name: float((a - b).abs().max()) for name, (a, b) in pairs.items()}


def worst_of(found):
    return {name: value for name, value in found.items() if not value < 1e-4}


@needs_shared
def test_the_reference_is_the_published_network():
    """The reference agrees with the fixture's answer, so what agrees with the reference is published."""
    folder = SHARED / "fixture"
    network = OfficialSmit(json.loads((folder / "config.json").read_text())).eval()
    network.load_state_dict(load_file(folder / "state_dict.safetensors"))
    answer = {k: torch.from_numpy(v) for k, v in np.load(folder / "tensors.npz").items()}
    with torch.inference_mode():
        stages, bottleneck, output = network(answer["input"])
    for n, stage in enumerate(stages):
        torch.testing.assert_close(stage, answer[f"stage{n}"], atol=1e-5, rtol=0)
    torch.testing.assert_close(bottleneck.flatten(2).mT, answer["bottleneck"], atol=1e-5, rtol=0)
    torch.testing.assert_close(output, answer["output"], atol=1e-5, rtol=0)


@needs_shared
def test_the_reference_has_the_published_keys():
    official = json.loads((SHARED / "official_keys.json").read_text())
    with torch.device("meta"):
        network = OfficialSmit(TINY | LARGE["published"])
    assert {n: list(t.shape) for n, t in network.state_dict().items()} == official


@pytest.mark.parametrize("case", CASES)
def test_every_stage_and_the_logits_are_equal(case, tmp_path):
    assert worst_of(differences(TINY | CASES[case], tmp_path)) == {}


@pytest.mark.parametrize("case", ["as the fixture", "window 3", "window 7, larger than the map", "64"])
def test_the_exact_order_differs_from_the_reference_in_the_window_reverse_alone(case, tmp_path):
    assert worst_of(differences(TINY | CASES[case] | {"window_reverse": "exact"}, tmp_path)) == {}


def test_a_batch_is_equal(tmp_path):
    assert worst_of(differences(TINY | {"depths": [2, 2, 1, 1]}, tmp_path, batch=3)) == {}


def test_the_last_stage_is_padded_at_96_as_published(tmp_path):
    """At 96³ the last stage is 6³ and its windows reach to 8³: only there are real and added tokens mixed."""
    case = {"img_size": [96, 96, 96], "depths": [1, 1, 1, 2]}
    assert worst_of(differences(TINY | case, tmp_path)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("order", ["official", "exact"])
@pytest.mark.parametrize("case", LARGE)
def test_large_networks_are_equal(case, order, tmp_path):
    assert worst_of(differences(TINY | LARGE[case] | {"window_reverse": order}, tmp_path)) == {}
