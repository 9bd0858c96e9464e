"""The plain U-Net: MONAI's to the bit of a float, and only for what it can do."""

import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.unet import UnetConfig, build_unet

SHAPES = [
    {"in_channels": 3, "channels": [8, 16, 24], "strides": [2, 2]},
    {
        "in_channels": 1,
        "channels": [4, 8, 8, 12],
        "strides": [2, 1, 2],
        "num_res_units": 3,
        "out_channels": 3,
    },
    {"in_channels": 5, "channels": [4, 8], "strides": [2], "num_res_units": 1},
]


@pytest.mark.parametrize("fields", SHAPES)
def test_keys_and_logits_are_monais(fields):
    import torch
    from monai.networks.nets import UNet

    torch.manual_seed(1)
    theirs = UNet(spatial_dims=2, **{"num_res_units": 2, "out_channels": 2, **fields}).eval()
    ours = build_unet(UnetConfig.from_mapping(fields)).eval()
    ours.load_state_dict(theirs.state_dict())
    stride = ours.stride
    image = torch.rand(2, 1, 6 * stride, 4 * stride, fields["in_channels"])
    with torch.inference_mode():
        expected = theirs(image[:, 0].permute(0, 3, 1, 2))
        found = ours.slice_logits(image, fields["in_channels"] // 2)
    assert torch.allclose(found, expected, atol=1e-5)


def test_odd_sides_are_padded_and_cut_back():
    import torch

    network = build_unet(UnetConfig.from_mapping(SHAPES[0])).eval()
    with torch.inference_mode():
        assert network.slice_logits(torch.rand(1, 1, 21, 14, 3), 1).shape == (1, 2, 21, 14)
        assert network(torch.rand(1, 1, 21, 14, 3)).shape == (1, 2, 21, 14, 1)


def test_another_slice_than_the_middle_one_is_refused():
    import torch

    network = build_unet(UnetConfig.from_mapping(SHAPES[0]))
    with pytest.raises(ValueError, match="draws slice 1"):
        network.slice_logits(torch.rand(1, 1, 16, 16, 3), 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"in_channels": 2, "channels": [8, 16], "strides": [2]},
        {"in_channels": 3, "channels": [8], "strides": []},
        {"in_channels": 3, "channels": [8, 16], "strides": [2, 2]},
        {"in_channels": 3, "channels": [8, 0], "strides": [2]},
        {"in_channels": 3, "channels": [8, 16]},
        {"in_channels": 3, "channels": [8, 16], "strides": [2], "norm": "batch"},
    ],
)
def test_an_impossible_configuration_is_refused(wrong):
    with pytest.raises(ModelError):
        UnetConfig.from_mapping(wrong)
