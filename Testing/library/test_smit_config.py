"""The configuration of a SMIT: its JSON, what it refuses, and the spellings of the published code."""

import json
from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.smit import CONFIGURATIONS, SmitConfig

TINY = SmitConfig(embed_dim=4, depths=(2, 1, 2, 1), num_heads=(1, 1, 2, 2), drop_path_rate=0.0)
THIN = SmitConfig(window_size=(4, 4, 3), patch_size=(2, 2, 1), merging=(2, 2, 1), decoder_kernel=(3, 3, 1))


@pytest.mark.parametrize(
    "config", [*CONFIGURATIONS.values(), TINY, replace(THIN, decoder_channels=(1, 2, 3, 4, 5))]
)
def test_a_configuration_survives_json(config):
    assert SmitConfig.from_mapping(json.loads(json.dumps(config.to_mapping()))) == config


@pytest.mark.parametrize(
    "fields",
    [
        {"embed_dim": 0},
        {"embed_dim": 10**9},
        {"embed_dim": 6, "num_heads": [4, 4, 4, 4]},
        {"depths": [2, 2, 2]},
        {"depths": "2222"},
        {"window_size": [0, 4, 4]},
        {"window_size": [64, 64, 64]},
        {"merging": [2, 2, 3]},
        {"decoder_kernel": [3, 3, 2]},
        {"decoder_norm": "group"},
        {"drop_path_rate": 1},
        {"mlp_ratio": "4"},
        {"qkv_bias": 1},
        {"window_reverse": "official"},
        {"window_reverse": "official", "window_padding": "zeros", "merging": [2, 2, 1]},
        {"window_reverse": "official", "window_padding": "zeros", "image_size": 40},
        {"decoder_channels": [1, 2]},
        {"heads": 4},
    ],
)
def test_an_impossible_configuration_is_refused(fields):
    with pytest.raises(ModelError):
        SmitConfig.from_mapping(fields)


def test_an_official_configuration_is_a_cube():
    config = SmitConfig.from_official(
        {"embed_dim": 48, "img_size": [96, 96, 96], "patch_size": 2, "window_size": 4}
    )
    assert config == replace(
        CONFIGURATIONS["smit-base"], window_reverse="official", window_padding="zeros", image_size=96
    )
    with pytest.raises(ModelError, match="cube"):
        SmitConfig.from_official({"img_size": [96, 96, 64]})


FIXTURE = {
    "embed_dim": 4,
    "depths": [2, 1, 2, 1],
    "num_heads": [1, 1, 2, 2],
    "window_size": [4, 4, 4],
    "img_size": [32, 32, 32],
    "out_channels": 3,
    "patch_size": 2,
    "mlp_ratio": 4,
    "qkv_bias": False,
    "decoder_norm": "batch",
}


@pytest.mark.parametrize(
    "spelling",
    [
        {"window_size": 4, "img_size": 32, "patch_size": (2, 2, 2), "depths": (2, 1, 2, 1)},
        {"window_size": np.array([4, 4, 4]), "img_size": np.int64(32), "num_heads": np.array([1, 1, 2, 2])},
        {"num_classes": 3, "in_chans": 1, "feature_size": 4, "norm_name": "batch", "hidden_size": 64},
        {"ape": False, "spe": False, "patch_norm": True, "pat_merg_rf": 4, "out_indices": [0, 1, 2, 3]},
        {"drop_rate": 0.1, "attn_drop_rate": 0.1, "use_checkpoint": True, "spatial_dims": 3, "mlp_dim": 3072},
    ],
)
def test_an_official_configuration_may_be_spelt_in_many_ways(spelling):
    assert SmitConfig.from_official(FIXTURE | spelling) == replace(
        TINY,
        out_channels=3,
        drop_path_rate=0.3,
        window_reverse="official",
        window_padding="zeros",
        image_size=32,
    )


def test_an_alias_alone_is_enough():
    fields = {k: v for k, v in FIXTURE.items() if k not in ("embed_dim", "out_channels", "decoder_norm")}
    aliases = {
        "feature_size": 6,
        "num_classes": 5,
        "norm_name": "instance",
        "in_chans": 2,
        "dropout_path_rate": 0.1,
    }
    config = SmitConfig.from_official(fields | aliases)
    assert (config.embed_dim, config.out_channels, config.decoder_norm) == (6, 5, "instance")
    assert (config.in_channels, config.drop_path_rate) == (2, 0.1)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"ape": True}, "ape is True"),
        ({"patch_norm": False}, "patch_norm is False"),
        ({"qk_scale": 0.5}, "qk_scale is 0.5"),
        ({"pat_merg_rf": 2}, "pat_merg_rf is 2"),
        ({"spatial_dims": 2}, "spatial_dims is 2"),
        ({"num_classes": 2}, "num_classes is 2, but out_channels is 3"),
        ({"feature_size": 48}, "feature_size is 48, but embed_dim is 4"),
        ({"hidden_size": 768}, "hidden_size is 768; give 16 × embed_dim, 64"),
        ({"window_size": [4, 4, 1]}, "2 or more on every axis"),
        ({"norm_name": "group", "decoder_norm": "group"}, "batch or instance"),
        ({"img_size": 48}, "a multiple of 32"),
        ({"img_size": [32, 32, 64]}, "cube"),
        ({"embedding": 4}, "no field embedding"),
    ],
)
def test_an_official_field_is_never_passed_over_where_it_matters(field, message):
    with pytest.raises(ModelError, match=message):
        SmitConfig.from_official(FIXTURE | field)
